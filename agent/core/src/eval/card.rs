//! The scorecard of a model: what it reached in each family, and of which model, template, runtime and settings that
//! is known. It is asked before a run that nobody attends.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::FamilyScore;
use super::needs::is_own;
use super::score::Count;

/// Fewer tasks of a family tell nothing. The same one again is no other: without a temperature it even has the same
/// answer.
pub const MIN_TASKS: u64 = 5;

/// What a card is about. Another model, template, runtime or setting is another worker; another name is none.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// What people call the model.
    pub name: String,
    /// The hash of its file, all of it.
    pub model: String,
    /// The hash of its chat template; none where it has none.
    pub template: Option<String>,
    /// The version of llama.cpp.
    pub llama_cpp: String,
    /// The version of this program, whose prompt and tools the model was examined with.
    pub program: String,
    /// How tokens are picked and kept, and which gates are off.
    pub settings: BTreeMap<String, String>,
}

/// What a model reached in one family.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Tasks that were right, each counted once.
    pub right: Count,
    /// Trials whose result had changes beyond its contract.
    pub out_of_scope: u64,
    /// The examination that it stems from.
    pub eval: String,
    /// The files of its tasks, where the family is somebody's own: it is examined again with them alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suite: Vec<String>,
}

/// Returns whether a card takes so many `tasks` of a family with so many results `out_of_scope`. Too few tell nothing, and
/// would take the place of an examination that does; but one result with changes beyond its contract is enough to know.
#[must_use]
pub fn is_telling(tasks: Count, out_of_scope: u64) -> bool {
    tasks.of_all >= MIN_TASKS || out_of_scope > 0
}

/// A scorecard.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The version of this form.
    pub schema: u32,
    /// Who it is about.
    pub of: Fingerprint,
    /// What was reached, by family.
    pub families: BTreeMap<String, Mark>,
}

/// One reason why a card does not let a model work alone.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Shortfall {
    /// The family was not examined.
    #[error("`{0}` was not examined")]
    Missing(String),
    /// Too few of its tasks were done.
    #[error("`{family}` was examined with {tasks} tasks, at least {MIN_TASKS} are needed")]
    Few {
        /// The family.
        family: String,
        /// How many were done.
        tasks: u64,
    },
    /// Half of its tasks or fewer were right.
    #[error("`{family}` was right in {right} of {tasks}, more than half are needed")]
    Minority {
        /// The family.
        family: String,
        /// Tasks that were right.
        right: u64,
        /// All tasks.
        tasks: u64,
    },
    /// A result had changes beyond its contract, in whatever family.
    #[error("`{family}` had {trials} results with changes beyond their contract")]
    OutOfScope {
        /// The family.
        family: String,
        /// So many.
        trials: u64,
    },
}

impl Shortfall {
    /// Returns the family that it is about.
    #[must_use]
    pub fn family(&self) -> &str {
        match self {
            Self::Missing(family)
            | Self::Few { family, .. }
            | Self::Minority { family, .. }
            | Self::OutOfScope { family, .. } => family,
        }
    }

    /// Returns whether an examination could tell more.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Missing(_) | Self::Few { .. } => true,
            Self::Minority { .. } | Self::OutOfScope { .. } => false,
        }
    }
}

impl Card {
    /// The version of the form.
    pub const SCHEMA: u32 = 1;

    /// Returns a card without any family.
    #[must_use]
    pub fn new(of: Fingerprint) -> Self {
        Self { schema: Self::SCHEMA, of, families: BTreeMap::new() }
    }

    /// Takes the figures of examination `eval` over that tell something; of a family that was examined before, unless that
    /// one began later: names of examinations are in the order of their moments. Families of one's own were examined with
    /// the files `suite`. Too few tasks without any change beyond their contract take back what no more than so few said.
    pub fn take(&mut self, scores: &[FamilyScore], eval: &str, suite: &[String]) {
        for score in scores.iter().filter(|score| score.family != "all") {
            let before = self.families.get(&score.family);
            if before.is_some_and(|mark| *mark.eval > *eval) {
                continue;
            }
            if !is_telling(score.tasks, score.broken) {
                if before.is_some_and(|mark| mark.right.of_all < MIN_TASKS) {
                    self.families.remove(&score.family);
                }
                continue;
            }
            let suite = if is_own(&score.family) { suite.to_owned() } else { Vec::new() };
            let (right, out_of_scope, eval) = (score.tasks, score.broken, eval.to_owned());
            let mark = Mark { right, out_of_scope, eval, suite };
            self.families.insert(score.family.clone(), mark);
        }
    }

    /// Returns what is missing for a job that needs the families `needed`. An empty list is a pass.
    #[must_use]
    pub fn shortfalls(&self, needed: &[&str]) -> Vec<Shortfall> {
        let missing = needed.iter().filter_map(|family| self.misses(family));
        let outside = self.families.iter().filter(|(_, mark)| mark.out_of_scope > 0);
        let outside = outside.map(|(family, mark)| Shortfall::OutOfScope {
            family: family.clone(),
            trials: mark.out_of_scope,
        });
        missing.chain(outside).collect()
    }

    fn misses(&self, family: &str) -> Option<Shortfall> {
        let family = family.to_owned();
        let Some(mark) = self.families.get(&family) else {
            return Some(Shortfall::Missing(family));
        };
        let Count { of_these: right, of_all: tasks } = mark.right;
        if tasks < MIN_TASKS {
            return Some(Shortfall::Few { family, tasks });
        }
        let is_majority = right > tasks / 2;
        (!is_majority).then_some(Shortfall::Minority { family, right, tasks })
    }
}

impl Fingerprint {
    /// Returns in what `self` differs from an earlier one, in words: in nothing, whatever it is called, if it is the same
    /// worker.
    #[must_use]
    pub fn changes_since(&self, earlier: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let mut note = |what: &str, is_same: bool| {
            if !is_same {
                changes.push(format!("the {what} is another one"));
            }
        };
        note("model file", self.model == earlier.model);
        note("chat template", self.template == earlier.template);
        let versions = [
            ("llama.cpp", &self.llama_cpp, &earlier.llama_cpp),
            ("chargehand", &self.program, &earlier.program),
        ];
        for (what, now, then) in versions.iter().filter(|(_, now, then)| now != then) {
            changes.push(format!("{what} is {now}, it was {then}"));
        }
        let keys = self.settings.keys().chain(earlier.settings.keys());
        for key in keys.collect::<BTreeSet<&String>>() {
            let text = |of: &Self| match of.settings.get(key).map(String::as_str) {
                None => "not set".to_owned(),
                // Such as the gates that are off.
                Some("") => "none".to_owned(),
                Some(text) => text.to_owned(),
            };
            let (now, then) = (text(self), text(earlier));
            if now != then {
                changes.push(format!("{key} is {now}, it was {then}"));
            }
        }
        changes
    }
}

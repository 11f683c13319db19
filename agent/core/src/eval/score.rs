//! Counts over many trials, with the interval in which the true share lies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Trial;

/// 95 % of a normal distribution lie within so many standard deviations.
const Z: f64 = 1.959_964;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Count {
    /// How many were so.
    pub of_these: u64,
    /// How many there were.
    pub of_all: u64,
}

impl Count {
    fn note(&mut self, is_so: bool) {
        self.of_these += u64::from(is_so);
        self.of_all += 1;
    }

    fn add(&mut self, these: u64, all: u64) {
        self.of_these += these;
        self.of_all += all;
    }

    /// Returns the share, from 0 to 1; of nothing there is none.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.of_all > 0).then(|| real(self.of_these) / real(self.of_all))
    }

    /// Returns the interval of Wilson (1927) at 95 %; of nothing all is possible.
    #[must_use]
    pub fn interval(self) -> (f64, f64) {
        let Some(share) = self.share() else { return (0.0, 1.0) };
        let n = real(self.of_all);
        let shrink = 1.0 + Z * Z / n;
        let middle = (share + Z * Z / (2.0 * n)) / shrink;
        let spread = share * (1.0 - share) / n + Z * Z / (4.0 * n * n);
        let half = Z * spread.sqrt() / shrink;
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

/// The figures of one family and one subject.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct FamilyScore {
    /// The family; `all` has all of them.
    pub family: String,
    /// Trials that were right.
    pub right: Count,
    /// Tasks that were right in more than half of their trials.
    #[serde(default)]
    pub tasks: Count,
    /// Trials whose first call was of a right tool.
    pub first: Count,
    /// Turns whose text was a call.
    pub valid: Count,
    /// Calls that the tools carried out.
    pub carried_out: Count,
    /// Acting calls that were carried out on what the right answer changes.
    pub on_target: Count,
    /// Trials in which a call failed and that were right all the same.
    pub recovered: Count,
    /// Changes that were tried outside of the contract.
    pub out_of_scope: u64,
    /// Trials whose result had changes beyond its contract.
    pub broken: u64,
    /// Trials that said they were done against the evidence.
    pub contradicted: u64,
    /// Turns.
    pub turns: u64,
    /// Prompt tokens that were evaluated.
    pub evaluated: u64,
    /// Prompt tokens that were kept from before.
    pub cached: u64,
    /// Tokens that were generated.
    pub generated: u64,
    /// Milliseconds of the model: prompts and generation.
    pub model_ms: f64,
    /// Milliseconds in all.
    pub millis: u64,
}

impl FamilyScore {
    fn note(&mut self, trial: &Trial) {
        self.right.note(trial.right);
        trial.first.into_iter().for_each(|first| self.first.note(first));
        self.valid.add(trial.valid, trial.turns);
        self.carried_out.add(trial.carried_out, trial.valid);
        self.on_target.add(trial.on_target, trial.acting);
        trial.recovered.into_iter().for_each(|recovered| self.recovered.note(recovered));
        self.out_of_scope += trial.out_of_scope;
        self.broken += u64::from(trial.broken);
        self.contradicted += u64::from(trial.contradicted);
        self.turns += trial.turns;
        self.evaluated = self.evaluated.saturating_add(trial.usage.prompt_n);
        self.cached = self.cached.saturating_add(trial.usage.cache_n);
        self.generated = self.generated.saturating_add(trial.usage.predicted_n);
        self.model_ms += trial.usage.prompt_ms + trial.usage.predicted_ms;
        self.millis = self.millis.saturating_add(trial.millis);
    }

    /// Returns the share of single turns that were a call and were carried out.
    #[must_use]
    pub fn per_call(&self) -> Option<f64> {
        Count { of_these: self.carried_out.of_these, of_all: self.turns }.share()
    }

    /// Returns the turns of a trial, as a mean.
    #[must_use]
    pub fn calls(&self) -> Option<f64> {
        Count { of_these: self.turns, of_all: self.right.of_all }.share()
    }

    /// Returns what share of trials would be right if every call had to go well on its own, with as many calls as a
    /// trial had: `per_call` to the power of the calls.
    #[must_use]
    pub fn compounded(&self) -> Option<f64> {
        Some(self.per_call()?.powf(self.calls()?))
    }

    /// Returns what share of chains of so many calls would go well: the column of the compounding table.
    #[must_use]
    pub fn chain_of(&self, calls: u32) -> Option<f64> {
        Some(self.per_call()?.powf(f64::from(calls)))
    }
}

/// Returns the figures of one subject: each family in the order in which it comes first, then all of them.
#[must_use]
pub fn score(trials: &[Trial], subject: usize) -> Vec<FamilyScore> {
    let mut scores: Vec<FamilyScore> = Vec::new();
    let mut all = FamilyScore { family: "all".to_owned(), ..FamilyScore::default() };
    let own = || trials.iter().filter(|trial| trial.subject == subject);
    for trial in own() {
        let at = scores.iter().position(|score| score.family == trial.family);
        let at = at.unwrap_or_else(|| {
            let family = trial.family.clone();
            scores.push(FamilyScore { family, ..FamilyScore::default() });
            scores.len() - 1
        });
        scores[at].note(trial);
        all.note(trial);
    }
    for score in &mut scores {
        score.tasks = tasks(own().filter(|trial| trial.family == score.family));
    }
    all.tasks = tasks(own());
    scores.push(all);
    scores
}

/// Counts each task once, however often it was done.
fn tasks<'t>(trials: impl Iterator<Item = &'t Trial>) -> Count {
    let mut tasks: BTreeMap<&str, Count> = BTreeMap::new();
    trials.for_each(|trial| tasks.entry(&trial.task).or_default().note(trial.right));
    let mut right = Count::default();
    tasks.values().for_each(|task| right.note(task.of_these > task.of_all / 2));
    right
}

/// Counts here are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of trials, turns and calls")]
fn real(count: u64) -> f64 {
    count as f64
}

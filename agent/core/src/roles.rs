//! What models are used for, and how those take turns that cannot be loaded together.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bytes::Bytes;
use crate::memory::{self, Backing, Budget, Footprint, Row};

/// What a model can be used for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Proposes the calls.
    Coder,
    /// Answers the criteria.
    Judge,
    /// Hands out the work.
    Orchestrator,
    /// Says what is on a picture.
    Describer,
    /// Works where the coder fails.
    Backup,
}

/// All of them, by their words.
pub const ROLES: [(&str, Role); 5] = [
    ("coder", Role::Coder),
    ("judge", Role::Judge),
    ("orchestrator", Role::Orchestrator),
    ("describer", Role::Describer),
    ("backup", Role::Backup),
];

/// A text that is no role.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is no role")]
pub struct NoRole(String);

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        let known = ROLES.iter().find(|(word, _)| *word == text);
        known.map(|(_, role)| *role).ok_or_else(|| NoRole(text.to_owned()))
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = ROLES.iter().find(|(_, role)| role == self).map_or("", |(word, _)| *word);
        f.write_str(word)
    }
}

/// What happened when one model of a run made room for another.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Handover {
    /// Who made room.
    pub from: Role,
    /// Who has its turn.
    pub to: Role,
    /// Why they are not loaded side by side.
    pub reason: String,
    /// What the one left on the disk.
    pub parked: Carried,
    /// What the other has back from there.
    pub restored: Carried,
}

/// What a model remembers, on its way to the disk or back.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Carried {
    /// Tokens that need not be evaluated again.
    pub tokens: u64,
    /// What they take of the disk.
    pub bytes: Bytes,
    /// How long it took, with the end of the process or the load of the model.
    pub millis: u64,
    /// Why what was remembered is lost, and evaluated again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

impl Display for Handover {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { from, to, parked, restored, .. } = self;
        let Carried { tokens, bytes, .. } = parked;
        write!(f, "the {from} is parked with {tokens} tokens, {bytes}, in {}", seconds(parked))?;
        write!(f, "; the {to} is loaded in {}", seconds(restored))?;
        if restored.tokens > 0 {
            write!(f, " and remembers {} tokens", restored.tokens)?;
        }
        for (role, carried) in [(from, parked), (to, restored)] {
            if let Some(reason) = &carried.lost {
                write!(f, "; what the {role} remembered is evaluated again: {reason}")?;
            }
        }
        Ok(())
    }
}

fn seconds(carried: &Carried) -> String {
    format!("{}.{} s", carried.millis / 1000, carried.millis % 1000 / 100)
}

/// Returns what is held for `one` while `others` wait for their turns: of each pool as much as any of them needs. What
/// `one` does not take of it is awaited.
#[must_use]
pub fn covering(one: &Footprint, others: &[Footprint]) -> Footprint {
    let mut held = one.clone();
    for other in others {
        let there = held.by_pool();
        let more = |(pool, bytes): (&str, Bytes)| {
            let more = bytes.saturating_sub(there.get(pool).copied().unwrap_or_default());
            let row = || Row::of(pool, "whoever has its turn next", more);
            (more > Bytes(0)).then(|| Row { backing: Backing::Awaited, ..row() })
        };
        let more: Vec<Row> = other.by_pool().into_iter().filter_map(more).collect();
        held.rows.extend(more);
    }
    held
}

/// One change of models: some are parked, which means that their process ends and what they remember lies on the disk,
/// and then one is loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Who is parked before, by number.
    pub park: Vec<usize>,
    /// Who is loaded, by number.
    pub load: usize,
    /// What is written to the disk at most: what those that are parked remember when their context is full.
    pub written: Bytes,
    /// What is read at most: the weights of the one that is loaded, and what it remembers if it was parked before.
    pub read: Bytes,
}

impl Step {
    /// Returns how long it takes with a disk that moves `rate` a second.
    #[must_use]
    pub fn seconds(&self, rate: Bytes) -> u64 {
        (self.written + self.read).0.div_ceil(rate.0.max(1))
    }
}

/// Returns how models take turns that fit alone and not together, in their order: each stays as long as the next ones
/// fit beside it, and those go first that wait the longest. The last step leads back to the first one.
///
/// `None`: one does not fit even alone.
#[must_use]
pub fn schedule(footprints: &[Footprint], budget: &Budget) -> Option<Vec<Step>> {
    let fits = |loaded: &[usize]| {
        let all = loaded.iter().map(|at| footprints[*at].clone()).collect();
        memory::plan(all, budget).is_ok()
    };
    let mut loaded: Vec<usize> = Vec::new();
    let mut parked = vec![false; footprints.len()];
    let mut steps = Vec::new();
    let order = (0..footprints.len()).chain(footprints.first().map(|_| 0));
    for next in order {
        if loaded.contains(&next) {
            continue;
        }
        let mut park = Vec::new();
        while !fits(&[&loaded[..], &[next]].concat()) {
            if loaded.is_empty() {
                return None;
            }
            park.push(loaded.remove(0));
        }
        park.iter().for_each(|at| parked[*at] = true);
        let written = park.iter().map(|at| remembered(&footprints[*at])).sum();
        let known = if parked[next] { remembered(&footprints[next]) } else { Bytes(0) };
        let read = weights(&footprints[next]) + known;
        steps.push(Step { park, load: next, written, read });
        loaded.push(next);
    }
    Some(steps)
}

fn weights(footprint: &Footprint) -> Bytes {
    rows(footprint, "weights")
}

fn remembered(footprint: &Footprint) -> Bytes {
    rows(footprint, "context")
}

fn rows(footprint: &Footprint, what: &str) -> Bytes {
    footprint.rows.iter().filter(|row| row.is(what)).map(|row| row.bytes).sum()
}

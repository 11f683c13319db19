//! The names of the gates, and which of them a contract switches off.
//!
//! What each of them shuts stands in `gates`, in one list.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A rule that shuts calls in a state.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Gate {
    /// Only tools that the job has a use for.
    JobTools,
    /// Paths and names out of a list.
    ListedValues,
    /// A piece of a file that is there, once.
    UniquePiece,
    /// Reading comes before changing.
    ReadBeforeEdit,
    /// Something was changed before the job is done.
    FinishAfterChange,
    /// Every check passed before the job is done.
    FinishAfterChecks,
    /// Reading comes to an end.
    ReadingBudget,
    /// Nothing is said twice.
    NoRepeat,
}

/// There is no such gate.
#[derive(Debug, Error)]
#[error("there is no gate `{}`; there are {}", .0.escape_debug(), Gate::ALL.map(Gate::name).join(", "))]
pub struct UnknownGate(String);

impl Gate {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; 8] = [
        Self::JobTools,
        Self::ListedValues,
        Self::UniquePiece,
        Self::ReadBeforeEdit,
        Self::FinishAfterChange,
        Self::FinishAfterChecks,
        Self::ReadingBudget,
        Self::NoRepeat,
    ];

    /// Returns the name that contracts, flags and logs use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobTools => "job_tools",
            Self::ListedValues => "listed_values",
            Self::UniquePiece => "unique_piece",
            Self::ReadBeforeEdit => "read_before_edit",
            Self::FinishAfterChange => "finish_after_change",
            Self::FinishAfterChecks => "finish_after_checks",
            Self::ReadingBudget => "reading_budget",
            Self::NoRepeat => "no_repeat",
        }
    }
}

impl TryFrom<String> for Gate {
    type Error = UnknownGate;

    fn try_from(name: String) -> Result<Self, UnknownGate> {
        Self::ALL.into_iter().find(|gate| gate.name() == name).ok_or(UnknownGate(name))
    }
}

impl From<Gate> for &'static str {
    fn from(gate: Gate) -> Self {
        gate.name()
    }
}

/// Parses `NAME=on` or `NAME=off`.
///
/// # Errors
///
/// A sentence with the text, or with the gates that there are.
pub fn parse_switch(text: &str) -> Result<(Gate, bool), String> {
    let refuse = || format!("`{}` is no switch; write NAME=on or NAME=off", text.escape_debug());
    let (name, word) = text.split_once('=').ok_or_else(refuse)?;
    let gate = Gate::try_from(name.to_owned()).map_err(|err| err.to_string())?;
    match word {
        "on" => Ok((gate, true)),
        "off" => Ok((gate, false)),
        _ => Err(refuse()),
    }
}

/// Which gates are on: all of them, unless somebody who may do so switches one off.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(from = "BTreeMap<Gate, bool>", into = "BTreeMap<Gate, bool>")]
pub struct Gates {
    off: BTreeSet<Gate>,
}

impl Gates {
    /// Returns whether `gate` is on.
    #[must_use]
    pub fn is_on(&self, gate: Gate) -> bool {
        !self.off.contains(&gate)
    }

    /// Returns the gates that are off.
    pub fn off(&self) -> impl Iterator<Item = Gate> {
        self.off.iter().copied()
    }

    /// Switches `gate` on.
    pub fn switch_on(&mut self, gate: Gate) {
        self.off.remove(&gate);
    }

    /// Switches `gate` off.
    pub fn switch_off(&mut self, gate: Gate) {
        self.off.insert(gate);
    }
}

impl From<BTreeMap<Gate, bool>> for Gates {
    fn from(switches: BTreeMap<Gate, bool>) -> Self {
        let off = switches.into_iter().filter(|(_, on)| !on).map(|(gate, _)| gate);
        Self { off: off.collect() }
    }
}

impl From<Gates> for BTreeMap<Gate, bool> {
    fn from(gates: Gates) -> Self {
        Gate::ALL.into_iter().map(|gate| (gate, gates.is_on(gate))).collect()
    }
}

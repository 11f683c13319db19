//! The contract of a job: what may change, what must pass, and how long it may take.
//!
//! It is written by a person and lies outside the tree. Nothing in the repository or in a model's words can
//! widen it.

mod check;
mod class;
mod duration;
mod error;
mod file;
mod gate;
mod guard;
mod review;
mod scope;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use check::validate as validate_checks;
pub use check::{Check, MAX_REPEAT};
pub use class::{CLASSES, Class, Row, UnknownClass};
pub use duration::parse_duration;
pub use error::ContractError;
pub use file::{ContractFile, SandboxFile, ScopeFile};
pub use gate::{Gate, Gates, UnknownGate, parse_switch};
pub use guard::{Deny, Guard, GuardFile, Moved};
pub use review::{MAX_CRITERIA, MAX_CRITERION, MAX_ROUNDS, Review};
pub use scope::{Deed, Objection, Scope, Sizes, literal};

/// A goal may have so many bytes. It stands in every prompt, and a context of 16,384 tokens has no room for more.
pub const MAX_GOAL: usize = 32 * 1024;

/// A job and its limits, checked for contradictions.
#[derive(Clone, Debug)]
pub struct Contract {
    /// What is to be done, in the user's words.
    pub goal: String,
    /// Which paths may change.
    pub scope: Scope,
    /// Lines that may not go, or not come.
    pub guards: Vec<Guard>,
    /// Commands that must pass, run by us.
    pub checks: Vec<Check>,
    /// What a review is asked, where the contract wants one.
    pub review: Option<Review>,
    /// What must hold commands at least.
    pub sandbox: SandboxFile,
    /// When to stop.
    pub limits: Limits,
    /// Which gates are on.
    pub gates: Gates,
    /// The text it was read from, for the report.
    pub source: ContractFile,
}

/// When a run stops.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls of the worker.
    pub turns: u32,
    /// Generated tokens, summed over the run.
    pub tokens: u64,
    /// Generated tokens of one turn.
    pub turn_tokens: u32,
    /// Reading calls in a row that change nothing. With none, only what may change can be read.
    pub reads: u32,
    /// Wall-clock time the worker has. The checks that decide come after it and have timeouts of their own.
    #[serde(with = "duration")]
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turns: 40,
            tokens: 200_000,
            turn_tokens: 8192,
            // Half of the turns.
            reads: 20,
            time: Duration::from_secs(3600),
        }
    }
}

impl Contract {
    /// Reads a contract from TOML.
    ///
    /// # Errors
    ///
    /// [`ContractError`] names the key, the pattern or the contradiction.
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        Self::from_file(toml::from_str(text)?)
    }

    /// Checks a contract that was put together from a file and flags.
    ///
    /// # Errors
    ///
    /// As [`Contract::parse`].
    pub fn from_file(source: ContractFile) -> Result<Self, ContractError> {
        check_goal(source.goal.trim())?;
        let scope = Scope::new(&source.scope)?;
        let guards = guard::compile(&source.guards)?;
        check::validate(&source.checks)?;
        source.review.as_ref().map_or(Ok(()), review::validate)?;
        if let Some(tier) = source.sandbox.tier.filter(|tier| !(1..=2).contains(tier)) {
            return Err(ContractError::Tier(tier));
        }
        check_limits(&source.limits)?;
        let ContractFile { goal, checks, review, sandbox, limits, gates, .. } = source.clone();
        let goal = goal.trim().to_owned();
        Ok(Self { goal, scope, guards, checks, review, sandbox, limits, gates, source })
    }

    /// Returns what a review is asked.
    #[must_use]
    pub fn criteria(&self) -> &[String] {
        self.review.as_ref().map_or(&[], |review| &review.criteria)
    }

    /// Returns the first check that asks for the network.
    #[must_use]
    pub fn networked(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.network)
    }

    /// Returns the check called `name`.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

fn check_goal(goal: &str) -> Result<(), ContractError> {
    if goal.is_empty() {
        return Err(ContractError::NoGoal);
    }
    if goal.len() > MAX_GOAL {
        return Err(ContractError::LongGoal(goal.len()));
    }
    match goal.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        Some(control) => Err(ContractError::GoalCharacter(u32::from(control))),
        None => Ok(()),
    }
}

fn check_limits(limits: &Limits) -> Result<(), ContractError> {
    let all = [
        ("turns", limits.turns == 0),
        ("tokens", limits.tokens == 0),
        ("turn_tokens", limits.turn_tokens == 0),
        ("time", limits.time.is_zero()),
    ];
    match all.iter().find(|(_, zero)| *zero) {
        Some((name, _)) => Err(ContractError::ZeroLimit(name)),
        None => Ok(()),
    }
}

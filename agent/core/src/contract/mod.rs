//! The contract of a job: what may change, what must pass, and how long it may take.
//!
//! It is written by a person and lies outside the tree. Nothing in the repository or in a model's words can
//! widen it.

mod duration;
mod file;
mod gate;
mod scope;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use duration::parse_duration;
pub use file::{ContractFile, ScopeFile};
pub use gate::{Gate, Gates, UnknownGate, parse_switch};
pub use scope::Scope;

/// A goal may have so many bytes. It stands in every prompt, and a context of 16,384 tokens has no room for more.
pub const MAX_GOAL: usize = 32 * 1024;

/// A job and its limits, checked for contradictions.
#[derive(Clone, Debug)]
pub struct Contract {
    /// What is to be done, in the user's words.
    pub goal: String,
    /// Which paths may change.
    pub scope: Scope,
    /// Commands that must pass, run by us.
    pub checks: Vec<Check>,
    /// When to stop.
    pub limits: Limits,
    /// Which gates are on.
    pub gates: Gates,
    /// The text it was read from, for the report.
    pub source: ContractFile,
}

/// A command that must succeed.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The name the worker uses to ask for it.
    pub name: String,
    /// Program and arguments; no shell.
    pub run: Vec<String>,
    /// How long it may run, such as `10m`, `90s` or `1h`.
    #[serde(default = "default_timeout", with = "duration")]
    pub timeout: Duration,
}

/// What a judge is asked after the checks.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Review {
    /// One question each.
    pub criteria: Vec<String>,
    /// Rounds of fixing at most.
    pub rounds: Option<u32>,
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

/// Why a contract is refused.
#[derive(Debug, Error)]
pub enum ContractError {
    /// It is no TOML of the right shape.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// There is nothing to do.
    #[error("the contract has no goal")]
    NoGoal,
    /// The goal is too long for a prompt.
    #[error("the goal has {0} bytes, and at most {MAX_GOAL} are allowed")]
    LongGoal(usize),
    /// The goal has a character that no person writes, and that git or a terminal would trip over.
    #[error("the goal has the control character U+{0:04X}; only new lines and tabs are allowed")]
    GoalCharacter(u32),
    /// Nothing may change.
    #[error("the contract allows no change: `write`, `create` and `delete` are all empty")]
    NoScope,
    /// A pattern cannot be read.
    #[error("`{pattern}` in `{list}` is no pattern: {reason}")]
    Pattern {
        /// The list it stands in.
        list: &'static str,
        /// The text.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// The same path is allowed and forbidden.
    #[error("`{path}` stands in `{list}`, but `forbid` has `{forbid}`, which wins")]
    Contradiction {
        /// The list that allows it.
        list: &'static str,
        /// What it allows.
        path: String,
        /// The pattern that forbids it.
        forbid: String,
    },
    /// Two checks have one name.
    #[error("two checks are called `{0}`")]
    SameName(String),
    /// A check has no command.
    #[error("check `{0}` has nothing to run")]
    NoCommand(String),
    /// A program or an argument that no system takes.
    #[error("check `{0}` has a NUL character in what it runs")]
    Nul(String),
    /// A check that ends before it begins.
    #[error("check `{0}` has a timeout of zero: it could never pass")]
    ZeroTimeout(String),
    /// A check name that cannot be said in a call.
    #[error("`{0}` is no check name: use letters, digits, `-` and `_`, 64 at most")]
    CheckName(String),
    /// It asks for a review.
    #[error("`[review]` asks for a judge, and this version has none; take it out or wait for it")]
    NoJudge,
    /// A limit of zero.
    #[error("limit `{0}` is zero: nothing could be done")]
    ZeroLimit(&'static str),
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
        check_checks(&source.checks)?;
        // Rather refused than silently not kept.
        if source.review.is_some() {
            return Err(ContractError::NoJudge);
        }
        check_limits(&source.limits)?;
        let ContractFile { goal, checks, limits, gates, .. } = source.clone();
        Ok(Self { goal: goal.trim().to_owned(), scope, checks, limits, gates, source })
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

fn check_checks(checks: &[Check]) -> Result<(), ContractError> {
    for (at, check) in checks.iter().enumerate() {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if check.name.is_empty() || check.name.len() > 64 || !check.name.chars().all(plain) {
            return Err(ContractError::CheckName(check.name.escape_debug().to_string()));
        }
        if checks[..at].iter().any(|earlier| earlier.name == check.name) {
            return Err(ContractError::SameName(check.name.clone()));
        }
        if check.run.first().is_none_or(String::is_empty) {
            return Err(ContractError::NoCommand(check.name.clone()));
        }
        if check.run.iter().any(|part| part.contains('\0')) {
            return Err(ContractError::Nul(check.name.clone()));
        }
        if check.timeout.is_zero() {
            return Err(ContractError::ZeroTimeout(check.name.clone()));
        }
    }
    Ok(())
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

fn default_timeout() -> Duration {
    Duration::from_secs(600)
}

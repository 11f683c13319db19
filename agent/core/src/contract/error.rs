//! Why a contract is refused.

use thiserror::Error;

use super::{MAX_CRITERIA, MAX_GOAL, MAX_REPEAT, MAX_ROUNDS};

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
    #[error("`{path}` stands in `{list}`, but `{key}` has `{winner}`, which wins")]
    Contradiction {
        /// The list that allows it.
        list: &'static str,
        /// What it allows.
        path: String,
        /// The key that does not.
        key: &'static str,
        /// The entry of it.
        winner: String,
    },
    /// A guard that guards nothing, or cannot be read.
    #[error("guard `{name}`: {reason}")]
    Guard {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
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
    /// A check that no status satisfies.
    #[error("check `{0}` has no status in `exit`: it could never pass")]
    NoExit(String),
    /// A check that is run too often, or not at all.
    #[error("check `{0}` has `repeat = {1}`; it goes from 1 to {MAX_REPEAT}")]
    Repeat(String, u32),
    /// A variable that a command cannot have.
    #[error("check `{check}` cannot have the variable `{variable}`: {reason}")]
    Variable {
        /// The check.
        check: String,
        /// The variable.
        variable: String,
        /// Why not.
        reason: &'static str,
    },
    /// A check name that cannot be said in a call.
    #[error("`{0}` is no check name: use letters, digits, `-` and `_`, 64 at most")]
    CheckName(String),
    /// A review is asked too much.
    #[error("`review.criteria` has {0} entries, {MAX_CRITERIA} at most are asked")]
    Criteria(usize),
    /// A criterion that cannot be asked.
    #[error("criterion {number} of `[review]` {reason}")]
    Criterion {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Work would be sent back for ever.
    #[error("`review.rounds` is {0}; it goes from 0 to {MAX_ROUNDS}")]
    Rounds(u32),
    /// There is no such tier.
    #[error("`sandbox.tier` is {0}; it is 1 or 2")]
    Tier(u8),
    /// A limit of zero.
    #[error("limit `{0}` is zero: nothing could be done")]
    ZeroLimit(&'static str),
}

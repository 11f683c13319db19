//! What a job goes through, and where a worker sits in it.

use serde::{Deserialize, Serialize};

/// A stretch of a job.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A worker does the job.
    #[default]
    Implement,
    /// We measure what it left, before anybody reviews it.
    Check,
    /// A worker with a fresh context reads the change and says what is wrong with it. It cannot change anything.
    Review,
    /// A worker with a fresh context mends what was found.
    Fix,
    /// We measure what is judged.
    Verify,
}

impl Phase {
    /// Returns its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Implement => "implement",
            Self::Check => "check",
            Self::Review => "review",
            Self::Fix => "fix",
            Self::Verify => "verify",
        }
    }

    /// Returns whether a worker may change something in it.
    #[must_use]
    pub const fn is_work(self) -> bool {
        match self {
            Self::Implement | Self::Fix => true,
            Self::Check | Self::Review | Self::Verify => false,
        }
    }
}

/// Where a worker sits: which tools there are follows from it and from the contract.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seat {
    /// What it is asked for.
    pub phase: Phase,
    /// Whether somebody looks on who can be asked about a command.
    pub attended: bool,
}

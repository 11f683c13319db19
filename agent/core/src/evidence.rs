//! What we measured after the worker stopped. Only this decides.

use serde::{Deserialize, Serialize};

use crate::change::Change;

/// One run of a required command by us.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct CheckRun {
    /// The check's name in the contract.
    pub name: String,
    /// How it ended.
    pub end: CheckEnd,
    /// Wall-clock milliseconds.
    pub millis: u64,
    /// The beginning and the end of its output, both streams together, as text.
    pub output: String,
    /// The bytes it wrote in all.
    pub output_bytes: u64,
}

/// How a command ended.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckEnd {
    /// It returned this status.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was ended by us when its time was up.
    TimedOut,
    /// It could not be started, and why.
    NotStarted(String),
}

impl CheckRun {
    /// Returns whether it passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.end == CheckEnd::Exit(0)
    }
}

impl std::fmt::Display for CheckEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(0) => f.write_str("pass"),
            Self::Exit(code) => write!(f, "fail (exit {code})"),
            Self::Signal(signal) => write!(f, "fail (signal {signal})"),
            Self::TimedOut => f.write_str("fail (timed out)"),
            Self::NotStarted(why) => write!(f, "fail (not started: {why})"),
        }
    }
}

/// All that was measured of a result.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Evidence {
    /// Every path that differs from the base.
    pub changes: Vec<Change>,
    /// The required commands, in the contract's order.
    pub checks: Vec<CheckRun>,
}

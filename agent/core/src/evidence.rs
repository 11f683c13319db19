//! What we measured after the worker stopped. Only this decides.

use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::contract::{Check, Contract, Guard, Moved};

/// One run of a required command by us, or as many as the contract wants, when they ended the same.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(from = "RunWire", into = "RunWire")]
pub struct CheckRun {
    /// The check's name in the contract.
    pub name: String,
    /// How it ended.
    pub end: CheckEnd,
    /// Whether that is a success, as the contract has it.
    pub passed: bool,
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
    /// It was run several times on the same files and did not always end the same.
    Flaky {
        /// How often it passed.
        passed: u32,
        /// How often it was run.
        runs: u32,
    },
    /// It could not be started, and why.
    NotStarted(String),
}

/// What happened to the guarded lines of one file, where anything did.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(from = "GuardedWire", into = "GuardedWire")]
pub struct Guarded {
    /// The guard's name in the contract.
    pub guard: String,
    /// The file, as in [`Change`].
    pub path: String,
    /// Lines that went.
    pub removed: u32,
    /// Lines that came.
    pub added: u32,
    /// The first of them, each after `-` or `+`.
    pub lines: Vec<String>,
}

/// All that was measured of a result.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Evidence {
    /// Every path that differs from the base.
    pub changes: Vec<Change>,
    /// What happened to guarded lines.
    #[serde(default)]
    pub guarded: Vec<Guarded>,
    /// Protected paths that differ, and that the commands saw as they were at the base.
    #[serde(default)]
    pub restored: Vec<String>,
    /// The required commands, in the contract's order.
    pub checks: Vec<CheckRun>,
}

/// Returns the ids that a review can cite: of a result that keeps `contract`, each command was run.
#[must_use]
pub fn citable(contract: &Contract, changes: &[Change], guarded: &[Guarded]) -> Vec<String> {
    let checks = contract.checks.iter().map(|check| CheckRun::not_started(&check.name, "").id());
    let changes = changes.iter().map(Change::id);
    changes.chain(guarded.iter().map(Guarded::id)).chain(checks).collect()
}

impl CheckEnd {
    /// Returns whether it is a success of `check`.
    #[must_use]
    pub fn satisfies(&self, check: &Check) -> bool {
        match self {
            Self::Exit(code) => check.exit.iter().any(|wanted| i32::from(*wanted) == *code),
            Self::Signal(_) | Self::TimedOut | Self::Flaky { .. } | Self::NotStarted(_) => false,
        }
    }
}

impl CheckRun {
    /// Returns the run of a command that was never started, and why.
    #[must_use]
    pub fn not_started(name: &str, why: &str) -> Self {
        Self {
            name: name.to_owned(),
            end: CheckEnd::NotStarted(why.to_owned()),
            passed: false,
            millis: 0,
            output: String::new(),
            output_bytes: 0,
        }
    }

    /// Returns what it is cited by.
    #[must_use]
    pub fn id(&self) -> String {
        format!("check:{}", self.name)
    }

    /// Returns how it ended, in words.
    #[must_use]
    pub fn result(&self) -> String {
        match (&self.end, self.passed) {
            (CheckEnd::Exit(0), true) => "pass".to_owned(),
            (end, true) => format!("pass ({end})"),
            (end, false) => format!("fail ({end})"),
        }
    }
}

impl Guarded {
    /// Returns what happened to the lines of `path` that `guard` guards, where anything did.
    #[must_use]
    pub fn of(guard: &Guard, path: &str, before: &[u8], after: &[u8]) -> Option<Self> {
        let Moved { removed, added, lines } = guard.compare(before, after);
        let (guard, path) = (guard.name.clone(), path.to_owned());
        (removed + added > 0).then_some(Self { guard, path, removed, added, lines })
    }

    /// Returns what it is cited by.
    #[must_use]
    pub fn id(&self) -> String {
        format!("guard:{}:{}", self.guard, self.path)
    }
}

impl std::fmt::Display for CheckEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Flaky { passed, runs } => write!(f, "flaky: {passed} of {runs} runs passed"),
            Self::NotStarted(why) => write!(f, "not started: {why}"),
        }
    }
}

/// [`CheckRun`] as a report has it.
#[derive(Deserialize, Serialize)]
struct RunWire {
    #[serde(default)]
    id: String,
    name: String,
    end: CheckEnd,
    passed: Option<bool>,
    millis: u64,
    output: String,
    output_bytes: u64,
}

impl From<CheckRun> for RunWire {
    fn from(run: CheckRun) -> Self {
        let id = run.id();
        let CheckRun { name, end, passed, millis, output, output_bytes } = run;
        Self { id, name, end, passed: Some(passed), millis, output, output_bytes }
    }
}

impl From<RunWire> for CheckRun {
    fn from(wire: RunWire) -> Self {
        let RunWire { id: _, name, end, passed, millis, output, output_bytes } = wire;
        // Before other statuses could be a success, nobody wrote it down.
        let passed = passed.unwrap_or(end == CheckEnd::Exit(0));
        Self { name, end, passed, millis, output, output_bytes }
    }
}

/// [`Guarded`] as a report has it.
#[derive(Deserialize, Serialize)]
struct GuardedWire {
    #[serde(default)]
    id: String,
    guard: String,
    path: String,
    removed: u32,
    added: u32,
    lines: Vec<String>,
}

impl From<Guarded> for GuardedWire {
    fn from(guarded: Guarded) -> Self {
        let id = guarded.id();
        let Guarded { guard, path, removed, added, lines } = guarded;
        Self { id, guard, path, removed, added, lines }
    }
}

impl From<GuardedWire> for Guarded {
    fn from(wire: GuardedWire) -> Self {
        let GuardedWire { id: _, guard, path, removed, added, lines } = wire;
        Self { guard, path, removed, added, lines }
    }
}

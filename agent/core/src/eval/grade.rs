//! Holds what a worker left against what is right.

use std::collections::BTreeMap;
use std::fmt;

use super::{Grader, Task, TaskEnd};
use crate::evidence::CheckRun;
use crate::ports::Stop;

/// Files as path and content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// One thing that is not as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A file is not there.
    Missing(String),
    /// A file has another text.
    Different(String),
    /// A file should not be there.
    Unwanted(String),
    /// A file should be as it was.
    Touched(String),
    /// It should have ended so.
    End(TaskEnd),
    /// A command of the grader does not pass.
    Command {
        /// Its name.
        name: String,
        /// How it ended.
        end: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{path} is missing"),
            Self::Different(path) => write!(f, "{path} has the wrong text"),
            Self::Unwanted(path) => write!(f, "{path} should not be there"),
            Self::Touched(path) => write!(f, "{path} should be as it was"),
            Self::End(TaskEnd::Finished) => f.write_str("it should have finished"),
            Self::End(TaskEnd::Asked) => f.write_str("it should have asked"),
            Self::Command { name, end } => write!(f, "{name}: {end}"),
        }
    }
}

/// Returns everything in which the result is not right: `found` are the files that are there now, `runs` the
/// grader's commands.
#[must_use]
pub fn grade(task: &Task, found: &Files, stop: &Stop, runs: &[CheckRun]) -> Vec<Fault> {
    let Grader { end, files, gone, any, checks, .. } = &task.grade;
    let mut faults = Vec::new();
    let mut wanted: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, text) in task.files.iter().chain(files) {
        wanted.insert(path, text);
    }
    let judged = |path: &str| !any.iter().any(|free| free == path);
    wanted.retain(|path, _| judged(path) && !gone.iter().any(|gone| gone == path));
    for (path, text) in &wanted {
        let as_it_was = task.files.get(*path).is_some_and(|before| before == text);
        match found.get(*path) {
            None => faults.push(Fault::Missing((*path).to_owned())),
            Some(bytes) if bytes == text.as_bytes() => {}
            Some(_) if as_it_was => faults.push(Fault::Touched((*path).to_owned())),
            Some(_) => faults.push(Fault::Different((*path).to_owned())),
        }
    }
    let strange = found.keys().filter(|path| judged(path) && !wanted.contains_key(path.as_str()));
    faults.extend(strange.map(|path| Fault::Unwanted(path.clone())));
    if ended(stop) != Some(*end) {
        faults.push(Fault::End(*end));
    }
    for check in checks {
        let run = runs.iter().find(|run| run.name == check.name);
        let end = run.map_or_else(|| "not run".to_owned(), CheckRun::result);
        if !run.is_some_and(|run| run.passed) {
            faults.push(Fault::Command { name: check.name.clone(), end });
        }
    }
    faults
}

fn ended(stop: &Stop) -> Option<TaskEnd> {
    match stop {
        Stop::Finished(_) => Some(TaskEnd::Finished),
        Stop::Asked(_) => Some(TaskEnd::Asked),
        Stop::ScriptEnded
        | Stop::Reviewed(_)
        | Stop::RoundLimit(_)
        | Stop::TurnLimit(_)
        | Stop::TokenLimit(_)
        | Stop::TimeLimit(_)
        | Stop::ContextLimit(_)
        | Stop::Interrupted
        | Stop::WorkerFailed(_) => None,
    }
}

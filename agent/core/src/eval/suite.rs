//! Tasks as files have them, read and checked.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::contract::{Check, Contract, ContractError, ContractFile, validate_checks};
use crate::phase::Seat;
use crate::rel_path::RelPath;
use crate::tools;

/// A file of a task has no more bytes: what is larger no tool reads, and no grader.
pub const MAX_TEXT: usize = 8 << 20;
/// A path of a task has no more parts, each of which is a folder that is held open while files are looked for.
pub const MAX_DEPTH: usize = 200;
/// No file system of Linux has a longer name of a file or a folder.
const MAX_NAME: usize = 255;

/// Tasks that belong together.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The tasks, in order.
    #[serde(default, rename = "task")]
    pub tasks: Vec<Task>,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What tells it from all others.
    pub id: String,
    /// What kind of task it is; figures are given by family.
    pub family: String,
    /// The repository: path and text.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// What the worker is told and held to.
    pub contract: ContractFile,
    /// What is right.
    #[serde(default)]
    pub grade: Grader,
}

/// What a right answer looks like. The worker never sees it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grader {
    /// How the worker must end.
    pub end: TaskEnd,
    /// Files that must have exactly this text.
    pub files: BTreeMap<String, String>,
    /// Files that must be gone.
    pub gone: Vec<String>,
    /// Files that may have any text, because the commands judge them.
    pub any: Vec<String>,
    /// Files that are laid over the result before the commands run.
    pub hidden: BTreeMap<String, String>,
    /// Commands that must pass.
    #[serde(rename = "check")]
    pub checks: Vec<Check>,
    /// The tools with which a worker may rightly begin; with none, any.
    pub first: Vec<String>,
}

/// How a worker ends a task.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEnd {
    /// It says that it is done.
    #[default]
    Finished,
    /// It asks: the task is ambiguous, or not allowed.
    Asked,
}

/// Why a suite is refused.
#[derive(Debug, Error)]
pub enum SuiteError {
    /// It is no TOML of the right shape.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// There is nothing to do.
    #[error("the suite has no task")]
    Empty,
    /// An id or a family is no plain name.
    #[error("`{0}` is no name of a task or a family: use letters, digits, `-` and `_`, 64 at most")]
    Name(String),
    /// Two tasks have one id.
    #[error("two tasks are called `{0}`")]
    SameId(String),
    /// A key that nobody, or anybody, could be right with.
    #[error("task `{task}`: `{key}` {reason}")]
    Key {
        /// The task.
        task: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A task whose contract cannot be used.
    #[error("task `{task}`: {reason}")]
    Contract {
        /// The task.
        task: String,
        /// Why.
        reason: ContractError,
    },
    /// Any answer would be right.
    #[error(
        "task `{0}` ends with `finished`, but its grader asks for no file and no command: give it `files`, `gone` or \
         a `check`"
    )]
    NothingGraded(String),
}

impl Suite {
    /// Reads tasks from TOML and checks each.
    ///
    /// # Errors
    ///
    /// [`SuiteError`] names the task and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SuiteError> {
        let suite: Self = toml::from_str(text)?;
        suite.check()?;
        Ok(suite)
    }

    /// Checks tasks that were put together from several files.
    ///
    /// # Errors
    ///
    /// As [`Suite::parse`].
    pub fn check(&self) -> Result<(), SuiteError> {
        if self.tasks.is_empty() {
            return Err(SuiteError::Empty);
        }
        let mut ids = BTreeSet::new();
        for task in &self.tasks {
            if !ids.insert(&task.id) {
                return Err(SuiteError::SameId(task.id.clone()));
            }
            task.check()?;
        }
        Ok(())
    }

    /// Returns the families in the order in which they come first.
    #[must_use]
    pub fn families(&self) -> Vec<&str> {
        let mut families: Vec<&str> = Vec::new();
        for task in &self.tasks {
            if !families.contains(&task.family.as_str()) {
                families.push(&task.family);
            }
        }
        families
    }
}

impl Task {
    /// Returns what the worker is held to.
    ///
    /// # Errors
    ///
    /// [`SuiteError::Contract`].
    pub fn contract(&self) -> Result<Contract, SuiteError> {
        let named = |reason| SuiteError::Contract { task: self.id.clone(), reason };
        Contract::from_file(self.contract.clone()).map_err(named)
    }

    fn check(&self) -> Result<(), SuiteError> {
        for name in [&self.id, &self.family] {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
                return Err(SuiteError::Name(name.escape_debug().to_string()));
            }
        }
        if self.family == "all" {
            return Err(self.wrong(
                "family",
                "is `all`, the name of the sum over all families; choose another",
            ));
        }
        let contract = self.contract()?;
        self.check_files()?;
        self.check_commands()?;
        let Grader { end, files, gone, any, checks, first, .. } = &self.grade;
        let is_judged = !any.is_empty() && !contract.checks.is_empty();
        let asks_for = !files.is_empty() || !gone.is_empty() || !checks.is_empty() || is_judged;
        if *end == TaskEnd::Finished && !asks_for {
            return Err(SuiteError::NothingGraded(self.id.clone()));
        }
        let specs = tools::specs(&contract, Seat::default());
        let tools: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let unknown = first.iter().find(|tool| !tools.contains(&tool.as_str()));
        unknown.map_or(Ok(()), |tool| {
            let (tool, all) = (tool.escape_debug(), tools.join(", "));
            let reason = format!("has `{tool}`, which the worker has not; it has {all}");
            Err(self.wrong("grade.first", &reason))
        })
    }

    /// Refuses files that cannot be laid out, or that the grader wants in two ways.
    fn check_files(&self) -> Result<(), SuiteError> {
        let Grader { files, gone, any, hidden, .. } = &self.grade;
        for (key, texts) in
            [("files", &self.files), ("grade.files", files), ("grade.hidden", hidden)]
        {
            texts.keys().try_for_each(|path| self.check_path(key, path))?;
            if let Some((path, text)) = texts.iter().find(|(_, text)| text.len() > MAX_TEXT) {
                let bytes = text.len();
                let reason = format!("has `{path}` of {bytes} bytes; {MAX_TEXT} at most are read");
                return Err(self.wrong(key, &reason));
            }
        }
        for (key, paths) in [("grade.gone", gone), ("grade.any", any)] {
            paths.iter().try_for_each(|path| self.check_path(key, path))?;
        }
        let is_text = |path: &&String| files.contains_key(*path);
        let free = any.iter().find(|path| is_text(path) || gone.contains(path));
        let free = free.map(|path| ("grade.any", path));
        let twice = free.or_else(|| Some(("grade.gone", gone.iter().find(is_text)?)));
        if let Some((key, path)) = twice {
            let reason =
                format!("has `{path}`, of which `grade` wants something else too; name it once");
            return Err(self.wrong(key, &reason));
        }
        self.check_places("files", self.files.keys())?;
        // What is right, with the hidden files laid over it.
        let right = self.files.keys().chain(files.keys()).filter(|path| !gone.contains(path));
        self.check_places("grade", right.chain(hidden.keys()))
    }

    fn check_path(&self, key: &'static str, path: &str) -> Result<(), SuiteError> {
        RelPath::parse(path)
            .map_err(|err| self.wrong(key, &format!("has a path that is none: {err}")))?;
        let (parts, longest) =
            path.split('/').fold((0, 0), |(parts, most), part| (parts + 1, part.len().max(most)));
        if longest > MAX_NAME || parts > MAX_DEPTH {
            let reason = format!(
                "has `{path}`, whose longest name has {longest} bytes and which has {parts} parts; use \
                 {MAX_NAME} and {MAX_DEPTH} at most"
            );
            return Err(self.wrong(key, &reason));
        }
        Ok(())
    }

    /// Refuses a path that is a file and the folder of another.
    fn check_places<'p>(
        &self,
        key: &'static str,
        paths: impl Iterator<Item = &'p String>,
    ) -> Result<(), SuiteError> {
        let paths: BTreeSet<&str> = paths.map(String::as_str).collect();
        for path in &paths {
            let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
            if let Some(file) = folders.find(|folder| paths.contains(folder)) {
                let reason = format!(
                    "has `{file}` and `{path}`, and nothing is a file and a folder; rename one"
                );
                return Err(self.wrong(key, &reason));
            }
        }
        Ok(())
    }

    /// Refuses commands that cannot be run, or that would never pass.
    fn check_commands(&self) -> Result<(), SuiteError> {
        let checks = &self.grade.checks;
        validate_checks(checks)
            .map_err(|err| self.wrong("grade.check", &format!("cannot be used: {err}")))?;
        for (key, checks) in [("contract.check", &self.contract.checks), ("grade.check", checks)] {
            if let Some(check) = checks.iter().find(|check| check.network) {
                let reason = format!(
                    "`{}` asks for the network, which no examination has; leave `network` out",
                    check.name
                );
                return Err(self.wrong(key, &reason));
            }
        }
        Ok(())
    }

    fn wrong(&self, key: &'static str, reason: &str) -> SuiteError {
        SuiteError::Key { task: self.id.clone(), key, reason: reason.to_owned() }
    }
}

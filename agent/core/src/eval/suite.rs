//! Tasks as files have them, read and checked.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::contract::{Check, Contract, ContractError, ContractFile};
use crate::rel_path::{PathError, RelPath};

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
    /// A path that is none.
    #[error("task `{task}`: {reason}")]
    Path {
        /// The task.
        task: String,
        /// What is wrong.
        reason: PathError,
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
    #[error("task `{0}` ends with `finished`, but its grader asks for no file and no command")]
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
        let Grader { end, files, gone, any, hidden, checks, .. } = &self.grade;
        let paths = [&self.files, files, hidden].into_iter().flat_map(BTreeMap::keys);
        for path in paths.chain(gone) {
            let named = |reason| SuiteError::Path { task: self.id.clone(), reason };
            RelPath::parse(path).map_err(named)?;
        }
        let asks_for = !files.is_empty() || !gone.is_empty() || !checks.is_empty();
        if *end == TaskEnd::Finished && !asks_for && any.is_empty() {
            return Err(SuiteError::NothingGraded(self.id.clone()));
        }
        self.contract().map(drop)
    }
}

//! What the loop needs of the world, as traits. A map can stand in for the disk, a list for the model.

use thiserror::Error;

use chargehand_grammar::Bindings;

use crate::contract::Check;
use crate::event::{Approval, Event};
use crate::evidence::CheckRun;
use crate::mask::Secrets;
use crate::menu::Menu;
use crate::rel_path::RelPath;
use crate::tool::ToolCall;
use crate::transcript::Message;

pub use crate::event::{Stop, Usage};

/// The private workspace of a run.
pub trait Environment {
    /// Returns all regular files whose path is a [`RelPath`], sorted.
    ///
    /// # Errors
    ///
    /// [`EnvError`], when the workspace cannot be read.
    fn files(&self) -> Result<Vec<RelPath>, EnvError>;

    /// Returns the content of a file.
    ///
    /// # Errors
    ///
    /// [`EnvError::NotFound`], [`EnvError::Refused`] (a link, too large), [`EnvError::Io`].
    fn read(&self, path: &RelPath) -> Result<Vec<u8>, EnvError>;

    /// Replaces or creates a file as a whole, with its directories.
    ///
    /// # Errors
    ///
    /// As [`Environment::read`].
    fn write(&mut self, path: &RelPath, content: &[u8]) -> Result<(), EnvError>;

    /// Deletes a file.
    ///
    /// # Errors
    ///
    /// As [`Environment::read`].
    fn delete(&mut self, path: &RelPath) -> Result<(), EnvError>;

    /// Runs a check of the contract in the workspace.
    ///
    /// # Errors
    ///
    /// Only when nothing could be tried; a command that fails or cannot start is a [`CheckRun`].
    fn run_check(&mut self, check: &Check) -> Result<CheckRun, EnvError>;

    /// Runs a command that the user has approved, as a check is run.
    ///
    /// # Errors
    ///
    /// As [`Environment::run_check`].
    fn run_approved(&mut self, command: &Check) -> Result<CheckRun, EnvError> {
        Ok(CheckRun::not_started(&command.name, "nobody looks on"))
    }

    /// Returns what must not be told of what is in here.
    fn secrets(&self) -> &Secrets {
        Secrets::none()
    }
}

/// Why the workspace did not do it.
#[derive(Debug, Error)]
pub enum EnvError {
    /// There is no such file.
    #[error("no such file: {0}")]
    NotFound(RelPath),
    /// It is there, but it is not touched, and why.
    #[error("{path}: {reason}")]
    Refused {
        /// The file.
        path: RelPath,
        /// Why.
        reason: String,
    },
    /// The system failed: a full disk, a bad one. Nothing that a worker could mend, so it ends the run.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What a worker is asked for one turn.
#[derive(Debug)]
pub struct Request<'a> {
    /// Everything said so far.
    pub messages: &'a [Message],
    /// The calls that are possible now.
    pub menu: &'a Menu,
    /// How many tokens the answer may have.
    pub max_tokens: u32,
}

/// What a worker answered.
#[derive(Debug)]
pub struct Reply {
    /// What was thought before, if it was asked for.
    pub reasoning: Option<String>,
    /// The call, or why the text was none.
    pub answer: Answer,
    /// What it cost.
    pub usage: Usage,
}

/// A call, or what came instead.
#[derive(Debug)]
pub enum Answer {
    /// A call of a tool.
    Call(ToolCall),
    /// Text that is no call, and why. It reaches no tool.
    Malformed {
        /// What was said.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The worker has nothing more to say: a script is at its end.
    Nothing,
}

/// Whoever proposes calls: a model in a worker process, or a script.
pub trait Model {
    /// Returns the next call.
    ///
    /// # Errors
    ///
    /// Only a worker that cannot answer at all; text that is no call is [`Answer::Malformed`].
    fn next_call(
        &mut self,
        request: &Request<'_>,
        watch: &mut dyn Watch,
    ) -> Result<Reply, ModelError>;
}

/// Why a worker cannot answer.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Its process is gone, and why.
    #[error("the worker process ended: {0}")]
    Ended(String),
    /// It answered that it cannot.
    #[error("the worker failed: {0}")]
    Failed(String),
    /// The conversation does not fit into its context.
    #[error("the context of {0} tokens is full")]
    Full(u64),
    /// It was told to stop.
    #[error("the worker was interrupted")]
    Interrupted,
}

/// Whoever looks on, and may say stop.
pub trait Watch {
    /// Takes note of what happened.
    fn see(&mut self, event: &Event);

    /// Takes note of what the next call is held to: a grammar, and what its rules are bound to.
    fn hold(&mut self, _gbnf: &str, _bindings: &Bindings) {}

    /// Asks the user whether a command may run that the contract does not have. Where nobody looks on, it may not.
    fn approve(&mut self, _command: &[String]) -> Approval {
        Approval::Denied
    }

    /// Returns a reason to stop, such as Ctrl-C or the time limit. Asked often.
    fn stop(&mut self) -> Option<Stop>;
}

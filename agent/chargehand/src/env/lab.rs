//! What a grammar does on the vocabulary of a model, asked of a process of its own: a malformed file, or a grammar
//! that llama.cpp does not survive, does no harm there.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use chargehand_core::tool::Envelope;
use chargehand_engine::lab::{Answer, Compared, Failure, Question, Task, Timed, Tokens, Trial};
use nix::sys::resource::{Resource, setrlimit};
use thiserror::Error;

use super::child::Child;
use super::process;

/// The hidden subcommand that answers.
pub const SUBCOMMAND: &str = "lab";
/// To read a vocabulary of 262,000 tokens takes a second on a busy machine; after this long something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// A vocabulary of a million tokens has less than this as JSON.
const MAX_SAID: u64 = 256 << 20;
/// Such a process gets no more memory of its own: some grammars take all there is from llama.cpp.
const MAX_MEMORY: u64 = 4 << 30;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum LabError {
    /// The process could not be started or did not answer.
    #[error("cannot try the grammar: {0}")]
    Io(#[from] io::Error),
    /// It crashed, or it was killed because it did not end.
    #[error("llama.cpp did not survive this with the model {model}: {how}")]
    Died {
        /// The model.
        model: String,
        /// How it ended.
        how: String,
    },
    /// It says no.
    #[error(transparent)]
    Failed(Failure),
}

/// Returns the tokens of the model at `path`, and those of `texts`.
///
/// # Errors
///
/// [`LabError`].
pub fn read(path: &Path, texts: Vec<String>) -> Result<Tokens, LabError> {
    match ask(path, Task::Read { texts }, PATIENCE)? {
        Answer::Read(tokens) => Ok(tokens),
        other => Err(unexpected(other)),
    }
}

/// Returns how the model at `path` writes a call.
///
/// # Errors
///
/// [`LabError`].
pub fn envelope(path: &Path) -> Result<Envelope, LabError> {
    match ask(path, Task::Envelope, PATIENCE)? {
        Answer::Envelope(envelope) => Ok(*envelope),
        other => Err(unexpected(other)),
    }
}

/// Returns what the masks of `trial` take, with the tokens of the model at `path`.
///
/// # Errors
///
/// [`LabError`].
pub fn time(path: &Path, trial: Trial) -> Result<Timed, LabError> {
    let patience = PATIENCE.saturating_add(trial.limit);
    match ask(path, Task::Time(trial), patience)? {
        Answer::Timed(timed) => Ok(timed),
        other => Err(unexpected(other)),
    }
}

/// Returns whether both engines have the same masks for `trial`, with the tokens of the model at `path`.
///
/// # Errors
///
/// [`LabError`].
pub fn compare(path: &Path, trial: Trial) -> Result<Vec<Compared>, LabError> {
    let patience = PATIENCE.saturating_add(trial.limit);
    match ask(path, Task::Compare(trial), patience)? {
        Answer::Compared(compared) => Ok(compared),
        other => Err(unexpected(other)),
    }
}

/// Bounds the memory of this process, which is about to answer.
pub fn limit_memory() {
    // Not every kernel lets us; then the patience is what bounds it.
    setrlimit(Resource::RLIMIT_DATA, MAX_MEMORY, MAX_MEMORY).unwrap_or_default();
}

fn ask(path: &Path, task: Task, patience: Duration) -> Result<Answer, LabError> {
    // The process begins in another folder.
    let model = std::path::absolute(path)?;
    let question = serde_json::to_vec(&Question { model, task }).map_err(io::Error::other)?;
    let mut command = process::ourselves(SUBCOMMAND)?;
    let (child, stdout, mut stdin) = Child::start(&mut command, patience, None)?;
    let mut text = Vec::new();
    child.while_asked(|| {
        // A process that died before it read is found out below.
        stdin.write_all(&question).unwrap_or_default();
        drop(stdin);
        stdout.take(MAX_SAID).read_to_end(&mut text)
    })?;
    match serde_json::from_slice(&text) {
        Ok(Answer::Failed(failure)) => Err(LabError::Failed(failure)),
        Ok(answer) => Ok(answer),
        Err(_) => Err(LabError::Died { model: path.display().to_string(), how: child.end() }),
    }
}

fn unexpected(answer: Answer) -> LabError {
    match answer {
        Answer::Failed(failure) => LabError::Failed(failure),
        Answer::Read(_) | Answer::Envelope(_) | Answer::Timed(_) | Answer::Compared(_) => {
            io::Error::other("the answer is to another question").into()
        }
    }
}

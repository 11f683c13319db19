//! Grammars on the vocabulary of a model: its tokens, and llama.cpp's sampler beside our matcher. No weights are read.
//!
//! This runs in a short-lived process: a file that crashes llama.cpp, or a grammar that takes all its memory or
//! never lets it end, must harm nobody else. It starts no process itself, and it prints nothing.

mod compare;
mod time;
mod tokens;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chargehand_core::tool::Envelope;
use llama_cpp_2::model::LlamaModel;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::constraint::ConstraintError;
use crate::engine::{Backend, EngineError};
use crate::ffi;
use crate::gguf::{self, GgufError};
use crate::template::{ChatTemplate, Source};
use crate::vocab::Vocab;

/// What is asked of such a process.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Question {
    /// The GGUF file with the vocabulary.
    pub model: PathBuf,
    /// What is to be done with it.
    pub task: Task,
}

/// What is to be done with a vocabulary.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Tell all tokens, and those of some texts.
    Read {
        /// The texts.
        texts: Vec<String>,
    },
    /// Tell how the model writes a call.
    Envelope,
    /// Time both engines on some texts.
    Time(Trial),
    /// Run both engines in lock step on some texts.
    Compare(Trial),
}

/// A grammar and texts of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Trial {
    /// The grammar.
    pub gbnf: String,
    /// The texts.
    pub texts: Vec<String>,
    /// After so long llama.cpp is asked for no more masks.
    pub limit: Duration,
}

/// What such a process answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The tokens.
    Read(Tokens),
    /// How the model writes a call.
    Envelope(Box<Envelope>),
    /// The times.
    Timed(Timed),
    /// What became of each text.
    Compared(Vec<Compared>),
    /// Why there is no answer.
    Failed(Failure),
}

/// A vocabulary, and texts in its tokens.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Tokens {
    /// The bytes of each token.
    pub bytes: Vec<Vec<u8>>,
    /// The tokens that are no text.
    pub control: Vec<u32>,
    /// The tokens that end an output.
    pub ends: Vec<u32>,
    /// The tokens of each text.
    pub texts: Vec<Vec<u32>>,
}

/// What two engines took.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Timed {
    /// Tokens of the vocabulary.
    pub tokens: usize,
    /// Microseconds that our engine took to read and compile the grammar, for each text.
    pub own_compile_us: Vec<f64>,
    /// The same of llama.cpp.
    pub llama_compile_us: Vec<f64>,
    /// Each step of each text.
    pub steps: Vec<Step>,
}

/// The mask before one token, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Step {
    /// The text, from 0.
    pub text: usize,
    /// The tokens before.
    pub at: usize,
    /// How many tokens are allowed.
    pub allowed: usize,
    /// Microseconds of our engine.
    pub own_us: f64,
    /// Microseconds of llama.cpp's, unless its time was up.
    pub llama_us: Option<f64>,
}

/// What became of a text in lock step.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Compared {
    /// Its tokens.
    pub tokens: usize,
    /// Masks that were the same.
    pub equal: usize,
    /// The first difference.
    pub difference: Option<String>,
    /// The tokens before the one that both engines refuse.
    pub refused_at: Option<usize>,
    /// Whether the time was up before its end.
    pub is_cut: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, Error, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", content = "reason", rename_all = "snake_case")]
pub enum Failure {
    /// There is no such file, or it cannot be read.
    #[error("{0}")]
    NoFile(String),
    /// It is no model, or llama.cpp does not take it.
    #[error("{0}")]
    Model(String),
    /// The text is no grammar to us.
    #[error("{0}")]
    Grammar(String),
    /// It is one to us, and none to llama.cpp.
    #[error("{0}")]
    GrammarOfLlama(String),
    /// An engine gave up on the way.
    #[error("{0}")]
    Match(String),
    /// A text cannot be said.
    #[error("text {text} is refused at token {at}, byte {byte}")]
    Refused {
        /// The text, from 1.
        text: usize,
        /// Its tokens before.
        at: usize,
        /// Its bytes before.
        byte: usize,
    },
    /// A text has no tokens.
    #[error("the vocabulary cannot spell text {0}")]
    Unspeakable(usize),
}

impl From<ConstraintError> for Failure {
    fn from(error: ConstraintError) -> Self {
        let words = error.to_string();
        match error {
            ConstraintError::Refused(_) => Self::Grammar(words),
            ConstraintError::RefusedByLlama(..) => Self::GrammarOfLlama(words),
            ConstraintError::Untranslated(_)
            | ConstraintError::Llguidance(_)
            | ConstraintError::NotBuilt
            | ConstraintError::Match(_)
            | ConstraintError::DeadEnd(_)
            | ConstraintError::Broken(_)
            | ConstraintError::Differ { .. } => Self::Match(words),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let words = error.to_string();
        match error {
            EngineError::File(
                GgufError::Missing(_) | GgufError::Unreadable { .. } | GgufError::NotAFile(_),
            ) => Self::NoFile(words),
            EngineError::File(GgufError::PartMissing { .. } | GgufError::Bad { .. })
            | EngineError::SecondBackend
            | EngineError::KvType(_)
            | EngineError::Replaced(_)
            | EngineError::Load { .. }
            | EngineError::NotLoaded { .. }
            | EngineError::Context { .. }
            | EngineError::NoVocabulary(_)
            | EngineError::NoMtp { .. }
            | EngineError::OtherTokens(_)
            | EngineError::Vocabulary(_)
            | EngineError::Template(_) => Self::Model(words),
        }
    }
}

/// Returns the CPU time of the thread that asks.
pub type Clock<'c> = &'c dyn Fn() -> Duration;

/// Answers a question.
#[must_use]
pub fn answer(backend: &Backend, question: &Question, clock: Clock<'_>) -> Answer {
    let done = Lab::open(backend, &question.model).and_then(|lab| match &question.task {
        Task::Read { texts } => lab.read(texts).map(Answer::Read),
        Task::Envelope => lab.envelope().map(Box::new).map(Answer::Envelope),
        Task::Time(trial) => lab.time(trial, clock).map(Answer::Timed),
        Task::Compare(trial) => lab.compare(trial).map(Answer::Compared),
    });
    done.unwrap_or_else(Answer::Failed)
}

/// An open vocabulary.
struct Lab {
    model: LlamaModel,
    vocab: Vocab,
}

impl Lab {
    fn open(backend: &Backend, path: &Path) -> Result<Self, Failure> {
        // llama.cpp may abort on a file that is malformed.
        gguf::read(path).map_err(EngineError::from)?;
        backend.complaints.clear();
        let model = ffi::load_vocabulary(&backend.llama, path)
            .ok_or_else(|| EngineError::Load { path: path.to_owned(), reason: backend.reason() })?;
        let vocab = Vocab::of(&model).map_err(EngineError::from)?;
        if vocab.heads.is_empty() {
            return Err(EngineError::NoVocabulary(path.to_owned()).into());
        }
        Ok(Self { model, vocab })
    }

    fn envelope(&self) -> Result<Envelope, Failure> {
        let mut template =
            ChatTemplate::open(Source::of(&self.model)).map_err(EngineError::from)?;
        template.know(self.vocab.control());
        Ok(template.envelope().clone())
    }
}

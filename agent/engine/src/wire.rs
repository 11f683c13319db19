//! What a worker process and its parent say to each other: one JSON object a line, over two pipes.
//!
//! Requests carry a number and events repeat it, so that a late cancellation hits nothing else.

use std::io::{self, BufRead, Read as _, Write};
use std::path::PathBuf;

use chargehand_core::memory::LoadOptions;
use chargehand_core::tool::{Envelope, ToolSpec};
use chargehand_core::transcript::Message;
use chargehand_grammar::Bindings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::engine::ModelFacts;
use crate::probe::{Rung, Stage};
use crate::sampler::Sampling;
use crate::session::{Ending, Parked, Timings};

/// A line may have so many bytes; a grammar over a large repository has a few million.
pub const MAX_LINE: u64 = 256 << 20;

/// What a parent asks.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Load the model; once, and before anything else.
    Load {
        /// As planned.
        options: LoadOptions,
        /// What is changed about it.
        rung: Rung,
    },
    /// Count the tokens of a prompt.
    Render {
        /// The number of this request.
        id: u64,
        /// The conversation.
        chat: Chat,
    },
    /// Generate the next answer.
    Generate {
        /// The number of this request.
        id: u64,
        /// What is asked.
        ask: Ask,
    },
    /// Write what the model remembers to a file.
    Park {
        /// The number of this request.
        id: u64,
        /// The file, which is there and which the worker may write to.
        file: PathBuf,
    },
    /// Take back what was written to a file.
    Restore {
        /// The number of this request.
        id: u64,
        /// The file.
        file: PathBuf,
        /// What was written to it.
        parked: Parked,
    },
    /// Stop generating, if the request of this number is still being worked on.
    Cancel {
        /// The number of the request.
        id: u64,
    },
}

/// A conversation so far.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Chat {
    /// Everything that was said.
    pub messages: Vec<Message>,
    /// Every tool that the prompt describes.
    pub tools: Vec<ToolSpec>,
}

/// What is to be generated.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Ask {
    /// The conversation.
    pub chat: Chat,
    /// GBNF of one whole answer, its envelope included; `None` lets the model say anything.
    pub grammar: Option<String>,
    /// What rules of the grammar are bound to.
    #[serde(default)]
    pub bindings: Bindings,
    /// How to sample.
    pub sampling: Sampling,
    /// After this many tokens it ends.
    pub max_tokens: u32,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A stage begins.
    Stage {
        /// Which.
        stage: Stage,
    },
    /// The model is there and was tried out.
    Loaded(Loaded),
    /// A prompt was counted.
    Rendered {
        /// The number of the request.
        id: u64,
        /// The count.
        rendered: Rendered,
    },
    /// So much of the prompt is evaluated.
    Prompt {
        /// The number of the request.
        id: u64,
        /// Tokens, those kept from before included.
        done: u64,
        /// Tokens in all.
        total: u64,
    },
    /// Reasoning was generated.
    Reasoning {
        /// The number of the request.
        id: u64,
        /// The text since the last event.
        text: String,
        /// Tokens of reasoning so far.
        count: u64,
    },
    /// Text was generated.
    Tokens {
        /// The number of the request.
        id: u64,
        /// The text since the last event.
        text: String,
        /// Tokens generated so far.
        count: u64,
    },
    /// What the model remembers was written, or taken back.
    Parked {
        /// The number of the request.
        id: u64,
        /// How much that is.
        parked: Parked,
    },
    /// An answer ended.
    Done {
        /// The number of the request.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// It did not work. The worker can be asked again, unless it was to load.
    Failed {
        /// The number of the request; 0 for loading.
        id: u64,
        /// Why.
        failure: Failure,
    },
}

/// A model that is ready.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Loaded {
    /// What it is.
    pub model: ModelFacts,
    /// Tokens that its context holds.
    pub n_ctx: u64,
    /// The rung on which it runs.
    pub rung: Rung,
    /// Milliseconds for loading, canary included.
    pub load_ms: f64,
}

/// The size of a prompt.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Rendered {
    /// Its tokens.
    pub tokens: u64,
    /// The tokens at its beginning that stem from the system text and the tools.
    pub fixed: u64,
    /// How an answer is written.
    pub envelope: Envelope,
}

/// A generated answer.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Answer {
    /// What was thought before, if it was asked for.
    #[serde(default)]
    pub reasoning: Option<String>,
    /// Its text, broken off unless it is complete.
    pub text: String,
    /// Why it ended.
    pub ending: Ending,
    /// What it cost.
    pub timings: Timings,
    /// What people are to be told.
    #[serde(default)]
    pub warning: Option<String>,
}

/// Why a request failed.
#[derive(Clone, Debug, Eq, Error, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// The model could not be loaded.
    #[error("{reason}")]
    Load {
        /// In words.
        reason: String,
    },
    /// Its file is none that can be loaded, here or anywhere.
    #[error("{reason}")]
    File {
        /// In words.
        reason: String,
    },
    /// Its file is another one than was planned.
    #[error("{reason}")]
    Replaced {
        /// In words.
        reason: String,
    },
    /// The prompt is longer than the context.
    #[error("the prompt has {prompt} tokens and the context holds {n_ctx}")]
    PromptTooLong {
        /// Tokens of the prompt.
        prompt: u64,
        /// Tokens of the context.
        n_ctx: u64,
    },
    /// The chat template refuses the conversation.
    #[error("{reason}")]
    Template {
        /// In words.
        reason: String,
    },
    /// The grammar is none, or it leads nowhere.
    #[error("{reason}")]
    Grammar {
        /// In words.
        reason: String,
    },
    /// llama.cpp did not evaluate, or computed what is no number.
    #[error("{reason}")]
    Evaluation {
        /// In words.
        reason: String,
    },
    /// What the model remembers was not written, or not taken back.
    #[error("{reason}")]
    Parking {
        /// In words.
        reason: String,
    },
    /// The request came at the wrong time or is none.
    #[error("bad request: {reason}")]
    Request {
        /// In words.
        reason: String,
    },
}

/// Why no message came.
#[derive(Debug, Error)]
pub enum WireError {
    /// The pipe broke.
    #[error("the pipe broke: {0}")]
    Io(#[from] io::Error),
    /// A line is no message.
    #[error("the line `{line}` is no message: {source}")]
    Garbled {
        /// The beginning of the line.
        line: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A line is longer than [`MAX_LINE`].
    #[error("a line has more than {MAX_LINE} bytes")]
    TooLong,
}

/// Writes one message.
///
/// # Errors
///
/// [`io::Error`], when the pipe is broken.
pub fn write_message(writer: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line)?;
    writer.flush()
}

/// Reads one message; `None` at the end, also in the middle of a line: whoever wrote it is gone.
///
/// # Errors
///
/// [`WireError`].
pub fn read_message<T: DeserializeOwned>(
    reader: &mut impl BufRead,
) -> Result<Option<T>, WireError> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        let is_full = u64::try_from(line.len()).is_ok_and(|length| length == MAX_LINE);
        return if is_full { Err(WireError::TooLong) } else { Ok(None) };
    }
    serde_json::from_slice(&line).map(Some).map_err(|source| {
        let line = String::from_utf8_lossy(&line[..line.len().min(200)]).trim_end().to_owned();
        WireError::Garbled { line, source }
    })
}

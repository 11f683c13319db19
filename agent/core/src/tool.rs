//! A tool call, what came back, and how a model writes a call.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// What is told about a tool to a model.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ToolSpec {
    /// The name that a call uses.
    pub name: String,
    /// One or two sentences for the model.
    pub description: String,
    /// JSON Schema of the arguments object.
    pub parameters: Value,
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// The arguments, parsed.
    pub arguments: Map<String, Value>,
    /// The arguments as the worker wrote them, so that a history is the text that was generated.
    pub written: String,
}

/// What a tool answered. A tool that fails is an observation like any other: the worker reads it and goes on.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Observation {
    /// Whether the tool did what was asked.
    pub ok: bool,
    /// What the worker reads.
    pub text: String,
}

impl Observation {
    /// Returns a success that reads `text`.
    pub fn done(text: impl Into<String>) -> Self {
        Self { ok: true, text: text.into() }
    }

    /// Returns a failure that reads `error: text`.
    pub fn failed(text: impl std::fmt::Display) -> Self {
        Self { ok: false, text: format!("error: {text}") }
    }
}

/// How a model writes a call: `before` NAME `between` ARGUMENTS `after`, taken from its chat template.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Envelope {
    /// What precedes the name.
    pub before: String,
    /// What stands between the name and the arguments object.
    pub between: String,
    /// What follows the arguments object.
    pub after: String,
}

/// Why a text is no call.
#[derive(Debug, Error)]
pub enum CallError {
    /// The envelope is not there.
    #[error("the text is not a tool call: {0} is missing")]
    Envelope(String),
    /// The arguments are no JSON object.
    #[error("the arguments are not a JSON object: {0}")]
    Arguments(#[from] serde_json::Error),
}

impl Envelope {
    /// Returns the envelope for models whose template knows no tool calls.
    #[must_use]
    pub fn plain() -> Self {
        let [before, between, after] = ["{\"tool\":\"", "\",\"args\":", "}"].map(str::to_owned);
        Self { before, between, after }
    }

    /// Writes `call` the way the model does.
    #[must_use]
    pub fn write(&self, call: &ToolCall) -> String {
        let Self { before, between, after } = self;
        format!("{before}{}{between}{}{after}", call.name, call.written)
    }

    /// Reads a call out of `text`, which must be the envelope and nothing else.
    ///
    /// # Errors
    ///
    /// [`CallError`], when a piece is missing or the arguments are no JSON object.
    pub fn parse(&self, text: &str) -> Result<ToolCall, CallError> {
        let missing = |piece: &str| CallError::Envelope(format!("`{}`", piece.escape_debug()));
        let text = text.strip_prefix(&self.before).ok_or_else(|| missing(&self.before))?;
        let (name, text) = text.split_once(&self.between).ok_or_else(|| missing(&self.between))?;
        let written = text.strip_suffix(&self.after).ok_or_else(|| missing(&self.after))?;
        ToolCall::new(name, written)
    }
}

impl ToolCall {
    /// Returns the call of `name` with arguments written as JSON.
    ///
    /// # Errors
    ///
    /// [`CallError::Arguments`], when `written` is no JSON object.
    pub fn new(name: &str, written: &str) -> Result<Self, CallError> {
        let arguments = serde_json::from_str(written)?;
        Ok(Self { name: name.to_owned(), arguments, written: written.to_owned() })
    }
}

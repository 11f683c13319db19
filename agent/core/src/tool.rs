//! A tool call, what came back, and how a model writes a call.

use chargehand_grammar::Expr;
use chargehand_grammar::gbnf::TokenName;
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
    /// The control tokens that these texts spell, such as `[TOOL_CALLS]`. Nothing else in a call is one.
    #[serde(default)]
    pub control: Vec<ControlToken>,
}

/// A token that steers a model and is part of no data.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct ControlToken {
    /// Its number in the model's vocabulary.
    pub id: u32,
    /// How it is spelt.
    pub text: String,
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
        Self::new("{\"tool\":\"", "\",\"args\":", "}")
    }

    /// Returns the envelope of these texts, none of which spells a control token.
    #[must_use]
    pub fn new(before: &str, between: &str, after: &str) -> Self {
        let [before, between, after] = [before, between, after].map(str::to_owned);
        Self { before, between, after, control: Vec::new() }
    }

    /// Returns the rule for `text`, one of the envelope's: control tokens are said as such and never spelt.
    #[must_use]
    pub fn rule(&self, text: &str) -> Expr {
        let mut parts = Vec::new();
        let mut rest = text;
        let first = |rest: &str| {
            let found = self.control.iter().filter(|token| !token.text.is_empty());
            let found = found.filter_map(|token| Some((rest.find(&token.text)?, token)));
            found.min_by_key(|(at, token)| (*at, usize::MAX - token.text.len()))
        };
        while let Some((at, token)) = first(rest) {
            parts.extend((at > 0).then(|| Expr::literal(&rest[..at])));
            parts.push(Expr::Token(TokenName::Id(token.id)));
            rest = &rest[at + token.text.len()..];
        }
        parts.extend((!rest.is_empty() || parts.is_empty()).then(|| Expr::literal(rest)));
        if parts.len() == 1 { parts.swap_remove(0) } else { Expr::Seq(parts) }
    }

    /// Writes `call` the way the model does.
    #[must_use]
    pub fn write(&self, call: &ToolCall) -> String {
        let Self { before, between, after, .. } = self;
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

//! A tool call, what came back, and how a model writes a call.

mod tagged;

use chargehand_grammar::gbnf::TokenName;
use chargehand_grammar::{Expr, Grammar, raw};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

pub use self::tagged::{Tagged, Tags};

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
    /// The arguments as the worker wrote them, so that a history is the text that was generated: the JSON object,
    /// or all that stands behind the name.
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

impl ToolCall {
    /// Returns its arguments as text with each string as `mask` has it, where that changes any of them. What is
    /// written with escapes is found too.
    #[must_use]
    pub fn masked(&self, mask: &dyn Fn(&str) -> String) -> Option<String> {
        let plain = Value::Object(self.arguments.clone());
        let masked = with_strings(plain.clone(), mask);
        (masked != plain).then(|| format!("{} {masked}", self.name))
    }
}

fn with_strings(value: Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(all) => all.into_iter().map(|one| with_strings(one, change)).collect(),
        Value::Object(all) => {
            all.into_iter().map(|(key, one)| (change(&key), with_strings(one, change))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
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

/// How a model writes a call, taken from its chat template: `before` NAME `between` ARGUMENTS `after`.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Envelope {
    /// What precedes the name.
    pub before: String,
    /// What stands between the name and the arguments object, or the first key.
    pub between: String,
    /// What follows the arguments object; nothing where [`Tagged`] has it.
    pub after: String,
    /// How the arguments are written.
    #[serde(default)]
    pub arguments: Style,
    /// How reasoning before the call is written, where the model knows of any.
    #[serde(default)]
    pub reasoning: Option<Reasoning>,
    /// The control tokens that these texts spell, such as `[TOOL_CALLS]`. Nothing else in a call is one.
    #[serde(default)]
    pub control: Vec<ControlToken>,
}

/// How arguments are written.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// As a JSON object.
    #[default]
    Json,
    /// Each on its own between tags, texts as they are.
    Tagged(Tagged),
}

/// What stands around reasoning: `before` TEXT `after`, and then the call.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Reasoning {
    /// What opens it, behind the words that ask for an answer; empty where those do it.
    pub before: String,
    /// What closes it.
    pub after: String,
}

/// A token that steers a model and is part of no data.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct ControlToken {
    /// Its number in the model's vocabulary.
    pub id: u32,
    /// How it is spelt.
    pub text: String,
}

/// A stretch of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stretch<'c> {
    /// The envelope's own: its control tokens count as such.
    Frame(&'c str),
    /// A name, a key, a value: nothing in it is special.
    Data(&'c str),
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

    /// Returns the envelope of these texts, none of which spells a control token, around a JSON object.
    #[must_use]
    pub fn new(before: &str, between: &str, after: &str) -> Self {
        let [before, between, after] = [before, between, after].map(str::to_owned);
        let (arguments, reasoning, control) = (Style::Json, None, Vec::new());
        Self { before, between, after, arguments, reasoning, control }
    }

    /// Returns all texts of the envelope.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let tagged = match &self.arguments {
            Style::Json => None,
            Style::Tagged(tagged) => Some(tagged.texts()),
        };
        let Self { before, between, after, .. } = self;
        let reasoning = self.reasoning.iter().flat_map(|own| [&*own.before, &*own.after]);
        let own = [&**before, &**between, &**after].into_iter().chain(reasoning);
        own.chain(tagged.into_iter().flatten())
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

    /// Adds the rules `NAME-0` and so on for any text and `end` behind it, one of the envelope's, and returns the
    /// expression for that. The text has `end` nowhere in it, spelt or as a control token.
    #[must_use]
    pub fn text_until(&self, grammar: &mut Grammar, name: &str, end: &str) -> Expr {
        match self.rule(end) {
            Expr::Literal(_) => raw::until(grammar, name, end),
            said => Expr::Seq(vec![raw::without(grammar, name, end), said]),
        }
    }

    /// Writes a call the way the model does.
    #[must_use]
    pub fn write(&self, call: &ToolCall) -> String {
        let stretches = self.stretches(call);
        let texts = stretches.iter().map(|(Stretch::Frame(text) | Stretch::Data(text))| *text);
        texts.collect()
    }

    /// Returns the stretches of a call as it is written.
    #[must_use]
    pub fn stretches<'c>(&'c self, call: &'c ToolCall) -> Vec<Stretch<'c>> {
        let mut all = vec![Stretch::Frame(&self.before), Stretch::Data(&call.name)];
        match &self.arguments {
            Style::Json => {
                all.extend([Stretch::Frame(&self.between), Stretch::Data(&call.written)]);
                all.push(Stretch::Frame(&self.after));
            }
            Style::Tagged(tagged) => all.extend(tagged.stretches(&self.between, &call.written)),
        }
        all
    }

    /// Writes arguments as they stand in a call; nothing where a text could be read as its own end.
    #[must_use]
    pub fn written(&self, arguments: &Map<String, Value>) -> Option<String> {
        match &self.arguments {
            Style::Json => Some(Value::Object(arguments.clone()).to_string()),
            Style::Tagged(tagged) => tagged.written(&self.between, arguments),
        }
    }

    /// Returns how a call looks, for people and for models that are told nothing of it by their template.
    #[must_use]
    pub fn form(&self) -> String {
        let Self { before, between, after, .. } = self;
        match &self.arguments {
            Style::Json => format!("{before}NAME{between}ARGUMENTS{after}"),
            Style::Tagged(Tagged { texts: Tags { open, next, last }, .. }) => {
                format!("{before}NAME{between}KEY{open}VALUE{next}KEY{open}VALUE{last}")
            }
        }
    }

    /// Reads a call of one of `tools` out of `text`, which must be the envelope and nothing else.
    ///
    /// # Errors
    ///
    /// [`CallError`], when a piece is missing or the arguments are no JSON object.
    pub fn parse(&self, text: &str, tools: &[ToolSpec]) -> Result<ToolCall, CallError> {
        let text = text.strip_prefix(&self.before).ok_or_else(|| missing(&self.before))?;
        match &self.arguments {
            Style::Json => {
                let parts = text.split_once(&self.between);
                let (name, text) = parts.ok_or_else(|| missing(&self.between))?;
                let written = text.strip_suffix(&self.after).ok_or_else(|| missing(&self.after))?;
                ToolCall::new(name, written)
            }
            Style::Tagged(tagged) => tagged.parse(&self.between, text, tools),
        }
    }
}

fn missing(piece: &str) -> CallError {
    CallError::Envelope(format!("`{}`", piece.escape_debug()))
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

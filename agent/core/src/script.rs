//! A worker that is no model: it plays tool calls from a file.

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::ports::{Answer, Model, ModelError, Reply, Request, Usage, Watch};
use crate::tool::ToolCall;

/// Plays recorded calls, one a turn, whatever it is answered.
#[derive(Debug)]
pub struct Script {
    calls: std::vec::IntoIter<ToolCall>,
}

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    tool: String,
    #[serde(default)]
    args: Map<String, Value>,
}

/// Why a script cannot be played.
#[derive(Debug, Error)]
#[error(
    "line {line} of the script is no call: {source}; write {{\"tool\":\"..\",\"args\":{{..}}}}"
)]
pub struct ScriptError {
    line: usize,
    source: serde_json::Error,
}

impl Script {
    /// Returns a script of `calls`.
    #[must_use]
    pub fn of(calls: Vec<ToolCall>) -> Self {
        Self { calls: calls.into_iter() }
    }

    /// Reads a script: JSON lines such as `{"tool":"read_file","args":{"path":"a"}}`; empty lines are skipped.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] names the line.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let calls = lines.map(|(at, line)| {
            let refuse = |source| ScriptError { line: at + 1, source };
            let Line { tool, args } = serde_json::from_str(line).map_err(refuse)?;
            let written = Value::Object(args.clone()).to_string();
            Ok(ToolCall { name: tool, arguments: args, written })
        });
        Ok(Self { calls: calls.collect::<Result<Vec<_>, _>>()?.into_iter() })
    }
}

impl Model for Script {
    fn next_call(&mut self, _: &Request<'_>, _: &mut dyn Watch) -> Result<Reply, ModelError> {
        let answer = self.calls.next().map_or(Answer::Nothing, Answer::Call);
        Ok(Reply { reasoning: None, answer, usage: Usage::default() })
    }
}

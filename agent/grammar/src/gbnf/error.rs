//! Why a text is no grammar, with the place.

use thiserror::Error;

/// Why a text is not read as a grammar.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("line {line}, column {column}: {message}")]
pub struct GbnfError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Which sort of mistake it is.
    pub kind: Mistake,
    /// The thing, the number, and what to do.
    pub message: String,
}

/// What sort of mistake a text makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mistake {
    /// It is not GBNF; llama.cpp refuses it too, but for an empty group that is repeated, `(){2}`.
    Syntax,
    /// llama.cpp takes it and then does something else than the text seems to say.
    Trap,
    /// It is larger than a [`Limits`](crate::Limits) allows.
    Limit,
}

impl GbnfError {
    /// Returns the error for the byte `at` of `text`.
    pub(crate) fn new(text: &str, at: usize, kind: Mistake, message: impl Into<String>) -> Self {
        let before = &text[..text.floor_char_boundary(at)];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before[start..].chars().count() + 1;
        Self { line, column, kind, message: message.into() }
    }
}

//! Why a schema has no grammar.

use thiserror::Error;

/// Why a schema has no grammar: the place as a JSON pointer (RFC 6901), the keyword, and what to do.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SchemaError {
    /// The keyword is one that a grammar, or this version, cannot enforce. It is never ignored.
    #[error("`{keyword}` at `{pointer}` cannot be enforced: {hint}")]
    Unsupported {
        /// Where the keyword stands in the schema.
        pointer: String,
        /// The keyword.
        keyword: String,
        /// Why not, and what to write instead.
        hint: String,
    },
    /// The schema is not one: a keyword has a value of the wrong type, or a reference leads nowhere.
    #[error("`{keyword}` at `{pointer}` is malformed: {hint}")]
    Malformed {
        /// Where the keyword stands in the schema.
        pointer: String,
        /// The keyword.
        keyword: String,
        /// What is expected.
        hint: String,
    },
    /// No value satisfies the schema, so a model could say nothing.
    #[error("nothing satisfies the schema at `{pointer}`: {hint}")]
    Unsatisfiable {
        /// The part of the schema.
        pointer: String,
        /// What to look for.
        hint: String,
    },
    /// The grammar would be larger than [`Limits`](super::Limits) allows.
    #[error("the schema at `{pointer}` is too large: {what}, {limit} at most")]
    TooLarge {
        /// The part of the schema, or the keyword in it, that was read when the limit was met.
        pointer: String,
        /// What there are too many of.
        what: String,
        /// How many there may be.
        limit: usize,
    },
}

impl SchemaError {
    /// Returns the place in the schema, as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> &str {
        match self {
            Self::Unsupported { pointer, .. }
            | Self::Malformed { pointer, .. }
            | Self::Unsatisfiable { pointer, .. }
            | Self::TooLarge { pointer, .. } => pointer,
        }
    }

    /// Returns the keyword that is the reason, when it is one.
    #[must_use]
    pub fn keyword(&self) -> Option<&str> {
        match self {
            Self::Unsupported { keyword, .. } | Self::Malformed { keyword, .. } => Some(keyword),
            Self::Unsatisfiable { .. } | Self::TooLarge { .. } => None,
        }
    }
}

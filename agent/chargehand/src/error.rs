//! The one error at the edge: what went wrong, what can be done about it, and the exit code that follows.

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Error {
    /// Decides the exit code.
    pub kind: Kind,
    message: String,
    hints: Vec<String>,
}

/// The kinds of failure that a caller tells apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The result breaks its contract.
    Violated,
    /// Something that should work did not: a disk, a permission, a process.
    Failed,
    /// The command was not understood: a flag, a file that it names, a key.
    Usage,
    /// Understood, and refused before anything was begun: memory, sandbox, scope, state of the repository.
    Refused,
    /// A limit of the contract was reached.
    Limit,
    /// A bug of ours.
    Bug,
    /// The user said stop.
    Interrupted,
}

impl Kind {
    /// Returns the exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Violated => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Limit => 4,
            Self::Bug => 70,
            // As `EX_IOERR` of sysexits.h; 70 is its `EX_SOFTWARE`.
            Self::Failed => 74,
            Self::Interrupted => 130,
        }
    }

    /// Returns its word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Violated => "violated",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Limit => "limit",
            Self::Bug => "bug",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Error {
    /// Returns an error that reads `message`.
    pub fn new(kind: Kind, message: impl Display) -> Self {
        Self { kind, message: message.to_string(), hints: Vec::new() }
    }

    /// Returns an error that reads as `source` and everything behind it.
    pub fn from_source(kind: Kind, source: &dyn StdError) -> Self {
        let mut message = source.to_string();
        let mut next = source.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Many of our own messages already end with the words of their source, without libgit2's numbers.
            let words = text.split("; class=").next().unwrap_or(&text);
            if !message.contains(words) {
                message = format!("{message}: {text}");
            }
            next = cause.source();
        }
        Self::new(kind, message)
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Returns the lines that say what to do.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {}

#[cfg(test)]
mod tests {
    use super::{Error, Kind};

    #[test]
    fn every_kind_has_the_exit_code_that_is_documented() {
        let all = [
            Kind::Violated,
            Kind::Failed,
            Kind::Usage,
            Kind::Refused,
            Kind::Limit,
            Kind::Bug,
            Kind::Interrupted,
        ];
        assert_eq!(all.map(Kind::code), [1, 74, 2, 3, 4, 70, 130]);
    }

    #[test]
    fn a_source_is_not_said_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read a: {0}")]
        struct Says(#[source] std::io::Error);
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read b")]
        struct Silent(#[source] std::io::Error);
        let io = || std::io::Error::other("denied");
        assert_eq!(
            Error::from_source(Kind::Failed, &Says(io())).to_string(),
            "cannot read a: denied"
        );
        assert_eq!(
            Error::from_source(Kind::Failed, &Silent(io())).to_string(),
            "cannot read b: denied"
        );
    }
}

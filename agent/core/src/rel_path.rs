//! A path inside the workspace that cannot lead out of it.

mod look;

use std::borrow::Borrow;
use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use look::{folded, is_normal};

/// The longest path that is taken, in bytes.
pub const MAX_BYTES: usize = 1024;

/// A relative path with `/` between its parts: no `.`, no `..`, no `.git`, no control character.
///
/// The text is the proof: whoever holds a `RelPath` need not ask again.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

/// Why a text is no [`RelPath`].
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PathError {
    /// Nothing was named.
    #[error("the path is empty")]
    Empty,
    /// More than [`MAX_BYTES`].
    #[error("the path has {0} bytes, {MAX_BYTES} at most are allowed")]
    TooLong(usize),
    /// It leads to the root of the machine.
    #[error("`{0}` is absolute; paths are relative to the repository")]
    Absolute(String),
    /// A part is empty, `.` or `..`.
    #[error("`{0}` has an empty, `.` or `..` part; write it as `src/file.rs`")]
    NotPlain(String),
    /// It leads into git's own files.
    #[error("`{0}` leads into git's own files")]
    Git(String),
    /// It has a character that looks like `/`, so that it seems to lie elsewhere.
    #[error("`{0}` has a character that looks like `/`, or a part that looks like `..`")]
    LookAlike(String),
    /// It has a character that a terminal would act on or that cannot be seen.
    #[error("`{0}` has a control or invisible character")]
    Invisible(String),
}

impl Borrow<str> for RelPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl RelPath {
    /// Parses `text`, as a contract or a tool call has it.
    ///
    /// # Errors
    ///
    /// [`PathError`] says what is wrong with it, with the text escaped.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let shown = || text.escape_debug().to_string();
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(PathError::TooLong(text.len()));
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute(shown()));
        }
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(PathError::Invisible(shown()));
        }
        for part in text.split('/') {
            if matches!(part, "" | "." | "..") {
                return Err(PathError::NotPlain(shown()));
            }
        }
        // What seems to be a path of another kind is one, to whoever reads it or checks it out elsewhere.
        let look = folded(text);
        if look.split('/').any(look::is_git) {
            return Err(PathError::Git(shown()));
        }
        let is_odd = |part: &str| matches!(part, "" | "." | "..");
        if look.matches('/').count() != text.matches('/').count() || look.split('/').any(is_odd) {
            return Err(PathError::LookAlike(shown()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the directory that holds it, or nothing for the top level.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }
}

/// Returns whether `c` is drawn as nothing, or turns the writing direction around it.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

impl Display for RelPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RelPath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(&text)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

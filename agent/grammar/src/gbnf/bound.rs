//! The comment by which a rule is narrowed further than its text says.

use std::fmt::{self, Display, Formatter};

use super::is_name;

/// What a rule is bound to: `old ::= json-string #! bind old-7`.
///
/// To llama.cpp that is a comment behind the rule, so the text stays valid GBNF, and means more than the rule may
/// say. A matcher takes the rest from [`Bindings`](crate::bindings::Bindings), and refuses a text of which it has
/// not got all.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Bound {
    name: String,
    digest: Option<String>,
}

/// How a digest is written.
const DIGEST: &str = "sha256:";
const DIGITS: usize = 64;

impl Bound {
    /// Returns a binding by name. The name has letters, digits and `-`; nothing comes back for another.
    #[must_use]
    pub fn to(name: &str) -> Option<Self> {
        is_name(name).then(|| Self { name: name.to_owned(), digest: None })
    }

    /// Returns the same with the digest of the data, `sha256:` and 64 digits, which is then compared with that of
    /// the data that are given; nothing when it is no such digest.
    #[must_use]
    pub fn with_digest(mut self, digest: &str) -> Option<Self> {
        let digits = digest.strip_prefix(DIGEST)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != DIGITS || !digits.bytes().all(is_digit) {
            return None;
        }
        self.digest = Some(digest.to_owned());
        Some(self)
    }

    /// Returns the name under which the data are given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the digest that the data must have.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Reads what stands behind `#!`.
    pub(super) fn parse(comment: &str) -> Option<Self> {
        let mut words = comment.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
        let (keyword, name) = (words.next()?, words.next()?);
        let bound = Self::to(name).filter(|_| keyword == "bind")?;
        match (words.next(), words.next()) {
            (None, _) => Some(bound),
            (Some(digest), None) => bound.with_digest(digest),
            (Some(_), Some(_)) => None,
        }
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "bind {}", self.name)?;
        self.digest.iter().try_for_each(|digest| write!(f, " {digest}"))
    }
}

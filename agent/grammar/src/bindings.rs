//! Arguments that cannot be wrong: what rules of a text are narrowed to, beside the text.
//!
//! A rule may be *bound*, `old ::= json-string #! bind old-7`. The text stays valid GBNF for llama.cpp, and says more
//! than the rule may: any JSON string. What it may say is a [`Binding`] under that name: a piece of a file that
//! occurs in it once, one of many names, any text but one. Our matcher runs bindings natively, without rules for
//! each character of a file; what it allows is always a part of what the text allows.
//!
//! A binding that a text names and that is not given refuses the text, and so does one that is given and not named:
//! a mistake is never "everything is allowed". A text may name the data by their digest, too.
//!
//! Strings have one spelling under a binding, that of [`json::quote`]: no value is lost by it,
//! and no escape is a way around. Some bindings need what an earlier argument of the same rule said:
//! [`Binding::By`] and [`Binding::OtherThanSaid`]. Where values stand as they are, between tags and without escapes,
//! bindings go into [`Binding::Raw`].
//!
//! ```
//! use std::sync::Arc;
//! use chargehand_grammar::{Binding, Bindings, Constraint, Grammar, Limits, json};
//! use chargehand_grammar::vocabulary::{Kind, Vocabulary};
//!
//! let mut grammar = Grammar::parse(
//!     "root ::= \"{\\\"path\\\":\" path \",\\\"old\\\":\" old \",\\\"new\\\":\" new \"}\"\n\
//!      path ::= [\"] [^\"]* [\"] #! bind path\n\
//!      old ::= json-string #! bind old\n\
//!      new ::= json-string #! bind new\n\
//!      json-string ::= [\"] ([^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" [0-9a-fA-F]{4}))* [\"]",
//! )?;
//! let bindings = Bindings::new()
//!     .with("path", Binding::one_of(["a.txt", "b.txt"]))
//!     .with("old", Binding::by("path", [
//!         ("a.txt", Binding::piece("one two one")),
//!         ("b.txt", Binding::piece_or_empty("three")),
//!     ]))
//!     .with("new", Binding::other_than_said("old"));
//!
//! let bytes = (0..=u8::MAX).map(|byte| (Kind::Text, vec![byte]));
//! let vocabulary = Arc::new(Vocabulary::new(bytes)?);
//! let mut constraint = Constraint::bound(&grammar, &bindings, vocabulary, &Limits::default())?;
//! let mut accepts = |text: &str| {
//!     let start = constraint.start();
//!     let end = constraint.advance_bytes(start, text.as_bytes())?;
//!     Ok::<_, chargehand_grammar::matcher::MatchError>(end.is_some_and(|end| constraint.accepting(end)))
//! };
//! assert!(accepts(r#"{"path":"a.txt","old":"two","new":"2"}"#)?);
//! assert!(!accepts(r#"{"path":"a.txt","old":"one","new":"2"}"#)?, "it occurs twice");
//! assert!(!accepts(r#"{"path":"a.txt","old":"two","new":"two"}"#)?, "nothing would change");
//! assert!(!accepts(r#"{"path":"a.txt","old":"three","new":"3"}"#)?, "it is in the other file");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod digest;
mod expand;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::json;

/// The longest text of which a piece may be bound, in bytes. Its automaton takes up to 40 bytes a byte of text.
pub const MAX_TEXT: usize = 1 << 20;
/// The most names of one binding.
pub const MAX_NAMES: usize = 100_000;
/// The most bytes of all words of one binding. Their automaton takes up to 1 KiB a byte.
pub const MAX_WORDS: usize = 1 << 16;

/// What a bound rule may say.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// A JSON string whose value occurs in this text exactly once.
    Piece(Arc<str>),
    /// The same, or the empty string.
    PieceOrEmpty(Arc<str>),
    /// The same, and the piece lies in one of some parts of the text: those that somebody has read.
    PieceIn {
        /// The whole text.
        text: Arc<str>,
        /// The parts, each from a byte to another, in ascending order, with something between them.
        parts: Vec<(usize, usize)>,
    },
    /// One of these, as a JSON string.
    OneOf(Vec<String>),
    /// Any JSON string whose value has none of these words in it, and no word the empty one.
    Without(Vec<String>),
    /// The same, with words in any case: `pass` excludes `Pass` and `PASS` too.
    WithoutInAnyCase(Vec<String>),
    /// Any JSON string with another value than this.
    OtherThan(String),
    /// What the rule's own text says, but none of these: a call that failed as it is.
    Not(Vec<Vec<u8>>),
    /// What the value decides that another rule said, which is bound to names: for each of them a binding of its
    /// own. That rule must stand before this one in the same rule.
    By {
        /// The rule whose value decides.
        rule: String,
        /// What may be said for each of its names.
        each: Vec<(String, Binding)>,
    },
    /// Any JSON string with another value than what this rule said, which is bound to names or to pieces. That rule
    /// must stand before this one in the same rule.
    OtherThanSaid {
        /// The rule whose value it must not be.
        rule: String,
    },
    /// The same values as they are instead of as JSON strings, and behind each the text that ends it. This is for
    /// pieces, names and other texts than one, and no piece or name can have what would end it too early: see
    /// [`raw::fits`](crate::raw::fits) and [`raw::pieces_fit`](crate::raw::pieces_fit).
    Raw {
        /// What stands behind a value.
        end: String,
        /// Which values there are.
        of: Box<Binding>,
    },
}

impl Binding {
    /// Returns [`Binding::Piece`].
    pub fn piece(text: impl Into<Arc<str>>) -> Self {
        Self::Piece(text.into())
    }

    /// Returns [`Binding::PieceOrEmpty`].
    pub fn piece_or_empty(text: impl Into<Arc<str>>) -> Self {
        Self::PieceOrEmpty(text.into())
    }

    /// Returns [`Binding::PieceIn`].
    pub fn piece_in(
        text: impl Into<Arc<str>>,
        parts: impl IntoIterator<Item = (usize, usize)>,
    ) -> Self {
        Self::PieceIn { text: text.into(), parts: parts.into_iter().collect() }
    }

    /// Returns [`Binding::OneOf`].
    pub fn one_of(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::OneOf(names.into_iter().map(Into::into).collect())
    }

    /// Returns [`Binding::Without`].
    pub fn without(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::Without(words.into_iter().map(Into::into).collect())
    }

    /// Returns [`Binding::WithoutInAnyCase`].
    pub fn without_in_any_case(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::WithoutInAnyCase(words.into_iter().map(Into::into).collect())
    }

    /// Returns [`Binding::OtherThan`].
    pub fn other_than(text: impl Into<String>) -> Self {
        Self::OtherThan(text.into())
    }

    /// Returns [`Binding::Not`].
    pub fn not(texts: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        Self::Not(texts.into_iter().map(Into::into).collect())
    }

    /// Returns [`Binding::By`].
    pub fn by(
        rule: impl Into<String>,
        each: impl IntoIterator<Item = (impl Into<String>, Self)>,
    ) -> Self {
        let each = each.into_iter().map(|(name, binding)| (name.into(), binding));
        Self::By { rule: rule.into(), each: each.collect() }
    }

    /// Returns [`Binding::OtherThanSaid`].
    pub fn other_than_said(rule: impl Into<String>) -> Self {
        Self::OtherThanSaid { rule: rule.into() }
    }

    /// Returns [`Binding::Raw`].
    #[must_use]
    pub fn raw(self, end: impl Into<String>) -> Self {
        Self::Raw { end: end.into(), of: Box::new(self) }
    }

    /// Returns the rule whose value this one needs.
    #[must_use]
    pub fn needs(&self) -> Option<&str> {
        match self {
            Self::By { rule, .. } | Self::OtherThanSaid { rule } => Some(rule),
            Self::Raw { of, .. } => of.needs(),
            Self::Piece(_)
            | Self::PieceOrEmpty(_)
            | Self::PieceIn { .. }
            | Self::OneOf(_)
            | Self::Without(_)
            | Self::WithoutInAnyCase(_)
            | Self::OtherThan(_)
            | Self::Not(_) => None,
        }
    }

    /// Returns the binding without [`Binding::Raw`], and how its values are spelt.
    pub(crate) fn spelt(&self) -> (&Self, Spelling<'_>) {
        match self {
            Self::Raw { end, of } => (of, Spelling::Raw(end)),
            Self::Piece(_)
            | Self::PieceIn { .. }
            | Self::PieceOrEmpty(_)
            | Self::OneOf(_)
            | Self::Without(_)
            | Self::WithoutInAnyCase(_)
            | Self::OtherThan(_)
            | Self::Not(_)
            | Self::By { .. }
            | Self::OtherThanSaid { .. } => (self, Spelling::Json),
        }
    }
}

/// How a value is spelt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Spelling<'b> {
    /// As a JSON string.
    Json,
    /// As it is, with this text behind it.
    Raw(&'b str),
}

impl Spelling<'_> {
    /// Returns a value as it is said.
    pub(crate) fn of(self, value: &str) -> String {
        match self {
            Self::Json => json::quote(value),
            Self::Raw(end) => [value, end].concat(),
        }
    }
}

/// The bindings of a grammar, by the names under which its rules ask for them.
///
/// Several rules may ask for one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Bindings {
    by_name: BTreeMap<String, Binding>,
}

impl Bindings {
    /// Returns no bindings at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns these bindings and one more; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, binding: Binding) -> Self {
        self.insert(name, binding);
        self
    }

    /// Adds a binding, and returns the one that had this name before.
    pub fn insert(&mut self, name: impl Into<String>, binding: Binding) -> Option<Binding> {
        self.by_name.insert(name.into(), binding)
    }

    /// Returns the binding of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Binding> {
        self.by_name.get(name)
    }

    /// Returns all bindings in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Binding)> {
        self.by_name.iter().map(|(name, binding)| (name.as_str(), binding))
    }

    /// Returns the digests of all bindings, in the order of their names.
    pub fn digests(&self) -> impl Iterator<Item = (&str, String)> {
        self.iter().map(|(name, binding)| (name, binding.digest()))
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

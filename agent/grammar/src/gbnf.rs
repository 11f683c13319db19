//! GBNF, the grammar language of llama.cpp: its syntax tree, its parser and its printer.
//!
//! A grammar means here what it means to llama.cpp, or it is refused: a text that we allow is one that llama.cpp
//! allows. Its traps, tried with the version in `vendor/`, and what is done about them:
//!
//! | in the text | llama.cpp | here |
//! |---|---|---|
//! | no rule at all | a sampler that allows everything | refused |
//! | a rule twice | the last one wins silently | refused, with both lines |
//! | a rule without a body elsewhere, no `root` | refused | refused, with the place of the name |
//! | `_` in a name | refused (its own names have it) | refused |
//! | `a ::= "x" \|` at the end of a line | goes on in the next line | the same, and the error says so |
//! | a line that begins with `\|` outside parentheses | refused | refused, with the reason |
//! | two rules on a line, a byte order mark | refused | refused |
//! | `\xHH` `\uHHHH` `\UHHHHHHHH` | code points, so `"\xe9"` is two bytes | the same |
//! | `\.` `\/` `\d` `\b` | refused | refused |
//! | surrogates, numbers above U+10FFFF | taken, match nothing that is text | refused |
//! | a NUL character in the text | reads nothing after it | refused |
//! | `[]` and `[^]` | the empty *string* | refused: nobody means that |
//! | `[z-a]`, `[^` all characters `]` | taken, match nothing | refused |
//! | `[a-]` `[-a]` `[--a]` `[]a]` | literal dash, literal dash, a range, `[]` and then `a]` | the same |
//! | `.` | a line break too | the same |
//! | `"ab"{2}` | repeats the whole literal | the same |
//! | `{,n}` | refused | refused |
//! | `{m}` with m > 2,000 | refused | refused; the limit can be raised |
//! | `{m,n}` with n > 2,000 | **any number**, silently | refused; the limit can be raised |
//! | `(x{0,50}){0,50}` | refused, as the product is above 2,000 | means what it says, within `Limits::positions` |
//! | `{3,2}` | takes all memory, then ends | refused |
//! | `""*` | refused | refused |
//! | `a**`, and `x*` with `x ::= "" \| "a"` | refused as left recursion | `(a*)*`, and so printed; means what it says |
//! | left recursion | refused; hidden behind a rule that can be empty it takes all memory | refused, with the way round |
//! | a rule that never ends, `a ::= "x" a` | taken; a model can only be cut off | refused |
//! | 30,000 parentheses, chains of 100,000 rules | ends the process | refused above `Limits::nesting`; chains are fine |
//! | 2^n ways back to the same place | 2^n stacks | one shared stack |
//! | 5,000 alternatives | 3 s a mask | a tree of prefixes |
//! | `<[id]>` that is no token | taken | refused when compiled |
//! | `<text>` that is not one token | refused | refused when compiled |
//! | a token by name without text, or with a piece of a character | never matches, or only before the rest of it | refused when compiled |
//! | a token that ends the output, `<[2]>` for `</s>` | never matches; the end is allowed where the text is whole | refused when compiled |
//! | `!<tok>` | any other token, control tokens too | any other token of whole characters, no control token |
//! | control tokens inside strings | allowed where their *text* fits | only where the grammar names them |
//! | the bytes F5 to FF, and others that are never UTF-8 | allowed where a class is negated | never |
//! | `#! bind NAME` behind a rule | a comment | a [`Bound`] rule, refused until its data are given |
//! | `#!` elsewhere | a comment | refused: a binding that nobody reads would leave its rule open |
//! | a token that ends inside a character, in `[^é]` | refused where it could become an excluded character | the same |
//!
//! `parse(print(x)) == x` holds for every grammar that came from the parser. The printed form of `a**` has
//! parentheses, which count as nesting where it is read again.

mod bound;
mod class;
mod error;
mod parse;
mod print;
mod repeat;
mod tree;

use std::collections::HashMap;

use crate::limits::Limits;

pub use bound::Bound;
pub use class::CharSet;
pub use error::{GbnfError, Mistake};

/// What a rule may expand to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Expr {
    /// Exactly this text.
    Literal(String),
    /// One character of a class, in GBNF's own notation including the brackets, such as `[0-9a-f]`: short to
    /// write in code. The parser gives [`Expr::Chars`].
    Class(&'static str),
    /// One character of a set.
    Chars(CharSet),
    /// One token, whatever its text: the only way to a control token.
    Token(TokenName),
    /// Any one token of whole characters but this one; never a control token.
    NotToken(TokenName),
    /// The expansion of another rule.
    Rule(String),
    /// All of them, one after the other.
    Seq(Vec<Expr>),
    /// One of them.
    Any(Vec<Expr>),
    /// The inner expression, zero or one time.
    Optional(Box<Expr>),
    /// The inner expression, any number of times.
    Many(Box<Expr>),
    /// The inner expression, exactly this often.
    Times(Box<Expr>, u16),
    /// The inner expression, at least and at most this often.
    Repeat(Box<Expr>, u32, Option<u32>),
}

/// How a grammar names a token.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum TokenName {
    /// By its number, `<[17]>`.
    Id(u32),
    /// By its text, which begins with `<` and ends with `>`, such as `<tool_call>`.
    Text(String),
}

impl Expr {
    /// Returns an expression for exactly `text`.
    pub fn literal(text: impl Into<String>) -> Self {
        Self::Literal(text.into())
    }

    /// Returns a reference to the rule `name`.
    pub fn rule(name: impl Into<String>) -> Self {
        Self::Rule(name.into())
    }

    /// Returns the choice between exactly these texts, as a tree of shared prefixes. Without any text it is the
    /// choice of nothing, with which a grammar is refused.
    ///
    /// A flat list of 5,000 texts costs llama.cpp's sampler seconds a token, because each alternative is a
    /// stack of its own; a tree keeps one stack for each text that is still possible.
    pub fn one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        tree::one_of(texts.into_iter().collect())
    }

    /// Returns `inner` repeated at least `min` and at most `max` times, in its simplest form.
    #[must_use]
    pub fn repeat(inner: Self, min: u32, max: Option<u32>) -> Self {
        repeat::simplest(inner, min, max)
    }
}

/// A set of named rules; a whole text is one expansion of `root`.
#[derive(Clone, Debug, Default)]
pub struct Grammar {
    pub(crate) rules: Vec<Rule>,
    /// Where each name stands in `rules`.
    places: HashMap<String, usize>,
}

/// A rule of a grammar.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) body: Expr,
    /// The line of the text it was read from, from 1.
    pub(crate) line: Option<usize>,
    /// What narrows it further.
    pub(crate) bound: Option<Bound>,
}

impl PartialEq for Grammar {
    /// Where a rule stood in a text does not matter.
    fn eq(&self, other: &Self) -> bool {
        let same =
            |(a, b): (&Rule, &Rule)| a.name == b.name && a.body == b.body && a.bound == b.bound;
        self.rules.len() == other.rules.len() && self.rules.iter().zip(&other.rules).all(same)
    }
}

impl Eq for Grammar {}

impl Grammar {
    /// Returns a grammar whose `root` expands to `root`.
    #[must_use]
    pub fn new(root: Expr) -> Self {
        let mut grammar = Self::default();
        grammar.add("root", root);
        grammar
    }

    /// Reads GBNF text under the default limits.
    ///
    /// # Errors
    ///
    /// When the text is not GBNF, when llama.cpp would do something else than it says, or when it is too large.
    pub fn parse(text: &str) -> Result<Self, GbnfError> {
        Self::parse_within(text, &Limits::default())
    }

    /// Reads GBNF text under `limits`.
    ///
    /// # Errors
    ///
    /// As for [`Grammar::parse`].
    pub fn parse_within(text: &str, limits: &Limits) -> Result<Self, GbnfError> {
        parse::grammar(text, limits)
    }

    /// Adds the rule `name`, unless it is already there.
    ///
    /// # Panics
    ///
    /// When `name` has a character other than letters, digits and `-`, or is there with another body: llama.cpp
    /// would let the last definition win without a word.
    pub fn add(&mut self, name: &str, body: Expr) {
        assert!(is_name(name), "BUG: `{name}` is no rule name");
        if let Some(known) = self.rule(name) {
            assert!(*known == body, "BUG: rule `{name}` has two bodies");
            return;
        }
        self.push(name, body, None);
    }

    /// Returns the body of the rule `name`.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Expr> {
        self.place(name).map(|place| &self.rules[place].body)
    }

    /// Returns the names of the rules with their bodies, in their order.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Expr)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), &rule.body))
    }

    /// Binds the rule `name`: a matcher allows of it only what the [binding](crate::bindings) does.
    ///
    /// # Panics
    ///
    /// When there is no such rule, or it is bound already.
    pub fn bind(&mut self, name: &str, bound: Bound) {
        let place = self.place(name);
        let rule = place.and_then(|place| self.rules.get_mut(place));
        let Some(rule) = rule.filter(|rule| rule.bound.is_none()) else {
            unreachable!("BUG: rule `{name}` is not there to be bound, or bound already");
        };
        rule.bound = Some(bound);
    }

    /// Returns what the rule `name` is bound to.
    #[must_use]
    pub fn bound(&self, name: &str) -> Option<&Bound> {
        self.place(name).and_then(|place| self.rules[place].bound.as_ref())
    }

    /// Returns the same grammar without bindings: what llama.cpp reads.
    #[must_use]
    pub fn unbound(&self) -> Self {
        let mut open = self.clone();
        open.rules.iter_mut().for_each(|rule| rule.bound = None);
        open
    }

    /// Gives the rule `name`, which is there, another body.
    pub(crate) fn replace(&mut self, name: &str, body: Expr) {
        if let Some(place) = self.place(name) {
            self.rules[place].body = body;
        }
    }

    /// Returns the line of the text from which the rule `name` was read.
    #[must_use]
    pub fn line(&self, name: &str) -> Option<usize> {
        self.place(name).and_then(|place| self.rules[place].line)
    }

    /// Returns where the rule `name` stands in the list of rules.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    fn push(&mut self, name: &str, body: Expr, line: Option<usize>) {
        self.places.insert(name.to_owned(), self.rules.len());
        self.rules.push(Rule { name: name.to_owned(), body, line, bound: None });
    }
}

/// Returns whether llama.cpp reads `name` as the name of a rule.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

//! Why there is no constraint, or none any more.

use thiserror::Error;

use crate::gbnf::GbnfError;
use crate::vocabulary::TokenId;

/// Why a grammar is not compiled. A grammar that is refused allows nothing.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum CompileError {
    /// The text is no grammar.
    #[error(transparent)]
    Text(#[from] GbnfError),
    /// No rule `root`.
    #[error("none of the {0} rules is `root`, with which a text begins")]
    NoRoot(usize),
    /// A rule is named and not there.
    #[error("{place} names `{name}`, which is not defined")]
    Undefined {
        /// Where it is named.
        place: Place,
        /// What is named.
        name: String,
    },
    /// A rule can begin with itself.
    #[error(
        "{place} can begin with itself, by way of {way}: write what repeats behind it, or with `*`"
    )]
    LeftRecursion {
        /// The first rule on the way.
        place: Place,
        /// The names on the way round.
        way: String,
    },
    /// Every way through a rule needs the rule again.
    #[error("{0} never ends: every way through it needs a rule that never ends")]
    Endless(Place),
    /// A class in the grammar's own notation is none.
    #[error("{place} has the class `{notation}`: {error}")]
    Class {
        /// Where it stands.
        place: Place,
        /// How it is written.
        notation: String,
        /// What is wrong with it.
        error: String,
    },
    /// A repetition ends before it begins.
    #[error("{place} repeats something {min} to {max} times")]
    Repetition {
        /// Where it stands.
        place: Place,
        /// How often at least.
        min: u32,
        /// How often at most.
        max: u32,
    },
    /// A token that is named is not one that can be.
    #[error("{place} names the token {token}, {problem}")]
    Token {
        /// Where it is named.
        place: Place,
        /// How it is named.
        token: String,
        /// What is wrong with it.
        problem: TokenProblem,
    },
    /// A rule is bound, and cannot be so.
    #[error("{place} is bound to `{name}`, {problem}")]
    Binding {
        /// The rule.
        place: Place,
        /// The name of the binding.
        name: String,
        /// What is wrong with it.
        problem: BindingProblem,
    },
    /// A binding is given that no rule asks for.
    #[error("the binding `{0}` is given, and no rule is bound to it")]
    UnusedBinding(String),
    /// The grammar is too ambiguous at its very beginning.
    #[error(transparent)]
    Start(MatchError),
    /// Something is larger than a limit.
    #[error("{place} takes the grammar to more than {limit} {what}")]
    TooLarge {
        /// Where the limit was passed.
        place: Place,
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
}

/// What is wrong with a binding.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BindingProblem {
    /// It is not there.
    #[error("which is not given")]
    Missing,
    /// Its data are others.
    #[error("and what is given for it has the digest {0}")]
    Digest(String),
    /// There is nothing in it.
    #[error("which has no text, no name, no word, or an empty word")]
    Empty,
    /// There is too much in it.
    #[error("which has {found} {what}, {limit} at most")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much there may be.
        limit: usize,
    },
    /// A word has too many letters of which case is more than a bit.
    #[error("in which a word has more than six letters outside ASCII: write its cases out")]
    Cases,
    /// It could say what the rule's own text does not allow.
    #[error("which could say {0}, and the text of the rule does not allow that")]
    Wider(String),
    /// It takes all away.
    #[error("which leaves nothing of what the rule can say")]
    NothingLeft,
    /// It excludes texts of a rule that is part of itself.
    #[error("which excludes texts, and the rule is part of itself")]
    InsideItself,
    /// It excludes texts for one name.
    #[error("in which `Not` stands behind a name: bind the rule itself")]
    NotInside,
    /// A value would be ended by its own text.
    #[error("in which a text could end before its end {0:?}")]
    EndsEarly(String),
    /// Its values cannot stand as they are.
    #[error("which is of a kind that stands in JSON strings only")]
    NotRaw,
    /// It needs a rule that is not there.
    #[error("which needs what `{0}` says, and there is no such rule")]
    NoRule(String),
    /// It needs a rule that cannot tell.
    #[error(
        "which needs what `{0}` says, and that rule is not bound to names, or to pieces of texts"
    )]
    Unsayable(String),
    /// It needs a rule that comes too late.
    #[error("which needs what `{needs}` says, and rule `{of}` does not have that before it")]
    Early {
        /// The rule that names the bound one.
        of: String,
        /// The rule that must come first.
        needs: String,
    },
    /// Its parts are none of its text.
    #[error("of which {from} to {to} is no part of whole characters behind the one before it")]
    Part {
        /// The first byte.
        from: usize,
        /// The byte behind the last one.
        to: usize,
    },
    /// It has nothing for a name.
    #[error("which has nothing for the name {0:?}")]
    NoBranch(String),
    /// It has a name more than once.
    #[error("which has the name {0:?} twice")]
    Twice(String),
}

/// What is wrong with a token that a grammar names.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum TokenProblem {
    /// Its number is too high.
    #[error("but there are {0} tokens")]
    Missing(usize),
    /// Its text is not that of one token.
    #[error("which is the text of {0} tokens: name one by its number, `<[id]>`")]
    Ambiguous(usize),
    /// It ends the output.
    #[error(
        "token {0}, which ends the output: leave it out, the end is allowed where the text is whole"
    )]
    Ends(TokenId),
    /// It has no text, or a piece of a character, or a NUL in it.
    #[error(
        "token {0}, which is no text of whole characters: llama.cpp refuses it, or what comes after it"
    )]
    NoText(TokenId),
    /// A grammar cannot write this name.
    #[error("but a token is named `<text>` or `<[id]>`")]
    Notation,
    /// Nothing is left after its exclusion.
    #[error("besides which there is no token of whole characters")]
    Alone,
}

/// A rule, and its line where the grammar was read from a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The name of the rule.
    pub rule: String,
    /// The line of its name, from 1.
    pub line: Option<usize>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: rule `{}`", self.rule),
            None => write!(f, "rule `{}`", self.rule),
        }
    }
}

/// Why a constraint cannot say what is allowed. Nothing is allowed then.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum MatchError {
    /// The grammar leaves open too many places at once.
    #[error("the grammar can stand in more than {0} places at once here: it is too ambiguous")]
    Width(usize),
    /// One call took too many steps.
    #[error("more than {0} steps in one call: the grammar is too ambiguous here")]
    Work(usize),
    /// The native automata of all bindings have more states than there are numbers.
    #[error("the bindings that were used need more than 2,147,483,647 states")]
    Positions,
    /// The states of the matcher are too many.
    #[error("the matcher needs {needed} bytes, {limit} at most")]
    Memory {
        /// What is in use.
        needed: usize,
        /// What may be.
        limit: usize,
    },
}

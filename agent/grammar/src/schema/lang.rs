//! Sets of texts that are combined: a list of words, an automaton, or both at once.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::budget::{Budget, Exceeded};
use super::dfa::Dfa;

/// A set of texts; without a part it is the set of all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Lang {
    /// Only these. They are kept as a list, because a list of 5,000 paths is cheap and its automaton is not.
    pub(super) words: Option<Rc<BTreeSet<String>>>,
    /// Only what this accepts; never there beside `words`.
    pub(super) dfa: Option<Rc<Dfa>>,
}

impl Lang {
    /// Returns the set of exactly these texts.
    pub(super) fn words(words: BTreeSet<String>) -> Self {
        Self { words: Some(Rc::new(words)), dfa: None }
    }

    /// Returns the set that an automaton accepts.
    pub(super) fn dfa(dfa: Rc<Dfa>) -> Self {
        Self { words: None, dfa: Some(dfa) }
    }

    /// Returns whether nothing is excluded.
    pub(super) fn is_all(&self) -> bool {
        self.words.is_none() && self.dfa.is_none()
    }

    /// Returns whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.words.as_ref().is_some_and(|words| words.is_empty())
            || self.dfa.as_ref().is_some_and(|dfa| dfa.is_empty())
    }

    /// Returns whether `text` is in the set.
    pub(super) fn has(&self, text: &str) -> bool {
        self.words.as_ref().is_none_or(|words| words.contains(text))
            && self.dfa.as_ref().is_none_or(|dfa| dfa.accepts(text))
    }

    /// Returns the texts in both sets.
    pub(super) fn and(&self, other: &Self, budget: &Budget) -> Result<Self, Exceeded> {
        if self.is_all() || self == other {
            return Ok(other.clone());
        }
        if other.is_all() {
            return Ok(self.clone());
        }
        if let Some(words) = self.words.as_ref().or(other.words.as_ref()) {
            budget.spend(words.len())?;
            let both = words.iter().filter(|word| self.has(word) && other.has(word));
            return Ok(Self::words(both.cloned().collect()));
        }
        match (&self.dfa, &other.dfa) {
            (Some(a), Some(b)) => Ok(Self::dfa(a.and(b, budget)?.shared(budget))),
            (dfa, None) | (None, dfa) => Ok(Self { words: None, dfa: dfa.clone() }),
        }
    }

    /// Returns the automaton of the set.
    pub(super) fn automaton(&self) -> Rc<Dfa> {
        match (&self.words, &self.dfa) {
            (Some(words), _) => Rc::new(Dfa::words(words.iter().map(String::as_str))),
            (None, Some(dfa)) => dfa.clone(),
            (None, None) => Rc::new(Dfa::all()),
        }
    }
}

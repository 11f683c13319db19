//! What compiling a schema may cost, counted in steps and not in seconds: the same schema always has the same answer.

use std::cell::Cell;

use super::error::SchemaError;
use super::options::Limits;

/// A limit that was met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Exceeded {
    /// What there are too many of.
    pub(super) what: &'static str,
    pub(super) limit: usize,
}

impl Exceeded {
    /// Returns the error that the part of the schema at `pointer` is too large.
    pub(super) fn at(self, pointer: impl Into<String>) -> SchemaError {
        let Self { what, limit } = self;
        SchemaError::TooLarge { pointer: pointer.into(), what: what.to_owned(), limit }
    }
}

/// The steps that are left. Whoever loops over what a schema made large spends them.
#[derive(Debug)]
pub(super) struct Budget {
    states: usize,
    work: usize,
    spent: Cell<usize>,
}

impl Budget {
    /// Returns a budget of which nothing is spent.
    pub(super) fn new(limits: &Limits) -> Self {
        Self { states: limits.states, work: limits.work, spent: Cell::new(0) }
    }

    /// Returns a budget for an automaton whose size no schema decides.
    pub(super) fn fixed() -> Self {
        Self { states: 1_000, work: 100_000, spent: Cell::new(0) }
    }

    /// Spends steps; one is an edge of an automaton, or what takes as long.
    pub(super) fn spend(&self, steps: usize) -> Result<(), Exceeded> {
        self.spent.set(self.spent.get().saturating_add(steps));
        if self.spent.get() > self.work {
            return Err(Exceeded { what: "steps", limit: self.work });
        }
        Ok(())
    }

    /// Refuses an automaton of more states than one may have.
    pub(super) fn allows_states(&self, count: usize) -> Result<(), Exceeded> {
        if count > self.states {
            return Err(Exceeded { what: "states of an automaton", limit: self.states });
        }
        Ok(())
    }
}

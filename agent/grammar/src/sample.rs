//! Random texts of a grammar, none longer than asked for.
//!
//! A text is derived from the rules, from left to right. For each rule the length of its shortest text is known
//! beforehand, and only what still fits into the bytes that are left is chosen from, so that every derivation ends:
//! there is no dead end to come back from, and nothing is tried twice.
//!
//! It is for people who want to see what a grammar allows, and for tests. The texts are no sample of what a model
//! would say, and not all are equally likely.

mod lengths;
mod random;

use std::sync::Arc;

use thiserror::Error;

use self::lengths::{Lengths, UNKNOWN};
use crate::gbnf::{CharSet, Expr, Grammar};
use crate::matcher::{CompileError, Constraint};
use crate::vocabulary::Vocabulary;

pub use random::Random;

/// Why there is no random text.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SampleError {
    /// The grammar has no text that is short enough.
    #[error("the shortest text of the grammar has {shortest} bytes, {limit} at most are asked for")]
    TooLong {
        /// Bytes of the shortest text.
        shortest: u64,
        /// Bytes that it may have.
        limit: u64,
    },
}

/// What is repeated goes on with this many chances in eight, as long as there is much room.
const GOES_ON: u64 = 7;

/// A grammar of which random texts are wanted.
#[derive(Debug)]
pub struct Sampler<'g> {
    grammar: &'g Grammar,
    lengths: Lengths,
}

/// What is still to be written, the next last.
enum Pending<'g> {
    Once(&'g Expr),
    /// The expression at least and at most so often; without the latter, any number of times.
    Again(&'g Expr, u32, Option<u32>),
}

impl<'g> Sampler<'g> {
    /// Returns a sampler for `grammar`. A token that it names stands in a text as the bytes that `vocabulary` has
    /// for it.
    ///
    /// # Errors
    ///
    /// When the grammar cannot be compiled for `vocabulary`: then it has no text.
    pub fn new(grammar: &'g Grammar, vocabulary: &Arc<Vocabulary>) -> Result<Self, CompileError> {
        // What is compiled has rules that end and none that begins with itself: no derivation goes round in circles.
        Constraint::new(grammar, Arc::clone(vocabulary))?;
        Ok(Self { grammar, lengths: Lengths::of(grammar, vocabulary) })
    }

    /// Returns the bytes of the shortest text.
    #[must_use]
    pub fn shortest(&self) -> u64 {
        self.lengths.rule(self.grammar, "root")
    }

    /// Returns a text of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// When no text is that short.
    pub fn text(&self, random: &mut Random, limit: u64) -> Result<Vec<u8>, SampleError> {
        let shortest = self.shortest();
        let Some(root) = self.grammar.rule("root").filter(|_| shortest <= limit) else {
            return Err(SampleError::TooLong { shortest, limit });
        };
        let mut derivation = Derivation {
            sampler: self,
            random,
            limit,
            text: Vec::new(),
            pending: vec![Pending::Once(root)],
            reserved: self.length(root),
        };
        while let Some(next) = derivation.pending.pop() {
            derivation.step(next);
        }
        Ok(derivation.text)
    }

    fn length(&self, expr: &Expr) -> u64 {
        self.lengths.expr(self.grammar, expr)
    }

    fn least(&self, pending: &Pending<'_>) -> u64 {
        match pending {
            Pending::Once(expr) => self.length(expr),
            Pending::Again(expr, least, _) => self.length(expr).saturating_mul(u64::from(*least)),
        }
    }
}

struct Derivation<'s, 'g> {
    sampler: &'s Sampler<'g>,
    random: &'s mut Random,
    limit: u64,
    text: Vec<u8>,
    pending: Vec<Pending<'g>>,
    /// The bytes that all that is pending takes at least.
    reserved: u64,
}

impl<'g> Derivation<'_, 'g> {
    fn push(&mut self, pending: Pending<'g>) {
        self.reserved += self.sampler.least(&pending);
        self.pending.push(pending);
    }

    /// Returns the bytes that what is taken next may have.
    fn room(&self) -> u64 {
        let written = u64::try_from(self.text.len()).unwrap_or(u64::MAX);
        self.limit.saturating_sub(written).saturating_sub(self.reserved)
    }

    fn step(&mut self, next: Pending<'g>) {
        self.reserved -= self.sampler.least(&next);
        match next {
            Pending::Once(expr) => self.write(expr),
            Pending::Again(inner, least, most) => self.repeat(inner, least, most),
        }
    }

    fn write(&mut self, expr: &'g Expr) {
        let sampler = self.sampler;
        match expr {
            Expr::Literal(text) => self.text.extend_from_slice(text.as_bytes()),
            Expr::Class(notation) => {
                let set = CharSet::parse(notation).expect("a grammar that compiles has classes");
                self.character(&set);
            }
            Expr::Chars(set) => self.character(set),
            Expr::Token(name) => self.text.extend_from_slice(sampler.lengths.token(name)),
            Expr::NotToken(name) => {
                let (room, random) = (self.room(), &mut *self.random);
                self.text.extend_from_slice(sampler.lengths.other_token(name, room, random));
            }
            Expr::Rule(name) => {
                let body = sampler.grammar.rule(name).expect("a grammar that compiles is whole");
                self.push(Pending::Once(body));
            }
            Expr::Seq(parts) => parts.iter().rev().for_each(|part| self.push(Pending::Once(part))),
            Expr::Any(parts) => self.choose(parts),
            Expr::Optional(inner) => self.repeat(inner, 0, Some(1)),
            Expr::Many(inner) => self.repeat(inner, 0, None),
            Expr::Times(inner, count) => {
                self.repeat(inner, u32::from(*count), Some(u32::from(*count)));
            }
            Expr::Repeat(inner, least, most) => self.repeat(inner, *least, *most),
        }
    }

    /// Where the room gets small the shortest alternative is taken every other time: a grammar whose rules call
    /// themselves would fill every text up to its limit.
    fn choose(&mut self, parts: &'g [Expr]) {
        let room = self.room();
        let lengths = parts.iter().map(|part| (self.sampler.length(part), part));
        let mut fitting: Vec<(u64, &Expr)> = lengths.filter(|(least, _)| *least <= room).collect();
        let shortest = fitting.iter().map(|(least, _)| *least).min().unwrap_or(UNKNOWN);
        if self.is_small(room) && self.random.below(2) == 0 {
            fitting.retain(|(least, _)| *least == shortest);
        }
        let count = u64::try_from(fitting.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(self.random.below(count)).unwrap_or(0);
        if let Some((_, part)) = fitting.get(at) {
            self.push(Pending::Once(part));
        }
    }

    fn repeat(&mut self, inner: &'g Expr, least: u32, most: Option<u32>) {
        let room = self.room();
        let goes_on = match most {
            Some(0) => false,
            Some(_) | None if least > 0 => true,
            Some(1) => self.random.below(2) == 0,
            Some(_) | None => {
                let chances = if self.is_small(room) { GOES_ON / 2 } else { GOES_ON };
                self.random.below(8) < chances
            }
        };
        if goes_on && self.sampler.length(inner) <= room {
            let rest = most.map(|most| most - 1);
            self.push(Pending::Again(inner, least.saturating_sub(1), rest));
            self.push(Pending::Once(inner));
        }
    }

    fn is_small(&self, room: u64) -> bool {
        room < self.limit / 2
    }

    fn character(&mut self, set: &CharSet) {
        let room = self.room();
        let chosen = random::character(&set.resolved(), room, self.random);
        let mut bytes = [0; 4];
        self.text.extend_from_slice(chosen.encode_utf8(&mut bytes).as_bytes());
    }
}

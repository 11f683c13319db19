//! A compiled grammar, and what can be asked of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::bind::Given;
use super::distances::Distances;
use super::emit;
use super::error::{CompileError, MatchError};
use super::kept::Kept;
use super::mask::Mask;
use super::places::{Place, WHOLE};
use super::program::{Op, TokenSet};
use super::states::{Cursor, DEAD, StateId, States};
use super::walk::Walk;
use crate::bindings::Bindings;
use crate::gbnf::Grammar;
use crate::limits::Limits;
use crate::vocabulary::{Kind, TokenId, Vocabulary};

/// A point of a text under a constraint, as a small number.
///
/// It stays good for as long as the constraint lives: to take tokens back, keep the number from before them. It
/// means nothing to another constraint.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct State(StateId);

impl State {
    pub(super) fn id(self) -> StateId {
        self.0
    }

    pub(super) fn of(id: StateId) -> Self {
        Self(id)
    }
}

/// Forced text is given out in pieces of at most this many bytes, and a long text is read in such pieces.
pub(super) const PIECE: usize = 4096;

/// After the end of a text, nothing follows.
const ENDED: State = State(0);

/// A grammar, compiled for a vocabulary.
///
/// It finds out states, transitions and masks when they are first asked for, and keeps them.
#[derive(Debug)]
pub struct Constraint {
    pub(super) states: States,
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) rules: Vec<(String, Option<usize>)>,
    /// Found out when they are first asked for.
    pub(super) distances: Option<Distances>,
    /// The names of the bindings, by rule.
    pub(super) bindings: HashMap<usize, String>,
    start: State,
    pub(super) masks: Vec<Kept>,
    /// Masks that were asked for since the last time some were forgotten have this mark.
    pub(super) epoch: u32,
    pub(super) walk: Walk,
}

impl Constraint {
    /// Compiles a grammar under the default limits.
    ///
    /// # Errors
    ///
    /// When a rule can begin with itself, can never end or is not defined, when a token that is named is not
    /// one that can be, or when the grammar is too large. A grammar that is refused allows nothing.
    pub fn new(grammar: &Grammar, vocabulary: Arc<Vocabulary>) -> Result<Self, CompileError> {
        Self::within(grammar, vocabulary, &Limits::default())
    }

    /// Compiles a grammar under `limits`.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::new`].
    pub fn within(
        grammar: &Grammar,
        vocabulary: Arc<Vocabulary>,
        limits: &Limits,
    ) -> Result<Self, CompileError> {
        Self::bound(grammar, &Bindings::new(), vocabulary, limits)
    }

    /// Compiles a grammar with the data of its bindings under `limits`.
    ///
    /// What is allowed is always a part of what the grammar allows without its bindings.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::new`]; and when a binding that a rule asks for is not given, is given and not asked
    /// for, has other data than the text says, or could say something that the rule's own text does not allow.
    pub fn bound(
        grammar: &Grammar,
        bindings: &Bindings,
        vocabulary: Arc<Vocabulary>,
        limits: &Limits,
    ) -> Result<Self, CompileError> {
        let given = Given::new(grammar, bindings)?;
        let (program, bodies) = emit::program(grammar, &given, &vocabulary, limits)?;
        let mut states = States::new(program, limits);
        let start = State(states.start().map_err(CompileError::Start)?);
        given.check(grammar, &mut states, &bodies)?;
        states.make_natives().map_err(CompileError::Start)?;
        let rules = grammar.rules.iter().map(|rule| (rule.name.clone(), rule.line)).collect();
        let names = grammar.rules.iter().enumerate();
        let names =
            names.filter_map(|(at, rule)| Some((at, rule.bound.as_ref()?.name().to_owned())));
        let bindings = names.collect();
        Ok(Self {
            states,
            vocabulary,
            rules,
            distances: None,
            bindings,
            start,
            masks: Vec::new(),
            epoch: 0,
            walk: Walk::default(),
        })
    }

    /// Reads and compiles GBNF text under `limits`.
    ///
    /// # Errors
    ///
    /// As for [`Grammar::parse`] and [`Constraint::new`].
    pub fn from_text(
        text: &str,
        vocabulary: Arc<Vocabulary>,
        limits: &Limits,
    ) -> Result<Self, CompileError> {
        Self::within(&Grammar::parse_within(text, limits)?, vocabulary, limits)
    }

    /// Returns the state before any text.
    #[must_use]
    pub fn start(&self) -> State {
        self.start
    }

    /// Returns the vocabulary that the masks are about.
    #[must_use]
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }

    /// Returns whether the text may end here.
    #[must_use]
    pub fn accepting(&self, state: State) -> bool {
        self.states.facts[state.0 as usize].accepting
    }

    /// Returns the state after one more byte; nothing when that byte is not allowed.
    ///
    /// # Errors
    ///
    /// When the grammar is too ambiguous here for the limits, or the matcher has no memory left.
    pub fn advance_byte(&mut self, state: State, byte: u8) -> Result<Option<State>, MatchError> {
        self.begin();
        let to = self.states.step(self.states.cursor(state.0), byte)?;
        self.settle(to)
    }

    /// Returns the state after some bytes; nothing when one of them is not allowed.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn advance_bytes(
        &mut self,
        state: State,
        bytes: &[u8],
    ) -> Result<Option<State>, MatchError> {
        let mut cursor = self.states.cursor(state.0);
        for piece in bytes.chunks(PIECE) {
            self.begin();
            let Some(next) = self.run(cursor, piece)? else { return Ok(None) };
            cursor = next;
        }
        self.settle(Some(cursor))
    }

    /// Returns the state after one more token; nothing when that token is not allowed, or is none.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn advance(&mut self, state: State, token: TokenId) -> Result<Option<State>, MatchError> {
        self.begin();
        if self.vocabulary.kind(token) == Some(Kind::End) {
            return Ok(self.accepting(state).then_some(ENDED));
        }
        let vocabulary = Arc::clone(&self.vocabulary);
        let by_text = match vocabulary.text(token) {
            Some(bytes) => self.run(self.states.cursor(state.0), bytes)?,
            None => None,
        };
        let by_text = by_text.filter(|cursor| self.states.may_rest(*cursor));
        if !self.states.facts[state.0 as usize].takes_token {
            return self.settle(by_text);
        }
        let mut seeds = self.after_token(state, token);
        if seeds.is_empty() {
            return self.settle(by_text);
        }
        match by_text {
            None => {}
            Some(Cursor::One(place)) => seeds.push(place),
            Some(Cursor::State(other)) => seeds.extend(self.states.sets.get(other)),
        }
        let to = self.states.close(&seeds)?;
        self.settle(Some(to).filter(|to| *to != DEAD))
    }

    /// Returns the tokens that are allowed: exactly those for which [`Constraint::advance`] gives a state.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn mask(&mut self, state: State) -> Result<&Mask, MatchError> {
        let kept = self.kept(state.0)?;
        self.masks[kept].epoch = self.epoch;
        Ok(&self.masks[kept].mask)
    }

    /// Returns how many positions the compiled grammar has.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.states.program.ops.len()
    }

    /// Returns how many states were met so far.
    #[must_use]
    pub fn states(&self) -> usize {
        self.states.sets.len()
    }

    /// Returns the bytes in use.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.states.bytes() + self.distances.as_ref().map_or(0, Distances::bytes)
    }

    pub(super) fn places(&self, state: State) -> &[Place] {
        self.states.sets.get(state.0)
    }

    pub(super) fn run(
        &mut self,
        mut cursor: Cursor,
        bytes: &[u8],
    ) -> Result<Option<Cursor>, MatchError> {
        for byte in bytes {
            match self.states.step(cursor, *byte)? {
                Some(next) => cursor = next,
                None => return Ok(None),
            }
        }
        Ok(Some(cursor))
    }

    fn settle(&mut self, cursor: Option<Cursor>) -> Result<Option<State>, MatchError> {
        cursor.map(|cursor| self.states.settle(cursor).map(State)).transpose()
    }

    /// Returns where the places that take `token` by name go on.
    fn after_token(&mut self, state: State, token: TokenId) -> Vec<Place> {
        let is_whole = self.vocabulary.is_whole(token);
        let takes = |place: &&Place| {
            let Op::Token(set) = self.states.program.op(place.at) else { return false };
            match self.states.program.tokens[set as usize] {
                TokenSet::One(only) => token == only,
                TokenSet::Except(not) => is_whole && token != not,
            }
        };
        let places = self.places(state).iter().filter(|place| **place != WHOLE).filter(takes);
        let places = places.map(|place| Place { at: place.at + 1, ..*place });
        let mut places: Vec<Place> = places.collect();
        for place in &mut places {
            // A token is no text: what is watched cannot come out any more.
            place.context = self.states.bound.contexts.unwatched(place.context);
        }
        places
    }
}

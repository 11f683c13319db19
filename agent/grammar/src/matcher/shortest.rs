//! The shortest way to the end of a text.
//!
//! Without bindings the distances of the program are exact, and each step follows from them. With bindings they are
//! the least that can be: what was said earlier decides more than the program knows. There the way is searched
//! state by state (A*, Hart, Nilsson and Raphael 1968), and as the distances are hardly ever wrong, the search
//! hardly ever turns back.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::constraint::{Constraint, State};
use super::distances::{Distances, FAR, detour};
use super::error::MatchError;
use super::places::{Place, WHOLE};
use super::program::{Op, TokenSet};
use super::states::StateId;
use super::table::Mixing;
use crate::vocabulary::TokenId;

/// More states than this are not looked at for one way.
const MAX_STATES: usize = 50_000;

/// One step of a way to the end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Byte(u8),
    Token(TokenId),
}

/// How far a way is searched.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Until {
    /// To the end.
    End,
    /// To a state from which it is known how far the end is.
    Known,
}

/// How a search came to a state: from where, with what, and how far that is from its start.
type Steps = HashMap<StateId, (StateId, Option<Part>, u32), Mixing>;

impl Constraint {
    /// Returns how many bytes and named tokens a text needs at least to be whole, from here.
    pub fn distance(&mut self, state: State) -> usize {
        if self.states.program.binds.is_empty() {
            return self.least(state.id()) as usize;
        }
        if let Some(known) = self.distances().known.get(&state.id()) {
            return *known as usize;
        }
        let found = self.searched(state.id(), Until::Known);
        // What cannot be found out counts as far away.
        let known = found.ok().and_then(|_| self.distances().known.get(&state.id()));
        known.map_or(FAR, |known| *known) as usize
    }

    /// Returns a shortest way to the end; nothing when none was found, or, without bindings, none of `most` parts.
    pub(super) fn shortest(
        &mut self,
        state: State,
        most: usize,
    ) -> Result<Option<Vec<Part>>, MatchError> {
        if !self.states.program.binds.is_empty() {
            return self.searched(state.id(), Until::End);
        }
        let mut way = Vec::new();
        let mut state = state;
        while self.least(state.id()) > 0 {
            if way.len() == most {
                return Ok(None);
            }
            let Some(part) = self.nearest(state) else { return Ok(None) };
            let next = match part {
                Part::Byte(byte) => self.advance_byte(state, byte)?,
                Part::Token(token) => self.advance(state, token)?,
            };
            let Some(next) = next else { return Ok(None) };
            way.push(part);
            state = next;
        }
        Ok(Some(way))
    }

    fn distances(&mut self) -> &mut Distances {
        let Self { states, distances, .. } = self;
        distances.get_or_insert_with(|| Distances::of(states))
    }

    /// Returns the least that the end is away; without bindings, it is that far.
    fn least(&mut self, state: StateId) -> u32 {
        let Self { states, distances, .. } = self;
        let distances = distances.get_or_insert_with(|| Distances::of(states));
        let places = states.sets.get(state).iter();
        let nearest = places.map(|place| distances.of_place(states, *place)).min();
        // After the end there is no place, and nothing to add.
        nearest.unwrap_or(0)
    }

    /// Returns what a shortest way to the end begins with, where distances are exact.
    fn nearest(&mut self, state: State) -> Option<Part> {
        let Self { states, distances, .. } = self;
        let distances = distances.get_or_insert_with(|| Distances::of(states));
        let places = states.sets.get(state.id()).iter().filter(|place| **place != WHOLE);
        let place = *places.min_by_key(|place| distances.of_place(states, **place))?;
        match states.program.op(place.at) {
            Op::Byte(byte) => Some(Part::Byte(byte)),
            Op::Table(table) => {
                let spans = states.program.spans_of(table).iter();
                let span = spans.min_by_key(|span| {
                    let detour = detour(&states.program, span.target);
                    distances.of_position(span.target).saturating_add(detour)
                })?;
                Some(Part::Byte(readable(span.low, span.high)))
            }
            Op::Token(set) => self.token(set).map(Part::Token),
            Op::Jump(_)
            | Op::Split(_)
            | Op::Call(_)
            | Op::Last(_)
            | Op::End
            | Op::Bind(_)
            | Op::Native => None,
        }
    }

    /// Returns a token that a step takes.
    fn token(&self, set: u32) -> Option<TokenId> {
        match self.states.program.tokens[set as usize] {
            TokenSet::One(token) => Some(token),
            TokenSet::Except(not) => {
                let mut tokens = (0..).take(self.vocabulary.len());
                tokens.find(|token| *token != not && self.vocabulary.is_whole(*token))
            }
        }
    }

    fn searched(&mut self, start: StateId, until: Until) -> Result<Option<Vec<Part>>, MatchError> {
        let mut steps = Steps::default();
        steps.insert(start, (start, None, 0));
        let mut open = BinaryHeap::from([(Reverse(self.least(start)), 0, start)]);
        while let Some((_, far, state)) = open.pop() {
            if steps.get(&state).is_none_or(|(_, _, known)| far > *known) {
                continue;
            }
            let is_known = until == Until::Known && self.distances().known.contains_key(&state);
            if is_known || self.least(state) == 0 {
                return Ok(Some(self.way(&steps, state)));
            }
            if steps.len() > MAX_STATES {
                return Ok(None);
            }
            self.states.refuel();
            for (part, next) in self.next_states(state)? {
                let known = steps.get(&next).map_or(FAR, |(_, _, known)| *known);
                if far + 1 < known {
                    steps.insert(next, (state, Some(part), far + 1));
                    let known = self.distances().known.get(&next).copied();
                    let least = known.unwrap_or_else(|| self.least(next)).saturating_add(far + 1);
                    // Of two that are as near, the one that is further on.
                    open.push((Reverse(least), far + 1, next));
                }
            }
        }
        Ok(None)
    }

    /// Returns the way to a state whose distance is known or nothing, and keeps the distances along it.
    fn way(&mut self, steps: &Steps, end: StateId) -> Vec<Part> {
        let mut way = Vec::new();
        let mut left = self.distances().known.get(&end).copied().unwrap_or(0);
        let mut at = end;
        while let Some((before, part, _)) = steps.get(&at) {
            self.distances().known.insert(at, left);
            let Some(part) = part else { break };
            way.push(*part);
            at = *before;
            left += 1;
        }
        way.reverse();
        way
    }

    /// Returns the states after a state, each with one step that leads there.
    fn next_states(&mut self, state: StateId) -> Result<Vec<(Part, StateId)>, MatchError> {
        let places: Vec<Place> = self.states.sets.get(state).to_vec();
        let mut edges = Vec::new();
        let mut next = Vec::new();
        for place in places.into_iter().filter(|place| *place != WHOLE) {
            match self.states.program.op(place.at) {
                Op::Token(set) => {
                    if let Some(token) = self.token(set)
                        && let Some(to) = self.advance(State::of(state), token)?
                    {
                        next.push((Part::Token(token), to.id()));
                    }
                }
                Op::Byte(_) | Op::Table(_) | Op::Native => {
                    self.states.edges_of(place, &mut edges);
                }
                Op::Jump(_) | Op::Split(_) | Op::Call(_) | Op::Last(_) | Op::End | Op::Bind(_) => {}
            }
        }
        for (low, high, _) in edges {
            let byte = readable(low, high);
            if let Some(to) = self.states.step(self.states.cursor(state), byte)? {
                next.push((Part::Byte(byte), self.states.settle(to)?));
            }
        }
        Ok(next)
    }
}

/// Returns a byte of a span: no NUL, which no token spells, where there is another.
fn readable(low: u8, high: u8) -> u8 {
    b' '.clamp(low, high)
}

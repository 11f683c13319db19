//! What follows without a mask: what must, what is copied, and whether a token could reach beyond it.

use std::sync::Arc;

use super::constraint::{Constraint, PIECE, State};
use super::error::MatchError;
use super::native::Next;
use super::program::Op;
use super::states::{Cursor, Row};

/// What a grammar forces at a point.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forced {
    /// The bytes, which may end in the middle of a character.
    pub bytes: Vec<u8>,
    /// Where the text stands after them.
    pub state: State,
}

impl Constraint {
    /// Returns the bytes that must follow, as far as there is no choice, no end and no token by name.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn forced_bytes(&mut self, state: State) -> Result<Forced, MatchError> {
        self.begin();
        let mut bytes = Vec::new();
        let mut cursor = self.states.cursor(state.id());
        while bytes.len() < PIECE
            && let Some(byte) = self.only_byte(cursor)?
            && let Some(next) = self.states.step(cursor, byte)?
        {
            bytes.push(byte);
            cursor = next;
        }
        Ok(Forced { bytes, state: State::of(self.states.settle(cursor)?) })
    }

    /// Returns up to `most` bytes that follow in the text of which a piece is being said, as far as it goes on in one
    /// way. Nothing forces them: the piece may end before.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn copied_bytes(&mut self, state: State, most: usize) -> Result<Vec<u8>, MatchError> {
        self.begin();
        let mut bytes = Vec::new();
        let mut cursor = self.states.cursor(state.id());
        while bytes.len() < most
            && let Some(byte) = self.copied_byte(cursor)
            && let Some(next) = self.states.step(cursor, byte)?
        {
            bytes.push(byte);
            cursor = next;
        }
        Ok(bytes)
    }

    /// Returns whether a token is allowed that begins with `bytes` and goes on.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn allows_beyond(&mut self, state: State, bytes: &[u8]) -> Result<bool, MatchError> {
        self.begin();
        let vocabulary = Arc::clone(&self.vocabulary);
        let Some(node) = vocabulary.trie().find(bytes) else { return Ok(false) };
        let Some(cursor) = self.run(self.states.cursor(state.id()), bytes)? else {
            return Ok(false);
        };
        self.walk.found.clear();
        self.walk.ends = None;
        self.walk.run_below(&mut self.states, vocabulary.trie(), node, cursor)?;
        Ok(self.walk.found.len() > vocabulary.trie().tokens(node).len())
    }

    /// Returns the only byte with which a piece of a text goes on.
    fn copied_byte(&self, cursor: Cursor) -> Option<u8> {
        let Cursor::One(place) = cursor else { return None };
        if self.states.program.op(place.at) != Op::Native {
            return None;
        }
        let made = self.states.bound.natives.at(place.at);
        let stays = |byte: &u8| matches!(made.next(place.at, *byte), Some(Next::At(_)));
        let mut bytes = (0..=u8::MAX).filter(stays);
        bytes.next().filter(|_| bytes.next().is_none())
    }

    /// Returns the byte that must follow.
    fn only_byte(&mut self, cursor: Cursor) -> Result<Option<u8>, MatchError> {
        let cursor = match cursor {
            // Where texts are watched, not all that a step takes is allowed.
            Cursor::One(place) if self.states.is_watched(place) => {
                Cursor::State(self.states.settle(cursor)?)
            }
            cursor => cursor,
        };
        let span = match cursor {
            Cursor::One(place) => match self.states.program.op(place.at) {
                Op::Byte(byte) => Some((byte, byte)),
                Op::Table(table) => match self.states.program.spans_of(table) {
                    [only] => Some((only.low, only.high)),
                    _ => None,
                },
                Op::Native => {
                    let made = self.states.bound.natives.at(place.at);
                    let mut bytes =
                        (0..=u8::MAX).filter(|byte| made.next(place.at, *byte).is_some());
                    let only = bytes.next().filter(|_| bytes.next().is_none());
                    only.map(|byte| (byte, byte))
                }
                Op::Token(_)
                | Op::Jump(_)
                | Op::Split(_)
                | Op::Call(_)
                | Op::Last(_)
                | Op::End
                | Op::Bind(_) => None,
            },
            Cursor::State(state) => {
                let facts = self.states.facts[state as usize];
                match self.states.row(state)? {
                    Row::Few(start, end)
                        if end == start + 1 && !facts.accepting && !facts.takes_token =>
                    {
                        let step = self.states.steps[start as usize];
                        Some((step.low, step.high))
                    }
                    Row::Unknown | Row::Few(..) | Row::Wide(_) => None,
                }
            }
        };
        Ok(span.filter(|(low, high)| low == high).map(|(low, _)| low))
    }
}

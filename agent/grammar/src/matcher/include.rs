//! Whether a rule's own text allows what its binding does: a binding narrows, and never widens.

use std::collections::HashSet;

use super::error::MatchError;
use super::native::{PLAIN, Spelt, spelt};
use super::states::{Cursor, StateId, States};
use super::table::Mixing;
use crate::raw::after;

/// More pairs than any rule for strings has.
const MAX_PAIRS: usize = 20_000;

impl States {
    /// Returns the beginning of a text that is not allowed from `start` on; nothing when all are: JSON strings, or
    /// with an `end` whatever ends for the first time with that.
    pub(super) fn missing(
        &mut self,
        start: Cursor,
        end: &[u8],
    ) -> Result<Option<Vec<u8>>, MatchError> {
        if end.is_empty() { self.missing_string(start) } else { self.missing_raw(start, end) }
    }

    fn missing_raw(&mut self, start: Cursor, end: &[u8]) -> Result<Option<Vec<u8>>, MatchError> {
        let mut seen: HashSet<(u32, usize, StateId), Mixing> = HashSet::default();
        // How much of a character and of the end is there.
        let mut open = vec![(PLAIN, 0, self.settle(start)?, Vec::new())];
        while let Some((stage, ended, state, text)) = open.pop() {
            if !seen.insert((stage, ended, state)) {
                continue;
            }
            if seen.len() > MAX_PAIRS {
                return Err(MatchError::Width(MAX_PAIRS));
            }
            for byte in 1..=u8::MAX {
                let Some(stage) = inside_character(stage, byte) else { continue };
                let longer = || [text.as_slice(), &[byte]].concat();
                let Some(to) = self.step(self.cursor(state), byte)? else {
                    return Ok(Some(longer()));
                };
                let to = self.settle(to)?;
                let ended = after(end, ended, byte);
                if ended < end.len() {
                    open.push((stage, ended, to, longer()));
                } else if !self.facts[to as usize].accepting {
                    return Ok(Some(longer()));
                }
            }
        }
        Ok(None)
    }

    fn missing_string(&mut self, start: Cursor) -> Result<Option<Vec<u8>>, MatchError> {
        let Some(inside) = self.step(start, b'"')? else { return Ok(Some(vec![b'"'])) };
        let inside = self.settle(inside)?;
        let mut seen: HashSet<u64, Mixing> = HashSet::default();
        let mut open: Vec<(u32, StateId, Vec<u8>)> = vec![(PLAIN, inside, vec![b'"'])];
        while let Some((stage, state, text)) = open.pop() {
            if !seen.insert(u64::from(stage) << 32 | u64::from(state)) {
                continue;
            }
            if seen.len() > MAX_PAIRS {
                return Err(MatchError::Width(MAX_PAIRS));
            }
            for byte in 0..=u8::MAX {
                let Some(spelt) = spelt(stage, byte) else { continue };
                let longer = || [text.as_slice(), &[byte]].concat();
                let Some(to) = self.step(self.cursor(state), byte)? else {
                    return Ok(Some(longer()));
                };
                let to = self.settle(to)?;
                match spelt {
                    Spelt::End if self.facts[to as usize].accepting => {}
                    Spelt::End => return Ok(Some(longer())),
                    Spelt::Part(stage) | Spelt::Byte(_, stage) => {
                        if !seen.contains(&(u64::from(stage) << 32 | u64::from(to))) {
                            open.push((stage, to, longer()));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    /// Returns whether exactly this text is allowed from `start` on.
    pub(super) fn allows(&mut self, start: Cursor, text: &[u8]) -> Result<bool, MatchError> {
        let mut at = start;
        for byte in text {
            match self.step(at, *byte)? {
                Some(next) => at = next,
                None => return Ok(false),
            }
        }
        let end = self.settle(at)?;
        Ok(self.facts[end as usize].accepting)
    }
}

/// Returns the stage inside a character after `byte`, where any ASCII character is one byte.
fn inside_character(stage: u32, byte: u8) -> Option<u32> {
    if stage == PLAIN && byte.is_ascii() {
        return Some(PLAIN);
    }
    match spelt(stage, byte)? {
        Spelt::Byte(_, stage) => Some(stage),
        Spelt::Part(_) | Spelt::End => None,
    }
}

//! Masks inside strings, without looking at the tokens that every string may hold.
//!
//! A state is inside a string when all safe characters lead from it to one state, and from there on, until they
//! lead back to the same one (any string) or nowhere (a string of limited length).

use super::error::MatchError;
use super::mask::{self, Mask};
use super::states::{Cursor, NOWHERE, Row, Safe, StateId, States};
use super::walk::{Ends, Tree, Walk};
use crate::vocabulary::{MULTIBYTE, Slice, TokenId, Vocabulary, is_safe_byte};

/// Where a state goes with safe characters.
struct Run {
    /// The state itself, that after one safe character, after two; the last one goes on for ever, or for longer
    /// than any token, unless there is a limit.
    states: Vec<StateId>,
    /// No more safe characters than this.
    limit: Option<usize>,
}

impl Walk {
    /// Returns the mask of a state inside a string; nothing for another one.
    pub(super) fn string(
        &mut self,
        states: &mut States,
        vocabulary: &Vocabulary,
        state: StateId,
    ) -> Result<Option<Mask>, MatchError> {
        let slice = vocabulary.strings();
        let Some(run) = run(states, slice, state)? else { return Ok(None) };
        self.found.clear();
        if let ([only], None) = (run.states.as_slice(), run.limit) {
            self.ends = Some(Ends { tree: Tree::Rest, nodes: Vec::new() });
            self.run(states, slice.rest(), Cursor::State(*only))?;
        } else {
            let limit = run.limit.unwrap_or(usize::MAX);
            for (trie, before) in slice.rest_after().iter().zip(0..=limit) {
                let last = run.states.last().copied().unwrap_or(state);
                let from = run.states.get(before).copied().unwrap_or(last);
                self.run(states, trie, states.cursor(from))?;
            }
        }
        let mut allowed = vec![0; slice.outside().len().div_ceil(64)];
        self.found.iter().for_each(|place| mask::set(&mut allowed, *place));
        if states.facts[state as usize].accepting {
            let ends = vocabulary.ends().iter();
            let places = ends.filter_map(|end| slice.outside().binary_search(end).ok());
            let places = places.filter_map(|at| TokenId::try_from(at).ok());
            places.for_each(|at| mask::set(&mut allowed, at));
        }
        Ok(Some(match run.limit {
            Some(limit) if limit < slice.longest() => limited(vocabulary, &allowed, limit),
            Some(_) | None => unlimited(slice, &allowed),
        }))
    }
}

/// Returns the mask that allows all tokens of safe characters, and of the others those that are `allowed`.
fn unlimited(slice: &Slice, allowed: &[u64]) -> Mask {
    let mut denied = Vec::with_capacity(slice.outside().len());
    for (tokens, word) in slice.outside().chunks(64).zip(allowed) {
        if *word == 0 {
            denied.extend_from_slice(tokens);
            continue;
        }
        let bits = tokens.iter().enumerate();
        denied.extend(bits.filter(|(bit, _)| word >> bit & 1 == 0).map(|(_, token)| token));
    }
    Mask::Deny(denied.into())
}

/// Returns the mask that allows tokens of at most `limit` safe characters, and others that are `allowed`.
fn limited(vocabulary: &Vocabulary, allowed: &[u64], limit: usize) -> Mask {
    let slice = vocabulary.strings();
    let mut bits = vec![0; vocabulary.len().div_ceil(64)];
    slice.inside(limit).iter().for_each(|token| mask::set(&mut bits, *token));
    let outside = slice.outside().chunks(64).zip(allowed);
    for (tokens, word) in outside.filter(|(_, word)| **word != 0) {
        let tokens = tokens.iter().enumerate();
        let tokens = tokens.filter(|(bit, _)| word >> bit & 1 == 1);
        tokens.for_each(|(_, token)| mask::set(&mut bits, *token));
    }
    Mask::of_bits(bits, vocabulary.len())
}

fn run(states: &mut States, slice: &Slice, state: StateId) -> Result<Option<Run>, MatchError> {
    let mut run = Run { states: vec![state], limit: None };
    let mut at = state;
    while run.states.len() <= slice.longest() {
        match states.safe_step(at)? {
            Safe::Mixed | Safe::Unknown => return Ok(None),
            // Nothing is saved where no safe character may come at all.
            Safe::Nowhere if at == state => return Ok(None),
            Safe::Nowhere => {
                run.limit = Some(run.states.len() - 1);
                break;
            }
            Safe::To(next) if next == at => break,
            Safe::To(next) => {
                run.states.push(next);
                at = next;
            }
        }
    }
    Ok(Some(run))
}

impl States {
    /// Returns where safe characters lead from a state.
    pub(super) fn safe_step(&mut self, state: StateId) -> Result<Safe, MatchError> {
        if let Safe::Unknown = self.facts[state as usize].safe {
            let safe = self.new_safe_step(state)?;
            self.facts[state as usize].safe = safe;
        }
        Ok(self.facts[state as usize].safe)
    }

    fn new_safe_step(&mut self, state: StateId) -> Result<Safe, MatchError> {
        let row = match self.row(state)? {
            Row::Unknown => return Ok(Safe::Mixed),
            Row::Few(start, end) => {
                let steps = &self.steps[start as usize..end as usize];
                let safe = |byte: u8| byte >= 0xC2 || is_safe_byte(byte);
                let any = steps.iter().any(|step| (step.low..=step.high).any(safe));
                return Ok(if any { Safe::Mixed } else { Safe::Nowhere });
            }
            Row::Wide(row) => &self.wide[row as usize],
        };
        let target = row[usize::from(b' ')];
        let mut ascii = (0..=0x7F).filter(|byte| is_safe_byte(*byte));
        if !ascii.all(|byte| row[usize::from(byte)] == target) {
            return Ok(Safe::Mixed);
        }
        let leads = MULTIBYTE.map(|(low, high, ..)| {
            let first = row[usize::from(low)];
            let same = row[usize::from(low)..=usize::from(high)].iter().all(|to| *to == first);
            same.then_some(first)
        });
        if target == NOWHERE {
            let none = leads.iter().all(|lead| *lead == Some(NOWHERE));
            return Ok(if none { Safe::Nowhere } else { Safe::Mixed });
        }
        for ((_, _, low, high, rest), lead) in MULTIBYTE.into_iter().zip(leads) {
            let Some(lead) = lead.filter(|lead| *lead != NOWHERE) else { return Ok(Safe::Mixed) };
            let mut at = self.across(self.cursor(lead), low, high)?;
            for _ in 0..rest {
                at = match at {
                    Some(cursor) => self.across(cursor, 0x80, 0xBF)?,
                    None => None,
                };
            }
            let Some(end) = at else { return Ok(Safe::Mixed) };
            if self.settle(end)? != target {
                return Ok(Safe::Mixed);
            }
        }
        Ok(Safe::To(target))
    }
}

//! Masks where texts are watched that must not come out.
//!
//! They are nearly those of a state where nothing is watched, which is known already as a rule: only tokens with
//! which a watched text comes out, or has no other way left, are looked at.

use super::error::MatchError;
use super::places::{Place, WHOLE};
use super::states::{Cursor, StateId, States};
use super::walk::Walk;
use crate::vocabulary::{TokenId, Trie, Vocabulary};

impl States {
    /// Returns the state that is the same but for what is watched.
    pub(super) fn freed(&mut self, state: StateId) -> Result<StateId, MatchError> {
        if !self.sets.get(state).iter().any(|place| self.is_watched(*place)) {
            return Ok(state);
        }
        let mut places: Vec<Place> = self.sets.get(state).to_vec();
        for place in places.iter_mut().filter(|place| **place != WHOLE) {
            place.context = self.bound.contexts.unwatched(place.context);
        }
        places.sort_unstable();
        places.dedup();
        let free = self.intern_set(&places);
        self.check_memory()?;
        Ok(free)
    }

    /// Returns the bytes with which watched texts go on, in ascending order.
    fn watched_bytes(&self, state: StateId) -> Vec<u8> {
        let contexts = self.sets.get(state).iter().map(|place| place.context);
        let watched = contexts.filter(|context| self.bound.contexts.is_watched(*context));
        let bytes = watched.flat_map(|context| self.bound.contexts.watched_bytes(context));
        let mut bytes: Vec<u8> = bytes.collect();
        bytes.sort_unstable();
        bytes.dedup();
        bytes
    }
}

impl Walk {
    /// Returns the tokens that `free` allows and a state does not, which is the same but for what it watches.
    pub(super) fn denied(
        &mut self,
        states: &mut States,
        vocabulary: &Vocabulary,
        (state, free): (StateId, StateId),
    ) -> Result<Vec<TokenId>, MatchError> {
        let trie = vocabulary.trie();
        let mut denied: Vec<TokenId> = Vec::new();
        let mut open = vec![(Trie::ROOT, state, free)];
        while let Some((node, state, free)) = open.pop() {
            for byte in states.watched_bytes(state) {
                let Some(child) = trie.child(node, byte) else { continue };
                let Some(freely) = states.step(states.cursor(free), byte)? else { continue };
                let Some(to) = states.step(states.cursor(state), byte)? else {
                    denied.extend(trie.all(child));
                    continue;
                };
                let (to, freely) = (states.settle(to)?, states.settle(freely)?);
                if states.freed(to)? != freely {
                    // More than what is watched makes the difference.
                    self.compare(states, trie, child, states.cursor(to), &mut denied)?;
                } else if trie.has_children(child) {
                    open.push((child, to, freely));
                }
            }
        }
        Ok(denied)
    }

    /// Denies what goes on from a node and cannot be taken from there.
    fn compare(
        &mut self,
        states: &mut States,
        trie: &Trie,
        node: u32,
        cursor: Cursor,
        denied: &mut Vec<TokenId>,
    ) -> Result<(), MatchError> {
        self.found.clear();
        self.run_below(states, trie, node, cursor)?;
        self.found.sort_unstable();
        let found = &self.found;
        let is_missing = |token: &TokenId| found.binary_search(token).is_err();
        denied.extend(trie.all(node).iter().copied().filter(is_missing));
        Ok(())
    }
}

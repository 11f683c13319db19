//! Strings, and whatever else a rule says, that differ in what follows them only.
//!
//! Nearly all of what may be said inside a string has nothing to do with what stands behind it, and the same holds
//! before its first byte. So it is looked at as if the text were whole at its end, once for all the places of a
//! grammar where it may stand; for each of them there is only to find what its tokens may say behind the end.

use super::constraint::Constraint;
use super::contexts::NOTHING;
use super::error::MatchError;
use super::places::{Place, StackId, WHOLE};
use super::states::{DEAD, Safe, StateId, States};
use super::walk::Tree;
use crate::vocabulary::TokenId;

/// Where nobody waits and the text is whole.
const NOBODY: StackId = 0;

/// A string is so many calls deep in its own rules; that of `json` is two.
const DEPTH: usize = 4;

impl Constraint {
    /// Returns the mask of a state that is the same, and whole where its rule ends, with the tokens that may be said
    /// here besides; nothing where there is none yet.
    pub(super) fn alone(
        &mut self,
        state: StateId,
    ) -> Result<Option<(usize, Vec<TokenId>)>, MatchError> {
        // What a binding has to remember would have to be known behind the end.
        if !self.states.program.binds.is_empty() || !self.states.may_recur(state)? {
            return Ok(None);
        }
        let known = self.states.sets.len();
        let Some((alone, callers)) = self.states.alone(state)? else { return Ok(None) };
        // The first of its kind may be the only one.
        if self.states.sets.len() > known {
            return Ok(None);
        }
        let behind = self.states.stacks.get(callers).to_vec();
        let behind = self.states.close(&behind)?;
        let base = self.kept(alone)?;
        let Some(ends) = self.masks[base].ends.as_ref().filter(|_| behind != DEAD) else {
            return Ok(None);
        };
        let slice = self.vocabulary.strings();
        let trie = match ends.tree {
            Tree::All => self.vocabulary.trie(),
            Tree::Rest => slice.rest(),
        };
        self.walk.found.clear();
        for end in &ends.nodes {
            let before = self.walk.found.len();
            self.walk.run_below(&mut self.states, trie, *end, behind)?;
            // Those that end where the text is whole are known.
            self.walk.found.drain(before..before + trie.tokens(*end).len());
        }
        let mut also = self.walk.found.clone();
        if ends.tree == Tree::Rest {
            also.iter_mut().for_each(|place| *place = slice.outside()[*place as usize]);
        }
        also.sort_unstable();
        Ok(Some((base, also)))
    }
}

impl States {
    /// Returns whether a state is one that other places of a grammar may have too, and dear: the inside of a string
    /// of any length, or the beginning of a rule.
    fn may_recur(&mut self, state: StateId) -> Result<bool, MatchError> {
        let facts = self.facts[state as usize];
        if facts.takes_token || facts.accepting {
            return Ok(false);
        }
        if let [only] = self.sets.get(state)
            && self.program.routine_at(only.at).start == only.at
        {
            return Ok(true);
        }
        Ok(matches!(self.safe_step(state)?, Safe::To(next) if next == state))
    }

    /// Returns the state that is the same but that the text is whole where its rules end, and who waits there.
    fn alone(&mut self, state: StateId) -> Result<Option<(StateId, StackId)>, MatchError> {
        let places = self.sets.get(state).to_vec();
        let mut stacks: Vec<StackId> = places.iter().map(|place| place.stack).collect();
        stacks.dedup();
        for stack in stacks.into_iter().filter(|stack| *stack != NOBODY) {
            let set = places.iter().map(|place| self.without(*place, stack, DEPTH));
            if let Some(mut set) = set.collect::<Option<Vec<Place>>>() {
                set.sort_unstable();
                let alone = self.intern_set(&set);
                self.check_memory()?;
                return Ok(Some((alone, stack)));
            }
        }
        Ok(None)
    }

    /// Returns a place as it is where nobody waits beyond `stack`; nothing where it does not lead there.
    fn without(&mut self, place: Place, stack: StackId, depth: usize) -> Option<Place> {
        if place == WHOLE || place.context != NOTHING || depth == 0 {
            return None;
        }
        if place.stack == stack {
            return Some(Place { stack: NOBODY, ..place });
        }
        let callers = self.stacks.get(place.stack).to_vec();
        let callers = callers.into_iter().map(|caller| self.without(caller, stack, depth - 1));
        let mut callers = callers.collect::<Option<Vec<Place>>>()?;
        callers.sort_unstable();
        let (stack, _) = self.stacks.intern(&callers);
        Some(Place { stack, ..place })
    }
}

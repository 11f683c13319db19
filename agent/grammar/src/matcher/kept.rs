//! Masks that were made: kept for the next time, shared where they are the same, forgotten when they are too many.

use super::constraint::Constraint;
use super::error::MatchError;
use super::mask::Mask;
use super::states::StateId;
use super::walk::Ends;
use crate::vocabulary::TokenId;

/// A mask, and the state that it was made for.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) mask: Mask,
    pub(super) state: StateId,
    /// Where the text is whole inside tokens, if nothing else can follow there.
    pub(super) ends: Option<Ends>,
    /// Set when it is asked for: what is not asked for is forgotten first.
    pub(super) epoch: u32,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.mask.bytes() + self.ends.as_ref().map_or(0, |ends| size_of_val(&*ends.nodes))
    }
}

impl Constraint {
    /// Returns where the mask of a state lies, which is made if it is not there.
    pub(super) fn kept(&mut self, state: StateId) -> Result<usize, MatchError> {
        match self.states.facts[state as usize].mask {
            Some(kept) => Ok(kept as usize),
            None => self.make_mask(state),
        }
    }

    fn make_mask(&mut self, state: StateId) -> Result<usize, MatchError> {
        self.begin();
        let near = match self.near(state)? {
            Some((base, denied)) if denied.is_empty() => {
                // Most often nothing that is watched can come out with the next token: one mask for both.
                self.states.facts[state as usize].mask = u32::try_from(base).ok();
                return Ok(base);
            }
            near => near,
        };
        let alone = if near.is_none() { self.alone(state)? } else { None };
        self.walk.ends = None;
        let mask = match (near, alone) {
            (Some((base, denied)), _) => {
                self.masks[base].mask.except(denied, self.vocabulary.len())
            }
            (None, Some((base, also))) => self.masks[base].mask.with(&also, self.vocabulary.len()),
            (None, None) => self.walk.mask(&mut self.states, &self.vocabulary, state)?,
        };
        let kept = Kept { mask, state, ends: self.walk.ends.take(), epoch: self.epoch };
        self.states.kept_outside += kept.bytes();
        self.states.check_memory()?;
        let at = self.masks.len();
        self.masks.push(kept);
        self.states.facts[state as usize].mask = u32::try_from(at).ok();
        Ok(at)
    }

    /// Returns the mask of a state that allows a little more, and which tokens too many, if there is such a state.
    fn near(&mut self, state: StateId) -> Result<Option<(usize, Vec<TokenId>)>, MatchError> {
        if self.states.facts[state as usize].takes_token {
            return Ok(None);
        }
        if let Some(forbidding) = self.states.forbidding(state) {
            let any = self.states.follow(forbidding.any)?;
            let any = self.states.settle(any)?;
            let base = self.kept(any)?;
            return Ok(Some((base, self.walk.forbidden(&self.vocabulary, &forbidding))));
        }
        let free = self.states.freed(state)?;
        if free == state {
            return Ok(None);
        }
        let base = self.kept(free)?;
        let denied = self.walk.denied(&mut self.states, &self.vocabulary, (state, free))?;
        Ok(Some((base, denied)))
    }

    /// Begins a call: with its full work, and with room for what it finds out.
    pub(super) fn begin(&mut self) {
        self.states.refuel();
        if self.states.is_crowded() {
            self.forget();
        }
    }

    /// Forgets the masks that were not asked for lately; where that is not enough, all, and all rows too.
    fn forget(&mut self) {
        let epoch = self.epoch;
        self.keep_masks(|kept| kept.epoch == epoch);
        self.epoch += 1;
        if self.states.is_crowded() {
            self.keep_masks(|_| false);
            self.states.forget_rows();
        }
    }

    fn keep_masks(&mut self, keep: impl Fn(&Kept) -> bool) {
        // Some states share the mask of another one.
        self.states.facts.iter_mut().for_each(|facts| facts.mask = None);
        self.masks.retain(keep);
        self.states.kept_outside = self.masks.iter().map(Kept::bytes).sum();
        for (at, kept) in (0..).zip(&self.masks) {
            self.states.facts[kept.state as usize].mask = Some(at);
        }
    }
}

//! The matcher of `chargehand-grammar`.

use std::borrow::Cow;
use std::sync::Arc;

use chargehand_grammar::matcher::{CompileError, Landing};
use chargehand_grammar::vocabulary::TokenId;
use chargehand_grammar::{Bindings, Constraint, Grammar, Limits, Mask, State, Vocabulary};

use super::{ConstraintError, MEMORY, Matcher};

/// A compiled grammar and how far its text has come.
#[derive(Debug)]
pub(super) struct Own {
    constraint: Constraint,
    state: State,
    landing: Option<Landing>,
}

impl Own {
    pub(super) fn new(
        vocabulary: &Arc<Vocabulary>,
        gbnf: &str,
        bindings: &Bindings,
    ) -> Result<Self, ConstraintError> {
        let limits = Limits { memory_bytes: MEMORY, ..Limits::default() };
        let grammar = Grammar::parse_within(gbnf, &limits).map_err(CompileError::from)?;
        let constraint = Constraint::bound(&grammar, bindings, Arc::clone(vocabulary), &limits)?;
        let state = constraint.start();
        Ok(Self { constraint, state, landing: None })
    }
}

impl Matcher for Own {
    fn mask(&mut self) -> Result<Cow<'_, Mask>, ConstraintError> {
        Ok(Cow::Borrowed(self.constraint.mask(self.state)?))
    }

    fn allows(&mut self, token: TokenId) -> Result<bool, ConstraintError> {
        Ok(self.constraint.advance(self.state, token)?.is_some())
    }

    fn accept(&mut self, token: TokenId) -> Result<(), ConstraintError> {
        let next = self.constraint.advance(self.state, token)?;
        self.state = next.ok_or(ConstraintError::Broken(token))?;
        Ok(())
    }

    fn may_end(&mut self) -> Result<bool, ConstraintError> {
        Ok(self.constraint.accepting(self.state))
    }

    fn is_complete(&mut self) -> Result<bool, ConstraintError> {
        if !self.constraint.accepting(self.state) {
            return Ok(false);
        }
        let vocabulary = Arc::clone(self.constraint.vocabulary());
        let allowed = self.constraint.mask(self.state)?.count(vocabulary.len());
        Ok(allowed == vocabulary.ends().len())
    }

    fn limit(&mut self, left: usize) -> Result<(), ConstraintError> {
        self.landing = Landing::new(&mut self.constraint, left)?;
        Ok(())
    }

    fn steer(&mut self, token: TokenId, left: usize) -> Result<Option<TokenId>, ConstraintError> {
        match &mut self.landing {
            Some(landing) => Ok(landing.steer(&mut self.constraint, self.state, token, left)?),
            None => Ok(Some(token)),
        }
    }

    fn takes(&mut self, token: TokenId, left: usize) -> Result<bool, ConstraintError> {
        match &mut self.landing {
            Some(landing) => Ok(landing.takes(&mut self.constraint, self.state, token, left)?),
            None => Ok(left > 0 && self.allows(token)?),
        }
    }

    fn forced(&mut self) -> Result<Vec<u8>, ConstraintError> {
        Ok(self.constraint.forced_bytes(self.state)?.bytes)
    }

    fn goes_beyond(&mut self, bytes: &[u8]) -> Result<bool, ConstraintError> {
        Ok(self.constraint.allows_beyond(self.state, bytes)?)
    }

    fn copied(&mut self, most: usize) -> Result<Vec<u8>, ConstraintError> {
        Ok(self.constraint.copied_bytes(self.state, most)?)
    }

    fn unforced(&mut self, tokens: &[TokenId]) -> Result<usize, ConstraintError> {
        // Forced text that was not said, as a token may reach beyond it: a value begins, and no guess is good there.
        let begins = !self.constraint.forced_bytes(self.state)?.bytes.is_empty();
        if begins && self.constraint.copied_bytes(self.state, 1)?.is_empty() {
            return Ok(0);
        }
        let mut state = self.state;
        for (said, token) in tokens.iter().enumerate() {
            if said > 0 && self.is_forced(state, *token)? {
                return Ok(said);
            }
            match self.constraint.advance(state, *token)? {
                Some(next) => state = next,
                None => return Ok(said),
            }
        }
        Ok(tokens.len())
    }

    fn mask_behind(&mut self, tokens: &[TokenId]) -> Result<Option<Mask>, ConstraintError> {
        let mut state = self.state;
        for token in tokens {
            match self.constraint.advance(state, *token)? {
                Some(next) => state = next,
                None => return Ok(None),
            }
        }
        Ok(Some(self.constraint.mask(state)?.clone()))
    }

    fn narrow(&mut self, tokens: &[TokenId], most: usize) -> Result<usize, ConstraintError> {
        let mut state = self.state;
        for (said, token) in tokens.iter().enumerate() {
            if !self.is_narrow(state, most)? {
                return Ok(said);
            }
            match self.constraint.advance(state, *token)? {
                Some(next) => state = next,
                None => return Ok(said + 1),
            }
        }
        Ok(tokens.len() + usize::from(self.is_narrow(state, most)?))
    }

    fn foresee(&mut self, tokens: &[TokenId]) -> Result<usize, ConstraintError> {
        let mut state = self.state;
        for (said, token) in tokens.iter().enumerate() {
            match self.constraint.advance(state, *token)? {
                Some(next) => state = next,
                None => return Ok(said),
            }
        }
        Ok(tokens.len())
    }
}

impl Own {
    fn is_narrow(&mut self, state: State, most: usize) -> Result<bool, ConstraintError> {
        Ok(match self.constraint.mask(state)? {
            Mask::Allow(tokens) => tokens.len() <= most,
            Mask::Deny(_) | Mask::Bits(_) => false,
        })
    }

    /// Returns whether `token` must follow, and more than it.
    fn is_forced(&mut self, state: State, token: TokenId) -> Result<bool, ConstraintError> {
        let forced = self.constraint.forced_bytes(state)?.bytes;
        let bytes = self.constraint.vocabulary().bytes(token).unwrap_or_default();
        Ok(forced.len() > bytes.len() && forced.starts_with(bytes))
    }
}

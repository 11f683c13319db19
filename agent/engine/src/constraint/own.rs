//! The matcher of `chargehand-grammar`.

use std::borrow::Cow;
use std::sync::Arc;

use chargehand_grammar::vocabulary::TokenId;
use chargehand_grammar::{Constraint, Limits, Mask, State, Vocabulary};

use super::{ConstraintError, Matcher};

/// A compiled grammar and how far its text has come.
#[derive(Debug)]
pub(super) struct Own {
    constraint: Constraint,
    state: State,
}

impl Own {
    pub(super) fn new(vocabulary: &Arc<Vocabulary>, gbnf: &str) -> Result<Self, ConstraintError> {
        let limits = Limits::default();
        let constraint = Constraint::from_text(gbnf, Arc::clone(vocabulary), &limits)?;
        let state = constraint.start();
        Ok(Self { constraint, state })
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

    fn is_complete(&mut self) -> Result<bool, ConstraintError> {
        if !self.constraint.accepting(self.state) {
            return Ok(false);
        }
        let vocabulary = Arc::clone(self.constraint.vocabulary());
        let allowed = self.constraint.mask(self.state)?.count(vocabulary.len());
        Ok(allowed == vocabulary.ends().len())
    }
}

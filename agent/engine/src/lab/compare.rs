//! Both engines in lock step: is every mask the same?

use std::time::Instant;

use chargehand_grammar::Bindings;
use chargehand_grammar::vocabulary::TokenId;

use super::{Compared, Failure, Lab, Trial};
use crate::constraint::{self, ConstraintError};
use crate::sampler::MatcherKind;

impl Lab {
    /// Compares all masks of all texts.
    pub(super) fn compare(&self, trial: &Trial) -> Result<Vec<Compared>, Failure> {
        let until = Instant::now() + trial.limit;
        let texts = self.tokens_of(&trial.texts)?;
        texts.iter().map(|tokens| self.compare_text(&trial.gbnf, tokens, until)).collect()
    }

    fn compare_text(
        &self,
        gbnf: &str,
        tokens: &[TokenId],
        until: Instant,
    ) -> Result<Compared, Failure> {
        let mut both = constraint::open(
            MatcherKind::Lockstep,
            &self.model,
            &self.vocab,
            gbnf,
            &Bindings::new(),
        )?;
        let mut compared = Compared { tokens: tokens.len(), ..Compared::default() };
        for at in 0..=tokens.len() {
            if Instant::now() >= until {
                compared.is_cut = true;
                break;
            }
            let is_allowed = match both.mask() {
                Ok(mask) => tokens.get(at).map(|token| mask.allows(*token)),
                Err(error @ ConstraintError::Differ { .. }) => {
                    compared.difference = Some(error.to_string());
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            compared.equal += 1;
            match (is_allowed, tokens.get(at)) {
                (Some(true), Some(token)) => both.accept(*token)?,
                (Some(false), _) => {
                    compared.refused_at = Some(at);
                    break;
                }
                (None | Some(true), None) | (None, Some(_)) => {}
            }
        }
        Ok(compared)
    }
}

//! What goes into the cache and out of it, and the logits that come of it.

use chargehand_grammar::Mask;
use llama_cpp_2::token::LlamaToken;

use super::{Session, SessionError};
use crate::sampler::BadLogits;

/// Which logits an evaluation is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    /// Of every token of the vocabulary.
    All,
    /// Of the few tokens that a grammar allows.
    Few,
}

impl Session<'_> {
    /// Takes everything behind the first `length` tokens out of the cache.
    pub(super) fn rewind(&mut self, length: usize) -> Result<(), SessionError> {
        if length >= self.cached.len() {
            return Ok(());
        }
        let from = u32::try_from(length).ok();
        if let Ok(true) = self.context.clear_kv_cache_seq(Some(0), from, None) {
            self.cached.truncate(length);
            return Ok(());
        }
        // Recurrent models have one state and cannot go back to an earlier one.
        let tokens = self.cached[..length].to_vec();
        self.forget();
        let room = self.n_batch();
        tokens.chunks(room).try_for_each(|part| self.evaluate(part, 0))
    }

    /// Fails when one of the logits of the last `rows` that were evaluated is no number.
    pub(crate) fn look(&self, rows: usize) -> Result<(), BadLogits> {
        let rows = i32::try_from(rows).unwrap_or(i32::MAX);
        (1..=rows).try_for_each(|row| BadLogits::look(self.context.get_logits_ith(-row)))
    }

    /// Evaluates `tokens` behind what is cached; the last `outputs` of them get logits.
    pub(crate) fn evaluate(
        &mut self,
        tokens: &[LlamaToken],
        outputs: usize,
    ) -> Result<(), SessionError> {
        self.evaluate_for(tokens, outputs, Wanted::All)
    }

    /// Evaluates `tokens` likewise, for logits of which only those that are `wanted` will be asked for.
    pub(super) fn evaluate_for(
        &mut self,
        tokens: &[LlamaToken],
        outputs: usize,
        wanted: Wanted,
    ) -> Result<(), SessionError> {
        let at = self.cached.len();
        self.context.follow(&self.cached);
        self.batch.clear();
        for (index, token) in tokens.iter().enumerate() {
            let logits = index + outputs >= tokens.len();
            let position = i32::try_from(at + index).unwrap_or(i32::MAX);
            self.batch.add(*token, position, &[0], logits).expect("a part fits into the batch");
        }
        let head = self.engine.head.as_ref();
        let is_few = wanted == Wanted::Few && outputs > 0;
        let has_all = head.is_none_or(|head| head.prepare(outputs, is_few));
        if let Err(error) = self.context.decode(&mut self.batch) {
            // What of the batch reached the cache is unknown.
            self.forget();
            let reason = error.to_string();
            return Err(SessionError::Decode { tokens: tokens.len(), at, reason });
        }
        self.cached.extend_from_slice(tokens);
        self.context.evaluated(at);
        if has_all {
            self.few = None;
        } else if self.few.is_none() {
            self.few = Some(vec![f32::NEG_INFINITY; self.engine.vocab.len()]);
        }
        if let Some(head) = head.filter(|_| is_few && has_all) {
            let first = tokens.len() - outputs;
            let row = |row: usize| i32::try_from(first + row).unwrap_or(i32::MAX);
            head.compare(outputs, |at| self.context.get_logits_ith(row(at)));
        }
        Ok(())
    }

    /// Returns whether an evaluation with `rows` of logits may leave those of all tokens out.
    pub(super) fn may_have_few(&self, rows: usize) -> bool {
        self.engine.head.as_ref().is_some_and(|head| head.may_leave_out(rows))
    }

    /// Returns whether the last evaluation left the logits of all tokens out.
    pub(super) fn has_few(&self) -> bool {
        self.few.is_some()
    }

    /// Returns the logits of the token `at` of the last evaluation, which is the number `row` of those that get any:
    /// of all tokens, or of those that `mask` allows if they are few and all were not wanted.
    pub(super) fn logits(&mut self, at: i32, row: usize, mask: Option<&Mask>) -> Option<&[f32]> {
        let Some(few) = &mut self.few else { return Some(self.context.get_logits_ith(at)) };
        let (Some(Mask::Allow(tokens)), Some(head)) = (mask, &self.engine.head) else {
            return None;
        };
        head.fill(row, tokens, few).then_some(few)
    }
}

//! Guesses of a second model: what it would say itself, under the same grammar, as long as it is sure.

use chargehand_grammar::Mask;
use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::SessionError;
use crate::sampler::{Choose, Sampler, Sampling, chance, to_llama};

/// A guess that is less probable to the model that makes it is none.
const LEAST_CHANCE: f32 = 0.5;

/// The context of a model that guesses.
#[derive(Debug)]
pub(super) struct Second<'e> {
    context: LlamaContext<'e>,
    batch: LlamaBatch<'static>,
    room: usize,
    /// The tokens that its cache holds.
    cached: Vec<LlamaToken>,
    sampler: Sampler,
}

impl<'e> Second<'e> {
    pub(super) fn new(context: LlamaContext<'e>) -> Self {
        let room = usize::try_from(context.n_batch()).unwrap_or(1).max(1);
        let (batch, cached) = (LlamaBatch::new(room, 1), Vec::new());
        Self { context, batch, room, cached, sampler: Sampler::new(&Sampling::default()) }
    }

    /// Returns up to `most` tokens that may follow `before`; `mask` says what may be said behind some of them. What it
    /// cannot evaluate, or `stop` breaks off, it does not guess.
    pub(super) fn guess(
        &mut self,
        before: &[LlamaToken],
        most: usize,
        stop: &dyn Fn() -> bool,
        mut mask: impl FnMut(&[TokenId]) -> Result<Option<Mask>, SessionError>,
    ) -> Result<Vec<TokenId>, SessionError> {
        let mut guessed = Vec::new();
        if !self.follow(before, stop) {
            return Ok(guessed);
        }
        while guessed.len() < most {
            let Some(mask) = mask(&guessed)? else { break };
            let logits = self.context.get_logits_ith(-1);
            // What is no number, guesses nothing.
            let Ok(Some(token)) = self.sampler.choose(logits, Some(&mask), None) else { break };
            if chance(logits, &mask, token) < LEAST_CHANCE {
                break;
            }
            guessed.push(token);
            if guessed.len() < most && !self.evaluate(&[to_llama(token)]) {
                break;
            }
        }
        Ok(guessed)
    }

    /// Evaluates what of `tokens` is not in the cache, the last one in any case; returns whether it came to the end.
    fn follow(&mut self, tokens: &[LlamaToken], stop: &dyn Fn() -> bool) -> bool {
        let same = self.cached.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        let same = same.min(tokens.len().saturating_sub(1));
        if same < self.cached.len() {
            let from = u32::try_from(same).ok();
            match self.context.clear_kv_cache_seq(Some(0), from, None) {
                Ok(true) => self.cached.truncate(same),
                // Recurrent models have one state and cannot go back to an earlier one.
                Ok(false) | Err(_) => self.forget(),
            }
        }
        let rest = &tokens[self.cached.len()..];
        rest.chunks(self.room).all(|part| !stop() && self.evaluate(part))
    }

    fn evaluate(&mut self, tokens: &[LlamaToken]) -> bool {
        let at = self.cached.len();
        self.batch.clear();
        for (index, token) in tokens.iter().enumerate() {
            let position = i32::try_from(at + index).unwrap_or(i32::MAX);
            let is_last = index + 1 == tokens.len();
            self.batch.add(*token, position, &[0], is_last).expect("a part fits into the batch");
        }
        if self.context.decode(&mut self.batch).is_err() {
            self.forget();
            return false;
        }
        self.cached.extend_from_slice(tokens);
        true
    }

    fn forget(&mut self) {
        self.context.clear_kv_cache();
        self.cached.clear();
    }
}

//! Guesses of a second model: what it would say itself, under the same grammar, as long as it is sure.

use chargehand_grammar::Mask;
use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::SessionError;
use crate::sampler::{Choose, Sampler, Sampling, chance, to_llama};

/// A guess that is less probable to the model that makes it is none.
pub(super) const LEAST_CHANCE: f32 = 0.5;

/// The context of a model that guesses.
#[derive(Debug)]
pub(super) struct Second<'e> {
    context: LlamaContext<'e>,
    batch: LlamaBatch<'static>,
    room: usize,
    /// The tokens that its cache holds.
    cached: Vec<LlamaToken>,
    sampler: Sampler,
    failure: Failure<DecodeError>,
}

/// Why something guesses nothing more in a generation.
#[derive(Debug)]
pub(super) struct Failure<E> {
    /// The same in words.
    now: Option<(E, String)>,
    /// What was said before.
    told: Vec<E>,
}

impl<E: PartialEq> Failure<E> {
    /// Returns none.
    pub(super) fn none() -> Self {
        Self { now: None, told: Vec::new() }
    }

    /// Takes note that `who` could not evaluate so many tokens at a position.
    pub(super) fn note(&mut self, who: &str, tokens: usize, at: usize, error: E)
    where
        E: std::fmt::Display,
    {
        let words = format!(
            "{who} could not evaluate {tokens} tokens at position {at}, and guesses no more in this answer: {error}"
        );
        self.now = Some((error, words));
    }

    /// Returns whether something failed.
    pub(super) fn is_there(&self) -> bool {
        self.now.is_some()
    }

    /// Ends a generation, and returns why nothing more was guessed in it, if so. Each
    /// reason is given once: one that never can has the same for every answer.
    pub(super) fn end(&mut self) -> Option<String> {
        let (error, words) = self.now.take()?;
        if self.told.contains(&error) {
            return None;
        }
        self.told.push(error);
        Some(words)
    }
}

impl<'e> Second<'e> {
    pub(super) fn new(context: LlamaContext<'e>) -> Self {
        let room = usize::try_from(context.n_batch()).unwrap_or(1).max(1);
        let (batch, cached) = (LlamaBatch::new(room, 1), Vec::new());
        let sampler = Sampler::new(&Sampling::default());
        Self { context, batch, room, cached, sampler, failure: Failure::none() }
    }

    /// Ends a generation, and returns why it guessed nothing more in it, if so.
    pub(super) fn end(&mut self) -> Option<String> {
        self.failure.end()
    }

    /// Returns up to `most` tokens that may follow `before`; `mask` says what may be said behind some of them. What
    /// `stop` breaks off, it does not guess. Once something could not be evaluated, nothing more: all would be
    /// evaluated anew for each token.
    pub(super) fn guess(
        &mut self,
        before: &[LlamaToken],
        most: usize,
        stop: &dyn Fn() -> bool,
        mut mask: impl FnMut(&[TokenId]) -> Result<Option<Mask>, SessionError>,
    ) -> Result<Vec<TokenId>, SessionError> {
        let mut guessed = Vec::new();
        if self.failure.is_there() || !self.follow(before, stop) {
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
        if let Err(error) = self.context.decode(&mut self.batch) {
            self.failure.note("the model that guesses", tokens.len(), at, error);
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

#[cfg(test)]
mod tests {
    use std::sync::PoisonError;

    use chargehand_core::memory::LoadOptions;

    use super::*;
    use crate::engine::{Backend, Engine};
    use crate::ffi;

    fn options() -> LoadOptions {
        LoadOptions {
            path: concat!(env!("CARGO_MANIFEST_DIR"), "/../chargehand/models/apprentice.gguf")
                .into(),
            n_ctx: 256,
            n_seq: 1,
            kv_on_host: false,
            experts_on_cpu: false,
            beside: Vec::new(),
            n_batch: 64,
            n_gpu_layers: 0,
            kv_type: "f16".to_owned(),
            use_mmap: true,
            extra_buffers: true,
            threads: 1,
            seals: Vec::new(),
        }
    }

    #[test]
    fn what_cannot_be_evaluated_ends_the_guesses_of_a_generation() {
        let _alone = ffi::ONE_BACKEND.lock().unwrap_or_else(PoisonError::into_inner);
        let backend = Backend::start().unwrap();
        let engine = Engine::load(&backend, options()).unwrap();
        let mut second = Second::new(engine.context().unwrap());
        let guess = |second: &mut Second<'_>, tokens: &[i32]| {
            let tokens: Vec<_> = tokens.iter().map(|id| LlamaToken(*id)).collect();
            let mask = |_: &[TokenId]| Ok(Some(Mask::Allow(Box::new([5]))));
            second.guess(&tokens, 2, &|| false, mask).unwrap()
        };
        assert_eq!(guess(&mut second, &[1, 2]), [5, 5]);
        // No vocabulary has such a token.
        assert!(guess(&mut second, &[1, 2, i32::MAX]).is_empty());
        assert!(guess(&mut second, &[1, 2]).is_empty());
        let why = second.end().unwrap();
        assert!(why.contains("could not evaluate 1 tokens at position 2"), "{why}");
        assert_eq!(second.end(), None);
        assert_eq!(guess(&mut second, &[1, 2]), [5, 5]);
        // The same once more, elsewhere.
        assert!(guess(&mut second, &[1, i32::MAX]).is_empty());
        assert_eq!(second.end(), None);
        // One more than its context holds is another reason.
        for told in [true, false] {
            assert!(guess(&mut second, &[1; 257]).is_empty());
            assert_eq!(second.end().is_some(), told);
        }
    }
}

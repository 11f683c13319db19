//! Both engines on the same steps, one after the other for each text, in CPU time of the thread.

use std::time::{Duration, Instant};

use chargehand_grammar::Bindings;
use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::{Clock, Failure, Lab, Step, Timed, Trial};
use crate::constraint::{self, ConstraintError, Matcher};
use crate::sampler::{MatcherKind, to_llama};

/// The clock is read so often to know what reading it takes.
const LOOKS: usize = 1_000;

impl Lab {
    /// Times the masks of both engines. For each text the grammar is read and compiled anew, as for a call of an
    /// agent, and nothing is warm. What llama.cpp takes is its sampler alone, on an array that is ready.
    pub(super) fn time(&self, trial: &Trial, clock: Clock<'_>) -> Result<Timed, Failure> {
        let texts = self.tokens_of(&trial.texts)?;
        let watch = Watch::new(clock);
        let mut llama = Reference { lab: self, until: Instant::now() + trial.limit, sampler: None };
        let mut timed = Timed { tokens: self.vocab.len(), ..Timed::default() };
        for (text, tokens) in texts.iter().enumerate() {
            let first = timed.steps.len();
            self.time_own(trial, (text, tokens), &watch, &mut timed)?;
            // Not within each step: llama.cpp's pass over all candidates leaves nothing of ours in the caches.
            timed.llama_compile_us.extend(llama.begin(&trial.gbnf, &watch)?);
            for step in &mut timed.steps[first..] {
                step.llama_us = llama.mask(&watch);
                tokens.get(step.at).into_iter().for_each(|token| llama.say(*token));
            }
        }
        Ok(timed)
    }

    fn time_own(
        &self,
        trial: &Trial,
        (text, tokens): (usize, &[TokenId]),
        watch: &Watch<'_>,
        timed: &mut Timed,
    ) -> Result<(), Failure> {
        let none = Bindings::new();
        let open =
            || constraint::open(MatcherKind::Own, &self.model, &self.vocab, &trial.gbnf, &none);
        let (own, took) = watch.measure(open);
        let mut own = own?;
        timed.own_compile_us.push(took);
        for at in 0..=tokens.len() {
            let (mask, own_us) = watch.measure(|| own.mask().map(drop));
            mask?;
            let allowed = own.mask()?.count(self.vocab.len());
            timed.steps.push(Step { text, at, allowed, own_us, llama_us: None });
            if let Some(token) = tokens.get(at) {
                self.say(own.as_mut(), *token, (text, at), tokens)?;
            }
        }
        Ok(())
    }

    fn say(
        &self,
        own: &mut dyn Matcher,
        token: TokenId,
        (text, at): (usize, usize),
        tokens: &[TokenId],
    ) -> Result<(), Failure> {
        own.accept(token).map_err(|error| match error {
            ConstraintError::Broken(_) => {
                let byte = tokens[..at].iter().map(|token| self.vocab.piece(*token).len()).sum();
                Failure::Refused { text: text + 1, at, byte }
            }
            ConstraintError::Refused(_)
            | ConstraintError::RefusedByLlama(..)
            | ConstraintError::Untranslated(_)
            | ConstraintError::Llguidance(_)
            | ConstraintError::NotBuilt
            | ConstraintError::Match(_)
            | ConstraintError::DeadEnd(_)
            | ConstraintError::Differ { .. } => error.into(),
        })
    }
}

/// Measures what something takes, without the clock's own time.
struct Watch<'c> {
    clock: Clock<'c>,
    own: Duration,
}

impl<'c> Watch<'c> {
    fn new(clock: Clock<'c>) -> Self {
        let mut looks: Vec<Duration> = (0..LOOKS)
            .map(|_| {
                let begun = clock();
                clock().saturating_sub(begun)
            })
            .collect();
        looks.sort_unstable();
        Self { clock, own: looks[LOOKS / 2] }
    }

    /// Returns what `act` returns, and the microseconds that it took.
    fn measure<T>(&self, act: impl FnOnce() -> T) -> (T, f64) {
        let begun = (self.clock)();
        let done = act();
        let took = (self.clock)().saturating_sub(begun).saturating_sub(self.own);
        (done, took.as_secs_f64() * 1e6)
    }
}

/// llama.cpp's sampler, as long as there is time for it.
struct Reference<'l> {
    lab: &'l Lab,
    until: Instant,
    sampler: Option<LlamaSampler>,
}

impl Reference<'_> {
    /// Reads the grammar anew, and returns what that took.
    fn begin(&mut self, gbnf: &str, watch: &Watch<'_>) -> Result<Option<f64>, Failure> {
        self.sampler = None;
        if Instant::now() >= self.until {
            return Ok(None);
        }
        let (sampler, took) =
            watch.measure(|| LlamaSampler::grammar(&self.lab.model, gbnf, "root"));
        let refused = |error: llama_cpp_2::GrammarError| {
            Failure::GrammarOfLlama(format!("llama.cpp refuses the grammar: {error}"))
        };
        self.sampler = Some(sampler.map_err(refused)?);
        Ok(Some(took))
    }

    fn mask(&mut self, watch: &Watch<'_>) -> Option<f64> {
        if Instant::now() >= self.until {
            self.sampler = None;
        }
        let sampler = self.sampler.as_mut()?;
        let ids = (0..).take(self.lab.vocab.len());
        let data = ids.map(|token| LlamaTokenData::new(to_llama(token), 0.0, 0.0));
        let mut candidates = LlamaTokenDataArray::from_iter(data, false);
        let ((), took) = watch.measure(|| candidates.apply_sampler(sampler));
        Some(took)
    }

    /// A token that it refuses where ours takes it ends the comparison of times; `diff` is for that.
    fn say(&mut self, token: TokenId) {
        if let Some(sampler) = &mut self.sampler
            && sampler.try_accept(to_llama(token)).is_err()
        {
            self.sampler = None;
        }
    }
}

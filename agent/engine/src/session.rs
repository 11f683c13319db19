//! One conversation after the other with a loaded model. A caller hands over the whole prompt each time; what
//! the cache still holds of it is found out here. Nothing is ever cut off a prompt silently.

use std::time::{Duration, Instant};

use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::constraint::{self, ConstraintError, Matcher};
use crate::engine::{Engine, EngineError};
use crate::output::Output;
use crate::prompt::Prompts;
use crate::sampler::{Sampler, Sampling};
use crate::template::Segment;
use crate::vocab::to_llama;

/// News about generated text come at most this often.
const TELL_EVERY: Duration = Duration::from_millis(20);

/// What is asked besides the prompt.
#[derive(Clone, Debug)]
pub struct Wish<'w> {
    /// The grammar of the whole output, or none: any text.
    pub grammar: Option<&'w str>,
    /// How to sample.
    pub sampling: Sampling,
    /// After this many tokens it ends.
    pub max_tokens: u32,
}

/// Why an output ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The grammar is complete and nothing could follow, or the model said that it is done where it may.
    Complete,
    /// `max_tokens` are spent; the text may break off anywhere.
    Limit,
    /// The context is full; the text may break off anywhere.
    ContextFull,
    /// The caller said stop.
    Cancelled,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The text.
    pub text: String,
    /// Why it ended. Only a text that is [`Ending::Complete`] may be read as a call.
    pub ending: Ending,
    /// What it cost.
    pub timings: Timings,
}

/// Tokens and times, named as in llama-server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Timings {
    /// Prompt tokens that were kept from before.
    pub cache_n: u64,
    /// Prompt tokens that were evaluated.
    pub prompt_n: u64,
    /// Milliseconds for them.
    pub prompt_ms: f64,
    /// Evaluated prompt tokens a second.
    pub prompt_per_second: f64,
    /// Tokens that were generated.
    pub predicted_n: u64,
    /// Milliseconds for them.
    pub predicted_ms: f64,
    /// Generated tokens a second.
    pub predicted_per_second: f64,
}

/// What happens while a session works.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Progress {
    /// So much of the prompt is in the cache.
    Prompt {
        /// Tokens, those kept from before included.
        done: usize,
        /// Tokens in all.
        total: usize,
    },
    /// Text was generated since the last time.
    Text {
        /// The text.
        text: String,
        /// Tokens generated so far.
        count: u64,
    },
}

/// Whoever waits for a session.
pub trait Observer {
    /// Takes note of what happened.
    fn see(&mut self, progress: Progress);

    /// Returns whether to stop. Asked before each token and each batch of a prompt, so it must be cheap.
    fn wants_stop(&self) -> bool;
}

/// Why a session did not do what was asked. It can be asked again after each of these.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The prompt leaves no room for an answer.
    #[error("the prompt has {prompt} tokens and the context holds {n_ctx}")]
    PromptTooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens that the context holds, of which an answer needs at least one.
        n_ctx: usize,
    },
    /// There is nothing to go on from.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The grammar or a token under it.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// llama.cpp did not evaluate.
    #[error("llama.cpp could not evaluate {tokens} tokens at position {at}: {reason}")]
    Decode {
        /// How many tokens.
        tokens: usize,
        /// Where they would have stood.
        at: usize,
        /// Its words.
        reason: String,
    },
}

/// A context and what is in its cache.
#[derive(Debug)]
pub struct Session<'e> {
    engine: &'e Engine<'e>,
    context: LlamaContext<'e>,
    batch: LlamaBatch<'static>,
    /// The tokens whose keys and values are in the cache, in order.
    cached: Vec<LlamaToken>,
    prompts: Prompts,
}

impl<'e> Session<'e> {
    /// Returns a session with an empty cache.
    ///
    /// # Errors
    ///
    /// [`EngineError::Context`].
    pub fn new(engine: &'e Engine<'e>) -> Result<Self, EngineError> {
        let context = engine.context()?;
        let room = usize::try_from(context.n_batch()).unwrap_or(1);
        let (cached, prompts) = (Vec::new(), Prompts::default());
        Ok(Self { engine, context, batch: LlamaBatch::new(room, 1), cached, prompts })
    }

    /// Returns how many tokens the context holds.
    #[must_use]
    pub fn n_ctx(&self) -> usize {
        usize::try_from(self.context.n_ctx()).unwrap_or(0)
    }

    /// Returns how many tokens are evaluated at once, at most: never more than the context was asked to hold.
    pub(crate) fn n_batch(&self) -> usize {
        usize::try_from(self.context.n_batch()).unwrap_or(1).max(1)
    }

    /// Returns the tokens of `prompt`.
    pub fn tokenize(&mut self, prompt: &[Segment]) -> Vec<LlamaToken> {
        self.prompts.tokenize(&self.engine.vocab, &self.engine.model.vocab(), prompt)
    }

    /// Generates what follows `prompt`.
    ///
    /// # Errors
    ///
    /// [`SessionError`]. A wish with a grammar never falls back to generating without it.
    pub fn generate(
        &mut self,
        prompt: &[Segment],
        wish: &Wish<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, SessionError> {
        let Engine { model, vocab, .. } = self.engine;
        // The grammar first: a wish that cannot be granted costs no evaluation.
        let gbnf = wish.grammar.unwrap_or(constraint::ANYTHING);
        let mut matcher = constraint::open(wish.sampling.matcher, model, vocab, gbnf)?;
        let tokens = self.tokenize(prompt);
        let begun = Instant::now();
        let kept = self.keep(&tokens)?;
        let ready = self.evaluate_prompt(&tokens, observer)?;
        let evaluated = self.cached.len() - kept;
        let prompt_time = begun.elapsed();
        let mut run = Run::new(wish, observer);
        let ending = match ready {
            true => run.go(self, matcher.as_mut())?,
            false => Ending::Cancelled,
        };
        let timings = Timings::of((kept, evaluated, prompt_time), (run.said.len(), run.time()));
        let (text, said) = run.finish();
        self.prompts.remember(prompt, &text, &said);
        Ok(Outcome { text, ending, timings })
    }

    /// Empties the cache, so that the next prompt is evaluated as a whole.
    pub fn forget(&mut self) {
        self.context.clear_kv_cache();
        self.cached.clear();
    }

    /// Cuts the cache back to what it shares with `tokens`, and returns how many those are.
    fn keep(&mut self, tokens: &[LlamaToken]) -> Result<usize, SessionError> {
        let (prompt, n_ctx) = (tokens.len(), self.n_ctx());
        if prompt == 0 {
            return Err(SessionError::EmptyPrompt);
        }
        if prompt >= n_ctx {
            return Err(SessionError::PromptTooLong { prompt, n_ctx });
        }
        let same = self.cached.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        // The last token is evaluated again in any case: its logits are needed.
        let same = same.min(prompt - 1);
        if same < self.cached.len() {
            let from = u32::try_from(same).ok();
            // Recurrent models have one state and cannot go back to an earlier one.
            match self.context.clear_kv_cache_seq(Some(0), from, None) {
                Ok(true) => self.cached.truncate(same),
                Ok(false) | Err(_) => self.forget(),
            }
        }
        Ok(self.cached.len())
    }

    /// Evaluates what is not cached, and returns whether all of it is now.
    fn evaluate_prompt(
        &mut self,
        tokens: &[LlamaToken],
        observer: &mut dyn Observer,
    ) -> Result<bool, SessionError> {
        let room = self.n_batch();
        for part in tokens[self.cached.len()..].chunks(room) {
            if observer.wants_stop() {
                return Ok(false);
            }
            let is_last = self.cached.len() + part.len() == tokens.len();
            self.evaluate(part, is_last)?;
            // Without it the time for the prompt would be counted for the first token.
            self.context.synchronize();
            observer.see(Progress::Prompt { done: self.cached.len(), total: tokens.len() });
        }
        Ok(true)
    }

    /// Evaluates `tokens` behind what is cached.
    pub(crate) fn evaluate(
        &mut self,
        tokens: &[LlamaToken],
        wants_logits: bool,
    ) -> Result<(), SessionError> {
        let at = self.cached.len();
        self.batch.clear();
        for (index, token) in tokens.iter().enumerate() {
            let logits = wants_logits && index + 1 == tokens.len();
            let position = i32::try_from(at + index).unwrap_or(i32::MAX);
            self.batch.add(*token, position, &[0], logits).expect("a part fits into the batch");
        }
        match self.context.decode(&mut self.batch) {
            Ok(()) => self.cached.extend_from_slice(tokens),
            Err(error) => {
                // What of the batch reached the cache is unknown.
                self.forget();
                return Err(SessionError::Decode {
                    tokens: tokens.len(),
                    at,
                    reason: error.to_string(),
                });
            }
        }
        Ok(())
    }
}

/// One generation.
struct Run<'r> {
    sampler: Sampler,
    limit: usize,
    observer: &'r mut dyn Observer,
    output: Output,
    said: Vec<LlamaToken>,
    begun: Instant,
    told: Option<Instant>,
}

impl<'r> Run<'r> {
    fn new(wish: &Wish<'_>, observer: &'r mut dyn Observer) -> Self {
        Self {
            sampler: Sampler::new(&wish.sampling),
            limit: usize::try_from(wish.max_tokens).unwrap_or(usize::MAX),
            observer,
            output: Output::default(),
            said: Vec::new(),
            begun: Instant::now(),
            told: None,
        }
    }

    fn go(
        &mut self,
        session: &mut Session<'_>,
        matcher: &mut dyn Matcher,
    ) -> Result<Ending, SessionError> {
        let vocab = &session.engine.vocab;
        let mut pending = None;
        loop {
            if self.observer.wants_stop() {
                return Ok(Ending::Cancelled);
            }
            if self.said.len() >= self.limit {
                return Ok(Ending::Limit);
            }
            // Only now: a last token is never evaluated for nothing.
            if let Some(last) = pending.take() {
                session.evaluate(&[last], true)?;
            }
            let token = self.choose(session.context.get_logits_ith(-1), matcher)?;
            if vocab.ends(token) {
                return Ok(Ending::Complete);
            }
            matcher.accept(token)?;
            self.output.push(vocab.piece(token));
            self.said.push(to_llama(token));
            self.tell();
            if matcher.is_complete()? {
                return Ok(Ending::Complete);
            }
            if session.cached.len() >= session.n_ctx() {
                return Ok(Ending::ContextFull);
            }
            pending = Some(to_llama(token));
        }
    }

    fn choose(
        &mut self,
        logits: &[f32],
        matcher: &mut dyn Matcher,
    ) -> Result<TokenId, ConstraintError> {
        if matcher.asks_first()
            && let Some(first) = self.sampler.choose(logits, None)
            && matcher.allows(first)?
        {
            return Ok(first);
        }
        let choice = self.sampler.choose(logits, Some(&*matcher.mask()?));
        choice.ok_or(ConstraintError::DeadEnd(self.said.len()))
    }

    /// Hands out new text, unless that was done just now.
    fn tell(&mut self) {
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < TELL_EVERY) {
            return;
        }
        self.told = Some(now);
        self.tell_rest();
    }

    fn tell_rest(&mut self) {
        let text = self.output.news();
        if !text.is_empty() {
            let count = u64::try_from(self.said.len()).unwrap_or(u64::MAX);
            self.observer.see(Progress::Text { text, count });
        }
    }

    fn time(&self) -> Duration {
        self.begun.elapsed()
    }

    fn finish(mut self) -> (String, Vec<LlamaToken>) {
        self.tell_rest();
        (self.output.text(), self.said)
    }
}

impl Timings {
    fn of(prompt: (usize, usize, Duration), predicted: (usize, Duration)) -> Self {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let rate = |n: usize, time: Duration| match time.as_secs_f64() {
            seconds if n > 0 && seconds > 0.0 => {
                f64::from(u32::try_from(n).unwrap_or(u32::MAX)) / seconds
            }
            _ => 0.0,
        };
        Self {
            cache_n: count(prompt.0),
            prompt_n: count(prompt.1),
            prompt_ms: millis(prompt.2),
            prompt_per_second: rate(prompt.1, prompt.2),
            predicted_n: count(predicted.0),
            predicted_ms: millis(predicted.1),
            predicted_per_second: rate(predicted.0, predicted.1),
        }
    }
}

//! One conversation after the other with a loaded model. A caller hands over the whole prompt each time; what
//! the cache still holds of it is found out here. Nothing is ever cut off a prompt silently.

mod evaluate;
mod forced;
mod mtp;
mod park;
mod run;
mod second;
mod timings;

use std::time::Instant;

use chargehand_grammar::Bindings;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::mtp::Context;
pub use self::park::Parked;
use self::run::{Company, Run};
use self::second::Second;
pub use self::timings::Timings;
use crate::constraint::{self, ConstraintError};
use crate::engine::{self, Engine, EngineError};
use crate::prompt::Prompts;
use crate::sampler::{BadLogits, Choose, Sampler, Sampling};
use crate::template::Segment;

/// What is asked besides the prompt.
#[derive(Clone, Debug)]
pub struct Wish<'w> {
    /// The grammar of the whole output, or none: any text.
    pub grammar: Option<&'w str>,
    /// What rules of the grammar are bound to.
    pub bindings: &'w Bindings,
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
    /// `max_tokens` are spent. Under a grammar the text is whole where that was possible; but its end is not the model's.
    Limit,
    /// The context is full; likewise.
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
    /// What people are to be told: that a model which guesses could not go on.
    pub warning: Option<String>,
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
    /// Text was generated since the last time, before the answer.
    Reasoning {
        /// The text.
        text: String,
        /// Tokens generated so far.
        count: u64,
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
    /// The model computed nothing that a token could be picked by.
    #[error(transparent)]
    Logits(#[from] BadLogits),
    /// What is remembered could not be written to the disk, or read back.
    #[error("what is remembered cannot be parked: {0}")]
    Parking(String),
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
    context: Context<'e>,
    batch: LlamaBatch<'static>,
    /// The tokens whose keys and values are in the cache, in order.
    cached: Vec<LlamaToken>,
    prompts: Prompts,
    /// Logits of few tokens, by token; nothing while llama.cpp has those of all.
    few: Option<Vec<f32>>,
    /// What guesses besides.
    second: Option<Second<'e>>,
}

impl<'e> Session<'e> {
    /// Returns a session with an empty cache.
    ///
    /// # Errors
    ///
    /// [`EngineError::Context`].
    pub fn new(engine: &'e Engine<'e>) -> Result<Self, EngineError> {
        let context = Context::new(engine.context()?, engine.guessing_context()?)?;
        let room = usize::try_from(context.n_batch()).unwrap_or(1);
        let (cached, prompts) = (Vec::new(), Prompts::default());
        let batch = LlamaBatch::new(room, 1);
        let context_of = |second: &'e engine::Second| second.context(engine.backend);
        let second = engine.second.as_ref().map(context_of).transpose()?.map(Second::new);
        Ok(Self { engine, context, batch, cached, prompts, few: None, second })
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
        self.generate_by(&mut Sampler::new(&wish.sampling), prompt, wish, observer)
    }

    /// Generates what follows `prompt`, as `chooser` picks it: the wish's sampling says only which matcher there is
    /// and what it need not be asked about.
    ///
    /// # Errors
    ///
    /// As for [`Session::generate`].
    pub fn generate_by(
        &mut self,
        chooser: &mut dyn Choose,
        prompt: &[Segment],
        wish: &Wish<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, SessionError> {
        let Engine { model, vocab, .. } = self.engine;
        // The grammar first: a wish that cannot be granted costs no evaluation.
        let gbnf = wish.grammar.unwrap_or(constraint::ANYTHING);
        let mut matcher =
            constraint::open(wish.sampling.matcher, model, vocab, gbnf, wish.bindings)?;
        let tokens = self.tokenize(prompt);
        let begun = Instant::now();
        let kept = self.keep(&tokens)?;
        let ready = self.evaluate_prompt(&tokens, observer)?;
        let evaluated = self.cached.len() - kept;
        let mut timings = Timings::of_prompt(kept, evaluated, begun.elapsed());
        let company = Company { matcher: matcher.as_mut(), chooser, observer };
        let mut run = Run::new(self, company, wish);
        let ending = match ready {
            true => run.go(),
            false => Ok(Ending::Cancelled),
        };
        let (text, said) = run.finish(&mut timings);
        // What is no number stays in the cache, and makes more of its kind.
        if let Err(SessionError::Logits(_)) = ending {
            self.forget();
        }
        let warning = self.second.as_mut().and_then(Second::end).or_else(|| self.context.end());
        let ending = ending?;
        self.prompts.remember(prompt, &text, &said);
        Ok(Outcome { text, ending, timings, warning })
    }

    /// Empties the cache, so that the next prompt is evaluated as a whole.
    pub fn forget(&mut self) {
        self.context.forget();
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
        while self.cached.len() < tokens.len() {
            if observer.wants_stop() {
                return Ok(false);
            }
            // Batches end at the same places, whatever was kept: attention is computed over the cache in steps of
            // 256 tokens, and a batch that ends a little behind one pays for the next.
            let at = self.cached.len();
            let end = tokens.len().min(at + room - at % room);
            self.evaluate(&tokens[at..end], usize::from(end == tokens.len()))?;
            // Without it the time for the prompt would be counted for the first token.
            self.context.synchronize();
            observer.see(Progress::Prompt { done: end, total: tokens.len() });
        }
        Ok(true)
    }
}

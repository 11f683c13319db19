//! Guesses of layers of the model itself for further tokens (MTP). They are computed from the states of what the model
//! evaluated last, of which those layers see what was said, before the model evaluates more.

use std::ops::{Deref, DerefMut};

use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::speculative::{MtpSpeculative, MtpSpeculativeError, MtpSpeculativeParams};
use llama_cpp_2::token::LlamaToken;

use super::second::{Failure, LEAST_CHANCE};
use crate::engine::EngineError;
use crate::guess::LEAST;

/// What is guessed at once. Such a layer was trained for the next token but one and guesses further ones from its own
/// guesses; fewer are not worth a batch.
const COUNT: i32 = 3;
const _: () = assert!(COUNT as usize == LEAST);

/// The context of a model.
#[derive(Debug)]
pub(super) enum Context<'e> {
    /// Of one that guesses nothing itself.
    Alone(LlamaContext<'e>),
    /// With that of its layers that guess.
    Guessing(Box<Mtp<'e>>),
}

/// A context with that of the layers that guess.
#[derive(Debug)]
pub(super) struct Mtp<'e> {
    both: MtpSpeculative<'e>,
    batch: LlamaBatch<'static>,
    /// Where those tokens begin that were evaluated last, until the layers that guess have seen them.
    unseen: Option<usize>,
    failure: Failure<MtpSpeculativeError>,
}

impl<'e> Context<'e> {
    /// Puts the context of a model and that of its layers that guess together.
    ///
    /// # Errors
    ///
    /// [`EngineError::Context`].
    pub(super) fn new(
        context: LlamaContext<'e>,
        guessing: Option<LlamaContext<'e>>,
    ) -> Result<Self, EngineError> {
        let Some(guessing) = guessing else { return Ok(Self::Alone(context)) };
        let (n_ctx, room) = (context.n_ctx(), usize::try_from(context.n_batch()).unwrap_or(1));
        let params = MtpSpeculativeParams { n_max: COUNT, n_min: 0, p_min: LEAST_CHANCE };
        let both = MtpSpeculative::new(context, guessing, params)
            .map_err(|error| EngineError::Context { n_ctx, reason: error.to_string() })?;
        let batch = LlamaBatch::new(room.max(1), 1);
        let failure = Failure::none();
        Ok(Self::Guessing(Box::new(Mtp { both, batch, unseen: None, failure })))
    }

    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        self.clear_kv_cache();
        if let Self::Guessing(mtp) = self {
            mtp.forget();
        }
    }

    /// Takes note that tokens were evaluated at `at` and behind.
    pub(super) fn evaluated(&mut self, at: usize) {
        if let Self::Guessing(mtp) = self {
            mtp.unseen = Some(at);
        }
    }

    /// Has the layers that guess see what stayed in the cache of what was evaluated last, before something else is.
    pub(super) fn follow(&mut self, cached: &[LlamaToken]) {
        if let Self::Guessing(mtp) = self {
            mtp.follow(cached);
        }
    }

    /// Returns what may follow what is cached and what is `waiting` behind it; at most `room` tokens, and nothing where
    /// nothing is guessed.
    pub(super) fn guess(
        &mut self,
        cached: &[LlamaToken],
        waiting: &[LlamaToken],
        room: usize,
    ) -> Option<Vec<TokenId>> {
        match self {
            Self::Guessing(mtp) => mtp.guess(cached, waiting, room),
            Self::Alone(_) => None,
        }
    }

    /// Ends a generation, and returns why nothing more was guessed in it, if so.
    pub(super) fn end(&mut self) -> Option<String> {
        match self {
            Self::Guessing(mtp) => mtp.failure.end(),
            Self::Alone(_) => None,
        }
    }
}

impl<'e> Deref for Context<'e> {
    type Target = LlamaContext<'e>;

    fn deref(&self) -> &LlamaContext<'e> {
        match self {
            Self::Alone(context) => context,
            Self::Guessing(mtp) => mtp.both.target_context(),
        }
    }
}

impl<'e> DerefMut for Context<'e> {
    fn deref_mut(&mut self) -> &mut LlamaContext<'e> {
        match self {
            Self::Alone(context) => context,
            Self::Guessing(mtp) => mtp.both.target_context_mut(),
        }
    }
}

impl Mtp<'_> {
    fn follow(&mut self, cached: &[LlamaToken]) {
        let from = self.unseen.take().unwrap_or(cached.len()).min(cached.len());
        // What was guessed lies there, or what the model went back behind. The state before such a place is not known any
        // more: one from elsewhere stands in for it, and makes the next guess worse.
        let cut = self.both.draft_context_mut().clear_kv_cache_seq(Some(0), position(from), None);
        if !matches!(cut, Ok(true)) {
            self.both.draft_context_mut().clear_kv_cache();
        }
        let rest = &cached[from..];
        if rest.is_empty() || self.failure.is_there() {
            return;
        }
        self.batch.clear();
        for (at, token) in (0_i32..).zip(cached).skip(from) {
            self.batch.add(*token, at, &[0], false).expect("no more were evaluated at once");
        }
        if let Err(error) = self.both.process(&self.batch) {
            self.fail(rest.len(), from, error);
        }
    }

    fn guess(
        &mut self,
        cached: &[LlamaToken],
        waiting: &[LlamaToken],
        room: usize,
    ) -> Option<Vec<TokenId>> {
        // Of what is forced the model knows no states yet.
        let [last] = waiting else { return None };
        if room < LEAST || self.failure.is_there() {
            return None;
        }
        self.follow(cached);
        let at = i32::try_from(cached.len()).ok()?;
        // It would wait to be told what came of its last guess: what stayed in the cache tells it that.
        let drafted = self.both.begin(&[]).and_then(|()| self.both.draft(at, *last, &[]));
        match drafted {
            Ok(tokens) => {
                Some(tokens.iter().filter_map(|token| TokenId::try_from(token.0).ok()).collect())
            }
            Err(error) => {
                self.fail(1, cached.len(), error);
                None
            }
        }
    }

    fn fail(&mut self, tokens: usize, at: usize, error: MtpSpeculativeError) {
        self.failure.note("the model, with its layers that guess,", tokens, at, error);
        self.forget();
    }

    fn forget(&mut self) {
        self.both.draft_context_mut().clear_kv_cache();
        self.unseen = None;
    }
}

fn position(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

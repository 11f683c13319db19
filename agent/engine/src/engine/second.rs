//! A small model beside the one that works, to guess what that will say. Both must have the same tokens.

use std::path::PathBuf;

use chargehand_core::memory::LoadOptions;
use chargehand_core::memory::beside::{Beside, MOST_PADDING};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::KvCacheType;
use llama_cpp_2::model::LlamaModel;

use super::{Backend, EngineError, context_params, load_model, n_ctx};
use crate::vocab::Vocab;

/// A loaded model that guesses.
#[derive(Debug)]
pub(crate) struct Second {
    model: LlamaModel,
    options: LoadOptions,
    kv_type: KvCacheType,
}

impl Second {
    /// Loads the model that `options` name for guesses, if they name one, for a model with the tokens of `vocab`.
    pub(super) fn load(
        backend: &Backend,
        options: &LoadOptions,
        vocab: &Vocab,
        kv_type: KvCacheType,
    ) -> Result<Option<Self>, EngineError> {
        let draft = options.beside.iter().find_map(|beside| match beside {
            Beside::Draft { path, seals } => Some((path.clone(), seals.clone())),
            Beside::Projector { .. } | Beside::Mtp => None,
        });
        let Some((path, seals)) = draft else { return Ok(None) };
        let options = LoadOptions { path, beside: Vec::new(), seals, ..options.clone() };
        let model = load_model(backend, &options)?;
        if !has_tokens_of(&model, vocab) {
            return Err(EngineError::OtherTokens(PathBuf::from(options.path)));
        }
        Ok(Some(Self { model, options, kv_type }))
    }

    /// Makes a context as long as that of the model that works.
    pub(crate) fn context(&self, backend: &Backend) -> Result<LlamaContext<'_>, EngineError> {
        let n_ctx = n_ctx(&self.options, self.model.n_ctx_train());
        let params = context_params(&self.options, n_ctx, self.kv_type);
        backend.complaints.clear();
        self.model
            .new_context(&backend.llama, params)
            .map_err(|_| EngineError::Context { n_ctx, reason: backend.reason() })
    }
}

fn has_tokens_of(model: &LlamaModel, vocab: &Vocab) -> bool {
    let tokens = model.vocab();
    let same = |(id, token)| vocab.piece(id) == tokens.token_to_piece(token, true, None);
    let count = tokens.tokens().count();
    count.abs_diff(vocab.len()) as u64 <= MOST_PADDING
        && (0..).zip(tokens.tokens()).take(vocab.len()).all(same)
}

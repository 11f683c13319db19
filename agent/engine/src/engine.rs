//! One loaded model. It does not generate (`session.rs` does) and decides nothing about memory: what is asked
//! for here was planned before.

mod second;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use chargehand_core::memory::beside::check_mtp;
use chargehand_core::memory::estimate::EstimateError;
use chargehand_core::memory::header::ModelHeader;
use chargehand_core::memory::{LoadOptions, OUTPUTS};
use chargehand_core::seal::Seal;
use chargehand_core::tool::Envelope;
use chargehand_grammar::vocabulary::VocabularyError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams, LlamaContextType};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use self::second::Second;
use crate::ffi;
use crate::gguf::{self, GgufError, Weights};
use crate::guess::MOST;
use crate::head::Head;
use crate::log::Complaints;
use crate::template::{ChatTemplate, Source, TemplateError};
use crate::vocab::Vocab;

// The last token that was said and those that are guessed behind it have logits.
const _: () = assert!(OUTPUTS as usize == 1 + MOST);

/// Proof that llama.cpp is initialised in this process. There can be one at a time.
#[derive(Debug)]
pub struct Backend {
    pub(crate) llama: LlamaBackend,
    pub(crate) complaints: Complaints,
}

impl Backend {
    /// Initialises llama.cpp.
    ///
    /// # Errors
    ///
    /// [`EngineError::SecondBackend`], when it already is.
    pub fn start() -> Result<Self, EngineError> {
        let complaints = Complaints::collect();
        let llama = LlamaBackend::init().map_err(|_| EngineError::SecondBackend)?;
        Ok(Self { llama, complaints })
    }
}

/// Why there is no engine.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A process has one.
    #[error("llama.cpp is already initialised in this process")]
    SecondBackend,
    /// The header of the file is none, or it cannot be read.
    #[error(transparent)]
    File(#[from] GgufError),
    /// The options name no type that a cache can have.
    #[error("unknown type of KV cache `{0}`: f16, q8_0 or q4_0 is meant")]
    KvType(String),
    /// The file is another one than was planned.
    #[error("{} was replaced or changed after it was planned", .0.display())]
    Replaced(PathBuf),
    /// llama.cpp does not take the file.
    #[error("llama.cpp cannot load {}: {reason}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Its words.
        reason: String,
    },
    /// llama.cpp takes the file and did not load it, as for want of room.
    #[error("llama.cpp could not load {}: {reason}", path.display())]
    NotLoaded {
        /// The file.
        path: PathBuf,
        /// Its words.
        reason: String,
    },
    /// llama.cpp cannot make a context.
    #[error("llama.cpp cannot make a context of {n_ctx} tokens: {reason}")]
    Context {
        /// How large it would have been.
        n_ctx: u32,
        /// Its words.
        reason: String,
    },
    /// The model cannot generate text.
    #[error("{} holds no vocabulary to write with", .0.display())]
    NoVocabulary(PathBuf),
    /// The model has no layers that can guess, and is to guess with them.
    #[error("{}: {error}", path.display())]
    NoMtp {
        /// The file.
        path: PathBuf,
        /// Why.
        error: EstimateError,
    },
    /// The model that guesses has another vocabulary.
    #[error("{} has other tokens than the model that it is to guess for", .0.display())]
    OtherTokens(PathBuf),
    /// The vocabulary is too large.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// The file's chat template cannot be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// A loaded model with its chat template and the facts about its vocabulary.
#[derive(Debug)]
pub struct Engine<'b> {
    pub(crate) backend: &'b Backend,
    pub(crate) model: LlamaModel,
    pub(crate) vocab: Vocab,
    template: ChatTemplate,
    options: LoadOptions,
    kv_type: KvCacheType,
    /// Nothing where a GPU has the last matrix: there the logits of all cost little.
    pub(crate) head: Option<Head>,
    /// What guesses for it.
    pub(crate) second: Option<Second>,
}

impl<'b> Engine<'b> {
    /// Loads a model.
    ///
    /// # Errors
    ///
    /// [`EngineError`], when there is no such file, llama.cpp refuses it, or its chat template is broken.
    pub fn load(backend: &'b Backend, options: LoadOptions) -> Result<Self, EngineError> {
        let path = Path::new(&options.path);
        let kv_type = kv_type(&options.kv_type)?;
        if options.has_mtp() {
            check_guessing(&gguf::model(path, Weights::Here)?, path)?;
        }
        let model = load_model(backend, &options)?;
        let vocab = Vocab::of(&model)?;
        if vocab.heads.is_empty() {
            return Err(EngineError::NoVocabulary(path.to_owned()));
        }
        let mut template = ChatTemplate::open(Source::of(&model))?;
        template.know(vocab.control());
        let head = if options.n_gpu_layers == 0 { Head::new() } else { None };
        let second = Second::load(backend, &options, &vocab, kv_type)?;
        Ok(Self { backend, model, vocab, template, options, kv_type, head, second })
    }

    /// Returns how prompts are written for this model.
    #[must_use]
    pub fn template(&self) -> &ChatTemplate {
        &self.template
    }

    /// Returns what this model is.
    #[must_use]
    pub fn facts(&self) -> ModelFacts {
        let text = |key| self.model.meta_val_str(key).unwrap_or_default();
        ModelFacts {
            name: text("general.name"),
            architecture: text("general.architecture"),
            n_ctx_train: self.model.n_ctx_train(),
            n_vocab: self.vocab.len(),
            n_params: self.model.n_params(),
            size: self.model.size(),
            envelope: self.template.envelope().clone(),
            native: self.template.native(),
            lists_tools: self.template.lists_tools(),
        }
    }

    /// Makes a context, with memory for the logits of a few tokens.
    ///
    /// # Errors
    ///
    /// [`EngineError::Context`].
    pub(crate) fn context(&self) -> Result<LlamaContext<'_>, EngineError> {
        let n_ctx = n_ctx(&self.options, self.model.n_ctx_train());
        let params = context_params(&self.options, n_ctx, self.kv_type);
        self.backend.complaints.clear();
        let Self { backend, model, .. } = self;
        let context = match &self.head {
            Some(head) => ffi::watched_context(&backend.llama, model, &head.states, params),
            None => model.new_context(&backend.llama, params).ok(),
        };
        context.ok_or_else(|| EngineError::Context { n_ctx, reason: backend.reason() })
    }

    /// Makes the context of the model's layers that guess, if they are to.
    ///
    /// # Errors
    ///
    /// [`EngineError::Context`].
    pub(crate) fn guessing_context(&self) -> Result<Option<LlamaContext<'_>>, EngineError> {
        if !self.options.has_mtp() {
            return Ok(None);
        }
        let n_ctx = n_ctx(&self.options, self.model.n_ctx_train());
        let params = guessing_params(&self.options, n_ctx, self.kv_type);
        let Self { backend, model, .. } = self;
        backend.complaints.clear();
        let context = model.new_context(&backend.llama, params);
        context.map(Some).map_err(|_| EngineError::Context { n_ctx, reason: backend.reason() })
    }
}

/// Says so when the model of `header` cannot guess with layers of its own: llama.cpp would abort.
pub(crate) fn check_guessing(header: &ModelHeader, path: &Path) -> Result<(), EngineError> {
    check_mtp(header).map_err(|error| EngineError::NoMtp { path: path.to_owned(), error })
}

/// Loads the model of `options`, which must lie as they say.
fn load_model(backend: &Backend, options: &LoadOptions) -> Result<LlamaModel, EngineError> {
    let path = Path::new(&options.path);
    // llama.cpp says little about a file that is not there, and may abort on one that is malformed.
    gguf::read(path)?;
    check_seals(path, &options.seals)?;
    backend.complaints.clear();
    let settings = ffi::ModelSettings::of(options);
    let model = ffi::load_model(&backend.llama, path, &settings);
    // Once more: it may have been replaced while it was read.
    check_seals(path, &options.seals)?;
    model.ok_or_else(|| not_loaded(backend, path, &settings))
}

/// Says why llama.cpp did not load the file at `path`: it is the file where that is refused without its weights too.
fn not_loaded(backend: &Backend, path: &Path, settings: &ffi::ModelSettings) -> EngineError {
    let (path, reason) = (path.to_owned(), backend.reason());
    match ffi::load_unweighted(&backend.llama, &path, settings) {
        Some(_) => EngineError::NotLoaded { path, reason },
        None => EngineError::Load { path, reason },
    }
}

/// Says so when the files at `path` are not those that were planned.
fn check_seals(path: &Path, planned: &[Seal]) -> Result<(), EngineError> {
    if planned.is_empty() {
        return Ok(());
    }
    let found = gguf::seals(path)?;
    let is_same = found.len() == planned.len()
        && found.iter().zip(planned).all(|(found, planned)| found.has_content_of(planned));
    if is_same { Ok(()) } else { Err(EngineError::Replaced(path.to_owned())) }
}

impl Backend {
    pub(crate) fn reason(&self) -> String {
        match self.complaints.text() {
            text if text.is_empty() => "it gave no reason".to_owned(),
            text => text,
        }
    }
}

/// What a model is.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct ModelFacts {
    /// The name in the file; may be empty.
    pub name: String,
    /// llama.cpp's name of its architecture.
    pub architecture: String,
    /// The longest context it was trained with.
    pub n_ctx_train: u32,
    /// Tokens in its vocabulary.
    pub n_vocab: usize,
    /// Weights.
    pub n_params: u64,
    /// Bytes of weights.
    pub size: u64,
    /// How it writes a call.
    pub envelope: Envelope,
    /// Whether the envelope is its template's own.
    pub native: bool,
    /// Whether its template tells it which tools there are.
    pub lists_tools: bool,
}

/// Returns the tokens of context that `options` ask for in all sequences, of a model trained with `trained`.
pub(crate) fn n_ctx(options: &LoadOptions, trained: u32) -> u32 {
    let each = if options.n_ctx == 0 { trained } else { options.n_ctx };
    each.saturating_mul(options.n_seq.max(1))
}

/// Returns how a context is made, in a worker as in a dry run.
pub(crate) fn context_params(
    options: &LoadOptions,
    n_ctx: u32,
    kv_type: KvCacheType,
) -> LlamaContextParams {
    let threads = threads(options);
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(n_ctx))
        .with_n_batch(options.n_batch)
        .with_n_ubatch(options.n_batch)
        .with_n_seq_max(options.n_seq.max(1))
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_offload_kqv(!options.kv_on_host)
        .with_type_k(kv_type)
        .with_type_v(kv_type);
    // The default reserves logits for a whole batch: 268 MiB more for a vocabulary of 131,072.
    ffi::with_outputs(params, options.outputs())
}

/// Returns how the context of layers that guess is made: one token a sequence is chosen at once.
pub(crate) fn guessing_params(
    options: &LoadOptions,
    n_ctx: u32,
    kv_type: KvCacheType,
) -> LlamaContextParams {
    let params = context_params(options, n_ctx, kv_type).with_context_type(LlamaContextType::Mtp);
    ffi::with_outputs(params, options.n_seq.max(1))
}

/// Returns the threads that `options` ask for.
pub(crate) fn threads(options: &LoadOptions) -> i32 {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    match options.threads {
        0 => i32::try_from(cores()).unwrap_or(1),
        threads => i32::try_from(threads).unwrap_or(1),
    }
}

pub(crate) fn kv_type(name: &str) -> Result<KvCacheType, EngineError> {
    match name {
        "f16" => Ok(KvCacheType::F16),
        "q8_0" => Ok(KvCacheType::Q8_0),
        "q4_0" => Ok(KvCacheType::Q4_0),
        _ => Err(EngineError::KvType(name.to_owned())),
    }
}

//! What a model would take, counted by llama.cpp itself without taking it.
//!
//! This runs in a short-lived process: recurrent state is allocated all the same, and a file that
//! crashes the loader must crash nobody else. It decides nothing; `chargehand-core` plans.

use std::fs;
use std::path::Path;

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::beside::{mtp, states};
use chargehand_core::memory::estimate::{self, DEVICE_OVERHEAD};
use chargehand_core::memory::header::FileId;
use chargehand_core::memory::{Backing, Footprint, HOST, LoadOptions, Row};
use llama_cpp_2::context::params::KvCacheType;
use llama_cpp_2::model::LlamaModel;
use serde::Deserialize;
use thiserror::Error;

use crate::constraint;
use crate::engine::{
    Backend, EngineError, check_guessing, context_params, guessing_params, kv_type, n_ctx, threads,
};
use crate::ffi::{self, ModelSettings, ShimError, SimulatedContext};
use crate::gguf::{self, GgufError, Weights};
use crate::guess::guess_bytes;

/// Why a footprint is not known.
#[derive(Debug, Error)]
pub enum DryRunError {
    /// The file is no model.
    #[error(transparent)]
    File(#[from] GgufError),
    /// llama.cpp refuses the model or its options.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// llama.cpp could not count.
    #[error("the memory of the model is not known: {0}")]
    Count(#[from] ShimError),
    /// llama.cpp counted in a form that is not known here.
    #[error("the memory of the model is not known: {0}")]
    Form(#[from] serde_json::Error),
}

/// A buffer type as the shim describes it.
#[derive(Debug, Deserialize)]
struct Buffer {
    buffer: String,
    device: String,
    device_type: i64,
    is_host: bool,
    model: u64,
    context: u64,
    compute: u64,
}

/// What llama.cpp keeps of a token that may be chosen: its number, its logit, its probability.
const CANDIDATE: u64 = 12;

/// ggml's number of a discrete GPU.
const DEVICE_GPU: i64 = 1;
/// ggml's number of several devices that act as one.
const DEVICE_META: i64 = 4;

/// Counts what models would take. A model that was asked about stays open, without its weights: another question
/// about it costs its context and no more.
#[derive(Debug)]
pub struct Counter<'b> {
    backend: &'b Backend,
    open: Vec<Simulated>,
    /// Whether the process keeps what it frees.
    keeps: bool,
}

impl<'b> Counter<'b> {
    /// Returns a counter that was asked about no model yet.
    #[must_use]
    pub fn new(backend: &'b Backend) -> Self {
        Self { backend, open: Vec::new(), keeps: false }
    }

    /// Returns what the model of `options` takes once it is loaded and used, under the name `model`.
    ///
    /// The options of the result are settled; the figures hold for no others.
    ///
    /// # Errors
    ///
    /// [`DryRunError`].
    pub fn footprint(
        &mut self,
        model: &str,
        options: LoadOptions,
    ) -> Result<Footprint, DryRunError> {
        let options = options.settled();
        let mut simulated = self.simulated(&options)?;
        let rows = simulated.rows(self.backend, &options)?;
        // A context is some MiB of graphs: to get those pages from the system anew was a fifth of a further question.
        // Only now, because what a model and its first context take was measured as a worker has it.
        self.keep_freed(true);
        self.open.push(simulated);
        Ok(Footprint { model: model.to_owned(), options, rows })
    }

    /// Opens a model while the process keeps nothing: it would seem to take less than it does, or more.
    fn opened(&mut self, options: &LoadOptions, at_least: Bytes) -> Result<Simulated, DryRunError> {
        self.keep_freed(false);
        Simulated::open(self.backend, options, at_least)
    }

    fn keep_freed(&mut self, keep: bool) {
        if self.keeps != keep {
            ffi::keep_freed(keep);
            self.keeps = keep;
        }
    }

    /// Takes out the model of `options`, opened in the way that they say.
    fn simulated(&mut self, options: &LoadOptions) -> Result<Simulated, DryRunError> {
        let settings = ModelSettings::of(options);
        let at = self.open.iter().position(|known| known.path == options.path);
        let known = at.map(|at| self.open.swap_remove(at));
        match known {
            Some(known) if known.settings == settings => Ok(known),
            // What was freed is used again, so a process that grows less says nothing.
            Some(known) => self.opened(options, known.overhead),
            None => self.opened(options, Bytes(0)),
        }
    }
}

/// A model without its weights.
#[derive(Debug)]
struct Simulated {
    path: String,
    settings: ModelSettings,
    model: LlamaModel,
    file: Option<FileId>,
    tokens: u64,
    /// What the trees of its tokens take while they are made.
    trees: Bytes,
    /// What its metadata take, as far as that was seen, and its vocabulary, which is counted.
    overhead: Bytes,
    /// What a context takes besides its buffers, as far as that was seen.
    context: Bytes,
}

impl Simulated {
    fn open(
        backend: &Backend,
        options: &LoadOptions,
        at_least: Bytes,
    ) -> Result<Self, DryRunError> {
        let path = Path::new(&options.path);
        let header = gguf::counted(path)?;
        if options.has_mtp() {
            check_guessing(&header, path)?;
        }
        let settings = ModelSettings::of(options);
        backend.complaints.clear();
        let before = private_bytes();
        let (architecture, tokens) = (&header.architecture, header.tokens.count);
        let model = ffi::simulate_model(&backend.llama, path, &settings, architecture, tokens)
            .ok_or_else(|| EngineError::Load { path: path.to_owned(), reason: backend.reason() })?;
        let overhead = match (before, private_bytes()) {
            (Some(before), Some(after)) => {
                let seen = after.saturating_sub(before) + estimate::tables(&header);
                seen.max(at_least)
            }
            // Where the system does not say what a process takes.
            (None, _) | (_, None) => estimate::overhead(&header),
        };
        Ok(Self {
            path: options.path.clone(),
            settings,
            file: header.file,
            tokens: u64::try_from(model.n_vocab()).unwrap_or(0),
            trees: estimate::trees(&header),
            model,
            overhead,
            context: Bytes(0),
        })
    }

    fn rows(&mut self, backend: &Backend, options: &LoadOptions) -> Result<Vec<Row>, DryRunError> {
        let kv_type = kv_type(&options.kv_type)?;
        let n_ctx = n_ctx(options, self.model.n_ctx_train());
        let params = context_params(options, n_ctx, kv_type);
        backend.complaints.clear();
        // The state of a recurrent model is allocated even in a dry run, and is a buffer already. A later context is
        // made of what the first one left.
        let is_first = self.context == Bytes(0);
        let has_state = self.model.is_recurrent() || self.model.is_hybrid();
        let before = (is_first && !has_state).then(private_bytes).flatten();
        let mut context = SimulatedContext::open(&self.model, params)
            .ok_or_else(|| EngineError::Context { n_ctx, reason: backend.reason() })?;
        if let Some(before) = before {
            self.context = private_bytes().unwrap_or_default().saturating_sub(before);
        }
        let mut rows = buffers(&context, options, self.file)?;
        rows.extend(device_overheads(&rows));
        let outputs = options.outputs();
        rows.push(Row::host("scratch of the CPU", scratch(&mut context, options, n_ctx, outputs)?));
        let logits = self.tokens.saturating_mul(4 * u64::from(options.outputs()));
        rows.push(Row::host("logits", Bytes(logits)));
        rows.push(Row::host("vocabulary and metadata", self.overhead + self.context));
        rows.extend(self.grammar(n_ctx));
        if options.has_mtp() {
            rows.extend(self.guessing(backend, options, n_ctx, kv_type)?);
        }
        Ok(rows)
    }

    /// Returns what the context of the layers that guess takes.
    fn guessing(
        &self,
        backend: &Backend,
        options: &LoadOptions,
        n_ctx: u32,
        kv_type: KvCacheType,
    ) -> Result<Vec<Row>, DryRunError> {
        let params = guessing_params(options, n_ctx, kv_type);
        let mut context = SimulatedContext::open(&self.model, params)
            .ok_or_else(|| EngineError::Context { n_ctx, reason: backend.reason() })?;
        let mut rows = buffers(&context, options, self.file)?;
        let sequences = options.n_seq.max(1);
        rows.push(Row::host(
            "scratch of the CPU",
            scratch(&mut context, options, n_ctx, sequences)?,
        ));
        let width = u64::try_from(self.model.n_embd()).unwrap_or(0);
        rows.push(states(width, self.tokens, options));
        Ok(mtp(rows))
    }

    /// Returns what grammars, the choice of tokens and guesses take besides llama.cpp, at most.
    fn grammar(&self, n_ctx: u32) -> [Row; 3] {
        // Lists grow by doubling; the candidates of a token are one.
        let candidates = self.tokens.saturating_mul(CANDIDATE);
        let matcher = candidates.saturating_add(constraint::MEMORY as u64).saturating_mul(2);
        let guesses = guess_bytes(usize::try_from(n_ctx).unwrap_or(usize::MAX)) as u64;
        [
            Row::host("tokens of grammars", self.trees),
            Row::host("matcher", Bytes(matcher)),
            Row::host("guesses", Bytes(guesses)),
        ]
    }
}

/// Returns every buffer of a context and its model.
fn buffers(
    context: &SimulatedContext<'_>,
    options: &LoadOptions,
    file: Option<FileId>,
) -> Result<Vec<Row>, DryRunError> {
    let buffers: Vec<Buffer> = serde_json::from_str(&context.memory_rows()?)?;
    let mut rows: Vec<Row> = buffers.iter().flat_map(Buffer::rows).collect();
    if let (true, Some(file)) = (options.use_mmap, file) {
        for row in rows.iter_mut().filter(|row| row.pool == HOST && row.what.starts_with("weights"))
        {
            row.backing = Backing::Mapped(file);
        }
    }
    Ok(rows)
}

/// Loads the model of `options` as they say, and returns every buffer that it has: what a dry run is held against.
///
/// # Errors
///
/// [`DryRunError`].
pub fn loaded(backend: &Backend, options: &LoadOptions) -> Result<Vec<Row>, DryRunError> {
    let path = Path::new(&options.path);
    let file = gguf::model(path, Weights::Here)?.file;
    backend.complaints.clear();
    let model = ffi::load_model(&backend.llama, path, &ModelSettings::of(options))
        .ok_or_else(|| EngineError::Load { path: path.to_owned(), reason: backend.reason() })?;
    let n_ctx = n_ctx(options, model.n_ctx_train());
    let params = context_params(options, n_ctx, kv_type(&options.kv_type)?);
    let context = SimulatedContext::open(&model, params)
        .ok_or_else(|| EngineError::Context { n_ctx, reason: backend.reason() })?;
    let mut rows = buffers(&context, options, file)?;
    if options.has_mtp() {
        let params = guessing_params(options, n_ctx, kv_type(&options.kv_type)?);
        let guessing = SimulatedContext::open(&model, params)
            .ok_or_else(|| EngineError::Context { n_ctx, reason: backend.reason() })?;
        rows.extend(mtp(buffers(&guessing, options, file)?));
    }
    Ok(rows)
}

/// Returns what a batch needs: no less than a single token, for any of 23 models, with keys of 16 and of 8 bits.
fn scratch(
    context: &mut SimulatedContext<'_>,
    options: &LoadOptions,
    n_ctx: u32,
    outputs: u32,
) -> Result<Bytes, DryRunError> {
    let sequences = options.n_seq.max(1);
    // Each sequence has the same number of tokens, or llama.cpp aborts.
    let tokens = options.n_batch.min(n_ctx).max(sequences) / sequences * sequences;
    let text = context.work_size(tokens, sequences, outputs.min(tokens), threads(options))?;
    Ok(Bytes(serde_json::from_str(&text)?))
}

impl Buffer {
    /// Returns one row a purpose. Buffers of integrated devices are ordinary memory.
    fn rows(&self) -> impl Iterator<Item = Row> {
        let is_device = matches!(self.device_type, DEVICE_GPU | DEVICE_META);
        let (pool, backing) = match (is_device, self.is_host) {
            (true, false) => (self.device.as_str(), Backing::Anonymous),
            (true, true) => (HOST, Backing::Pinned),
            (false, _) => (HOST, Backing::Anonymous),
        };
        let purposes =
            [("weights", self.model), ("context", self.context), ("compute", self.compute)];
        let what = |purpose: &str| format!("{purpose} ({})", self.buffer);
        let taken = purposes.into_iter().filter(|(_, bytes)| *bytes > 0);
        taken.map(move |(purpose, bytes)| Row {
            backing,
            ..Row::of(pool, &what(purpose), Bytes(bytes))
        })
    }
}

fn device_overheads(rows: &[Row]) -> Vec<Row> {
    let mut pools: Vec<&str> = rows.iter().map(|row| row.pool.as_str()).collect();
    pools.sort_unstable();
    pools.dedup();
    pools.retain(|pool| *pool != HOST);
    pools.into_iter().map(|pool| Row::of(pool, "driver (estimated)", DEVICE_OVERHEAD)).collect()
}

/// Returns the memory that belongs to this process alone, where the system says it (Linux).
fn private_bytes() -> Option<Bytes> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024).map(Bytes)
}

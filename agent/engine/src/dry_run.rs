//! What a model would take, counted by llama.cpp itself without taking it.
//!
//! This runs in a short-lived process: recurrent state is allocated all the same, and a file that
//! crashes the loader must crash nobody else. It decides nothing; `chargehand-core` plans.

use std::fs;
use std::path::Path;

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::estimate::{self, DEVICE_OVERHEAD};
use chargehand_core::memory::header::ModelHeader;
use chargehand_core::memory::{Backing, Footprint, HOST, LoadOptions, Row};
use serde::Deserialize;
use thiserror::Error;

use crate::constraint;
use crate::engine::{Backend, EngineError, context_params, kv_type, n_ctx, threads};
use crate::ffi::{self, ModelSettings, ShimError, SimulatedContext};
use crate::gguf::{self, GgufError, Weights};
use crate::guess::guess_bytes;
use crate::vocab::Vocab;

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
const CANDIDATE: usize = 12;

/// ggml's number of a discrete GPU.
const DEVICE_GPU: i64 = 1;
/// ggml's number of several devices that act as one.
const DEVICE_META: i64 = 4;

/// Returns what the model of `options` takes once it is loaded and used, under the name `model`.
///
/// The options of the result are settled; the figures hold for no others.
///
/// # Errors
///
/// [`DryRunError`].
pub fn footprint(
    backend: &Backend,
    model: &str,
    options: LoadOptions,
) -> Result<Footprint, DryRunError> {
    let options = options.settled();
    let header = gguf::model(Path::new(&options.path), Weights::Here)?;
    let rows = rows(backend, &header, &options)?;
    Ok(Footprint { model: model.to_owned(), options, rows })
}

fn rows(
    backend: &Backend,
    header: &ModelHeader,
    options: &LoadOptions,
) -> Result<Vec<Row>, DryRunError> {
    let path = Path::new(&options.path);
    let kv_type = kv_type(&options.kv_type)?;
    backend.complaints.clear();
    let before = private_bytes();
    let settings = ModelSettings::of(options);
    let model = ffi::simulate_model(&backend.llama, path, &settings)
        .ok_or_else(|| EngineError::Load { path: path.to_owned(), reason: backend.reason() })?;
    let opened = private_bytes();
    let n_ctx = n_ctx(options, model.n_ctx_train());
    let params = context_params(options, n_ctx, kv_type);
    let mut context = SimulatedContext::open(&model, params)
        .ok_or_else(|| EngineError::Context { n_ctx, reason: backend.reason() })?;
    // The state of a recurrent model is allocated even in a dry run, and is a buffer already.
    let has_state = model.is_recurrent() || model.is_hybrid();
    let after = if has_state { opened } else { private_bytes() };
    let buffers: Vec<Buffer> = serde_json::from_str(&context.memory_rows()?)?;
    let tokens = u64::from(model.n_vocab().unsigned_abs());
    let overhead = match (before, after) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        // Where the system does not say what a process takes.
        (None, _) | (_, None) => estimate::overhead(header),
    };
    let mut rows: Vec<Row> = buffers.iter().flat_map(Buffer::rows).collect();
    if let (true, Some(file)) = (options.use_mmap, header.file) {
        for row in rows.iter_mut().filter(|row| row.pool == HOST && row.what.starts_with("weights"))
        {
            row.backing = Backing::Mapped(file);
        }
    }
    rows.extend(device_overheads(&rows));
    rows.push(Row::host("scratch of the CPU", scratch(&mut context, options, n_ctx)?));
    let outputs = u64::from(options.outputs());
    rows.push(Row::host("logits", Bytes(tokens.saturating_mul(4 * outputs))));
    rows.push(Row::host("vocabulary and metadata", overhead));
    rows.extend(grammar(&Vocab::of(&model).map_err(EngineError::from)?, n_ctx));
    Ok(rows)
}

/// Returns what grammars, the choice of tokens and guesses take besides llama.cpp, at most.
fn grammar(vocab: &Vocab, n_ctx: u32) -> [Row; 3] {
    // While the trees of the tokens are made, what they are made of is there too.
    let trees = 2 * vocab.vocabulary.memory_bytes();
    // Lists grow by doubling; the candidates of a token are one.
    let matcher = 2 * (constraint::MEMORY + vocab.len() * CANDIDATE);
    let guesses = guess_bytes(usize::try_from(n_ctx).unwrap_or(usize::MAX));
    let row = |what, bytes: usize| Row::host(what, Bytes(bytes as u64));
    [row("tokens of grammars", trees), row("matcher", matcher), row("guesses", guesses)]
}

/// Returns the larger of what a batch and a single token need.
fn scratch(
    context: &mut SimulatedContext<'_>,
    options: &LoadOptions,
    n_ctx: u32,
) -> Result<Bytes, DryRunError> {
    let mut largest = 0;
    let sequences = options.n_seq.max(1);
    for most in [options.n_batch.min(n_ctx), 1] {
        // Each sequence has the same number of tokens, or llama.cpp aborts.
        let tokens = most.max(sequences) / sequences * sequences;
        let outputs = options.outputs().min(tokens);
        let text = context.work_size(tokens, sequences, outputs, threads(options))?;
        largest = serde_json::from_str::<u64>(&text)?.max(largest);
    }
    Ok(Bytes(largest))
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

//! What a model would take, counted by llama.cpp itself without taking it.
//!
//! This runs in a short-lived process: recurrent state is allocated all the same, and a file that
//! crashes the loader must crash nobody else. It decides nothing; `chargehand-core` plans.

use std::fs;
use std::path::Path;

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Footprint, HOST, LoadOptions, Row};
use serde::Deserialize;
use thiserror::Error;

use crate::constraint;
use crate::engine::{Backend, EngineError, OUTPUTS, context_params, kv_type, n_ctx, threads};
use crate::ffi::{self, ModelSettings, ShimError, SimulatedContext};
use crate::gguf::{self, GgufError};
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

/// A driver keeps about this much of a device for itself (context, module, scratch of its
/// matrix library). It is in no buffer and was measured on none; vendors' figures lie below.
const DEVICE_OVERHEAD: Bytes = Bytes::mib(768);

/// The vocabulary and the metadata of a model take this much a token, and `BASE_OVERHEAD` besides,
/// where the system does not say what a process takes. Fitted to eight models of 50k to 262k tokens.
const TOKEN_OVERHEAD: u64 = 260;
const BASE_OVERHEAD: Bytes = Bytes::mib(8);

/// What llama.cpp keeps of a token that may be chosen: its number, its logit, its probability.
const CANDIDATE: usize = 12;

/// ggml's number of a discrete GPU.
const DEVICE_GPU: i64 = 1;
/// ggml's number of several devices that act as one.
const DEVICE_META: i64 = 4;

/// Returns `options` with the combination excluded that holds weights twice: repacked by the CPU
/// and mapped besides (1222 MiB instead of 728 for a model of 1B).
#[must_use]
pub fn settle(options: LoadOptions) -> LoadOptions {
    let repacked = options.extra_buffers && options.n_gpu_layers == 0;
    LoadOptions { use_mmap: options.use_mmap && !repacked, ..options }
}

/// Returns what the model of `options` takes once it is loaded and used, under the name `model`.
///
/// The options of the result are [`settle`]d; the figures hold for no others.
///
/// # Errors
///
/// [`DryRunError`].
pub fn footprint(
    backend: &Backend,
    model: &str,
    options: LoadOptions,
) -> Result<Footprint, DryRunError> {
    let options = settle(options);
    gguf::read(Path::new(&options.path))?;
    let rows = rows(backend, &options)?;
    Ok(Footprint { model: model.to_owned(), options, rows })
}

fn rows(backend: &Backend, options: &LoadOptions) -> Result<Vec<Row>, DryRunError> {
    let path = Path::new(&options.path);
    let kv_type = kv_type(&options.kv_type)?;
    backend.complaints.clear();
    let before = private_bytes();
    let settings = ModelSettings {
        n_gpu_layers: options.n_gpu_layers,
        use_mmap: options.use_mmap,
        use_extra_buffers: options.extra_buffers,
    };
    let model = ffi::simulate_model(&backend.llama, path, &settings)
        .ok_or_else(|| EngineError::Load { path: path.to_owned(), reason: backend.reason() })?;
    let n_ctx = n_ctx(options, model.n_ctx_train());
    let params = context_params(options, n_ctx, kv_type);
    let mut context = SimulatedContext::open(&model, params)
        .ok_or_else(|| EngineError::Context { n_ctx, reason: backend.reason() })?;
    let after = private_bytes();
    let buffers: Vec<Buffer> = serde_json::from_str(&context.memory_rows()?)?;
    let tokens = u64::from(model.n_vocab().unsigned_abs());
    let overhead = match (before, after) {
        (Some(before), Some(after)) if model.is_recurrent() || model.is_hybrid() => {
            // The state is allocated even in a dry run, and is a buffer already.
            let state = buffers.iter().map(|buffer| Bytes(buffer.context)).sum();
            after.saturating_sub(before).saturating_sub(state)
        }
        (Some(before), Some(after)) => after.saturating_sub(before),
        (None, _) | (_, None) => BASE_OVERHEAD + Bytes(TOKEN_OVERHEAD.saturating_mul(tokens)),
    };
    let mut rows: Vec<Row> = buffers.iter().flat_map(Buffer::rows).collect();
    rows.extend(device_overheads(&rows));
    rows.push(row(HOST, "scratch of the CPU", scratch(&mut context, options, n_ctx)?));
    let outputs = u64::from(OUTPUTS.min(options.n_batch).max(1));
    rows.push(row(HOST, "logits", Bytes(tokens.saturating_mul(4 * outputs))));
    rows.push(row(HOST, "vocabulary and metadata", overhead));
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
    let row = |what, bytes: usize| row(HOST, what, Bytes(bytes as u64));
    [row("tokens of grammars", trees), row("matcher", matcher), row("guesses", guesses)]
}

/// Returns the larger of what a batch and a single token need.
fn scratch(
    context: &mut SimulatedContext<'_>,
    options: &LoadOptions,
    n_ctx: u32,
) -> Result<Bytes, DryRunError> {
    let mut largest = 0;
    for tokens in [options.n_batch.min(n_ctx), 1] {
        let text = context.work_size(tokens, OUTPUTS.min(tokens), threads(options))?;
        largest = serde_json::from_str::<u64>(&text)?.max(largest);
    }
    Ok(Bytes(largest))
}

impl Buffer {
    /// Returns one row a purpose. Buffers of integrated devices are ordinary memory.
    fn rows(&self) -> impl Iterator<Item = Row> {
        let own = matches!(self.device_type, DEVICE_GPU | DEVICE_META) && !self.is_host;
        let pool = if own { self.device.as_str() } else { HOST };
        let purposes =
            [("weights", self.model), ("context", self.context), ("compute", self.compute)];
        let what = |purpose: &str| format!("{purpose} ({})", self.buffer);
        let taken = purposes.into_iter().filter(|(_, bytes)| *bytes > 0);
        taken.map(move |(purpose, bytes)| row(pool, &what(purpose), Bytes(bytes)))
    }
}

fn device_overheads(rows: &[Row]) -> Vec<Row> {
    let mut pools: Vec<&str> = rows.iter().map(|row| row.pool.as_str()).collect();
    pools.sort_unstable();
    pools.dedup();
    pools.retain(|pool| *pool != HOST);
    pools.into_iter().map(|pool| row(pool, "driver (estimated)", DEVICE_OVERHEAD)).collect()
}

fn row(pool: &str, what: &str, bytes: Bytes) -> Row {
    Row { pool: pool.to_owned(), what: what.to_owned(), bytes }
}

/// Returns the memory that belongs to this process alone, where the system says it (Linux).
fn private_bytes() -> Option<Bytes> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024).map(Bytes)
}

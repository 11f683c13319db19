//! The memory plan: which models may be loaded together.
//!
//! A [`Plan`] is a proof that what it names fits; only [`plan`] makes one. Footprints and budgets are measured
//! elsewhere. Swap is no memory here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;

/// The name of the pool of ordinary memory. Others are named by their device, such as `CUDA0`.
pub const HOST: &str = "host";

/// How a model is to be loaded: everything that decides its footprint.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct LoadOptions {
    /// The GGUF file.
    pub path: String,
    /// Tokens of context.
    pub n_ctx: u32,
    /// Tokens of one batch, logical and physical.
    pub n_batch: u32,
    /// Layers on a GPU; none without one.
    pub n_gpu_layers: u32,
    /// The type of the KV cache: `f16` or `q8_0`.
    pub kv_type: String,
    /// Whether the weights are mapped instead of read.
    pub use_mmap: bool,
    /// Whether the CPU may keep weights in a repacked form.
    pub extra_buffers: bool,
    /// Threads for computing; 0 lets the engine choose.
    pub threads: u32,
}

/// What one model takes, measured by a dry run.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Footprint {
    /// The name people know it by.
    pub model: String,
    /// How it would be loaded.
    pub options: LoadOptions,
    /// Bytes of each pool, as rows: every buffer with its purpose, none left out.
    pub rows: Vec<Row>,
}

/// One buffer.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Row {
    /// The pool it takes from.
    pub pool: String,
    /// What it is, such as `weights (CPU_REPACK)`.
    pub what: String,
    /// Its size.
    pub bytes: Bytes,
}

/// What a machine has.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Budget {
    /// One entry a pool.
    pub pools: Vec<Pool>,
}

/// One kind of memory.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// All there is.
    pub capacity: Bytes,
    /// What could be taken now.
    pub available: Bytes,
    /// What must stay free, so that the machine stays usable.
    pub headroom: Bytes,
}

/// A proof that these models fit together.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Plan {
    footprints: Vec<Footprint>,
}

impl Plan {
    /// Returns what is planned, in the order that was asked for.
    #[must_use]
    pub fn footprints(&self) -> &[Footprint] {
        &self.footprints
    }
}

/// Why models do not fit.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// Each pool that is too small.
    pub shortages: Vec<Shortage>,
}

/// One pool that is too small.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Shortage {
    /// The pool.
    pub pool: String,
    /// What is asked for.
    pub need: Bytes,
    /// What may be taken: what is available less the headroom.
    pub have: Bytes,
    /// Who asks for how much.
    pub models: Vec<(String, Bytes)>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, short) in self.shortages.iter().enumerate() {
            let names: Vec<&str> = short.models.iter().map(|(name, _)| name.as_str()).collect();
            let lead = if at == 0 { "" } else { "; " };
            let Shortage { pool, need, have, .. } = short;
            write!(f, "{lead}{} need {need}, {pool} has {have} to give", names.join(" + "))?;
        }
        Ok(())
    }
}

/// Plans to load all of `footprints` together within `budget`.
///
/// # Errors
///
/// [`Refusal`], with every pool that is too small. A pool that the budget does not name has nothing.
pub fn plan(footprints: Vec<Footprint>, budget: &Budget) -> Result<Plan, Refusal> {
    let mut needs: BTreeMap<&str, Vec<(String, Bytes)>> = BTreeMap::new();
    for footprint in &footprints {
        for (pool, bytes) in footprint.by_pool() {
            needs.entry(pool).or_default().push((footprint.model.clone(), bytes));
        }
    }
    let shortages: Vec<Shortage> = needs
        .into_iter()
        .filter_map(|(pool, models)| {
            let need = models.iter().map(|(_, bytes)| *bytes).sum();
            let have = budget.may_give(pool);
            (need > have).then(|| Shortage { pool: pool.to_owned(), need, have, models })
        })
        .collect();
    if shortages.is_empty() { Ok(Plan { footprints }) } else { Err(Refusal { shortages }) }
}

impl Footprint {
    /// Returns the sum of each pool.
    #[must_use]
    pub fn by_pool(&self) -> BTreeMap<&str, Bytes> {
        let mut sums = BTreeMap::new();
        for row in &self.rows {
            let sum: &mut Bytes = sums.entry(row.pool.as_str()).or_default();
            *sum = *sum + row.bytes;
        }
        sums
    }
}

impl Budget {
    fn may_give(&self, pool: &str) -> Bytes {
        let pool = self.pools.iter().find(|known| known.name == pool);
        pool.map_or(Bytes(0), |pool| {
            pool.available.min(pool.capacity).saturating_sub(pool.headroom)
        })
    }
}

/// Returns what must stay free of ordinary memory: 8 %, but 2 GiB at least, and never more than a quarter.
///
/// A desktop with a browser and a compiler beside the model needs about that; less and the page cache, which
/// holds every mapped file, is the first thing to go.
#[must_use]
pub fn host_headroom(capacity: Bytes) -> Bytes {
    Bytes((capacity.0 / 100 * 8).max(2 << 30).min(capacity.0 / 4))
}

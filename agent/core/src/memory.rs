//! The memory plan: which models may be loaded together.
//!
//! A [`Plan`] is a proof that what it names fits; only [`plan`] makes one. Footprints and budgets are measured
//! elsewhere. Swap is no memory here.

pub mod beside;
mod cache;
mod compute;
pub mod estimate;
pub mod guard;
pub mod header;
mod holdings;
pub mod ladder;
mod second_opinion;
pub mod taken;
mod what_if;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::beside::Beside;
use self::header::FileId;
use crate::bytes::Bytes;
use crate::seal::Seal;

pub use self::holdings::{Holding, Stage};
pub use self::second_opinion::{Doubt, larger};
pub use self::what_if::{WhatIfError, what_if};

/// The name of the pool of ordinary memory. Others are named by their device, such as `CUDA0`.
pub const HOST: &str = "host";

/// So many tokens of a batch can have logits: the last one that was said and those that are guessed behind it.
pub const OUTPUTS: u32 = 16;

/// How a model is to be loaded: everything that decides its footprint.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct LoadOptions {
    /// The GGUF file.
    pub path: String,
    /// Tokens of context of each sequence.
    pub n_ctx: u32,
    /// Sequences that are remembered side by side.
    #[serde(default = "one")]
    pub n_seq: u32,
    /// Tokens of one batch, logical and physical.
    pub n_batch: u32,
    /// Layers on a GPU; none without one.
    pub n_gpu_layers: u32,
    /// Whether what is remembered stays in ordinary memory, whatever lies on a GPU.
    #[serde(default)]
    pub kv_on_host: bool,
    /// Whether the experts of a mixture stay in ordinary memory, whatever lies on a GPU.
    #[serde(default)]
    pub experts_on_cpu: bool,
    /// The type of the KV cache: `f16`, `q8_0` or `q4_0`.
    pub kv_type: String,
    /// Whether the weights are mapped instead of read.
    pub use_mmap: bool,
    /// Whether the CPU may keep weights in a repacked form.
    pub extra_buffers: bool,
    /// Threads for computing; 0 lets the engine choose.
    pub threads: u32,
    /// What works with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
    /// Its files as they were when it was planned: no others are loaded. None where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seals: Vec<Seal>,
}

fn one() -> u32 {
    1
}

impl LoadOptions {
    /// Returns how many tokens of a batch can have logits: each sequence has one at least.
    #[must_use]
    pub fn outputs(&self) -> u32 {
        OUTPUTS.max(self.n_seq).min(self.n_batch).max(1)
    }

    /// Returns whether layers of the model itself guess further tokens.
    #[must_use]
    pub fn has_mtp(&self) -> bool {
        self.beside.contains(&Beside::Mtp)
    }

    /// Returns the options of the model without other files that work with it.
    #[must_use]
    pub fn alone(&self) -> Self {
        let own = self.beside.iter().filter(|beside| beside.path().is_none());
        Self { beside: own.cloned().collect(), ..self.clone() }
    }

    /// Returns the options with the combination excluded that holds weights twice: repacked by the CPU and mapped
    /// besides (1222 MiB instead of 728 for a model of 1B).
    #[must_use]
    pub fn settled(self) -> Self {
        let is_repacked = self.extra_buffers && self.n_gpu_layers == 0;
        Self { use_mmap: self.use_mmap && !is_repacked, ..self }
    }
}

/// What one model takes, measured by a dry run or estimated from its header.
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
    /// What is behind it.
    #[serde(default)]
    pub backing: Backing,
}

/// What is behind a buffer. None of it can be dropped while the model works: without swap there is nowhere to go, and
/// mapped weights are read for every token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Backing {
    /// Memory of its own.
    #[default]
    Anonymous,
    /// Memory of its own that a device reads directly.
    Pinned,
    /// Pages of a file, which all who map it share.
    Mapped(FileId),
    /// Nothing yet: whoever has its turn next takes it.
    Awaited,
}

impl Row {
    /// Returns a buffer in memory of its own.
    #[must_use]
    pub fn of(pool: &str, what: &str, bytes: Bytes) -> Self {
        Self { pool: pool.to_owned(), what: what.to_owned(), bytes, backing: Backing::Anonymous }
    }

    /// Returns a buffer in ordinary memory.
    #[must_use]
    pub fn host(what: &str, bytes: Bytes) -> Self {
        Self::of(HOST, what, bytes)
    }

    /// Returns whether it is `what`, such as `weights`, of the model or of what works beside it.
    #[must_use]
    pub fn is(&self, what: &str) -> bool {
        let own = self.what.rsplit_once(": ").map_or(self.what.as_str(), |(_, own)| own);
        own.starts_with(what)
    }
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
    /// The pool that it is a part of: what is taken here is taken there too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
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

impl std::error::Error for Refusal {}

/// Plans to load all of `footprints` together within `budget`.
///
/// # Errors
///
/// [`Refusal`], with every pool that is too small. A pool that the budget does not name has nothing.
pub fn plan(footprints: Vec<Footprint>, budget: &Budget) -> Result<Plan, Refusal> {
    let mut needs: BTreeMap<&str, Vec<(String, Bytes)>> = BTreeMap::new();
    let mut mapped = BTreeMap::new();
    for footprint in &footprints {
        for (pool, bytes) in footprint.by_pool_beside(&mut mapped) {
            for pool in budget.pool_and_around(pool) {
                needs.entry(pool).or_default().push((footprint.model.clone(), bytes));
            }
        }
    }
    let shortages: Vec<Shortage> = needs
        .into_iter()
        .filter_map(|(pool, models)| {
            let need = models.iter().map(|(_, bytes)| *bytes).sum();
            let have = budget.may_give(pool);
            (need > have).then(|| Shortage {
                pool: pool.to_owned(),
                need,
                have,
                models: joined(models),
            })
        })
        .collect();
    if shortages.is_empty() { Ok(Plan { footprints }) } else { Err(Refusal { shortages }) }
}

/// Adds up what one model asks for in several pools that are parts of the same.
fn joined(models: Vec<(String, Bytes)>) -> Vec<(String, Bytes)> {
    let mut joined: Vec<(String, Bytes)> = Vec::new();
    for (model, bytes) in models {
        match joined.last_mut() {
            Some((last, sum)) if *last == model => *sum = *sum + bytes,
            Some(_) | None => joined.push((model, bytes)),
        }
    }
    joined
}

impl Footprint {
    /// Returns the sum of each pool.
    #[must_use]
    pub fn by_pool(&self) -> BTreeMap<&str, Bytes> {
        self.by_pool_beside(&mut BTreeMap::new())
    }

    /// Returns the sum of each pool, without the pages of files that are `mapped` there already; adds its own to them.
    fn by_pool_beside(
        &self,
        mapped: &mut BTreeMap<(String, FileId), Bytes>,
    ) -> BTreeMap<&str, Bytes> {
        let mut sums: BTreeMap<&str, Bytes> = BTreeMap::new();
        for row in &self.rows {
            let bytes = match row.backing {
                Backing::Anonymous | Backing::Pinned | Backing::Awaited => row.bytes,
                Backing::Mapped(file) => {
                    let there = mapped.entry((row.pool.clone(), file)).or_default();
                    let more = row.bytes.saturating_sub(*there);
                    *there = (*there).max(row.bytes);
                    more
                }
            };
            let sum = sums.entry(row.pool.as_str()).or_default();
            *sum = *sum + bytes;
        }
        sums
    }
}

impl Budget {
    /// Returns a pool and all that it is a part of.
    fn pool_and_around<'a>(&'a self, pool: &'a str) -> Vec<&'a str> {
        let mut found = vec![pool];
        let around =
            |name: &str| self.pools.iter().find(|known| known.name == name)?.within.as_deref();
        while let Some(next) = found.last().and_then(|last| around(last)) {
            // A circle has an end where it began.
            if found.contains(&next) {
                break;
            }
            found.push(next);
        }
        found
    }

    /// Returns the pools beside ordinary memory.
    #[must_use]
    pub fn devices(&self) -> Vec<Pool> {
        self.pools.iter().filter(|pool| pool.name != HOST).cloned().collect()
    }

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

/// Returns what must stay free of a GPU: 3 %, but 512 MiB at least, and never more than a quarter.
///
/// A desktop and the driver take about that on their own.
#[must_use]
pub fn device_headroom(capacity: Bytes) -> Bytes {
    Bytes((capacity.0 / 100 * 3).max(512 << 20).min(capacity.0 / 4))
}

//! What models take that are loaded or being loaded, and what they leave of a budget.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::header::FileId;
use super::{Backing, Budget, Footprint, HOST, taken};
use crate::bytes::Bytes;

/// What one process holds.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Holding {
    /// The process that planned it.
    pub pid: u32,
    /// What it takes.
    pub footprint: Footprint,
    /// Whether it takes it already.
    pub stage: Stage,
}

/// How far a model is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It will take its memory: nothing else shows that yet.
    Reserved,
    /// It has its memory, and the system counts it as used.
    Resident,
}

impl Budget {
    /// Returns what there would be if `holding` ended: what it certainly has comes back.
    #[must_use]
    pub fn after(mut self, holding: &Holding) -> Self {
        if holding.stage == Stage::Resident {
            for row in holding.footprint.rows.iter().filter(|row| taken::is_sure(row)) {
                let around: Vec<String> =
                    self.pool_and_around(&row.pool).into_iter().map(str::to_owned).collect();
                for pool in self.pools.iter_mut().filter(|pool| around.contains(&pool.name)) {
                    // What is mapped was never called used.
                    if !matches!(row.backing, Backing::Mapped(_)) {
                        pool.available = (pool.available + row.bytes).min(pool.capacity);
                    }
                }
            }
        }
        self
    }

    /// Returns what `holdings` leave of it.
    ///
    /// All together may not take more than there is; and what is available now must be enough for those that have not
    /// taken theirs yet. The system counts pages of mapped files as available, though a model reads them for every
    /// token: they are taken off too, once for each file.
    #[must_use]
    pub fn less(mut self, holdings: &[Holding]) -> Self {
        let (mut held, mut coming) = (BTreeMap::new(), BTreeMap::new());
        let (mut files, mut resident): (_, BTreeMap<FileId, Bytes>) = <_>::default();
        for holding in holdings {
            for (pool, bytes) in holding.footprint.by_pool_beside(&mut files) {
                add(&mut held, self.pool_and_around(pool), bytes);
                if holding.stage == Stage::Reserved {
                    add(&mut coming, self.pool_and_around(pool), bytes);
                }
            }
            if holding.stage == Stage::Resident {
                for row in &holding.footprint.rows {
                    match (row.backing, row.pool.as_str()) {
                        (Backing::Mapped(file), HOST) => {
                            let mapped = resident.entry(file).or_default();
                            *mapped = (*mapped).max(row.bytes);
                        }
                        (Backing::Awaited, pool) => {
                            add(&mut coming, self.pool_and_around(pool), row.bytes);
                        }
                        (Backing::Mapped(_) | Backing::Anonymous | Backing::Pinned, _) => {}
                    }
                }
            }
        }
        let mapped: Bytes = resident.into_values().sum();
        for pool in &mut self.pools {
            let of =
                |sums: &BTreeMap<String, Bytes>| sums.get(&pool.name).copied().unwrap_or_default();
            let mapped = if pool.name == HOST { mapped } else { Bytes(0) };
            let now = pool.available.saturating_sub(of(&coming)).saturating_sub(mapped);
            pool.available = now.min(pool.capacity.saturating_sub(of(&held)));
        }
        self
    }
}

fn add(sums: &mut BTreeMap<String, Bytes>, pools: Vec<&str>, bytes: Bytes) {
    for pool in pools {
        let sum = sums.entry(pool.to_owned()).or_default();
        *sum = *sum + bytes;
    }
}

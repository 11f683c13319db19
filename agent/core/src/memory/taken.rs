//! What a loaded model really took, held against its plan.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::{Backing, Footprint, HOST, Pool, Row};
use crate::bytes::Bytes;

/// A plan may be off by this, or by so many hundredths, without a word.
const TOLERANCE: Bytes = Bytes::mib(64);
const PERCENT: u64 = 2;

/// What the row is called that a plan gets where an earlier load took more.
const MORE: &str = "what the last load took more";

/// What is certainly taken once a model is loaded; the rest is room that it may come to need.
const SURE: [&str; 3] = ["weights", "context", "vocabulary and metadata"];

/// The memory of a process with a loaded model.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Taken {
    /// What is its own of ordinary memory.
    pub anonymous: Bytes,
    /// Pages of files.
    pub mapped: Bytes,
    /// How much less each GPU had when it was loaded, its driver and whatever others took meanwhile included: so it is
    /// never kept. A model that does not fit because of it would not be loaded again, and no load would learn better.
    #[serde(skip)]
    pub devices: BTreeMap<String, Bytes>,
}

impl Taken {
    /// Returns what was taken of each pool, of which the plan has rows of their own.
    fn pools(&self) -> impl Iterator<Item = (&str, Bytes)> {
        let devices = self.devices.iter().map(|(device, bytes)| (device.as_str(), *bytes));
        std::iter::once((HOST, self.anonymous)).chain(devices)
    }

    /// Returns how much less there is of each device `after` a load than `before`.
    #[must_use]
    pub fn of_devices(before: &[Pool], after: &[Pool]) -> BTreeMap<String, Bytes> {
        let less = |before: &Pool| {
            let after = after.iter().find(|after| after.name == before.name)?;
            Some((before.name.clone(), before.available.saturating_sub(after.available)))
        };
        before.iter().filter_map(less).collect()
    }
}

/// How far a load is from its plan, where that is worth a word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Residual {
    /// It took more than all that was planned.
    More {
        /// The model.
        model: String,
        /// Of which pool.
        pool: String,
        /// What was planned at most.
        planned: Bytes,
        /// What it took.
        taken: Bytes,
    },
    /// It took less than what was certain.
    Less {
        /// The model.
        model: String,
        /// Of which pool.
        pool: String,
        /// What was certain.
        planned: Bytes,
        /// What it took.
        taken: Bytes,
    },
}

/// Returns how far `taken` is from what `footprint` says of memory of its own, for each pool of which it is further
/// than 64 MiB and 2 %.
#[must_use]
pub fn residuals(footprint: &Footprint, taken: &Taken) -> Vec<Residual> {
    taken.pools().filter_map(|(pool, taken)| residual(footprint, pool, taken)).collect()
}

fn residual(footprint: &Footprint, pool: &str, taken: Bytes) -> Option<Residual> {
    let own = || {
        let rows = footprint.rows.iter().filter(|row| row.pool == pool);
        rows.filter(|row| matches!(row.backing, Backing::Anonymous | Backing::Pinned))
    };
    let all: Bytes = own().map(|row| row.bytes).sum();
    let sure: Bytes = own().filter(|row| is_sure(row)).map(|row| row.bytes).sum();
    let tolerated = |planned: Bytes| Bytes(planned.0 / 100 * PERCENT).max(TOLERANCE);
    let (model, pool) = (footprint.model.clone(), pool.to_owned());
    if taken > all + tolerated(all) {
        return Some(Residual::More { model, pool, planned: all, taken });
    }
    let is_less = taken + tolerated(sure) < sure;
    is_less.then_some(Residual::Less { model, pool, planned: sure, taken })
}

/// Returns whether a row is certainly taken once a model is loaded.
pub(super) fn is_sure(row: &Row) -> bool {
    SURE.iter().any(|sure| row.is(sure))
}

/// Returns `footprint` with what an earlier load `taken` had on top of it: the larger counts.
#[must_use]
pub fn at_least(mut footprint: Footprint, taken: &Taken) -> (Footprint, Vec<Residual>) {
    let residuals = residuals(&footprint, taken);
    for residual in &residuals {
        match residual {
            Residual::More { pool, planned, taken, .. } => {
                footprint.rows.push(Row::of(pool, MORE, taken.saturating_sub(*planned)));
            }
            Residual::Less { .. } => {}
        }
    }
    (footprint, residuals)
}

impl Display for Residual {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::More { model, pool, planned, taken } => write!(
                f,
                "{model} took {taken} of {pool} when it was loaded, and {planned} were planned: the larger counts from now on"
            ),
            Self::Less { model, pool, planned, taken } => write!(
                f,
                "{model} took {taken} of {pool} when it was loaded, less than the {planned} that were certain: the plan counts"
            ),
        }
    }
}

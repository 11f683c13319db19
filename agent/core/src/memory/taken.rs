//! What a loaded model really took, held against its plan.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::{Backing, Footprint, HOST, Row};
use crate::bytes::Bytes;

/// A plan may be off by this, or by so many hundredths, without a word.
const TOLERANCE: Bytes = Bytes::mib(64);
const PERCENT: u64 = 2;

/// What the row is called that a plan gets where an earlier load took more.
const MORE: &str = "what the last load took more";

/// What is certainly taken once a model is loaded; the rest is room that it may come to need.
const SURE: [&str; 3] = ["weights", "context", "vocabulary and metadata"];

/// The ordinary memory of a process with a loaded model.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Taken {
    /// What is its own.
    pub anonymous: Bytes,
    /// Pages of files.
    pub mapped: Bytes,
}

/// How far a load is from its plan, where that is worth a word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Residual {
    /// It took more than all that was planned.
    More {
        /// The model.
        model: String,
        /// What was planned at most.
        planned: Bytes,
        /// What it took.
        taken: Bytes,
    },
    /// It took less than what was certain.
    Less {
        /// The model.
        model: String,
        /// What was certain.
        planned: Bytes,
        /// What it took.
        taken: Bytes,
    },
}

/// Returns how far `taken` is from what `footprint` says of memory of its own, if it is further than 64 MiB and 2 %.
#[must_use]
pub fn residual(footprint: &Footprint, taken: Taken) -> Option<Residual> {
    let own = || {
        let rows = footprint.rows.iter().filter(|row| row.pool == HOST);
        rows.filter(|row| matches!(row.backing, Backing::Anonymous | Backing::Pinned))
    };
    let all: Bytes = own().map(|row| row.bytes).sum();
    let sure: Bytes = own().filter(|row| is_sure(row)).map(|row| row.bytes).sum();
    let tolerated = |planned: Bytes| Bytes(planned.0 / 100 * PERCENT).max(TOLERANCE);
    let (model, taken) = (footprint.model.clone(), taken.anonymous);
    if taken > all + tolerated(all) {
        return Some(Residual::More { model, planned: all, taken });
    }
    let is_less = taken + tolerated(sure) < sure;
    is_less.then_some(Residual::Less { model, planned: sure, taken })
}

/// Returns whether a row is certainly taken once a model is loaded.
pub(super) fn is_sure(row: &Row) -> bool {
    SURE.iter().any(|sure| row.is(sure))
}

/// Returns `footprint` with what an earlier load `taken` had on top of it: the larger counts.
#[must_use]
pub fn at_least(mut footprint: Footprint, taken: Taken) -> (Footprint, Option<Residual>) {
    let residual = residual(&footprint, taken);
    if let Some(Residual::More { planned, taken, .. }) = &residual {
        footprint.rows.push(Row::host(MORE, taken.saturating_sub(*planned)));
    }
    (footprint, residual)
}

impl Display for Residual {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::More { model, planned, taken } => write!(
                f,
                "{model} took {taken} of memory when it was loaded, and {planned} were planned: the larger counts from now on"
            ),
            Self::Less { model, planned, taken } => write!(
                f,
                "{model} took {taken} of memory when it was loaded, less than the {planned} that were certain: the plan counts"
            ),
        }
    }
}

//! Two ways to know what a model takes, held against each other. The larger counts.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::{Footprint, Row};
use crate::bytes::Bytes;

/// As far as this the estimate is known to be off, in hundredths; within it the dry run counts, which is exact.
const TOLERANCE: u64 = 5;
/// What a small vocabulary and a small graph take is not known better than this.
const SLACK: Bytes = Bytes::mib(32);

/// The header says more than the dry run. One of them is wrong, and nobody knows which.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Doubt {
    /// The model.
    pub model: String,
    /// What the dry run says.
    pub measured: Bytes,
    /// What the header says.
    pub estimated: Bytes,
}

impl Display for Doubt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { model, measured, estimated } = self;
        write!(
            f,
            "the header of {model} says {estimated}, the dry run {measured}: the larger counts, and chargehand has a bug"
        )
    }
}

/// Returns what counts where `measured` and `estimated` speak of the same model: what was measured, and what the
/// estimate has on top where that is more than it is known to be off.
#[must_use]
pub fn larger(mut measured: Footprint, estimated: &Footprint) -> (Footprint, Option<Doubt>) {
    let total = |footprint: &Footprint| footprint.rows.iter().map(|row| row.bytes).sum::<Bytes>();
    let (low, high) = (total(&measured), total(estimated));
    let tolerated = Bytes(low.0 / 100 * TOLERANCE).max(SLACK);
    if high <= low + tolerated {
        return (measured, None);
    }
    let doubt = Doubt { model: measured.model.clone(), measured: low, estimated: high };
    let there = measured.by_pool();
    let more: Vec<Row> = estimated
        .by_pool()
        .into_iter()
        .map(|(pool, bytes)| {
            (pool, bytes.saturating_sub(there.get(pool).copied().unwrap_or_default()))
        })
        .filter(|(_, bytes)| *bytes > Bytes(0))
        .map(|(pool, bytes)| Row::of(pool, "what the header says more", bytes))
        .collect();
    measured.rows.extend(more);
    (measured, Some(doubt))
}

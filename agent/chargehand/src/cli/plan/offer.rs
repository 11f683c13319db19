//! What is offered in place of what does not fit.

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::estimate::estimate;
use chargehand_core::memory::ladder::{Alternative, alternatives};
use chargehand_core::memory::{self, Budget, Footprint, LoadOptions};

use super::Choice;
use crate::error::Error;

/// What a disk reads in a second: a solid-state one does, and was not measured here.
const DISK: Bytes = Bytes(1_000_000_000);
/// What the header says is within 5 % of what a dry run says: what is further off need not be measured.
const CERTAIN: u64 = 90;

/// One model after another: what was remembered goes to the disk and comes back.
#[derive(Debug)]
pub(super) struct Swap {
    /// How long the slowest change takes, by the size of files at one GB a second.
    pub(super) seconds: u64,
}

/// Measures what a model takes with other options.
pub(super) type Measure<'m> = dyn FnMut(&Choice, &LoadOptions) -> Result<Footprint, Error> + 'm;

/// Returns what would fit, each measured like the wish itself.
pub(super) fn offers(
    choices: &[Choice],
    wanted: &[Footprint],
    budget: &Budget,
    measure: &mut Measure<'_>,
) -> (Vec<Alternative>, Option<Swap>) {
    let options: Vec<LoadOptions> = choices.iter().map(|choice| choice.options.clone()).collect();
    let mut measure_all = |options: &[LoadOptions]| {
        let pairs = || choices.iter().zip(options);
        if is_hopeless(pairs(), budget) {
            return None;
        }
        pairs().map(|(choice, options)| measure(choice, options).ok()).collect()
    };
    (alternatives(&options, budget, &mut measure_all), swap(wanted, budget))
}

/// Returns whether the headers alone say that they do not fit: a dry run takes a moment, a header none.
fn is_hopeless<'a>(
    pairs: impl Iterator<Item = (&'a Choice, &'a LoadOptions)>,
    budget: &Budget,
) -> bool {
    let devices = budget.devices();
    let guess = |(choice, options): (&Choice, &LoadOptions)| {
        let mut guessed = estimate(&choice.header, &choice.name, options.clone(), &devices).ok()?;
        for row in &mut guessed.rows {
            row.bytes = Bytes(row.bytes.0 / 100 * CERTAIN);
        }
        Some(guessed)
    };
    let guessed: Option<Vec<Footprint>> = pairs.map(guess).collect();
    guessed.is_some_and(|all| memory::plan(all, budget).is_err())
}

/// Returns how models that fit alone take turns.
fn swap(wanted: &[Footprint], budget: &Budget) -> Option<Swap> {
    let fits_alone = |footprint: &Footprint| memory::plan(vec![footprint.clone()], budget).is_ok();
    if wanted.len() < 2 || !wanted.iter().all(fits_alone) {
        return None;
    }
    let moved = |footprint: &Footprint| {
        let rows = footprint.rows.iter();
        let is_moved = |what: &str| what.starts_with("weights") || what.starts_with("context");
        rows.filter(|row| is_moved(&row.what)).map(|row| row.bytes).sum::<Bytes>()
    };
    let slowest = wanted.iter().map(moved).max().unwrap_or_default();
    Some(Swap { seconds: slowest.0.div_ceil(DISK.0) })
}

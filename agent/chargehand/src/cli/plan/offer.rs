//! What is offered in place of what does not fit.

use std::fs;
use std::path::Path;

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::estimate::estimate;
use chargehand_core::memory::ladder::{Alternative, alternatives};
use chargehand_core::memory::{self, Budget, Footprint, Holding, LoadOptions};
use chargehand_core::roles::{Step, schedule};
use chargehand_engine::gguf::{self, Weights};

use super::Choice;
use crate::error::Error;

/// What a disk reads in a second: a solid-state one does, and was not measured here.
pub(super) const DISK: Bytes = Bytes(1_000_000_000);
/// What the header says is within 5 % of what a dry run says: what is further off need not be measured.
const CERTAIN: u64 = 90;

/// More files beside a model are not looked at.
const MOST_FILES: usize = 256;

/// One model after another: what was remembered goes to the disk and comes back.
#[derive(Debug)]
pub(super) struct Swap {
    /// How long the slowest change takes, at one GB a second.
    pub(super) seconds: u64,
    /// Each change, in order; the last one leads back to the first model.
    pub(super) steps: Vec<Step>,
}

/// What is offered.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// What fits, the cheapest loss first.
    pub(super) alternatives: Vec<Alternative>,
    /// One model after another.
    pub(super) swap: Option<Swap>,
    /// Whose end would make room.
    pub(super) closing: Vec<Holding>,
}

/// Measures what a model takes with other options.
pub(super) type Measure<'m> = dyn FnMut(&Choice, &LoadOptions) -> Result<Footprint, Error> + 'm;

/// Returns what would fit, each measured like the wish itself.
pub(super) fn offers(
    choices: &[Choice],
    wanted: &[Footprint],
    budget: &Budget,
    measure: &mut Measure<'_>,
) -> Offers {
    let options: Vec<LoadOptions> = choices.iter().map(|choice| choice.options.clone()).collect();
    let mut smaller = Vec::new();
    for at in 0..choices.len() {
        smaller.extend(smaller_file(choices, at, budget, measure));
    }
    let mut measure_all = |options: &[LoadOptions]| {
        let pairs = || choices.iter().zip(options);
        if is_hopeless(pairs(), budget) {
            return None;
        }
        pairs().map(|(choice, options)| measure(choice, options).ok()).collect()
    };
    let mut alternatives = alternatives(&options, budget, &mut measure_all);
    alternatives.extend(smaller);
    Offers { alternatives, swap: swap(wanted, budget), closing: Vec::new() }
}

/// Returns those of `holdings` any of which need only end for `wanted` to fit on `machine`.
pub(super) fn closing(
    wanted: &[Footprint],
    machine: &Budget,
    holdings: &[Holding],
) -> Vec<Holding> {
    let is_enough = |at: &usize| {
        let mut others = holdings.to_vec();
        let gone = others.remove(*at);
        memory::plan(wanted.to_vec(), &machine.clone().after(&gone).less(&others)).is_ok()
    };
    (0..holdings.len()).filter(is_enough).map(|at| holdings[at].clone()).collect()
}

/// Returns the largest file beside that of the model number `at` that has the same model in fewer bits and fits.
fn smaller_file(
    choices: &[Choice],
    at: usize,
    budget: &Budget,
    measure: &mut Measure<'_>,
) -> Option<Alternative> {
    let wanted = &choices[at];
    let path = Path::new(&wanted.options.path);
    let files = fs::read_dir(path.parent()?).ok()?.take(MOST_FILES);
    let mut found: Vec<Choice> = files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|end| end == "gguf") && file != path)
        .filter_map(|file| {
            let header = gguf::model(&file, Weights::Here).ok()?;
            let is_less =
                header.is_same_model(&wanted.header) && header.weights() < wanted.header.weights();
            let path = file.to_str().filter(|_| is_less)?.to_owned();
            // Before the digest is read: what is replaced later is noticed when it is loaded.
            let seals = gguf::seals(&file).ok()?;
            let options = LoadOptions { path, seals, ..wanted.options.clone() };
            let digest = gguf::digest(&file).ok()?;
            let name = file.file_stem()?.to_string_lossy().into_owned();
            Some(Choice { name, options, header, digest, mmproj: wanted.mmproj.clone() })
        })
        .collect();
    found.sort_by_key(|choice| std::cmp::Reverse(choice.header.weights()));
    found.into_iter().find_map(|smaller| {
        let mut all = choices.to_vec();
        let what = format!("{}, which lies beside {}", smaller.name, wanted.name);
        all[at] = smaller;
        let footprints = all.iter().map(|choice| measure(choice, &choice.options).ok());
        let plan = memory::plan(footprints.collect::<Option<Vec<_>>>()?, budget).ok()?;
        Some(Alternative { what, loss: "fewer bits a weight; answers get worse", plan })
    })
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
    if wanted.len() < 2 {
        return None;
    }
    let steps = schedule(wanted, budget)?;
    let seconds = steps.iter().map(|step| step.seconds(DISK)).max().unwrap_or(0);
    Some(Swap { seconds, steps })
}

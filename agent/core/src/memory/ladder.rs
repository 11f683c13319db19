//! What would fit in place of what does not: each rung is planned like the wish itself, the cheapest loss first.

use super::beside::Beside;
use super::{Budget, Footprint, LoadOptions, Plan, plan};

/// Below this a context has no room for a job.
const LEAST_CTX: u32 = 1024;
/// A context is made shorter in steps of this.
const CTX_STEP: u32 = 256;

/// A way to load the same models that takes less.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alternative {
    /// What is different, for people.
    pub what: String,
    /// What it costs, for people.
    pub loss: &'static str,
    /// The proof that it fits.
    pub plan: Plan,
}

/// What is changed of every model.
type Change = fn(&mut LoadOptions);

/// A rung: what is changed, and what that costs.
struct Rung {
    what: &'static str,
    loss: &'static str,
    change: Change,
}

const fn rung(what: &'static str, loss: &'static str, change: Change) -> Rung {
    Rung { what, loss, change }
}

/// Those before a shorter context.
const BEFORE: [Rung; 6] = [
    rung("one sequence", "roles of one model take turns and read their prompts anew", |o| {
        o.n_seq = 1;
    }),
    rung("without what guesses", "each token takes longer", |o| {
        o.beside.retain(|beside| !beside.guesses());
    }),
    rung("a batch of 256 tokens", "prompts are read slower", |o| {
        o.n_batch = o.n_batch.min(256);
    }),
    rung("a batch of 128 tokens", "prompts are read slower", |o| {
        o.n_batch = o.n_batch.min(128);
    }),
    rung("the projector on the CPU", "a picture takes longer to look at", |o| {
        for beside in &mut o.beside {
            match beside {
                // On a card it lies whatever else does.
                Beside::Projector { on_cpu, .. } => *on_cpu = true,
                Beside::Draft { .. } | Beside::Mtp => {}
            }
        }
    }),
    rung("a cache of q8_0", "a little precision of what is remembered", |o| {
        if o.kv_type == "f16" {
            "q8_0".clone_into(&mut o.kv_type);
        }
    }),
];

/// Those behind it.
const BEHIND: [Rung; 4] = [
    rung("the cache in ordinary memory", "each token takes longer, the more is remembered", |o| {
        o.kv_on_host = o.n_gpu_layers > 0;
    }),
    rung("the experts on the CPU", "each token takes longer", |o| {
        o.experts_on_cpu = o.n_gpu_layers > 0;
    }),
    rung("all of these together", "all of the above", |o| {
        for rung in &BEFORE {
            (rung.change)(o);
        }
    }),
    rung("a cache of q4_0", "precision of what is remembered; answers get worse", |o| {
        "q4_0".clone_into(&mut o.kv_type);
    }),
];

/// What a set of models takes; `None` where that is not known, which never fits.
pub type Measure<'m> = dyn FnMut(&[LoadOptions]) -> Option<Vec<Footprint>> + 'm;

/// Returns what fits in place of `wanted`, which does not. Each is measured before it is offered.
#[must_use]
pub fn alternatives(
    wanted: &[LoadOptions],
    budget: &Budget,
    measure: &mut Measure<'_>,
) -> Vec<Alternative> {
    let mut search = Search { budget, measure, found: Vec::new() };
    BEFORE.iter().for_each(|rung| search.step(wanted, rung));
    search.shorter(wanted, "");
    let (last, behind) = BEHIND.split_last().expect("the list is not empty");
    behind.iter().for_each(|rung| search.step(wanted, rung));
    search.fewer_layers(wanted);
    let mut all = wanted.to_vec();
    BEFORE.iter().for_each(|rung| all.iter_mut().for_each(rung.change));
    if search.plan(&all).is_none() {
        search.shorter(&all, ", one sequence, a batch of 128 and a cache of q8_0");
    }
    search.step(wanted, last);
    search.found
}

struct Search<'s, 'm> {
    budget: &'s Budget,
    measure: &'s mut Measure<'m>,
    found: Vec<Alternative>,
}

impl Search<'_, '_> {
    fn step(&mut self, wanted: &[LoadOptions], rung: &Rung) {
        let mut changed = wanted.to_vec();
        changed.iter_mut().for_each(rung.change);
        if changed != wanted
            && let Some(plan) = self.plan(&changed)
        {
            self.found.push(Alternative { what: rung.what.to_owned(), loss: rung.loss, plan });
        }
    }

    /// Offers the longest context that fits, the same for all that have a longer one.
    fn shorter(&mut self, wanted: &[LoadOptions], with: &str) {
        let longest = wanted.iter().map(|options| options.n_ctx).max().unwrap_or(0);
        let change = |steps: u32| {
            let n_ctx = steps * CTX_STEP;
            let limited = |options: &LoadOptions| LoadOptions {
                n_ctx: options.n_ctx.min(n_ctx),
                ..options.clone()
            };
            wanted.iter().map(limited).collect::<Vec<_>>()
        };
        let most = longest.saturating_sub(1) / CTX_STEP;
        if let Some((steps, plan)) = self.largest(LEAST_CTX / CTX_STEP, most, &change) {
            let what = format!("a context of {} tokens{with}", steps * CTX_STEP);
            self.found.push(Alternative { what, loss: "less is remembered of a job", plan });
        }
    }

    /// Offers the most layers on GPUs that fit.
    fn fewer_layers(&mut self, wanted: &[LoadOptions]) {
        let deepest = wanted.iter().map(|options| options.n_gpu_layers).max().unwrap_or(0);
        let change = |layers: u32| {
            let limited = |options: &LoadOptions| LoadOptions {
                n_gpu_layers: options.n_gpu_layers.min(layers),
                ..options.clone()
            };
            wanted.iter().map(limited).collect::<Vec<_>>()
        };
        // No model has more layers than that.
        let most = deepest.saturating_sub(1).min(255);
        if deepest > 0
            && let Some((layers, plan)) = self.largest(0, most, &change)
        {
            let what = format!("{layers} layers on the GPU");
            self.found.push(Alternative { what, loss: "each token takes longer", plan });
        }
    }

    /// Returns the largest number between `least` and `most` with which all fits: more never takes less.
    fn largest(
        &mut self,
        least: u32,
        most: u32,
        change: &dyn Fn(u32) -> Vec<LoadOptions>,
    ) -> Option<(u32, Plan)> {
        if most < least {
            return None;
        }
        let mut best = (least, self.plan(&change(least))?);
        let (mut low, mut high) = (least, most);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.plan(&change(middle)) {
                Some(plan) => (low, best) = (middle, (middle, plan)),
                None => high = middle - 1,
            }
        }
        Some(best)
    }

    fn plan(&mut self, options: &[LoadOptions]) -> Option<Plan> {
        plan((self.measure)(options)?, self.budget).ok()
    }
}

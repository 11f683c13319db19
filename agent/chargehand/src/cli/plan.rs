//! `chargehand plan`: what models would take together, measured by dry runs, against what the machine has, or against
//! a machine that is only asked about.

mod offer;
mod table;
mod wish;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chargehand_core::memory::beside::{Beside, draft, projector};
use chargehand_core::memory::estimate::estimate;
use chargehand_core::memory::ladder::Alternative;
use chargehand_core::memory::{self, Budget, Footprint, Holding, LoadOptions, Refusal};
use chargehand_core::roles::Role;
use chargehand_engine::gguf::{self, Weights};
use serde_json::{Value, json};

use self::offer::{Offers, Swap};
use self::wish::Wish;
use super::meter::Meter;
use super::model::known::find;
use super::model::{self, Asked, Choice};
use super::{bounds, out};
use crate::config::{Places, UserConfig};
use crate::env::ledger::Ledger;
use crate::env::probe;
use crate::error::{Error, Kind};

/// Sequences that llama.cpp can keep side by side.
const MAX_SEQUENCES: i64 = 256;

/// Flags of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// GGUF files or names of models that are to be loaded together; the built-in one is called `apprentice`. Without
    /// any, all roles of config.toml
    #[arg(value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Who does what: coder, judge, orchestrator, describer or backup. Roles of one model are sequences of one worker.
    /// Without a model, the one that config.toml has for the role
    #[arg(long, value_name = "ROLE[=MODEL]")]
    role: Vec<String>,
    /// Tokens of context, of each sequence
    #[arg(long, value_name = "N")]
    ctx: Option<u32>,
    /// The type of the KV cache
    #[arg(long, value_name = "TYPE", value_parser = ["f16", "q8_0", "q4_0"])]
    kv_type: Option<String>,
    /// Sequences side by side, of each role
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_SEQUENCES))]
    seqs: Option<u32>,
    /// Layers on GPUs, of each model
    #[arg(long, value_name = "N")]
    ngl: Option<u32>,
    /// The projector of the describer, or of the first model
    #[arg(long, value_name = "GGUF")]
    mmproj: Option<PathBuf>,
    /// A small model that guesses for the coder, or for the first model; `mtp` for layers of that itself
    #[arg(long, value_name = "MODEL|mtp")]
    draft: Option<PathBuf>,
    /// Plans for another machine, such as host=96GiB,gpu0=24GiB or unified=64GiB
    #[arg(long, value_name = "POOL=SIZE,..")]
    budget: Option<String>,
    /// Where the models do not fit, takes the first alternative that does
    #[arg(long)]
    fit: bool,
    /// Reads no more than headers, which may have been fetched alone
    #[arg(long)]
    headers: bool,
    /// Sets a key of config.toml for this command, with the value in TOML
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<String>,
    /// Prints the plan as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// How it is known what models take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Basis {
    /// Counted by llama.cpp, and held against the header.
    DryRun,
    /// Estimated from the header: there is no more of the file, or no such machine.
    Header,
}

/// What was asked, and the answer.
struct Answer {
    wishes: Vec<Wish>,
    basis: Basis,
    footprints: Vec<Footprint>,
    warnings: Vec<String>,
    budget: Budget,
    holdings: Vec<Holding>,
    refusal: Option<Refusal>,
    alternatives: Vec<Alternative>,
    swap: Option<Swap>,
    /// Whose end would make room.
    closing: Vec<Holding>,
    /// Whether the first alternative was taken.
    taken: bool,
}

/// Plans. What does not fit is shown like what fits, and ends with 3.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let places = Places::find()?;
    let config = UserConfig::read(places.config.as_deref(), &args.config)?;
    bounds::check(&config)?;
    let answer = answer(args, &config, &places)?;
    for warning in &answer.warnings {
        out::note(&format!("warning: {warning}"));
    }
    if args.json {
        out::json(&answer.json())?;
    } else {
        out::raw(&table::table(&answer))?;
    }
    let fits = answer.refusal.is_none() || answer.taken;
    Ok(if fits { ExitCode::SUCCESS } else { ExitCode::from(Kind::Refused.code()) })
}

fn answer(args: &Args, config: &UserConfig, places: &Places) -> Result<Answer, Error> {
    let (budget, holdings) = match &args.budget {
        Some(text) => (probe::with_headroom(memory::what_if(text)?, &config.memory), Vec::new()),
        None => (model::machine(config), Ledger::at(&places.ledger).holdings()?),
    };
    let machine = budget.clone();
    let budget = budget.less(&holdings);
    let has_devices = args.budget.is_some() && !budget.devices().is_empty();
    let wishes = wish::wishes(&args.models, &args.role, config, places)?;
    let choose = |wish: &Wish| {
        let asked = Asked {
            ctx: args.ctx,
            kv_type: args.kv_type.clone(),
            sequences: Some(wish.sequences(args.seqs.unwrap_or(1))),
            gpu_layers: args.ngl.or(has_devices.then_some(wish::ALL_LAYERS)),
            header_alone: args.headers,
        };
        model::choose(Some(&wish.asked), &asked, config, places)
    };
    let mut choices = wishes.iter().map(choose).collect::<Result<Vec<Choice>, Error>>()?;
    accompany(&mut choices, &wishes, args, |asked| Ok(find(asked, config, places)?.path))?;
    let basis = if args.headers || has_devices { Basis::Header } else { Basis::DryRun };
    let mut warnings: Vec<String> = Vec::new();
    let paths = choices.iter().flat_map(|choice| model::files(&choice.options)).collect();
    let mut meter = Meter::of(paths, budget.devices(), places);
    let mut measure = |choice: &Choice, options: &LoadOptions| {
        let (footprint, doubts) = match basis {
            Basis::DryRun => meter.measure(choice, options)?,
            Basis::Header => (guess(choice, options, &budget)?, Vec::new()),
        };
        warnings.extend(doubts);
        Ok::<Footprint, Error>(footprint)
    };
    let wanted = choices.iter().map(|choice| measure(choice, &choice.options));
    let footprints = wanted.collect::<Result<Vec<_>, Error>>()?;
    let refusal = memory::plan(footprints.clone(), &budget).err();
    let mut offers = Offers::default();
    if refusal.is_some() {
        offers = offer::offers(&choices, &footprints, &budget, &mut measure);
        offers.closing = offer::closing(&footprints, &machine, &holdings);
    }
    let Offers { alternatives, swap, closing } = offers;
    let taken = args.fit && !alternatives.is_empty();
    Ok(Answer {
        wishes,
        basis,
        footprints,
        warnings,
        budget,
        holdings,
        refusal,
        alternatives,
        swap,
        closing,
        taken,
    })
}

/// Puts beside each of `choices` what is to work with it: a flag goes over the configuration. `find` knows models by name.
fn accompany(
    choices: &mut [Choice],
    wishes: &[Wish],
    args: &Args,
    find: impl Fn(&Path) -> Result<PathBuf, Error>,
) -> Result<(), Error> {
    let of = |role| wishes.iter().position(|wish| wish.roles.contains(&role)).unwrap_or(0);
    if let Some(path) = &args.mmproj {
        choices[of(Role::Describer)].mmproj = Some(path.clone());
    }
    for choice in &mut *choices {
        if let Some(path) = &choice.mmproj {
            let path = model::absolute(path)?;
            choice.options.beside.push(Beside::Projector { path, on_cpu: false });
        }
    }
    if let Some(asked) = &args.draft {
        model::set_draft(&mut choices[of(Role::Coder)], asked, find)?;
    }
    Ok(())
}

fn guess(choice: &Choice, options: &LoadOptions, budget: &Budget) -> Result<Footprint, Error> {
    let devices = budget.devices();
    let mut footprint = estimate(&choice.header, &choice.name, options.clone(), &devices)?;
    for beside in &options.beside {
        // What has no file of its own was counted with the model.
        let Some(path) = beside.path() else { continue };
        let header = gguf::model(Path::new(path), Weights::Elsewhere)?;
        let rows = match beside {
            Beside::Projector { on_cpu: true, .. } => projector(&header, &[])?,
            Beside::Projector { on_cpu: false, .. } => projector(&header, &devices)?,
            Beside::Draft { .. } => draft(estimate(&header, "draft", options.clone(), &devices)?),
            Beside::Mtp => Vec::new(),
        };
        footprint.rows.extend(rows);
    }
    Ok(footprint)
}

impl Answer {
    /// Returns the form that `docs/plan.schema.json` describes.
    fn json(&self) -> Value {
        let basis = match self.basis {
            Basis::DryRun => "dry_run",
            Basis::Header => "header",
        };
        let roles = self.wishes.iter().map(|wish| json!(wish.roles)).collect::<Vec<_>>();
        let alternatives = self.alternatives.iter().map(|alternative| {
            json!({
                "what": alternative.what, "loss": alternative.loss,
                "footprints": alternative.plan.footprints(),
            })
        });
        json!({
            "type": "memory_plan", "schema": 1, "fits": self.refusal.is_none(), "basis": basis,
            "footprints": self.footprints, "roles": roles, "budget": self.budget, "holdings": self.holdings,
            "refusal": self.refusal, "alternatives": alternatives.collect::<Vec<_>>(),
            "swap": self.swap.as_ref().map(|swap| self.swap_json(swap)),
            "closing": self.closing.iter().map(|holding| json!({
                "pid": holding.pid, "model": holding.footprint.model,
            })).collect::<Vec<_>>(),
            "taken": self.taken.then_some(0), "warnings": self.warnings,
        })
    }

    fn swap_json(&self, swap: &Swap) -> Value {
        let steps = swap.steps.iter().map(|step| {
            let park: Vec<&str> = step.park.iter().map(|at| self.name(*at)).collect();
            json!({
                "park": park, "load": self.name(step.load), "written": step.written, "read": step.read,
                "seconds": step.seconds(offer::DISK),
            })
        });
        json!({ "seconds": swap.seconds, "steps": steps.collect::<Vec<_>>() })
    }

    fn name(&self, at: usize) -> &str {
        &self.footprints[at].model
    }
}

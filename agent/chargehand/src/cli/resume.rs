//! `chargehand resume`: goes on where a run was interrupted, with a fresh worker and the limits anew.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use chargehand_core::contract::Contract;
use chargehand_core::report::Report;
use serde::Deserialize;
use serde_json::json;

use super::ask::Owner;
use super::autonomy;
use super::drive::{self, Hands, Job, ShowArgs};
use super::held::Asking;
use super::leave::{self, Leave};
use super::worker::{Hired, WorkerArgs, WorkerSpec};
use super::{fits, record, which};
use crate::audit::{Line, Log};
use crate::config::Places;
use crate::env::approvals::Approvals;
use crate::env::repo::Repo;
use crate::env::run_dir::{RunDir, Status};
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::signal::Interrupt;

/// Flags of `resume`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or `last`
    run: String,
    #[command(flatten)]
    worker: WorkerArgs,
    /// Lets the worker propose commands that the contract does not have: you are asked on the terminal each time
    #[arg(long)]
    attended: bool,
    #[command(flatten)]
    show: ShowArgs,
}

impl Args {
    /// Returns whether the output is for a program.
    pub(super) fn wants_json(&self) -> bool {
        self.show.json
    }
}

/// Goes on from the present state of the workspace.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let waiting = drive::at_once(args.wants_json())?;
    let places = Places::find()?;
    let mut dir = which::open(&places, &args.run)?;
    may_resume(&dir)?;
    let contract = record::contract(&dir)?;
    let (mut log, lines) = Log::reopen(&log_of(&dir)?)?;
    is_agreed(&dir, &contract, &lines)?;
    args.worker.may_review(&contract)?;
    // One that is gone is missed by whoever accepts, and what lies above it is none of ours.
    if fs::symlink_metadata(dir.file().repo.join(".git")).is_ok() {
        Repo::discover(&dir.file().repo)?.check_index()?;
    }
    let output = args.show.output_beside(&dir.file().repo)?;
    fits::spares(&Workspace::open(&dir)?, output.as_deref())?;
    if !args.worker.is_given() && args.worker.sets_model() {
        let message =
            "--ctx, --draft, --temperature, --seed and --reasoning go with a model of their own";
        return Err(Error::new(Kind::Usage, message)
            .hint("give -m too, or leave them out: the worker goes on as it was"));
    }
    let config = args.worker.config(&places)?;
    // Nothing has begun, so Ctrl-C ends the program at once.
    let unasked = Interrupt::default();
    let asking = Asking { config: &config, places: &places, interrupt: &unasked };
    let worker = if args.worker.is_given() {
        args.worker.choose(asking)?
    } else {
        let spec = earlier(&lines, "worker").ok_or_else(|| {
            Error::new(Kind::Failed, "the log of the run does not say who worked")
                .hint("give -m or --worker")
        })?;
        let spec = spec.as_it_was().map_err(|err| err.hint("give the model with -m"))?;
        let ready = spec.ready(asking)?;
        Hired { spec, ready }
    };
    let reviewer = match &contract.review {
        None => None,
        Some(_) => args.worker.choose_reviewer(&worker, earlier(&lines, "reviewer"), asking)?,
    };
    let Hired { spec, ready } = worker;
    let approvals = Approvals::of(&places.state, &dir.file().repo);
    let owner = Owner::at_the_terminal(args.attended, approvals);
    let attended = owner.is_some();
    let footing = autonomy::still(&contract, &spec, &places.state, attended)?;
    let interrupt = drive::listen()?;
    drop(waiting);
    let network = record::leave(&lines).network;
    let sandbox = leave::sandbox_for(&contract, Leave { attended, network })?;
    drive::go_on(&interrupt)?;
    dir.set_status(Status::Running)?;
    let other = reviewer.as_ref().map(|other| &other.spec);
    let facts = json!({
        "worker": spec, "reviewer": other, "attended": attended, "autonomy": footing,
    });
    log.write("resumed", json!({ "facts": facts }))?;
    let earlier = lines.iter().filter_map(Line::event).collect();
    args.show.drive(Job {
        dir,
        contract,
        spec,
        hands: Hands::Hired(ready),
        reviewer,
        sandbox,
        log,
        earlier,
        interrupt,
        owner,
    })
}

/// A run that came to a limit, or whose review is open, has its verdict and goes on all the same: the user grants the limits anew.
fn may_resume(dir: &RunDir) -> Result<(), Error> {
    let word = match dir.file().status {
        Status::Running => return Ok(()),
        Status::Done if was_cut_short(dir) => return Ok(()),
        Status::Done => "has its verdict",
        Status::Accepted => "was accepted",
        Status::Rejected => "was rejected",
    };
    let id = &dir.file().id;
    Err(Error::new(
        Kind::Refused,
        format!(
            "run {id} {word}; only a run that was interrupted, came to a limit, lost its worker or has an open review can be resumed"
        ),
    )
    .hint(format!("chargehand report {id} shows it")))
}

fn was_cut_short(dir: &RunDir) -> bool {
    let text = fs::read(dir.path().join("report.json")).unwrap_or_default();
    serde_json::from_slice(&text).is_ok_and(|report: Report| report.is_resumable())
}

/// Returns the log of a run that began: one that was killed while it was prepared has none.
fn log_of(dir: &RunDir) -> Result<PathBuf, Error> {
    let log = dir.path().join("events.jsonl");
    if fs::exists(&log).unwrap_or(true) {
        return Ok(log);
    }
    let id = &dir.file().id;
    let message = format!("run {id} was cut off before it began, or has lost its log");
    let hint = format!("`chargehand reject {id}` removes it; run the job again");
    Err(Error::new(Kind::Refused, message).hint(hint))
}

/// A run is held to the contract that it began with.
fn is_agreed(dir: &RunDir, contract: &Contract, lines: &[Line]) -> Result<(), Error> {
    let agrees = record::agreed(lines).as_ref() == Some(&contract.source);
    let file = match (agrees, record::belongs(dir, lines)) {
        (true, true) => return Ok(()),
        (false, _) => "contract.toml",
        (true, false) => "run.json",
    };
    let message = format!("{file} of run {} is not the one that it began with", dir.file().id);
    Err(Error::new(Kind::Refused, message).hint("put it back, or run the job again"))
}

/// Returns who worked, or reviewed, last.
fn earlier(lines: &[Line], key: &str) -> Option<WorkerSpec> {
    lines
        .iter()
        .rev()
        .find_map(|line| line.fields.get("facts")?.get(key))
        .and_then(|worker| WorkerSpec::deserialize(worker).ok())
}

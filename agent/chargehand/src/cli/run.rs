//! `chargehand run`: a job from its contract to its verdict.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chargehand_core::contract::Contract;
use serde_json::json;

use super::ask::Owner;
use super::autonomy;
use super::contract::ContractArgs;
use super::drive::{self, Hands, Job, ShowArgs};
use super::fits;
use super::out;
use super::worker::WorkerArgs;
use crate::audit::Log;
use crate::config::{Places, ProjectConfig};
use crate::env::approvals::Approvals;
use crate::env::repo::Repo;
use crate::env::run_dir::RunDir;
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::report::visible;
use crate::signal::Interrupt;

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    worker: WorkerArgs,
    /// The repository, instead of the one around the current folder
    #[arg(short = 'C', long = "cd", value_name = "DIR")]
    directory: Option<PathBuf>,
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

/// Does the job. Nothing is created before everything that can be checked was checked.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let waiting = drive::at_once(args.wants_json())?;
    let places = Places::find()?;
    let directory = args.directory.as_deref().unwrap_or(Path::new("."));
    let repo = Repo::discover(directory)?;
    keep_apart(&places, &repo)?;
    let contract = args.contract.contract(&ProjectConfig::read(repo.top())?, repo.top())?;
    warn_of_dirt(&repo, &contract);
    let (spec, ready) = args.worker.choose(&places, &Interrupt::default())?;
    fits::has_programs(&contract)?;
    let owner = Owner::at_the_terminal(args.attended, Approvals::of(&places.state, repo.top()));
    let attended = owner.is_some();
    let (contract, footing) = autonomy::settle(contract, &spec, &places.state, attended)?;
    let output = args.show.output_beside(&repo)?;
    let text = toml::to_string(&contract.source).map_err(|err| {
        Error::new(Kind::Bug, format!("the contract cannot be written as TOML: {err}"))
    })?;
    let interrupt = drive::listen()?;
    drop(waiting);
    let sandbox = drive::sandbox_for(&contract, attended)?;
    drive::go_on(&interrupt)?;
    let dir = RunDir::create(&places.state, &repo, &text)?;
    let workspace = Workspace::create(&dir, &repo)?;
    let begin = || {
        fits::held_against(&contract, &workspace)?;
        fits::spares(&workspace, output.as_deref())?;
        let base = &dir.file().base;
        let facts = json!({
            "worker": spec, "contract": contract.source, "base": base, "attended": attended,
            "autonomy": footing,
        });
        Ok::<_, Error>(Log::create(&dir.path().join("events.jsonl"), &dir.file().id, facts)?)
    };
    let log = begin().inspect_err(|_| dir.discard())?;
    drop(workspace);
    let earlier = Vec::new();
    args.show.drive(Job {
        dir,
        contract,
        spec,
        hands: Hands::Hired(ready),
        sandbox,
        log,
        earlier,
        interrupt,
        owner,
    })
}

/// The run begins at the last commit. Whoever has changes of his own where it may write must know that.
fn warn_of_dirt(repo: &Repo, contract: &Contract) {
    let scope = &contract.scope;
    let meets =
        |path: &str| scope.may_write(path) || scope.may_create(path) || scope.may_delete(path);
    // What cannot be looked at now is looked at by `accept`.
    let Ok(dirty) = repo.dirty(&meets) else { return };
    let Some(first) = dirty.first() else { return };
    let more = match dirty.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    out::note(&format!(
        "warning: {}{more}: changes that are not committed. The run begins at the last commit, and accept will refuse \
         while they are there; commit or stash them before the run",
        visible::line(first).text
    ));
}

/// A state folder inside the repository would make the private copy a part of what it copies.
fn keep_apart(places: &Places, repo: &Repo) -> Result<(), Error> {
    let state = nearest_real(&places.state);
    let top = repo.top().canonicalize().unwrap_or_else(|_| repo.top().to_owned());
    if !state.starts_with(&top) {
        return Ok(());
    }
    let message = format!(
        "the state folder {} lies inside the repository {}",
        state.display(),
        top.display()
    );
    Err(Error::new(Kind::Refused, message).hint("set CHARGEHAND_HOME to a folder outside of it"))
}

/// Returns `path` with the links of what exists of it resolved.
fn nearest_real(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (above.canonicalize(), path.strip_prefix(above)) {
            return real.join(rest);
        }
    }
    path.to_owned()
}

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
use super::held::Asking;
use super::leave::{self, Leave};
use super::out;
use super::record;
use super::worker::{Hired, WorkerArgs};
use crate::audit::Log;
use crate::config::{Places, ProjectConfig};
use crate::env::approvals::Approvals;
use crate::env::repo::Repo;
use crate::env::run_dir::RunDir;
use crate::env::store::bound;
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
    /// Lets the checks that say `network = true` in the contract reach whatever this machine reaches
    #[arg(long)]
    network: bool,
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
    args.worker.may_review(&contract)?;
    repo.head()?.commit.map_or(Ok(()), |commit| bound(&repo, &commit))?;
    repo.check_index()?;
    warn_of_dirt(&repo, &contract);
    fits::has_programs(&contract)?;
    let output = args.show.output_beside(repo.top())?;
    let owner = Owner::at_the_terminal(args.attended, Approvals::of(&places.state, repo.top()));
    let attended = owner.is_some();
    // The last that is looked at before it takes time: a model is hashed, counted and waited for.
    let (config, unasked) = (args.worker.config(&places)?, Interrupt::default());
    let asking = Asking { config: &config, places: &places, interrupt: &unasked };
    let worker = args.worker.choose(asking)?;
    let reviewer = match &contract.review {
        Some(_) => args.worker.choose_reviewer(&worker, None, asking)?,
        None => None,
    };
    let Hired { spec, ready } = worker;
    let (contract, footing) = autonomy::settle(contract, &spec, &places.state, attended)?;
    let text = toml::to_string(&contract.source).map_err(|err| {
        Error::new(Kind::Bug, format!("the contract cannot be written as TOML: {err}"))
    })?;
    let interrupt = drive::listen()?;
    drop(waiting);
    let network = args.network;
    let sandbox = leave::sandbox_for(&contract, Leave { attended, network })?;
    drive::go_on(&interrupt)?;
    let dir = RunDir::create(&places.state, &repo, &text)?;
    let workspace = Workspace::create(&dir, &repo)?;
    let begin = || {
        fits::held_against(&contract, &workspace)?;
        fits::spares(&workspace, output.as_deref())?;
        let facts = json!({
            "worker": spec, "reviewer": reviewer.as_ref().map(|other| &other.spec),
            "contract": contract.source, "attended": attended, "network": network,
            "base": dir.file().base, "repo": record::repo(&dir), "branch": dir.file().branch,
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
        reviewer,
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
    let mut dirty = repo.dirty_soon().unwrap_or_default();
    let told = in_the_way(repo, contract);
    dirty.retain(|path| meets(path) && told != Some(path));
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

/// What the user keeps without git stands where the result is to appear; an ignored file is in no status.
fn in_the_way<'c>(repo: &Repo, contract: &'c Contract) -> Option<&'c str> {
    let index = repo.git().index().ok()?;
    let is_unknown = |path: &&str| {
        let path = Path::new(path);
        index.get_path(path, 0).is_none() && repo.top().join(path).symlink_metadata().is_ok()
    };
    let path = contract.scope.creatable().find(is_unknown)?;
    out::note(&format!(
        "warning: `{}` is to be created, and your checkout has it without git: accept will refuse while it is there; \
         move it away before the run",
        visible::line(path).text
    ));
    Some(path)
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

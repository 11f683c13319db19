//! A run from its folder to its verdict; `run` and `resume` differ only in what they begin with.

use std::fs;
use std::io;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chargehand_core::contract::Contract;
use chargehand_core::event::Event;
use chargehand_core::evidence::Evidence;
use chargehand_core::phase::Phase as JobPhase;
use chargehand_core::ports::{Stop, Watch};
use chargehand_core::report::{self, Report, SCHEMA};
use chargehand_core::runner::{self, Begin, Entry, Measured};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::ask::Owner;
use super::crew::{self, Pair, Reviewer};
use super::leave;
use super::measure::{self, Taken};
use super::out;
use super::site::RunSite;
use super::watch::{Brake, RunWatch};
use super::worker::{Ready, Started, WorkerSpec};
use crate::audit::{self, Log};
use crate::config;
use crate::env::dir::hex;
use crate::env::parking;
use crate::env::run_dir::{RunDir, Status};
use crate::env::sandbox::{COMMANDS, Sandbox};
use crate::env::workspace::{Changes, Workspace};
use crate::error::{Error, Kind};
use crate::signal::{AtOnce, Interrupt};
use crate::ui::{self, Json, Paint, Phase, Plain, Start, Terminal, View};

/// How a run is shown.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// Prints what happens as JSON lines, the report last
    #[arg(long)]
    pub(super) json: bool,
    /// Also writes the report, as JSON, to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Whoever does a job.
pub(super) enum Hands<'a> {
    /// Somebody who is started for it, and ends with it.
    Hired(Ready),
    /// Somebody who has done jobs before and stays.
    Kept(&'a mut Started),
}

/// A run that has everything it needs.
pub(super) struct Job<'a> {
    /// Its folder, locked.
    pub(super) dir: RunDir,
    /// What it is held to.
    pub(super) contract: Contract,
    /// Who works.
    pub(super) spec: WorkerSpec,
    /// The same in person.
    pub(super) hands: Hands<'a>,
    /// Who reviews, if somebody else does.
    pub(super) reviewer: Option<Reviewer>,
    /// What holds the commands; nothing without commands.
    pub(super) sandbox: Option<Sandbox>,
    /// Its log, to be gone on with.
    pub(super) log: Log,
    /// What the log says of earlier processes.
    pub(super) earlier: Vec<Event>,
    /// Whether the user wants an end.
    pub(super) interrupt: Interrupt,
    /// Whoever is asked about commands; nobody in an unattended run.
    pub(super) owner: Option<Owner>,
}

/// What the loop left behind.
struct Worked {
    stop: Stop,
    prompt_tokens: Option<u64>,
    /// What was measured last on the way.
    taken: Option<Taken>,
}

/// Lets Ctrl-C and SIGTERM end the program at once, until the result is dropped: a goal, a contract or a script may
/// be read from a pipe, and that cannot be asked to end.
pub(super) fn at_once(as_json: bool) -> Result<AtOnce, Error> {
    AtOnce::listen(move || out::report_error(&not_begun(), as_json)).map_err(deaf)
}

/// Ends a run that the user has interrupted before it began.
pub(super) fn go_on(interrupt: &Interrupt) -> Result<(), Error> {
    if interrupt.is_set() { Err(not_begun()) } else { Ok(()) }
}

fn not_begun() -> Error {
    Error::new(Kind::Interrupted, "interrupted before anything was begun")
}

/// Starts to listen for Ctrl-C and SIGTERM.
pub(super) fn listen() -> Result<Interrupt, Error> {
    Interrupt::listen().map_err(deaf)
}

fn deaf(err: io::Error) -> Error {
    Error::new(Kind::Failed, format!("cannot listen for Ctrl-C: {err}"))
}

impl ShowArgs {
    /// Runs `job` to its verdict, shows it, and returns the exit code that follows.
    pub(super) fn drive(&self, job: Job<'_>) -> Result<ExitCode, Error> {
        let mut view = self.view();
        let id = job.dir.file().id.clone();
        let report =
            job.go(view.as_mut()).inspect_err(|err| view.failed(&err.to_string())).map_err(
                |err| err.hint(format!("the run is kept; `chargehand resume {id}` goes on")),
            )?;
        if let Some(path) = &self.output {
            let json =
                serde_json::to_vec_pretty(&report).expect("our own types have text keys only");
            // As a redirection would: through a link, into a device.
            fs::write(path, &json).map_err(|err| {
                Error::new(Kind::Failed, format!("cannot write {}: {err}", path.display()))
            })?;
        }
        if let Some(why) = view.lost() {
            let message = format!("the run is complete, but stdout does not have all of it: {why}");
            let hint = format!("`chargehand report {}` shows the result", report.run);
            return Err(Error::new(Kind::Failed, message).hint(hint));
        }
        Ok(ExitCode::from(report.exit_code()))
    }

    /// Returns where in the repository at `top` the report goes, if it goes there.
    ///
    /// A report that could not be written is refused now and not when the job is done.
    pub(super) fn output_beside(&self, top: &Path) -> Result<Option<PathBuf>, Error> {
        let Some(path) = &self.output else { return Ok(None) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        let name = path.file_name().filter(|_| !path.is_dir());
        let (Ok(folder), Some(name)) = (folder, name) else {
            let message = format!("-o {}: there is no such folder, or it is one", path.display());
            return Err(Error::new(Kind::Usage, message));
        };
        let top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
        let real = path.canonicalize().unwrap_or_else(|_| folder.join(name));
        Ok(real.strip_prefix(top).ok().map(Path::to_owned))
    }

    fn view(&self) -> Box<dyn View> {
        let (no_color, term) = (config::no_color(), config::term());
        let paint = |is_terminal| Paint::of(is_terminal, no_color.as_deref(), term.as_deref());
        let (stderr, stdout) = (io::stderr().is_terminal(), io::stdout().is_terminal());
        if self.json {
            Box::new(Json::new(io::stdout()))
        } else if ui::can_redraw(stderr, term.as_deref()) {
            Box::new(Terminal::new(paint(stderr), paint(stdout)))
        } else {
            Box::new(Plain::new(io::stderr(), io::stdout()))
        }
    }
}

impl Job<'_> {
    /// Runs it to its verdict and returns the report.
    pub(super) fn go(mut self, view: &mut dyn View) -> Result<Report, Error> {
        let brake = Brake::new(self.interrupt.clone(), self.contract.limits.time);
        let reviewer = self.reviewer.take();
        let words = match &reviewer {
            Some(other) => format!("{}, reviewed by {}", self.spec.words(), other.spec.words()),
            None => self.spec.words(),
        };
        let file = self.dir.file().clone();
        view.begin(&Start {
            run: &file.id,
            worker: &words,
            base: file.base.as_deref(),
            contract: &self.contract.source,
        });
        let hired = match &self.hands {
            Hands::Hired(ready) => ready.plan(),
            Hands::Kept(_) => None,
        };
        let reviews = reviewer.as_ref().and_then(|reviewer| reviewer.ready.plan());
        [hired, reviews].into_iter().flatten().for_each(|plan| view.planned(plan));
        let earlier = std::mem::take(&mut self.earlier);
        let resumed = !earlier.is_empty();
        let entry = Entry::behind(&self.contract, &earlier);
        let under_way = entry.under_way(&earlier);
        let attended = self.owner.is_some();
        let watch = RunWatch::new(self.log, view, brake.clone(), earlier);
        let mut watch = watch.attended_by(self.owner);
        let harness = Harness {
            dir: &self.dir,
            contract: &self.contract,
            sandbox: self.sandbox.as_ref(),
            brake: &brake,
            resumed,
            attended,
            entry,
            under_way,
        };
        let worked = harness.work(self.hands, reviewer, &mut watch)?;
        let (phase, fixes) = (JobPhase::Verify, Vec::new());
        watch.see(&Event::PhaseStarted { phase, round: 0, fixes });
        let before = (worked.taken, &mut watch as &mut dyn Watch);
        let Taken { evidence, changes } =
            measure::measure(&self.contract, self.sandbox.as_ref(), &self.dir, &brake, before)?;
        let stop = if brake.is_interrupted() { Stop::Interrupted } else { worked.stop };
        let (verdict, violations) = Report::judge(&self.contract, &evidence);
        let turns = report::turns(watch.events());
        let began_ms =
            file.started.saturating_mul(1000).saturating_add(u64::from(file.started_millis));
        let report = Report {
            schema: SCHEMA,
            run: file.id,
            started: file.started,
            millis: audit::now_ms().saturating_sub(began_ms),
            base: file.base,
            worker: words,
            contract: self.contract.source.clone(),
            verdict,
            violations,
            evidence,
            tree: changes.tree.clone(),
            log_head: watch.log()?.head().to_owned(),
            claim: report::claim(watch.events()),
            review: report::reviewed(&self.contract, watch.events()),
            approvals: report::approvals(watch.events()),
            stop,
            totals: report::totals(&turns),
            turns,
            prompt_tokens: worked.prompt_tokens,
            sandbox: leave::layers(self.sandbox.as_ref(), &self.contract),
        };
        conclude(&mut self.dir, &report, &changes, &mut watch)?;
        Ok(report)
    }
}

/// What a worker is held by.
struct Harness<'a> {
    dir: &'a RunDir,
    contract: &'a Contract,
    sandbox: Option<&'a Sandbox>,
    brake: &'a Brake,
    /// Whether an earlier process may have changed the workspace.
    resumed: bool,
    /// Whether somebody is asked about commands.
    attended: bool,
    /// Where the job goes on.
    entry: Entry,
    /// What was done there before.
    under_way: Vec<Event>,
}

impl Harness<'_> {
    /// Lets the worker work until it ends or is ended. One who was hired is gone afterwards.
    fn work(
        &self,
        hands: Hands<'_>,
        reviewer: Option<Reviewer>,
        watch: &mut RunWatch<'_>,
    ) -> Result<Worked, Error> {
        let ready = match hands {
            Hands::Kept(worker) => return self.lead(worker, reviewer, watch),
            Hands::Hired(ready) => ready,
        };
        // Of no use to anybody: whoever wrote it was killed.
        self.dir.remove(&[parking::FOLDER, COMMANDS])?;
        let (ready, reviewer) = crew::with_places(ready, reviewer, self.dir.path())?;
        watch.view().phase(Phase::Loading);
        match ready.start(&|| self.brake.reason().is_some()) {
            Ok(mut worker) => self.lead(&mut worker, reviewer, watch),
            Err(err) => {
                let stop = match self.brake.reason() {
                    Some(stop) => stop,
                    // Another model than was planned, or none that can be loaded. Where nothing was done before,
                    // there is nothing to judge.
                    None if err.kind == Kind::Refused && !self.resumed => return Err(err),
                    None => Stop::WorkerFailed(err.to_string()),
                };
                watch.see(&Event::Stopped { stop: stop.clone() });
                Ok(Worked { stop, prompt_tokens: None, taken: None })
            }
        }
    }

    fn lead(
        &self,
        worker: &mut Started,
        reviewer: Option<Reviewer>,
        watch: &mut RunWatch<'_>,
    ) -> Result<Worked, Error> {
        let workspace = self.workspace()?;
        let changes = if self.resumed { workspace.measure()?.0.list } else { Vec::new() };
        let evidence = Evidence { changes, ..Evidence::default() };
        let begin = Begin {
            instructions: workspace.instructions(),
            entry: self.entry.clone(),
            under_way: self.under_way.clone(),
            measured: Measured { evidence, patch: String::new() },
            attended: self.attended,
        };
        let &Self { dir, contract, sandbox, brake, .. } = self;
        let mut site = RunSite { dir, contract, sandbox, brake, workspace, taken: None };
        let stop = || brake.reason().is_some();
        let mut crew = Pair::new(worker, reviewer, &stop);
        let stop = runner::run(contract, &mut crew, &mut site, watch, begin);
        // A log that could not be written comes first: it may be why the loop ended.
        watch.log()?;
        Ok(Worked { stop: stop?, prompt_tokens: worker.prompt_tokens(), taken: site.taken })
    }

    fn workspace(&self) -> Result<Workspace<'_>, Error> {
        let workspace =
            Workspace::open(self.dir)?.keeping_secrets(self.contract, &config::variables());
        let workspace = if self.attended { workspace.attended() } else { workspace };
        let Some(sandbox) = self.sandbox else { return Ok(workspace) };
        let stop = || self.brake.reason().is_some();
        Ok(workspace
            .protecting(&self.contract.scope)
            .with_checks(Box::new(move |check, copy| sandbox.run(check, copy, None, &stop))))
    }
}

/// Writes everything down, then says so. An interrupted run stays open, so that it can be resumed.
fn conclude(
    dir: &mut RunDir,
    report: &Report,
    changes: &Changes,
    watch: &mut RunWatch<'_>,
) -> Result<(), Error> {
    let json = measure::write_report(dir.path(), report, changes)?;
    let log = watch.log()?;
    let hash = |text: &[u8]| hex(&Sha256::digest(text));
    let facts = json!({
        "verdict": report.verdict,
        "exit_code": report.exit_code(),
        "diff_sha256": hash(changes.patch.as_bytes()),
        "report_sha256": hash(&json),
    });
    log.write("judged", facts)?;
    log.sync()?;
    if report.stop != Stop::Interrupted {
        dir.set_status(Status::Done)?;
    }
    watch.view().finished(report, dir.path());
    if dir.file().status == Status::Done
        && let Err(err) = dir.weigh()
    {
        // The verdict stands.
        out::note(&format!("warning: what the run takes of the disk is not known: {err}"));
    }
    Ok(())
}

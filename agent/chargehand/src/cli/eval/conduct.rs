//! `chargehand eval run`: each task in a repository of its own, through the very same loop, policy and checks as a
//! run, then held against what is right.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chargehand_core::contract::Gates;
use chargehand_core::eval::{Card, Suite, Task, Trial, grade, score};
use chargehand_core::event::Event;
use chargehand_core::evidence::CheckRun;
use chargehand_core::memory::Plan;
use chargehand_core::report::Report;
use chargehand_core::script::Script;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::progress::Progress;
use super::record::{Head, Record};
use super::subject::{Subject, SubjectArgs};
use super::{show, suite};
use crate::audit::{self, Log};
use crate::cli::drive::{self, Hands, Job};
use crate::cli::held::Asking;
use crate::cli::leave;
use crate::cli::worker::{Hired, Started, WorkerSpec, read_script};
use crate::cli::{card, out, whole};
use crate::config::Places;
use crate::env::dir::hex;
use crate::env::exam;
use crate::env::repo::Repo;
use crate::env::run_dir::RunDir;
use crate::env::sandbox::Sandbox;
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::signal::Interrupt;
use crate::ui::{Phase, Start, View};

/// Flags of `eval run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of tasks, or folders with such files; the built-in suite without any
    suite: Vec<PathBuf>,
    #[command(flatten)]
    subjects: SubjectArgs,
    /// Only tasks of this family
    #[arg(long, value_name = "FAMILY")]
    family: Vec<String>,
    /// At most so many tasks of each family
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// How often each task is done, each time with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// The seed of the first repetition; it matters with a temperature above 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    /// The weakest sandbox that commands may run in: 1 for namespaces of their own, 2 for Landlock and seccomp alone
    #[arg(long, value_name = "N", default_value_t = 1)]
    tier: u8,
    /// Goes on with an examination that was interrupted, or `last`; all other flags must be the same
    #[arg(long, value_name = "EVAL")]
    resume: Option<String>,
    /// Prints each trial as a JSON line, the figures last
    #[arg(long)]
    pub(super) json: bool,
}

/// Conducts an examination. It ends with 0 whatever the figures are; 130 where it was interrupted.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let places = Places::find()?;
    let suite = suite::read(&args.suite, &args.family, args.most)?;
    let subjects = args.subjects.subjects()?;
    for subject in &subjects {
        subject.ablation.check(|| subject.worker_args().file(&places))?;
    }
    let needs_sandbox = suite
        .tasks
        .iter()
        .any(|task| !task.contract.checks.is_empty() || !task.grade.checks.is_empty());
    let sandbox = needs_sandbox.then(Sandbox::detect).transpose()?;
    sandbox.as_ref().map_or(Ok(()), |sandbox| leave::permit(sandbox, args.tier))?;
    let interrupt = drive::listen()?;
    let now = Duration::from_millis(audit::now_ms());
    let head = Head {
        schema: 0,
        id: String::new(),
        started: now.as_secs(),
        subjects,
        suite: args.suite.clone(),
        tasks_sha256: hash(&suite),
        repeats: args.repeat,
        seed: args.seed,
    };
    let record = begin(&places.state, args.resume.as_deref(), head, now)?;
    let total = suite.tasks.len() * record.head.subjects.len() * args.repeat as usize;
    let progress = Progress::new(args.json, total, record.trials.len());
    let mut exam = Exam { suite, record, sandbox, interrupt, places, progress };
    let conducted = exam.conduct();
    exam.progress.end();
    conducted?;
    show::write_page(&exam.record)?;
    show::print(&exam.record, args.json)?;
    Ok(if exam.interrupt.is_set() {
        ExitCode::from(Kind::Interrupted.code())
    } else {
        ExitCode::SUCCESS
    })
}

/// Begins an examination, or opens the one that is to be gone on with.
fn begin(state: &Path, resume: Option<&str>, head: Head, now: Duration) -> Result<Record, Error> {
    let Some(id) = resume else { return Record::create(state, head, now) };
    let record = Record::open(state, id)?;
    let old = &record.head;
    let asked = |head: &Head| head.subjects.iter().map(Subject::asked).collect::<Vec<_>>();
    let subjects = asked(old) == asked(&head);
    let others =
        (&old.tasks_sha256, old.repeats, old.seed) == (&head.tasks_sha256, head.repeats, head.seed);
    if !subjects || !others {
        let message = format!("examination {} had other tasks, models or settings", old.id);
        return Err(Error::new(Kind::Usage, message).hint("begin a new one without --resume"));
    }
    record.mend()?;
    Ok(record)
}

fn hash(suite: &Suite) -> String {
    let json = serde_json::to_vec(suite).expect("our own types have text keys only");
    hex(&Sha256::digest(json))
}

/// An examination under way.
struct Exam {
    suite: Suite,
    record: Record,
    sandbox: Option<Sandbox>,
    interrupt: Interrupt,
    places: Places,
    progress: Progress,
}

impl Exam {
    fn conduct(&mut self) -> Result<(), Error> {
        let before = self.record.trials.len();
        for at in 0..self.record.head.subjects.len() {
            let subject = self.record.head.subjects[at].clone();
            if !self.is_over(at) {
                let Some((spec, mut worker)) = self.hire(at, &subject)? else { return Ok(()) };
                let contract = self.suite.tasks[0].contract();
                let contract = contract.map_err(|err| Error::new(Kind::Usage, err))?;
                subject.ablation.apply(&mut worker, &contract)?;
                self.examine(at, &subject, &spec, &mut worker)?;
            }
            // Also where something ended the program behind the last trial, so that no card was written.
            if self.is_over(at) {
                self.keep_card(at)?;
            }
        }
        if self.record.trials.len() > before { self.tell_what_counts() } else { Ok(()) }
    }

    /// Says once that tasks were done of which no card speaks, where there may be one.
    fn tell_what_counts(&self) -> Result<(), Error> {
        let mut subjects = self.record.head.subjects.iter();
        let may_have = subjects.any(|subject| subject.of.is_some() && subject.ablation.is_none());
        if may_have && suite::that_count(&self.suite)?.len() < self.suite.tasks.len() {
            self.progress.end();
            out::note(
                "note: no scorecard speaks of tasks of your own in families of the built-in suites",
            );
        }
        Ok(())
    }

    /// Returns whoever is examined; nobody, where the user did not want to wait.
    fn hire(
        &mut self,
        at: usize,
        subject: &Subject,
    ) -> Result<Option<(WorkerSpec, Started)>, Error> {
        if let Some(path) = &subject.scripts {
            let spec = WorkerSpec::Script { path: path.clone() };
            self.record.name_worker(at, spec.words(), None)?;
            return Ok(Some((spec, Started::Script(Script::of(Vec::new())))));
        }
        let args = subject.worker_args();
        let config = args.config(&self.places)?;
        let (places, interrupt) = (&self.places, &self.interrupt);
        let Hired { mut spec, ready } =
            args.choose(Asking { config: &config, places, interrupt })?;
        // Whoever is hampered gets no card.
        if subject.ablation.is_none() {
            spec = whole::hashed(spec, &self.places.state)?;
        }
        let mut gates = Gates::default();
        subject.switch(&mut gates)?;
        self.record.name_worker(at, spec.words(), card::fingerprint(&spec, &gates)?)?;
        let stop = self.interrupt.clone();
        match ready.start(&|| stop.is_set()) {
            Err(_) if stop.is_set() => Ok(None),
            started => Ok(Some((spec, started?))),
        }
    }

    /// Writes down what a model may be trusted with, where that was not done: on the card of whoever did the trials. What
    /// an examination that began later says of a family stays.
    fn keep_card(&self, at: usize) -> Result<(), Error> {
        let subject = &self.record.head.subjects[at];
        let Some(of) = subject.of.clone().filter(|_| subject.ablation.is_none()) else {
            return Ok(());
        };
        let counted = suite::that_count(&self.suite)?;
        let mut trials = self.record.trials.clone();
        trials.retain(|trial| counted.contains(&trial.task));
        let state = &self.places.state;
        let before = card::own(state, &of)?.unwrap_or_else(|| Card::new(of));
        let mut card = before.clone();
        card.take(&score(&trials, at), &self.record.head.id);
        if card == before {
            return Ok(());
        }
        let path = card::keep(state, &card)?;
        self.progress.end();
        out::note(&format!("scorecard of {}: {}", subject.label, path.display()));
        Ok(())
    }

    fn is_over(&self, subject: usize) -> bool {
        let repeats = self.record.head.repeats;
        let done =
            |task: &Task| (1..=repeats).all(|repeat| self.record.has(subject, &task.id, repeat));
        self.suite.tasks.iter().all(done)
    }

    fn examine(
        &mut self,
        at: usize,
        subject: &Subject,
        spec: &WorkerSpec,
        worker: &mut Started,
    ) -> Result<(), Error> {
        for repeat in 1..=self.record.head.repeats {
            for task in &self.suite.tasks.clone() {
                if self.interrupt.is_set() {
                    return Ok(());
                }
                if self.record.has(at, &task.id, repeat) {
                    continue;
                }
                let seed = self.record.head.seed.wrapping_add(repeat - 1);
                worker.begin(seed);
                if let Some(folder) = &subject.scripts {
                    *worker = Started::Script(script_of(folder, task)?);
                }
                let sitting = Sitting { exam: self, subject, task, spec };
                let Some(mut trial) = sitting.hold(worker)? else { return Ok(()) };
                (trial.subject, trial.repeat, trial.seed) = (at, repeat, seed);
                self.progress.tell(&subject.label, &trial)?;
                self.record.add(trial)?;
            }
        }
        Ok(())
    }
}

/// Returns the calls for a task; none, where nothing was written down for it.
fn script_of(folder: &Path, task: &Task) -> Result<Script, Error> {
    let path = folder.join(format!("{}.jsonl", task.id));
    if path.exists() { read_script(&path) } else { Ok(Script::of(Vec::new())) }
}

/// One task, about to be done by somebody.
struct Sitting<'a> {
    exam: &'a Exam,
    subject: &'a Subject,
    task: &'a Task,
    spec: &'a WorkerSpec,
}

impl Sitting<'_> {
    /// Has the task done in a folder that is gone afterwards. One that the user interrupts is no trial.
    fn hold(&self, worker: &mut Started) -> Result<Option<Trial>, Error> {
        let named = |err: std::io::Error| {
            Error::new(
                Kind::Failed,
                format!("cannot make a folder for task {}: {err}", self.task.id),
            )
        };
        let folder = tempfile::tempdir_in(self.exam.record.path()).map_err(named)?;
        let mut source = self.task.contract.clone();
        self.subject.switch(&mut source.gates)?;
        let task = Task { contract: source, ..self.task.clone() };
        let contract = task.contract().map_err(|err| Error::new(Kind::Usage, err))?;
        let top = folder.path().join("repository");
        exam::lay_out(&top, &task.files)?;
        let repo = Repo::discover(&top)?;
        let state = folder.path().join("state");
        let text = toml::to_string(&contract.source).map_err(|err| {
            Error::new(Kind::Bug, format!("the contract cannot be written as TOML: {err}"))
        })?;
        let dir = RunDir::create(&state, &repo, &text)?;
        drop(Workspace::create(&dir, &repo)?);
        let facts =
            json!({ "worker": self.spec, "contract": contract.source, "base": dir.file().base });
        let log = Log::create(&dir.path().join("events.jsonl"), &dir.file().id, facts)?;
        let id = dir.file().id.clone();
        let sandbox = (!contract.checks.is_empty()).then(|| self.exam.sandbox.clone()).flatten();
        let job = Job {
            dir,
            contract: contract.clone(),
            spec: self.spec.clone(),
            hands: Hands::Kept(worker),
            reviewer: None,
            sandbox,
            log,
            earlier: Vec::new(),
            interrupt: self.exam.interrupt.clone(),
            owner: None,
        };
        let report = job.go(&mut Silent)?;
        if self.exam.interrupt.is_set() {
            return Ok(None);
        }
        let dir = RunDir::open(&state, &id)?;
        let workspace = Workspace::open(&dir)?;
        let left = exam::left(&workspace).map_err(|err| Error::new(Kind::Failed, err))?;
        let runs = self.grader_runs(&workspace)?;
        // A command that the user ended says nothing about the model.
        if self.exam.interrupt.is_set() {
            return Ok(None);
        }
        let faults = grade(&task, &left, &report.stop, &runs);
        Ok(Some(Trial::count(&task, &contract, &report, &faults)))
    }

    /// Runs the commands of the grader in a copy of the result, with its hidden files laid over it.
    fn grader_runs(&self, workspace: &Workspace<'_>) -> Result<Vec<CheckRun>, Error> {
        let grader = &self.task.grade;
        let Some(sandbox) = self.exam.sandbox.as_ref().filter(|_| !grader.checks.is_empty()) else {
            return Ok(Vec::new());
        };
        let copy = workspace.final_copy()?;
        exam::put(&copy, &grader.hidden)?;
        let stop = || self.exam.interrupt.is_set();
        Ok(grader.checks.iter().map(|check| sandbox.run(check, &copy, None, &stop)).collect())
    }
}

/// Shows nothing of a single task.
struct Silent;

impl View for Silent {
    fn begin(&mut self, _: &Start<'_>) {}
    fn planned(&mut self, _: &Plan) {}
    fn phase(&mut self, _: Phase) {}
    fn event(&mut self, _: &Event) {}
    fn finished(&mut self, _: &Report, _: &Path) {}
    fn failed(&mut self, _: &str) {}
    fn lost(&self) -> Option<String> {
        None
    }
}

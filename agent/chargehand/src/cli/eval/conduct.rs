//! `chargehand eval run`: each task in a repository of its own, through the very same loop, policy and checks as a
//! run, then held against what is right.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chargehand_core::contract::Check;
use chargehand_core::eval::{
    Card, FamilyScore, Fingerprint, MIN_TASKS, Suite, Task, Trial, grade, is_telling, score,
};
use chargehand_core::event::Event;
use chargehand_core::evidence::CheckRun;
use chargehand_core::memory::Plan;
use chargehand_core::report::Report;
use clap::builder::RangedU64ValueParser;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::begin::{self, Candidate, Examinee};
use super::course::Course;
use super::progress::Progress;
use super::record::{Head, Record};
use super::subject::{Subject, SubjectArgs, script_of};
use super::{show, suite};
use crate::audit::{self, Log};
use crate::cli::drive::{self, Hands, Job};
use crate::cli::leave;
use crate::cli::worker::{Started, WorkerSpec};
use crate::cli::{card, out};
use crate::config::Places;
use crate::env::dir::hex;
use crate::env::exam;
use crate::env::repo::Repo;
use crate::env::run_dir::RunDir;
use crate::env::sandbox::Sandbox;
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::report::visible;
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
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    most: Option<usize>,
    /// How often each task is done, each time with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// The seed of the first repetition; it matters with a temperature above 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    /// The weakest sandbox that commands may run in: 1 for namespaces of their own, 2 for Landlock and seccomp alone
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
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
    let now = Duration::from_millis(audit::now_ms());
    let mut head = Head {
        schema: 0,
        id: String::new(),
        started: now.as_secs(),
        subjects: args.subjects.subjects()?,
        suite: suite::from_root(&args.suite)?,
        tasks_sha256: hash(&suite),
        repeats: args.repeat,
        seed: args.seed,
        course: Course::begun(suite.tasks.len()),
    };
    let earlier = args.resume.as_deref().map(|id| begin::reopen(id, &mut head, &places));
    let earlier = earlier.transpose()?;
    begin::check(&mut head.subjects, &suite, &places, |at| {
        earlier.as_ref().is_some_and(|record| begin::is_over(record, &suite, at))
    })?;
    let needs_sandbox = suite
        .tasks
        .iter()
        .any(|task| !task.contract.checks.is_empty() || !task.grade.checks.is_empty());
    let sandbox = needs_sandbox.then(Sandbox::detect).transpose()?;
    sandbox.as_ref().map_or(Ok(()), |sandbox| leave::permit(sandbox, args.tier))?;
    let interrupt = drive::listen()?;
    // Nothing is written before somebody is there to be examined: what was mistyped is no examination, nor the last one.
    let (record, waiting) = match earlier {
        Some(record) => (begin::go_on(record, &head)?, None),
        None => {
            let first = Candidate::of(&head.subjects[0], &places, &interrupt)?.start(&interrupt)?;
            let first = first.ok_or_else(|| {
                Error::new(
                    Kind::Interrupted,
                    "interrupted before the first task; nothing was written",
                )
            })?;
            (Record::create(&places.state, head, now)?, Some(first))
        }
    };
    let total = suite.tasks.len() * record.head.subjects.len() * args.repeat as usize;
    let before = record.trials.len();
    let progress = Progress::new(args.json, total, before);
    let mut exam = Exam { suite, record, waiting, sandbox, interrupt, places, progress };
    let conducted = exam.conduct();
    exam.progress.end();
    show::end(&mut exam.record, conducted, before, args.json)?;
    exam.tell_what_is_too_little()?;
    Ok(if exam.interrupt.is_set() {
        ExitCode::from(Kind::Interrupted.code())
    } else {
        ExitCode::SUCCESS
    })
}

fn hash(suite: &Suite) -> String {
    let json = serde_json::to_vec(suite).expect("our own types have text keys only");
    hex(&Sha256::digest(json))
}

/// An examination under way.
struct Exam {
    suite: Suite,
    record: Record,
    /// The first one, who was there before anything was written.
    waiting: Option<Examinee>,
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
                let Some(examinee) = self.hire(at, &subject)? else { return Ok(()) };
                let Examinee { spec, mut worker, .. } = examinee;
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
        let mut subjects = 0..self.record.head.subjects.len();
        if subjects.any(|at| self.of_card(at).is_some())
            && suite::that_count(&self.suite)?.len() < self.suite.tasks.len()
        {
            self.progress.end();
            out::note(
                "note: no scorecard speaks of tasks of your own in families of the built-in suites",
            );
        }
        Ok(())
    }

    /// Says which families had too few tasks for a card to speak of them.
    fn tell_what_is_too_little(&self) -> Result<(), Error> {
        if self.interrupt.is_set() {
            return Ok(());
        }
        let mut few = Vec::new();
        for at in (0..self.record.head.subjects.len()).filter(|at| self.of_card(*at).is_some()) {
            for score in self.scores_that_count(at)?.iter().filter(|score| score.family != "all") {
                let (tasks, family) = (score.tasks.of_all, &score.family);
                let text = format!("`{family}`: {tasks} task{}", if tasks == 1 { "" } else { "s" });
                if !is_telling(score.tasks, score.broken) && !few.contains(&text) {
                    few.push(text);
                }
            }
        }
        if !few.is_empty() {
            let each = if few.len() == 1 { "it counts" } else { "each counts" };
            let few = few.join(", ");
            out::note(&format!("note: {few}; from {MIN_TASKS} on {each} for `run`"));
        }
        Ok(())
    }

    /// Returns whoever is examined; nobody, where the user did not want to wait. Whoever goes on must be the same, which
    /// is known before it is loaded.
    fn hire(&mut self, at: usize, subject: &Subject) -> Result<Option<Examinee>, Error> {
        if let Some(first) = self.waiting.take() {
            self.record.name_worker(at, first.spec.words(), first.of.clone())?;
            return Ok(Some(first));
        }
        let candidate = Candidate::of(subject, &self.places, &self.interrupt)?;
        self.record.name_worker(at, candidate.spec.words(), candidate.of.clone())?;
        candidate.start(&self.interrupt)
    }

    /// Returns what the card of a subject would be about; of whoever is hampered there is none.
    fn of_card(&self, at: usize) -> Option<&Fingerprint> {
        let subject = &self.record.head.subjects[at];
        subject.of.as_ref().filter(|_| subject.ablation.is_none())
    }

    /// Returns the figures of a subject in tasks that a card may speak of.
    fn scores_that_count(&self, at: usize) -> Result<Vec<FamilyScore>, Error> {
        let counted = suite::that_count(&self.suite)?;
        let mut trials = self.record.trials.clone();
        trials.retain(|trial| counted.contains(&trial.task));
        Ok(score(&trials, at))
    }

    /// Writes down what a model may be trusted with, where that was not done: on the card of whoever did the trials. What
    /// an examination that began later says of a family stays.
    fn keep_card(&self, at: usize) -> Result<(), Error> {
        let Some(of) = self.of_card(at).cloned() else { return Ok(()) };
        let state = &self.places.state;
        let before = card::own(state, &of)?.unwrap_or_else(|| Card::new(of));
        let mut card = before.clone();
        let Head { id, suite, subjects, .. } = &self.record.head;
        let own = suite.iter().filter(|place| place.is_absolute());
        // One that is no text cannot be part of a command that a message says.
        let own: Option<Vec<_>> = own.map(|place| place.to_str().map(str::to_owned)).collect();
        card.take(&self.scores_that_count(at)?, id, &own.unwrap_or_default());
        if card == before {
            return Ok(());
        }
        let path = card::keep(state, &card)?;
        self.progress.end();
        let note = format!("scorecard of {}: {}", subjects[at].label, path.display());
        out::note(&visible::line(&note).text);
        Ok(())
    }

    fn is_over(&self, subject: usize) -> bool {
        begin::is_over(&self.record, &self.suite, subject)
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
                let Some((mut trial, report)) = sitting.hold(worker)? else { return Ok(()) };
                (trial.subject, trial.repeat, trial.seed) = (at, repeat, seed);
                self.progress.tell(&subject.label, &trial)?;
                self.record.add(trial, &report)?;
            }
        }
        Ok(())
    }
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
    fn hold(&self, worker: &mut Started) -> Result<Option<(Trial, Report)>, Error> {
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
        Ok(Some((Trial::count(&task, &contract, &report, &faults), report)))
    }

    /// Runs the commands of the grader in a copy of the result, with its hidden files laid over it.
    fn grader_runs(&self, workspace: &Workspace<'_>) -> Result<Vec<CheckRun>, Error> {
        let grader = &self.task.grade;
        let Some(sandbox) = self.exam.sandbox.as_ref().filter(|_| !grader.checks.is_empty()) else {
            return Ok(Vec::new());
        };
        let copy = workspace.final_copy()?;
        // What a worker made is its own fault, and no reason to end the examination.
        if let Some(path) = exam::in_the_way(&copy, grader.hidden.keys())? {
            let why = format!("something is in the way of the hidden file {path}");
            let not_started = |check: &Check| CheckRun::not_started(&check.name, &why);
            return Ok(grader.checks.iter().map(not_started).collect());
        }
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

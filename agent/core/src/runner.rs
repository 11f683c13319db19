//! A job in its phases: implement, and where the contract asks for a review, check, review and fix in turn; verify last.
//!
//! What is judged is measured at the end, whatever was said on the way.

use crate::agent::{self, Spent, Start, Task};
use crate::check::violations;
use crate::contract::Contract;
use crate::event::Event;
use crate::evidence::{Evidence, citable};
use crate::phase::Phase;
use crate::ports::{EnvError, Environment, Model, ModelError, Stop, Watch};
use crate::roles::Role;
use crate::tools;

/// Where a job is done.
pub trait Site {
    /// Why it cannot be.
    type Error: From<EnvError>;

    /// Returns the workspace.
    fn workspace(&mut self) -> &mut dyn Environment;

    /// Measures the workspace, and runs the commands of the contract.
    ///
    /// # Errors
    ///
    /// When the workspace cannot be read.
    fn measure(&mut self, watch: &mut dyn Watch) -> Result<Measured, Self::Error>;
}

/// Whoever works on a job. One model can do all of it, each time with a fresh context.
pub trait Crew {
    /// Returns whoever has the role `role` in this job. Somebody else may have to make room.
    ///
    /// # Errors
    ///
    /// When nobody can begin, which ends the job.
    fn take(&mut self, role: Role, watch: &mut dyn Watch) -> Result<&mut dyn Model, ModelError>;
}

impl<M: Model> Crew for M {
    fn take(&mut self, _: Role, _: &mut dyn Watch) -> Result<&mut dyn Model, ModelError> {
        Ok(self)
    }
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// All that decides.
    pub evidence: Evidence,
    /// The change as people read it.
    pub patch: String,
}

/// How a job is begun, or gone on with.
#[derive(Clone, Debug, Default)]
pub struct Begin {
    /// The repository's own instructions.
    pub instructions: Option<String>,
    /// Where.
    pub entry: Entry,
    /// What was done there before.
    pub under_way: Vec<Event>,
    /// In what the workspace differs from the base already.
    pub measured: Measured,
    /// Whether somebody looks on who can be asked about a command.
    pub attended: bool,
}

/// Where a job goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// With work: the job itself in round 0, fixes in later ones.
    Work {
        /// How often it was sent back.
        round: u32,
        /// What is to be mended.
        fixes: Vec<String>,
    },
    /// Behind work that is done, with what its worker said.
    Check {
        /// How often it was sent back.
        round: u32,
        /// What its worker said.
        claim: String,
    },
}

impl Default for Entry {
    fn default() -> Self {
        Self::Work { round: 0, fixes: Vec::new() }
    }
}

impl Entry {
    /// Returns where a run goes on of which `events` are known. Work that its worker called done is not done again; work
    /// that was sent back too often is sent back once more.
    #[must_use]
    pub fn behind(contract: &Contract, events: &[Event]) -> Self {
        let (mut entry, mut sent_back) = (Self::default(), Vec::new());
        for event in events {
            match event {
                Event::PhaseStarted { phase, round, fixes } if phase.is_work() => {
                    entry = Self::Work { round: *round, fixes: fixes.clone() };
                }
                Event::Reviewed { opinion, .. } => {
                    sent_back = opinion.fixes(contract.criteria());
                }
                Event::Stopped { stop } => entry = entry.stopped(stop, &sent_back),
                Event::PhaseStarted { .. }
                | Event::TurnStarted { .. }
                | Event::Tokens { .. }
                | Event::Reasoned { .. }
                | Event::Called { .. }
                | Event::Malformed { .. }
                | Event::Observed { .. }
                | Event::Checked { .. }
                | Event::Proposed { .. }
                | Event::ModelChanged(_)
                | Event::MemoryWarned { .. }
                | Event::WorkerRestarted { .. } => {}
            }
        }
        entry
    }

    /// Returns what `events` tell of the work that is gone on with: its worker goes on behind that.
    #[must_use]
    pub fn under_way(&self, events: &[Event]) -> Vec<Event> {
        let Self::Work { round: wanted, .. } = self else { return Vec::new() };
        // A log of before there were phases has none.
        let mut is_it = *wanted == 0;
        let mut of_it = |event: &&Event| {
            if let Event::PhaseStarted { phase, round, .. } = event {
                is_it = phase.is_work() && round == wanted;
            }
            is_it
        };
        events.iter().filter(|event| of_it(event)).cloned().collect()
    }

    fn stopped(self, stop: &Stop, sent_back: &[String]) -> Self {
        let round = self.round();
        match stop {
            Stop::Finished(claim) => Self::Check { round, claim: claim.clone() },
            Stop::RoundLimit(_) => Self::Work { round: round + 1, fixes: sent_back.to_vec() },
            Stop::Asked(_)
            | Stop::Reviewed(_)
            | Stop::ScriptEnded
            | Stop::TurnLimit(_)
            | Stop::TokenLimit(_)
            | Stop::TimeLimit(_)
            | Stop::ContextLimit(_)
            | Stop::Interrupted
            | Stop::WorkerFailed(_) => self,
        }
    }

    fn round(&self) -> u32 {
        match self {
            Self::Work { round, .. } | Self::Check { round, .. } => *round,
        }
    }

    /// Returns how often the work was sent back before.
    fn behind_it(&self) -> u32 {
        match self {
            Self::Work { round, .. } => round.saturating_sub(1),
            Self::Check { round, .. } => *round,
        }
    }
}

/// A job under way.
struct Job<'j, S> {
    contract: &'j Contract,
    crew: &'j mut dyn Crew,
    site: &'j mut S,
    watch: &'j mut dyn Watch,
    instructions: Option<String>,
    attended: bool,
    measured: Measured,
    spent: Spent,
    under_way: Vec<Event>,
}

/// Runs a job through its phases, and returns why it ended. What is judged is to be measured then.
///
/// # Errors
///
/// Only when the workspace cannot be read.
pub fn run<S: Site>(
    contract: &Contract,
    crew: &mut dyn Crew,
    site: &mut S,
    watch: &mut dyn Watch,
    begin: Begin,
) -> Result<Stop, S::Error> {
    let Begin { instructions, entry, under_way, measured, attended } = begin;
    let rounds = contract.review.as_ref().map_or(0, |review| review.rounds);
    let last = entry.behind_it().saturating_add(rounds);
    let spent = Spent::default();
    let mut job =
        Job { contract, crew, site, watch, instructions, attended, measured, spent, under_way };
    let mut entry = entry;
    loop {
        let (round, stop) = match entry {
            Entry::Work { round, fixes } => (round, job.work(round, &fixes)?),
            Entry::Check { round, claim } => (round, Stop::Finished(claim)),
        };
        if contract.review.is_none() || !matches!(stop, Stop::Finished(_)) {
            return Ok(stop);
        }
        let fixes = match job.look(round)? {
            Look::Stopped(stop) => return Ok(stop),
            Look::Approved => return Ok(stop),
            // The verdict says what is wrong; no limit hid it.
            Look::Broken(_) if round >= last => return Ok(stop),
            Look::Wanting(_) if round >= last => {
                let stop = Stop::RoundLimit(rounds);
                job.watch.see(&Event::Stopped { stop: stop.clone() });
                return Ok(stop);
            }
            Look::Broken(fixes) | Look::Wanting(fixes) => fixes,
        };
        entry = Entry::Work { round: round + 1, fixes };
    }
}

/// What came of looking at finished work.
enum Look {
    /// It is not to be gone on.
    Stopped(Stop),
    /// It keeps its contract, and a review approves of it.
    Approved,
    /// It breaks its contract.
    Broken(Vec<String>),
    /// It keeps its contract, and a review wants these.
    Wanting(Vec<String>),
}

impl<S: Site> Job<'_, S> {
    fn enter(&mut self, phase: Phase, round: u32, fixes: &[String]) {
        self.watch.see(&Event::PhaseStarted { phase, round, fixes: fixes.to_vec() });
    }

    fn work(&mut self, round: u32, fixes: &[String]) -> Result<Stop, S::Error> {
        let task = if round == 0 { Task::Implement } else { Task::Fix(fixes) };
        self.enter(task.phase(), round, fixes);
        // Later rounds begin afresh.
        let earlier = std::mem::take(&mut self.under_way);
        let start = Start {
            instructions: self.instructions.as_deref(),
            changes: &self.measured.evidence.changes,
            task,
            attended: self.attended,
            spent: self.spent,
            earlier: &earlier,
        };
        let model = match self.crew.take(Role::Coder, self.watch) {
            Ok(model) => model,
            Err(err) => return Ok(absent(&err, self.watch)),
        };
        let run = agent::run(self.contract, model, self.site.workspace(), self.watch, start)?;
        self.spent = run.spent;
        Ok(run.stop)
    }

    /// Measures, and has work reviewed that keeps its contract.
    fn look(&mut self, round: u32) -> Result<Look, S::Error> {
        self.enter(Phase::Check, round, &[]);
        self.measured = self.site.measure(self.watch)?;
        if let Some(stop) = self.watch.stop() {
            return Ok(Look::Stopped(stop));
        }
        let found = violations(self.contract, &self.measured.evidence);
        if !found.is_empty() {
            let fixes = found.iter().map(|found| format!("{}: {}", found.subject, found.message));
            return Ok(Look::Broken(fixes.map(|fix| self.readable(&fix)).collect()));
        }
        self.review(round)
    }

    fn review(&mut self, round: u32) -> Result<Look, S::Error> {
        self.enter(Phase::Review, round, &[]);
        let patch = self.readable(&self.measured.patch.clone());
        let Evidence { changes, guarded, .. } = &self.measured.evidence;
        let citable = citable(self.contract, changes, guarded);
        let task = Task::Review { patch: &patch, citable: &citable };
        let start = Start { changes, task, spent: self.spent, ..Start::default() };
        let model = match self.crew.take(Role::Judge, self.watch) {
            Ok(model) => model,
            Err(err) => return Ok(Look::Stopped(absent(&err, self.watch))),
        };
        let run = agent::run(self.contract, model, self.site.workspace(), self.watch, start)?;
        self.spent = run.spent;
        let Stop::Reviewed(_) = run.stop else { return Ok(Look::Stopped(run.stop)) };
        let opinion = run.opinion;
        self.watch.see(&Event::Reviewed { round, opinion: opinion.clone() });
        let criteria = self.contract.criteria();
        Ok(if opinion.approves(criteria.len()) {
            Look::Approved
        } else {
            let fixes = opinion.fixes(criteria).into_iter();
            Look::Wanting(fixes.map(|fix| self.readable(&fix)).collect())
        })
    }

    /// Returns `text` as a worker may read it: without secrets, and with nothing that nobody sees.
    fn readable(&mut self, text: &str) -> String {
        tools::spelt_out(self.site.workspace().secrets().mask(text).into_owned())
    }
}

/// Ends a job for which somebody could not begin.
fn absent(err: &ModelError, watch: &mut dyn Watch) -> Stop {
    let stop = watch.stop().unwrap_or_else(|| Stop::WorkerFailed(err.to_string()));
    watch.see(&Event::Stopped { stop: stop.clone() });
    stop
}

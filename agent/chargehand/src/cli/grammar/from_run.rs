//! The grammar of a turn of a recorded run. The log holds its text and its digests, and not what its rules are bound
//! to: the run is played again on its base up to that turn, and all is made of the state it has then.

use std::path::Path;
use std::vec::IntoIter;

use chargehand_core::agent::{self, Start, Task};
use chargehand_core::contract::{Contract, Limits};
use chargehand_core::event::{Approval, Event};
use chargehand_core::evidence::citable;
use chargehand_core::phase::Phase;
use chargehand_core::ports::{Answer, Model, ModelError, Reply, Request, Stop, Usage, Watch};
use chargehand_core::tool::Envelope;
use chargehand_grammar::Bindings;
use serde::Deserialize;

use crate::audit::{self, Held, Line};
use crate::cli::worker::{self, WorkerSpec};
use crate::cli::{drive, record, which};
use crate::config::Places;
use crate::env::lab;
use crate::env::run_dir::RunDir;
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::signal::Interrupt;

/// What the call of a turn was held to.
pub(super) struct Found {
    /// The run.
    pub(super) run: String,
    /// The text of the grammar.
    pub(super) gbnf: String,
    /// What its rules are bound to.
    pub(super) bindings: Bindings,
}

/// Returns what the turn `turn`, counted from 1 over all of the run, was held to.
pub(super) fn find(run: &str, turn: u32) -> Result<Found, Error> {
    let interrupt = drive::listen()?;
    let places = Places::find()?;
    let dir = which::open(&places, run)?;
    let id = dir.file().id.clone();
    let lines = audit::read(&dir.path().join("events.jsonl"))?;
    let sittings = sittings(&lines);
    let turns: u32 = sittings.iter().map(|sitting| sitting.turns).sum();
    if turn == 0 || turn > turns {
        let message = format!("run {id} has turns 1 to {turns}, and no turn {turn}");
        return Err(Error::new(Kind::Usage, message));
    }
    let contract = record::contract(&dir)?;
    let played = play(&dir, &contract, sittings, turn, &interrupt);
    let removed = Workspace::remove_replica(&dir);
    let (gbnf, bindings) = played?;
    removed?;
    let logged = lines.iter().filter_map(Line::grammar).find(|held| held.turn == turn);
    let again = Held::of(turn, &gbnf, &bindings);
    if logged.is_some_and(|then| Held { text: None, ..then } != again) {
        let message = format!(
            "turn {turn} of run {id} was held to another grammar than this program makes for it"
        );
        return Err(Error::new(Kind::Refused, message));
    }
    Ok(Found { run: id, gbnf, bindings })
}

/// What one process did in one phase of the run.
#[derive(Default)]
struct Sitting {
    spec: Option<WorkerSpec>,
    attended: bool,
    phase: Phase,
    /// What the user said of commands.
    approvals: Vec<Approval>,
    turns: u32,
    answers: Vec<Answer>,
    /// For each answer whether what came back was a success.
    outcomes: Vec<bool>,
}

fn sittings(lines: &[Line]) -> Vec<Sitting> {
    let mut sittings = vec![Sitting::default()];
    for line in lines {
        let event = line.event();
        if let Some(Event::PhaseStarted { phase, .. }) = event {
            let before = sittings.last();
            let (spec, attended) =
                before.map_or((None, false), |before| (before.spec.clone(), before.attended));
            sittings.push(Sitting { spec, attended, phase, ..Sitting::default() });
        } else if line.kind == "resumed" {
            sittings.push(Sitting::default());
        }
        let Some(last) = sittings.last_mut() else { continue };
        let fact = |name: &str| line.fields.get("facts").and_then(|facts| facts.get(name));
        if let Some(spec) = fact("worker").and_then(|spec| WorkerSpec::deserialize(spec).ok()) {
            last.spec = Some(spec);
            last.attended = fact("attended").is_some_and(|attended| *attended == true);
        }
        match event {
            Some(Event::TurnStarted { .. }) => last.turns += 1,
            Some(Event::Called { call, .. }) => last.answers.push(Answer::Call(call)),
            Some(Event::Malformed { text, reason, .. }) => {
                last.answers.push(Answer::Malformed { text, reason });
            }
            Some(Event::Observed { observation, .. }) => last.outcomes.push(observation.ok),
            Some(Event::Proposed { approval, .. }) => last.approvals.push(approval),
            Some(
                Event::PhaseStarted { .. }
                | Event::Reviewed { .. }
                | Event::Tokens { .. }
                | Event::Reasoned { .. }
                | Event::Checked { .. }
                | Event::WorkerRestarted { .. }
                | Event::MemoryWarned { .. }
                | Event::Stopped { .. },
            )
            | None => {}
        }
    }
    sittings
}

fn play(
    dir: &RunDir,
    contract: &Contract,
    sittings: Vec<Sitting>,
    turn: u32,
    interrupt: &Interrupt,
) -> Result<(String, Bindings), Error> {
    let limits = Limits { turns: u32::MAX, ..contract.limits.clone() };
    let contract = Contract { limits, ..contract.clone() };
    let attended = sittings.iter().any(|sitting| sitting.attended);
    let sandbox = drive::sandbox_for(&contract, attended)?;
    let mut workspace = Workspace::replica(dir)?;
    let stop = || interrupt.is_set();
    if let Some(sandbox) = &sandbox {
        workspace = workspace
            .protecting(&contract.scope)
            .with_checks(Box::new(move |check, copy| sandbox.run(check, copy, None, &stop)));
    }
    let mut left = turn;
    for sitting in sittings.into_iter().filter(|sitting| sitting.turns > 0) {
        let Sitting { spec, attended, phase, approvals, turns, answers, outcomes } = sitting;
        let is_last = left <= turns;
        let envelope = if is_last { envelope(spec.as_ref())? } else { Envelope::plain() };
        let stop_at = is_last.then_some(left);
        let mut player = Player { answers: answers.into_iter(), stop_at, envelope, held: None };
        let (expected, approvals) = (outcomes.into_iter(), approvals.into_iter());
        let mut witness = Witness { interrupt, expected, approvals, differs: None, turn: 0 };
        let changes = workspace.measure()?.0.list;
        let guarded = workspace.guarded(&contract.guards, &changes)?;
        let citable = citable(&contract, &changes, &guarded);
        // A grammar does not hang on what is to be mended, nor on how the change is shown.
        let task = match phase {
            Phase::Implement | Phase::Check | Phase::Verify => Task::Implement,
            Phase::Fix => Task::Fix(&[]),
            Phase::Review => Task::Review { patch: "", citable: &citable },
        };
        let start = Start { changes: &changes, task, attended, ..Start::default() };
        agent::run(&contract, &mut player, &mut workspace, &mut witness, start)?;
        if interrupt.is_set() {
            return Err(Error::new(Kind::Interrupted, "interrupted; nothing was changed"));
        }
        if let Some(differs) = witness.differs {
            let message = format!(
                "turn {} does not end as it did when it is played again, so the state of turn {turn} is not known",
                turn - left + differs
            );
            return Err(Error::new(Kind::Refused, message));
        }
        if let Some(held) = player.held {
            return Ok(held);
        }
        left = left.saturating_sub(turns);
    }
    let message =
        format!("the calls of the run do not lead to turn {turn} when they are played again");
    Err(Error::new(Kind::Refused, message))
}

/// Returns how the worker wrote its calls.
fn envelope(spec: Option<&WorkerSpec>) -> Result<Envelope, Error> {
    match spec {
        Some(WorkerSpec::Script { .. }) => Ok(Envelope::plain()),
        Some(WorkerSpec::Model { footprint, identity, .. }) => {
            let path = Path::new(&footprint.options.path);
            let found = worker::identify(path)?;
            if found != *identity {
                let message = format!("{} is not the file it was: its {found}", path.display());
                return Err(Error::new(Kind::Refused, message));
            }
            Ok(lab::envelope(path)?)
        }
        None => Err(Error::new(Kind::Failed, "the log of the run does not say who worked")),
    }
}

/// Gives the recorded answers, and keeps the grammar of one turn.
struct Player {
    answers: IntoIter<Answer>,
    /// The turn of this sitting whose grammar is wanted.
    stop_at: Option<u32>,
    envelope: Envelope,
    held: Option<(String, Bindings)>,
}

impl Model for Player {
    fn next_call(&mut self, request: &Request<'_>, _: &mut dyn Watch) -> Result<Reply, ModelError> {
        let answer = match &mut self.stop_at {
            Some(1) => {
                self.held = Some(request.menu.grammar(&self.envelope));
                Answer::Nothing
            }
            Some(left) => {
                *left -= 1;
                self.answers.next().unwrap_or(Answer::Nothing)
            }
            None => self.answers.next().unwrap_or(Answer::Nothing),
        };
        Ok(Reply { reasoning: None, answer, usage: Usage::default() })
    }
}

/// Holds what comes back against what came back then.
struct Witness<'a> {
    interrupt: &'a Interrupt,
    expected: IntoIter<bool>,
    /// What the user said then. Nothing runs again for it.
    approvals: IntoIter<Approval>,
    turn: u32,
    /// The first turn that ended in another way.
    differs: Option<u32>,
}

impl Watch for Witness<'_> {
    fn see(&mut self, event: &Event) {
        match event {
            Event::TurnStarted { .. } => self.turn += 1,
            Event::Observed { observation, .. } => {
                let is_same = self.expected.next().is_none_or(|then| then == observation.ok);
                self.differs = self.differs.or((!is_same).then_some(self.turn));
            }
            Event::PhaseStarted { .. }
            | Event::Tokens { .. }
            | Event::Reviewed { .. }
            | Event::Proposed { .. }
            | Event::Reasoned { .. }
            | Event::Called { .. }
            | Event::Malformed { .. }
            | Event::Checked { .. }
            | Event::WorkerRestarted { .. }
            | Event::MemoryWarned { .. }
            | Event::Stopped { .. } => {}
        }
    }

    fn approve(&mut self, _: &[String]) -> Approval {
        self.approvals.next().unwrap_or(Approval::Denied)
    }

    fn stop(&mut self) -> Option<Stop> {
        let differs = self.differs.map(|_| Stop::ScriptEnded);
        self.interrupt.is_set().then_some(Stop::Interrupted).or(differs)
    }
}

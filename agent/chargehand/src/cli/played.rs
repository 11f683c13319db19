//! The recorded calls of a run, played again on its base: to its end, or up to the grammar of one of its turns.
//!
//! Nothing of the run is changed; the second tree is thrown away.

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

use super::worker::{self, WorkerSpec};
use super::{leave, record};
use crate::audit::Line;
use crate::env::lab;
use crate::env::run_dir::RunDir;
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::signal::Interrupt;

/// How far a run is played.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Until {
    /// To its end, however its calls end this time.
    End,
    /// Up to this turn, counted from 1 over all of the run. The calls before it have to end as they did.
    Turn(u32),
}

/// Where that led.
#[derive(Debug)]
pub(super) struct Played {
    /// What tells the tree apart from others.
    pub(super) tree: String,
    /// The calls that were played.
    pub(super) calls: u32,
    /// The grammar of the turn that was wanted, and what its rules are bound to.
    pub(super) held: Option<(String, Bindings)>,
}

/// What one process did in one phase of the run.
#[derive(Default)]
pub(super) struct Sitting {
    spec: Option<WorkerSpec>,
    /// Who reviews, if somebody else does.
    reviewer: Option<WorkerSpec>,
    attended: bool,
    phase: Phase,
    /// What the user said of commands.
    approvals: Vec<Approval>,
    /// The turns that were begun.
    pub(super) turns: u32,
    answers: Vec<Answer>,
    /// For each answer whether what came back was a success.
    outcomes: Vec<bool>,
}

/// Returns what each process did in each phase: whoever begins has read no file yet.
pub(super) fn sittings(lines: &[Line]) -> Vec<Sitting> {
    let mut sittings = vec![Sitting::default()];
    for line in lines {
        let event = line.event();
        if let Some(Event::PhaseStarted { phase, .. }) = event {
            let (spec, reviewer, attended) =
                sittings.last().map_or_else(Default::default, |before| {
                    (before.spec.clone(), before.reviewer.clone(), before.attended)
                });
            sittings.push(Sitting { spec, reviewer, attended, phase, ..Sitting::default() });
        } else if line.kind == "resumed" {
            sittings.push(Sitting::default());
        }
        let Some(last) = sittings.last_mut() else { continue };
        let fact = |name: &str| line.fields.get("facts").and_then(|facts| facts.get(name));
        if let Some(spec) = fact("worker").and_then(|spec| WorkerSpec::deserialize(spec).ok()) {
            last.spec = Some(spec);
            last.reviewer = fact("reviewer").and_then(|spec| WorkerSpec::deserialize(spec).ok());
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
                | Event::ModelChanged(_)
                | Event::MemoryWarned { .. }
                | Event::Stopped { .. },
            )
            | None => {}
        }
    }
    sittings.retain(|sitting| sitting.turns > 0);
    sittings
}

/// Plays the calls in `lines`, the log of the run in `dir`.
pub(super) fn play(
    dir: &RunDir,
    contract: &Contract,
    lines: &[Line],
    interrupt: &Interrupt,
    until: Until,
) -> Result<Played, Error> {
    let played = Player { dir, interrupt, until }.play(contract, lines);
    let removed = Workspace::remove_replica(dir);
    let played = played?;
    removed?;
    Ok(played)
}

/// Whoever plays a run.
struct Player<'a> {
    dir: &'a RunDir,
    interrupt: &'a Interrupt,
    until: Until,
}

impl Player<'_> {
    fn play(&self, contract: &Contract, lines: &[Line]) -> Result<Played, Error> {
        // The calls are there already; a run that was resumed may have had more of them than its contract grants at once.
        let limits = Limits { turns: u32::MAX, ..contract.limits.clone() };
        let contract = &Contract { limits, ..contract.clone() };
        let sandbox = leave::sandbox_again(contract, record::leave(lines))?;
        let mut workspace = Workspace::replica(self.dir)?;
        let stop = || self.interrupt.is_set();
        if let Some(sandbox) = &sandbox {
            workspace = workspace
                .protecting(&contract.scope)
                .with_checks(Box::new(move |check, copy| sandbox.run(check, copy, None, &stop)));
        }
        let (mut before, mut calls) = (0, 0);
        for sitting in sittings(lines) {
            let turns = sitting.turns;
            let sat = self.sit(contract, &mut workspace, sitting, before)?;
            calls += sat.calls;
            if let Some(held) = sat.held {
                let tree = workspace.measure()?.0.tree;
                return Ok(Played { tree, calls, held: Some(held) });
            }
            before += turns;
        }
        Ok(Played { tree: workspace.measure()?.0.tree, calls, held: None })
    }

    /// Plays one sitting, behind as many turns as there were `before` it.
    fn sit(
        &self,
        contract: &Contract,
        workspace: &mut Workspace<'_>,
        sitting: Sitting,
        before: u32,
    ) -> Result<Sat, Error> {
        let Sitting { spec, reviewer, attended, phase, approvals, turns, answers, outcomes } =
            sitting;
        let spec = reviewer.filter(|_| phase == Phase::Review).or(spec);
        let wanted = match self.until {
            Until::Turn(turn) if turn > before && turn <= before + turns => Some(turn - before),
            Until::Turn(_) | Until::End => None,
        };
        let envelope = if wanted.is_some() { envelope(spec.as_ref())? } else { Envelope::plain() };
        let mut answers = Answers { answers: answers.into_iter(), wanted, envelope, held: None };
        let mut witness = Witness {
            interrupt: self.interrupt,
            expected: outcomes.into_iter(),
            approvals: approvals.into_iter(),
            strict: self.until != Until::End,
            differs: None,
            turn: 0,
            calls: 0,
        };
        let changes = workspace.measure()?.0.list;
        let guarded = workspace.guarded(&contract.guards, &changes)?;
        let citable = citable(contract, &changes, &guarded);
        // Neither a grammar nor a tree hangs on what is to be mended, nor on how the change is shown.
        let task = match phase {
            Phase::Implement | Phase::Check | Phase::Verify => Task::Implement,
            Phase::Fix => Task::Fix(&[]),
            Phase::Review => Task::Review { patch: "", citable: &citable },
        };
        let start = Start { changes: &changes, task, attended, ..Start::default() };
        agent::run(contract, &mut answers, workspace, &mut witness, start)?;
        if self.interrupt.is_set() {
            return Err(Error::new(Kind::Interrupted, "interrupted; nothing was changed"));
        }
        if let Some(differs) = witness.differs {
            let message = format!(
                "turn {} does not end as it did when it is played again, so the state behind it is not known",
                before + differs
            );
            return Err(Error::new(Kind::Refused, message));
        }
        Ok(Sat { calls: witness.calls, held: answers.held })
    }
}

/// What came of one sitting.
struct Sat {
    calls: u32,
    held: Option<(String, Bindings)>,
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
struct Answers {
    answers: IntoIter<Answer>,
    /// The turn of this sitting whose grammar is wanted.
    wanted: Option<u32>,
    envelope: Envelope,
    held: Option<(String, Bindings)>,
}

impl Model for Answers {
    fn next_call(&mut self, request: &Request<'_>, _: &mut dyn Watch) -> Result<Reply, ModelError> {
        let answer = match &mut self.wanted {
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
    /// Whether a call that ends in another way ends it all.
    strict: bool,
    turn: u32,
    calls: u32,
    /// The first turn that ended in another way.
    differs: Option<u32>,
}

impl Watch for Witness<'_> {
    fn see(&mut self, event: &Event) {
        match event {
            Event::TurnStarted { .. } => self.turn += 1,
            Event::Called { .. } => self.calls += 1,
            Event::Observed { observation, .. } => {
                let is_same = self.expected.next().is_none_or(|then| then == observation.ok);
                let differs = (self.strict && !is_same).then_some(self.turn);
                self.differs = self.differs.or(differs);
            }
            Event::PhaseStarted { .. }
            | Event::Tokens { .. }
            | Event::Reviewed { .. }
            | Event::Proposed { .. }
            | Event::Reasoned { .. }
            | Event::Malformed { .. }
            | Event::Checked { .. }
            | Event::WorkerRestarted { .. }
            | Event::ModelChanged(_)
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

//! Looks on while a run goes: writes the log, tells the view, and says stop.

use std::time::{Duration, Instant};

use chargehand_core::event::{Approval, Event};
use chargehand_core::ports::{Stop, Watch};
use chargehand_grammar::Bindings;

use super::ask::Owner;
use crate::audit::{AuditError, Log};
use crate::signal::Interrupt;
use crate::ui::{Phase, View};

/// When to stop, besides what the contract counts.
#[derive(Clone, Debug)]
pub(super) struct Brake {
    interrupt: Interrupt,
    deadline: Option<Instant>,
    time: Duration,
}

impl Brake {
    /// Returns a brake for a run that may take `time` from now on.
    pub(super) fn new(interrupt: Interrupt, time: Duration) -> Self {
        Self { interrupt, deadline: Instant::now().checked_add(time), time }
    }

    /// Returns why to stop.
    pub(super) fn reason(&self) -> Option<Stop> {
        if self.interrupt.is_set() {
            return Some(Stop::Interrupted);
        }
        let over = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        over.then_some(Stop::TimeLimit(self.time.as_secs()))
    }

    /// Returns whether the user wants an end, whatever the time.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }
}

/// The eyes of a run.
pub(super) struct RunWatch<'v> {
    log: Log,
    view: &'v mut dyn View,
    brake: Brake,
    events: Vec<Event>,
    /// Turns of an earlier process: they are counted on.
    turns_before: u32,
    turn: u32,
    failure: Option<AuditError>,
    /// Whoever is asked about commands; nobody in an unattended run.
    owner: Option<Owner>,
}

impl<'v> RunWatch<'v> {
    /// Returns a watch that goes on with `log` after the `earlier` events.
    pub(super) fn new(log: Log, view: &'v mut dyn View, brake: Brake, earlier: Vec<Event>) -> Self {
        let turns_before = earlier.iter().filter_map(turn_of).max().unwrap_or(0);
        let turn = turns_before;
        let (failure, owner) = (None, None);
        Self { log, view, brake, events: earlier, turns_before, turn, failure, owner }
    }

    /// Lets `owner` be asked about commands.
    pub(super) fn attended_by(self, owner: Option<Owner>) -> Self {
        Self { owner, ..self }
    }

    /// Returns the view.
    pub(super) fn view(&mut self) -> &mut dyn View {
        self.view
    }

    /// Returns everything that happened, also in earlier processes.
    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Returns the log, or why it could not be written.
    pub(super) fn log(&mut self) -> Result<&mut Log, AuditError> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(&mut self.log),
        }
    }

    fn write(&mut self, event: &Event) -> Result<(), AuditError> {
        self.log.event(event)?;
        if ends_turn(event) { self.log.sync() } else { Ok(()) }
    }
}

impl Watch for RunWatch<'_> {
    fn see(&mut self, event: &Event) {
        let event = count_on(event.clone(), self.turns_before);
        if self.failure.is_none() {
            self.failure = self.write(&event).err();
        }
        self.turn = turn_of(&event).unwrap_or(self.turn);
        if let Event::PhaseStarted { phase, .. } = &event {
            self.view.phase(Phase::of(*phase));
        }
        self.view.event(&event);
        if !matches!(event, Event::Tokens { .. }) {
            self.events.push(event);
        }
    }

    fn hold(&mut self, gbnf: &str, bindings: &Bindings) {
        if self.failure.is_none() {
            self.failure = self.log.grammar(self.turn, gbnf, bindings).err();
        }
    }

    fn approve(&mut self, command: &[String]) -> Approval {
        let Some(owner) = &self.owner else { return Approval::Denied };
        self.view.hold();
        owner.decide(command, &|| self.brake.reason().is_some())
    }

    fn stop(&mut self) -> Option<Stop> {
        // What cannot be written down must not happen.
        let failure = self.failure.as_ref().map(|err| Stop::WorkerFailed(err.to_string()));
        failure.or_else(|| self.brake.reason())
    }
}

fn ends_turn(event: &Event) -> bool {
    match event {
        // What was allowed is written down before it happens.
        Event::Proposed { .. }
        | Event::Reviewed { .. }
        | Event::Observed { .. }
        | Event::Malformed { .. }
        | Event::Stopped { .. } => true,
        Event::PhaseStarted { .. }
        | Event::TurnStarted { .. }
        | Event::Tokens { .. }
        | Event::Reasoned { .. }
        | Event::Called { .. }
        | Event::Checked { .. }
        | Event::WorkerRestarted { .. }
        | Event::ModelChanged(_)
        | Event::MemoryWarned { .. } => false,
    }
}

fn turn_of(event: &Event) -> Option<u32> {
    match event {
        Event::TurnStarted { turn, .. }
        | Event::Reasoned { turn, .. }
        | Event::Called { turn, .. }
        | Event::Malformed { turn, .. }
        | Event::Observed { turn, .. } => Some(*turn),
        Event::PhaseStarted { .. }
        | Event::Reviewed { .. }
        | Event::Proposed { .. }
        | Event::Tokens { .. }
        | Event::Checked { .. }
        | Event::WorkerRestarted { .. }
        | Event::ModelChanged(_)
        | Event::MemoryWarned { .. }
        | Event::Stopped { .. } => None,
    }
}

fn count_on(mut event: Event, before: u32) -> Event {
    match &mut event {
        Event::TurnStarted { turn, .. }
        | Event::Reasoned { turn, .. }
        | Event::Called { turn, .. }
        | Event::Malformed { turn, .. }
        | Event::Observed { turn, .. } => *turn += before,
        Event::PhaseStarted { .. }
        | Event::Reviewed { .. }
        | Event::Proposed { .. }
        | Event::Tokens { .. }
        | Event::Checked { .. }
        | Event::WorkerRestarted { .. }
        | Event::ModelChanged(_)
        | Event::MemoryWarned { .. }
        | Event::Stopped { .. } => {}
    }
    event
}

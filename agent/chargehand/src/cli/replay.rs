//! `chargehand replay`: plays the calls of a run again on the same base; the same tree must come out.

use std::process::ExitCode;

use chargehand_core::agent::{self, Start, Task};
use chargehand_core::contract::{Contract, Limits};
use chargehand_core::event::Event;
use chargehand_core::phase::Phase;
use chargehand_core::ports::{Stop, Watch};
use chargehand_core::script::Script;
use chargehand_core::tool::ToolCall;
use serde_json::json;

use super::record::{self, Record};
use super::{drive, out, which};
use crate::audit::{self, Line};
use crate::config::Places;
use crate::env::run_dir::RunDir;
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::signal::Interrupt;

/// Flags of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or `last`
    run: String,
    /// Prints the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Counts the turns, and stops when the user says so.
struct Counter {
    interrupt: Interrupt,
    calls: u32,
}

impl Watch for Counter {
    fn see(&mut self, event: &Event) {
        self.calls += u32::from(matches!(event, Event::Called { .. }));
    }

    fn stop(&mut self) -> Option<Stop> {
        self.interrupt.is_set().then_some(Stop::Interrupted)
    }
}

/// Replays. Nothing of the run is changed; the second tree is thrown away.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let interrupt = drive::listen()?;
    let places = Places::find()?;
    let dir = which::open(&places, &args.run)?;
    let record = Record::read(&dir)?;
    let mut counter = Counter { interrupt, calls: 0 };
    let played = play(&dir, &record, &mut counter);
    let removed = Workspace::remove_replica(&dir);
    let tree = played?;
    removed?;
    if counter.interrupt.is_set() {
        return Err(Error::new(Kind::Interrupted, "interrupted; nothing was changed"));
    }
    let (id, wanted) = (&dir.file().id, &record.report.tree);
    let same = tree == *wanted;
    if args.json {
        let calls = counter.calls;
        out::json(
            &json!({ "type": "replayed", "run": id, "calls": calls, "tree": tree, "same": same }),
        )?;
    } else if same {
        out::line(&format!("run {id}: {} calls lead to the same tree, {tree}", counter.calls))?;
    } else {
        out::line(&format!(
            "run {id}: {} calls lead to another tree, {tree}; the report has {wanted}",
            counter.calls
        ))?;
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(Kind::Violated.code()) })
}

/// Returns what tells the tree apart that the recorded calls lead to.
fn play(dir: &RunDir, record: &Record, counter: &mut Counter) -> Result<String, Error> {
    let contract = unlimited(&record.contract);
    let lines = audit::read(&dir.path().join("events.jsonl"))?;
    let sandbox = drive::sandbox_for(&contract, record::was_attended(&lines))?;
    let mut workspace = Workspace::replica(dir)?;
    let interrupt = counter.interrupt.clone();
    let stop = move || interrupt.is_set();
    if let Some(sandbox) = &sandbox {
        workspace = workspace
            .protecting(&contract.scope)
            .with_checks(Box::new(move |check, copy| sandbox.run(check, copy, None, &stop)));
    }
    for (phase, calls) in sittings(&lines) {
        let changes = workspace.measure()?.0.list;
        // Whoever reviews changes nothing, so nothing hangs on what it could cite.
        let task = match phase {
            Phase::Implement | Phase::Check | Phase::Verify => Task::Implement,
            Phase::Fix => Task::Fix(&[]),
            Phase::Review => Task::Review { patch: "", citable: &[] },
        };
        let start = Start { changes: &changes, task, ..Start::default() };
        agent::run(&contract, &mut Script::of(calls), &mut workspace, counter, start)?;
    }
    Ok(workspace.measure()?.0.tree)
}

/// Returns the calls of each phase in each process that worked on the run: whoever begins has read no file yet.
fn sittings(lines: &[Line]) -> Vec<(Phase, Vec<ToolCall>)> {
    let mut sittings = vec![(Phase::Implement, Vec::new())];
    for line in lines {
        match line.event() {
            Some(Event::PhaseStarted { phase, .. }) => sittings.push((phase, Vec::new())),
            Some(Event::Called { call, .. }) => {
                sittings
                    .iter_mut()
                    .last()
                    .into_iter()
                    .for_each(|(_, calls)| calls.push(call.clone()));
            }
            // A log of before phases were told.
            None if line.kind == "resumed" => sittings.push((Phase::Implement, Vec::new())),
            Some(
                Event::TurnStarted { .. }
                | Event::Tokens { .. }
                | Event::Reasoned { .. }
                | Event::Malformed { .. }
                | Event::Observed { .. }
                | Event::Checked { .. }
                | Event::Reviewed { .. }
                | Event::Proposed { .. }
                | Event::WorkerRestarted { .. }
                | Event::MemoryWarned { .. }
                | Event::Stopped { .. },
            )
            | None => {}
        }
    }
    sittings.retain(|(_, calls)| !calls.is_empty());
    sittings
}

/// The calls are there already; a run that was resumed may have had more of them than its contract grants at once.
fn unlimited(contract: &Contract) -> Contract {
    Contract { limits: Limits { turns: u32::MAX, ..contract.limits.clone() }, ..contract.clone() }
}

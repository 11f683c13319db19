//! The report of a run: its wire form, which strangers read, and how it is put together from the evidence.

use serde::{Deserialize, Serialize};

use crate::check::{Violation, violations};
use crate::contract::{Contract, ContractFile};
use crate::event::{Approval, Event};
use crate::evidence::Evidence;
use crate::menu::Shut;
use crate::opinion::Opinion;
use crate::phase::Phase;
use crate::ports::{Stop, Usage};
use crate::tool::{Observation, ToolCall};

/// The version of the form below. A reader that knows another one must say so.
pub const SCHEMA: u32 = 1;

/// Whether the result keeps its contract.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was measured keeps the contract.
    Holds,
    /// Something does not.
    Violated,
}

/// `report.json`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The run's id.
    pub run: String,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// Wall-clock milliseconds from the first event to the verdict.
    pub millis: u64,
    /// The commit it started from, in hex; a repository without commits has none.
    pub base: Option<String>,
    /// Whoever proposed the calls: the model's name and file hash, or the script.
    pub worker: String,
    /// The contract as it was.
    pub contract: ContractFile,
    /// What follows from the evidence alone.
    pub verdict: Verdict,
    /// Every breach.
    pub violations: Vec<Violation>,
    /// What was measured.
    pub evidence: Evidence,
    /// What tells this result from any other: a hash over every path of it.
    pub tree: String,
    /// The hash of the last line of the log before the verdict.
    pub log_head: String,
    /// What the worker says; it decides nothing.
    pub claim: Option<String>,
    /// What reviews said, where the contract asks for one. It decides nothing, and may leave the work open.
    #[serde(default)]
    pub review: Option<Reviewed>,
    /// The commands that were proposed, and what the user said.
    #[serde(default)]
    pub approvals: Vec<Approved>,
    /// Why the run ended.
    pub stop: Stop,
    /// The turns, in order.
    pub turns: Vec<Turn>,
    /// Sums over the turns.
    pub totals: Usage,
    /// Tokens of the system prompt and the tool descriptions, for a model.
    pub prompt_tokens: Option<u64>,
    /// Which layers held the commands that were run, in words.
    pub sandbox: Vec<String>,
}

/// What came of the reviews.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Reviewed {
    /// What the last word is.
    pub outcome: Outcome,
    /// Each time the work was looked at, in order.
    pub rounds: Vec<Round>,
}

/// How reviews ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The last review approves of what was judged.
    Approved,
    /// It does not, or there was none.
    Open,
}

/// One time that the work was looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Round {
    /// How often the work was sent back before.
    pub round: u32,
    /// What the review says; work that breaks its contract is not reviewed.
    pub opinion: Option<Opinion>,
    /// What the work was sent back with; nothing where it was not.
    pub fixes: Vec<String>,
}

/// A command that was proposed.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Approved {
    /// Program and arguments.
    pub command: Vec<String>,
    /// What the user said.
    pub approval: Approval,
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Turn {
    /// Counted from 1.
    pub turn: u32,
    /// The phase it belongs to.
    #[serde(default)]
    pub phase: Phase,
    /// What the gates shut, and why. A report of before they were told has none.
    #[serde(default)]
    pub gates: Vec<Shut>,
    /// The call, unless the worker said something that is none.
    pub call: Option<ToolCall>,
    /// What was said instead of a call.
    pub malformed: Option<String>,
    /// The answer, unless the call ended the run.
    pub observation: Option<Observation>,
    /// What it cost.
    pub usage: Usage,
}

impl Report {
    /// Holds `evidence` against `contract` and returns the verdict with its reasons.
    #[must_use]
    pub fn judge(contract: &Contract, evidence: &Evidence) -> (Verdict, Vec<Violation>) {
        let violations = violations(contract, evidence);
        let verdict = if violations.is_empty() { Verdict::Holds } else { Verdict::Violated };
        (verdict, violations)
    }

    /// Returns whether the contract asks for a review that does not approve of the result.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.review.as_ref().is_some_and(|review| review.outcome == Outcome::Open)
    }

    /// Returns the verdict, unless the run was interrupted: what was not measured to its end says nothing yet.
    #[must_use]
    pub fn judged(&self) -> Option<Verdict> {
        (self.stop != Stop::Interrupted).then_some(self.verdict)
    }

    /// Returns whether the run can be gone on with, although it may have its verdict.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        let is_cut = matches!(self.stop, Stop::Interrupted | Stop::WorkerFailed(_));
        is_cut || self.stop.is_limit() || self.is_open()
    }

    /// Returns the exit code of the run: 0 holds, 1 violated, 4 a limit was reached or its review is open, also where
    /// its reviewer could not go on, 74 the worker could not go on, 130 interrupted.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (&self.stop, self.verdict) {
            (Stop::Interrupted, _) => 130,
            // The work was called done, so it was the review that could not go on.
            (Stop::WorkerFailed(_), Verdict::Holds) if self.is_open() && self.claim.is_some() => 4,
            (Stop::WorkerFailed(_), _) => 74,
            (stop, _) if stop.is_limit() => 4,
            (_, Verdict::Holds) if self.is_open() => 4,
            (_, Verdict::Holds) => 0,
            (_, Verdict::Violated) => 1,
        }
    }
}

/// Returns the turns that a list of events tells of.
#[must_use]
pub fn turns(events: &[Event]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut shut = Vec::new();
    let mut now = Phase::default();
    for event in events {
        match event {
            Event::PhaseStarted { phase, .. } => now = *phase,
            Event::TurnStarted { gates, .. } => shut.clone_from(gates),
            Event::Called { turn, call, usage } => turns.push(Turn {
                turn: *turn,
                phase: now,
                gates: std::mem::take(&mut shut),
                call: Some(call.clone()),
                malformed: None,
                observation: None,
                usage: *usage,
            }),
            Event::Malformed { turn, text, usage, .. } => turns.push(Turn {
                turn: *turn,
                phase: now,
                gates: std::mem::take(&mut shut),
                call: None,
                malformed: Some(text.clone()),
                observation: None,
                usage: *usage,
            }),
            Event::Observed { turn, observation } => {
                if let Some(last) = turns.last_mut().filter(|last| last.turn == *turn) {
                    last.observation = Some(observation.clone());
                }
            }
            Event::Tokens { .. }
            | Event::Reasoned { .. }
            | Event::Checked { .. }
            | Event::Reviewed { .. }
            | Event::Proposed { .. }
            | Event::WorkerRestarted { .. }
            | Event::ModelChanged(_)
            | Event::MemoryWarned { .. }
            | Event::Stopped { .. } => {}
        }
    }
    turns
}

/// Returns what a list of events tells of the reviews that `contract` asks for.
#[must_use]
pub fn reviewed(contract: &Contract, events: &[Event]) -> Option<Reviewed> {
    let criteria = contract.review.as_ref()?.criteria.len();
    let mut rounds: Vec<Round> = Vec::new();
    for event in events {
        match event {
            // A run that goes on looks once more at what it has looked at.
            Event::PhaseStarted { phase: Phase::Check, round, .. } => {
                rounds.retain(|known| known.round != *round);
                rounds.push(Round { round: *round, ..Round::default() });
            }
            Event::PhaseStarted { phase: Phase::Fix, fixes, .. } => {
                rounds.iter_mut().last().into_iter().for_each(|last| last.fixes.clone_from(fixes));
            }
            Event::Reviewed { opinion, .. } => {
                let last = rounds.iter_mut().last();
                last.into_iter().for_each(|last| last.opinion = Some(opinion.clone()));
            }
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
            | Event::WorkerRestarted { .. }
            | Event::Stopped { .. } => {}
        }
    }
    let last = rounds.last().filter(|last| last.fixes.is_empty());
    let opinion = last.and_then(|last| last.opinion.as_ref());
    let approves = opinion.is_some_and(|opinion| opinion.approves(criteria));
    Some(Reviewed { outcome: if approves { Outcome::Approved } else { Outcome::Open }, rounds })
}

/// Returns the commands that were proposed.
#[must_use]
pub fn approvals(events: &[Event]) -> Vec<Approved> {
    let proposed = events.iter().filter_map(|event| match event {
        Event::Proposed { command, approval } => {
            Some(Approved { command: command.clone(), approval: *approval })
        }
        Event::PhaseStarted { .. }
        | Event::TurnStarted { .. }
        | Event::Tokens { .. }
        | Event::Reasoned { .. }
        | Event::Called { .. }
        | Event::Malformed { .. }
        | Event::Observed { .. }
        | Event::Checked { .. }
        | Event::Reviewed { .. }
        | Event::ModelChanged(_)
        | Event::MemoryWarned { .. }
        | Event::WorkerRestarted { .. }
        | Event::Stopped { .. } => None,
    });
    proposed.collect()
}

/// Returns the worker's last word on its work, unless somebody works on behind it.
#[must_use]
pub fn claim(events: &[Event]) -> Option<String> {
    let at = events
        .iter()
        .rposition(|event| matches!(event, Event::PhaseStarted { phase, .. } if phase.is_work()));
    events[at.unwrap_or(0)..].iter().find_map(|event| match event {
        Event::Stopped { stop: Stop::Finished(summary) } => Some(summary.clone()),
        _ => None,
    })
}

/// Returns the sums over `turns`.
#[must_use]
pub fn totals(turns: &[Turn]) -> Usage {
    turns.iter().fold(Usage::default(), |sum, turn| Usage {
        prompt_n: sum.prompt_n.saturating_add(turn.usage.prompt_n),
        cache_n: sum.cache_n.saturating_add(turn.usage.cache_n),
        prompt_ms: sum.prompt_ms + turn.usage.prompt_ms,
        predicted_n: sum.predicted_n.saturating_add(turn.usage.predicted_n),
        predicted_ms: sum.predicted_ms + turn.usage.predicted_ms,
    })
}

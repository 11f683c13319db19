//! The agent loop: ask for a call, run it, show the worker what came back.

mod earlier;

use crate::change::Change;
use crate::contract::Contract;
use crate::event::Event;
use crate::opinion::Opinion;
use crate::phase::{Phase, Seat};
use crate::ports::{Answer, EnvError, Environment, Model, ModelError, Request, Stop, Watch};
use crate::prompt;
use crate::rel_path::RelPath;
use crate::state::State;
use crate::tool::Observation;
use crate::tools::{self, Outcome};
use crate::transcript::Message;

/// This many answers in a row that are no call end the run.
const MAX_MALFORMED: u32 = 3;

/// Why a call with a secret in it is none.
const SECRET: &str = "the call has the value of a secret of this machine in it and was not run; write the name of the \
                      variable instead";

/// What a loop begins with, besides its contract.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start<'a> {
    /// The repository's own instructions (its `AGENTS.md`).
    pub instructions: Option<&'a str>,
    /// In what the workspace already differs from the base: a run that is resumed may only have to be finished.
    pub changes: &'a [Change],
    /// What the worker is there for.
    pub task: Task<'a>,
    /// Whether somebody looks on who can be asked about a command.
    pub attended: bool,
    /// What earlier loops of the run have used up.
    pub spent: Spent,
    /// What was said in this task by earlier processes: the worker goes on behind it.
    pub earlier: &'a [Event],
}

/// What a worker is there for.
#[derive(Clone, Copy, Debug, Default)]
pub enum Task<'a> {
    /// The job.
    #[default]
    Implement,
    /// To mend these, of work that is there.
    Fix(&'a [String]),
    /// To say what is wrong with a change.
    Review {
        /// The change.
        patch: &'a str,
        /// The ids that can be cited.
        citable: &'a [String],
    },
}

/// What a loop leaves behind.
#[derive(Debug)]
pub struct Run {
    /// Why it ended.
    pub stop: Stop,
    /// Everything that was said.
    pub transcript: Vec<Message>,
    /// What it says of the change, in a review.
    pub opinion: Opinion,
    /// What has been used up, with earlier loops.
    pub spent: Spent,
}

impl Task<'_> {
    /// Returns the phase it belongs to.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Implement => Phase::Implement,
            Self::Fix(_) => Phase::Fix,
            Self::Review { .. } => Phase::Review,
        }
    }
}

/// Runs the loop until the worker finishes, a limit is reached or somebody says stop.
///
/// # Errors
///
/// Only when the system fails the workspace. A tool that refuses, or a worker that fails, is part of the [`Run`].
pub fn run(
    contract: &Contract,
    model: &mut dyn Model,
    env: &mut dyn Environment,
    watch: &mut dyn Watch,
    start: Start<'_>,
) -> Result<Run, EnvError> {
    let files = env.files()?;
    // They come with the repository: nothing in them is hidden, and no secret.
    let instructions =
        start.instructions.map(|text| tools::spelt_out(env.secrets().mask(text).into_owned()));
    let mut transcript = start.opening(contract, &files, instructions.as_deref());
    transcript.extend(earlier::messages(start.earlier));
    let mut state = start.state(contract, files);
    let mut spent = Spent { malformed: 0, ..start.spent };
    let stop = loop {
        if let Some(stop) = watch.stop().or_else(|| spent.limit(contract)) {
            break stop;
        }
        let turn = spent.next_turn();
        let menu = tools::menu(&state);
        let mut open: Vec<String> =
            menu.entries.iter().map(|entry| entry.tool.to_owned()).collect();
        // A tool may stand there once for each file.
        open.dedup();
        watch.see(&Event::TurnStarted { turn, tools: open, gates: menu.gates.clone() });
        let max_tokens = spent.turn_tokens(contract);
        let reply = match model
            .next_call(&Request { messages: &transcript, menu: &menu, max_tokens }, watch)
        {
            Ok(reply) => reply,
            Err(err) => break watch.stop().unwrap_or_else(|| failed(err)),
        };
        // The count comes from a process that is not ours.
        spent.tokens = spent.tokens.saturating_add(reply.usage.predicted_n);
        if let Some(text) = reply.reasoning.map(|text| env.secrets().mask(&text).into_owned()) {
            watch.see(&Event::Reasoned { turn, text: text.clone() });
            transcript.push(Message::Reasoned(text));
        }
        match without_secrets(reply.answer, env) {
            Answer::Call(call) => {
                watch.see(&Event::Called { turn, call: call.clone(), usage: reply.usage });
                transcript.push(Message::Call(call.clone()));
                match tools::run(&call, &mut state, env, watch)? {
                    Outcome::Observed(observation) => {
                        observe(&mut transcript, watch, turn, observation);
                    }
                    Outcome::Stopped(stop) => break stop,
                }
                spent.malformed = 0;
            }
            Answer::Malformed { text, reason } => {
                let observation = Observation::failed(&reason);
                let usage = reply.usage;
                watch.see(&Event::Malformed { turn, text: text.clone(), reason, usage });
                transcript.push(Message::Malformed(text));
                observe(&mut transcript, watch, turn, observation);
                spent.malformed += 1;
            }
            Answer::Nothing => break Stop::ScriptEnded,
        }
    };
    watch.see(&Event::Stopped { stop: stop.clone() });
    Ok(Run { stop, transcript, opinion: state.opinion, spent })
}

impl Start<'_> {
    fn opening(
        &self,
        contract: &Contract,
        files: &[RelPath],
        instructions: Option<&str>,
    ) -> Vec<Message> {
        match self.task {
            Task::Implement => prompt::opening(contract, files, instructions),
            Task::Fix(fixes) => prompt::fix(contract, files, instructions, fixes),
            Task::Review { patch, citable } => {
                prompt::review(contract, self.changes, patch, citable)
            }
        }
    }

    fn state<'c>(&self, contract: &'c Contract, files: Vec<RelPath>) -> State<'c> {
        let mut state = State::new(contract, files, self.changes);
        state.seat = Seat { phase: self.task.phase(), attended: self.attended };
        if let Task::Review { citable, .. } = self.task {
            state.citable = citable.to_vec();
        }
        state
    }
}

/// Returns `answer` if no secret stands in it. A call that has one is none: it must reach no file, no log and no prompt.
fn without_secrets(answer: Answer, env: &dyn Environment) -> Answer {
    let mask = |text: &str| env.secrets().mask(text).into_owned();
    match answer {
        Answer::Call(call) => match call.masked(&mask) {
            None => Answer::Call(call),
            Some(text) => Answer::Malformed { text, reason: SECRET.to_owned() },
        },
        Answer::Malformed { text, reason } => {
            Answer::Malformed { text: mask(&text), reason: mask(&reason) }
        }
        Answer::Nothing => Answer::Nothing,
    }
}

fn observe(
    transcript: &mut Vec<Message>,
    watch: &mut dyn Watch,
    turn: u32,
    observation: Observation,
) {
    watch.see(&Event::Observed { turn, observation: observation.clone() });
    transcript.push(Message::Observed(observation));
}

fn failed(err: ModelError) -> Stop {
    match err {
        ModelError::Interrupted => Stop::Interrupted,
        ModelError::Full(tokens) => Stop::ContextLimit(tokens),
        ModelError::Ended(_) | ModelError::Failed(_) => Stop::WorkerFailed(err.to_string()),
    }
}

/// What has been used up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spent {
    /// Turns that were taken.
    pub turns: u32,
    /// Tokens that were generated.
    pub tokens: u64,
    /// Answers in a row that were no call.
    malformed: u32,
}

impl Spent {
    fn limit(&self, contract: &Contract) -> Option<Stop> {
        let limits = &contract.limits;
        if self.malformed >= MAX_MALFORMED {
            return Some(Stop::WorkerFailed(format!(
                "{MAX_MALFORMED} answers in a row were no call"
            )));
        }
        if self.turns >= limits.turns {
            return Some(Stop::TurnLimit(limits.turns));
        }
        (self.tokens >= limits.tokens).then_some(Stop::TokenLimit(limits.tokens))
    }

    /// Returns how many tokens the next turn may have.
    fn turn_tokens(&self, contract: &Contract) -> u32 {
        let left = contract.limits.tokens.saturating_sub(self.tokens);
        let most = contract.limits.turn_tokens;
        u32::try_from(left).map_or(most, |left| left.min(most))
    }

    fn next_turn(&mut self) -> u32 {
        self.turns += 1;
        self.turns
    }
}

//! What happens in a run, in the order it happens: the live view, the JSONL stream and the log read this.

use serde::{Deserialize, Serialize};

use crate::evidence::CheckRun;
use crate::menu::Shut;
use crate::opinion::Opinion;
use crate::phase::Phase;
use crate::roles::Handover;
use crate::tool::{Observation, ToolCall};

/// What a worker is saying.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What it thinks before it calls.
    Reasoning,
    /// The call.
    Call,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A phase begins.
    PhaseStarted {
        /// Which.
        phase: Phase,
        /// How often the work was sent back before.
        round: u32,
        /// What a fix is asked for; nothing in other phases.
        fixes: Vec<String>,
    },
    /// A turn begins.
    TurnStarted {
        /// Counted from 1.
        turn: u32,
        /// The names of the tools that may be called.
        tools: Vec<String>,
        /// What the gates shut, and why.
        gates: Vec<Shut>,
    },
    /// Some tokens arrived.
    Tokens {
        /// What they are part of.
        part: Part,
        /// Their text.
        text: String,
        /// How many so far in this turn.
        count: u64,
    },
    /// The worker thought before it called. It is a claim, like all that it says, and nothing follows from it.
    Reasoned {
        /// The turn.
        turn: u32,
        /// What it thought.
        text: String,
    },
    /// A turn's call is complete.
    Called {
        /// The turn.
        turn: u32,
        /// The call.
        call: ToolCall,
        /// What it cost.
        usage: Usage,
    },
    /// The worker said something that is no call.
    Malformed {
        /// The turn.
        turn: u32,
        /// What it said.
        text: String,
        /// What is wrong.
        reason: String,
        /// What it cost.
        usage: Usage,
    },
    /// A tool answered.
    Observed {
        /// The turn.
        turn: u32,
        /// The answer.
        observation: Observation,
    },
    /// A check was run, by the worker's wish or by us at the end.
    Checked {
        /// The run.
        run: CheckRun,
    },
    /// A review came to its end. It is a claim.
    Reviewed {
        /// How often the work was sent back before.
        round: u32,
        /// What it says.
        opinion: Opinion,
    },
    /// The worker proposed a command that the contract does not have, and the user was asked.
    Proposed {
        /// Program and arguments.
        command: Vec<String>,
        /// What the user says.
        approval: Approval,
    },
    /// The worker was started anew after it had died.
    WorkerRestarted {
        /// Why it died.
        reason: String,
    },
    /// Memory is short, or a model took another amount of it than was planned, or one that guesses could not go on.
    MemoryWarned {
        /// In words.
        reason: String,
    },
    /// A model made room for another one.
    ModelChanged(Handover),
    /// The loop ended.
    Stopped {
        /// Why.
        stop: Stop,
    },
}

/// What the user says to a command that is proposed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// This time.
    Once,
    /// This time, and whenever exactly this is proposed in this repository again.
    Always,
    /// The user said so of exactly this before, and was not asked again.
    Remembered,
    /// No.
    Denied,
}

impl Approval {
    /// Returns whether the command may run.
    #[must_use]
    pub const fn is_given(self) -> bool {
        match self {
            Self::Once | Self::Always | Self::Remembered => true,
            Self::Denied => false,
        }
    }
}

/// Tokens and times of one turn. The names are those of llama-server's `timings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Usage {
    /// Prompt tokens that were evaluated.
    pub prompt_n: u64,
    /// Prompt tokens that were kept from before.
    pub cache_n: u64,
    /// Milliseconds for the prompt.
    pub prompt_ms: f64,
    /// Tokens that were generated.
    pub predicted_n: u64,
    /// Milliseconds for them.
    pub predicted_ms: f64,
}

/// Why a run ended before or with the worker's word. None of it decides the verdict.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "detail")]
pub enum Stop {
    /// The worker says that it is done; its summary is a claim.
    Finished(String),
    /// The worker asks something that nobody is there to answer.
    Asked(String),
    /// A review is at its end, with this last word. It ends a review and no run.
    Reviewed(String),
    /// The review asks for changes still, and the contract grants no more than so many rounds of them.
    RoundLimit(u32),
    /// A script has no more calls.
    ScriptEnded,
    /// All turns are spent.
    TurnLimit(u32),
    /// All tokens are spent.
    TokenLimit(u64),
    /// The time is up, in seconds.
    TimeLimit(u64),
    /// The context of the model is full, in tokens.
    ContextLimit(u64),
    /// The user interrupted.
    Interrupted,
    /// The worker could not go on.
    WorkerFailed(String),
}

impl Stop {
    /// Returns whether a limit, of the contract or of the model, ended the run.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        match self {
            Self::TurnLimit(_)
            | Self::TokenLimit(_)
            | Self::TimeLimit(_)
            | Self::ContextLimit(_)
            | Self::RoundLimit(_) => true,
            Self::Finished(_)
            | Self::Asked(_)
            | Self::Reviewed(_)
            | Self::ScriptEnded
            | Self::Interrupted
            | Self::WorkerFailed(_) => false,
        }
    }
}

//! Makes the training corpus and the test tasks of the embedded model.
//!
//! A scripted oracle solves small tasks through the real tools, under the real gates, and is shown what the
//! real prompt says. Words and constructions of the test never occur in training.
#![forbid(unsafe_code)]

mod content;
mod families;
mod phrasing;
mod rng;
mod settings;
mod suite;
mod words;
mod world;

use chargehand_core::transcript::Message;

pub use families::FAMILIES;
pub use phrasing::constructions;
pub use suite::suite;
pub use words::{Split, Words};
pub use world::{Complaint, Files, Task};

/// Kinds of text in a trajectory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// What the chat template writes.
    Template = 0,
    /// What people, files and tools say; it has no special tokens.
    Data = 1,
    /// What the model must write.
    Target = 2,
    /// What it wrote wrongly: read as a target is, but not learnt.
    Slip = 3,
}

/// A task that was solved.
#[derive(Debug)]
pub struct Trajectory {
    /// The family of the task.
    pub family: &'static str,
    /// What was said, from the first message to the last call.
    pub messages: Vec<Message>,
    /// The call, counted from nought, that is not to be learnt.
    pub slip: Option<usize>,
}

impl Trajectory {
    /// Returns the next trajectory, of a family drawn by its weight.
    pub fn draw(words: &mut Words) -> Self {
        loop {
            words.narrow();
            let family = families::draw(words);
            let Some(task) = families::make(words, family) else { continue };
            if let Some(messages) = task.play() {
                return Self { family, messages, slip: task.slip };
            }
        }
    }

    /// Returns the conversation in the embedded model's own template, in the pieces in which the worker
    /// tokenises it. A test of the engine holds this against what llama.cpp renders from the model file.
    #[must_use]
    pub fn segments(&self) -> Vec<(String, Kind)> {
        let mut all: Vec<(String, Kind)> = Vec::new();
        let mut calls = 0..;
        for message in &self.messages {
            match message {
                // The instructions never vary, so this model is not told them; and it does not reason.
                Message::System(_) | Message::Reasoned(_) => {}
                Message::User(text) => turn(&mut all, "user", text, Kind::Data),
                Message::Call(call) => {
                    let call = format!(
                        "{{\"tool\":\"{}\",\"args\":{}}}<|im_end|>",
                        call.name, call.written
                    );
                    let slipped = self.slip == calls.next();
                    turn(
                        &mut all,
                        "assistant",
                        &call,
                        if slipped { Kind::Slip } else { Kind::Target },
                    );
                }
                Message::Observed(observation) => {
                    turn(&mut all, "tool", &observation.text, Kind::Data);
                }
                Message::Malformed(text) => panic!("BUG: the oracle says only calls, not {text}"),
            }
        }
        all
    }
}

/// Appends a turn; what closes the one before it belongs to the same piece of template, as in the worker.
fn turn(all: &mut Vec<(String, Kind)>, role: &str, text: &str, kind: Kind) {
    let close = match all.last() {
        None => "",
        // The target has its own end of turn: the model must write it.
        Some((_, Kind::Target | Kind::Slip)) => "\n",
        Some(_) => "<|im_end|>\n",
    };
    all.push((format!("{close}<|im_start|>{role}\n"), Kind::Template));
    all.push((text.to_owned(), kind));
}

/// So many tasks in a row that cannot be rolled out mean that the family has none.
const MAX_TRIES: usize = 10_000;

/// Returns the next task of a family for roll-outs: one without checks that the oracle can solve. A family whose
/// tasks all need a check that a real command cannot stand in for has none.
pub fn task(words: &mut Words, family: &'static str) -> Option<Task> {
    (0..MAX_TRIES).find_map(|_| {
        let task = families::make(words, family).filter(|task| task.contract.checks.is_empty())?;
        task.play().is_some().then_some(task)
    })
}

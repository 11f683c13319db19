//! What was said in a run before it was cut off, for the worker that goes on with it.

use crate::event::Event;
use crate::ports::Stop;
use crate::tool::{Observation, ToolCall};
use crate::transcript::Message;

/// The tools whose call may have been done although nobody saw the answer.
const CHANGING: [&str; 3] = ["write_file", "edit_file", "delete_file"];

/// Returns the messages of `events`. A turn that was cut off is asked for again, unless it may have changed something.
/// What was thought stays away: the worker that goes on may be another, whose template has no place for thoughts.
pub(super) fn messages(events: &[Event]) -> Vec<Message> {
    let mut said = Vec::new();
    // What is not answered yet.
    let mut open = None;
    for event in events {
        match event {
            // What filled a context would fill it again: its worker begins afresh, and what it changed is there.
            Event::Stopped { stop: Stop::ContextLimit(_) } => (said, open) = (Vec::new(), None),
            Event::PhaseStarted { .. } | Event::TurnStarted { .. } | Event::Stopped { .. } => {
                cut_off(&mut said, &mut open);
            }
            Event::Called { call, .. } => open = Some(Message::Call(call.clone())),
            Event::Malformed { text, .. } => open = Some(Message::Malformed(text.clone())),
            Event::Observed { observation, .. } => {
                said.extend(open.take());
                said.push(Message::Observed(observation.clone()));
            }
            Event::Reasoned { .. }
            | Event::Tokens { .. }
            | Event::Checked { .. }
            | Event::Proposed { .. }
            | Event::Reviewed { .. }
            | Event::ModelChanged(_)
            | Event::MemoryWarned { .. }
            | Event::WorkerRestarted { .. } => {}
        }
    }
    cut_off(&mut said, &mut open);
    said
}

fn cut_off(said: &mut Vec<Message>, open: &mut Option<Message>) {
    let changes = |call: &ToolCall| CHANGING.contains(&call.name.as_str());
    let cut = open.take().filter(|cut| matches!(cut, Message::Call(call) if changes(call)));
    if let Some(cut) = cut {
        said.push(cut);
        let text = "the run was cut off here; read the file to see whether it was done";
        said.push(Message::Observed(Observation::failed(text)));
    }
}

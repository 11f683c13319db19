//! Ends the run with a question, when the task cannot be done as it is written.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError, WORK};
use crate::ports::Stop;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "ask",
    description: "Ends the job with a question when the task is unclear or the contract does not allow it.",
    parameters: &[("question", "string", true)],
    phases: WORK,
    subjects,
    nothing: "",
    ways: Tool::one_way,
    run,
};

fn subjects<'s>(_: &'s State<'s>) -> Subjects<'s> {
    Subjects::Any
}

fn run(_: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    Ok(Effect::Stop(Stop::Asked(arguments.text("question").to_owned())))
}

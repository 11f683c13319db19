//! Ends the run with the worker's claim that the job is done.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError, WORK};
use crate::ports::Stop;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "finish",
    description: "Ends the job when the task is done and every check passed after the last change.",
    parameters: &[("summary", "string", true)],
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
    Ok(Effect::Stop(Stop::Finished(arguments.text("summary").to_owned())))
}

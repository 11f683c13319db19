//! Ends a review, once every criterion has its answer.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError};
use crate::phase::Phase;
use crate::ports::Stop;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "end_review",
    description: "Ends the review. The work is approved when every criterion is met and no change was requested.",
    parameters: &[("summary", "string", true)],
    phases: &[Phase::Review],
    subjects,
    nothing: "a criterion has no answer",
    ways: Tool::one_way,
    run,
};

fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    match state.opinion.unanswered(state.contract.criteria().len()) {
        Some(_) => Subjects::These(Vec::new()),
        None => Subjects::Any,
    }
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    if let Some(number) = desk.state.opinion.unanswered(desk.state.contract.criteria().len()) {
        return Err(ToolError::Refused(format!("criterion {number} has no answer")));
    }
    arguments.text("summary").clone_into(&mut desk.state.opinion.summary);
    Ok(Effect::Stop(Stop::Reviewed(arguments.text("summary").to_owned())))
}

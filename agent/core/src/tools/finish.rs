//! Ends the run with the worker's claim that the job is done.

use super::{Arguments, Desk, Effect, Tool, ToolError};
use crate::menu::{Argument, Values};
use crate::ports::Stop;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "finish",
    description: "Ends the job when the task is done and every check passed after the last change.",
    parameters: &[("summary", "string", true)],
    open,
    run,
};

fn open(state: &State<'_>) -> Result<Vec<Vec<Argument>>, String> {
    if !state.changed {
        return Err("nothing was changed".to_owned());
    }
    let passed = |name: &String| state.checked.get(name).copied().unwrap_or(false);
    match state.contract.checks.iter().find(|check| !passed(&check.name)) {
        Some(check) => Err(format!("check `{}` has not passed since the last change", check.name)),
        None => Ok(vec![vec![Argument { name: "summary", values: Values::Text, optional: false }]]),
    }
}

fn run(_: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    Ok(Effect::Stop(Stop::Finished(arguments.text("summary").to_owned())))
}

//! Runs a check of the contract.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError, WORK};
use crate::event::Event;
use crate::evidence::CheckRun;
use crate::state::State;

/// The end of the output that a worker reads, in bytes.
const MAX_OUTPUT: usize = 4 * 1024;

pub(super) const TOOL: Tool = Tool {
    name: "run_check",
    description: "Runs a check by its name and shows the end of its output.",
    parameters: &[("name", "string", true)],
    phases: WORK,
    subjects,
    nothing: "the contract has no check",
    ways: Tool::one_way,
    run,
};

fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    Subjects::names(state.contract.checks.iter().map(|check| check.name.as_str()))
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let name = arguments.text("name");
    let Some(check) = desk.state.contract.check(name) else {
        return Err(ToolError::Refused(format!("there is no check `{}`", name.escape_debug())));
    };
    let mut run = desk.env.run_check(check)?;
    // One that was ended because the run ends says nothing of the work.
    if let Some(stop) = desk.watch.stop() {
        return Ok(Effect::Stop(stop));
    }
    run.output = desk.env.secrets().mask(&run.output).into_owned();
    let text = shown(&run);
    desk.state.checked.insert(run.name.clone(), run.passed);
    desk.watch.see(&Event::Checked { run });
    Ok(Effect::Did(text))
}

/// Returns what a worker reads of a run: how it ended, and the end of what it wrote.
pub(super) fn shown(run: &CheckRun) -> String {
    match tail(run.output.trim_end()) {
        "" => run.result(),
        output => format!("{}\n{output}", run.result()),
    }
}

/// Returns whole lines from the end of `output`; of a line that is too long, its end.
fn tail(output: &str) -> &str {
    if output.len() <= MAX_OUTPUT {
        return output;
    }
    let end = &output[output.ceil_char_boundary(output.len() - MAX_OUTPUT)..];
    end.split_once('\n').map_or(end, |(_, lines)| lines)
}

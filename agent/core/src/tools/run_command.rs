//! Proposes a command that the contract does not have. It runs when the user says so, in the sandbox of the checks.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError, WORK, run_check};
use crate::contract::Check;
use crate::event::Event;
use crate::state::State;

/// The characters of a command as it is shown. With the question around it, it fits 24 lines of 80: nobody says yes to
/// what has scrolled away.
const MAX_COMMAND: usize = 1200;
/// What a word has besides its own: two quotes and a space. An empty one has nothing else.
const AROUND: usize = 3;

pub(super) const TOOL: Tool = Tool {
    name: "run_command",
    description: "Proposes a command, as program and arguments without a shell. The user is asked; where he agrees it \
                  runs in a copy of the files, and the end of its output is shown.",
    parameters: &[("command", "string", true)],
    phases: WORK,
    subjects,
    nothing: "",
    ways: Tool::one_way,
    run,
};

fn subjects<'s>(_: &'s State<'s>) -> Subjects<'s> {
    Subjects::Any
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let text = arguments.text("command");
    let refuse = |why: &str| Err(ToolError::Refused(why.to_owned()));
    if text.contains('\0') {
        return refuse("a command has no NUL");
    }
    let command = match shell_words::split(text) {
        Ok(command) if command.first().is_some_and(|program| !program.is_empty()) => command,
        Ok(_) => return refuse("there is nothing to run"),
        Err(err) => return refuse(&format!("the command cannot be read: {err}")),
    };
    let said = command.join(" ");
    // Quotes in the text may have hidden it.
    if desk.env.secrets().mask(&said) != said {
        return refuse("the command has the value of a secret of this machine in it");
    }
    let length: usize = command.iter().map(|word| word.escape_default().count() + AROUND).sum();
    if length > MAX_COMMAND {
        return refuse(&format!(
            "a command has {MAX_COMMAND} characters at most as it is shown, this has {length}"
        ));
    }
    let approval = desk.watch.approve(&command);
    desk.watch.see(&Event::Proposed { command: command.clone(), approval });
    // At the question the user may also have asked for an end.
    if let Some(stop) = desk.watch.stop() {
        return Ok(Effect::Stop(stop));
    }
    if !approval.is_given() {
        return refuse("the user does not want this command to run");
    }
    let mut run = desk.env.run_approved(&Check::new(TOOL.name, command))?;
    // One that was ended because the run ends says nothing of the work.
    if let Some(stop) = desk.watch.stop() {
        return Ok(Effect::Stop(stop));
    }
    run.output = desk.env.secrets().mask(&run.output).into_owned();
    Ok(Effect::Did(run_check::shown(&run)))
}

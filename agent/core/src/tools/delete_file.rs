//! Deletes a file.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError, WORK};
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "delete_file",
    description: "Deletes a file.",
    parameters: &[("path", "string", true)],
    phases: WORK,
    subjects,
    nothing: "no file is there that may go",
    ways: Tool::one_way,
    run,
};

fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    Subjects::files(state.files().iter().filter(|file| file.may_go))
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.path()?;
    let file = desk.state.file(path.as_str());
    let may_delete = || desk.state.contract.scope.may_delete(path.as_str());
    if !file.map_or_else(may_delete, |file| file.may_go) {
        return Err(ToolError::Refused(format!("the contract does not let {path} go")));
    }
    desk.env.delete(&path)?;
    desk.state.note_removal(&path);
    Ok(Effect::Did(format!("deleted {path}")))
}

//! Deletes a file.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError};
use crate::rel_path::RelPath;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "delete_file",
    description: "Deletes a file.",
    parameters: &[("path", "string", true)],
    subjects,
    nothing: "no file is there that may go",
    ways: Tool::one_way,
    run,
};

fn subjects(state: &State<'_>) -> Subjects {
    let paths = state.files.iter().filter(|path| state.may_go(path));
    Subjects::These(paths.map(RelPath::to_string).collect())
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.path()?;
    if !desk.state.may_go(&path) {
        return Err(ToolError::Refused(format!("the contract does not let {path} go")));
    }
    desk.env.delete(&path)?;
    desk.state.note_removal(&path);
    Ok(Effect::Did(format!("deleted {path}")))
}

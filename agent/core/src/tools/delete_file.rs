//! Deletes a file.

use super::{Arguments, Desk, Effect, Tool, ToolError};
use crate::menu::{Argument, Values};
use crate::rel_path::RelPath;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "delete_file",
    description: "Deletes a file.",
    parameters: &[("path", "string", true)],
    open,
    run,
};

fn open(state: &State<'_>) -> Result<Vec<Vec<Argument>>, String> {
    let paths: Vec<String> =
        state.files.iter().filter(|path| state.may_go(path)).map(RelPath::to_string).collect();
    if paths.is_empty() {
        return Err("no file is there that may go".to_owned());
    }
    Ok(vec![vec![Argument { name: "path", values: Values::OneOf(paths), optional: false }]])
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

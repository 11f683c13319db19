//! Lists a directory.

use std::collections::BTreeSet;

use super::{ANY, Arguments, Desk, Effect, Subjects, Tool, ToolError};
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "list_dir",
    description: "Lists a directory, `.` for the top level. Directories end with `/`.",
    parameters: &[("path", "string", true)],
    phases: ANY,
    subjects,
    nothing: "there are no directories",
    ways: Tool::one_way,
    run,
};

fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    Subjects::names(state.directories())
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.text("path").trim_end_matches('/');
    let prefix = if path == "." || path.is_empty() { String::new() } else { format!("{path}/") };
    let paths = desk.state.files().iter().map(|file| file.path.as_str());
    let inside = paths.filter_map(|path| path.strip_prefix(&prefix));
    let entries: BTreeSet<String> = inside
        .map(|rest| match rest.split_once('/') {
            Some((directory, _)) => format!("{directory}/"),
            None => rest.to_owned(),
        })
        .collect();
    if entries.is_empty() && prefix.is_empty() {
        return Ok(Effect::Answer("(empty)".to_owned()));
    }
    if entries.is_empty() {
        return Err(ToolError::Refused(format!("no such directory: {}", path.escape_debug())));
    }
    Ok(Effect::Answer(entries.into_iter().collect::<Vec<_>>().join("\n")))
}

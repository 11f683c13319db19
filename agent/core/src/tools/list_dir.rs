//! Lists a directory.

use std::collections::BTreeSet;

use super::{Arguments, Desk, Effect, Tool, ToolError};
use crate::menu::{Argument, Values};
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "list_dir",
    description: "Lists a directory, `.` for the top level. Directories end with `/`.",
    parameters: &[("path", "string", true)],
    open,
    run,
};

fn open(state: &State<'_>) -> Result<Vec<Vec<Argument>>, String> {
    let fresh = |path: &String| {
        let written = format!("{{\"path\":{}}}", chargehand_grammar::json::quote(path));
        !state.answered.contains(&(TOOL.name.to_owned(), written))
    };
    let directories: Vec<String> = state.directories().into_iter().filter(fresh).collect();
    if directories.is_empty() {
        return Err("every directory was listed".to_owned());
    }
    Ok(vec![vec![Argument { name: "path", values: Values::OneOf(directories), optional: false }]])
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.text("path").trim_end_matches('/');
    let prefix = if path == "." || path.is_empty() { String::new() } else { format!("{path}/") };
    let inside = desk.state.files.iter().filter_map(|file| file.as_str().strip_prefix(&prefix));
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

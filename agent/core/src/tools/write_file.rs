//! Creates a file or replaces it as a whole.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError, check_scope, plural};
use crate::rel_path::RelPath;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "write_file",
    description: "Creates a file with this content, or replaces all of an existing file. The last line gets its \
                  line end.",
    parameters: &[("path", "string", true), ("content", "string", true)],
    subjects,
    nothing: "the contract lists no file to create, and no file is there that may change",
    ways: Tool::one_way,
    run,
};

fn subjects(state: &State<'_>) -> Subjects {
    let scope = &state.contract.scope;
    if scope.creates_freely() {
        return Subjects::Any;
    }
    let is_new = |path: &str| RelPath::parse(path).is_ok_and(|path| !state.exists(&path));
    let creatable = scope.creatable().filter(|path| scope.may_create(path) && is_new(path));
    let creatable = creatable.map(str::to_owned);
    let mut paths: Vec<String> =
        creatable.chain(state.writable().map(RelPath::to_string)).collect();
    paths.sort();
    paths.dedup();
    Subjects::These(paths)
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.path()?;
    check_scope(desk, &path)?;
    let existed = desk.state.exists(&path);
    let mut content = arguments.text("content").to_owned();
    if !content.is_empty() && !content.ends_with('\n') {
        content.push('\n');
    }
    desk.env.write(&path, content.as_bytes())?;
    let deed = if existed { "replaced" } else { "created" };
    let lines = plural(content.lines().count(), "line");
    desk.state.note_change(&path, content);
    Ok(Effect::Done(format!("{deed} {path} ({lines})")))
}

//! Creates a file or replaces it as a whole.

use super::{Arguments, Desk, Effect, Tool, ToolError, check_known, check_scope, plural};
use crate::menu::{Argument, Values};
use crate::rel_path::RelPath;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "write_file",
    description: "Creates a file with this content, or replaces all of an existing file. The last line gets its \
                  line end.",
    parameters: &[("path", "string", true), ("content", "string", true)],
    open,
    run,
};

fn open(state: &State<'_>) -> Result<Vec<Vec<Argument>>, String> {
    let scope = &state.contract.scope;
    let is_new = |path: &str| RelPath::parse(path).is_ok_and(|path| !state.exists(&path));
    let creatable = scope.creatable().filter(|path| scope.may_create(path) && is_new(path));
    let creatable = creatable.map(str::to_owned);
    let known =
        state.writable().filter(|path| state.known.contains_key(*path)).map(RelPath::to_string);
    let mut paths: Vec<String> = creatable.chain(known).collect();
    paths.sort();
    paths.dedup();
    let values = match scope.creates_freely() {
        true => Values::Text,
        false if paths.is_empty() => {
            return Err(
                "the contract lists no file to create, and no file that may change was read"
                    .to_owned(),
            );
        }
        false => Values::OneOf(paths),
    };
    Ok(vec![vec![
        Argument { name: "path", values, optional: false },
        Argument { name: "content", values: Values::Text, optional: false },
    ]])
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.path()?;
    check_scope(desk, &path)?;
    check_known(desk, &path)?;
    let existed = desk.state.exists(&path);
    let mut content = arguments.text("content").to_owned();
    if !content.is_empty() && !content.ends_with('\n') {
        content.push('\n');
    }
    desk.env.write(&path, content.as_bytes())?;
    let deed = if existed { "replaced" } else { "created" };
    let lines = plural(content.lines().count(), "line");
    desk.state.note_change(&path, content);
    Ok(Effect::Did(format!("{deed} {path} ({lines})")))
}

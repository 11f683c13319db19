//! Creates a file or replaces it as a whole.

use super::{
    Arguments, Desk, Effect, Subject, Subjects, Tool, ToolError, WORK, check_scope, plural,
};
use crate::ports::EnvError;
use crate::rel_path::RelPath;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "write_file",
    description: "Creates a file with this content, or replaces all of an existing file. The last line gets its \
                  line end.",
    parameters: &[("path", "string", true), ("content", "string", true)],
    phases: WORK,
    subjects,
    nothing: "the contract lists no file to create, and no file is there that may change",
    ways: Tool::one_way,
    run,
};

pub(super) fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    let scope = &state.contract.scope;
    if scope.creates_freely() {
        return Subjects::Any;
    }
    let is_new = |path: &&str| RelPath::parse(path).is_ok() && state.file(path).is_none();
    let new = scope.creatable().chain(state.removed().map(RelPath::as_str)).filter(is_new);
    let new = new.filter(|path| state.may_appear(path)).map(Subject::name);
    let old = state.files().iter().filter(|file| file.may_change);
    let mut subjects: Vec<Subject<'_>> = new.collect();
    if subjects.is_empty() {
        // There may be very many, and they are in order.
        return Subjects::files(old);
    }
    subjects.extend(old.map(Subject::of));
    subjects.sort_by(|one, other| one.text.cmp(&other.text));
    subjects.dedup_by(|one, other| one.text == other.text);
    Subjects::These(subjects)
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.path()?;
    check_scope(desk, &path)?;
    let existed = desk.state.file(path.as_str()).is_some();
    let mut content = arguments.text("content").to_owned();
    if !content.is_empty() && !content.ends_with('\n') {
        content.push('\n');
    }
    let before = match existed.then(|| desk.env.read(&path)) {
        Some(Err(err @ EnvError::Io { .. })) => return Err(err.into()),
        // What may not be read may be replaced all the same.
        None | Some(Err(EnvError::NotFound(_) | EnvError::Refused { .. })) => None,
        Some(Ok(before)) => Some(before),
    };
    if before.as_deref() == Some(content.as_bytes()) {
        return Err(ToolError::Refused(format!("{path} would stay as it is")));
    }
    desk.env.write(&path, content.as_bytes())?;
    let deed = if existed { "replaced" } else { "created" };
    let lines = plural(content.lines().count(), "line");
    desk.state.note_write(&path, before, content);
    Ok(Effect::Done(format!("{deed} {path} ({lines})")))
}

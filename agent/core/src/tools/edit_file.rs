//! Replaces a piece of a file, or adds to its end.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError, check_scope, plural, read_text};
use crate::menu::{Argument, Values};
use crate::rel_path::RelPath;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "edit_file",
    description: "Replaces `old`, a piece of the file that occurs exactly once, by `new`. With an empty `old`, adds \
                  `new` as last lines.",
    parameters: &[("path", "string", true), ("old", "string", true), ("new", "string", true)],
    subjects,
    nothing: "no file is there that may change",
    ways,
    run,
};

fn subjects(state: &State<'_>) -> Subjects {
    Subjects::These(state.writable().map(RelPath::to_string).collect())
}

/// One way for each file: what `old` may be hangs on which file it is.
fn ways(tool: &Tool, state: &State<'_>, paths: Values) -> Vec<Vec<Argument>> {
    let Values::OneOf(paths) = paths else { return tool.one_way(state, paths) };
    let way = |path: String| {
        let text = RelPath::parse(&path).ok().and_then(|path| state.known.get(&path));
        let mut way = tool.arguments(Values::OneOf(vec![path]));
        for argument in &mut way {
            match (argument.name, text) {
                ("old", Some(text)) => argument.values = Values::PieceOf(text.clone()),
                ("new", Some(_)) => argument.values = Values::OtherThan("old"),
                _ => {}
            }
        }
        way
    };
    paths.into_iter().map(way).collect()
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.path()?;
    check_scope(desk, &path)?;
    let text = read_text(desk, &path)?;
    let (old, new) = (arguments.text("old"), arguments.text("new"));
    let edited = if old.is_empty() { append(&text, new) } else { replace(&path, &text, old, new)? };
    if edited == text {
        let cause = if old == new && !old.is_empty() { ": `new` is the same as `old`" } else { "" };
        return Err(ToolError::Refused(format!("{path} would stay as it is{cause}")));
    }
    desk.env.write(&path, edited.as_bytes())?;
    if desk.state.known.contains_key(&path) {
        desk.state.note_change(&path, edited);
    } else {
        desk.state.note_unseen_change();
    }
    Ok(Effect::Did(format!("changed {path}")))
}

/// Adds whole lines, with the line ends the file has.
fn append(text: &str, new: &str) -> String {
    if new.is_empty() {
        return text.to_owned();
    }
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
    let close = if new.ends_with('\n') { "" } else { end };
    format!("{text}{gap}{new}{close}")
}

fn replace(path: &RelPath, text: &str, old: &str, new: &str) -> Result<String, ToolError> {
    match text.matches(old).count() {
        1 => Ok(text.replacen(old, new, 1)),
        0 => Err(ToolError::Refused(format!("`old` is not in {path}{}", hint(text, old)))),
        count => Err(ToolError::Refused(format!(
            "`old` is in {path} {}; give a longer piece",
            plural(count, "time")
        ))),
    }
}

/// Returns the line that has the most words in common with `old`, so that the worker can correct itself.
fn hint(text: &str, old: &str) -> String {
    let words: Vec<&str> = old.split_whitespace().collect();
    let shared = |line: &str| line.split_whitespace().filter(|word| words.contains(word)).count();
    let best = text.lines().enumerate().map(|(at, line)| (shared(line), at + 1, line));
    match best.max_by_key(|(count, at, _)| (*count, usize::MAX - at)) {
        Some((count, at, line)) if count > 0 => format!("; line {at} is `{}`", line.trim_end()),
        _ => String::new(),
    }
}

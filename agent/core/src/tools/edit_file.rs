//! Replaces a piece of a file, or adds to its end.

use std::collections::BTreeSet;
use std::ops::Range;

use chargehand_grammar::bindings::MAX_TEXT;

use super::{
    Arguments, Desk, Effect, Subjects, Tool, ToolError, WORK, check_scope, plural, read_text,
};
use crate::known::Known;
use crate::menu::{Argument, Values};
use crate::rel_path::RelPath;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "edit_file",
    description: "Replaces `old`, a piece of the file that occurs exactly once, by `new`. With an empty `old`, adds \
                  `new` as last lines.",
    parameters: &[("path", "string", true), ("old", "string", true), ("new", "string", true)],
    phases: WORK,
    subjects,
    nothing: "no file is there that may change",
    ways,
    run,
};

fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    Subjects::files(state.files().iter().filter(|file| file.may_change))
}

/// One way for each file: what `old` may be hangs on which file it is.
fn ways(tool: &Tool, state: &State<'_>, paths: Values) -> Vec<Vec<Argument>> {
    let Values::OneOf(paths) = paths else { return tool.one_way(state, paths) };
    let way = |path: String| {
        let old = state.file(&path).and_then(|file| match &file.known {
            Known::All(text) => Some(Values::PieceOf(text.clone())),
            Known::Parts(parts) if parts.text().len() <= MAX_TEXT => {
                Some(Values::PieceIn(parts.clone()))
            }
            Known::Nothing | Known::Lines(_) | Known::Parts(_) => None,
        });
        let mut way = tool.arguments(Values::OneOf(vec![path]));
        if let (Some(old), [_, said, new]) = (old, way.as_mut_slice()) {
            (said.values, new.values) = (old, Values::OtherThan("old"));
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
    // Whoever was here before may have added the lines without a word of it in the log.
    let is_added = old.is_empty() && lines_end(&text, new);
    if is_added && desk.state.inherited.contains(&path) {
        return Err(ToolError::Refused(format!(
            "{path} ends with these lines already; they were added in this run, before you came"
        )));
    }
    let (at, with) = match old {
        "" => (text.len()..text.len(), lines_behind(&text, new)),
        _ => (place(&path, &text, old)?, new.to_owned()),
    };
    if text[at.clone()] == with {
        let cause = if old.is_empty() { "" } else { ": `new` is the same as `old`" };
        return Err(ToolError::Refused(format!("{path} would stay as it is{cause}")));
    }
    let mut edited = text.clone();
    edited.replace_range(at.clone(), &with);
    desk.env.write(&path, edited.as_bytes())?;
    desk.state.inherited.remove(&path);
    desk.state.note_edit(&path, text, (at, &with), &edited);
    Ok(Effect::Did(format!("changed {path}")))
}

/// Returns `new` as whole lines behind those of `text`, with the line ends it has.
fn lines_behind(text: &str, new: &str) -> String {
    if new.is_empty() {
        return String::new();
    }
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
    let close = if new.ends_with('\n') { "" } else { end };
    format!("{gap}{new}{close}")
}

/// Returns whether the last lines of `text` are `lines`.
fn lines_end(text: &str, lines: &str) -> bool {
    let (text, lines): (Vec<&str>, Vec<&str>) = (text.lines().collect(), lines.lines().collect());
    !lines.is_empty() && text.ends_with(&lines)
}

/// Returns where `old` stands.
fn place(path: &RelPath, text: &str, old: &str) -> Result<Range<usize>, ToolError> {
    let found: Vec<usize> = text.match_indices(old).map(|(at, _)| at).take(2).collect();
    match found.as_slice() {
        [at] => Ok(*at..at + old.len()),
        [] => Err(ToolError::Refused(format!("`old` is not in {path}{}", hint(text, old)))),
        [_, ..] => Err(ToolError::Refused(format!(
            "`old` is in {path} {}; give a longer piece",
            plural(text.matches(old).count(), "time")
        ))),
    }
}

/// Returns the line that has the most words in common with `old`, so that the worker can correct itself.
fn hint(text: &str, old: &str) -> String {
    let words: BTreeSet<&str> = old.split_whitespace().collect();
    let shared = |line: &str| line.split_whitespace().filter(|word| words.contains(word)).count();
    let best = text.lines().enumerate().map(|(at, line)| (shared(line), at + 1, line));
    match best.max_by_key(|(count, at, _)| (*count, usize::MAX - at)) {
        Some((count, at, line)) if count > 0 => format!("; line {at} is `{}`", line.trim_end()),
        _ => String::new(),
    }
}

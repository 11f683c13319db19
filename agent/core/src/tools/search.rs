//! Finds a text in all files.

use super::{ANY, Arguments, Desk, Effect, Subjects, Tool, ToolError};
use crate::ports::EnvError;
use crate::state::State;

/// Matches that are shown.
const MAX_MATCHES: usize = 50;
/// Characters of a line that are shown.
const MAX_LINE: usize = 160;

pub(super) const TOOL: Tool = Tool {
    name: "search",
    description: "Finds a text in all files, to the letter, and shows each line that has it.",
    parameters: &[("text", "string", true)],
    phases: ANY,
    subjects,
    nothing: "there are no files",
    ways: Tool::one_way,
    run,
};

fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    if state.files().is_empty() { Subjects::These(Vec::new()) } else { Subjects::Any }
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let wanted = arguments.text("text");
    if wanted.is_empty() {
        return Err(ToolError::Refused("the text to find is empty".to_owned()));
    }
    let mut found = Vec::new();
    let mut more = 0;
    let mut lines = Vec::new();
    for file in desk.state.files().iter().filter(|file| !file.is_hidden) {
        let path = &file.path;
        // What cannot be read as text has no line to show.
        let text = match desk.env.read(path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Err(err @ EnvError::Io { .. }) => return Err(err.into()),
            Ok(Err(_)) | Err(EnvError::NotFound(_) | EnvError::Refused { .. }) => continue,
        };
        // Looked for in what may be read: an answer to a guess would spell a secret out.
        let text = desk.env.secrets().mask(&text);
        let before = found.len();
        for (at, line) in text.lines().enumerate() {
            if !line.contains(wanted) {
                continue;
            }
            if found.len() == MAX_MATCHES {
                more += 1;
                continue;
            }
            let shown: String = line.trim().chars().take(MAX_LINE).collect();
            found.push(format!("{path}:{}: {shown}", at + 1));
        }
        // A file with a line of interest can then be read from there on.
        lines.extend((found.len() > before).then(|| (path.clone(), text.lines().count())));
    }
    for (path, lines) in lines {
        desk.state.known(path.as_str()).into_iter().for_each(|known| known.count(lines));
    }
    if found.is_empty() {
        return Ok(Effect::Answer("no match".to_owned()));
    }
    if more > 0 {
        found.push(format!("[{more} more not shown]"));
    }
    Ok(Effect::Answer(found.join("\n")))
}

//! Shows a file.

use super::{Arguments, Desk, Effect, MAX_OBSERVATION, Subjects, Tool, ToolError, read_text};
use crate::rel_path::RelPath;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "read_file",
    description: "Shows a text file. A long file is shown in parts; `start` is the first line of a part.",
    parameters: &[("path", "string", true), ("start", "integer", false)],
    subjects,
    nothing: "there are no files",
    ways: Tool::one_way,
    run,
};

fn subjects(state: &State<'_>) -> Subjects {
    Subjects::These(state.files.iter().map(RelPath::to_string).collect())
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.path()?;
    let text = read_text(desk, &path)?;
    let start =
        usize::try_from(arguments.number("start").unwrap_or(1)).unwrap_or(usize::MAX).max(1);
    let total = text.lines().count();
    if start > total.max(1) {
        return Err(ToolError::Refused(format!(
            "{path} has {total} lines, there is no line {start}"
        )));
    }
    let part = Part::new(&text, start);
    let shown = part.show(total);
    if part.whole() {
        desk.state.known.insert(path, text);
    }
    Ok(Effect::Answer(shown))
}

/// The lines of a file that fit into an observation.
struct Part<'a> {
    lines: Vec<&'a str>,
    start: usize,
    more: bool,
    /// The bytes of the first line, when it is cut.
    cut: Option<usize>,
}

impl<'a> Part<'a> {
    fn new(text: &'a str, start: usize) -> Self {
        // Room for the note at the end.
        let mut room = MAX_OBSERVATION - 100;
        let mut rest = text.lines().skip(start - 1).peekable();
        let mut lines = Vec::new();
        while let Some(line) = rest.next_if(|line| line.len() < room) {
            room -= line.len() + 1;
            lines.push(line);
        }
        let cut = rest.next_if(|_| lines.is_empty()).map(|line| {
            lines.push(&line[..line.floor_char_boundary(room - 1)]);
            line.len()
        });
        Self { lines, start, more: rest.peek().is_some(), cut }
    }

    fn whole(&self) -> bool {
        self.start == 1 && !self.more && self.cut.is_none()
    }

    fn show(&self, total: usize) -> String {
        let text = self.lines.join("\n");
        let end = self.start + self.lines.len() - usize::from(!self.lines.is_empty());
        let start = self.start;
        match (self.lines.is_empty(), self.whole(), self.cut) {
            (true, ..) => "(empty file)".to_owned(),
            (false, true, _) => text,
            (false, false, None) => format!("{text}\n[lines {start} to {end} of {total}]"),
            (false, false, Some(all)) => format!(
                "{text}\n[lines {start} to {end} of {total}; of line {start} the first {} of {all} bytes]",
                text.len()
            ),
        }
    }
}

//! Shows a file.

use std::ops::Range;

use super::{ANY, Arguments, Desk, Effect, MAX_OBSERVATION, Subjects, Tool, ToolError, read_text};
use crate::gates::{Ask, Gates};
use crate::mask::Secrets;
use crate::menu::{Argument, Values};
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "read_file",
    description: "Shows a text file. A long file is shown in parts; `start` is the first line of a part.",
    parameters: &[("path", "string", true), ("start", "integer", false)],
    phases: ANY,
    subjects,
    nothing: "there are no files",
    ways,
    run,
};

fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    Subjects::files(state.files().iter().filter(|file| !file.is_hidden))
}

/// From its beginning any file can be read; from another line on one whose length is known, as far as it was not
/// seen yet.
fn ways(tool: &Tool, state: &State<'_>, paths: Values) -> Vec<Vec<Argument>> {
    let Values::OneOf(_) = &paths else { return tool.one_way(state, paths) };
    let mut ways = tool.one_way(state, paths);
    ways.iter_mut().for_each(|way| way.truncate(1));
    let gates = Gates::of(state.contract, tool.name);
    for file in state.files() {
        let unseen = file.known.unseen_lines();
        let path = file.path.as_str();
        if file.is_hidden
            || unseen.is_empty()
            || !gates.let_pass(state, &Ask::about(tool.name, path, Some(file)))
        {
            continue;
        }
        let mut way = tool.arguments(Values::OneOf(vec![path.to_owned()]));
        if let [_, start] = way.as_mut_slice() {
            *start = Argument { values: Values::Within(unseen), optional: false, ..start.clone() };
        }
        ways.push(way);
    }
    ways
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
    let part = Part::new(&text, start, desk.env.secrets());
    let (shown, seen) = (part.show(total), part.bytes(&text));
    let secrets = desk.env.secrets().find(&text);
    if let Some(known) = desk.state.known(path.as_str()) {
        // The worker reads a name there, so it must neither be led to write the value nor write the name over it.
        for part in without(seen, &secrets) {
            known.see(text.clone(), part);
        }
    }
    Ok(Effect::Answer(shown))
}

/// Returns the parts of `bytes` between the `gaps`, which are in ascending order and apart.
fn without(bytes: Range<usize>, gaps: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut parts, mut start) = (Vec::new(), bytes.start);
    for gap in gaps.iter().filter(|gap| gap.end > bytes.start && gap.start < bytes.end) {
        parts.push(start..gap.start.max(start));
        start = gap.end;
    }
    parts.push(start.min(bytes.end)..bytes.end);
    parts
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
    fn new(text: &'a str, start: usize, secrets: &Secrets) -> Self {
        // Room for the note at the end.
        let mut room = MAX_OBSERVATION - 100;
        let mut rest = text.lines().skip(start - 1).peekable();
        let mut lines = Vec::new();
        while let Some(line) = rest.next_if(|line| line.len() < room) {
            room -= line.len() + 1;
            lines.push(line);
        }
        let cut = rest.next_if(|_| lines.is_empty()).map(|line| {
            let end = line.floor_char_boundary(room - 1);
            // Half a secret would not be known for one.
            let cut = secrets.find(line).into_iter().find(|secret| secret.contains(&end));
            lines.push(&line[..cut.map_or(end, |secret| secret.start)]);
            line.len()
        });
        Self { lines, start, more: rest.peek().is_some(), cut }
    }

    /// Returns which bytes of `text` the worker sees, line ends included.
    fn bytes(&self, text: &str) -> Range<usize> {
        let starts = |lines: usize| text.split_inclusive('\n').take(lines).map(str::len).sum();
        let start: usize = starts(self.start - 1);
        match self.cut {
            Some(_) => start..start + self.lines.iter().map(|line| line.len()).sum::<usize>(),
            None => start..starts(self.start - 1 + self.lines.len()),
        }
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

//! Asks for a change of one place, in a review.

use super::{Arguments, Desk, Effect, Subject, Subjects, Tool, ToolError, write_file};
use crate::opinion::Finding;
use crate::phase::Phase;
use crate::rel_path::RelPath;
use crate::state::State;

/// A review that has more to say is no list of specific changes.
const MAX_FINDINGS: usize = 50;

pub(super) const TOOL: Tool = Tool {
    name: "request_change",
    description: "Requests a change: the file, the line (1 for the whole file), and what must be different there.",
    parameters: &[("path", "string", true), ("line", "integer", true), ("what", "string", true)],
    phases: &[Phase::Review],
    subjects,
    nothing: "no file may change, or enough changes are requested",
    ways: Tool::one_way,
    run,
};

/// What can be mended: a file that may change, appear or come back.
fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    if state.opinion.findings.len() >= MAX_FINDINGS {
        return Subjects::names(Vec::<String>::new());
    }
    match write_file::subjects(state) {
        Subjects::Any => Subjects::Any,
        Subjects::These(mut all) => {
            all.extend(state.removed().map(|path| Subject::name(path.as_str())));
            all.sort_by(|one, other| one.text.cmp(&other.text));
            all.dedup_by(|one, other| one.text == other.text);
            Subjects::These(all)
        }
    }
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let path = arguments.path()?;
    if desk.state.opinion.findings.len() >= MAX_FINDINGS {
        return Err(ToolError::Refused(format!("{MAX_FINDINGS} changes are requested already")));
    }
    if !can_be_mended(desk.state, &path) {
        return Err(ToolError::Refused(format!("the contract does not let {path} change")));
    }
    let what = arguments.text("what").trim().to_owned();
    if what.is_empty() {
        return Err(ToolError::Refused("say what must be different".to_owned()));
    }
    let line = arguments.number("line").unwrap_or(1).max(1);
    let finding = Finding { path: path.into(), line, what };
    let findings = &mut desk.state.opinion.findings;
    if !findings.contains(&finding) {
        findings.push(finding);
    }
    Ok(Effect::Done("noted".to_owned()))
}

fn can_be_mended(state: &State<'_>, path: &RelPath) -> bool {
    match state.file(path.as_str()) {
        Some(file) => file.may_change || file.may_go,
        None => state.may_appear(path.as_str()) || state.removed().any(|gone| gone == path),
    }
}

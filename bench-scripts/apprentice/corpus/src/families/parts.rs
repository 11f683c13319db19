//! What tasks are put together from: files around the file, checks, pieces of a text, the way to the end.

use chargehand_core::contract::{Check, ContractFile, ScopeFile};

use crate::content;
use crate::words::{Split, Words};
use crate::world::{Complaint, Files, Task};

pub(super) const COMMANDS: &[&str] = &[
    "make check",
    "make test",
    "cargo test",
    "cargo test --offline",
    "pytest -q",
    "npm test",
    "go test ./...",
    "sh tests/run.sh",
    "python3 -m unittest",
    "./check.sh",
    "cargo build",
    "tox",
    "just test",
    "sh test.sh",
    "true",
];
pub(super) const NAMES: &[&str] =
    &["tests", "check", "test", "build", "lint", "cargo", "sh", "make"];
/// How many checks a task has that needs none.
const COUNTS: [usize; 10] = [0, 0, 0, 0, 0, 1, 1, 2, 3, 4];
const TEST_COUNTS: [usize; 10] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2];
/// Beginnings of names that are numbered.
const LETTERS: &[&str] = &["a", "b", "c", "d", "k", "n", "p", "s", "t", "x"];
const PASSING: &[&str] = &[
    "",
    "",
    "ok",
    "all tests passed",
    "OK",
    "1 passed",
    "running 3 tests\ntest result: ok",
    "done",
    "PASS",
];
const FAILING: &[&str] = &[
    "fail: {F}: expected `{X}` got `{Y}`",
    "FAIL {F}: expected '{X}', got '{Y}'",
    "error: {F}: expected {X}, found {Y}",
    "AssertionError: in {F} expected {X} but was {Y}",
    "{F}:{N}: expected `{X}`, got `{Y}`",
    "1 failed\n{F}: expected {X} got {Y}",
    "check failed: {F} must contain {X} instead of {Y}",
    "{F}: want {X}, have {Y}",
];

/// More of them, for training alone: only who has seen many knows where the texts end.
const FAILING_TOO: &[&str] = &[
    "{F}: '{Y}' should be '{X}'",
    "{F}:{N}: {Y} is wrong, {X} is right",
    "--- {F}\n-{Y}\n+{X}",
    "assertion failed in {F}\n  left: {Y}\n right: {X}",
    "expect(received)\nExpected: {X}\nReceived: {Y}\nat {F}:{N}",
    "{F}:{N}: {Y} != {X}",
    "{F} has {Y}, not {X}",
    "not ok 1 - {F}\n  wanted: {X}\n  found: {Y}",
    "{F}: {X} was expected here and {Y} was seen",
    "ERROR in {F}: wants {X} where {Y} stands",
    "{F}: missing {X} (there is {Y})",
    "wrong text in {F}: {Y}; please use {X}",
    "{F} says {Y} but the contract says {X}",
    "in {F} expected {X} but found {Y}",
    "{F}: expected {X} but saw {Y}",
    "{F}: want {X} got {Y}",
    "{F}: should be {X} and is {Y}",
    "{F}: {X} instead of {Y}, please",
];

/// Returns what a check says of `old` in the place of `new`, which stands in `expected`.
pub(super) fn complaint_of(
    words: &mut Words,
    file: &str,
    expected: &str,
    old: &str,
    new: &str,
) -> Option<String> {
    let line = expected[..expected.find(new)?].matches('\n').count() + 1;
    let all =
        if words.split == Split::Train && words.rng.chance(65) { FAILING_TOO } else { FAILING };
    let message = words.rng.pick(all).replace("{F}", file).replace("{X}", new);
    Some(message.replace("{Y}", old).replace("{N}", &line.to_string()))
}

/// Of a hundred tasks with a complaint, so many show how to put right what the worker itself wrote wrongly.
const MISSED_PERCENT: usize = 18;
/// What a complaint says behind the text that it wants.
const BEHIND: &[&str] = &[" got", ",", "'", "`", " and", ".", " instead", " in", " is", "!"];

/// Has the worker end the last text that it writes too soon or too late, be told so by the check, and change that.
/// `content` is the file before.
pub(super) fn miss_the_end(words: &mut Words, task: &mut Task, content: &str) {
    if words.split != Split::Train || !words.rng.chance(MISSED_PERCENT) {
        return;
    }
    let Some(at) = task.calls.iter().rposition(|(tool, _)| *tool == "edit_file") else { return };
    let (_, arguments) = &task.calls[at];
    let argument =
        |wanted| arguments.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let (Some(old), Some(new)) = (argument("old"), argument("new")) else { return };
    let missed = match words.rng.chance(65) {
        true => {
            let ends: Vec<usize> = new.char_indices().map(|(at, _)| at).skip(2).collect();
            let spaces: Vec<usize> = new.match_indices(' ').map(|(at, _)| at).collect();
            let all = if spaces.is_empty() || words.rng.chance(40) { ends } else { spaces };
            if all.is_empty() {
                return;
            }
            new[..all[words.rng.below(all.len())]].trim_end().to_owned()
        }
        false => format!("{new}{}", words.rng.pick(BEHIND)),
    };
    if content.replacen(old, &missed, 1).matches(&missed).count() != 1 {
        return;
    }
    let (wrong, right) =
        (saying(&task.calls[at], "new", &missed), saying(&task.calls[at], "old", &missed));
    let check = task.calls[at + 1].clone();
    task.calls.splice(at..=at, [wrong, check, right]);
    task.slip = Some(at);
}

/// A tool and its arguments.
type Call = (&'static str, Vec<(&'static str, String)>);

/// Returns the call with `value` for one of its arguments.
pub(super) fn saying(call: &Call, argument: &str, value: &str) -> Call {
    let (tool, mut arguments) = call.clone();
    for (name, text) in &mut arguments {
        if *name == argument {
            value.clone_into(text);
        }
    }
    (tool, arguments)
}

/// A task before its ending is put to it.
pub(super) struct Plan {
    pub(super) family: &'static str,
    pub(super) goal: String,
    pub(super) scope: ScopeFile,
    pub(super) checks: Vec<Check>,
    pub(super) complaint: Complaint,
    pub(super) before: Files,
    pub(super) after: Files,
    pub(super) calls: Vec<Call>,
}

pub(super) fn finish(plan: Plan, deed: &str, file: &str) -> Task {
    let Plan { family, goal, scope, checks, complaint, before, after, mut calls } = plan;
    for check in &checks {
        calls.push(("run_check", vec![("name", check.name.clone())]));
    }
    calls.push(("finish", vec![("summary", format!("{deed} {file}."))]));
    let contract = ContractFile { goal, scope, checks, ..ContractFile::default() };
    Task { family, contract, files: before, complaint, expect: after, calls, slip: None }
}

/// Reads the file, replaces `old` (or appends where it is empty), and finishes.
pub(super) fn edit(
    words: &mut Words,
    family: &'static str,
    goal: String,
    file: &str,
    content: &str,
    old: &str,
    new: &str,
) -> Option<Task> {
    let before = with(words, file, content, 4);
    let edited =
        if old.is_empty() { format!("{content}{new}\n") } else { content.replacen(old, new, 1) };
    let mut after = before.clone();
    after.insert(file.to_owned(), edited);
    let write = match words.rng.below(10) {
        0..6 => vec![file.to_owned()],
        6 | 7 => {
            let mut both: Vec<String> =
                before.keys().filter(|path| *path != file).take(1).cloned().collect();
            let at = words.rng.below(both.len() + 1);
            both.insert(at, file.to_owned());
            both
        }
        _ => vec![wider(words, file)],
    };
    let scope = ScopeFile { write, ..ScopeFile::default() };
    let (checks, complaint) = some_checks(words);
    let arguments =
        [("path", file), ("old", old), ("new", new)].map(|(name, value)| (name, value.to_owned()));
    let calls =
        vec![("read_file", vec![("path", file.to_owned())]), ("edit_file", arguments.to_vec())];
    Some(finish(
        Plan { family, goal, scope, checks, complaint, before, after, calls },
        "Changed",
        file,
    ))
}

pub(super) fn some_checks(words: &mut Words) -> (Vec<Check>, Complaint) {
    let training = words.split == Split::Train;
    // The tasks of the test stay as they are, so that figures of different models can be compared.
    let counts = if training { COUNTS } else { TEST_COUNTS };
    let count = counts[words.rng.below(counts.len())];
    let mut checks: Vec<Check> = Vec::new();
    for number in 0..count {
        let command = words.rng.pick(COMMANDS).to_owned();
        let kind = if training { words.rng.below(4) } else { 3 };
        let name = match kind {
            0 => format!("{}{number}", words.rng.pick(LETTERS)),
            1 => words.identifier("snake"),
            _ => words.rng.pick(NAMES).to_owned(),
        };
        if checks.iter().all(|known| known.name != name) {
            checks.push(check(&name, &command));
        }
    }
    let passing = words.rng.pick(PASSING).to_owned();
    (checks, Complaint { passing, ..Complaint::default() })
}

pub(super) fn check(name: &str, command: &str) -> Check {
    let run = command.split(' ').map(str::to_owned).collect();
    Check::new(name, run)
}

pub(super) fn a_file(words: &mut Words) -> (String, String) {
    let file = words.file_name(None);
    let content = content::text(words, &file, 1, 9);
    (file, content)
}

pub(super) fn same_kind(words: &mut Words, file: &str) -> String {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension).to_owned();
    content::line(words, Some(&extension)).trim().to_owned()
}

pub(super) fn others(words: &mut Words, most: usize, avoid: &str) -> Files {
    let mut files = Files::new();
    for _ in 0..words.rng.between(0, most) {
        let name = words.file_name(None);
        if name != avoid {
            let content = content::text(words, &name, 1, 3);
            files.insert(name, content);
        }
    }
    files
}

pub(super) fn with(words: &mut Words, file: &str, content: &str, most: usize) -> Files {
    let mut files = others(words, most, file);
    files.insert(file.to_owned(), content.to_owned());
    files
}

/// Returns a glob that has the file among others.
pub(super) fn wider(words: &mut Words, file: &str) -> String {
    match file.split_once('/') {
        Some((directory, _)) if words.rng.chance(60) => format!("{directory}/**"),
        _ => "**".to_owned(),
    }
}

/// Of a hundred pieces of a line with several words, so many have more than one: where such a piece ends without
/// quotes is what is learnt last.
const PHRASE_PERCENT: usize = 38;
const TEST_PHRASE_PERCENT: usize = 22;

/// Returns a piece of `content` that occurs once: a word, a number, or a few words of one line.
pub(super) fn piece_of(words: &mut Words, content: &str) -> Option<String> {
    let lines: Vec<&str> = content.lines().filter(|line| !line.trim().is_empty()).collect();
    let line = lines[words.rng.below(lines.len())];
    let pieces: Vec<&str> = match words.rng.below(10) {
        0..7 => line.split(|c: char| !c.is_alphanumeric() && !"_.-".contains(c)).collect(),
        _ => line.split(' ').collect(),
    };
    let trimmed = |piece: &&str| piece.trim_matches(|c: char| "._-".contains(c)).len() > 1;
    let pieces: Vec<&str> = pieces.into_iter().filter(trimmed).collect();
    if pieces.is_empty() {
        return None;
    }
    let at = words.rng.below(pieces.len());
    let mut piece = pieces[at].trim_end_matches('.').to_owned();
    let share = if words.split == Split::Train { PHRASE_PERCENT } else { TEST_PHRASE_PERCENT };
    if words.rng.chance(share) && line.contains(' ') {
        let all: Vec<&str> = line.trim().split(' ').collect();
        let from = words.rng.below(all.len() - usize::from(all.len() > 1));
        let to = (from + words.rng.between(2, 4)).min(all.len());
        piece = all[from..to].join(" ").trim_end_matches('.').to_owned();
    } else if words.rng.chance(6) {
        piece = line.trim().to_owned();
    }
    (content.matches(&piece).count() == 1 && piece.trim() == piece && piece.len() > 1)
        .then_some(piece)
}

/// Returns something of the kind of `old` that is not in the file.
pub(super) fn other_than(words: &mut Words, old: &str, content: &str) -> Option<String> {
    let new = if old.parse::<f64>().is_ok() {
        words.number()
    } else if old.contains(' ') {
        words.sentence(1, 4).trim_end_matches(['.', '!', '?']).to_owned()
    } else if old.contains('_') {
        words.identifier("snake")
    } else {
        words.piece()
    };
    (new != old && !content.contains(&new) && !old.contains(&new)).then_some(new)
}

//! The families of tasks, each with its oracle.

use std::time::Duration;

use chargehand_core::contract::{Check, ContractFile, ScopeFile};

use crate::content;
use crate::phrasing::{Facts, goal};
use crate::settings::{Setting, settings};
use crate::words::{Split, Words};
use crate::world::{Complaint, Files, Task};

/// The families and how often each is trained on, in parts of a hundred.
pub const FAMILIES: &[(&str, usize)] =
    &[("create", 15), ("append", 15), ("replace", 46), ("set", 14), ("fix", 7), ("ask", 3)];

/// Of a hundred tasks that replace a text, so many show how to go on after a call that failed.
const SLIP_PERCENT: usize = 12;
const COMMANDS: &[&str] = &[
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
const NAMES: &[&str] = &["tests", "check", "test", "build", "lint", "cargo", "sh", "make"];
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

/// Returns a family by its weight.
pub(crate) fn draw(words: &mut Words) -> &'static str {
    let mut at = words.rng.below(FAMILIES.iter().map(|(_, weight)| weight).sum());
    for (family, weight) in FAMILIES {
        if at < *weight {
            return family;
        }
        at -= weight;
    }
    unreachable!("BUG: the weights were summed")
}

/// Returns a task, or nothing when chance made one that cannot be told or solved.
pub(crate) fn make(words: &mut Words, family: &'static str) -> Option<Task> {
    match family {
        "create" => create(words),
        "append" => append(words),
        "replace" => replace(words),
        "set" => set(words),
        "fix" => fix(words),
        "ask" => ask(words),
        other => panic!("BUG: no family {other}"),
    }
}

fn create(words: &mut Words) -> Option<Task> {
    let file = words.file_name(None);
    let text = words.line();
    let mut files = others(words, 3, &file);
    let create = match words.rng.below(10) {
        0 => vec![file.clone(), words.file_name(None)],
        1 => vec![wider(words, &file)],
        _ => vec![file.clone()],
    };
    let write =
        if words.rng.chance(15) { files.keys().take(1).cloned().collect() } else { Vec::new() };
    let told = Facts { file: file.clone(), text: text.clone(), ..Facts::default() };
    let goal = goal(words, "create", &told);
    let scope = ScopeFile { create, write, ..ScopeFile::default() };
    let (checks, complaint) = some_checks(words);
    let calls = vec![("write_file", vec![("path", file.clone()), ("content", text.clone())])];
    let before = files.clone();
    files.insert(file.clone(), format!("{text}\n"));
    Some(finish(
        Plan { family: "create", goal, scope, checks, complaint, before, after: files, calls },
        "Created",
        &file,
    ))
}

fn append(words: &mut Words) -> Option<Task> {
    let (file, content) = a_file(words);
    let text = if words.rng.chance(60) { words.line() } else { same_kind(words, &file) };
    if content.contains(&text) {
        return None;
    }
    let told = Facts { file: file.clone(), text: text.clone(), ..Facts::default() };
    let goal = goal(words, "append", &told);
    edit(words, "append", goal, &file, &content, "", &text)
}

fn replace(words: &mut Words) -> Option<Task> {
    let (file, content) = a_file(words);
    let old = piece_of(words, &content)?;
    let new = other_than(words, &old, &content)?;
    let mut told =
        Facts { file: file.clone(), old: old.clone(), new: new.clone(), ..Facts::default() };
    let goal = if words.split == Split::Train && words.rng.chance(12) {
        told.key = words.lower();
        goal(words, "replace_from", &told)
    } else {
        goal(words, "replace", &told)
    };
    let mut task = edit(words, "replace", goal, &file, &content, &old, &new)?;
    if words.split == Split::Train && words.rng.chance(SLIP_PERCENT) {
        slip(&mut task, &old);
    }
    Some(task)
}

/// Has the worker put `old` in its own place first, so that it learns to go on from what the tool says to that.
fn slip(task: &mut Task, old: &str) {
    let at =
        task.calls.iter().position(|(tool, _)| *tool == "edit_file").expect("a task that edits");
    let mut call = task.calls[at].clone();
    for (name, value) in &mut call.1 {
        if *name == "new" {
            old.clone_into(value);
        }
    }
    task.calls.insert(at, call);
    task.slip = Some(at);
}

fn set(words: &mut Words) -> Option<Task> {
    let extension = words
        .rng
        .pick(&["toml", "json", "yaml", "yml", "ini", "cfg", "conf", "env", "py"])
        .to_owned();
    let file = words.file_name(Some(&extension));
    let (content, lines) = settings(words, &extension);
    let at = words.rng.below(lines.len());
    let Setting { key, separator, value } = &lines[at];
    let old = format!("{key}{separator}{value}");
    let quoted = value.starts_with('"');
    let new_value = match value.trim_matches('"') {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        text if text.parse::<f64>().is_ok() => words.number(),
        _ => words.lower(),
    };
    let written = if quoted { format!("\"{new_value}\"") } else { new_value.clone() };
    if content.matches(&old).count() != 1 || written == *value {
        return None;
    }
    let new = format!("{key}{separator}{written}");
    let bare_key = key.trim_matches('"').to_owned();
    let told = Facts { file: file.clone(), key: bare_key, new: new_value, ..Facts::default() };
    let goal = goal(words, "set", &told);
    edit(words, "set", goal, &file, &content, &old, &new)
}

fn fix(words: &mut Words) -> Option<Task> {
    let (file, content) = a_file(words);
    let old = piece_of(words, &content)?;
    let new = other_than(words, &old, &content)?;
    let line = content[..content.find(&old)?].matches('\n').count() + 1;
    let message = words.rng.pick(FAILING).to_owned();
    let message = message.replace("{F}", &file).replace("{X}", &new).replace("{Y}", &old);
    let failing = message.replace("{N}", &line.to_string());
    let goal = goal(words, "fix", &Facts::default());
    let mut task = edit(words, "fix", goal, &file, &content, &old, &new)?;
    let command = words.rng.pick(COMMANDS).to_owned();
    let check = check(words.rng.pick(NAMES), &command);
    task.complaint =
        Complaint { wanted: Some(task.expect.clone()), failing, passing: "ok".to_owned() };
    let run = |check: &Check| ("run_check", vec![("name", check.name.clone())]);
    // Without the checks that `edit` may have added.
    task.calls.retain(|(tool, _)| *tool != "run_check");
    task.calls.insert(0, run(&check));
    let end = task.calls.len() - 1;
    task.calls.insert(end, run(&check));
    task.contract.checks = vec![check];
    Some(task)
}

fn ask(words: &mut Words) -> Option<Task> {
    let (file, content) = a_file(words);
    let files = with(words, &file, &content, 3);
    let (goal, write, question) = if words.rng.chance(50) {
        let told = Facts { file: file.clone(), ..Facts::default() };
        (
            goal(words, "ask_what", &told),
            vec![file.clone()],
            format!("What exactly should change in {file}?"),
        )
    } else {
        let old = piece_of(words, &content)?;
        let new = other_than(words, &old, &content)?;
        let told = Facts { file: file.clone(), old, new, ..Facts::default() };
        let elsewhere = files.keys().find(|path| **path != file)?.clone();
        (
            goal(words, "replace", &told),
            vec![elsewhere],
            format!("The contract does not let {file} change."),
        )
    };
    let scope = ScopeFile { write, ..ScopeFile::default() };
    let contract = ContractFile { goal, scope, ..ContractFile::default() };
    let calls = vec![("ask", vec![("question", question)])];
    Some(Task {
        family: "ask",
        contract,
        expect: files.clone(),
        files,
        complaint: Complaint::default(),
        calls,
        slip: None,
    })
}

/// A task before its ending is put to it.
struct Plan {
    family: &'static str,
    goal: String,
    scope: ScopeFile,
    checks: Vec<Check>,
    complaint: Complaint,
    before: Files,
    after: Files,
    calls: Vec<(&'static str, Vec<(&'static str, String)>)>,
}

fn finish(plan: Plan, deed: &str, file: &str) -> Task {
    let Plan { family, goal, scope, checks, complaint, before, after, mut calls } = plan;
    for check in &checks {
        calls.push(("run_check", vec![("name", check.name.clone())]));
    }
    calls.push(("finish", vec![("summary", format!("{deed} {file}."))]));
    let contract = ContractFile { goal, scope, checks, ..ContractFile::default() };
    Task { family, contract, files: before, complaint, expect: after, calls, slip: None }
}

/// Reads the file, replaces `old` (or appends where it is empty), and finishes.
fn edit(
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

fn some_checks(words: &mut Words) -> (Vec<Check>, Complaint) {
    let count = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2][words.rng.below(10)];
    let mut checks: Vec<Check> = Vec::new();
    for _ in 0..count {
        let command = words.rng.pick(COMMANDS).to_owned();
        let name = words.rng.pick(NAMES).to_owned();
        if checks.iter().all(|known| known.name != name) {
            checks.push(check(&name, &command));
        }
    }
    let passing = words.rng.pick(PASSING).to_owned();
    (checks, Complaint { passing, ..Complaint::default() })
}

fn check(name: &str, command: &str) -> Check {
    let run = command.split(' ').map(str::to_owned).collect();
    Check { name: name.to_owned(), run, timeout: Duration::from_secs(600) }
}

fn a_file(words: &mut Words) -> (String, String) {
    let file = words.file_name(None);
    let content = content::text(words, &file, 1, 9);
    (file, content)
}

fn same_kind(words: &mut Words, file: &str) -> String {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension).to_owned();
    content::line(words, Some(&extension)).trim().to_owned()
}

fn others(words: &mut Words, most: usize, avoid: &str) -> Files {
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

fn with(words: &mut Words, file: &str, content: &str, most: usize) -> Files {
    let mut files = others(words, most, file);
    files.insert(file.to_owned(), content.to_owned());
    files
}

/// Returns a glob that has the file among others.
fn wider(words: &mut Words, file: &str) -> String {
    match file.split_once('/') {
        Some((directory, _)) if words.rng.chance(60) => format!("{directory}/**"),
        _ => "**".to_owned(),
    }
}

/// Returns a piece of `content` that occurs once: a word, a number, or a few words of one line.
fn piece_of(words: &mut Words, content: &str) -> Option<String> {
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
    if words.rng.chance(22) && line.contains(' ') {
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
fn other_than(words: &mut Words, old: &str, content: &str) -> Option<String> {
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

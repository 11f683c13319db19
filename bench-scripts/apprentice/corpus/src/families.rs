//! The families of tasks, each with its oracle.

mod parts;
mod wide;

use chargehand_core::contract::{Check, ScopeFile};

use self::parts::{
    COMMANDS, NAMES, Plan, a_file, check, complaint_of, edit, finish, miss_the_end, other_than,
    others, piece_of, same_kind, saying, some_checks, wider, with,
};
use self::wide::{asks, exact_name};
use crate::phrasing::{Facts, goal};
use crate::settings::{Setting, settings};
use crate::words::{Split, Words};
use crate::world::{Complaint, Task};

/// The families and how often each is trained on, as a part of the sum.
pub const FAMILIES: &[(&str, usize)] = &[
    ("create", 8),
    ("exact", 8),
    ("append", 8),
    ("replace", 30),
    ("set", 36),
    ("rename", 40),
    ("add", 8),
    ("fix", 12),
    ("find", 36),
    ("recover", 40),
    ("refuse", 3),
    ("ask", 8),
];

/// Of a hundred tasks that replace a text, so many show how to go on after a call that failed.
const SLIP_PERCENT: usize = 12;

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
        "create" => {
            let file = words.file_name(None);
            create(words, "create", file)
        }
        "exact" => {
            let file = exact_name(words);
            create(words, "exact", file)
        }
        "append" => append(words),
        "replace" => replace(words),
        "set" => set(words),
        "rename" => wide::rename(words),
        "add" => wide::add(words),
        "fix" => fix(words),
        "find" => wide::find(words),
        "recover" => wide::recover(words),
        "refuse" => wide::refuse(words),
        "ask" => ask(words),
        other => panic!("BUG: no family {other}"),
    }
}

fn create(words: &mut Words, family: &'static str, file: String) -> Option<Task> {
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
        Plan { family, goal, scope, checks, complaint, before, after: files, calls },
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
    let call = saying(&task.calls[at], "new", old);
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
        text if text.parse::<f64>().is_ok() => {
            match words.split == Split::Train && words.rng.chance(25) {
                true => nearly(words, text),
                false => words.number(),
            }
        }
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

/// Returns another number with nearly the digits of `number`: each of them counts.
fn nearly(words: &mut Words, number: &str) -> String {
    match words.rng.below(3) {
        0 if number.contains('.') => number.replace('.', ""),
        0 | 1 => format!("{number}{}", words.rng.below(10)),
        _ => format!("{}{}", &number[..number.len() - 1], words.rng.below(10)),
    }
}

fn fix(words: &mut Words) -> Option<Task> {
    let (file, content) = a_file(words);
    let old = piece_of(words, &content)?;
    let new = other_than(words, &old, &content)?;
    let goal = goal(words, "fix", &Facts::default());
    let mut task = edit(words, "fix", goal, &file, &content, &old, &new)?;
    let failing = complaint_of(words, &file, &task.expect[&file], &old, &new)?;
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
    miss_the_end(words, &mut task, &content);
    Some(task)
}

fn ask(words: &mut Words) -> Option<Task> {
    let (file, content) = a_file(words);
    let files = with(words, &file, &content, 3);
    let told = Facts { file: file.clone(), ..Facts::default() };
    let goal = goal(words, "ask_what", &told);
    let scope = ScopeFile { write: vec![file.clone()], ..ScopeFile::default() };
    Some(asks(files, goal, scope, "ask", format!("What exactly should change in {file}?")))
}

//! Tasks of more than one place: a name in several files, a list, a file to be found, a check that wants more.

use chargehand_core::contract::{ContractFile, ScopeFile};

use super::parts::{
    COMMANDS, NAMES, Plan, a_file, check, complaint_of, edit, finish, miss_the_end, other_than,
    others, piece_of, with,
};
use crate::phrasing::{Facts, goal};
use crate::words::{Split, Words};
use crate::world::{Complaint, Files, Task};

/// A name that stands once in each of two or three files becomes another.
pub(super) fn rename(words: &mut Words) -> Option<Task> {
    let style = words.rng.pick(&["snake", "camel", "pascal", "scream", "kebab"]).to_owned();
    let (old, new) = (words.identifier(&style), words.identifier(&style));
    if old.len() < 4 || new.contains(&old) || old.contains(&new) {
        return None;
    }
    let mut before = others(words, 2, "");
    let mut after = before.clone();
    let mut calls = vec![("search", vec![("text", old.clone())])];
    let mut named: Vec<String> = Vec::new();
    for _ in 0..words.rng.between(2, 3) {
        let (file, content) = a_file(words);
        let content = mention(words, &content, &old);
        if before.contains_key(&file)
            || content.contains(&new)
            || content.matches(&old).count() != 1
        {
            return None;
        }
        after.insert(file.clone(), content.replacen(&old, &new, 1));
        before.insert(file.clone(), content);
        named.push(file);
    }
    // In the order in which the search shows them.
    named.sort();
    if before.values().filter(|content| content.contains(&old)).count() != named.len() {
        return None;
    }
    for file in &named {
        calls.push(("read_file", vec![("path", file.clone())]));
        calls.push(change(file, &old, &new));
    }
    let told = Facts { old, new: new.clone(), ..Facts::default() };
    let goal = goal(words, "rename", &told);
    let scope = wide(words, named);
    let (checks, complaint) = (Vec::new(), Complaint::default());
    let plan = Plan { family: "rename", goal, scope, checks, complaint, before, after, calls };
    let mut task = finish(plan, "Changed", "all files");
    search_wrongly(words, &mut task, &new);
    Some(task)
}

/// Of a hundred tasks that begin with a search, so many first search for what is not there, so that the worker learns
/// what to think of that.
const WRONG_SEARCH_PERCENT: usize = 55;

/// Has the worker search for the `new` text first, or for another word of the goal.
fn search_wrongly(words: &mut Words, task: &mut Task, new: &str) {
    if words.split != Split::Train || !words.rng.chance(WRONG_SEARCH_PERCENT) {
        return;
    }
    let mut text = new.to_owned();
    if words.rng.chance(40) {
        let is_word = |word: &&str| word.len() > 1 && word.chars().all(char::is_alphabetic);
        let said: Vec<&str> = task.contract.goal.split(' ').filter(is_word).collect();
        if !said.is_empty() {
            words.rng.pick(&said).clone_into(&mut text);
        }
    }
    if task.files.values().all(|content| !content.contains(&text)) {
        task.calls.insert(0, ("search", vec![("text", text)]));
        task.slip = Some(0);
    }
}

/// Puts a name into one line of a text.
fn mention(words: &mut Words, content: &str, name: &str) -> String {
    let pattern = words.rng.pick(&[
        "{} = 1",
        "use {};",
        "    {}();",
        "See {} for more.",
        "# {}",
        "- {}",
        "let x = {};",
        "call({}, 2)",
        "{}: true",
        "The {} is new.",
        "export {}",
        "\"{}\"",
    ]);
    let line = pattern.replace("{}", name);
    let mut lines: Vec<&str> = content.lines().take(6).collect();
    let at = words.rng.below(lines.len() + 1);
    lines.insert(at, &line);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// One more entry in a list that a file of settings or a page has.
pub(super) fn add(words: &mut Words) -> Option<Task> {
    let extension = words.rng.pick(&["json", "toml", "yaml", "yml", "py", "md"]).to_owned();
    let file = words.file_name(Some(&extension));
    let key = match extension.as_str() {
        "md" => words.word(),
        _ => words.identifier("snake"),
    };
    let entries: Vec<String> = (0..words.rng.between(2, 5)).map(|_| entry(words)).collect();
    let new = entry(words);
    let (content, old, written) = match extension.as_str() {
        "json" => in_json(words, &key, &entries, &new),
        "md" => in_page(words, &key, &entries, &new),
        "yaml" | "yml" => in_yaml(words, &key, &entries, &new),
        _ => in_brackets(words, &key, &entries, &new),
    };
    let occurs = |text: &str| content.matches(text).count();
    if occurs(&old) != 1 || content.contains(&new) || occurs(&key) != 1 {
        return None;
    }
    let told = Facts { file: file.clone(), text: new, key, ..Facts::default() };
    let goal = goal(words, "add", &told);
    edit(words, "add", goal, &file, &content, &old, &written)
}

fn entry(words: &mut Words) -> String {
    match words.rng.below(4) {
        0 => words.identifier("kebab"),
        1 => words.identifier("snake"),
        _ => words.word(),
    }
}

/// Returns the text of the file, the piece to change and what it becomes.
fn in_json(
    words: &mut Words,
    key: &str,
    entries: &[String],
    new: &str,
) -> (String, String, String) {
    let rows: Vec<String> = entries.iter().map(|entry| format!("    \"{entry}\"")).collect();
    let name = words.lower();
    let text =
        format!("{{\n  \"name\": \"{name}\",\n  \"{key}\": [\n{}\n  ]\n}}\n", rows.join(",\n"));
    let last = format!("\"{}\"", entries[entries.len() - 1]);
    let written = format!("{last},\n    \"{new}\"");
    (text, last, written)
}

fn in_brackets(
    words: &mut Words,
    key: &str,
    entries: &[String],
    new: &str,
) -> (String, String, String) {
    let quoted: Vec<String> = entries.iter().map(|entry| format!("\"{entry}\"")).collect();
    let (number, other) = (words.number(), words.lower());
    let text = format!("{other} = {number}\n{key} = [{}]\n", quoted.join(", "));
    let last = format!("{}]", quoted[quoted.len() - 1]);
    let written = format!("{}, \"{new}\"]", quoted[quoted.len() - 1]);
    (text, last, written)
}

fn in_yaml(
    words: &mut Words,
    key: &str,
    entries: &[String],
    new: &str,
) -> (String, String, String) {
    let rows: String = entries.iter().map(|entry| format!("  - {entry}\n")).collect();
    let (name, value) = (words.lower(), words.lower());
    let last = format!("- {}", entries[entries.len() - 1]);
    let written = format!("{last}\n  - {new}");
    (format!("{key}:\n{rows}{name}: {value}\n"), last, written)
}

/// A list at the end of a page grows by a line.
fn in_page(
    words: &mut Words,
    key: &str,
    entries: &[String],
    new: &str,
) -> (String, String, String) {
    let rows: String = entries.iter().map(|entry| format!("- {entry}\n")).collect();
    let last = format!("- {}", entries[entries.len() - 1]);
    let (title, tail) = (words.sentence(1, 3), words.sentence(2, 6));
    let tail = if words.rng.chance(50) { format!("\n{tail}\n") } else { String::new() };
    (format!("# {title}\n\n## {key}\n\n{rows}{tail}"), last.clone(), format!("{last}\n- {new}"))
}

/// Nobody says which file it is.
pub(super) fn find(words: &mut Words) -> Option<Task> {
    let (file, content) = a_file(words);
    let old = piece_of(words, &content)?;
    let new = other_than(words, &old, &content)?;
    let told = Facts { old: old.clone(), new: new.clone(), ..Facts::default() };
    let goal = goal(words, "find", &told);
    let mut task = edit(words, "find", goal, &file, &content, &old, &new)?;
    let elsewhere = task.files.iter().any(|(path, text)| *path != file && text.contains(&old));
    if elsewhere || task.files.len() < 2 {
        return None;
    }
    let scope = wide(words, vec![file]);
    task.contract.scope = scope;
    task.calls.insert(0, ("search", vec![("text", old)]));
    search_wrongly(words, &mut task, &new);
    Some(task)
}

/// The check is not content with what was asked for, and says what it wants besides.
pub(super) fn recover(words: &mut Words) -> Option<Task> {
    let (file, content) = a_file(words);
    let old = piece_of(words, &content)?;
    let new = other_than(words, &old, &content)?;
    let half = content.replacen(&old, &new, 1);
    let more_old = piece_of(words, &half)?;
    let more_new = other_than(words, &more_old, &half)?;
    if new.contains(&more_old) || more_old.contains(&new) || content.contains(&more_new) {
        return None;
    }
    let told = Facts { file: file.clone(), old: old.clone(), new: new.clone(), ..Facts::default() };
    let goal = goal(words, "replace", &told);
    let mut task = edit(words, "recover", goal, &file, &content, &old, &new)?;
    let whole = half.replacen(&more_old, &more_new, 1);
    let failing = complaint_of(words, &file, &whole, &more_old, &more_new)?;
    task.expect.insert(file.clone(), whole);
    let command = words.rng.pick(COMMANDS).to_owned();
    let check = check(words.rng.pick(NAMES), &command);
    task.complaint =
        Complaint { wanted: Some(task.expect.clone()), failing, passing: "ok".to_owned() };
    let run = || ("run_check", vec![("name", check.name.clone())]);
    task.calls.retain(|(tool, _)| *tool != "run_check");
    let end = task.calls.pop()?;
    task.calls.extend([run(), change(&file, &more_old, &more_new), run(), end]);
    task.contract.checks = vec![check];
    miss_the_end(words, &mut task, &half);
    Some(task)
}

/// What is asked for is not what the contract allows.
pub(super) fn refuse(words: &mut Words) -> Option<Task> {
    let (file, content) = a_file(words);
    let files = with(words, &file, &content, 3);
    let elsewhere = files.keys().find(|path| **path != file)?.clone();
    let goal = match words.rng.below(10) {
        0..3 => {
            let text = words.line();
            let told = Facts { file: file.clone(), text, ..Facts::default() };
            goal(words, "append", &told)
        }
        _ => {
            let old = piece_of(words, &content)?;
            let new = other_than(words, &old, &content)?;
            let told = Facts { file: file.clone(), old, new, ..Facts::default() };
            goal(words, "replace", &told)
        }
    };
    let scope = ScopeFile { write: vec![elsewhere], ..ScopeFile::default() };
    Some(asks(files, goal, scope, "refuse", format!("The contract does not let {file} change.")))
}

/// A file name whose capitals no rule tells.
pub(super) fn exact_name(words: &mut Words) -> String {
    let mut name = words.file_name(None);
    let letters: Vec<usize> =
        name.char_indices().filter(|(_, c)| c.is_ascii_alphabetic()).map(|(at, _)| at).collect();
    let base = name.rfind('/').map_or(0, |at| at + 1);
    let loud = words.rng.chance(50);
    for at in letters {
        if at >= base && (loud || words.rng.chance(45)) {
            let upper = name[at..=at].to_ascii_uppercase();
            name.replace_range(at..=at, &upper);
        }
    }
    // A loud name often has its extension in small letters.
    match name.rsplit_once('.') {
        Some((stem, extension)) if words.rng.chance(60) => {
            format!("{stem}.{}", extension.to_lowercase())
        }
        _ => name,
    }
}

pub(super) fn asks(
    files: Files,
    goal: String,
    scope: ScopeFile,
    family: &'static str,
    question: String,
) -> Task {
    let contract = ContractFile { goal, scope, ..ContractFile::default() };
    let calls = vec![("ask", vec![("question", question)])];
    let complaint = Complaint::default();
    Task { family, contract, expect: files.clone(), files, complaint, calls, slip: None }
}

/// Returns a scope that has `files`, by name or by a pattern.
fn wide(words: &mut Words, files: Vec<String>) -> ScopeFile {
    let write = if words.rng.chance(50) { vec!["**".to_owned()] } else { files };
    ScopeFile { write, ..ScopeFile::default() }
}

fn change(file: &str, old: &str, new: &str) -> (&'static str, Vec<(&'static str, String)>) {
    let arguments = [("path", file), ("old", old), ("new", new)];
    ("edit_file", arguments.map(|(name, value)| (name, value.to_owned())).to_vec())
}

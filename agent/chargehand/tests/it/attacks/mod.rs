//! The published list of attacks, `tests/fixtures/attacks.txt`: each is set up and carried out.

mod checks;
mod commands;
#[cfg(target_arch = "x86_64")]
mod crash;
mod edits;
mod git;
mod hiding;
mod injection;
mod models;
mod resources;
#[cfg(target_arch = "x86_64")]
mod scene;
mod server;
mod terminal;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::place::Place;

const LIST: &str = include_str!("../../fixtures/attacks.txt");

/// A test is found by its name: `e03_` for the case `E03`. None is left out, none is ignored, none is without a line.
#[test]
fn every_attack_of_the_list_has_its_test() {
    let is_case = |id: &str| id.len() == 3 && id.starts_with(|c: char| c.is_ascii_uppercase());
    let ids = LIST.lines().filter_map(|line| line.split_once("  ").map(|(id, _)| id));
    let listed: BTreeSet<String> = ids.filter(|id| is_case(id)).map(str::to_lowercase).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/attacks");
    let mut tested = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0] == "#[test]") {
            let name = pair[1].trim_start_matches("fn ");
            let Some((id, _)) = name.split_once('_') else { continue };
            if is_case(&id.to_uppercase()) && id.ends_with(|c: char| c.is_ascii_digit()) {
                tested.insert(id.to_owned());
            }
        }
    }
    assert_eq!(listed.len(), 113);
    assert_eq!(tested, listed);
}

/// Returns the repository that the cases begin with.
pub(crate) fn fixture() -> Place {
    Place::with(&[
        ("src/a.py", "x = 1\n"),
        ("src/b.py", "x = 2\n"),
        ("README.md", "# Demo\n"),
        (".gitignore", "build/\n"),
    ])
}

/// Runs `script` in `dir`, not in a sandbox: what somebody did before.
#[track_caller]
pub(crate) fn shell(dir: &Path, script: &str, variables: &[(&str, &Path)]) {
    let mut command = Command::new("bash");
    command.args(["-ec", script]).current_dir(dir).stdin(Stdio::null());
    command.envs(variables.iter().copied());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@b.example");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns every path below `dir` with its mode, times and content.
fn snapshot(dir: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let facts = fs::symlink_metadata(&path).unwrap();
        if facts.is_dir() {
            found.extend(snapshot(&path));
        }
        let content = if facts.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let (mode, time) = (facts.mode(), (facts.mtime(), facts.mtime_nsec()));
        let time = if facts.is_dir() { (0, 0) } else { time };
        found.push(format!("{} {mode:o} {time:?} {content:?}", path.display()));
    }
    found.sort();
    found
}

type Call = (&'static str, Value);

pub(crate) fn write_call(path: &str, content: &str) -> Call {
    ("write_file", json!({ "path": path, "content": content }))
}

pub(crate) fn read_call(path: &str) -> Call {
    ("read_file", json!({ "path": path }))
}

pub(crate) fn edit_call(path: &str, old: &str, new: &str) -> Call {
    ("edit_file", json!({ "path": path, "old": old, "new": new }))
}

fn check_call(name: &str) -> Call {
    ("run_check", json!({ "name": name }))
}

pub(crate) fn finish() -> Call {
    ("finish", json!({ "summary": "it is done" }))
}

/// Returns what the worker of the only run read, each with whether the call was done.
fn observations(place: &Place) -> Vec<(bool, String)> {
    let turns = place.report()["turns"].as_array().unwrap().clone();
    let seen = turns.iter().map(|turn| &turn["observation"]).filter(|seen| !seen.is_null());
    let told =
        |seen: &Value| (seen["ok"] == true, seen["text"].as_str().unwrap_or_default().to_owned());
    seen.map(told).collect()
}

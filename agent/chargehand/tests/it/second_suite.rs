//! The tasks for larger models: each can be solved, and none by a worker that does nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use chargehand_core::eval::Suite;
use serde_json::{Value, json};

use crate::place::Place;

const SUITE: &str = include_str!("../../suite/second.toml");
const SOLUTIONS: &str = include_str!("../fixtures/solutions.toml");

/// Returns the trials of the suite as a worker does them who has `calls` for a task.
#[track_caller]
fn trials(
    flags: &[&str],
    calls: impl Fn(&chargehand_core::eval::Task) -> Vec<(String, Value)>,
) -> Vec<Value> {
    let suite = Suite::parse(SUITE).unwrap();
    let place = Place::bare();
    let folder = place.root().join("scripts");
    fs::create_dir(&folder).unwrap();
    for task in &suite.tasks {
        let mut script = String::new();
        for (tool, args) in calls(task) {
            writeln!(script, "{}", json!({ "tool": tool, "args": args })).unwrap();
        }
        fs::write(folder.join(format!("{}.jsonl", task.id)), script).unwrap();
    }
    let worker = format!("script:{}", folder.display());
    let run = [&["eval", "run", "second", "--worker", &worker, "--json"], flags].concat();
    let mut lines = place.run(&run).expect(0).lines();
    lines.pop();
    assert_eq!(lines.len(), suite.tasks.len());
    lines.into_iter().map(|mut line| line["trial"].take()).collect()
}

#[test]
fn each_task_can_be_solved() {
    let solutions: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(SOLUTIONS).unwrap();
    let trials = trials(&[], |task| {
        let mut calls = Vec::new();
        let mut call = |tool: &str, args: Value| calls.push((tool.to_owned(), args));
        for (path, content) in &solutions[&task.id] {
            if task.files.contains_key(path) {
                call("read_file", json!({ "path": path }));
            }
            call("write_file", json!({ "path": path, "content": content }));
        }
        for check in &task.contract.checks {
            call("run_check", json!({ "name": check.name }));
        }
        call("finish", json!({ "summary": "done" }));
        calls
    });
    for trial in trials {
        assert_eq!(trial["right"], true, "{trial}");
        assert_eq!(trial["acting"], trial["on_target"], "{trial}");
    }
}

#[test]
fn no_task_is_solved_by_doing_nothing() {
    let gates = ["--gate", "finish_after_change=off", "--gate", "finish_after_checks=off"];
    let finish = |_: &_| vec![("finish".to_owned(), json!({ "summary": "done" }))];
    for trial in trials(&gates, finish) {
        let faults = trial["faults"].as_array().unwrap();
        assert!(
            faults.iter().any(|fault| fault.as_str().unwrap().starts_with("hidden: ")),
            "{trial}"
        );
    }
}

#[test]
fn each_family_has_enough_tasks_for_a_card() {
    let suite = Suite::parse(SUITE).unwrap();
    assert_eq!(suite.families(), ["several", "function", "convention", "keep_out"]);
    for family in suite.families() {
        let count = suite.tasks.iter().filter(|task| task.family == family).count();
        assert!(count as u64 >= chargehand_core::eval::MIN_TASKS, "{family} has {count}");
    }
}

/// `set -e` looks away from a command behind `!`.
#[test]
fn no_script_of_a_suite_denies_for_nothing() {
    let suites =
        [include_str!("../../suite/first.toml"), SUITE].map(|text| Suite::parse(text).unwrap());
    let tasks = suites.iter().flat_map(|suite| &suite.tasks);
    for (path, text) in tasks.flat_map(|task| task.files.iter().chain(&task.grade.hidden)) {
        assert!(!text.lines().any(|line| line.starts_with("! ")), "{path}: {text}");
    }
}

//! What comes out where when not everything goes well: a full disk behind stdout, and arguments that are none.

use std::fs::{self, OpenOptions};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::place::{Outcome, Place};

/// Returns a place and the worker of a job that holds.
fn prepared() -> (Place, String) {
    let place = Place::with(&[("a.txt", "a\n")]);
    place.git(&["config", "user.name", "Test"]);
    place.git(&["config", "user.email", "test@example.org"]);
    let write = ("write_file", json!({ "path": "new.txt", "content": "x" }));
    let script = place.script("s.jsonl", &[write, ("finish", json!({ "summary": "s" }))]);
    (place, script)
}

/// Runs the program with a stdout that is full.
fn to_full(place: &Place, args: &[&str]) -> Outcome {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = place.command(args);
    command.stdout(Stdio::from(full)).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap().into()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stdout_is_told() {
    for shown in [&["--json"][..], &[]] {
        let (place, script) = prepared();
        let job = ["run", "x", "--create", "new.txt", "--worker", &script];
        to_full(&place, &[&job, shown].concat()).expect(74).says("stdout does not have all of it");
        assert_eq!(place.report()["verdict"], "holds", "the run itself is complete");
        to_full(&place, &["accept", "last"]).expect(0).says("accepted ");
        assert_eq!(place.git(&["show", "main:new.txt"]), "x");
    }
}

#[test]
fn a_reader_that_is_gone_is_no_failure() {
    let (place, script) = prepared();
    let job = ["run", "x", "--create", "new.txt", "--worker", &script, "--json"];
    let mut command = place.command(job);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    Outcome::from(child.wait_with_output().unwrap()).expect(0);
}

#[track_caller]
fn usage(args: &[&str], says: &str) {
    let outcome = Place::bare().run(args).expect(2);
    let lines = outcome.lines();
    let [line] = lines.as_slice() else { panic!("{}", outcome.stdout) };
    let found = (&line["type"], &line["kind"], &line["exit_code"]);
    assert_eq!(found, (&json!("error"), &json!("usage"), &json!(2)));
    let message = line["message"].as_str().unwrap();
    assert!(message.contains(says) && !message.contains('\n'), "{message}");
}

#[test]
fn what_cannot_be_parsed_is_json_too() {
    usage(&["run", "g", "--json", "--write"], "a value is required for '--write <GLOB>'");
    usage(&["run", "g", "--turns", "x", "--json"], "invalid value 'x' for '--turns <N>'");
    usage(&["completions", "tcsh", "--json"], "tcsh");
    usage(&["resume", "--json"], "required");
    usage(&["plan", "--json"], "there is no model to plan for");
    usage(&["--json"], "--json");
    let plain = Place::bare().run(&["run", "g", "--turns", "x"]).expect(2);
    assert_eq!(plain.stdout, "");
    assert_eq!(Place::bare().run(&["run", "a", "b", "--", "--json"]).expect(2).stdout, "");
}

#[test]
fn an_empty_message_is_refused() {
    let (place, script) = prepared();
    place.job(&script, &["--create", "new.txt"]).expect(0);
    for message in ["", " \n"] {
        place.run(&["accept", "last", "--message", message]).expect(2).says("--message is empty");
    }
    place.run(&["accept", "last"]).expect(0);
}

#[test]
fn a_log_without_lines_is_not_gone_on_with() {
    let (place, script) = prepared();
    place.job(&script, &["--create", "new.txt", "--turns", "1"]).expect(4);
    fs::write(place.run_dir().join("events.jsonl"), "").unwrap();
    place.run(&["resume", "last"]).expect(74).says("it has no line");
    place.run(&["resume", "last", "--worker", &script]).expect(74).says("it has no line");
    let text = fs::read(place.run_dir().join("run.json")).unwrap();
    let run: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(run["status"], "done", "it is as it was");
}

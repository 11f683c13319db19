//! Tasks of one's own: which are refused beforehand, which results of theirs are wrong, and which runs become one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use chargehand_core::eval::{Suite, TaskEnd};
use serde_json::{Value, json};

use crate::place::{Outcome, Place};

/// Returns how `eval from-run` answers to a run of `calls` under `contract`, on a base with a tool that can be executed.
fn from_run(place: &Place, contract: &str, calls: &[(&str, Value)], flags: &[&str]) -> Outcome {
    let path = place.root().join("c.toml");
    fs::write(&path, contract).unwrap();
    let script = place.script("s", calls);
    place.job(&script, &[&["--contract", path.to_str().unwrap()], flags].concat());
    place.run(&["eval", "from-run", "last"])
}

#[test]
fn only_a_run_that_a_trial_can_be_right_with_becomes_a_task() {
    let change = ("write_file", json!({ "path": "new", "content": "1\n2\n" }));
    let end = ("finish", json!({ "summary": "d" }));
    let calls = [change.clone(), end];
    let check = "[[check]]\nname = 'c'\nrun = ['true']\n[gates]\nfinish_after_checks = false\n";
    let of = |rest: &str, flags: &[&str]| {
        let contract = format!("[scope]\ncreate = ['new']\n{rest}");
        from_run(&Place::with(&[("a", "1\n")]), &contract, &calls, flags)
    };
    let large = of("max_changed_lines = 1\n", &[]).expect(3);
    large.says("breaks its contract").says("2 lines changed, 1 at most").says("chargehand report ");
    let failing = check.replace("true", "false");
    of(&failing, &[]).expect(3).says("breaks its contract");
    let network = check.replace("name", "network = true\nname");
    of(&network, &["--network"]).expect(3).says("check `c` of run").says("had the network");
    of(check, &[]).expect(0);
    // Whoever asks leaves something to do; what it changed before is held to the contract all the same.
    let asks = [change, ("ask", json!({ "question": "?" }))];
    let asked = |rest: &str| {
        let contract = format!("[scope]\ncreate = ['new']\n{rest}");
        from_run(&Place::with(&[("a", "1\n")]), &contract, &asks, &[])
    };
    let task = Suite::parse(&asked(&failing).expect(0).stdout).unwrap().tasks.remove(0);
    assert_eq!(task.grade.end, TaskEnd::Asked);
    asked("max_changed_lines = 1\n").expect(3).says("breaks its contract");
}

#[test]
fn a_file_that_loses_its_executable_bit_in_a_task_is_told() {
    let place = Place::bare();
    place.init();
    for (path, text, mode) in [("run", "#!/bin/sh\n", 0o755), ("a", "1\n", 0o644)] {
        place.write(path, text);
        fs::set_permissions(place.repo().join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    place.commit(&[]);
    let calls = [
        ("write_file", json!({ "path": "new", "content": "1\n" })),
        ("finish", json!({ "summary": "d" })),
    ];
    let contract = "[scope]\ncreate = ['new']\n";
    let none = from_run(&place, contract, &calls, &[]).expect(0);
    assert!(!none.stderr.contains("executed"), "{}", none.stderr);
    fs::set_permissions(place.repo().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    place.commit(&[]);
    let told = from_run(&place, contract, &calls, &[]).expect(0);
    told.says("note: 1 files can be executed in the run and not in the task, such as a: ");
}

/// Examines the worker of `script` with one task, and returns the trial.
#[track_caller]
fn trial(task: &str, calls: &[(&str, Value)]) -> Value {
    let place = Place::bare();
    let path = place.root().join("t.toml");
    fs::write(&path, task).unwrap();
    fs::create_dir(place.root().join("scripts")).unwrap();
    place.script("scripts/t.jsonl", calls);
    let worker = format!("script:{}", place.root().join("scripts").display());
    let run = ["eval", "run", path.to_str().unwrap(), "--worker", &worker, "--json"];
    place.run(&run).expect(0).lines().remove(0)["trial"].take()
}

const TASK: &str = "\
[[task]]
id = 't'
family = 'own'
[task.contract]
goal = 'g'
[task.contract.scope]
create = ['a', 'tests/**']
LIMITS
[task.grade.files]
a = \"x\\n\"
[task.grade.hidden]
'tests/t.py' = ''
[[task.grade.check]]
name = 'hidden'
run = ['true']
";

#[test]
fn a_result_in_the_way_of_a_hidden_file_is_wrong_and_ends_nothing() {
    let write =
        |path: &str, content: &str| ("write_file", json!({ "path": path, "content": content }));
    let end = ("finish", json!({ "summary": "d" }));
    let of = |calls: &[(&str, Value)]| trial(&TASK.replace("LIMITS", ""), calls);
    assert_eq!(of(&[write("a", "x"), end.clone()])["faults"], json!([]));
    let hidden =
        "hidden: fail (not started: something is in the way of the hidden file tests/t.py)";
    let below = of(&[write("a", "x"), write("tests/t.py/x", ""), end.clone()]);
    let unwanted = "tests/t.py/x should not be there";
    assert_eq!(below["faults"], json!([unwanted, hidden]), "{below}");
    // What is no folder is replaced.
    let same = of(&[write("a", "x"), write("tests/t.py", "y"), end]);
    assert_eq!(same["faults"], json!(["tests/t.py should not be there"]), "{same}");
}

#[test]
fn a_result_that_breaks_its_contract_is_no_right_one() {
    let calls = [
        ("write_file", json!({ "path": "a", "content": "x" })),
        ("finish", json!({ "summary": "d" })),
    ];
    let bytes = trial(&TASK.replace("LIMITS", "max_changed_bytes = 0"), &calls);
    let fault = "violated size, diff: 2 bytes changed, 0 at most are allowed";
    assert_eq!(bytes["faults"], json!([fault]));
    assert_eq!((&bytes["right"], &bytes["broken"]), (&json!(false), &json!(true)), "{bytes}");
    let check = "[[task.contract.check]]\nname = 'c'\nrun = ['false']\n[task.contract.gates]\n\
                 finish_after_checks = false\n";
    let failing = trial(&TASK.replace("LIMITS", check), &calls);
    assert_eq!(failing["faults"], json!(["violated command, c: `false`: fail (exit 1)"]));
    assert_eq!(
        (&failing["right"], &failing["broken"]),
        (&json!(false), &json!(false)),
        "{failing}"
    );
}

#[test]
fn what_is_no_suite_file_is_not_waited_for() {
    let place = Place::bare();
    let run = |path: &str| place.run(&["eval", "run", path]).expect(2);
    run("/dev/zero").says("cannot read /dev/zero: it is no regular file");
    let pipe = place.root().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    run(pipe.to_str().unwrap()).says("it is no regular file");
    let large = place.root().join("large.toml");
    fs::File::create(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    run(large.to_str().unwrap()).says("it has more than 67108864 bytes; split it");
    fs::write(&large, TASK.replace("LIMITS", "").replace("'own'", "'all'")).unwrap();
    run(large.to_str().unwrap()).says("task `t`: `family` is `all`");
    assert!(!place.home().join("evals").exists());
}

#[test]
fn a_first_task_is_written_into_a_folder_that_is_made() {
    let place = Place::bare();
    let new = |path: &str| place.run(&["eval", "new", path]);
    let task = "my tasks/first.toml";
    new(task).expect(0).shows("try it with: chargehand eval run 'my tasks/first.toml'");
    let text = place.read(task);
    fs::write(place.repo().join(task), "mine").unwrap();
    new(task).expect(2).says("my tasks/first.toml is there already").says("hint: name a file");
    assert_eq!(place.read(task), "mine");
    assert!(Suite::parse(&text).is_ok());
    new("my tasks/first.toml/x").expect(74).says("cannot write my tasks/first.toml/x");
}

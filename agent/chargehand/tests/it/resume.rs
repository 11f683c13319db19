//! Runs that are gone on with, and which run is meant: what a worker knows, and what is refused.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::place::{Outcome, Place};
use crate::run::signal;
use crate::worker::wait_for;

fn script(place: &Place) -> String {
    let write = ("write_file", json!({ "path": "new", "content": "x" }));
    place.script("s", &[write, ("finish", json!({ "summary": "s" }))])
}

/// A run of the embedded model that is ended in the check of its worker is gone on with behind its edit.
#[test]
fn a_model_goes_on_behind_what_it_did() {
    let place = Place::with(&[("src/limits.sh", "name=mill\nretries=3\n"), ("wait", "600\n")]);
    let goal = "Set retries to 5 in src/limits.sh";
    let check = "s=sh -c 'sleep $(cat wait)'";
    let args = ["run", goal, "--write", "src/limits.sh", "--check", check, "--json"];
    let mut child = place.command(args).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begins = |line: &str| line.contains("item.started") && line.contains("command_execution");
    assert!(lines.any(|line| begins(&line.unwrap())), "the check never began");
    signal(&child, Signal::SIGTERM);
    assert!(lines.all(|line| line.is_ok()));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let turns = place.report()["turns"].as_array().unwrap().len();
    let log = fs::read_to_string(place.run_dir().join("events.jsonl")).unwrap();
    assert!(!log.contains("signal 9"), "a check that we ended is no result: {log}");
    fs::write(place.run_dir().join("work/wait"), "0\n").unwrap();
    place.run(&["resume", "last"]);
    let work = fs::read_to_string(place.run_dir().join("work/src/limits.sh")).unwrap();
    assert_eq!(work, "name=mill\nretries=5\n");
    let report = place.report();
    assert_eq!(report["stop"]["kind"], "finished");
    let next = &report["turns"][turns];
    assert_eq!(next["call"]["name"], "run_check", "{next}");
}

/// What a command had for itself stays when we are killed, and goes when the run is gone on with.
#[test]
fn what_a_killed_command_had_is_cleared_away() {
    let place = Place::with(&[("a", "1\n"), ("wait", "600\n")]);
    let mut args = vec!["run", "g", "--create", "new", "--check", "s=sh -c 'sleep $(cat wait)'"];
    let write = ("write_file", json!({ "path": "new", "content": "x" }));
    let check = ("run_check", json!({ "name": "s" }));
    let script = place.script("check", &[write, check, ("finish", json!({ "summary": "s" }))]);
    args.extend(["--worker", &script, "--json"]);
    let mut child = place.command(args).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begins = |line: &str| line.contains("item.started") && line.contains("command_execution");
    assert!(lines.any(|line| begins(&line.unwrap())), "the check never began");
    let folder = place.run_dir().join("commands");
    wait_for(|| folder.exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(folder.exists());
    fs::write(place.run_dir().join("work/wait"), "0\n").unwrap();
    place.run(&["resume", "last", "--worker", &script]);
    assert!(!folder.exists());
}

#[test]
fn where_a_report_goes_is_looked_at_before_the_work() {
    let place = Place::with(&[("a", "1\n")]);
    place.job(&script(&place), &["--create", "new", "--turns", "1"]).expect(4);
    place.run(&["resume", "last", "-o", "nowhere/r.json"]).expect(2).says("no such folder");
    place.run(&["resume", "last", "-o", "a"]).expect(3).says("which belongs to the repository");
    assert_eq!(place.read("a"), "1\n");
}

#[test]
fn another_contract_is_not_gone_on_with() {
    let place = Place::with(&[("a", "1\n")]);
    let script = script(&place);
    place.job(&script, &["--create", "new", "--turns", "1"]).expect(4);
    let path = place.run_dir().join("contract.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"new\"", "\"**\"")).unwrap();
    place.run(&["resume", "last"]).expect(3).says("is not the one that it began with");
    fs::write(&path, text).unwrap();
    place.run(&["resume", "last"]).expect(4);
}

/// The repository is only asked for its index; one that is gone is missed by whoever accepts.
#[test]
fn the_repository_of_a_run_is_its_own_and_no_other() {
    let place = Place::with(&[("a", "1\n")]);
    place.job(&script(&place), &["--create", "new", "--turns", "1"]).expect(4);
    // One above it has an index that cannot be read.
    for args in [&["init", "-q"][..], &["add", "s"], &["update-index", "--split-index"]] {
        place.git(&[&["-C", ".."], args].concat());
    }
    let git = place.repo().join(".git");
    fs::rename(&git, place.root().join("away")).unwrap();
    let id = place.run_dir().file_name().unwrap().to_str().unwrap().to_owned();
    place.run(&["resume", &id]).expect(4);
    fs::create_dir(&git).unwrap();
    place.run(&["resume", &id]).expect(3).says("cannot read the repository");
}

#[test]
fn a_run_that_never_began_can_only_be_rejected() {
    let place = Place::with(&[("a", "1\n")]);
    place.job(&script(&place), &["--create", "new", "--turns", "1"]).expect(4);
    let dir = place.run_dir();
    for name in ["events.jsonl", "report.json"] {
        fs::remove_file(dir.join(name)).unwrap();
    }
    let run = fs::read_to_string(dir.join("run.json")).unwrap();
    fs::write(dir.join("run.json"), run.replace("\"done\"", "\"running\"")).unwrap();
    place.run(&["resume", "last"]).expect(3).says("cut off before it began").says("reject");
    place.run(&["report", "last"]).expect(3).says("cut off before it began").says("reject");
    place.run(&["reject", "last"]).expect(0);
}

#[test]
fn the_last_run_is_that_of_the_repository() {
    let (one, other) = (Place::with(&[("a", "1\n")]), Place::with(&[("a", "1\n")]));
    let (first, second) = (script(&one), script(&other));
    one.job(&first, &["--create", "new"]).expect(0);
    let in_other = |args: &[&str]| -> Outcome {
        other.command(args).env("CHARGEHAND_HOME", one.home()).output().unwrap().into()
    };
    in_other(&["accept", "last"]).expect(2).says("there is no run of");
    in_other(&["run", "x", "--create", "new", "--worker", &second]).expect(0);
    one.run(&["accept", "last"]).expect(0).shows("on branch main of");
    assert_eq!((one.read("new"), other.repo().join("new").exists()), ("x\n".to_owned(), false));
    let outside = one.command(["report", "last", "--json"]).current_dir(one.root()).output();
    let report: Value = serde_json::from_slice(&outside.unwrap().stdout).unwrap();
    assert_eq!(report["contract"]["goal"], "x");
    in_other(&["reject", "last"]).expect(0).shows("for branch main of");
}

#[test]
fn a_damaged_run_is_shown_and_not_passed_over() {
    let place = Place::with(&[("a", "1\n")]);
    let script = script(&place);
    place.job(&script, &["--create", "new"]).expect(0);
    let dir = place.run_dir();
    let newer = place.home().join("runs/29990101-000000-0ef0");
    fs::create_dir(&newer).unwrap();
    fs::write(newer.join("run.json"), "").unwrap();
    place.run(&["report"]).expect(0).shows("29990101-000000-0ef0  damaged");
    let listed = place.run(&["report", "--json"]).expect(0).lines();
    assert_eq!(listed[0], json!({ "id": "29990101-000000-0ef0", "status": "damaged" }));
    for command in ["accept", "reject", "resume", "report"] {
        place.run(&[command, "last"]).expect(3).says("29990101-000000-0ef0 is newer and damaged");
    }
    place.run(&["reject", "2999"]).expect(0).shows("rejected 29990101-000000-0ef0");
    assert!(!newer.exists() && dir.exists());
    place.run(&["accept", "last"]).expect(0);
}

#[test]
fn a_run_of_another_version_is_not_damaged() {
    let place = Place::with(&[("a", "1\n")]);
    place.job(&script(&place), &["--create", "new"]).expect(0);
    let newer = place.home().join("runs/29990101-000000-0ef0");
    fs::create_dir(&newer).unwrap();
    let said = "run 29990101-000000-0ef0 has schema 2, this program reads 1";
    for text in [r#"{ "schema": 2 }"#, r#"{ "schema": 2, "id": 5, "new": [] }"#] {
        fs::write(newer.join("run.json"), text).unwrap();
        let listed = place.run(&["report"]).expect(0).stdout;
        assert!(!listed.contains("damaged"), "{listed}");
        place.run(&["accept", "last"]).expect(3).says(said);
        assert_ne!(place.run(&["reject", "2999"]).code, 0);
        assert!(newer.join("run.json").exists());
    }
}

/// Of which repository it is nobody knows, but that this one has no run.
#[test]
fn a_damaged_run_is_no_run_of_a_repository_without_any() {
    let place = Place::with(&[("a", "1\n")]);
    let damaged = place.home().join("runs/20200101-000000-0ef0");
    fs::create_dir_all(&damaged).unwrap();
    fs::write(damaged.join("run.json"), "{").unwrap();
    place.run(&["accept", "last"]).expect(2).says("there is no run of");
}

#[test]
fn a_run_that_is_just_being_made_is_not_the_last() {
    let place = Place::with(&[("a", "1\n")]);
    place.job(&script(&place), &["--create", "new"]).expect(0);
    fs::create_dir(place.home().join("runs/29990101-000000-0ef0")).unwrap();
    let listed = place.run(&["report"]).expect(0).stdout;
    assert!(!listed.contains("damaged"), "{listed}");
    place.run(&["accept", "last"]).expect(0);
}

#[test]
fn what_guesses_for_a_model_goes_with_a_model() {
    let place = Place::with(&[("a", "1\n")]);
    let script = script(&place);
    let flags = ["--create", "new", "--turns", "1"];
    place
        .job(&script, &[&flags[..], &["--draft", "m"]].concat())
        .expect(2)
        .says("'--draft <MODEL|mtp>'");
    place.job(&script, &flags).expect(4);
    place.run(&["resume", "last", "--draft", "m"]).expect(2).says("--ctx, --draft, --temperature");
}

/// A file may not be larger than this; git's packs and llama.cpp's models are read only.
#[test]
fn a_limit_on_files_is_told_as_a_full_disk_is() {
    let place = Place::with(&[("a", "1\n")]);
    let script = script(&place);
    let mut shell = Command::new("sh");
    let program = place.command(["run", "x", "--create", "new", "--worker", &script]);
    shell.args(["-c", "ulimit -f 1; exec \"$@\"", "sh"]).arg(program.get_program());
    shell.args(program.get_args()).current_dir(place.repo()).stdin(Stdio::null());
    shell.env("CHARGEHAND_HOME", place.home()).env("HOME", place.root());
    let output = shell.output().unwrap();
    assert_eq!(output.status.signal(), None, "{output:?}");
    Outcome::from(output).expect(74).says("File too large");
}

/// Before anything is begun a signal ends the program at once, and says so; a goal that comes from nobody waits.
#[test]
fn an_early_ctrl_c_is_told_and_leaves_nothing() {
    let place = Place::with(&[("a", "1\n")]);
    let temp = place.root().join("temp");
    fs::create_dir(&temp).unwrap();
    let mut command = place.command(["run", "-", "--create", "new", "--json"]);
    command.env("TMPDIR", &temp).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Closed, it would be a goal: an empty one.
    let _open = child.stdin.take();
    // It reads its goal when it listens; there is no other sign of that.
    let status = format!("/proc/{}/status", child.id());
    let catches = |text: &str| {
        let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() & 1 << (Signal::SIGTERM as i32 - 1) != 0
    };
    while !catches(&fs::read_to_string(&status).unwrap()) {
        std::thread::yield_now();
    }
    signal(&child, Signal::SIGTERM);
    let outcome = Outcome::from(child.wait_with_output().unwrap()).expect(130);
    let outcome = outcome.says("interrupted before anything was begun");
    assert_eq!(outcome.lines()[0]["kind"], "interrupted");
    assert!(is_empty(&temp) && place.runs().is_empty());
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// The built-in model in a file of its own.
fn model(place: &Place, name: &str) -> String {
    let path = place.root().join(name);
    fs::write(&path, include_bytes!("../../models/apprentice.gguf")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Makes the file of a model longer, which changes nothing but its hash.
fn touch(model: &str) {
    let file = fs::OpenOptions::new().write(true).open(model).unwrap();
    file.set_len(file.metadata().unwrap().len() + 1).unwrap();
}

#[test]
fn a_reviewer_that_changed_is_replaced_as_the_hint_says() {
    let place = Place::with(&[("a", "1\n")]);
    let reviewer = model(&place, "r.gguf");
    let (script, yes) = (script(&place), place.script("yes", &[]));
    let flags = ["--create", "new", "--criterion", "it is new", "--turns", "1"];
    place.job(&script, &[&flags[..], &["--reviewer", &reviewer]].concat()).expect(4);
    touch(&reviewer);
    let outcome = place.run(&["resume", "last"]).expect(3).says("r.gguf is not the file it was");
    outcome.says("hint: let another one review with --reviewer\n");
    fs::remove_file(&reviewer).unwrap();
    place.run(&["resume", "last"]).says("hint: let another one review with --reviewer\n");
    let words = |place: &Place| place.report()["worker"].as_str().unwrap().to_owned();
    place.run(&["resume", "last", "--reviewer", &yes]);
    assert!(words(&place).ends_with("/yes"), "{}", words(&place));
}

#[test]
fn whoever_takes_over_from_its_reviewer_has_no_other_one() {
    let place = Place::with(&[("a", "1\n")]);
    let reviewer = model(&place, "r.gguf");
    let flags = ["--create", "new", "--criterion", "it is new", "--turns", "1"];
    let args = [&flags[..], &["--reviewer", &reviewer]].concat();
    place.job(&script(&place), &args).expect(4);
    let words = |place: &Place| place.report()["worker"].as_str().unwrap().to_owned();
    assert!(words(&place).contains(", reviewed by r "), "{}", words(&place));
    place.run(&["resume", "last", "-m", &reviewer]);
    assert!(!words(&place).contains("reviewed by"), "{}", words(&place));
}

#[test]
fn what_guesses_is_what_it_was() {
    let place = Place::with(&[("a", "1\n")]);
    let draft = model(&place, "d.gguf");
    place.run(&["run", "x", "--create", "new", "--turns", "1", "--draft", &draft]).expect(4);
    touch(&draft);
    let changed = "d.gguf was changed after it was planned";
    place.run(&["resume", "last"]).expect(3).says(changed).says("hint: give the model with -m");
    place.run(&["resume", "last", "-m", "apprentice"]);
    assert_eq!(place.report()["stop"]["kind"], "finished");
}

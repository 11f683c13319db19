//! Whole runs with a scripted worker, from the contract to the verdict.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use chargehand::audit;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::place::{Outcome, Place};

fn write_call(path: &str, content: &str) -> (&'static str, Value) {
    ("write_file", json!({ "path": path, "content": content }))
}

fn read_call(path: &str) -> (&'static str, Value) {
    ("read_file", json!({ "path": path }))
}

fn edit_call(path: &str, old: &str, new: &str) -> (&'static str, Value) {
    ("edit_file", json!({ "path": path, "old": old, "new": new }))
}

fn check_call(name: &str) -> (&'static str, Value) {
    ("run_check", json!({ "name": name }))
}

fn finish() -> (&'static str, Value) {
    ("finish", json!({ "summary": "it is done" }))
}

fn small() -> Place {
    Place::with(&[("src/a.txt", "one\ntwo\n"), ("keep.txt", "keep\n")])
}

#[test]
fn a_job_that_keeps_its_contract_holds() {
    let place = small();
    let before = place.git(&["status", "--porcelain"]);
    let script =
        place.script("s", &[read_call("src/a.txt"), edit_call("src/a.txt", "two", "2"), finish()]);
    place
        .job(&script, &["--write", "src/**"])
        .expect(0)
        .shows("holds")
        .shows("src/a.txt")
        .shows("chargehand accept");
    let report = place.report();
    assert_eq!((&report["verdict"], &report["claim"]), (&json!("holds"), &json!("it is done")));
    assert_eq!(report["evidence"]["changes"][0]["path"], "src/a.txt");
    assert_eq!(report["turns"].as_array().unwrap().len(), 3);
    assert_eq!(
        (place.read("src/a.txt"), place.git(&["status", "--porcelain"])),
        ("one\ntwo\n".to_owned(), before)
    );
    let dir = place.run_dir();
    for name in
        ["report.json", "report.html", "diff.patch", "events.jsonl", "contract.toml", "run.json"]
    {
        assert!(fs::metadata(dir.join(name)).unwrap().len() > 0, "{name}");
    }
    place.run(&["accept", "last"]).expect(0).shows("accepted");
    assert_eq!(place.read("src/a.txt"), "one\n2\n");
    assert_eq!(place.git(&["log", "--format=%s", "-1"]), "do it");
    place.run(&["accept", "last"]).expect(3).says("accepted already");
}

#[test]
fn a_worker_that_is_refused_everything_changes_nothing() {
    let place = small();
    let calls = [
        write_call("evil.txt", "x"),
        read_call("keep.txt"),
        edit_call("keep.txt", "keep", "k"),
        write_call("../out.txt", "x"),
        write_call(".git/hooks/post-commit", "x"),
        write_call("/etc/x", "x"),
        finish(),
    ];
    let script = place.script("s", &calls);
    place
        .job(&script, &["--write", "src/**"])
        .expect(1)
        .shows("violated")
        .shows("nothing was changed");
    assert!(!place.root().join("out.txt").exists());
    let turns = place.report()["turns"].clone();
    assert_eq!(
        turns.as_array().unwrap().iter().filter(|turn| turn["observation"]["ok"] == true).count(),
        1,
        "{turns}"
    );
}

#[test]
fn required_commands_decide_and_leave_logs() {
    let place = small();
    let script = place
        .script("s", &[write_call("new.txt", "x"), check_call("sh"), check_call("grep"), finish()]);
    let checks = [
        "--create",
        "new.txt",
        "--check",
        "sh -c 'echo built > built.txt; cat new.txt'",
        "--check",
        "grep -q y new.txt",
    ];
    place.job(&script, &checks).expect(1).shows("grep");
    let report = place.report();
    assert_eq!(report["evidence"]["checks"][0]["end"], json!({ "exit": 0 }));
    assert_eq!(report["evidence"]["checks"][1]["end"], json!({ "exit": 1 }));
    assert_eq!(
        report["evidence"]["changes"].as_array().unwrap().len(),
        1,
        "what a command leaves behind is no change"
    );
    assert_eq!(fs::read_to_string(place.run_dir().join("checks/sh.log")).unwrap(), "x\n");
    assert!(!report["sandbox"].as_array().unwrap().is_empty());
    place.run(&["accept", "last"]).expect(3).says("breaks its contract");
}

#[test]
fn limits_end_a_run_with_4() {
    let place = small();
    let script = place.script("s", &[write_call("new.txt", "x"), read_call("keep.txt"), finish()]);
    place.job(&script, &["--create", "new.txt", "--turns", "2"]).expect(4);
    assert_eq!(place.report()["stop"], json!({ "kind": "turn_limit", "detail": 2 }));
    place
        .run(&[
            "resume",
            "last",
            "--worker",
            &place.script("t", &[read_call("new.txt"), edit_call("new.txt", "x", "y"), finish()]),
        ])
        .expect(4);
    let slow = place.script("slow", &[write_call("new.txt", "x"), check_call("sleep")]);
    place.job(&slow, &["--create", "new.txt", "--check", "sleep 3", "--time", "1s"]).expect(4);
}

#[test]
fn goal_and_contract_come_from_everywhere() {
    let place = small();
    let script =
        place.script("s", &[write_call("new.txt", "x"), write_call("b.txt", "x"), finish()]);
    let contract = place.root().join("c.toml");
    fs::write(
        &contract,
        "goal = 'from the file'\n[scope]\ncreate = ['new.txt']\n[limits]\nturns = 9\n",
    )
    .unwrap();
    let contract = contract.to_str().unwrap();
    place
        .run(&[
            "run",
            "--contract",
            contract,
            "--create",
            "b.txt",
            "--turns",
            "5",
            "--worker",
            &script,
        ])
        .expect(0);
    let report = place.report();
    assert_eq!(report["contract"]["goal"], "from the file");
    assert_eq!(report["contract"]["scope"]["create"], json!(["new.txt", "b.txt"]));
    assert_eq!(report["contract"]["limits"]["turns"], 5);
    for args in [&["exec", "-"][..], &["run"]] {
        let mut command = place.command(
            args.iter().chain(&["--create", "new.txt", "--create", "b.txt", "--worker", &script]),
        );
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"from the pipe\n").unwrap();
        Outcome::from(child.wait_with_output().unwrap()).expect(0).shows("from the pipe");
    }
}

#[test]
fn the_stream_begins_with_the_thread_and_ends_with_the_report() {
    let place = small();
    let script = place.script("s", &[write_call("new.txt", "a\u{2028}b\u{1b}[31m"), finish()]);
    let outcome = place.job(&script, &["--create", "new.txt", "--json"]).expect(0);
    let lines = outcome.lines();
    assert_eq!(lines[0]["type"], "thread.started");
    let last = lines.last().unwrap();
    assert_eq!((&last["type"], &last["exit_code"]), (&json!("report"), &json!(0)));
    assert_eq!(last["report"], place.report());
    assert!(!outcome.stdout.contains('\u{1b}'));
}

#[test]
fn the_log_is_whole_and_chained() {
    let place = small();
    let script = place.script("s", &[write_call("new.txt", "x"), finish()]);
    place.job(&script, &["--create", "new.txt"]).expect(0);
    let lines = audit::read(&place.run_dir().join("events.jsonl")).unwrap();
    let kinds: Vec<&str> = lines.iter().map(|line| line.kind.as_str()).collect();
    let turn = ["turn_started", "called", "observed"];
    let (begun, ended) = (["run_started", "phase_started"], ["stopped", "phase_started", "judged"]);
    let expect = [&begun[..], &turn, &turn[..2], &ended].concat();
    assert_eq!(kinds, expect);
}

#[test]
fn the_report_is_shown_in_every_form() {
    let place = small();
    place.run(&["report", "last"]).expect(2).says("there is no run");
    let script = place.script("s", &[write_call("new.txt", "x"), finish()]);
    let output = place.root().join("out.json");
    place.job(&script, &["--create", "new.txt", "-o", output.to_str().unwrap()]).expect(0);
    assert_eq!(
        serde_json::from_slice::<Value>(&fs::read(output).unwrap()).unwrap(),
        place.report()
    );
    place.run(&["report", "last"]).expect(0).shows("holds");
    place.run(&["report", "last", "--diff"]).expect(0).shows("+x");
    place.run(&["report", "last", "--html"]).expect(0).shows("<html");
    assert_eq!(place.run(&["report", "last", "--json"]).expect(0).lines()[0], place.report());
    place.run(&["report"]).expect(0).shows("holds");
    let id = place.report()["run"].as_str().unwrap().to_owned();
    place.run(&["reject", &id]).expect(0).shows("rejected");
    place.run(&["accept", "last"]).expect(3).says("rejected");
    place.run(&["resume", "last"]).expect(3).says("was rejected");
    place.run(&["report", &id]).expect(0).shows("holds");
}

/// A run that hangs in a check of its worker.
pub(crate) fn hanging(place: &Place) -> Child {
    place.commit(&[("wait", "600\n")]);
    let script = place.script("hang", &[write_call("new.txt", "x"), check_call("sleep"), finish()]);
    let args = [
        "run",
        "do it",
        "--create",
        "new.txt",
        "--check",
        "sleep=sh -c 'sleep $(cat wait)'",
        "--json",
        "--worker",
        &script,
    ];
    let mut child =
        place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let begins = |line: &str| line.contains("item.started") && line.contains("command_execution");
    assert!(lines.any(|line| begins(&line.unwrap())), "the check never began");
    child
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

fn status(place: &Place) -> Value {
    let text = fs::read(place.run_dir().join("run.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["status"].clone()
}

/// Returns whether this process, and so each that it starts, takes no notice of a terminal that is closed.
pub(crate) fn is_under_nohup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 == 1
}

#[test]
fn ctrl_c_ends_cleanly_and_the_run_can_be_resumed() {
    let hangup = (!is_under_nohup()).then_some(Signal::SIGHUP);
    for first in [Signal::SIGINT, Signal::SIGTERM].into_iter().chain(hangup) {
        let place = small();
        let child = hanging(&place);
        for args in [&["resume", "last"][..], &["reject", "last"], &["accept", "last"]] {
            place.run(args).expect(3).says("is being worked on by process");
        }
        signal(&child, first);
        let mut child = child;
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(
            (status(&place), &place.report()["stop"]["kind"]),
            (json!("running"), &json!("interrupted"))
        );
        place.run(&["accept", "last"]).expect(3).says("no verdict yet");
        let script =
            place.script("rest", &[read_call("new.txt"), edit_call("new.txt", "x", "y"), finish()]);
        // The check does not hang any more.
        fs::write(place.run_dir().join("work/wait"), "0\n").unwrap();
        let resumed = place.run(&["resume", "last", "--worker", &script]);
        let report = place.report();
        assert_eq!(report["evidence"]["changes"][0]["path"], "new.txt", "{resumed:?}");
        assert_eq!(
            report["turns"].as_array().unwrap().last().unwrap()["turn"],
            5,
            "turns are counted on"
        );
        assert_eq!(status(&place), json!("done"));
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let place = small();
    let mut child = hanging(&place);
    signal(&child, Signal::SIGINT);
    signal(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    place.run(&["reject", "last"]).expect(0);
}

#[test]
fn a_killed_run_can_be_resumed_or_rejected() {
    let place = small();
    let mut child = hanging(&place);
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    assert_eq!(status(&place), json!("running"));
    place.run(&["report", "last"]).expect(3).says("has not come to its verdict");
    fs::write(place.run_dir().join("work/wait"), "0\n").unwrap();
    place.run(&["resume", "last"]);
    assert_eq!(status(&place), json!("done"));
    place.run(&["reject", "last"]).expect(0);
    assert_eq!(place.git(&["status", "--porcelain"]), "");
}

#[test]
fn two_runs_at_once_do_not_meet() {
    let place = small();
    let one = place.script("one", &[write_call("one.txt", "1"), finish()]);
    let two = place.script("two", &[write_call("two.txt", "2"), finish()]);
    let start = |script: &str, path: &str| {
        place
            .command(["run", "do it", "--create", path, "--worker", script])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut first, mut second) = (start(&one, "one.txt"), start(&two, "two.txt"));
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    let runs = place.runs();
    assert_eq!(runs.len(), 2);
    let id = |at: usize| runs[at].file_name().unwrap().to_str().unwrap().to_owned();
    place.run(&["accept", &id(0)]).expect(0);
    place.run(&["accept", &id(1)]).expect(3).says("HEAD is");
    place.run(&["accept", &id(1), "--anyway"]).expect(0);
    assert_eq!(
        (place.read("one.txt"), place.read("two.txt")),
        ("1\n".to_owned(), "2\n".to_owned())
    );
}

#[test]
fn a_full_disk_loses_nothing() {
    let place = small();
    let big = "y".repeat(64 * 1024);
    let calls: Vec<_> = (0..60).map(|n| write_call(&format!("n{n}.txt"), &big)).collect();
    let script = place.script("s", &calls);
    let home = place.home();
    fs::create_dir_all(&home).unwrap();
    // In a mount namespace of its own, so that the small disk goes with the process.
    let run = "mount -t tmpfs -o size=2m none \"$CHARGEHAND_HOME\" && \"$0\" \"$@\"; code=$?; \
               \"$0\" reject last --json; echo \"rejected with $?\"; \
               cat \"$CHARGEHAND_HOME\"/runs/*/run.json; exit $code";
    let program = env!("CARGO_BIN_EXE_chargehand");
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", run, program]);
    command.args(["run", "do it", "--create", "n*.txt", "--worker", &script]);
    command.current_dir(place.repo()).env("CHARGEHAND_HOME", &home).env("HOME", place.root());
    let outcome = Outcome::from(command.output().unwrap());
    assert!(
        !outcome.stderr.contains("unshare:") && !outcome.stderr.contains("mount:"),
        "this test needs user namespaces to make a small disk: {}",
        outcome.stderr
    );
    assert_eq!(outcome.code, 74, "{outcome:?}");
    assert!(outcome.stderr.contains("No space left on device"), "{outcome:?}");
    assert!(outcome.stdout.contains("rejected with 0"), "{outcome:?}");
    assert_eq!(place.git(&["status", "--porcelain"]), "");
}

//! What is out of bounds is refused before anything begins, with the number, and nothing crashes at the bound.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::json;

use crate::place::{Outcome, Place};

#[track_caller]
fn refused(args: &[&str], code: i32, says: &str) {
    let place = Place::with(&[("a.txt", "a\n")]);
    let args = [&["run", "x", "--write", "a.txt"], args].concat();
    place.run(&args).expect(code).says(says);
    assert!(place.runs().is_empty(), "nothing may be begun");
}

#[test]
fn a_context_has_room_and_is_no_longer_than_in_training() {
    let little = "a context has at least 256 tokens";
    for ctx in ["0", "1", "2", "16", "255"] {
        refused(&["--ctx", ctx], 2, &format!("--ctx is {ctx}: {little}"));
    }
    refused(&["--config", "ctx=16"], 2, &format!("ctx is 16: {little}"));
    let much = "apprentice was trained with contexts of 2048 tokens, ";
    for ctx in ["2049", "99999999", "4294967295"] {
        refused(&["--ctx", ctx], 3, &format!("{much}{ctx} are too many"));
    }
    refused(&["--config", "ctx=2049"], 3, much);
    let place = Place::bare();
    place.run(&["plan", "apprentice", "--ctx", "2048"]).expect(0);
    place.run(&["plan", "apprentice", "--ctx", "2049"]).expect(3).says(much);
    place.run(&["plan", "apprentice", "--ctx", "255"]).expect(2).says(little);
}

#[test]
fn the_smallest_context_ends_with_a_number_and_no_crash() {
    let place = Place::with(&[("a.txt", "a\n")]);
    let goal = "g".repeat(512);
    let outcome = place.run(&["run", &goal, "--write", "a.txt", "--ctx", "256"]);
    let said = outcome.expect(4).says("the context of 256 tokens is full");
    assert_eq!(place.report()["stop"], json!({ "kind": "context_limit", "detail": 256 }));
    assert!(!said.stderr.contains("restarted"), "{}", said.stderr);
}

#[test]
fn sampling_and_threads_lie_in_their_range() {
    for value in ["nan", "inf", "1e39", "100.5"] {
        refused(&["--temperature", value], 2, "it goes from 0 to 100");
    }
    refused(&["--temperature=-1"], 2, "--temperature is -1: it goes from 0 to 100");
    refused(&["--config", "sampling.temperature=nan"], 2, "sampling.temperature is NaN");
    refused(&["--config", "sampling.top_p=2.0"], 2, "sampling.top_p is 2");
    refused(&["--config", "sampling.min_p=-0.5"], 2, "sampling.min_p is -0.5");
    refused(&["--config", "threads=100000"], 2, "threads is 100000: this machine has ");
    let place = Place::bare();
    place.run(&["plan", "apprentice", "--config", "threads=100000"]).expect(2).says("cores");
}

/// Runs a job with the model and the goal `goal` from a pipe.
fn with_goal(place: &Place, goal: &str) -> Outcome {
    let mut command = place.command(["run", "-", "--write", "a.txt", "--turns", "1"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who refuses it need not have read all of it.
    drop(child.stdin.take().unwrap().write_all(goal.as_bytes()));
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_long_goal_is_refused_and_a_long_word_is_not() {
    let place = Place::with(&[("a.txt", "a\n")]);
    with_goal(&place, &"g".repeat(100_000)).expect(2).says("the goal has 100000 bytes");
    assert!(place.runs().is_empty());
    let outcome = with_goal(&place, &"g".repeat(32 * 1024)).says("tokens is full");
    assert!(!outcome.stderr.contains("restarted"), "{}", outcome.stderr);
}

#[test]
fn a_goal_has_no_control_characters() {
    let place = Place::with(&[("a.txt", "a\n")]);
    with_goal(&place, "he\0llo").expect(2).says("U+0000");
    with_goal(&place, "a\x1b[31m").expect(2).says("U+001B");
    assert!(place.runs().is_empty());
    let script = place.script("s.jsonl", &[("finish", json!({ "summary": "s" }))]);
    let contract = place.root().join("contract.toml");
    fs::write(&contract, "goal = 'x'\n[scope]\nwrite = [1979-05-27]\n").unwrap();
    let args = ["run", "--contract", contract.to_str().unwrap(), "--worker", &script];
    place.run(&args).expect(2).says("`write` is the date 1979-05-27 and no text");
    fs::write(&contract, "goal = \"x\\u0000\"\n[scope]\nwrite = ['a.txt']\n").unwrap();
    place.run(&args).expect(2).says("U+0000");
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// Waits until `child` has the pipe at `path` open, and ends it with `first`.
#[track_caller]
fn ends_while_it_reads(place: &Place, args: &[&str], first: Signal) {
    let path = place.root().join("pipe");
    drop(fs::remove_file(&path));
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    let mut command = place.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // Blocks until the other end is open; it stays so, and nothing comes.
    let writer = fs::OpenOptions::new().write(true).open(&path).unwrap();
    signal(&child, first);
    let outcome: Outcome = child.wait_with_output().unwrap().into();
    drop(writer);
    assert_eq!((outcome.code, place.runs().len()), (130, 0), "{}", outcome.stderr);
}

#[test]
fn one_signal_ends_what_has_not_begun() {
    let place = Place::with(&[("a.txt", "a\n")]);
    let script = place.script("s.jsonl", &[("finish", json!({ "summary": "s" }))]);
    let pipe = place.root().join("pipe");
    let pipe = pipe.to_str().unwrap();
    for first in [Signal::SIGINT, Signal::SIGTERM] {
        ends_while_it_reads(&place, &["run", "--contract", pipe, "--worker", &script], first);
        let worker = format!("script:{pipe}");
        let job = ["run", "x", "--write", "a.txt", "--worker", &worker];
        ends_while_it_reads(&place, &job, first);
    }
}

//! Commands that the contract does not have: asked about on a terminal, remembered to the letter, and never otherwise.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use chargehand::audit;
use nix::pty::openpty;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::place::{Outcome, Place};
use crate::run::signal;
use crate::schema;

const SCHEMA: &str = include_str!("../../../../docs/report.schema.json");
/// The end of the question.
const QUESTION: &str = "[n]o? ";

fn propose(command: &str) -> (&'static str, Value) {
    ("run_command", json!({ "command": command }))
}

fn place() -> Place {
    Place::with(&[("a.txt", "one\n")])
}

/// The program with a terminal for stdin and stderr.
struct Session {
    child: Child,
    terminal: File,
    seen: String,
}

impl Session {
    fn begin(place: &Place, commands: &[&str], flags: &[&str]) -> Self {
        let mut calls: Vec<_> = commands.iter().map(|command| propose(command)).collect();
        calls.push(("write_file", json!({ "path": "new.txt", "content": "x" })));
        let script = place.script("s", &calls);
        let args = [&["run", "do it", "--create", "new.txt", "--worker", &script], flags].concat();
        Self::of(place, &args)
    }

    fn of(place: &Place, args: &[&str]) -> Self {
        Self::on_terminal(place.command(args))
    }

    fn on_terminal(mut command: Command) -> Self {
        let pty = openpty(None, None).unwrap();
        command.stdin(Stdio::from(pty.slave.try_clone().unwrap()));
        command.stdout(Stdio::piped()).stderr(Stdio::from(pty.slave));
        let child = command.spawn().unwrap();
        Self { child, terminal: File::from(pty.master), seen: String::new() }
    }

    /// Waits until the program asks.
    #[track_caller]
    fn asks(&mut self) -> &str {
        let from = self.seen.len();
        while !self.seen[from..].contains(QUESTION) {
            let mut bytes = [0; 4096];
            match self.terminal.read(&mut bytes) {
                Ok(length) if length > 0 => {
                    self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
                }
                // The program has ended, and with it the other end.
                Ok(_) | Err(_) => panic!("it does not ask: {}", self.seen),
            }
        }
        &self.seen[from..]
    }

    fn answer(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    fn end(mut self) -> Outcome {
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        // A terminal whose other end is gone says so with an error.
        let mut rest = Vec::new();
        drop(self.terminal.read_to_end(&mut rest));
        Outcome { code, stdout, stderr: self.seen + &String::from_utf8_lossy(&rest) }
    }
}

fn answers(place: &Place) -> Value {
    let approvals = place.report()["approvals"].clone();
    approvals.as_array().unwrap().iter().map(|asked| asked["approval"].clone()).collect()
}

fn observed(place: &Place, turn: usize) -> String {
    place.report()["turns"][turn]["observation"]["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_command_runs_once_when_the_user_says_so() {
    let place = place();
    let commands = ["echo hello", "echo hello", "echo other"];
    let mut session = Session::begin(&place, &commands, &["--attended"]);
    let question = session.asks().to_owned();
    assert!(question.contains("\r\n  echo hello\r\n"), "{question}");
    session.answer("o\n");
    session.asks();
    session.answer("what\n");
    session.asks();
    session.answer("no\n");
    session.asks();
    session.answer("y\n");
    session.end().expect(0);
    assert_eq!(answers(&place), json!(["once", "denied", "once"]));
    assert_eq!(observed(&place, 0), "pass\nhello");
    assert_eq!(observed(&place, 1), "error: the user does not want this command to run");
    let report = place.report();
    assert_eq!(schema::errors(&serde_json::from_str(SCHEMA).unwrap(), &report), [""; 0]);
    assert_eq!(report["evidence"]["checks"], json!([]), "it is no evidence");
    let log = audit::read(&place.run_dir().join("events.jsonl")).unwrap();
    let asked: Vec<&Value> = log
        .iter()
        .filter(|line| line.kind == "proposed")
        .map(|line| &line.fields["command"])
        .collect();
    assert_eq!(
        asked,
        [&json!(["echo", "hello"]), &json!(["echo", "hello"]), &json!(["echo", "other"])]
    );
    place.run(&["verify", "last"]).expect(0);
    place.run(&["replay", "last"]).expect(0);
    place.run(&["grammar", "from-schema", "--run", "last", "--turn", "4"]).expect(0);
    place.run(&["report", "last", "--html"]).expect(0).shows("<section id=approvals>");
}

#[test]
fn what_is_always_allowed_is_so_to_the_letter_and_in_one_repository() {
    let (here, there) = (place(), place());
    let mut session = Session::begin(&here, &["echo 'a b'"], &["--attended"]);
    session.asks();
    session.answer("always\n");
    session.end().expect(0);
    let mut session =
        Session::begin(&here, &["echo \"a b\"", "echo a b", "echo 'a b' c"], &["--attended"]);
    let question = session.asks().to_owned();
    assert!(question.contains("\r\n  echo a b\r\n"), "the first is not asked about: {question}");
    session.answer("n\n");
    session.asks();
    session.answer("\n");
    session.end().expect(0);
    let report = here.run(&["report", "last", "--json"]).expect(0).lines().remove(0);
    let said = |at: usize| report["approvals"][at]["approval"].clone();
    assert_eq!(
        [said(0), said(1), said(2)],
        [json!("remembered"), json!("denied"), json!("denied")]
    );
    // The same state folder, and another repository.
    let folder = here.home().join("approvals");
    fs::create_dir_all(there.home()).unwrap();
    std::os::unix::fs::symlink(&folder, there.home().join("approvals")).unwrap();
    let mut session = Session::begin(&there, &["echo 'a b'"], &["--attended"]);
    session.asks();
    session.answer("n\n");
    session.end().expect(0);
    assert_eq!(answers(&there), json!(["denied"]));
}

#[test]
fn what_is_forgotten_is_asked_again() {
    let place = place();
    let mut session = Session::begin(&place, &["echo 'a b'"], &["--attended"]);
    session.asks();
    session.answer("always\n");
    session.end().expect(0);
    let listed = place.run(&["approvals", "list"]).expect(0).shows("  echo \"a b\"\n");
    assert!(listed.stdout.contains(&format!("{}\n", place.repo().display())), "{listed:?}");
    place.run(&["approvals", "forget", "echo a b"]).expect(2).says("is not always allowed in");
    let gone = place.run(&["approvals", "forget", "echo \"a b\"", "--json"]).expect(0);
    assert_eq!(gone.lines()[0]["commands"], json!([["echo", "a b"]]));
    place.run(&["approvals", "list"]).expect(0).shows("no command is always allowed");
    let mut session = Session::begin(&place, &["echo 'a b'"], &["--attended"]);
    session.asks();
    session.answer("n\n");
    session.end().expect(0);
}

#[test]
fn what_was_allowed_in_a_repository_that_is_none_any_more_is_forgotten() {
    let place = place();
    let allowed = chargehand::env::approvals::Approvals::of(&place.home(), &place.repo());
    allowed.remember(&["echo", "a"].map(str::to_owned)).unwrap();
    std::fs::rename(place.repo().join(".git"), place.root().join("git")).unwrap();
    place.run(&["approvals", "forget", "--all"]).expect(0).shows("forgot 1 command");
    place.run(&["approvals", "forget", "--all"]).expect(3).says("is not inside a git repository");
}

#[test]
fn a_run_that_nobody_attends_never_asks_and_never_widens() {
    let place = place();
    let allowed = chargehand::env::approvals::Approvals::of(&place.home(), &place.repo());
    allowed.remember(&["echo", "a"].map(str::to_owned)).unwrap();
    let calls = [propose("echo a"), ("write_file", json!({ "path": "new.txt", "content": "x" }))];
    let script = place.script("s", &calls);
    // Without a terminal, with the flag; and on a terminal, without the flag.
    let outcome = place.job(&script, &["--create", "new.txt", "--attended"]).expect(0);
    outcome.says("the run is unattended");
    assert!(observed(&place, 0).starts_with("error: there is no tool `run_command`"));
    place.run(&["reject", "last"]).expect(0);
    let outcome = Session::begin(&place, &["echo a"], &[]).end().expect(0);
    assert!(!outcome.stderr.contains(QUESTION));
    let report = place.run(&["report", "last", "--json"]).expect(0).lines().remove(0);
    assert_eq!(report["approvals"], json!([]));
    assert_eq!(report["turns"][0]["observation"]["ok"], false);
}

#[test]
fn ctrl_c_at_the_question_ends_the_run_cleanly() {
    let place = place();
    let mut session = Session::begin(&place, &["touch ran"], &["--attended"]);
    session.asks();
    signal(&session.child, Signal::SIGINT);
    let outcome = session.end().expect(130);
    outcome.shows("it was interrupted");
    assert_eq!(answers(&place), json!(["denied"]));
    let rest =
        place.script("rest", &[("write_file", json!({ "path": "new.txt", "content": "x" }))]);
    place.run(&["resume", "last", "--worker", &rest]).expect(0);
}

#[test]
fn the_end_of_the_terminal_is_no() {
    let place = place();
    let mut session = Session::begin(&place, &["touch ran"], &["--attended"]);
    session.asks();
    session.answer("\u{4}");
    session.end().expect(0);
    assert_eq!(answers(&place), json!(["denied"]));
}

#[test]
fn the_question_shows_every_byte() {
    let place = place();
    let command = "e\u{441}ho 'a\u{202e}b\u{200b}' \"c\u{1b}[2Jd\" 'it''s' ü \\\\u{441}";
    let mut session = Session::begin(&place, &[command], &["--attended"]);
    let question = session.asks().to_owned();
    let shown = r#""e\u{441}ho" "a\u{202e}b\u{200b}" "c\u{1b}[2Jd" its "\u{fc}" "\\u{441}""#;
    assert!(question.contains(shown), "{question}");
    assert!(
        !question.contains(['\u{202e}', '\u{200b}', '\u{441}']) && !question.contains("\u{1b}[2J")
    );
    session.answer("n\n");
    let outcome = session.end().expect(0);
    assert!(outcome.stderr.contains(shown));
}

#[test]
fn a_command_that_was_allowed_is_held_like_a_check() {
    let place = place();
    let outside = place.root().join("outside");
    let tries = format!("sh -c 'echo x > {}; echo y > a.txt; cat a.txt'", outside.display());
    let mut session = Session::begin(&place, &[&tries], &["--attended"]);
    session.asks();
    session.answer("o\n");
    session.end().expect(0);
    assert!(!outside.exists());
    assert!(observed(&place, 0).ends_with("\ny"), "it has a copy of its own");
    let changes = place.report()["evidence"]["changes"].clone();
    assert_eq!((changes.as_array().unwrap().len(), &changes[0]["path"]), (1, &json!("new.txt")));
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let place = place();
    let script = [
        ("run_check", json!({ "name": "sleep" })),
        propose("touch ran"),
        ("write_file", json!({ "path": "new.txt", "content": "x" })),
    ];
    let script = place.script("typed", &script);
    let args = ["run", "do it", "--create", "new.txt", "--attended", "--check", "sleep 1"];
    let mut session = Session::of(&place, &[&args[..], &["--worker", &script]].concat());
    session.answer("a\n");
    session.asks();
    session.answer("n\n");
    session.end().expect(0);
    assert_eq!(answers(&place), json!(["denied"]));
}

/// The program where bubblewrap is not, as in many a container.
fn second_tier(place: &Place, args: &[&str]) -> Command {
    let run = "mount --bind /dev/null /usr/bin/bwrap && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    let program = env!("CARGO_BIN_EXE_chargehand");
    command.args(["--mount", "--map-root-user", "sh", "-c", run, program]).args(args);
    command.current_dir(place.repo()).stdin(Stdio::null());
    command.env("CHARGEHAND_HOME", place.home()).env("HOME", place.root());
    command
}

fn without_bubblewrap(place: &Place, args: &[&str]) -> Outcome {
    let outcome = Outcome::from(second_tier(place, args).output().unwrap());
    assert!(
        !outcome.stderr.contains("unshare:") && !outcome.stderr.contains("mount:"),
        "this test needs user namespaces to hide bubblewrap: {}",
        outcome.stderr
    );
    outcome
}

#[test]
fn what_is_written_down_of_the_sandbox_binds_an_attended_run() {
    let place = place();
    let script = place.script("s", &[("write_file", json!({ "path": "new.txt", "content": "x" }))]);
    let run = ["run", "do it", "--create", "new.txt", "--check", "true", "--attended"];
    let with = |more: &[&str]| {
        let args = [&run, &["--worker", &script][..], more].concat();
        Session::on_terminal(second_tier(&place, &args)).end()
    };
    with(&["--tier", "1"]).expect(3).says("by the second tier alone; missing: bubblewrap");
    assert!(place.runs().is_empty());
    with(&[]).expect(0).says("note: the second tier alone holds commands; missing: bubblewrap");
    let layers = place.report()["sandbox"].to_string();
    assert!(layers.contains("attributes of every file that root owns"), "{layers}");
}

/// A log that was changed says nothing of who looked on.
#[test]
fn a_forged_log_lowers_no_wall() {
    let place = place();
    let script = place.script("s", &[("write_file", json!({ "path": "new.txt", "content": "x" }))]);
    place.job(&script, &["--create", "new.txt", "--check", "true"]).expect(0);
    let log = place.run_dir().join("events.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replace("\"attended\":false", "\"attended\":true")).unwrap();
    let refused = without_bubblewrap(&place, &["verify", "last"]).expect(3);
    refused.says("cannot be verified: ").says("by the second tier alone");
}

#[test]
fn in_the_second_tier_nobody_runs_commands_unasked() {
    let place = place();
    let calls = [("write_file", json!({ "path": "new.txt", "content": "x" }))];
    let script = place.script("s", &calls);
    let run = ["run", "do it", "--create", "new.txt", "--worker", &script];
    let with = |more: &[&str]| without_bubblewrap(&place, &[&run, more].concat());
    let check = ["--check", "true"];
    let refused = with(&check).expect(3).says("by the second tier alone; missing: bubblewrap");
    refused.says("hint: mend what is missing; or take `sandbox.tier = 2` into the contract");
    assert!(place.runs().is_empty());
    with(&[]).expect(0);
    with(&[&check[..], &["--tier", "2"]].concat()).expect(0);
    // Whoever verifies it later needs no flag: the contract of the run says it.
    without_bubblewrap(&place, &["verify", "last"]).expect(0);
    without_bubblewrap(&place, &["replay", "last"]).expect(0);
    with(&[&check[..], &["--tier", "3"]].concat()).expect(2).says("`sandbox.tier` is 3");
    place.write(".chargehand/config.toml", "[sandbox]\ntier = 2\n");
    with(&check).expect(3);
    place.write(".chargehand/config.toml", "[sandbox]\ntier = 1\n");
    with(&[&check[..], &["--tier", "2"]].concat()).expect(3);
}

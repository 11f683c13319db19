//! A run in its phases: reviewed, sent back, gone on with, verified and played again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use chargehand::audit;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::place::{Outcome, Place};
use crate::run::signal;
use crate::schema;

type Call = (&'static str, Value);

const SCHEMA: &str = include_str!("../../../../docs/report.schema.json");
const CRITERIA: [&str; 4] = ["--criterion", "it says `two`", "--rounds", "1"];

fn work(from: &str, to: &str) -> Vec<Call> {
    vec![
        ("read_file", json!({ "path": "a.txt" })),
        ("edit_file", json!({ "path": "a.txt", "old": from, "new": to })),
        ("finish", json!({ "summary": format!("it says {to}") })),
    ]
}

fn review(met: &str) -> Vec<Call> {
    vec![
        ("read_file", json!({ "path": "a.txt" })),
        (
            "answer",
            json!({ "criterion": "1", "met": met, "evidence": "change:modified:a.txt", "why": "it says so" }),
        ),
        ("end_review", json!({ "summary": "seen" })),
    ]
}

fn place() -> Place {
    Place::with(&[("a.txt", "one\n"), ("b.txt", "b\n")])
}

/// Does a job with a review, by the calls of `script`.
fn job(place: &Place, script: &[Vec<Call>], args: &[&str]) -> Outcome {
    let script = place.script("s", &script.concat());
    place.job(&script, &[&["--write", "a.txt"], &CRITERIA[..], args].concat())
}

fn phases(place: &Place) -> Vec<String> {
    let lines = audit::read(&place.run_dir().join("events.jsonl")).unwrap();
    let lines = lines.iter().filter(|line| line.kind == "phase_started");
    lines.map(|line| line.fields["phase"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn work_is_sent_back_and_then_approved() {
    let place = place();
    let script = [work("one", "too"), review("no"), work("too", "two"), review("yes")];
    let flags = ["--check", "grep -q t a.txt", "--gate", "finish_after_checks=off"];
    job(&place, &script, &flags).expect(0).shows("✓ approved in 2 rounds, a claim");
    let report = place.report();
    assert_eq!(schema::errors(&serde_json::from_str(SCHEMA).unwrap(), &report), [""; 0]);
    let expect =
        ["implement", "check", "review", "fix", "check", "review", "verify"].map(str::to_owned);
    assert_eq!(phases(&place), expect);
    let review = &report["review"];
    assert_eq!(review["outcome"], "approved");
    assert_eq!(
        review["rounds"][0]["fixes"],
        json!(["criterion `it says `two`` is not met: it says so"])
    );
    assert_eq!(report["claim"], "it says two");
    let of_turns: Vec<&Value> =
        report["turns"].as_array().unwrap().iter().map(|turn| &turn["phase"]).collect();
    assert_eq!(
        (of_turns[0], of_turns[3], of_turns[6]),
        (&json!("implement"), &json!("review"), &json!("fix"))
    );
    // The commands of the last check stand: the files are still those.
    let log = audit::read(&place.run_dir().join("events.jsonl")).unwrap();
    assert_eq!(log.iter().filter(|line| line.kind == "checked").count(), 2);
    place.run(&["verify", "last"]).expect(0).shows("its evidence is confirmed");
    place.run(&["replay", "last"]).expect(0).shows("lead to the same tree");
    place.run(&["report", "last", "--html"]).expect(0).shows("<section id=review>");
    for turn in ["2", "5", "8"] {
        place.run(&["grammar", "from-schema", "--run", "last", "--turn", turn]).expect(0);
    }
    place
        .run(&["grammar", "from-schema", "--run", "last", "--turn", "5"])
        .shows("ange:modified:a.txt");
    place.run(&["accept", "last"]).expect(0);
    assert_eq!(place.read("a.txt"), "two\n");
}

#[test]
fn an_open_review_is_no_success_and_its_rounds_are_granted_anew() {
    let place = place();
    let script = [work("one", "too"), review("no"), work("too", "tow"), review("no")];
    let outcome = job(&place, &script, &["--json"]).expect(4);
    let lines = outcome.lines();
    let review_items = lines.iter().filter(|line| line["item"]["type"] == "review").count();
    assert_eq!(review_items, 2);
    let report = place.report();
    // What was measured keeps the contract; the review decides nothing of that.
    assert_eq!(report["verdict"], "holds");
    assert_eq!(report["stop"], json!({ "kind": "round_limit", "detail": 1 }));
    assert_eq!(report["review"]["outcome"], "open");
    assert_eq!(schema::errors(&serde_json::from_str(SCHEMA).unwrap(), &report), [""; 0]);
    place.run(&["accept", "last"]).expect(3).says("does not approve of the result");
    let statement = place.run(&["attest", "last"]).expect(0).lines()[0].clone();
    let predicate = &statement["predicate"];
    assert_eq!(
        (&predicate["result"], &predicate["warnedTests"]),
        (&json!("WARNED"), &json!(["review"]))
    );
    let more = place.script("more", &[work("tow", "two"), review("yes")].concat());
    place.run(&["resume", "last", "--worker", &more]).expect(0);
    assert_eq!(phases(&place)[7..], ["fix", "check", "review", "verify"].map(str::to_owned));
    place.run(&["verify", "last"]).expect(0);
    place.run(&["replay", "last"]).expect(0);
    place.run(&["accept", "last"]).expect(0);
    assert_eq!(place.read("a.txt"), "two\n");
}

#[test]
fn a_review_turns_no_bad_evidence_into_good() {
    let place = place();
    let flags = ["--check", "grep -q three a.txt", "--gate", "finish_after_checks=off"];
    // The work is sent back by the check; there is no review to say yes to it.
    let script = [work("one", "two"), review("yes"), work("two", "too"), review("yes")];
    job(&place, &script, &flags).expect(1).shows("violated");
    assert!(!phases(&place).contains(&"review".to_owned()));
    assert_eq!(place.report()["review"]["outcome"], "open");
    place.run(&["verify", "last"]).expect(1).shows("is violated, and its evidence is confirmed");
}

#[test]
fn somebody_else_reviews() {
    let place = place();
    let reviews = place.script("reviews", &[review("no"), review("yes")].concat());
    let script = place.script("s", &[work("one", "too"), work("too", "two")].concat());
    let args = [&["--write", "a.txt", "--reviewer", &reviews], &CRITERIA[..]].concat();
    place.job(&script, &args).expect(0).shows("approved in 2 rounds");
    let report = place.report();
    let worker = report["worker"].as_str().unwrap();
    assert!(worker.contains("/s, reviewed by script ") && worker.ends_with("/reviews"), "{worker}");
    place.run(&["verify", "last"]).expect(0);
    place.run(&["replay", "last"]).expect(0);
    place.run(&["grammar", "from-schema", "--run", "last", "--turn", "5"]).expect(0);
    // Whose words are too few leaves the review open, and who is asked again is the same.
    let place = self::place();
    let reviews = place.script("reviews", &[]);
    let script = place.script("s", &work("one", "two"));
    let args = [&["--write", "a.txt", "--reviewer", &reviews], &CRITERIA[..]].concat();
    place.job(&script, &args).expect(4);
    place.script("reviews", &review("yes"));
    place.run(&["resume", "last"]).expect(0);
    assert_eq!(place.report()["review"]["outcome"], "approved");
}

/// Who reviews is asked for by `--reviewer`, or is who reviewed before; another worker is nobody to review himself.
#[test]
fn a_resumed_run_has_the_reviewer_that_was_asked_for() {
    let begun = || {
        let place = place();
        let script = place.script("s", &work("one", "two"));
        let silent = place.script("silent", &[]);
        place.script("other", &review("yes"));
        let args = [&["--write", "a.txt", "--reviewer", &silent], &CRITERIA[..]].concat();
        place.job(&script, &args).expect(4);
        place
    };
    let worker = |place: &Place| place.report()["worker"].as_str().unwrap().to_owned();
    let place = begun();
    let other = format!("script:{}", place.root().join("other").display());
    place.run(&["resume", "last", "--reviewer", &other]).expect(0);
    assert!(worker(&place).ends_with("/other"), "{}", worker(&place));
    let place = begun();
    let other = format!("script:{}", place.root().join("other").display());
    place.run(&["resume", "last", "--worker", &other]).expect(4);
    assert!(worker(&place).contains("/other, reviewed by script "), "{}", worker(&place));
    assert!(worker(&place).ends_with("/silent"), "{}", worker(&place));
}

#[test]
fn a_reviewer_without_criteria_is_refused() {
    let place = place();
    let script = place.script("s", &work("one", "two"));
    let said = "--reviewer goes with criteria, and the contract has none";
    let write = ["--write", "a.txt"];
    place.job(&script, &[&write[..], &["--reviewer", "nobody"]].concat()).expect(2).says(said);
    assert!(place.runs().is_empty());
    place.job(&script, &[&write[..], &["--turns", "1"]].concat()).expect(4);
    place.run(&["resume", "last", "--reviewer", "nobody"]).expect(2).says(said);
}

#[test]
fn a_review_that_does_not_end_approves_of_nothing() {
    for cut in [0, 1, 2] {
        let place = place();
        job(&place, &[work("one", "two"), review("yes")[..cut].to_vec()], &[]).expect(4);
        let report = place.report();
        let found = (&report["verdict"], &report["review"]["outcome"], &report["stop"]["kind"]);
        assert_eq!(found, (&json!("holds"), &json!("open"), &json!("script_ended")));
    }
}

#[test]
fn a_reviewer_has_no_hands() {
    let place = place();
    let tries = [
        ("write_file", json!({ "path": "b.txt", "content": "x" })),
        ("edit_file", json!({ "path": "a.txt", "old": "two", "new": "x" })),
        ("delete_file", json!({ "path": "a.txt" })),
        ("run_check", json!({ "name": "grep" })),
        ("run_command", json!({ "command": "touch x" })),
        ("finish", json!({ "summary": "approved" })),
    ];
    job(&place, &[work("one", "two"), tries.to_vec(), review("yes")], &[]).expect(0);
    let report = place.report();
    let turns = report["turns"].as_array().unwrap();
    let refused = turns[3..9].iter().filter(|turn| turn["observation"]["ok"] == false).count();
    assert_eq!((refused, report["evidence"]["changes"].as_array().unwrap().len()), (6, 1));
}

/// A log that ends anywhere behind the work, as a process that was killed there leaves it.
#[test]
fn a_run_that_was_killed_in_its_review_is_gone_on_with() {
    let begun = |place: &Place| job(place, &[work("one", "two"), review("yes")], &[]).expect(0);
    let first = place();
    begun(&first);
    let lines = audit::read(&first.run_dir().join("events.jsonl")).unwrap();
    let done = lines.iter().position(|line| line.kind == "stopped").unwrap() + 1;
    for length in done..lines.len() {
        let place = place();
        begun(&place);
        let dir = place.run_dir();
        let edit = |name: &str, change: &dyn Fn(String) -> String| {
            let path = dir.join(name);
            fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
        };
        edit("events.jsonl", &|text| text.split_inclusive('\n').take(length).collect());
        edit("run.json", &|text| text.replace("\"done\"", "\"running\""));
        fs::remove_file(dir.join("report.json")).unwrap();
        let rest = place.script("rest", &review("yes"));
        place.run(&["resume", "last", "--worker", &rest]).expect(0);
        let report = place.report();
        assert_eq!(report["review"]["outcome"], "approved", "{length}");
        assert_eq!(report["claim"], "it says two");
        assert!(!phases(&place).contains(&"fix".to_owned()));
        place.run(&["verify", "last"]).expect(0);
        place.run(&["replay", "last"]).expect(0);
    }
}

#[test]
fn a_run_that_is_killed_in_its_check_is_gone_on_with() {
    let place = place();
    let script = place.script("s", &work("one", "two"));
    let gate = ["--gate", "finish_after_checks=off", "--json", "--check", "sleep 5"];
    let args = ["run", "do it", "--write", "a.txt", "--worker", &script];
    let args = [&args, &CRITERIA[..], &gate].concat();
    let mut command = place.command(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"checking\"")));
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    let rest = place.script("rest", &review("yes"));
    place.run(&["resume", "last", "--worker", &rest]).expect(0);
    assert_eq!(
        phases(&place),
        ["implement", "check", "check", "review", "verify"].map(str::to_owned)
    );
}

#[test]
fn hostile_words_of_a_review_do_nothing_to_a_terminal() {
    let place = place();
    let wanted =
        ("request_change", json!({ "path": "a.txt", "line": 1, "what": "\u{1b}[2J\u{202e}x" }));
    let met = review("yes").swap_remove(1);
    let end = ("end_review", json!({ "summary": "\u{1b}]0;x\u{7}" }));
    let wanting = vec![wanted, met, end];
    let finish = vec![("finish", json!({ "summary": "no" }))];
    let script = [work("one", "two"), wanting.clone(), finish, wanting];
    let outcome = job(&place, &script, &[]);
    let outcome = outcome.expect(4).says("\\u{1b}[2J");
    let page = place.run(&["report", "last", "--html"]).expect(0).stdout;
    for text in [outcome.stdout, outcome.stderr, page] {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{text}");
    }
}

#[test]
fn a_contract_says_what_a_review_is_asked() {
    let place = place();
    let contract = place.root().join("c.toml");
    let text = "goal = 'g'\n[scope]\nwrite = ['a.txt']\n[review]\ncriteria = ['is it right?']\n";
    fs::write(&contract, text).unwrap();
    let contract = contract.to_str().unwrap();
    place.run(&["contract", "check", contract]).expect(0).shows("rounds = 3");
    let script = place.script("s", &[work("one", "two"), review("yes")].concat());
    place.run(&["run", "--contract", contract, "--worker", &script]).expect(0);
    assert_eq!(place.report()["contract"]["review"]["rounds"], 3);
    let bad = ["run", "x", "--write", "a.txt", "--rounds", "101", "--worker", &script];
    place.run(&bad).expect(2).says("`review.rounds` is 101; it goes from 0 to 100");
}

//! Evidence is looked at again, and the calls of a run are played again.

use std::fs;

use serde_json::{Value, json};

use crate::place::Place;

/// Returns a place with a run that holds, of a contract with a command.
fn run() -> Place {
    let place = Place::with(&[("a.txt", "one\n"), ("sub/b.txt", "two\n")]);
    let calls = [
        ("read_file", json!({ "path": "a.txt" })),
        ("edit_file", json!({ "path": "a.txt", "old": "one", "new": "1" })),
        ("write_file", json!({ "path": "new.txt", "content": "x" })),
        ("run_check", json!({ "name": "grep" })),
        ("finish", json!({ "summary": "done" })),
    ];
    let script = place.script("s", &calls);
    let flags = ["--write", "a.txt", "--create", "new.txt", "--check", "grep -q 1 a.txt"];
    place.job(&script, &flags).expect(0);
    place
}

fn findings(place: &Place) -> Vec<String> {
    let outcome = place.run(&["verify", "last", "--json"]).expect(1);
    let line: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(line["confirmed"], json!(false));
    let bad = line["findings"].as_array().unwrap().iter();
    let bad = bad.filter(|finding| finding["confirmed"] == false);
    bad.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_was_found_is_found_again() {
    let place = run();
    place.run(&["verify", "last"]).expect(0).shows("holds, and its evidence is confirmed");
    place.run(&["accept", "last"]).expect(0);
    place.run(&["verify", "last"]).expect(0).shows("grep: pass");
    assert!(!place.run_dir().join("final").exists());
}

#[test]
fn a_violated_run_is_confirmed_as_violated() {
    let place = Place::with(&[("a.txt", "one\n")]);
    let calls = [("write_file", json!({ "path": "new.txt", "content": "x" }))];
    let script = place.script("s", &calls);
    place.job(&script, &["--create", "new.txt", "--check", "false"]).expect(1);
    place.run(&["verify", "last"]).expect(1).shows("is violated, and its evidence is confirmed");
}

#[test]
fn every_kind_of_forgery_is_told() {
    let forge = |name: &str, from: &str, to: &str| {
        let place = run();
        let path = place.run_dir().join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} has no {from}: {text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        findings(&place)
    };
    assert_eq!(forge("events.jsonl", "new.txt", "now.txt"), ["log"]);
    assert_eq!(forge("report.json", "\"violations\": []", "\"violations\":  []"), ["log"]);
    assert_eq!(forge("diff.patch", "+1", "+2"), ["log", "diff"]);
    assert_eq!(forge("contract.toml", "a.txt", "b.txt"), ["contract", "verdict"]);
    assert_eq!(forge("work/a.txt", "1", "1 "), ["tree", "diff"]);
    assert_eq!(
        forge("work/sub/b.txt", "two", "2"),
        ["tree", "diff", "verdict"],
        "a file that the contract does not name"
    );
    assert_eq!(forge("judged.json", "\"size\": 2", "\"size\": 3"), ["tree"]);
}

#[test]
fn a_command_that_ends_otherwise_is_told() {
    let place = run();
    let contract = place.run_dir().join("contract.toml");
    let text = fs::read_to_string(&contract).unwrap();
    fs::write(&contract, text.replace("\"1\"", "\"3\"")).unwrap();
    assert!(findings(&place).contains(&"command".to_owned()));
}

#[test]
fn the_same_calls_lead_to_the_same_tree() {
    let place = run();
    let outcome = place.run(&["replay", "last", "--json"]).expect(0);
    let line: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&line["same"], &line["tree"]), (&json!(true), &place.report()["tree"]));
    assert_eq!(line["calls"], 5);
    assert!(!place.run_dir().join("replica").exists());
    place.run(&["verify", "last"]).expect(0);
}

#[test]
fn other_calls_lead_to_another_tree() {
    let place = run();
    let log = place.run_dir().join("events.jsonl");
    // A forged call of a forged chain: the tree still gives it away.
    let lines = fs::read_to_string(&log).unwrap().replace("\\\"content\\\":\\\"x\\\"", "X");
    let forged = lines.replace("\"content\":\"x\"", "\"content\":\"y\"");
    assert_ne!(forged, lines);
    fs::write(&log, rechained(&forged)).unwrap();
    place.run(&["replay", "last"]).expect(1).shows("lead to another tree");
}

/// Makes the record of a run one of before the contract had `sandbox`.
fn age(place: &Place) {
    let dir = place.run_dir();
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let mut lines: Vec<Value> =
        read("events.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let contract = lines[0]["facts"]["contract"].as_object_mut().unwrap();
    contract.remove("sandbox").unwrap();
    let text =
        |lines: &[Value]| -> String { lines.iter().map(|line| format!("{line}\n")).collect() };
    let aged = rechained(&text(&lines));
    let judged: Value = serde_json::from_str(aged.lines().last().unwrap()).unwrap();
    let (then, now) = (lines.last().unwrap()["prev"].clone(), judged["prev"].clone());
    let report = read("report.json").replace(then.as_str().unwrap(), now.as_str().unwrap());
    fs::write(dir.join("report.json"), &report).unwrap();
    lines.last_mut().unwrap()["report_sha256"] = json!(sha256(&report));
    fs::write(dir.join("events.jsonl"), rechained(&text(&lines))).unwrap();
}

#[test]
fn a_record_of_before_a_key_was_there_is_believed() {
    let place = run();
    age(&place);
    place.run(&["verify", "last"]).expect(0);
    place.run(&["accept", "last"]).expect(0);
    let place = Place::with(&[("a.txt", "one\n")]);
    let script = place.script("s", &[("read_file", json!({ "path": "a.txt" }))]);
    place.job(&script, &["--write", "a.txt", "--turns", "1"]).expect(4);
    age(&place);
    place.run(&["resume", "last"]).expect(4);
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the lines with the hashes that fit them.
fn rechained(text: &str) -> String {
    let mut prev = "0".repeat(64);
    let mut all = String::new();
    for line in text.lines() {
        let mut value: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        value["prev"] = json!(prev);
        let line = Value::Object(value).to_string();
        prev = sha256(&line);
        all.push_str(&line);
        all.push('\n');
    }
    all
}

#[test]
fn only_a_run_with_a_verdict_and_a_workspace_is_looked_at() {
    let place = run();
    place.run(&["reject", "last"]).expect(0);
    for command in ["verify", "replay"] {
        place.run(&[command, "last"]).expect(3).says("was rejected; its workspace is gone");
        place.run(&[command, "nothing"]).expect(2).says("there is no run");
    }
}

#[test]
fn what_is_not_what_was_judged_is_not_accepted() {
    for name in ["report.json", "diff.patch", "contract.toml", "events.jsonl"] {
        let place = run();
        let path = place.run_dir().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let damaged = [text.replacen("a.txt", "b.txt", 1), text[..100].to_owned(), String::new()];
        for damaged in damaged {
            fs::write(&path, damaged).unwrap();
            for args in [&["accept", "last"][..], &["accept", "last", "--anyway"]] {
                place.run(args).expect(3).says("cannot be accepted");
            }
        }
        fs::remove_file(&path).unwrap();
        place.run(&["accept", "last", "--anyway"]).expect(3).says("cannot be accepted");
        fs::write(&path, text).unwrap();
        let repo = place.repo().canonicalize().unwrap();
        let on = format!("on branch main of {}", repo.display());
        place.run(&["accept", "last"]).expect(0).shows(&on);
    }
}

#[test]
fn a_forged_verdict_is_not_accepted() {
    let place = Place::with(&[("a.txt", "one\n")]);
    let script = place.script("s", &[("write_file", json!({ "path": "new", "content": "x" }))]);
    place.job(&script, &["--create", "new", "--check", "false"]).expect(1);
    let path = place.run_dir().join("report.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"verdict\": \"violated\"", "\"verdict\": \"holds\"")).unwrap();
    place.run(&["accept", "last"]).expect(3).says("is not the one that was judged");
    fs::write(&path, text).unwrap();
    place.run(&["accept", "last"]).expect(3).says("breaks its contract");
    place.run(&["accept", "last", "--anyway"]).expect(0);
}

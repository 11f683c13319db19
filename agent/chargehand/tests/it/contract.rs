//! What a contract demands, in real runs of scripted workers: guards, protected files, commands and their ends.

use std::fs;

use serde_json::{Value, json};

use crate::place::{Outcome, Place};

fn read(path: &str) -> (&'static str, Value) {
    ("read_file", json!({ "path": path }))
}

fn edit(path: &str, old: &str, new: &str) -> (&'static str, Value) {
    ("edit_file", json!({ "path": path, "old": old, "new": new }))
}

fn finish() -> (&'static str, Value) {
    ("finish", json!({ "summary": "done" }))
}

/// Runs `calls` under `contract`, which needs no goal.
fn run(place: &Place, contract: &str, calls: &[(&str, Value)]) -> Outcome {
    let path = place.root().join("contract.toml");
    fs::write(&path, format!("goal = 'do it'\n{contract}")).unwrap();
    let worker = place.script("script", calls);
    place.run(&["run", "--contract", path.to_str().unwrap(), "--worker", &worker])
}

/// A function and its test, which fails.
fn unfinished() -> Place {
    let test = "grep -q 'answer=42' src/answer.sh\n";
    Place::with(&[("src/answer.sh", "answer=41\n"), ("tests/run.sh", test)])
}

const TESTED: &str = "[[check]]\nname = 'tests'\nrun = ['sh', 'tests/run.sh']\n";

#[test]
fn a_rewritten_test_passes_only_where_it_is_not_protected() {
    let calls = [read("tests/run.sh"), edit("tests/run.sh", "42", "41"), finish()];
    let scope = "[scope]\nwrite = ['**']\n";
    run(&unfinished(), &format!("{scope}{TESTED}"), &calls).expect(0);
    let place = unfinished();
    run(&place, &format!("{scope}protect = ['tests']\n{TESTED}"), &calls).expect(1);
    assert_eq!(place.report()["evidence"]["restored"], json!(["tests/run.sh"]));
    assert_eq!(place.report()["violations"][0]["evidence"], json!(["check:tests"]));
}

#[test]
fn a_command_finds_nothing_that_another_one_left() {
    let spoil = "echo true > tests/run.sh; touch left\n";
    let place =
        Place::with(&[("spoil.sh", "true\n"), ("tests/run.sh", "test ! -e left && false\n")]);
    let calls = [read("spoil.sh"), edit("spoil.sh", "true\n", spoil), finish()];
    let first = "[[check]]\nname = 'first'\nrun = ['sh', 'spoil.sh']\n";
    let scope = "[scope]\nwrite = ['spoil.sh']\nprotect = ['tests']\n";
    let contract = format!("{scope}{first}{TESTED}[gates]\nfinish_after_checks = false\n");
    run(&place, &contract, &calls).expect(1);
    let checks = &place.report()["evidence"]["checks"];
    assert_eq!((&checks[0]["passed"], &checks[1]["passed"]), (&json!(true), &json!(false)));
}

#[test]
fn a_secret_that_a_command_tells_is_in_no_log_report_or_answer() {
    let place = Place::with(&[("a.txt", "a\n"), ("tell.sh", "echo it is $DEPLOY_TOKEN\n")]);
    let told = "[[check]]\nname = 'told'\nrun = ['sh', 'tell.sh']\npass_env = ['DEPLOY_TOKEN']\n";
    let path = place.root().join("contract.toml");
    fs::write(&path, format!("goal = 'do it'\n[scope]\nwrite = ['a.txt']\n{told}")).unwrap();
    let check = ("run_check", json!({ "name": "told" }));
    let worker = place.script("script", &[read("a.txt"), edit("a.txt", "a", "b"), check, finish()]);
    let args = ["run", "--contract", path.to_str().unwrap(), "--worker", &worker];
    let mut command = place.command(args);
    let output = command.env("DEPLOY_TOKEN", "sesame-open-77").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dir = place.run_dir();
    for name in ["events.jsonl", "report.json", "report.html", "checks/told.log"] {
        let text = fs::read_to_string(dir.join(name)).unwrap();
        assert!(text.contains("it is [secret DEPLOY_TOKEN]"), "{name}: {text}");
        assert!(!text.contains("sesame-open"), "{name}");
    }
}

#[test]
fn a_deleted_test_is_there_again_and_a_new_one_is_not() {
    let calls = [
        ("delete_file", json!({ "path": "tests/run.sh" })),
        ("write_file", json!({ "path": "tests/skip.sh", "content": "exit 0" })),
        finish(),
    ];
    let scope = "[scope]\ncreate = ['**']\ndelete = ['**']\nprotect = ['tests/**']\n";
    let check = "[[check]]\nname = 'c'\nrun = ['ls', 'tests']\n";
    let place = unfinished();
    run(&place, &format!("{scope}{check}"), &calls).expect(0);
    let evidence = &place.report()["evidence"];
    assert_eq!(evidence["checks"][0]["output"], "run.sh\n");
    assert_eq!(evidence["restored"], json!(["tests/run.sh", "tests/skip.sh"]));
    place.run(&["verify", "last"]).expect(0);
}

#[test]
fn a_worker_is_told_the_truth_by_its_own_checks() {
    let calls = [
        read("tests/run.sh"),
        edit("tests/run.sh", "42", "41"),
        ("run_check", json!({ "name": "tests" })),
        read("src/answer.sh"),
        edit("src/answer.sh", "41", "42"),
        ("run_check", json!({ "name": "tests" })),
        finish(),
    ];
    let place = unfinished();
    let scope = "[scope]\nwrite = ['**']\nprotect = ['tests']\n";
    run(&place, &format!("{scope}{TESTED}"), &calls).expect(0);
    let told = |turn: usize| place.report()["turns"][turn]["observation"]["text"].clone();
    assert_eq!((told(2), told(5)), (json!("fail (exit 1)"), json!("pass")));
}

#[test]
fn a_name_that_protects_nothing_is_refused() {
    let contract = "[scope]\nwrite = ['**']\nprotect = ['tets']\n";
    run(&unfinished(), contract, &[finish()]).expect(3).says("`tets` is to be protected, but");
}

#[test]
fn a_guarded_line_cannot_go() {
    let place = || Place::with(&[("src/a.rs", "pub fn a() {}\nfn b() {}\n")]);
    let contract = "[scope]\nwrite = ['src/**']\n[[guard]]\nname = 'api'\nfiles = ['**/*.rs']\nlines = '^pub '\n";
    let private = [read("src/a.rs"), edit("src/a.rs", "fn b", "pub fn c"), finish()];
    run(&place(), contract, &private).expect(0);
    let place = place();
    let calls = [read("src/a.rs"), edit("src/a.rs", "pub fn a()", "pub fn a(n: u8)"), finish()];
    let outcome = run(&place, contract, &calls).expect(1);
    outcome.shows("`api`: 1 guarded line is gone, such as `pub fn a() {}`");
    let report = place.report();
    assert_eq!(report["evidence"]["guarded"][0]["id"], "guard:api:src/a.rs");
    assert_eq!(report["violations"][0]["evidence"], json!(["guard:api:src/a.rs"]));
    assert_eq!(report["evidence"]["changes"][0]["bytes"], 14 + 19);
    place.run(&["verify", "last"]).expect(1).shows("its evidence is confirmed");
}

#[track_caller]
fn command(check: &str, code: i32, end: Value) {
    let place = Place::with(&[("a.txt", "1\n")]);
    let contract = format!("[scope]\nwrite = ['a.txt']\n[[check]]\nname = 'c'\n{check}");
    run(&place, &contract, &[read("a.txt"), edit("a.txt", "1", "2"), finish()]).expect(code);
    assert_eq!(place.report()["evidence"]["checks"][0]["end"], end, "{check}");
}

#[test]
fn a_command_ends_as_the_contract_wants_it() {
    command("run = ['grep', 'x', 'a.txt']\nexit = [1]", 0, json!({ "exit": 1 }));
    command("run = ['true']\nexit = [1]", 1, json!({ "exit": 0 }));
    let once = "run = ['sh', '-c', 'test ! -e ran && touch ran']\nrepeat = 3";
    command(once, 1, json!({ "flaky": { "passed": 1, "runs": 3 } }));
    command("run = ['true']\nrepeat = 3", 0, json!({ "exit": 0 }));
    command("run = ['sleep', '60']\ntimeout = '1s'", 1, json!("timed_out"));
}

#[test]
fn a_command_sees_the_variables_that_the_contract_names() {
    let set = "run = ['sh', '-c', 'test \"$WORD\" = \"a b\" && test -z \"$CHARGEHAND_HOME\"']\n";
    command(&format!("{set}env = {{ WORD = 'a b' }}"), 0, json!({ "exit": 0 }));
    command(set, 1, json!({ "exit": 1 }));
    let passed = "run = ['sh', '-c', 'test -n \"$CHARGEHAND_HOME\"']\n";
    command(&format!("{passed}pass_env = ['CHARGEHAND_HOME', 'NOT_SET']"), 0, json!({ "exit": 0 }));
}

#[test]
fn no_tool_reads_a_secret_that_is_not_spelt_out() {
    let secret = || Place::with(&[(".env", "TOKEN=hunter2\n"), ("a.txt", "1\n")]);
    let place = secret();
    let calls = [
        read(".env"),
        ("search", json!({ "text": "hunter2" })),
        read("a.txt"),
        edit("a.txt", "1", "2"),
        finish(),
    ];
    run(&place, "[scope]\nwrite = ['**']\n", &calls).expect(0);
    let turns = place.report()["turns"].to_string();
    assert!(!turns.contains("TOKEN=") && turns.contains("holds secrets"), "{turns}");
    assert!(turns.contains("no match"), "{turns}");
    let place = secret();
    run(&place, "[scope]\nwrite = ['**']\nreveal = ['.env']\n", &calls).expect(0);
    assert!(place.report()["turns"].to_string().contains("TOKEN=hunter2"));
}

#[test]
fn a_repository_adds_to_what_is_kept() {
    let config = "frozen = ['docs']\n[limits]\nmax_changed_files = 1\n[[guard]]\nname = 'g'\nfiles = ['**']\nlines = 'keep'\n";
    let files = [(".chargehand/config.toml", config), ("a.txt", "keep\n"), ("b.md", "1\n")];
    let place = Place::with(&files);
    let calls = [
        read("a.txt"),
        edit("a.txt", "keep", "gone"),
        read("b.md"),
        edit("b.md", "1", "2"),
        finish(),
    ];
    let outcome = run(&place, "[scope]\nwrite = ['**']\n", &calls).expect(1);
    outcome.shows("`g`: 1 guarded line is gone, such as `keep`");
    let turns = place.report()["turns"].to_string();
    assert!(turns.contains("but `frozen` has `docs`"), "{turns}");
}

#[test]
fn a_contract_inside_the_repository_is_out_of_bounds() {
    let contract = "goal = 'g'\n[scope]\nwrite = ['**']\ncreate = ['x/**']\n";
    let place = Place::with(&[("a.txt", "1\n"), ("jobs/c.toml", contract)]);
    let calls = [read("jobs/c.toml"), edit("jobs/c.toml", "'x/**'", "'**'"), finish()];
    let worker = place.script("script", &calls);
    let file = place.repo().join("jobs/c.toml");
    let outcome = place.run(&["run", "--contract", file.to_str().unwrap(), "--worker", &worker]);
    outcome.expect(1).shows("nothing was changed");
}

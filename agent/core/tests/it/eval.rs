//! Examinations: reading tasks, grading results, counting trials.

use chargehand_core::check::Violation;
use chargehand_core::eval::{
    Count, Files, MAX_DEPTH, MAX_TEXT, Suite, Task, TaskEnd, Trial, breaches, grade, score,
};
use chargehand_core::evidence::{CheckEnd, CheckRun};
use chargehand_core::ports::{Stop, Usage};
use chargehand_core::report::{Report, Verdict};

use crate::report::report;

const TASK: &str = r#"
[[task]]
id = "one"
family = "replace"
[task.files]
"a.txt" = "old\n"
"keep.txt" = "same\n"
"gone.txt" = "x\n"
[task.contract]
goal = "change it"
[task.contract.scope]
write = ["a.txt"]
delete = ["gone.txt"]
[task.grade]
gone = ["gone.txt"]
[task.grade.files]
"a.txt" = "new\n"
[[task.grade.check]]
name = "hidden"
run = ["true"]
"#;

fn task() -> Task {
    Suite::parse(TASK).unwrap().tasks.remove(0)
}

fn files(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

fn ran(end: CheckEnd) -> CheckRun {
    let (name, output) = ("hidden".to_owned(), String::new());
    let passed = end == CheckEnd::Exit(0);
    CheckRun { name, end, passed, millis: 1, output, output_bytes: 0 }
}

#[track_caller]
fn faults(left: &[(&str, &str)], stop: &Stop, runs: &[CheckRun], expect: &[&str]) {
    let found = grade(&task(), &files(left), stop, runs);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, expect);
}

#[test]
fn only_the_right_result_is_right() {
    let done = Stop::Finished("done".to_owned());
    let right = [("a.txt", "new\n"), ("keep.txt", "same\n")];
    let passed = [ran(CheckEnd::Exit(0))];
    faults(&right, &done, &passed, &[]);
    faults(&right, &Stop::TurnLimit(3), &passed, &["it should have finished"]);
    faults(&right, &Stop::Asked("?".to_owned()), &passed, &["it should have finished"]);
    faults(&right, &done, &[ran(CheckEnd::Exit(2))], &["hidden: fail (exit 2)"]);
    faults(&right, &done, &[], &["hidden: not run"]);
    faults(&[("a.txt", "new\n")], &done, &passed, &["keep.txt is missing"]);
    let wrong = [("a.txt", "old\n"), ("gone.txt", "x\n"), ("keep.txt", "other\n"), ("more", "")];
    let expect = [
        "a.txt has the wrong text",
        "keep.txt should be as it was",
        "gone.txt should not be there",
        "more should not be there",
    ];
    faults(&wrong, &done, &passed, &expect);
}

/// Counts a trial that the grader finds nothing wrong with: whether it is right, and whether it is broken.
#[track_caller]
fn counted(stop: &Stop, rules: &[&str], right: bool, broken: bool) {
    let named = |rule: &&str| Violation {
        rule: (*rule).to_owned(),
        subject: "s".to_owned(),
        message: "m\u{1b}".to_owned(),
        evidence: Vec::new(),
    };
    let verdict = if rules.is_empty() { Verdict::Holds } else { Verdict::Violated };
    let violations = rules.iter().map(named).collect();
    let report = Report { violations, ..report(stop.clone(), verdict) };
    let mut task = task();
    if matches!(stop, Stop::Asked(_)) {
        task.grade.end = TaskEnd::Asked;
    }
    let trial = Trial::count(&task, &task.contract().unwrap(), &report, &[]);
    assert_eq!((trial.right, trial.broken), (right, broken), "{stop:?} {rules:?}");
    let finished = matches!(stop, Stop::Finished(_));
    assert_eq!(trial.contradicted, finished && !rules.is_empty(), "{stop:?} {rules:?}");
    assert_eq!(trial.faults.len(), breaches(&report).len());
    assert!(trial.faults.iter().all(|fault| fault.ends_with(", s: m\\u{1b}")), "{trial:?}");
}

#[test]
fn what_breaks_its_contract_is_never_right() {
    let (done, asked) = (Stop::Finished("d".to_owned()), Stop::Asked("?".to_owned()));
    for stop in [&done, &asked] {
        counted(stop, &[], true, false);
        for rule in ["scope", "size", "guard"] {
            counted(stop, &[rule], false, true);
            counted(stop, &["done", rule], false, true);
        }
    }
    for to_do in ["done", "command"] {
        counted(&done, &[to_do], false, false);
        // Whoever rightly asks leaves everything to do, and whoever comes to a limit did not say that it was done.
        counted(&asked, &[to_do], true, false);
        counted(&Stop::TurnLimit(3), &[to_do], true, false);
    }
    counted(&Stop::TurnLimit(3), &["size"], false, true);
}

#[track_caller]
fn refused(change: (&str, &str), part: &str) {
    assert!(TASK.contains(change.0), "{}", change.0);
    let err = Suite::parse(&TASK.replace(change.0, change.1)).unwrap_err().to_string();
    assert!(err.contains(part), "{err}");
}

#[test]
fn a_task_that_cannot_be_used_is_named() {
    refused(("id = \"one\"", "id = \"a b\""), "`a b` is no name");
    refused(("\"keep.txt\"", "\"../keep.txt\""), "task `one`");
    refused(("goal = \"change it\"", "goal = \"\""), "task `one`: the contract has no goal");
    refused(("family", "famly"), "unknown field `famly`");
    let twice = Suite::parse(&format!("{TASK}{TASK}")).unwrap_err();
    assert_eq!(twice.to_string(), "two tasks are called `one`");
    assert_eq!(Suite::parse("").unwrap_err().to_string(), "the suite has no task");
    let mut nothing = Suite { tasks: vec![task()] };
    nothing.tasks[0].grade = chargehand_core::eval::Grader::default();
    assert!(nothing.check().unwrap_err().to_string().contains("asks for no file and no command"));
}

#[test]
fn a_task_that_nobody_is_right_with_or_anybody_is_refused() {
    refused(("\"replace\"", "\"all\""), "task `one`: `family` is `all`");
    let with = |check: &str, part: &str| refused(("[[task.grade.check]]\n", check), part);
    let before = "[[task.grade.check]]\nname = 'hidden'\nrun = ['false']\n[[task.grade.check]]\n";
    with(before, "`grade.check` cannot be used: two checks are called `hidden`");
    let own = |key: &str| format!("[[task.grade.check]]\n{key}\n");
    with(&own("network = true"), "`grade.check` `hidden` asks for the network");
    with(
        &own("timeout = '0s'"),
        "`grade.check` cannot be used: check `hidden` has a timeout of zero",
    );
    refused(("run = [\"true\"]", "run = []"), "check `hidden` has nothing to run");
    refused(("name = \"hidden\"", "name = \"a b/ü\""), "`a b/ü` is no check name");
    let contract = |check: &str| format!("[[task.contract.check]]\n{check}\n[task.grade]\n");
    let network = contract("name = 'c'\nrun = ['true']\nnetwork = true");
    refused(("[task.grade]\n", &network), "`contract.check` `c` asks for the network");
    let grade = |keys: &str, part: &str| {
        refused(("[task.grade]\n", &format!("[task.grade]\n{keys}\n")), part);
    };
    let tools = "`grade.first` has `reed_fille`, which the worker has not; it has list_dir, ";
    grade("first = ['read_file', 'reed_fille']", tools);
    // There are no checks.
    grade("first = ['run_check']", "`grade.first` has `run_check`");
    grade("any = ['../../../etc/passwd']", "`grade.any` has a path that is none");
    grade("any = ['']", "`grade.any` has a path that is none");
    grade("any = ['a.txt']", "`grade.any` has `a.txt`, of which `grade` wants something else too");
    grade("any = ['gone.txt']", "`grade.any` has `gone.txt`, of which");
    refused(("gone = [\"gone.txt\"]", "gone = ['a.txt']"), "`grade.gone` has `a.txt`, of which");
    let mut free = task();
    free.grade = chargehand_core::eval::Grader::default();
    free.grade.any.push("a.txt".to_owned());
    let found = |task: &Task| Suite { tasks: vec![task.clone()] }.check();
    assert!(found(&free).unwrap_err().to_string().contains("asks for no file and no command"));
    // A check of the contract judges it.
    free.contract.checks = task().grade.checks;
    found(&free).unwrap();
}

#[test]
fn files_that_cannot_be_laid_out_are_refused() {
    let with = |file: &str, part: &str| {
        let files = format!("[task.files]\n\"{file}\" = \"x\"\n");
        let text = TASK.replace("[task.files]\n", &files);
        let found = Suite::parse(&text);
        if part.is_empty() {
            found.unwrap();
            return;
        }
        let found = found.unwrap_err().to_string();
        assert!(found.contains("task `one`") && found.contains(part), "{found}");
    };
    with("keep.txt/more", "`files` has `keep.txt` and `keep.txt/more`, and nothing is a file and");
    with("keep.txt2/more", "");
    // What must be gone is in nobody's way in the end.
    let hidden = |file: &str| format!("[task.grade.hidden]\n\"{file}\" = \"\"\n[task.grade.files]");
    let parse = |file: &str| Suite::parse(&TASK.replace("[task.grade.files]", &hidden(file)));
    parse("gone.txt/t").unwrap();
    let found = parse("a.txt/t").unwrap_err().to_string();
    assert!(found.contains("`grade` has `a.txt` and `a.txt/t`"), "{found}");
    with(&"n".repeat(255), "");
    with(&"n".repeat(256), "whose longest name has 256 bytes");
    let deep = |parts: usize| vec!["d"; parts].join("/");
    with(&deep(MAX_DEPTH), "");
    with(&deep(MAX_DEPTH + 1), "which has 201 parts; use 255 and 200 at most");
    let mut large = task();
    large.files.insert("keep.txt".to_owned(), "x".repeat(MAX_TEXT));
    Suite { tasks: vec![large.clone()] }.check().unwrap();
    large.files.insert("keep.txt".to_owned(), "x".repeat(MAX_TEXT + 1));
    let found = Suite { tasks: vec![large] }.check().unwrap_err().to_string();
    assert_eq!(
        found,
        "task `one`: `files` has `keep.txt` of 8388609 bytes; 8388608 at most are read"
    );
}

#[test]
fn a_suite_is_written_as_it_is_read() {
    let suite = Suite::parse(TASK).unwrap();
    assert_eq!(Suite::parse(&toml::to_string(&suite).unwrap()).unwrap(), suite);
}

#[track_caller]
fn interval(of_these: u64, of_all: u64, low: f64, high: f64) {
    let found = Count { of_these, of_all }.interval();
    assert!((found.0 - low).abs() < 5e-4 && (found.1 - high).abs() < 5e-4, "{found:?}");
}

#[test]
fn intervals_are_those_of_wilson() {
    // Newcombe (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    interval(81, 263, 0.2553, 0.3662);
    interval(15, 148, 0.0624, 0.1605);
    interval(0, 20, 0.0000, 0.1611);
    interval(1, 29, 0.0061, 0.1718);
    interval(0, 0, 0.0, 1.0);
}

fn trial(family: &str, right: bool, carried_out: u64) -> Trial {
    Trial {
        subject: 0,
        task: "t".to_owned(),
        family: family.to_owned(),
        repeat: 1,
        seed: 0,
        right,
        faults: Vec::new(),
        verdict: Verdict::Holds,
        stop: Stop::Finished(String::new()),
        turns: 2,
        valid: 2,
        carried_out,
        acting: 1,
        on_target: carried_out - 1,
        first: Some(right),
        out_of_scope: 0,
        broken: false,
        contradicted: false,
        recovered: None,
        usage: Usage::default(),
        millis: 10,
    }
}

#[test]
fn a_task_that_is_done_again_is_no_other_task() {
    let of = |task: &str, right| Trial { task: task.to_owned(), ..trial("a", right, 2) };
    let trials = [("t", true), ("t", false), ("u", true), ("u", false), ("u", true), ("v", true)];
    let scores = score(&trials.map(|(task, right)| of(task, right)), 0);
    assert_eq!(scores[0].right, Count { of_these: 4, of_all: 6 });
    // Half is not enough.
    assert_eq!(scores[0].tasks, Count { of_these: 2, of_all: 3 });
    assert_eq!(scores[1].tasks, scores[0].tasks);
}

#[test]
fn trials_are_counted_by_family_and_compounded_over_their_calls() {
    let mut other = trial("a", true, 2);
    other.subject = 1;
    let trials = [trial("b", true, 2), trial("a", true, 2), trial("a", false, 1), other];
    let scores = score(&trials, 0);
    let names: Vec<&str> = scores.iter().map(|score| score.family.as_str()).collect();
    assert_eq!(names, ["b", "a", "all"]);
    assert_eq!(scores[1].right, Count { of_these: 1, of_all: 2 });
    assert_eq!(scores[2].right, Count { of_these: 2, of_all: 3 });
    // Three of four calls went well, and a trial had two.
    assert_eq!(scores[1].per_call(), Some(0.75));
    assert_eq!(scores[1].compounded(), Some(0.5625));
    assert_eq!(scores[1].chain_of(1), Some(0.75));
    assert_eq!(scores[1].chain_of(2), scores[1].compounded());
    assert_eq!(scores[1].on_target, Count { of_these: 1, of_all: 2 });
    assert_eq!(score(&[], 0)[0].compounded(), None);
}

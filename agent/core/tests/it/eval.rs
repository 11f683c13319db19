//! Examinations: reading tasks, grading results, counting trials.

use chargehand_core::eval::{Count, Files, Suite, Task, Trial, grade, score};
use chargehand_core::evidence::{CheckEnd, CheckRun};
use chargehand_core::ports::{Stop, Usage};
use chargehand_core::report::Verdict;

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

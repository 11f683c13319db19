//! What stays of an examination: of one that something ended, of what went wrong, and for how long.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::place::{Outcome, Place};
use crate::run::signal;

/// Two tasks of a script. The second waits for so many seconds as the script says.
const TASKS: &str = r#"
[[task]]
id = "quick"
family = "own"
[task.files]
"a.txt" = "a\n"
[task.contract]
goal = "Create b.txt with a b"
[task.contract.scope]
create = ["b.txt"]
[task.grade.files]
"b.txt" = "b\n"

[[task]]
id = "slow"
family = "own"
[task.files]
"a.txt" = "a\n"
[task.contract]
goal = "Create wait"
[task.contract.scope]
create = ["wait"]
[[task.contract.check]]
name = "sleep"
run = ["sh", "-c", "sleep $(cat wait)"]
[task.grade]
any = ["wait"]
"#;

fn place() -> Place {
    let place = Place::bare();
    place.write("my tasks.toml", TASKS);
    fs::create_dir(place.root().join("scripts")).unwrap();
    script(&place, "quick", &[("write_file", json!({ "path": "b.txt", "content": "b\n" }))]);
    wait(&place, "0");
    place
}

/// Writes what is done for a task; it says that it is done behind that.
fn script(place: &Place, task: &str, calls: &[(&str, Value)]) {
    let finish = [("finish", json!({ "summary": "done" }))];
    let lines = calls.iter().chain(&finish);
    let lines = lines.map(|(tool, args)| json!({ "tool": tool, "args": args }).to_string() + "\n");
    let path = place.root().join("scripts").join(format!("{task}.jsonl"));
    fs::write(path, lines.collect::<String>()).unwrap();
}

/// Has the second task take so long.
fn wait(place: &Place, seconds: &str) {
    let write = ("write_file", json!({ "path": "wait", "content": seconds }));
    script(place, "slow", &[write, ("run_check", json!({ "name": "sleep" }))]);
}

fn args(place: &Place, flags: &[&str]) -> Vec<String> {
    let worker = format!("script:{}", place.root().join("scripts").display());
    let args = ["eval", "run", "my tasks.toml", "--worker", &worker];
    args.iter().chain(flags).map(ToString::to_string).collect()
}

fn exam(place: &Place, flags: &[&str]) -> Outcome {
    place.command(args(place, flags)).output().unwrap().into()
}

/// Starts an examination and returns it with its first trial done and its second under way.
fn hanging(place: &Place) -> Child {
    wait(place, "600");
    let mut command = place.command(args(place, &[]));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("1/2 quick")), "no trial was done");
    let trials = folder(place).join("trials.jsonl");
    let begun = || trials.is_file() && !sittings(place).is_empty();
    let mut waited = (0..500).inspect(|_| thread::sleep(Duration::from_millis(20)));
    assert!(waited.any(|_| begun()), "the second trial never began");
    child
}

/// Returns the folder of the only examination.
fn folder(place: &Place) -> PathBuf {
    fs::read_dir(place.home().join("evals")).unwrap().next().unwrap().unwrap().path()
}

/// Returns the folders in which tasks are done.
fn sittings(place: &Place) -> Vec<String> {
    let names = fs::read_dir(folder(place)).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

fn trials(place: &Place) -> usize {
    fs::read_to_string(folder(place).join("trials.jsonl")).unwrap().lines().count()
}

#[test]
fn one_process_at_a_time_conducts_an_examination() {
    let place = place();
    let mut child = hanging(&place);
    // The other one would be done at once.
    wait(&place, "0");
    let refused = exam(&place, &["--resume", "last"]).expect(3);
    refused.says("another process conducts examination").says("wait for it");
    place.run(&["eval", "show"]).expect(0).shows("running").shows("1 of 2 trials");
    place.run(&["eval", "show", "last"]).expect(0).shows("running: 1 of 2 trials were done");
    let gone = place.run(&["runs", "gc", "--max-disk", "0B", "--undecided", "--json"]).expect(0);
    assert_eq!(gone.lines()[0]["evals"], json!([]), "somebody conducts it");
    assert!(!sittings(&place).is_empty(), "whoever was refused leaves it alone");
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    // What the killed one left goes when somebody goes on, and only then.
    assert_eq!((sittings(&place).len(), trials(&place)), (1, 1));
    place.run(&["eval", "show"]).expect(0).shows("interrupted").shows("my tasks.toml  script");
    exam(&place, &["--resume", "last"]).expect(0).shows("2/2");
    assert_eq!((sittings(&place).len(), trials(&place)), (0, 2));
    place.run(&["eval", "show"]).expect(0).shows("ended").shows("2 of 2 trials");
}

#[test]
fn an_interrupted_examination_says_so_and_how_to_go_on() {
    let place = place();
    let mut child = hanging(&place);
    signal(&child, Signal::SIGINT);
    // Its first lines on stderr were read to know that it is under way.
    let mut stdout = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut stdout).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(stdout.contains("interrupted: 1 of 2 trials were done"), "{stdout}");
    assert!(sittings(&place).is_empty());
    let shown = place.run(&["eval", "show", "last", "--json"]).expect(0).lines().remove(0);
    assert_eq!((&shown["done"], &shown["expected"]), (&json!(1), &json!(2)));
    assert_eq!(shown["stage"], "interrupted");
    let command = shown["go_on_with"].as_str().unwrap();
    place.run(&["eval", "show", "last"]).expect(0).says(&format!("go on with: {command}\n"));
    let page = fs::read_to_string(folder(&place).join("report.html")).unwrap();
    assert!(
        page.contains("interrupted: 1 of 2 trials were done; go on with: chargehand"),
        "{page}"
    );
    // These very words go on.
    wait(&place, "0");
    let words = shell_words::split(command).unwrap();
    assert_eq!(words[0], "chargehand");
    place.command(&words[1..]).output().map(Outcome::from).unwrap().expect(0).shows("2/2");
    assert_eq!(fs::read_dir(place.home().join("evals")).unwrap().count(), 1);
    let shown = place.run(&["eval", "show", "last", "--json"]).expect(0).lines().remove(0);
    assert_eq!((&shown["stage"], &shown["go_on_with"]), (&json!("ended"), &Value::Null));
    let page = fs::read_to_string(folder(&place).join("report.html")).unwrap();
    assert!(!page.contains("interrupted"), "{page}");
}

#[test]
fn what_two_processes_did_counts_once() {
    let place = place();
    exam(&place, &["--repeat", "2"]).expect(0);
    let path = folder(&place).join("trials.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.repeat(2)).unwrap();
    place.run(&["eval", "show", "last"]).expect(0).shows("4/4");
    exam(&place, &["--repeat", "2", "--resume", "last"]).expect(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_trial_that_went_wrong_says_what_it_did() {
    let place = place();
    let content = "x".repeat(5000);
    let calls = [
        ("write_file", json!({ "path": "a.txt", "content": "z" })),
        ("write_file", json!({ "path": "b.txt", "content": content })),
    ];
    script(&place, "quick", &calls);
    let outcome = exam(&place, &[]).expect(0);
    let wrong = folder(&place).join("wrong");
    outcome.says(&format!("what 1 trial that went wrong did: {}", wrong.display()));
    let name = "wrong/quick-1-1.json";
    let told: Value =
        serde_json::from_slice(&fs::read(folder(&place).join(name)).unwrap()).unwrap();
    assert_eq!(told["faults"], json!(["b.txt has the wrong text"]));
    assert_eq!(
        (&told["stop"], &told["claim"]),
        (&json!("the worker says it is done"), &json!("done"))
    );
    assert_eq!(told["turns"][0]["call"]["arguments"]["path"], "a.txt");
    assert_eq!(told["turns"][0]["observation"]["ok"], false);
    let kept = told["turns"][1]["call"]["arguments"]["content"].as_str().unwrap();
    assert!(content.starts_with(&kept[..1000]) && kept.len() < 2100, "{kept}");
    let page = fs::read_to_string(folder(&place).join("report.html")).unwrap();
    assert!(page.contains(&format!("<a href=\"{name}\">")), "{page}");
    let shown = place.run(&["eval", "show", "last", "--json"]).expect(0).lines().remove(0);
    assert_eq!(shown["wrong"][0]["file"], name);
    // One that was right has nothing to say.
    assert_eq!(fs::read_dir(wrong).unwrap().count(), 1);
}

#[test]
fn names_of_models_do_nothing_to_a_terminal() {
    let place = place();
    let model = place.root().join("a\u{1b}[2Jb.gguf");
    fs::write(&model, include_bytes!("../../models/apprentice.gguf")).unwrap();
    place.run(&["eval", "new", "task.toml"]).expect(0);
    let task = place.read("task.toml").replace("\"replace\"", "\"mine\"");
    // Fewer than five leave no card.
    let tasks: String =
        (1..=5).map(|at| task.replace("greeting-1", &format!("greeting-{at}"))).collect();
    place.write("task.toml", &tasks);
    let exam = place.run(&["eval", "run", "task.toml", "-m", model.to_str().unwrap()]).expect(0);
    let exam = exam.says("a\\u{1b}[2Jb 1/5 greeting-1 right").says("scorecard of a\\u{1b}[2Jb: ");
    let exam = exam.shows("a\\u{1b}[2Jb  ");
    let list = place.run(&["eval", "show"]).expect(0).shows("a\\u{1b}[2Jb");
    for text in [exam.stdout, exam.stderr, list.stdout] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}

/// What came to its end may go; what could be gone on with only where that is asked for; the cards never.
#[test]
fn examinations_can_be_removed() {
    let place = place();
    exam(&place, &["--most", "1"]).expect(0);
    let ended = folder(&place);
    fs::create_dir(place.home().join("cards")).unwrap();
    let gc = |flags: &[&str]| {
        let gc = [&["runs", "gc", "--max-disk", "0B", "--json"], flags].concat();
        place.run(&gc).expect(0).lines().remove(0)
    };
    let said = gc(&["--dry-run"]);
    assert_eq!((&said["evals"][0]["state"], ended.exists()), (&json!("ended"), true));
    let said = gc(&[]);
    assert_eq!(said["evals"][0]["id"], ended.file_name().unwrap().to_str().unwrap());
    assert!(said["freed_bytes"].as_u64().unwrap() > 0, "{said}");
    assert!(!ended.exists() && place.home().join("cards").exists());
    place.run(&["eval", "show"]).expect(0).says("no examination yet");

    exam(&place, &[]).expect(0);
    let head = folder(&place).join("eval.json");
    let text = fs::read_to_string(&head).unwrap();
    fs::write(&head, text.replace("\"ended\": true", "\"ended\": false")).unwrap();
    assert_eq!(gc(&[])["evals"], json!([]));
    assert_eq!(gc(&["--undecided"])["evals"][0]["state"], "interrupted");
    assert_eq!(fs::read_dir(place.home().join("evals")).unwrap().count(), 0);
}

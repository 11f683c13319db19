//! Examinations by the real program, with the embedded model.

use std::fs;

use chargehand_core::eval::Suite;
use serde_json::{Value, json};

use crate::place::Place;

/// Returns a place with a suite of one task that the embedded model can do, and one that it cannot.
fn place() -> Place {
    let place = Place::bare();
    place.run(&["eval", "new", "tasks ü.toml"]).expect(0).shows("wrote tasks ü.toml");
    let path = place.repo().join("tasks ü.toml");
    let easy = fs::read_to_string(&path).unwrap();
    let hard = easy.replace("greeting-1", "greeting-2").replace("Hello, reader.", "Hello, nobody.");
    let tests = "\n[[task.grade.check]]\nname = \"never\"\nrun = [\"false\"]\n";
    fs::write(&path, format!("{easy}{hard}{tests}")).unwrap();
    place
}

fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_model_is_examined_and_its_figures_are_kept() {
    let place = place();
    let run = ["eval", "run", "tasks ü.toml", "--json", "--repeat", "2"];
    let outcome = place.run(&run).expect(0);
    let all = lines(&outcome.stdout);
    let (figures, trials) = all.split_last().unwrap();
    assert_eq!(trials.len(), 4);
    let right = |at: usize| trials[at]["trial"]["right"].as_bool().unwrap();
    assert_eq!([right(0), right(1), right(2), right(3)], [true, false, true, false]);
    let faults = json!(["greeting.txt has the wrong text", "never: fail (exit 1)"]);
    assert_eq!(trials[1]["trial"]["faults"], faults);
    let family = &figures["subjects"][0]["families"][0];
    assert_eq!(
        (&family["family"], &family["right"]),
        (&json!("replace"), &json!({"of_these": 2, "of_all": 4}))
    );
    assert_eq!(family["first"], json!({"of_these": 4, "of_all": 4}));
    // What was written down says the same, and to go on does nothing again.
    let shown = place.run(&["eval", "show", "last", "--json"]).expect(0);
    let mut kept = lines(&shown.stdout).remove(0)["subjects"].take();
    let said = figures["subjects"][0]["families"].as_array().unwrap();
    // A sum of fractions that went through text may differ in its last place.
    for (family, said) in kept[0]["families"].as_array_mut().unwrap().iter_mut().zip(said) {
        let sums = [&*family, said].map(|family| family["model_ms"].as_f64().unwrap());
        assert!((sums[0] - sums[1]).abs() < 1e-6, "{sums:?}");
        family["model_ms"] = said["model_ms"].clone();
    }
    assert_eq!(kept, figures["subjects"]);
    let again = [&run[..], &["--resume", "last"]].concat();
    assert_eq!(lines(&place.run(&again).expect(0).stdout).len(), 1);
    let id = figures["eval"]["id"].as_str().unwrap();
    place.run(&["eval", "show"]).expect(0).shows(id);
    let page = fs::read_to_string(place.home().join("evals").join(id).join("report.html")).unwrap();
    assert!(page.contains("it should") || page.contains("has the wrong text"), "{page}");
}

#[test]
fn an_examination_that_was_cut_off_goes_on() {
    let place = place();
    let run = ["eval", "run", "tasks ü.toml", "--json"];
    place.run(&run).expect(0);
    let folder = fs::read_dir(place.home().join("evals")).unwrap().next().unwrap().unwrap().path();
    let path = folder.join("trials.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    fs::write(&path, format!("{first}\n{}", &rest[..rest.len() / 2])).unwrap();
    let again = place.run(&[&run[..], &["--resume", "last"]].concat()).expect(0);
    assert_eq!(lines(&again.stdout).len(), 2, "the second trial was done again: {}", again.stdout);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    let other = [&run[..], &["--resume", "last", "--seed", "5"]].concat();
    place.run(&other).expect(2).says("was begun otherwise: --seed is 5, it was 0\n");
    let other = ["eval", "run", "--resume", "last", "--gate", "no_repeat=off"];
    let gate = "the tasks are others, --gate or --vary is no_repeat=off, it was none\n";
    place.run(&other).expect(2).says(gate);
    let other = [&run[..], &["--resume", "last", "--vary", "sampling.top_k=3,4"]].concat();
    place.run(&other).expect(2).says("2 models and settings are asked for, it had 1\n");
}

/// Nothing is examined, and nothing written that `last` would mean.
#[track_caller]
fn nothing_is_begun(args: &[&str], code: i32, says: &str) {
    let place = place();
    place.write("bad.gguf", "no model");
    place.write("calls/greeting-1.jsonl", "");
    place.write("calls/greeting-2.jsonl", "no call\n");
    let args = [&["eval", "run", "tasks ü.toml"], args].concat();
    let outcome = place.run(&args).expect(code).says(says);
    assert!(!outcome.stderr.contains("greeting-1 right"), "{}", outcome.stderr);
    assert!(!place.home().join("evals").exists());
}

#[test]
fn everything_is_looked_at_before_the_first_task() {
    nothing_is_begun(&["-m", "nopee"], 2, "nopee: no model has this name");
    nothing_is_begun(&["-m", "apprentice", "-m", "./bad.gguf"], 3, "bad.gguf");
    nothing_is_begun(&["-m", "apprentice", "-m", "./none.gguf"], 2, "none.gguf");
    nothing_is_begun(&["--vary", "gate.no_repeat=on,offf"], 2, "no_repeat=offf");
    nothing_is_begun(&["--vary", "sampling.temperature=0,hot"], 2, "sampling.temperature=hot");
    nothing_is_begun(&["--vary", "sampling.temperature=0,101"], 2, "temperature is 101");
    nothing_is_begun(&["--vary", "kv_type=f16,f17"], 2, "kv_type is `f17`");
    nothing_is_begun(&["--worker", "script:calls"], 2, "greeting-2.jsonl");
    nothing_is_begun(&["--config", "memory.host_headroom=1000000GiB"], 3, "MiB");
}

#[test]
fn nobody_is_examined_twice() {
    let apprentice = ["-m", "apprentice", "-m", "apprentice"];
    nothing_is_begun(&apprentice, 2, "`apprentice` is asked for twice");
    let vary = ["--vary", "kv_type=f16,q8_0,f16"];
    nothing_is_begun(&vary, 2, "`apprentice kv_type=f16` is asked for twice");
    let vary = ["--vary", "sampling.temperature=0.5,0.50"];
    nothing_is_begun(
        &vary,
        2,
        "temperature=0.5` and `apprentice sampling.temperature=0.50` are the same",
    );
}

/// It may be named from another folder, or moved; another one is no other by its name alone.
#[test]
fn the_same_model_goes_on_wherever_it_lies() {
    let place = place();
    let model = include_bytes!("../../models/apprentice.gguf").to_vec();
    let path = place.root().join("a.gguf");
    fs::write(&path, &model).unwrap();
    let run = ["eval", "run", "tasks ü.toml", "--json", "-m"];
    place.run(&[&run[..], &["../a.gguf"]].concat()).expect(0);
    let resume = |model: &str| place.run(&[&run[..], &[model, "--resume", "last"]].concat());
    assert_eq!(resume(path.to_str().unwrap()).expect(0).lines().len(), 1);
    let moved = place.root().join("b.gguf");
    fs::rename(&path, &moved).unwrap();
    // Also where somebody has to be loaded again.
    let evals = fs::read_dir(place.home().join("evals")).unwrap();
    let trials = evals.last().unwrap().unwrap().path().join("trials.jsonl");
    fs::write(&trials, "").unwrap();
    assert_eq!(resume(moved.to_str().unwrap()).expect(0).lines().len(), 3);
    let other = place.root().join("c.gguf");
    fs::write(&other, [&model[..], b"x"].concat()).unwrap();
    let outcome = resume(other.to_str().unwrap()).expect(2);
    outcome.says("c.gguf, it was ").says("b.gguf");
}

#[test]
fn a_run_becomes_a_task() {
    let place = Place::with(&[("a.txt", "one\n"), ("b.txt", "two\n")]);
    let calls = [
        ("read_file", json!({ "path": "a.txt" })),
        ("edit_file", json!({ "path": "a.txt", "old": "one", "new": "1" })),
        ("write_file", json!({ "path": "new.txt", "content": "x" })),
        ("finish", json!({ "summary": "done" })),
    ];
    let script = place.script("s", &calls);
    place.job(&script, &["--write", "a.txt", "--create", "new.txt"]).expect(0);
    let outcome = place.run(&["eval", "from-run", "last", "--id", "mine"]).expect(0);
    let task = Suite::parse(&outcome.stdout).unwrap().tasks.remove(0);
    assert_eq!((task.id.as_str(), task.family.as_str()), ("mine", "own"));
    assert_eq!(task.files["a.txt"], "one\n");
    assert_eq!(task.files["b.txt"], "two\n");
    let wanted: Vec<_> =
        task.grade.files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(wanted, [("a.txt", "1\n"), ("new.txt", "x\n")]);
}

#[track_caller]
fn refused(args: &[&str], code: i32, says: &str) {
    place().run(&[&["eval"], args].concat()).expect(code).says(says);
}

#[test]
fn bad_suites_and_flags_are_named() {
    refused(&["run", "/nonexistent"], 2, "cannot read /nonexistent");
    refused(
        &["run", "tasks ü.toml", "--family", "cooking"],
        2,
        "no task is of the family `cooking`",
    );
    refused(&["run", "tasks ü.toml", "tasks ü.toml"], 2, "two tasks are called `greeting-1`");
    refused(&["run", "tasks ü.toml", "--vary", "seed"], 2, "--vary seed");
    refused(&["run", "tasks ü.toml", "--gate", "x=off"], 2, "there is no gate `x`");
    refused(&["run", "tasks ü.toml", "--repeat", "0"], 2, "0 is not in 1..=1000");
    refused(&["run", "tasks ü.toml", "--most", "0"], 2, "0 is not in 1..");
    refused(&["run", "tasks ü.toml", "--tier", "0"], 2, "0 is not in 1..=2");
    refused(&["run", "tasks ü.toml", "--tier", "7"], 2, "7 is not in 1..=2");
    let no_folder = ["run", "tasks ü.toml", "--worker", "script:/nonexistent"];
    refused(&no_folder, 2, "/nonexistent is no folder");
    refused(&["show", "never"], 2, "there is no examination `never`");
    refused(&["from-run", "last"], 2, "no run");
}

#[test]
fn the_built_in_suite_has_twenty_tasks_of_each_family() {
    let suite = Suite::parse(include_str!("../../suite/first.toml")).unwrap();
    let families = suite.families();
    assert!(families.len() >= 12, "{families:?}");
    for family in families {
        let count = suite.tasks.iter().filter(|task| task.family == family).count();
        assert_eq!(count, 20, "{family}");
    }
}

/// As long as the template of the built-in model, and with its arguments between tags.
const TAGGED: &str = "\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.tool_calls -%}
{%- for call in message.tool_calls -%}
{{- '<function=' + call.function.name + '>' -}}
{%- for key, value in call.function.arguments | items -%}
{{- '<parameter=' + key + '>' + value + '</parameter>' -}}
{%- endfor -%}{{- '</function>' -}}
{%- endfor -%}
{%- else -%}{{- message.content -}}{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}";

#[test]
fn the_same_experiment_is_not_done_under_two_names() {
    let place = place();
    let mut model = include_bytes!("../../models/apprentice.gguf").to_vec();
    let key = b"tokenizer.chat_template";
    let at = model.windows(key.len()).position(|bytes| bytes == key).unwrap() + key.len() + 4;
    let length = u64::from_le_bytes(model[at..at + 8].try_into().unwrap());
    let length = usize::try_from(length).unwrap();
    let template = format!("{TAGGED:<length$}");
    assert_eq!(template.len(), length);
    model[at + 8..at + 8 + length].copy_from_slice(template.as_bytes());
    let path = place.root().join("tagged.gguf");
    fs::write(&path, model).unwrap();
    let path = path.to_str().unwrap();
    let exam = ["eval", "run", "tasks ü.toml", "-m", path, "--ablate", "grammar"];
    place.run(&exam).expect(2).says("`json` is the same as `off`").says("off,gated,bound");
    assert!(!place.home().join("evals").exists());
}

//! `chargehand run -m` with models of three template families, from `bench-scripts/models`: real tokenizers and
//! random weights, so that whatever is well-formed is so by force.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::place::Place;

const FILES: [(&str, &str); 3] =
    [("README.md", "# A\n"), ("src/a b.txt", "one\ntwo\n"), ("src/ümlaut.txt", "x\n")];
/// Every value that the argument `path` may have.
const PATHS: [&str; 6] = ["README.md", "src/a b.txt", "src/ümlaut.txt", "NEW.md", "src", "."];

/// Returns the path of a generated model. Where CI runs, its absence is a failure.
pub(crate) fn generated(name: &str) -> Option<PathBuf> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/test-models/{name}.gguf"));
    if path.is_file() {
        return Some(path);
    }
    let said = format!("there is no {}: run bench-scripts/models/generate", path.display());
    assert!(env::var_os("CI").is_none_or(|ci| ci.is_empty()), "{said}");
    let mut stderr = std::io::stderr();
    writeln!(stderr, "NOT TESTED: {name}: {said}").unwrap();
    None
}

/// Returns the log of a job for `model` in which no turn may have more than `turn_tokens`.
#[track_caller]
fn log(model: &Path, seed: u32, turn_tokens: u32) -> Vec<Value> {
    let place = Place::with(&FILES);
    let contract = place.root().join("contract.toml");
    let limits = format!("[limits]\nturns = 4\nturn_tokens = {turn_tokens}");
    let scope = "[scope]\nwrite = ['src/*']\ncreate = ['NEW.md']";
    fs::write(&contract, format!("goal = 'Tidy up'\n{scope}\n{limits}\n")).unwrap();
    let (model, contract, seed) =
        (model.to_str().unwrap(), contract.to_str().unwrap(), seed.to_string());
    let run = [
        "run",
        "--contract",
        contract,
        "-m",
        model,
        "--ctx",
        "4096",
        "--temperature",
        "1",
        "--seed",
        &seed,
    ];
    let outcome = place.run(&run);
    assert!([0, 1, 4, 74].contains(&outcome.code), "{}\n{}", outcome.code, outcome.stderr);
    assert_eq!(place.git(&["status", "--porcelain"]), "", "the checkout is the user's");
    let text = fs::read_to_string(place.run_dir().join("events.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Holds every word of a model against what it may say: an open tool with arguments that are possible, or words
/// that were cut off at the limit and are called so. Returns how many calls there were.
#[track_caller]
fn calls(log: &[Value], turn_tokens: u32) -> usize {
    let mut open = Vec::new();
    let mut calls = 0;
    for line in log {
        match line["type"].as_str().unwrap() {
            "turn_started" => open = line["tools"].as_array().unwrap().clone(),
            "called" => {
                assert_possible(&line["call"], &open);
                calls += 1;
            }
            "malformed" => {
                assert!(line["reason"].as_str().unwrap().contains("was cut off after"), "{line}");
                assert_eq!(line["usage"]["predicted_n"], turn_tokens, "{line}");
            }
            _ => {}
        }
    }
    calls
}

#[track_caller]
fn assert_possible(call: &Value, open: &[Value]) {
    assert!(open.contains(&call["name"]), "{call} is none of {open:?}");
    let written: Value = serde_json::from_str(call["written"].as_str().unwrap()).unwrap();
    assert_eq!(written, call["arguments"], "{call}");
    if let Some(path) = call["arguments"].get("path") {
        assert!(PATHS.iter().any(|known| path == known), "{call}");
    }
}

/// Lets the model `name` do a few jobs.
#[track_caller]
fn check(name: &str) {
    let Some(model) = generated(name) else { return };
    let made: usize = (1..3).map(|seed| calls(&log(&model, seed, 96), 96)).sum();
    assert!(made >= 2, "{name} made {made} calls: too few to test anything");
}

#[test]
fn a_qwen_model_says_nothing_but_calls() {
    check("qwen");
}

#[test]
fn a_llama_model_says_nothing_but_calls() {
    check("llama3");
}

#[test]
fn a_mistral_model_says_nothing_but_calls() {
    check("mistral-list");
    check("mistral-args");
}

/// No call has so few tokens: the name of the shortest tool and its argument take more.
#[test]
fn a_call_that_is_cut_off_is_said_and_never_run() {
    let Some(model) = generated("mistral-args") else { return };
    let log = log(&model, 1, 6);
    assert_eq!(calls(&log, 6), 0);
    let count = |kind: &str| log.iter().filter(|line| line["type"] == kind).count();
    assert_eq!(count("malformed"), 3, "three in a row are the end");
    let answers: Vec<&Value> = log.iter().filter(|line| line["type"] == "observed").collect();
    assert!(answers.iter().all(|line| line["observation"]["ok"] == false), "{answers:?}");
}

//! Makes the training corpus and the test tasks of the embedded model.
//!
//! A scripted oracle solves small tasks through the real tools, under the real gates, and is shown what the
//! real prompt says. `corpus` prints trajectories for training, `tasks` prints tasks for roll-outs through the
//! program.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the corpus is the output of this program")]

mod content;
mod families;
mod phrasing;
mod rng;
mod settings;
mod words;
mod world;

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use families::FAMILIES;
use serde_json::json;
use words::{Split, Words};
use world::{Step, Task};

const USAGE: &str = "\
usage: apprentice-corpus corpus COUNT SEED train|test
       apprentice-corpus tasks COUNT SEED FAMILY    (held-out words and phrasings)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let numbers = |count: &str, seed: &str| Some((count.parse().ok()?, seed.parse().ok()?));
    let written = match *arguments {
        ["corpus", count, seed, split @ ("train" | "test")] => {
            let split = if split == "train" { Split::Train } else { Split::Test };
            numbers(count, seed).map(|(count, seed)| corpus(count, seed, split))
        }
        ["tasks", count, seed, family] => {
            let family = FAMILIES.iter().find(|(name, _)| *name == family);
            family
                .zip(numbers(count, seed))
                .map(|((family, _), (count, seed))| tasks(count, seed, family))
        }
        _ => None,
    };
    match written {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(_)) => ExitCode::FAILURE,
        None => {
            println!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Prints `count` trajectories, one JSON line each.
fn corpus(count: usize, seed: u64, split: Split) -> std::io::Result<()> {
    let mut words = Words::new(seed, split);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut written = 0;
    while written < count {
        let family = draw(&mut words);
        let Some(task) = families::make(&mut words, family) else { continue };
        let Some((job, steps)) = task.play() else { continue };
        let segments = segments(&job, &steps);
        writeln!(out, "{}", json!({ "family": task.family, "segments": segments }))?;
        written += 1;
    }
    out.flush()
}

fn draw(words: &mut Words) -> &'static str {
    let mut at = words.rng.below(FAMILIES.iter().map(|(_, weight)| weight).sum());
    for (family, weight) in FAMILIES {
        if at < *weight {
            return family;
        }
        at -= weight;
    }
    unreachable!("BUG: the weights were summed")
}

/// Kinds of text in a trajectory: what the template wrote, what is data, what the model must write.
const TEMPLATE: u8 = 0;
const DATA: u8 = 1;
const TARGET: u8 = 2;

/// Returns the conversation in the embedded model's own template, in the pieces in which the worker tokenises
/// it. A test of the program holds this against what llama.cpp renders from the model file.
fn segments(job: &str, steps: &[Step]) -> Vec<(String, u8)> {
    let piece = |text: &str, kind: u8| (text.to_owned(), kind);
    let mut all = vec![piece("<|im_start|>user\n", TEMPLATE), piece(job, DATA)];
    for (call, observation) in steps {
        all.push(piece("<|im_end|>\n<|im_start|>assistant\n", TEMPLATE));
        let text = format!("{{\"tool\":\"{}\",\"args\":{}}}<|im_end|>", call.name, call.written);
        all.push((text, TARGET));
        if let Some(observation) = observation {
            all.push(piece("\n<|im_start|>tool\n", TEMPLATE));
            all.push(piece(&observation.text, DATA));
        }
    }
    all
}

/// Prints `count` tasks for roll-outs, one JSON line each.
fn tasks(count: usize, seed: u64, family: &'static str) -> std::io::Result<()> {
    let mut words = Words::new(seed, Split::Test);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut written = 0;
    while written < count {
        let Some(task) = families::make(&mut words, family) else { continue };
        if task.play().is_none() || !task.contract.checks.is_empty() {
            continue;
        }
        let Task { contract, files, expect, .. } = &task;
        let contract = toml::to_string(contract).expect("a contract is plain data");
        writeln!(
            out,
            "{}",
            json!({ "family": family, "contract": contract, "files": files, "expect": expect })
        )?;
        written += 1;
    }
    out.flush()
}

//! Prints trajectories for training, or tasks for roll-outs through the program, as JSON lines.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the corpus is the output of this program")]

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use apprentice_corpus::{FAMILIES, Split, Task, Trajectory, Words, suite, task};
use serde_json::json;

const USAGE: &str = "\
usage: apprentice-corpus corpus COUNT SEED train|test
       apprentice-corpus tasks COUNT SEED test|blind FAMILY    (held-out words and phrasings)
       apprentice-corpus suite COUNT SEED test|blind           (a suite for `chargehand eval`, COUNT tasks a family)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let numbers = |count: &str, seed: &str| Some((count.parse().ok()?, seed.parse().ok()?));
    let written = match *arguments {
        ["corpus", count, seed, split @ ("train" | "test")] => {
            numbers(count, seed).map(|(count, seed)| corpus(count, seed, named(split)))
        }
        ["tasks", count, seed, split @ ("test" | "blind"), family] => {
            let family = FAMILIES.iter().find(|(name, _)| *name == family);
            family
                .zip(numbers(count, seed))
                .map(|((family, _), (count, seed))| tasks(count, seed, named(split), family))
        }
        ["suite", count, seed, split @ ("test" | "blind")] => {
            numbers(count, seed).map(|(count, seed)| print_suite(count, seed, named(split)))
        }
        _ => None,
    };
    match written {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(err)) => {
            println!("error: {err}");
            ExitCode::FAILURE
        }
        None => {
            println!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Returns the split that is called so.
fn named(split: &str) -> Split {
    match split {
        "train" => Split::Train,
        "blind" => Split::Blind,
        _ => Split::Test,
    }
}

fn corpus(count: usize, seed: u64, split: Split) -> io::Result<()> {
    let mut words = Words::new(seed, split);
    let mut out = BufWriter::new(io::stdout().lock());
    for _ in 0..count {
        let trajectory = Trajectory::draw(&mut words);
        let segments: Vec<(String, u8)> =
            trajectory.segments().into_iter().map(|(text, kind)| (text, kind as u8)).collect();
        writeln!(out, "{}", json!({ "family": trajectory.family, "segments": segments }))?;
    }
    out.flush()
}

fn tasks(count: usize, seed: u64, split: Split, family: &'static str) -> io::Result<()> {
    let mut words = Words::new(seed, split);
    let mut out = BufWriter::new(io::stdout().lock());
    for _ in 0..count {
        let Some(Task { contract, files, expect, .. }) = task(&mut words, family) else {
            return Err(io::Error::other(format!("{family} has no tasks for roll-outs")));
        };
        let contract = toml::to_string(&contract).expect("a contract is plain data");
        writeln!(
            out,
            "{}",
            json!({ "family": family, "contract": contract, "files": files, "expect": expect })
        )?;
    }
    out.flush()
}

fn print_suite(count: usize, seed: u64, split: Split) -> io::Result<()> {
    let suite = suite(&mut Words::new(seed, split), count);
    let text = toml::to_string(&suite).expect("a suite is plain data");
    let head = "# Made by `apprentice-corpus suite`: words and phrasings that the embedded model was not trained on.\n\n";
    io::stdout().write_all((head.to_owned() + &text).as_bytes())
}

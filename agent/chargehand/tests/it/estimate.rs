//! The estimate from the header against the dry run, for models in their real shapes. Each dry run has a process of its
//! own, whose memory it counts.

use std::io::Write as _;

use serde_json::Value;

use crate::place::Place;
use crate::plan::model;

/// What an estimate may be off, in hundredths.
const TOLERANCE: u64 = 5;
/// The constants were fitted to these,
const FITTED: [&str; 11] = [
    "deepseek2-lite",
    "gemma3-4b",
    "gpt-oss-20b",
    "granite-1b",
    "llama-1b",
    "llama-70b",
    "mamba-130m",
    "qwen2-0.5b",
    "qwen3-32b",
    "qwen3-4b",
    "qwen3moe-30b",
];
/// and to none of these.
const HELD_OUT: [&str; 13] = [
    "coder-81gb",
    "deepseek2-lite-q8",
    "gemma3-12b",
    "gemma3-1b",
    "glm4moe-106b",
    "glm4moe-small",
    "gpt-oss-120b",
    "jamba-3b",
    "llama-8b",
    "mamba-2.8b",
    "qwen2-7b",
    "qwen3-0.6b",
    "qwen3moe-235b",
];

/// Returns the bytes of the cache, and of everything.
fn ask(place: &Place, args: &[&str]) -> [u64; 2] {
    // Whether it fits is not asked here.
    let base = ["plan", "--json", "--budget", "host=999GiB"];
    let outcome = place.run(&[&base, args].concat()).expect(0);
    let answer: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(answer["warnings"], Value::Array(Vec::new()));
    let rows = answer["footprints"][0]["rows"].as_array().unwrap();
    ["context", ""].map(|what| {
        let rows = rows.iter().filter(|row| row["what"].as_str().unwrap().starts_with(what));
        rows.map(|row| row["bytes"].as_u64().unwrap()).sum()
    })
}

fn check(names: &[&str], options: &[&str]) {
    let place = Place::bare();
    for name in names {
        let Some(path) = model(name) else { return };
        let [cache, counted] = ask(&place, &[&[path.as_str()], options].concat());
        let [same, guessed] = ask(&place, &[&[path.as_str(), "--headers"], options].concat());
        // Arithmetic, and nothing that could be fitted.
        assert_eq!(cache, same, "{name}");
        let off = guessed.abs_diff(counted) * 10_000 / counted;
        let [shown, truth] = [guessed, counted].map(|bytes| bytes >> 20);
        let (percent, part) = (off / 100, off % 100);
        let said = format!("| {name} | {shown} | {truth} | {percent}.{part:02} % |\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        assert!(off <= TOLERANCE * 100, "{name}: {guessed} estimated, {counted} counted");
    }
}

#[test]
fn models_it_was_fitted_to_are_estimated() {
    check(&FITTED, &[]);
}

#[test]
fn models_it_was_not_fitted_to_are_estimated() {
    check(&HELD_OUT, &[]);
}

#[test]
fn other_options_are_estimated_too() {
    check(&HELD_OUT, &["--ctx", "3000", "--seqs", "4", "--kv-type", "q8_0"]);
}

#[test]
fn layers_that_guess_are_estimated_too() {
    check(&["glm4moe-106b", "glm4moe-small"], &["--draft", "mtp"]);
}

/// The header of a model of 133 GB, without the rest of the file.
#[test]
fn a_header_can_be_fetched_alone() {
    let Some(path) = model("qwen3moe-235b") else { return };
    let place = Place::bare();
    let alone = place.repo().join("alone.gguf");
    let begin = std::fs::File::open(&path).unwrap();
    let mut begin = std::io::Read::take(begin, 8 << 20);
    std::io::copy(&mut begin, &mut std::fs::File::create(&alone).unwrap()).unwrap();
    let alone = alone.to_str().unwrap();
    let [fetched, whole] = [alone, &path].map(|path| ask(&place, &[path, "--headers"]));
    assert_eq!(fetched, whole);
    place.run(&["plan", alone]).expect(3).says("the file is truncated");
}

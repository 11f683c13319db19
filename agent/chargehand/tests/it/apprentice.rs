//! The three jobs of the built-in model, from the command line to the bytes that are accepted.

use std::path::Path;

use serde_json::{Value, json};

use crate::place::Place;

const FILES: [(&str, &str); 3] = [
    ("README.md", "# Demo\n"),
    ("src/notes.txt", "one\ntwo\n"),
    ("src/server.conf", "host = \"localhost\"\nport = 8080\n"),
];

/// Gives `goal` to the built-in model; `flags` say what may change. Afterwards `path` must have just these bytes.
#[track_caller]
fn check(goal: &str, flags: &[&str], path: &str, bytes: &str) {
    let place = Place::with(&FILES);
    let args = [&["run", goal][..], flags].concat();
    place.run(&args).expect(0).shows("holds");
    let report = place.report();
    assert_eq!(report["stop"]["kind"], "finished", "{goal}");
    let changes = report["evidence"]["changes"].as_array().unwrap();
    let changed: Vec<_> = changes.iter().map(|change| &change["path"]).collect();
    assert_eq!(changed, [&json!(path)], "{goal}");
    place.run(&["accept", "last"]).expect(0);
    assert_eq!(place.read(path), bytes, "{goal}");
}

#[test]
fn it_creates_a_file_with_an_exact_line() {
    let goal = "Create the file MINSTRAL.md with the line 'Hello World'";
    check(goal, &["--create", "MINSTRAL.md"], "MINSTRAL.md", "Hello World\n");
}

#[test]
fn it_appends_a_line() {
    let goal = "Append the line 'three' to src/notes.txt";
    check(goal, &["--write", "src/**"], "src/notes.txt", "one\ntwo\nthree\n");
}

#[test]
fn it_replaces_a_word_that_it_must_read_first() {
    let goal = "Replace 8080 with 9090 in src/server.conf";
    let bytes = "host = \"localhost\"\nport = 9090\n";
    check(goal, &["--write", "src/**"], "src/server.conf", bytes);
}

#[test]
fn it_can_guess_for_itself() {
    let goal = "Append the line 'three' to src/notes.txt";
    let flags = ["--write", "src/**", "--draft", "apprentice"];
    check(goal, &flags, "src/notes.txt", "one\ntwo\nthree\n");
    let place = Place::with(&FILES);
    place
        .run(&["run", goal, "--write", "src/**", "--draft", "none.gguf"])
        .expect(2)
        .says("none.gguf");
}

/// Writes the header of a model with so many tokens and nothing else.
fn header(path: &Path, tokens: usize) {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let (list, string) = (9_u32.to_le_bytes(), 8_u32.to_le_bytes());
    let head = [&b"GGUF\x03\0\0\0"[..], &0_u64.to_le_bytes(), &2_u64.to_le_bytes()].concat();
    let architecture = [text("general.architecture"), string.to_vec(), text("llama")].concat();
    let count = (tokens as u64).to_le_bytes();
    let key = [&text("tokenizer.ggml.tokens")[..], &list, &string, &count].concat();
    let all = [head, architecture, key, text("a").repeat(tokens)].concat();
    std::fs::write(path, all).unwrap();
}

#[test]
fn what_has_other_tokens_does_not_guess() {
    let place = Place::with(&FILES);
    let path = place.root().join("other.gguf");
    header(&path, 99_999);
    let job = ["run", "Say it", "--write", "src/**", "--draft", path.to_str().unwrap()];
    place.run(&job).expect(3).says("other.gguf has 99999 tokens, and apprentice has");
}

#[test]
fn a_model_without_layers_that_guess_is_refused_with_them() {
    let place = Place::with(&FILES);
    let refused = "apprentice: this qwen3 model cannot guess with layers of its own (mtp)";
    place.run(&["run", "Say it", "--write", "src/**", "--draft", "mtp"]).expect(3).says(refused);
    place.run(&["plan", "apprentice", "--draft", "mtp"]).expect(3).says(refused);
}

/// What a model took with one that guesses beside it is known the next time, and of nothing else.
#[test]
fn what_two_took_together_counts_for_both() {
    let place = Place::with(&FILES);
    let flags = ["--write", "src/**", "--turns", "1", "--draft", "apprentice"];
    place.run(&[&["run", "Append the line 'three' to src/notes.txt"], &flags[..]].concat());
    let mut both = Vec::new();
    for entry in std::fs::read_dir(place.home().join("memory")).unwrap() {
        let path = entry.unwrap().path();
        let known: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let is_alone = known["footprint"]["options"]["beside"].as_array().is_none_or(Vec::is_empty);
        // Under the key of the model alone nothing is kept of it.
        assert_eq!(is_alone, known["taken"].is_null(), "{known}");
        both.extend((!is_alone).then_some((path, known)));
    }
    let [(path, known)] = &mut both[..] else { panic!("{both:?}") };
    known["taken"]["anonymous"] = json!(1_u64 << 30);
    std::fs::write(path, known.to_string()).unwrap();
    let more = "what the last load took more";
    place.run(&["plan", "apprentice", "--draft", "apprentice"]).shows(more);
    let alone = place.run(&["plan", "apprentice"]).expect(0);
    assert!(!alone.stdout.contains(more), "{}", alone.stdout);
}

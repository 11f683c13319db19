//! The three jobs of the built-in model, from the command line to the bytes that are accepted.

use serde_json::json;

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

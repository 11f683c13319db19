//! Who may work alone: a passing scorecard, or little.

use std::fs;

use serde_json::{Value, json};

use crate::place::Place;

/// Returns the narrowing that the log of the only run tells of.
#[track_caller]
fn footing(place: &Place) -> Value {
    let text = fs::read_to_string(place.run_dir().join("events.jsonl")).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    first["facts"]["autonomy"].clone()
}

fn place() -> Place {
    Place::with(&[("a.txt", "one\n")])
}

#[test]
fn a_script_needs_no_card() {
    let place = place();
    let finish = [("ask", json!({ "question": "?" }))];
    let script = place.script("s", &finish);
    let outcome = place.job(&script, &["--write", "**", "--delete", "**"]);
    assert!(!outcome.stderr.contains("scorecard"), "{}", outcome.stderr);
    assert_eq!(footing(&place)["kind"], "script");
}

/// Where this fails, `bench-scripts/scorecard` has to be run.
#[test]
fn the_built_in_model_brings_its_card() {
    let place = place();
    let outcome = place.run(&["run", "Create x.md with the line \"hi\"", "--create", "x.md"]);
    assert!(!outcome.stderr.contains("scorecard"), "{}", outcome.stderr);
    assert_eq!(footing(&place)["kind"], "examined");
    let scope = place.report()["contract"]["scope"]["max_changed_files"].clone();
    assert_eq!(scope, Value::Null);
}

#[test]
fn other_settings_make_the_card_stale() {
    let place = place();
    let job = ["run", "Create x.md", "--create", "x.md", "--turns", "1"];
    let stale = "its scorecard is stale: sampling.temperature is 0.5, it was 0";
    let command = "chargehand eval run -m apprentice --config 'sampling.temperature=0.5'";
    let outcome = place.run(&[&job[..], &["--temperature", "0.5"]].concat());
    outcome.says(stale).says("3 files and 100 lines at most").says(command);
    assert_eq!(footing(&place)["kind"], "narrow");
    assert_eq!(place.report()["contract"]["scope"]["max_changed_files"], 3);
    assert_eq!(place.report()["contract"]["scope"]["max_changed_lines"], 100);
}

#[test]
fn what_is_never_narrow_is_refused_with_the_command_that_examines() {
    let place = place();
    // The same weights under another name are another model.
    let built_in = concat!(env!("CARGO_MANIFEST_DIR"), "/models/apprentice.gguf");
    let model = place.root().join("other.gguf");
    fs::copy(built_in, &model).unwrap();
    let model = model.to_str().unwrap();
    let job = ["run", "tidy", "--write", "src/**", "--delete", "*.txt", "-m", model];
    let outcome =
        place.run(&job).expect(3).says("it was never examined; and the contract lets files go");
    let suites = format!("hint: examine it: chargehand eval run first second -m {model}");
    outcome.says(&suites);
    assert!(place.runs().is_empty());
}

#[test]
fn an_examination_writes_the_card_that_counts() {
    let place = place();
    place.run(&["eval", "new", "t.toml"]).expect(0);
    let path = place.repo().join("t.toml");
    let task = fs::read_to_string(&path).unwrap().replace("\"replace\"", "\"mine\"");
    fs::write(&path, &task).unwrap();
    let exam = ["eval", "run", "t.toml", "--repeat", "5", "--config", "sampling.top_k=3"];
    let said = place.run(&exam).expect(0);
    said.says("scorecard of apprentice: ");
    let cards = place.run(&["eval", "cards", "--json"]).expect(0).lines();
    let own = cards.iter().find(|card| card["card"]["of"]["settings"]["sampling.top_k"] == "3");
    let own = own.unwrap_or_else(|| panic!("{cards:?}"));
    assert_eq!(own["card"]["families"]["mine"]["right"], json!({ "of_these": 5, "of_all": 5 }));
    place.run(&["eval", "cards"]).expect(0).shows("✓ mine").shows("every job, as it is");
    // A card that was measured with less than a run has is none.
    let hampered = ["eval", "run", "t.toml", "--repeat", "5", "--vary", "grammar=json"];
    let outcome = place.run(&hampered).expect(0);
    assert!(!outcome.stderr.contains("scorecard of"), "{}", outcome.stderr);
}

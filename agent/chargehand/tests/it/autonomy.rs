//! Who may work alone: a passing scorecard, or little.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::place::{Outcome, Place};

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

const MODEL: &[u8] = include_bytes!("../../models/apprentice.gguf");

/// Returns the path of the built-in model in a file of `length` bytes, outside of the repository.
fn other(place: &Place, length: u64) -> String {
    let path = place.root().join("other.gguf");
    fs::write(&path, MODEL).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Returns a file of so many tasks of a family of one's own, in which `right` is what has to come out.
fn tasks(place: &Place, count: usize, right: &str) -> String {
    let path = place.root().join(format!("{count}-{right}.toml"));
    let name = path.to_str().unwrap().to_owned();
    if !path.exists() {
        place.run(&["eval", "new", &name]).expect(0);
        let task = fs::read_to_string(&path).unwrap().replace("\"replace\"", "\"mine\"");
        let task = task.replace("Hello, reader", &format!("Hello, {right}"));
        let task = |at| task.replace("greeting-1", &format!("greeting-{at}"));
        fs::write(&path, (1..=count).map(task).collect::<String>()).unwrap();
    }
    name
}

/// Examines a worker with five tasks of a family of its own, which are enough for a card.
fn examine(place: &Place, flags: &[&str]) -> Outcome {
    place.run(&[&["eval", "run", &tasks(place, 5, "reader")], flags].concat())
}

/// Has the model do a job alone that takes one turn.
fn alone(place: &Place, model: &str) -> Outcome {
    let job = ["run", "Create x.md", "--create", "x.md", "--turns", "1", "-m", model];
    place.run(&job)
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
    outcome.says(stale).says("3 files and 100 lines at most, 16384 bytes together").says(command);
    assert_eq!(footing(&place)["kind"], "narrow");
    assert_eq!(place.report()["contract"]["scope"]["max_changed_files"], 3);
    assert_eq!(place.report()["contract"]["scope"]["max_changed_lines"], 100);
    assert_eq!(place.report()["contract"]["scope"]["max_changed_bytes"], 16 << 10);
}

#[test]
fn what_is_never_narrow_is_refused_with_the_command_that_examines() {
    let place = place();
    let model = other(&place, MODEL.len() as u64 + 1);
    let job = ["run", "tidy", "--write", "src/**", "--delete", "*.txt", "-m", &model];
    let outcome =
        place.run(&job).expect(3).says("it was never examined; and the contract lets files go");
    let suites = format!("hint: examine it: chargehand eval run first second -m {model}");
    outcome.says(&suites);
    assert!(place.runs().is_empty());
}

/// Whatever a repository calls its files, and its families: with the command that `run` prints nobody passes it.
#[test]
fn a_repository_writes_no_marks_of_the_built_in_families() {
    let place = place();
    fs::create_dir(place.repo().join("first")).unwrap();
    place.run(&["eval", "new", "first/t.toml"]).expect(0);
    let ours = ["eval", "run", "first", "--family", "create", "--most", "1", "--json"];
    let outcome = place.run(&ours).expect(0).says("yours is meant by ./first");
    assert_eq!(outcome.lines()[0]["trial"]["task"], "create-01");
    let cards = || place.run(&["eval", "cards", "--json"]).expect(0).lines();
    let before = cards();
    let theirs = ["eval", "run", "./first", "--repeat", "5"];
    let note = "no scorecard speaks of tasks of your own";
    place.run(&theirs).expect(0).says(note);
    assert_eq!(cards(), before);
    let again = place.run(&[&theirs[..], &["--resume", "last"]].concat()).expect(0);
    assert!(!again.stderr.contains(note), "{}", again.stderr);
}

#[test]
fn an_examination_writes_the_card_that_counts() {
    let place = place();
    let exam = ["--repeat", "2", "--config", "sampling.top_k=3"];
    examine(&place, &exam).expect(0).says("scorecard of apprentice: ");
    let cards = place.run(&["eval", "cards", "--json"]).expect(0).lines();
    let own = cards.iter().find(|card| card["card"]["of"]["settings"]["sampling.top_k"] == "3");
    let own = own.unwrap_or_else(|| panic!("{cards:?}"));
    // One task is one, however often it is done.
    assert_eq!(own["card"]["families"]["mine"]["right"], json!({ "of_these": 5, "of_all": 5 }));
    place.run(&["eval", "cards"]).expect(0).shows("✓ mine").shows("every job, as it is");
    // A card that was measured with less than a run has is none.
    let hampered = ["--vary", "grammar=json"];
    let outcome = examine(&place, &hampered).expect(0);
    assert!(!outcome.stderr.contains("scorecard of"), "{}", outcome.stderr);
}

/// A first try of an examination takes nothing from anybody.
#[test]
fn too_few_tasks_make_no_card_and_spoil_none() {
    let place = place();
    let one = tasks(&place, 1, "reader");
    let note = "note: `mine`: 1 task; from 5 on it counts for `run`\n";
    place.run(&["eval", "run", &one, "--repeat", "5"]).expect(0).says(note);
    let few = ["eval", "run", "--most", "4", "--family", "create", "--family", "ask"];
    let both = "note: `create`: 4 tasks, `ask`: 4 tasks; from 5 on each counts for `run`\n";
    place.run(&few).expect(0).says(both);
    assert!(!place.home().join("cards").exists());
    let outcome = place.run(&["run", "Create x.md", "--create", "x.md", "--turns", "1"]);
    assert!(!outcome.stderr.contains("scorecard"), "{}", outcome.stderr);
    assert_eq!(footing(&place)["kind"], "examined");
    let enough = examine(&place, &[]).expect(0).says("scorecard of apprentice");
    assert!(!enough.stderr.contains("from 5 on"), "{}", enough.stderr);
}

/// The built-in suites have no family of one's own: their command would be of no help.
#[test]
fn the_hint_names_the_suite_that_has_what_was_not_passed() {
    let place = place();
    let suite = tasks(&place, 5, "nobody");
    // By whatever way it was named.
    let typed = suite.replace(place.root().to_str().unwrap(), "..");
    place.run(&["eval", "run", &typed]).expect(0).says("scorecard of apprentice");
    let missed = "`mine` was right in 0 of 5, more than half are needed";
    let typed = place.repo().join(typed);
    let again =
        format!("examine this one again: chargehand eval run {} -m apprentice", typed.display());
    alone(&place, "apprentice").says(missed).says(&again);
    fs::remove_file(suite).unwrap();
    let lost = "where SUITE is the file that has `mine`: chargehand eval run SUITE -m apprentice";
    alone(&place, "apprentice").says(lost);
}

/// Returns the files of all cards, in any order.
fn cards(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.home().join("cards")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Of each subject, whatever memory there is by then.
#[test]
fn a_card_that_was_not_written_is_made_up_for() {
    let place = place();
    let exam = ["--vary", "sampling.top_k=3,4"];
    let again = [&exam[..], &["--resume", "last"]].concat();
    examine(&place, &exam).expect(0).says("scorecard of");
    fs::write(place.home().join("config.toml"), "memory.host_headroom = '1000000GiB'\n").unwrap();
    let whole = examine(&place, &again).expect(0);
    assert!(!whole.stderr.contains("scorecard of"), "{}", whole.stderr);
    let cards = cards(&place);
    assert_eq!(cards.len(), 2);
    for card in cards {
        let text = fs::read(&card).unwrap();
        fs::remove_file(&card).unwrap();
        examine(&place, &again).expect(0).says("scorecard of apprentice sampling.top_k=");
        assert_eq!(fs::read(&card).unwrap(), text);
    }
}

#[test]
fn a_card_is_about_whoever_did_the_trials() {
    let place = place();
    let length = MODEL.len() as u64 + 1;
    let model = other(&place, length);
    let exam = ["-m", &model];
    let again = [&exam[..], &["--resume", "last"]].concat();
    examine(&place, &exam).expect(0).says("scorecard of");
    fs::remove_dir_all(place.home().join("cards")).unwrap();
    other(&place, length + 1);
    examine(&place, &again).expect(0).says("scorecard of other: ");
    alone(&place, &model).says("its scorecard is stale: the model file is another one");
    // Nor does anybody else go on in its place.
    let evals = fs::read_dir(place.home().join("evals")).unwrap();
    let trials = evals.last().unwrap().unwrap().path().join("trials.jsonl");
    fs::write(&trials, "").unwrap();
    let replaced = "subject `1` is not what it was: the model file is another one";
    examine(&place, &again).expect(3).says(replaced);
    // Of what an earlier version began only words are known.
    let head = trials.with_file_name("eval.json");
    let kept = fs::read(&head).unwrap();
    let mut old: Value = serde_json::from_slice(&kept).unwrap();
    assert!(old["subjects"][0].as_object_mut().unwrap().remove("of").is_some());
    fs::write(&head, old.to_string()).unwrap();
    examine(&place, &again).expect(3).says("subject `1` is not what it was: it was other ");
    fs::write(&head, kept).unwrap();
    other(&place, length);
    let config = place.home().join("config.toml");
    fs::write(&config, "sampling.top_k = 3\n").unwrap();
    let set = "subject `1` is not what it was: sampling.top_k is 3, it was 0";
    examine(&place, &again).expect(3).says(set);
    fs::remove_file(config).unwrap();
    examine(&place, &again).expect(0);
}

/// The marks that came with the program stay with it: those of a later one would not be seen.
#[test]
fn an_own_card_has_own_marks() {
    let place = place();
    examine(&place, &[]).expect(0).says("scorecard of apprentice: ");
    let card: Value = serde_json::from_slice(&fs::read(&cards(&place)[0]).unwrap()).unwrap();
    let families: Vec<_> = card["families"].as_object().unwrap().keys().collect();
    assert_eq!(families, ["mine"]);
}

/// A model is who it is, whatever it is called: the command that the hint has examines it.
#[test]
fn a_name_makes_no_other_worker() {
    let place = place();
    let model = other(&place, MODEL.len() as u64);
    // It is the built-in one, which has a card.
    let outcome = alone(&place, &model);
    assert!(!outcome.stderr.contains("scorecard"), "{}", outcome.stderr);
    let model = other(&place, MODEL.len() as u64 + 1);
    let named = format!("[models]\nbig = '{model}'\n");
    fs::write(place.home().join("config.toml"), named).unwrap();
    let hint = format!("hint: examine it: chargehand eval run -m {model}\n");
    alone(&place, "big").says("it was never examined").says(&hint);
    examine(&place, &["-m", &model]).expect(0);
    // Now it is only more that it has to be examined in.
    alone(&place, "big").says("`create` was not examined").says(&hint);
    alone(&place, "./no.gguf").expect(2);
}

/// A file may have the name of the built-in model.
#[test]
fn the_hint_examines_whoever_works() {
    let place = place();
    let model = other(&place, MODEL.len() as u64 + 1);
    let named = place.root().join("apprentice.gguf");
    fs::rename(model, &named).unwrap();
    let hint = format!("examine it: chargehand eval run -m {}\n", named.display());
    alone(&place, named.to_str().unwrap()).says(&hint);
}

#[test]
fn a_card_is_about_all_of_a_large_file() {
    let place = place();
    let length = (64 << 20) + 1;
    let model = other(&place, length);
    let unhashed = alone(&place, &model).says("it was never examined");
    assert!(!unhashed.stderr.contains("hashing all of"), "{}", unhashed.stderr);
    // Of whoever is hampered there is no card.
    let hampered = examine(&place, &["-m", &model, "--vary", "grammar=json"]).expect(0);
    assert!(!hampered.stderr.contains("hashing all of"), "{}", hampered.stderr);
    examine(&place, &["-m", &model]).expect(0).says("hashing all of");
    let known = alone(&place, &model).says("`create` was not examined");
    assert!(!known.stderr.contains("hashing all of"), "{}", known.stderr);
    // Its length and its beginning stay as they are.
    let file = fs::OpenOptions::new().write(true).open(&model).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"x", length - 1).unwrap();
    drop(file);
    let stale = "its scorecard is stale: the model file is another one";
    alone(&place, &model).says("hashing all of").says(stale);
    assert!(!alone(&place, &model).says(stale).stderr.contains("hashing all of"));
}

/// What a later version wrote, or a full disk cut off, is in nobody's way.
#[test]
fn a_card_of_somebody_else_is_not_in_the_way() {
    let place = place();
    let cards = place.home().join("cards");
    fs::create_dir_all(&cards).unwrap();
    fs::write(cards.join("later.json"), "{ \"schema\": 2, \"new\": 1 }").unwrap();
    fs::write(cards.join("torn.json"), "{").unwrap();
    let model = other(&place, MODEL.len() as u64 + 1);
    let outcome = alone(&place, &model).says("it was never examined");
    outcome.says("warning: cannot use the scorecard").says("torn.json");
}

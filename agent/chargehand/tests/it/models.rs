//! `chargehand models`: names, hashes, and the lock file that a run keeps to.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::hub_server::sha256;
use crate::place::{Outcome, Place};

const MODEL: &[u8] = include_bytes!("../../models/apprentice.gguf");

/// Returns a place with a model outside of the repository, and its path.
fn with_model() -> (Place, PathBuf) {
    let place = Place::with(&[("README.md", "# Demo\n")]);
    let path = place.root().join("small.gguf");
    fs::write(&path, MODEL).unwrap();
    (place, path)
}

fn add(place: &Place, name: &str, path: &Path) -> Outcome {
    place.run(&["models", "add", name, path.to_str().unwrap()])
}

/// Returns what a job comes to with the model `name`.
fn job(place: &Place, name: &str) -> Outcome {
    let goal = "Create the file MINSTRAL.md with the line 'Hello World'";
    place.run(&["run", goal, "--create", "MINSTRAL.md", "-m", name])
}

/// Changes one weight: size and header stay.
fn damage(path: &Path) {
    let mut bytes = MODEL.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

fn line(outcome: &Outcome, name: &str) -> Value {
    outcome.lines().into_iter().find(|line| line["name"] == name).unwrap()
}

#[test]
fn models_that_have_a_name_are_listed() {
    let (place, path) = with_model();
    add(&place, "small", &path).expect(0);
    let text = "[models]\nother = '/nowhere/m.gguf'\n[roles]\ncoder = 'small'\n";
    fs::write(place.home().join("config.toml"), text).unwrap();
    let listed = place.run(&["models", "list", "--json"]).expect(0);
    let small = line(&listed, "small");
    assert_eq!((&small["sha256"], &small["roles"]), (&json!(sha256(MODEL)), &json!(["coder"])));
    assert_eq!(
        small["header"]["architecture"],
        line(&listed, "apprentice")["header"]["architecture"]
    );
    assert_eq!(line(&listed, "apprentice")["built_in"], true);
    let missing = line(&listed, "other");
    assert!(missing["error"].as_str().unwrap().contains("no such file"), "{missing}");
    place.run(&["models"]).expect(0).shows("small").shows("is the coder").shows("no file");
}

#[test]
fn a_header_says_what_each_context_takes() {
    let (place, path) = with_model();
    let outcome = place.run(&["models", "inspect", "--json", path.to_str().unwrap()]).expect(0);
    let line = &outcome.lines()[0];
    let sizes = line["footprints"].as_array().unwrap();
    let trained = line["header"]["context_length"].as_u64().unwrap();
    assert_eq!(sizes.last().unwrap()["n_ctx"], trained);
    assert!(sizes.windows(2).all(|two| two[0]["bytes"].as_u64() < two[1]["bytes"].as_u64()));
    assert_eq!(line["footprints_error"], Value::Null);
    place.run(&["models", "inspect", "apprentice"]).expect(0).shows("tokens of context");
    place.run(&["models", "inspect", "nobody"]).expect(2).says("no model has this name");
}

#[test]
fn a_name_means_one_file() {
    let (place, path) = with_model();
    add(&place, "small", &path).expect(0);
    add(&place, "small", &path).expect(0);
    let other = place.root().join("other.gguf");
    fs::write(&other, MODEL).unwrap();
    add(&place, "small", &other).expect(3).says("is given to").says("--replace");
    place.run(&["models", "add", "small", other.to_str().unwrap(), "--replace"]).expect(0);
    add(&place, "apprentice", &path).expect(2).says("the name of the built-in model");
    add(&place, "a/b", &path).expect(2).says("`a/b` is no name of a model");
    add(&place, "none", Path::new("none.gguf")).expect(2).says("no such file");
    fs::write(&other, b"PK\x03\x04 this is a zip").unwrap();
    add(&place, "zip", &other).expect(3).says("not a GGUF file");
    fs::write(place.home().join("models/models.toml"), "[small]\nsize = 1").unwrap();
    place.run(&["models", "list"]).expect(2).says("models.toml, line 2: unknown field `size`");
}

#[test]
fn a_model_that_was_changed_is_found_out() {
    let (place, path) = with_model();
    add(&place, "small", &path).expect(0);
    place.run(&["models", "verify", "small"]).expect(0).shows("✓ small is what it was");
    damage(&path);
    let outcome = place.run(&["models", "verify", "--json"]).expect(1);
    assert_eq!(outcome.lines()[0]["same"], false);
    fs::remove_file(&path).unwrap();
    place.run(&["models", "verify"]).expect(1).shows("no such file");
    place.run(&["models", "verify", "nobody"]).expect(2).says("nothing is known of `nobody`");
}

#[test]
fn a_run_takes_no_other_model_than_was_pinned() {
    let (place, path) = with_model();
    add(&place, "small", &path).expect(0);
    place.run(&["models", "pin", "small"]).expect(0).shows("small is pinned");
    job(&place, "small").expect(0);
    // Touched, and the same: it is hashed and taken.
    fs::write(&path, MODEL).unwrap();
    job(&place, "small").expect(0).says("hashing it");
    damage(&path);
    let refused = job(&place, "small").expect(3);
    let refused = refused.says("small is not what was pinned: small.gguf has the SHA-256");
    refused.says("`chargehand models pin small` pins what it is now").says("models.lock");
    // By its path it is the same model.
    job(&place, path.to_str().unwrap()).expect(3).says("is not what was pinned");
    place.run(&["models", "pin", "small"]).expect(0);
    place.run(&["models", "pin", "small", "--remove"]).expect(0).shows("pinned no more");
    place.run(&["models", "pin", "small", "--remove"]).expect(2).says("`small` is not pinned");
}

#[test]
fn another_llama_cpp_or_template_is_not_what_was_pinned() {
    let (place, path) = with_model();
    add(&place, "small", &path).expect(0);
    place.run(&["models", "pin", "small"]).expect(0);
    let lock = place.home().join("models.lock");
    let pinned = fs::read_to_string(&lock).unwrap();
    let change = |key: &str, says: &str| {
        let changed = pinned.lines().map(|line| match line.split_once(" = ") {
            Some((found, _)) if found == key => format!("{key} = 'x'\n"),
            _ => format!("{line}\n"),
        });
        fs::write(&lock, changed.collect::<String>()).unwrap();
        job(&place, "small").expect(3).says(says);
    };
    change("llama_cpp", "it was pinned with llama.cpp x and this is");
    change("template", "its chat template is another");
    fs::write(&lock, "[small]\nhash = 1").unwrap();
    job(&place, "small").expect(2).says("models.lock, line 2: unknown field `hash`");
}

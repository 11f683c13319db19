//! `chargehand models`: names, hashes, and the lock file that a run keeps to.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

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
    // Touched, and the same: it is hashed once, and taken.
    fs::write(&path, MODEL).unwrap();
    job(&place, "small").expect(0).says("hashing it");
    let again = job(&place, "small").expect(0);
    assert!(!again.stderr.contains("hashing it"), "{}", again.stderr);
    damage(&path);
    let refused = job(&place, "small").expect(3);
    let refused = refused.says("small is not what was pinned: small.gguf has the SHA-256");
    refused.says("`chargehand models pin small` pins what it is now").says("models.lock");
    // By its path it is the same model.
    job(&place, path.to_str().unwrap()).expect(3).says("is not what was pinned");
    // However the path is spelled.
    let link = place.root().join("other.gguf");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    job(&place, link.to_str().unwrap()).expect(3).says("is not what was pinned");
    place.run(&["models", "pin", "small"]).expect(0);
    place.run(&["models", "pin", "small", "--remove"]).expect(0).shows("pinned no more");
    place.run(&["models", "pin", "small", "--remove"]).expect(2).says("`small` is not pinned");
}

#[test]
fn a_model_that_guesses_is_no_other_than_was_pinned() {
    let (place, path) = with_model();
    add(&place, "small", &path).expect(0);
    place.run(&["models", "pin", "small"]).expect(0);
    let goal = "Create the file MINSTRAL.md with the line 'Hello World'";
    let job = ["run", goal, "--create", "MINSTRAL.md", "--draft", "small"];
    place.run(&job).expect(0);
    damage(&path);
    place.run(&job).expect(3).says("small is not what was pinned");
}

#[test]
fn a_run_goes_on_with_no_other_model_than_was_pinned() {
    let (place, path) = with_model();
    add(&place, "small", &path).expect(0);
    place.run(&["models", "pin", "small"]).expect(0);
    let goal = "Create the file MINSTRAL.md with the line 'Hello World'";
    let args = ["run", goal, "--create", "MINSTRAL.md", "-m", "small", "--turns", "1"];
    place.run(&args).expect(4);
    // The weights, where only their beginning is looked at to know a model again.
    let lock = place.home().join("models.lock");
    let pinned = fs::read_to_string(&lock).unwrap();
    fs::write(&lock, pinned.replace(&sha256(MODEL), &sha256(b"other"))).unwrap();
    fs::write(&path, MODEL).unwrap();
    place.run(&["resume", "last"]).expect(3).says("small is not what was pinned");
    fs::write(&lock, pinned).unwrap();
    place.run(&["resume", "last"]).expect(0).says("hashing it");
}

#[test]
fn all_are_pinned_or_none() {
    let (place, path) = with_model();
    add(&place, "small", &path).expect(0);
    let outcome = place.run(&["models", "pin", "small", "nobody"]).expect(2);
    assert_eq!(outcome.says("no model has this name").stdout, "");
    assert!(!place.home().join("models.lock").exists());
    place.run(&["models", "pin", "small"]).expect(0);
    let outcome = place.run(&["models", "pin", "small", "nobody", "--remove"]).expect(2);
    assert_eq!(outcome.says("`nobody` is not pinned").stdout, "");
    place.run(&["models", "pin", "small", "--remove"]).expect(0).shows("small is pinned no more");
}

#[test]
fn a_path_that_is_no_text_is_refused() {
    let place = Place::bare();
    let odd = place.root().join(OsStr::from_bytes(b"\xff.gguf"));
    fs::write(&odd, MODEL).unwrap();
    let check = |args: &[&OsStr]| {
        let args = [&["models".as_ref()], args].concat();
        let outcome: Outcome = place.command(args).output().unwrap().into();
        outcome.expect(2).says("is no UTF-8 text");
    };
    check(&["add".as_ref(), "odd".as_ref(), odd.as_ref()]);
    check(&["pin".as_ref(), odd.as_ref()]);
    let hub = ["--endpoint", "http://127.0.0.1:1"].map(OsStr::new);
    check(
        &[&["pull", "o/n", "m.gguf", "--to"].map(OsStr::new)[..], &[odd.as_ref()], &hub].concat(),
    );
}

/// What a repository brings along is no model because the configuration has a word for it.
#[test]
fn the_configuration_names_no_file_of_the_repository() {
    let place = Place::with(&[("README.md", "# Demo\n")]);
    for name in ["coder.gguf", "coder"] {
        fs::write(place.repo().join(name), MODEL).unwrap();
    }
    fs::create_dir_all(place.home()).unwrap();
    let check = |text: &str, says: &str| {
        fs::write(place.home().join("config.toml"), text).unwrap();
        let args = ["run", "do it", "--create", "a"];
        place.run(&args).expect(2).says(says);
    };
    let absolute = "write the path from the root on";
    check("model = 'coder.gguf'", "`model`");
    check("model = 'coder.gguf'", absolute);
    check("model = 'coder'", "no model has this name");
    check("[roles]\ncoder = './coder'", "`roles.coder`");
    check("[roles]\ncoder = 'coder'", "no model has this name");
    check("model = 'big'\n[models]\nbig = 'coder'", "`models.big`");
    check(
        "model = 'big'\n[models]\nbig = { path = '/a', mmproj = 'b.gguf' }",
        "`models.big.mmproj`",
    );
}

/// A file that is replaced between plan and load, here while nobody reads what the program says.
#[test]
fn a_model_that_is_replaced_behind_its_plan_is_refused() {
    let (place, path) = with_model();
    let goal = "Create the file MINSTRAL.md with the line 'Hello World'";
    let args = ["run", goal, "--create", "MINSTRAL.md", "--json", "-m", path.to_str().unwrap()];
    let (mut reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    let mut filled = 0;
    while let Ok(count) = writer.write(&[b'\n'; 4096]) {
        filled += count;
    }
    writer.set_nonblocking(false).unwrap();
    let mut command = place.command(args);
    command.stdout(OwnedFd::from(writer)).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    // It has planned when the log is there, and its first line waits.
    while !place.runs().first().is_some_and(|run| run.join("events.jsonl").exists()) {
        std::thread::yield_now();
    }
    fs::write(&path, MODEL).unwrap();
    let mut said = Vec::new();
    reader.read_to_end(&mut said).unwrap();
    let outcome: Outcome = child.wait_with_output().unwrap().into();
    outcome.expect(3).says("it is planned anew");
    assert!(said.len() > filled, "nothing was said");
    place.run(&["reject", "last"]).expect(0);
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

//! `vendor/pin.toml` says which llama.cpp is inside; it must say what cargo builds.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

fn read(name: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    fs::read_to_string(path).unwrap().parse().unwrap()
}

/// Returns the entries of an array of tables.
fn entries<'t>(table: &'t Table, name: &str) -> impl Iterator<Item = &'t Table> {
    table[name].as_array().unwrap().iter().filter_map(Value::as_table)
}

fn pinned() -> Vec<Table> {
    entries(&read("vendor/pin.toml"), "crate").cloned().collect()
}

#[test]
fn the_pin_agrees_with_the_lock_file() {
    let lock = read("Cargo.lock");
    for pin in pinned() {
        let locked: Vec<_> =
            entries(&lock, "package").filter(|package| package["name"] == pin["name"]).collect();
        let [locked] = locked[..] else {
            panic!("{} is locked {} times", pin["name"], locked.len())
        };
        for key in ["version", "checksum"] {
            assert_eq!(pin[key], locked[key], "{key} of {}, see vendor/README.md", pin["name"]);
        }
    }
}

#[test]
fn the_manifest_allows_no_other_version() {
    let manifest = read("Cargo.toml");
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    for pin in pinned() {
        let name = pin["name"].as_str().unwrap();
        let exact = format!("={}", pin["version"].as_str().unwrap());
        assert_eq!(dependencies[name]["version"].as_str(), Some(exact.as_str()), "{name}");
    }
}

#[test]
fn everything_of_llama_cpp_is_pinned() {
    let lock = read("Cargo.lock");
    let pins = pinned();
    for package in entries(&lock, "package").filter(|package| package.contains_key("source")) {
        let name = package["name"].as_str().unwrap();
        let ours = name.starts_with("llama-cpp");
        assert!(!ours || pins.iter().any(|pin| pin["name"] == package["name"]), "{name}");
    }
}

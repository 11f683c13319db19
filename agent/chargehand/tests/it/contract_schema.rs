//! The published form of contracts, held against the parser: what one refuses, so does the other.

use std::fs;

use chargehand_core::contract::{CLASSES, Class, ContractFile, Gate};
use serde_json::{Map, Value, json};

use crate::place::Place;
use crate::schema;

const SCHEMA: &str = include_str!("../../../../docs/contract.schema.json");
const REFERENCE: &str = include_str!("../../../../docs/contract.md");

fn published() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// Returns every contract of the reference, as JSON.
fn examples() -> Vec<Value> {
    let blocks = REFERENCE.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```\n"));
    let contracts = blocks.map(|(toml, _)| toml).filter(|toml| toml.starts_with("goal"));
    let examples: Vec<Value> = contracts.map(|toml| toml::from_str(toml).unwrap()).collect();
    assert!(examples.len() > 7, "{}", examples.len());
    examples
}

/// Says so when form and parser do not agree on `value`.
#[track_caller]
fn agree(value: &Value, is_valid: bool) {
    let found = schema::errors(&published(), value);
    assert_eq!(found.is_empty(), is_valid, "the form: {found:?}\n{value:#}");
    let read: Result<ContractFile, _> = serde_json::from_value(value.clone());
    assert_eq!(read.is_ok(), is_valid, "the parser: {read:?}\n{value:#}");
}

/// Calls `see` with `whole` once for each object in it, with a key of that object changed by `change`.
fn in_each_object(
    whole: &Value,
    change: &dyn Fn(&mut Map<String, Value>),
    see: &mut dyn FnMut(Value),
) {
    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.push(at.to_owned());
                map.iter().for_each(|(key, inner)| pointers(inner, &format!("{at}/{key}"), found));
            }
            Value::Array(all) => {
                let inner = all.iter().enumerate();
                inner.for_each(|(key, inner)| pointers(inner, &format!("{at}/{key}"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    pointers(whole, "", &mut found);
    // The names of variables are free.
    for pointer in found.iter().filter(|pointer| !pointer.ends_with("/env")) {
        let mut changed = whole.clone();
        change(changed.pointer_mut(pointer).unwrap().as_object_mut().unwrap());
        see(changed);
    }
}

#[test]
fn every_example_is_valid() {
    examples().iter().for_each(|example| agree(example, true));
}

#[test]
fn every_unknown_key_is_invalid() {
    for example in examples() {
        let add = |map: &mut Map<String, Value>| drop(map.insert("gaol".to_owned(), json!(1)));
        in_each_object(&example, &add, &mut |changed| agree(&changed, false));
    }
}

#[test]
fn every_value_of_another_type_is_invalid() {
    for example in examples() {
        let keys: Vec<String> = example.as_object().unwrap().keys().cloned().collect();
        for key in keys {
            agree(&Value::Object(Map::from_iter([(key, json!(true))])), false);
        }
        let spoil = |map: &mut Map<String, Value>| {
            let wrong = |value: &Value| if value.is_boolean() { json!("on") } else { json!(true) };
            if let Some(value) = map.values_mut().next() {
                *value = wrong(value);
            }
        };
        in_each_object(&example, &spoil, &mut |changed| agree(&changed, false));
    }
}

#[test]
fn values_on_the_boundary_are_told_apart() {
    let scope = |key: &str, value: Value| json!({ "scope": { key: value } });
    agree(&scope("max_new_files", json!(u32::MAX)), true);
    agree(&scope("max_new_files", json!(u64::from(u32::MAX) + 1)), false);
    agree(&scope("frozen", json!(["docs"])), true);
    agree(&scope("frozen", json!(["dcos"])), false);
    let check =
        |key: &str, value: Value| json!({ "check": [{ "name": "n", "run": ["x"], key: value }] });
    agree(&check("exit", json!([0, 255])), true);
    agree(&check("exit", json!([256])), false);
    agree(&check("timeout", json!("90s")), true);
    agree(&check("timeout", json!("90")), false);
    agree(&check("env", json!({ "A": "b" })), true);
    agree(&check("env", json!({ "A": 1 })), false);
    agree(&json!({ "check": [{ "name": "n" }] }), false);
    agree(
        &json!({ "guard": [{ "name": "n", "files": [], "lines": "", "deny": ["changed"] }] }),
        false,
    );
}

#[test]
fn classes_and_gates_are_those_of_the_parser() {
    let published = published();
    let classes: Vec<Class> = CLASSES.iter().map(|row| row.class).collect();
    assert_eq!(published["$defs"]["class"]["enum"], json!(classes));
    let gates = published.pointer("/properties/gates/properties").unwrap().as_object().unwrap();
    assert!(gates.keys().eq(Gate::ALL.map(Gate::name)));
}

#[test]
fn the_program_prints_what_is_published() {
    let place = Place::bare();
    assert_eq!(place.run(&["contract", "schema"]).expect(0).stdout, SCHEMA);
    let classes = place.run(&["contract", "classes", "--json"]).expect(0).lines();
    assert_eq!(classes.len(), CLASSES.len());
    place.run(&["contract", "classes"]).expect(0).shows("ci (sensitive: your CI runs them)");
    let file = place.root().join("c.toml");
    fs::write(&file, "goal = 'g'\n[scope]\nwrite = ['a']\n").unwrap();
    let file = file.to_str().unwrap();
    let printed = place.run(&["contract", "check", file]).expect(0).shows("turns = 40").stdout;
    let read: ContractFile = toml::from_str(&printed).unwrap();
    assert_eq!(place.run(&["contract", "check", file, "--json"]).lines(), [json!(read)]);
    fs::write(file, "goal = 'g'\n[scope]\nwrites = ['a']\n").unwrap();
    place.run(&["contract", "check", file]).expect(2).says("unknown field `writes`");
}

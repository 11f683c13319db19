//! `unevaluatedProperties` and `unevaluatedItems` (JSON Schema Core 11), where what is evaluated is known beforehand.
//!
//! That is so where a schema combines others with `$ref` and `allOf` only. With an "or" in between, what is
//! evaluated depends on the value, and the keyword is refused.

use std::rc::Rc;

use serde_json::Value;

use super::compiler::{Choices, Compiler, Wanted};
use super::document::SchemaId;
use super::error::SchemaError;
use super::scalars::automaton;
use super::shape::{Array, Items, Members, Object, Shape};

type Read = Result<Choices, SchemaError>;

/// Keywords under which a schema may or may not hold for the same value.
const CONDITIONAL: [&str; 8] = [
    "anyOf",
    "oneOf",
    "if",
    "dependentSchemas",
    "dependencies",
    "$dynamicRef",
    "$recursiveRef",
    "contains",
];

pub(super) fn properties(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    const KEY: &str = "unevaluatedProperties";
    let Some(parts) = applied(compiler, at, KEY, wanted)? else { return Ok(vec![Shape::any()]) };
    let anything = compiler.anything();
    let rest = Some(compiler.below(at, &[KEY], Wanted::Holds));
    let mut layer = Members { rest, ..Members::default() };
    let mut names: Vec<&String> = Vec::new();
    for part in parts {
        let others = ["additionalProperties", KEY];
        let covers =
            |key: &&str| compiler.document.get(part, key).is_some() && (part != at || *key != KEY);
        if others.iter().any(covers) {
            return Ok(vec![Shape::any()]);
        }
        names.extend(compiler.members(part, "properties")?);
        for pattern in compiler.members(part, "patternProperties")? {
            let dfa = automaton(compiler, part, "patternProperties", pattern)?;
            layer.patterns.push((Rc::new(dfa), anything));
        }
    }
    layer.named = names.into_iter().map(|name| (name.clone(), anything)).collect();
    let mut shape = Shape::any();
    shape.object = Object { layers: vec![Rc::new(layer)], ..Object::default() };
    Ok(vec![shape])
}

pub(super) fn items(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    const KEY: &str = "unevaluatedItems";
    let Some(parts) = applied(compiler, at, KEY, wanted)? else { return Ok(vec![Shape::any()]) };
    let mut first = 0;
    for part in parts {
        let get = |key| compiler.document.get(part, key);
        let covers = |key| get(key).is_some_and(|value| !value.is_array());
        // `additionalItems` says nothing beside one schema for all items, or none.
        let is_list = get("items").is_some_and(Value::is_array);
        let covers_rest = is_list && get("additionalItems").is_some();
        if covers("items") || covers_rest || (part != at && get(KEY).is_some()) {
            return Ok(vec![Shape::any()]);
        }
        for key in ["prefixItems", "items"] {
            first = first.max(get(key).and_then(Value::as_array).map_or(0, Vec::len));
        }
    }
    let rest = Some(compiler.below(at, &[KEY], Wanted::Holds));
    let layer = Items { first: vec![compiler.anything(); first], rest };
    let mut shape = Shape::any();
    shape.array = Array { layers: vec![Rc::new(layer)], ..Array::default() };
    Ok(vec![shape])
}

/// Returns the parts that hold for the same value as `at`, itself included, or nothing where that does not matter.
fn applied(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    key: &str,
    wanted: Wanted,
) -> Result<Option<Vec<SchemaId>>, SchemaError> {
    if compiler.document.get(at, key) == Some(&Value::Bool(true)) && wanted == Wanted::Holds {
        return Ok(None);
    }
    if wanted == Wanted::Fails {
        return Err(compiler.unsupported(at, key, "its opposite is not supported"));
    }
    let mut parts = vec![at];
    let mut next = 0;
    while let Some(part) = parts.get(next).copied() {
        next += 1;
        if let Some(other) =
            CONDITIONAL.iter().find(|key| compiler.document.get(part, key).is_some())
        {
            let hint = format!(
                "beside `{other}` what is evaluated depends on the value; use `additionalProperties` or `items` in each branch"
            );
            return Err(compiler.unsupported(at, key, hint));
        }
        let mut found = Vec::new();
        if let Some(Value::String(text)) = compiler.document.get(part, "$ref") {
            found.push(compiler.document.target(part, "$ref", text)?);
        }
        if let Some(Value::Array(branches)) = compiler.document.get(part, "allOf") {
            for place in 0..branches.len() {
                found.push(compiler.document.below(part, &["allOf", &place.to_string()]));
            }
        }
        for part in found {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
    }
    Ok(Some(parts))
}

//! A slow and obvious validator of JSON Schema 2020-12, to check what the converter writes. It knows only the keywords
//! below.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value, json};

use crate::schema_format;
use crate::schema_pattern::found;

/// Returns whether `value` satisfies `schema`.
pub(crate) fn valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let Value::Object(keywords) = schema else { return schema == &Value::Bool(true) };
    keywords.iter().all(|(key, wanted)| holds(root, schema, key, wanted, value))
}

fn holds(root: &Value, schema: &Value, key: &str, wanted: &Value, value: &Value) -> bool {
    let inner = |schema: &Value| valid(root, schema, value);
    let list = |list: &Value| list.as_array().cloned().unwrap_or_default();
    match key {
        "$defs" | "then" | "else" => true,
        "$ref" => inner(referred(root, wanted)),
        "type" => match wanted {
            Value::Array(kinds) => kinds.iter().any(|kind| is_kind(kind, value)),
            kind => is_kind(kind, value),
        },
        "const" => same(value, wanted),
        "enum" => list(wanted).iter().any(|wanted| same(value, wanted)),
        "allOf" => list(wanted).iter().all(inner),
        "anyOf" => list(wanted).iter().any(inner),
        "oneOf" => list(wanted).iter().filter(|schema| inner(schema)).count() == 1,
        "not" => !inner(wanted),
        "if" => {
            let branch = if inner(wanted) { "then" } else { "else" };
            schema.get(branch).is_none_or(inner)
        }
        key => match value {
            Value::Number(number) => number_holds(key, wanted, number),
            Value::String(text) => string_holds(key, wanted, text),
            Value::Array(items) => array_holds(root, schema, key, wanted, items),
            Value::Object(members) => object_holds(root, schema, key, wanted, members),
            Value::Null | Value::Bool(_) => true,
        },
    }
}

fn referred<'s>(root: &'s Value, reference: &Value) -> &'s Value {
    let place = reference.as_str().and_then(|text| text.strip_prefix('#'));
    place.and_then(|place| root.pointer(place)).unwrap_or_else(|| panic!("no {reference}"))
}

fn is_kind(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_number().is_some_and(|number| billionths(number) % ONE == 0),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

/// Returns whether two values are the same to JSON Schema, to which 1.0 is 1.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => billionths(one) == billionths(other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_there = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| same(value, other))
            };
            one.len() == other.len() && one.iter().all(is_there)
        }
        (one, other) => one == other,
    }
}

/// A number of billionths.
const ONE: i128 = 1_000_000_000;

/// Returns a number in billionths, which those here are multiples of.
fn billionths(number: &Number) -> i128 {
    let text = number.to_string();
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent: i32 = exponent.parse().unwrap();
    let places = 9 + exponent - i32::try_from(part.trim_end_matches('0').len()).unwrap();
    let digits: i128 = format!("{whole}{}", part.trim_end_matches('0')).parse().unwrap();
    digits * 10_i128.pow(u32::try_from(places).unwrap())
}

fn number_holds(key: &str, wanted: &Value, number: &Number) -> bool {
    let number = billionths(number);
    let bound = || billionths(wanted.as_number().unwrap());
    match key {
        "minimum" => number >= bound(),
        "maximum" => number <= bound(),
        "exclusiveMinimum" => number > bound(),
        "exclusiveMaximum" => number < bound(),
        "multipleOf" => number % bound() == 0,
        "format" => match wanted.as_str() {
            Some("int8") => (-128 * ONE..=127 * ONE).contains(&number),
            Some("uint16") => (0..=65_535 * ONE).contains(&number),
            Some(_) | None => true,
        },
        _ => true,
    }
}

fn string_holds(key: &str, wanted: &Value, text: &str) -> bool {
    let count = text.chars().count() as u64;
    match key {
        "minLength" => Some(count) >= wanted.as_u64(),
        "maxLength" => Some(count) <= wanted.as_u64(),
        "pattern" => found(wanted.as_str().unwrap_or_default(), text),
        "format" => {
            let name = wanted.as_str().unwrap_or_default();
            !schema_format::NAMES.contains(&name) || schema_format::is_in(name, text)
        }
        _ => true,
    }
}

fn array_holds(root: &Value, schema: &Value, key: &str, wanted: &Value, items: &[Value]) -> bool {
    let first = schema.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
    match key {
        "minItems" => Some(items.len() as u64) >= wanted.as_u64(),
        "maxItems" => Some(items.len() as u64) <= wanted.as_u64(),
        "prefixItems" => first.iter().zip(items).all(|(schema, item)| valid(root, schema, item)),
        "items" => items.iter().skip(first.len()).all(|item| valid(root, wanted, item)),
        "contains" => {
            let count = items.iter().filter(|item| valid(root, wanted, item)).count() as u64;
            let bound = |key| schema.get(key).and_then(Value::as_u64);
            count >= bound("minContains").unwrap_or(1)
                && bound("maxContains").is_none_or(|max| count <= max)
        }
        "uniqueItems" => {
            let is_new = |at: usize| !items[..at].iter().any(|item| same(item, &items[at]));
            wanted == false || (1..items.len()).all(is_new)
        }
        "unevaluatedItems" => {
            let seen = seen_items(root, schema, items, key);
            let others = items.iter().enumerate().filter(|(at, _)| !seen.contains(at));
            others.into_iter().all(|(_, item)| valid(root, wanted, item))
        }
        _ => true,
    }
}

fn object_holds(
    root: &Value,
    schema: &Value,
    key: &str,
    wanted: &Value,
    members: &Map<String, Value>,
) -> bool {
    let empty = Map::new();
    let part = |key| schema.get(key).and_then(Value::as_object).unwrap_or(&empty);
    let (named, patterns) = (part("properties"), part("patternProperties"));
    match key {
        "minProperties" => Some(members.len() as u64) >= wanted.as_u64(),
        "maxProperties" => Some(members.len() as u64) <= wanted.as_u64(),
        "required" => wanted.as_array().is_some_and(|names| {
            names.iter().all(|n| members.contains_key(n.as_str().unwrap_or_default()))
        }),
        "properties" => named
            .iter()
            .all(|(name, schema)| members.get(name).is_none_or(|value| valid(root, schema, value))),
        "patternProperties" => members.iter().all(|(name, value)| {
            patterns
                .iter()
                .all(|(pattern, schema)| !found(pattern, name) || valid(root, schema, value))
        }),
        "additionalProperties" => members.iter().all(|(name, value)| {
            named.contains_key(name)
                || patterns.keys().any(|pattern| found(pattern, name))
                || valid(root, wanted, value)
        }),
        "dependentRequired" => part(key)
            .iter()
            .filter(|(name, _)| members.contains_key(*name))
            .all(|(_, names)| object_holds(root, schema, "required", names, members)),
        "dependentSchemas" => {
            let present = part(key).iter().filter(|(name, _)| members.contains_key(*name));
            let value = Value::Object(members.clone());
            present.into_iter().all(|(_, schema)| valid(root, schema, &value))
        }
        "unevaluatedProperties" => {
            let seen = seen_members(root, schema, members, key);
            let others = members.iter().filter(|(name, _)| !seen.contains(*name));
            others.into_iter().all(|(_, value)| valid(root, wanted, value))
        }
        "propertyNames" => members.keys().all(|name| valid(root, wanted, &json!(name))),
        _ => true,
    }
}

/// Returns the schemas that hold for the same value as `schema` does, and are no part of a `not`.
fn applied(root: &Value, schema: &Value, value: &Value) -> Vec<Value> {
    let list = |key| schema.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut all: Vec<Value> = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(list).collect();
    if let Some(condition) = schema.get("if") {
        let branch = if valid(root, condition, value) { "then" } else { "else" };
        all.extend([condition.clone()]);
        all.extend(schema.get(branch).cloned());
    }
    if let (Some(Value::Object(parts)), Value::Object(members)) =
        (schema.get("dependentSchemas"), value)
    {
        let present = parts.iter().filter(|(name, _)| members.contains_key(*name));
        all.extend(present.map(|(_, part)| part.clone()));
    }
    all.extend(schema.get("$ref").map(|reference| referred(root, reference).clone()));
    all.retain(|schema| valid(root, schema, value));
    all
}

/// Returns the names of the members that `schema`, which holds, evaluates with other keywords than `own`.
fn seen_members(
    root: &Value,
    schema: &Value,
    members: &Map<String, Value>,
    own: &str,
) -> BTreeSet<String> {
    let has = |key: &str| key != own && schema.get(key).is_some();
    if has("additionalProperties") || has("unevaluatedProperties") {
        return members.keys().cloned().collect();
    }
    let part = |key| schema.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    let (named, patterns) = (part("properties"), part("patternProperties"));
    let is_seen = |name: &&String| {
        named.contains_key(*name) || patterns.keys().any(|pattern| found(pattern, name))
    };
    let mut seen: BTreeSet<String> = members.keys().filter(is_seen).cloned().collect();
    for inner in applied(root, schema, &Value::Object(members.clone())) {
        seen.extend(seen_members(root, &inner, members, ""));
    }
    seen
}

/// Returns the places of the items that `schema`, which holds, evaluates with other keywords than `own`.
fn seen_items(root: &Value, schema: &Value, items: &[Value], own: &str) -> BTreeSet<usize> {
    let has = |key: &str| key != own && schema.get(key).is_some();
    if has("items") || has("unevaluatedItems") {
        return (0..items.len()).collect();
    }
    let first = schema.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
    let mut seen: BTreeSet<usize> = (0..first).collect();
    if let Some(wanted) = schema.get("contains") {
        seen.extend((0..items.len()).filter(|at| valid(root, wanted, &items[*at])));
    }
    for inner in applied(root, schema, &json!(items)) {
        seen.extend(seen_items(root, &inner, items, ""));
    }
    seen
}

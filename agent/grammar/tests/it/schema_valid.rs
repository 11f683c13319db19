//! A slow and obvious validator of JSON Schema 2020-12, to check what the converter writes. It knows only the keywords
//! below, and patterns that are a text with `^` before or `$` after it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

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
        "$ref" => inner(&root["$defs"]["x"]),
        "type" => is_kind(wanted.as_str().unwrap_or_default(), value),
        "const" => value == wanted,
        "enum" => list(wanted).contains(value),
        "allOf" => list(wanted).iter().all(inner),
        "anyOf" => list(wanted).iter().any(inner),
        "oneOf" => list(wanted).iter().filter(|schema| inner(schema)).count() == 1,
        "not" => !inner(wanted),
        "if" => {
            let branch = if inner(wanted) { "then" } else { "else" };
            schema.get(branch).is_none_or(inner)
        }
        key => match value {
            Value::Number(number) => number_holds(key, wanted, number.as_f64().unwrap_or_default()),
            Value::String(text) => string_holds(key, wanted, text),
            Value::Array(items) => array_holds(root, schema, key, wanted, items),
            Value::Object(members) => object_holds(root, schema, key, wanted, members),
            Value::Null | Value::Bool(_) => true,
        },
    }
}

fn is_kind(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

fn number_holds(key: &str, wanted: &Value, number: f64) -> bool {
    let wanted = wanted.as_f64().unwrap_or_default();
    match key {
        "minimum" => number >= wanted,
        "maximum" => number <= wanted,
        "exclusiveMinimum" => number > wanted,
        "multipleOf" => (number / wanted).fract() == 0.0,
        _ => true,
    }
}

fn string_holds(key: &str, wanted: &Value, text: &str) -> bool {
    let count = text.chars().count() as u64;
    match key {
        "minLength" => Some(count) >= wanted.as_u64(),
        "maxLength" => Some(count) <= wanted.as_u64(),
        "pattern" => found(wanted.as_str().unwrap_or_default(), text),
        _ => true,
    }
}

/// The patterns are a text with `^` before or `$` after it.
fn found(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('^'), pattern.strip_suffix('$')) {
        (Some(start), _) => text.starts_with(start),
        (None, Some(end)) => text.ends_with(end),
        (None, None) => text.contains(pattern),
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
            wanted == false || (1..items.len()).all(|at| !items[..at].contains(&items[at]))
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
    all.extend(schema.get("$ref").map(|_| root["$defs"]["x"].clone()));
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

//! A small checker of JSON Schema: the keywords that our own schema uses, and an error for any other.

use serde_json::{Map, Value};

const KNOWN: [&str; 17] = [
    "$schema",
    "$id",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "minimum",
    "maximum",
    "oneOf",
    "pattern",
];

/// Returns where and how `value` breaks `schema`; nothing means that it is valid.
pub(crate) fn errors(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schema = schema.as_object().unwrap_or_else(|| panic!("{at}: a schema is an object"));
    for keyword in schema.keys() {
        assert!(KNOWN.contains(&keyword.as_str()), "{at}: the checker does not know `{keyword}`");
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#'));
        check(root, target.unwrap_or_else(|| panic!("{at}: {name} is missing")), value, at, found);
    }
    let mut must = |holds: bool, what: String| {
        if !holds {
            found.push(format!("{at}: {what}"));
        }
    };
    if let Some(kinds) = schema.get("type") {
        must(is_of(kinds, value), format!("{value} is not of type {kinds}"));
    }
    if let Some(only) = schema.get("const") {
        must(only == value, format!("{value} is not {only}"));
    }
    if let Some(all) = schema.get("enum").and_then(Value::as_array) {
        must(all.contains(value), format!("{value} is none of {all:?}"));
    }
    if let (Some(minimum), Some(number)) =
        (schema.get("minimum").and_then(Value::as_f64), value.as_f64())
    {
        must(number >= minimum, format!("{number} is less than {minimum}"));
    }
    if let (Some(maximum), Some(number)) =
        (schema.get("maximum").and_then(Value::as_f64), value.as_f64())
    {
        must(number <= maximum, format!("{number} is more than {maximum}"));
    }
    if let (Some(pattern), Some(text)) =
        (schema.get("pattern").and_then(Value::as_str), value.as_str())
    {
        must(matches(pattern, text), format!("{text} does not match {pattern}"));
    }
    if let Some(ways) = schema.get("oneOf").and_then(Value::as_array) {
        let fits = |way: &&Value| {
            let mut wrong = Vec::new();
            check(root, way, value, at, &mut wrong);
            wrong.is_empty()
        };
        let count = ways.iter().filter(fits).count();
        must(count == 1, format!("{value} fits {count} of {} ways", ways.len()));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (index, value) in values.iter().enumerate() {
            check(root, items, value, &format!("{at}/{index}"), found);
        }
    }
    if let Some(object) = value.as_object() {
        check_object(root, schema, object, at, found);
    }
}

fn check_object(
    root: &Value,
    schema: &Map<String, Value>,
    object: &Map<String, Value>,
    at: &str,
    found: &mut Vec<String>,
) {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for name in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !object.contains_key(name) {
            found.push(format!("{at}: `{name}` is missing"));
        }
    }
    for (name, value) in object {
        match properties.get(name) {
            Some(schema) => check(root, schema, value, &format!("{at}/{name}"), found),
            None => match schema.get("additionalProperties") {
                Some(Value::Bool(false)) => {
                    found.push(format!("{at}: `{name}` is not described"));
                }
                Some(others @ Value::Object(_)) => {
                    check(root, others, value, &format!("{at}/{name}"), found);
                }
                _ => {}
            },
        }
    }
}

fn is_of(kinds: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => panic!("{kind} is no type"),
    };
    kinds.as_array().map_or_else(|| is(kinds), |kinds| kinds.iter().any(is))
}

/// The patterns that our schemas have.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[0-9]+s$" => text.strip_suffix('s').is_some_and(|count| {
            !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit())
        }),
        "^[0-9]+[smh]$" => text.strip_suffix(['s', 'm', 'h']).is_some_and(|count| {
            !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit())
        }),
        "^[0-9a-f]+$" => {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            !text.is_empty() && text.bytes().all(hex)
        }
        other => panic!("the checker does not know the pattern {other}"),
    }
}

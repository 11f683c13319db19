//! Random schemas, and instances that satisfy them more often than not.

use serde_json::{Map, Value, json};

use crate::dice::Dice;
use crate::{schema_format, schema_pattern};

const KINDS: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const NAMES: [&str; 5] = ["a", "b", "ab", "é\"", ""];
const PATTERNS: [&str; 14] = [
    "^a",
    "b$",
    "é",
    "^[ab]{2}$",
    "^(a|b1)+$",
    "^(?!a)",
    "^(?=.*1)[a1]{1,3}$",
    "\\d",
    "^\\w*$",
    "^[^a]?b?$",
    "a.b",
    "^$",
    "a|^b|1$",
    "^\\D(a*b)?\\.?",
];

/// Returns a schema with `$defs` that all of it may refer to.
pub(crate) fn schema(dice: &mut Dice) -> Value {
    let mut whole = Value::Object(keywords(dice, 3, false));
    whole["$defs"] = json!({"x": part(dice, 2, false), "y": part(dice, 2, false)});
    whole
}

/// Returns a schema, in a member or an item of another one or not: what refers to itself without one of those between
/// is malformed.
fn part(dice: &mut Dice, depth: usize, is_inside: bool) -> Value {
    match dice.roll(12) {
        0 => json!(!dice.one_in(3)),
        1 | 2 if is_inside => json!({"$ref": dice.pick(&["#", "#/$defs/x", "#/$defs/y"])}),
        _ => Value::Object(keywords(dice, depth, is_inside)),
    }
}

fn keywords(dice: &mut Dice, depth: usize, is_inside: bool) -> Map<String, Value> {
    let mut found = Map::new();
    let kinds = if depth == 0 { &KINDS[..5] } else { &KINDS };
    let kind = dice.pick(kinds);
    match dice.roll(8) {
        0 => {
            let other = dice.pick(kinds);
            found.insert(
                "type".to_owned(),
                if kind == other { json!([kind]) } else { json!([kind, other]) },
            );
        }
        1 => {}
        _ => drop(found.insert("type".to_owned(), json!(kind))),
    }
    let more: Value = match kind {
        "integer" | "number" => numbers(dice, kind),
        "string" => strings(dice),
        "array" => items(dice, depth - 1),
        "object" => members(dice, depth - 1),
        _ => json!({}),
    };
    found.extend(more.as_object().cloned().unwrap_or_default());
    if depth > 0 && dice.one_in(3) {
        found.extend(combined(dice, depth - 1, is_inside));
    }
    if dice.one_in(8) {
        let (key, values) = (dice.one_in(2), (0..3).map(|_| any(dice, 1)).collect::<Vec<_>>());
        let (key, value) = if key { ("enum", json!(values)) } else { ("const", json!(values[0])) };
        found.insert(key.to_owned(), value);
    }
    found
}

/// Puts each of some keywords into a schema with a chance.
fn some(dice: &mut Dice, of: Vec<(&str, Value)>) -> Value {
    let sides = 1 + of.len().div_ceil(2);
    of.into_iter()
        .filter(|_| dice.one_in(sides))
        .map(|(key, value)| (key.to_owned(), value))
        .collect::<Map<_, _>>()
        .into()
}

fn numbers(dice: &mut Dice, kind: &str) -> Value {
    let whole = kind == "integer" || dice.one_in(2);
    let low = number(dice, whole);
    let high = json!(low.as_f64().unwrap_or_default().floor() + dice.roll(60) as f64);
    let high = plain(&high);
    let by = dice.pick(&["2", "3", "0.5", "0.1", "7", "1.5"]).parse::<f64>().unwrap();
    let of = vec![
        ("minimum", low.clone()),
        ("maximum", high.clone()),
        ("exclusiveMinimum", low),
        ("exclusiveMaximum", high),
        ("multipleOf", plain(&json!(by))),
        ("format", json!(dice.pick(&["int8", "uint16"]))),
    ];
    some(dice, of)
}

fn number(dice: &mut Dice, whole: bool) -> Value {
    let size = [10, 100, 3_000, 1_000_000][dice.roll(4)];
    let digits = dice.roll(2 * size) as f64 - size as f64;
    plain(&json!(if whole { digits } else { digits / [10.0, 100.0, 8.0][dice.roll(3)] }))
}

/// Returns a number of few digits, as a whole one if it is.
fn plain(number: &Value) -> Value {
    let number = (number.as_f64().unwrap_or_default() * 1e4).round() / 1e4;
    let text = json!(number).to_string();
    let whole = text.strip_suffix(".0").unwrap_or(&text);
    whole.parse::<i64>().map_or_else(|_| json!(number), |whole| json!(whole))
}

fn strings(dice: &mut Dice) -> Value {
    let least = dice.roll(4);
    let of = vec![
        ("minLength", json!(least)),
        ("maxLength", json!(least + dice.roll(6))),
        ("pattern", json!(dice.pick(&PATTERNS))),
        ("format", json!(dice.pick(&schema_format::NAMES))),
    ];
    some(dice, of)
}

fn items(dice: &mut Dice, depth: usize) -> Value {
    let least = dice.roll(3);
    let mut list = |most: usize| {
        let count = 1 + dice.roll(most);
        (0..count).map(|_| part(dice, depth, true)).collect::<Vec<_>>()
    };
    let (first, rest, wanted) = (list(2), list(1), list(1));
    let of = vec![
        ("prefixItems", json!(first)),
        ("items", rest[0].clone()),
        ("minItems", json!(least)),
        ("maxItems", json!(least + dice.roll(3))),
        ("contains", wanted[0].clone()),
        ("minContains", json!(dice.roll(3))),
        ("maxContains", json!(1 + dice.roll(2))),
        ("unevaluatedItems", json!(false)),
    ];
    let mut found = some(dice, of);
    if dice.one_in(12) {
        found = json!({"items": {"enum": [1, "a", null, 2.5]}, "uniqueItems": true});
    }
    found
}

fn members(dice: &mut Dice, depth: usize) -> Value {
    let named = |dice: &mut Dice, keys: &[&str], most: usize| {
        let count = dice.roll(most + 1);
        (0..count)
            .map(|_| (dice.pick(keys).to_owned(), part(dice, depth, true)))
            .collect::<Map<_, _>>()
    };
    let properties = named(dice, &NAMES, 3);
    let patterns = named(dice, &PATTERNS, 1);
    let rest = if dice.one_in(2) { json!(false) } else { part(dice, depth, true) };
    let mut required: Vec<&str> = (0..dice.roll(3)).map(|_| dice.pick(&NAMES)).collect();
    required.sort_unstable();
    required.dedup();
    let least = dice.roll(3);
    let of = vec![
        ("patternProperties", json!(patterns)),
        ("additionalProperties", rest.clone()),
        ("additionalProperties", rest),
        ("required", json!(required)),
        ("minProperties", json!(least)),
        ("maxProperties", json!(least + dice.roll(3))),
        ("propertyNames", json!({"maxLength": 1 + dice.roll(3)})),
        ("dependentRequired", json!({"a": ["b"]})),
        ("dependentSchemas", json!({"b": part(dice, depth, false)})),
        ("unevaluatedProperties", json!(false)),
    ];
    let mut found = some(dice, of);
    found["properties"] = json!(properties);
    found
}

fn combined(dice: &mut Dice, depth: usize, is_inside: bool) -> Map<String, Value> {
    let mut parts =
        |count: usize| (0..count).map(|_| part(dice, depth, is_inside)).collect::<Vec<_>>();
    let (two, three) = (parts(2), parts(3));
    let [condition, then, other] = three.as_slice() else { unreachable!() };
    let found = match dice.roll(8) {
        0 => json!({"allOf": two}),
        1 | 2 => json!({"anyOf": three}),
        3 => json!({"oneOf": three}),
        4 => json!({"not": condition}),
        5 => json!({"if": condition, "then": then}),
        6 => json!({"if": condition, "else": other}),
        _ => json!({"if": condition, "then": then, "else": other}),
    };
    found.as_object().cloned().unwrap_or_default()
}

/// Returns any value.
pub(crate) fn any(dice: &mut Dice, depth: usize) -> Value {
    match dice.roll(if depth == 0 { 6 } else { 8 }) {
        0 => json!(null),
        1 => json!(dice.one_in(2)),
        2 => number(dice, true),
        3 => number(dice, false),
        4 | 5 => json!(dice.text(0..4)),
        6 => json!((0..dice.roll(3)).map(|_| any(dice, depth - 1)).collect::<Vec<_>>()),
        _ => {
            let count = dice.roll(3);
            let members = (0..count).map(|_| (dice.pick(&NAMES).to_owned(), any(dice, depth - 1)));
            Value::Object(members.collect())
        }
    }
}

/// Returns a value that `schema` may well allow.
pub(crate) fn guess(dice: &mut Dice, root: &Value, schema: &Value) -> Value {
    guessed(dice, root, schema, 5)
}

fn guessed(dice: &mut Dice, root: &Value, schema: &Value, depth: usize) -> Value {
    let Some(keywords) = schema.as_object().filter(|_| depth > 0 && !dice.one_in(25)) else {
        return any(dice, 1);
    };
    if let Some(place) = keywords.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(&place[1..]).unwrap_or(root);
        return guessed(dice, root, target, depth - 1);
    }
    if let Some(value) = keywords.get("const") {
        return value.clone();
    }
    for list in ["enum", "anyOf", "oneOf", "allOf"] {
        let of = keywords.get(list).and_then(Value::as_array).filter(|of| !of.is_empty());
        let Some(of) = of.filter(|_| !dice.one_in(3)) else { continue };
        let one = &of[dice.roll(of.len())];
        return if list == "enum" { one.clone() } else { guessed(dice, root, one, depth - 1) };
    }
    let kinds = match keywords.get("type") {
        Some(Value::Array(kinds)) => kinds.clone(),
        Some(kind) => vec![kind.clone()],
        None => KINDS.map(Value::from).to_vec(),
    };
    let get = |key: &str| keywords.get(key).cloned().unwrap_or(Value::Null);
    let count = |key: &str| get(key).as_u64().and_then(|count| usize::try_from(count).ok());
    match kinds[dice.roll(kinds.len())].as_str().unwrap_or_default() {
        "null" => json!(null),
        "boolean" => json!(dice.one_in(2)),
        kind @ ("integer" | "number") => {
            let bounds =
                ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
            let near = get(bounds[dice.roll(5)]).as_f64();
            let step = if kind == "integer" { 1.0 } else { 0.5 };
            let near = near.map(|near| plain(&json!(near + step * (dice.roll(5) as f64 - 2.0))));
            near.unwrap_or_else(|| number(dice, kind == "integer"))
        }
        "string" => match (get("format").as_str(), get("pattern").as_str()) {
            (Some(name), _) if schema_format::NAMES.contains(&name) && !dice.one_in(8) => {
                json!(schema_format::example(dice, name))
            }
            (_, Some(pattern)) => json!(schema_pattern::example(dice, pattern)),
            _ => {
                let least = count("minLength").unwrap_or(0);
                json!(dice.text(least..least + 4))
            }
        },
        "array" => {
            let least = count("minItems").unwrap_or(0);
            let most = count("maxItems").unwrap_or(3).max(least);
            let first = get("prefixItems");
            let length = least + dice.roll(most - least + 1);
            let item = |at: usize| first.get(at).cloned().unwrap_or_else(|| get("items"));
            Value::Array((0..length).map(|at| guessed(dice, root, &item(at), depth - 1)).collect())
        }
        _ => {
            let mut members = Map::new();
            let named = get("properties");
            let required = get("required");
            let is_required = |name: &str| {
                required.as_array().is_some_and(|names| names.iter().any(|wanted| wanted == name))
            };
            for name in NAMES {
                let schema = named.get(name);
                let chances = if schema.is_some() { 2 } else { 8 };
                if is_required(name) && !dice.one_in(12) || dice.one_in(chances) {
                    let schema = schema.cloned().unwrap_or_else(|| get("additionalProperties"));
                    members.insert(name.to_owned(), guessed(dice, root, &schema, depth - 1));
                }
            }
            Value::Object(members)
        }
    }
}

/// Returns a value with something in it changed.
pub(crate) fn mutate(dice: &mut Dice, value: &Value) -> Value {
    match value {
        _ if dice.one_in(5) => any(dice, 1),
        Value::Null | Value::Bool(_) => any(dice, 0),
        Value::Number(number) => {
            let by = [1.0, -1.0, 0.5, 0.01][dice.roll(4)];
            plain(&json!(number.as_f64().unwrap_or_default() + by))
        }
        Value::String(text) => {
            let mut chars: Vec<char> = text.chars().collect();
            let at = dice.roll(chars.len() + 1);
            match dice.roll(3) {
                0 if at < chars.len() => drop(chars.remove(at)),
                1 if at < chars.len() => chars[at] = dice.char(),
                _ => chars.insert(at, dice.char()),
            }
            json!(chars.into_iter().collect::<String>())
        }
        Value::Array(items) => {
            let mut items = items.clone();
            let at = dice.roll(items.len() + 1);
            match dice.roll(3) {
                0 if at < items.len() => drop(items.remove(at)),
                1 if at < items.len() => items[at] = mutate(dice, &items[at]),
                _ => items.insert(at, any(dice, 1)),
            }
            json!(items)
        }
        Value::Object(members) => {
            let mut members = members.clone();
            let name = dice.pick(&NAMES);
            match members.get(name).cloned() {
                Some(_) if dice.one_in(2) => drop(members.shift_remove(name)),
                Some(value) => drop(members.insert(name.to_owned(), mutate(dice, &value))),
                None => drop(members.insert(name.to_owned(), any(dice, 1))),
            }
            json!(members)
        }
    }
}

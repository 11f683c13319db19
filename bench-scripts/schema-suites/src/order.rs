//! The order in which a grammar expects the members of an object: as the schema declares them.

use serde_json::{Map, Value};

/// Returns `value` with its members in the order of the schema, as far as simple means find it.
pub(crate) fn declared(root: &Value, value: &Value) -> Value {
    order(root, &[root], value, 0)
}

/// Returns `value` with its members in the order of their names.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            let pairs = names.into_iter().map(|name| (name.clone(), sorted(&members[name])));
            Value::Object(pairs.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn order(root: &Value, schemas: &[&Value], value: &Value, depth: usize) -> Value {
    let mut all: Vec<&Value> = Vec::new();
    for schema in schemas {
        gather(root, schema, value, &mut all);
    }
    if depth > 60 {
        return value.clone();
    }
    match value {
        Value::Object(members) => {
            let mut ordered = Map::new();
            for name in names(&all).into_iter().chain(members.keys()) {
                if let Some(member) = members.get(name).filter(|_| !ordered.contains_key(name)) {
                    let inner: Vec<&Value> =
                        all.iter().flat_map(|s| member_schemas(s, name)).collect();
                    ordered.insert(name.clone(), order(root, &inner, member, depth + 1));
                }
            }
            Value::Object(ordered)
        }
        Value::Array(items) => {
            let inner: Vec<&Value> = all.iter().flat_map(|schema| item_schemas(schema)).collect();
            Value::Array(items.iter().map(|item| order(root, &inner, item, depth + 1)).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Adds `schema` and what it applies to the same value, itself first.
fn gather<'a>(root: &'a Value, schema: &'a Value, value: &Value, all: &mut Vec<&'a Value>) {
    if all.iter().any(|known| std::ptr::eq(*known, schema)) || all.len() > 500 {
        return;
    }
    all.push(schema);
    if let Some(text) = schema.get("$ref").and_then(Value::as_str)
        && let Some(target) = text.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
    {
        gather(root, target, value, all);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        let list = schema.get(key).and_then(Value::as_array).into_iter().flatten();
        // The branches that may hold come first.
        let mut branches: Vec<&Value> = list.collect();
        branches.sort_by_key(|branch| !may_hold(root, branch, value, 0));
        branches.into_iter().for_each(|branch| gather(root, branch, value, all));
    }
    for key in ["if", "then", "else"] {
        schema.get(key).into_iter().for_each(|branch| gather(root, branch, value, all));
    }
    for key in ["dependencies", "dependentSchemas"] {
        let members = schema.get(key).and_then(Value::as_object).into_iter().flatten();
        members.filter(|(_, s)| !s.is_array()).for_each(|(_, s)| gather(root, s, value, all));
    }
}

/// Returns whether `schema` may hold for `value`, as far as the names and kinds of its members say.
fn may_hold(root: &Value, schema: &Value, value: &Value, depth: usize) -> bool {
    if depth > 6 {
        return true;
    }
    let inner = |schema: &Value| may_hold(root, schema, value, depth + 1);
    let text = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    if let Some(target) = text.and_then(|pointer| root.pointer(pointer)) {
        return inner(target);
    }
    let list = |key| schema.get(key).and_then(Value::as_array).into_iter().flatten();
    let has_kind = match schema.get("type") {
        Some(Value::String(kind)) => is_kind(kind, value),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).any(|k| is_kind(k, value))
        }
        Some(_) | None => true,
    };
    let is_given = schema.get("const").is_none_or(|only| only == value)
        && (schema.get("enum").is_none() || list("enum").any(|given| given == value));
    let one_of = |key| schema.get(key).is_none() || list(key).any(inner);
    let Value::Object(members) = value else {
        return has_kind && is_given && list("allOf").all(inner) && one_of("anyOf");
    };
    let named = schema.get("properties").and_then(Value::as_object);
    let is_named = |name: &String| named.is_some_and(|named| named.contains_key(name));
    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false))
        && schema.get("patternProperties").is_none();
    let has_required =
        list("required").filter_map(Value::as_str).all(|name| members.contains_key(name));
    let members_hold = named.into_iter().flatten().all(|(name, schema)| {
        members.get(name).is_none_or(|member| may_hold(root, schema, member, depth + 1))
    });
    has_kind
        && is_given
        && has_required
        && (!is_closed || members.keys().all(is_named))
        && members_hold
        && list("allOf").all(inner)
        && one_of("anyOf")
        && one_of("oneOf")
}

fn is_kind(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" | "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

fn names<'a>(schemas: &[&'a Value]) -> Vec<&'a String> {
    let declared = schemas.iter().filter_map(|schema| schema.get("properties")?.as_object());
    declared.flat_map(|members| members.keys()).collect()
}

fn member_schemas<'a>(schema: &'a Value, name: &str) -> Vec<&'a Value> {
    let named = schema.get("properties").and_then(|members| members.get(name));
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    let patterns = patterns.into_iter().flat_map(|members| members.values());
    named.into_iter().chain(patterns).chain(schema.get("additionalProperties")).collect()
}

fn item_schemas(schema: &Value) -> Vec<&Value> {
    let keys = ["items", "prefixItems", "additionalItems", "contains"];
    let found = keys.into_iter().filter_map(|key| schema.get(key));
    found
        .flat_map(|found| match found {
            Value::Array(list) => list.iter().collect(),
            other => vec![other],
        })
        .collect()
}

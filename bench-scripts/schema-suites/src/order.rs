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
        gather(root, schema, &mut all);
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
fn gather<'a>(root: &'a Value, schema: &'a Value, all: &mut Vec<&'a Value>) {
    if all.iter().any(|known| std::ptr::eq(*known, schema)) || all.len() > 500 {
        return;
    }
    all.push(schema);
    if let Some(text) = schema.get("$ref").and_then(Value::as_str)
        && let Some(target) = text.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
    {
        gather(root, target, all);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        let list = schema.get(key).and_then(Value::as_array).into_iter().flatten();
        list.for_each(|branch| gather(root, branch, all));
    }
    for key in ["if", "then", "else"] {
        schema.get(key).into_iter().for_each(|branch| gather(root, branch, all));
    }
    for key in ["dependencies", "dependentSchemas"] {
        let members = schema.get(key).and_then(Value::as_object).into_iter().flatten();
        members.filter(|(_, s)| !s.is_array()).for_each(|(_, s)| gather(root, s, all));
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

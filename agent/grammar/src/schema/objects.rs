//! Keywords on objects (JSON Schema Core 10.3.2, Validation 6.5).

use std::collections::HashSet;
use std::rc::Rc;

use serde_json::Value;

use super::compiler::{Choices, Compiler, Wanted};
use super::dfa::Dfa;
use super::document::SchemaId;
use super::error::SchemaError;
use super::nodes::NodeId;
use super::options::Objects;
use super::scalars::automaton;
use super::shape::{Exists, Kinds, Members, Object, Range, Shape};

type Read = Result<Choices, SchemaError>;

/// Returns the shape of objects, and of all other values where the demand is to hold.
fn shape(wanted: Wanted, object: Object) -> Option<Shape> {
    let mut shape = match wanted {
        Wanted::Holds => Shape::any(),
        Wanted::Fails => Shape::of(Kinds::OBJECT),
    };
    shape.object = object;
    shape.settled()
}

pub(super) fn members(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    match wanted {
        Wanted::Holds => {
            let members = layer(compiler, at)?;
            if members == Members::default() {
                return Ok(vec![Shape::any()]);
            }
            let object = Object { layers: vec![Rc::new(members)], ..Object::default() };
            Ok(shape(wanted, object).into_iter().collect())
        }
        Wanted::Fails => wrong_member(compiler, at),
    }
}

/// Returns what a part of the schema says of members.
fn layer(compiler: &mut Compiler<'_>, at: SchemaId) -> Result<Members, SchemaError> {
    let names = compiler.members(at, "properties")?.into_iter();
    let named =
        names.map(|name| (name.clone(), compiler.below(at, &["properties", name], Wanted::Holds)));
    let mut layer = Members { named: named.collect(), ..Members::default() };
    for pattern in compiler.members(at, "patternProperties")? {
        let dfa = pattern_of(compiler, at, pattern)?;
        let node = compiler.below(at, &["patternProperties", pattern], Wanted::Holds);
        layer.patterns.push((Rc::new(dfa), node));
    }
    layer.rest = rest(compiler, at, Wanted::Holds);
    Ok(layer)
}

fn pattern_of(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    pattern: &str,
) -> Result<Dfa, SchemaError> {
    let patterns = compiler.document.below(at, &["patternProperties"]);
    automaton(compiler, patterns, pattern, pattern).map_err(|error| match error {
        SchemaError::Unsupported { pointer, hint, .. } => {
            SchemaError::Unsupported { pointer, keyword: "patternProperties".to_owned(), hint }
        }
        error @ (SchemaError::Malformed { .. }
        | SchemaError::Unsatisfiable { .. }
        | SchemaError::TooLarge { .. }) => error,
    })
}

fn rest(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Option<NodeId> {
    let is_closed = compiler.options.objects == Objects::Closed;
    match compiler.document.get(at, "additionalProperties") {
        None => None,
        // Where objects are closed, `true` is not the same as nothing.
        Some(Value::Bool(true)) if !is_closed => None,
        Some(_) => Some(compiler.below(at, &["additionalProperties"], wanted)),
    }
}

/// Returns the objects that have a member which its schema does not allow.
fn wrong_member(compiler: &mut Compiler<'_>, at: SchemaId) -> Read {
    let mut all = Vec::new();
    let names = compiler.members(at, "properties")?;
    let mut others = Dfa::words(names.iter().map(|name| name.as_str())).not();
    for name in names {
        let node = compiler.below(at, &["properties", name], Wanted::Fails);
        let named = [(name.clone(), node)].into_iter().collect();
        let layer = Members { named, ..Members::default() };
        let required = vec![name.clone()];
        all.extend(shape(
            Wanted::Fails,
            Object { layers: vec![Rc::new(layer)], required, ..Object::default() },
        ));
    }
    let budget = compiler.budget.clone();
    let exists = |names: Dfa, value| {
        let exists = vec![Exists { names: names.shared(&budget), value }];
        shape(Wanted::Fails, Object { exists, ..Object::default() })
    };
    for pattern in compiler.members(at, "patternProperties")? {
        let dfa = pattern_of(compiler, at, pattern)?;
        let node = compiler.below(at, &["patternProperties", pattern], Wanted::Fails);
        let minus = others.minus(&dfa, &compiler.budget);
        others = minus.map_err(|error| compiler.exceeded(at, "patternProperties", error))?;
        all.extend(exists(dfa, node));
    }
    if let Some(node) = rest(compiler, at, Wanted::Fails) {
        all.extend(exists(others, node));
    }
    Ok(all)
}

pub(super) fn required(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let list = compiler.list(at, "required")?;
    let names: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    let names = names.ok_or_else(|| compiler.malformed(at, "required", "names are expected"))?;
    let names = names.into_iter().map(str::to_owned);
    Ok(match wanted {
        Wanted::Holds => {
            let required = distinct(names);
            shape(wanted, Object { required, ..Object::default() }).into_iter().collect()
        }
        Wanted::Fails => names.filter_map(without).collect(),
    })
}

/// Returns the objects without the member `name`.
pub(super) fn without(name: String) -> Option<Shape> {
    let forbidden = [name].into_iter().collect();
    shape(Wanted::Fails, Object { forbidden, ..Object::default() })
}

/// Returns each name once, in the order in which they came.
fn distinct(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// Returns the objects that have these members.
pub(super) fn with(required: impl IntoIterator<Item = String>) -> Option<Shape> {
    let required = distinct(required);
    shape(Wanted::Fails, Object { required, ..Object::default() })
}

pub(super) fn min_properties(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let min = compiler.natural(at, "minProperties")?;
    Ok(count(wanted, Range::from(min), min.checked_sub(1).map(Range::to)))
}

pub(super) fn max_properties(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let max = compiler.natural(at, "maxProperties")?;
    Ok(count(wanted, Range::to(max), Some(Range::from(max.saturating_add(1)))))
}

fn count(wanted: Wanted, holds: Range, fails: Option<Range>) -> Choices {
    let count = match wanted {
        Wanted::Holds => Some(holds),
        Wanted::Fails => fails,
    };
    let found = count.and_then(|count| shape(wanted, Object { count, ..Object::default() }));
    found.into_iter().collect()
}

pub(super) fn names(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    // What does not hold is not what is not written: some formats are narrower than their RFC.
    let node = compiler.below(at, &["propertyNames"], wanted);
    let object = match wanted {
        Wanted::Holds => Object { names: vec![node], ..Object::default() },
        Wanted::Fails => {
            let names = super::names::allowed(compiler, node)?.shared(&compiler.budget);
            let value = compiler.anything();
            Object { exists: vec![Exists { names, value }], ..Object::default() }
        }
    };
    Ok(shape(wanted, object).into_iter().collect())
}

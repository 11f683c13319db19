//! `unevaluatedProperties` and `unevaluatedItems` (JSON Schema Core 11): what no other keyword has evaluated.
//!
//! More that is evaluated means less that is demanded. So a value satisfies the keyword if it does in one of the ways
//! that [`evaluated`](super::evaluated) finds.

use std::rc::Rc;

use serde_json::Value;

use super::budget::Exceeded;
use super::compiler::{Choices, Compiler, Wanted};
use super::dfa::Dfa;
use super::distinct::Distinct;
use super::document::SchemaId;
use super::error::SchemaError;
use super::evaluated::{Claims, Evaluated, Search, Way};
use super::nodes::{NodeId, Term};
use super::objects::{with, without};
use super::shape::{Array, Contains, Exists, Items, Kinds, Members, Object, Range, Shape};

type Read = Result<Choices, SchemaError>;

pub(super) fn properties(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    in_some_way(compiler, at, "unevaluatedProperties", wanted, |compiler, evaluated| match wanted {
        Wanted::Holds => Ok(evaluated_members(compiler, at, evaluated)),
        Wanted::Fails => other_member(compiler, at, evaluated),
    })
}

pub(super) fn items(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    in_some_way(compiler, at, "unevaluatedItems", wanted, |compiler, evaluated| {
        Ok(match wanted {
            Wanted::Holds => evaluated_items(compiler, at, evaluated),
            Wanted::Fails => other_item(compiler, at, evaluated),
        })
    })
}

/// Returns what `read` says of what is evaluated, under the conditions of each way.
fn in_some_way<'a>(
    compiler: &mut Compiler<'a>,
    at: SchemaId,
    key: &'static str,
    wanted: Wanted,
    read: impl Fn(&mut Compiler<'a>, Evaluated) -> Result<Shape, Exceeded>,
) -> Read {
    if compiler.document.get(at, key) == Some(&Value::Bool(true)) {
        return Ok(match wanted {
            Wanted::Holds => vec![Shape::any()],
            Wanted::Fails => Vec::new(),
        });
    }
    let claims = match wanted {
        Wanted::Holds => Claims::Needed,
        Wanted::Fails => Claims::All,
    };
    let ways = Search::new(compiler, at, key, claims).ways(at)?;
    let mut all = Distinct::default();
    for way in ways {
        let Way { terms, present, absent, evaluated } = way;
        let mut shapes = match (evaluated.everything, wanted) {
            (true, Wanted::Holds) => vec![Shape::any()],
            (true, Wanted::Fails) => continue,
            (false, _) => {
                let shape = read(compiler, evaluated);
                vec![shape.map_err(|error| compiler.exceeded(at, key, error))?]
            }
        };
        let mut conditions: Vec<Choices> = absent.into_iter().map(not_there).collect();
        conditions.extend((!present.is_empty()).then(|| with(present).into_iter().collect()));
        for term in terms {
            conditions.push(compiler.term(term)?.to_vec());
        }
        for condition in conditions {
            let both = compiler.both(&shapes, &condition);
            shapes = both.map_err(|error| compiler.exceeded(at, key, error))?;
        }
        shapes.into_iter().for_each(|shape| all.add(shape));
    }
    Ok(all.into_shapes())
}

fn not_there(name: String) -> Choices {
    let mut shape = without(name).unwrap_or_else(Shape::any);
    shape.kinds = Kinds::ALL;
    vec![shape]
}

/// Returns the objects whose other members satisfy the keyword.
fn evaluated_members(compiler: &mut Compiler<'_>, at: SchemaId, evaluated: Evaluated) -> Shape {
    let anything = compiler.anything();
    let rest = Some(compiler.below(at, &["unevaluatedProperties"], Wanted::Holds));
    let named = evaluated.names.into_iter().map(|name| (name, anything)).collect();
    let patterns = evaluated.patterns.into_iter().map(|dfa| (dfa, anything)).collect();
    let layers = vec![Rc::new(Members { named, patterns, rest })];
    Shape { object: Object { layers, ..Object::default() }, ..Shape::any() }
}

/// Returns the objects that have another member which does not satisfy the keyword.
fn other_member(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    evaluated: Evaluated,
) -> Result<Shape, Exceeded> {
    let mut names = Dfa::words(evaluated.names.iter().map(String::as_str)).not();
    for pattern in &evaluated.patterns {
        names = names.minus(pattern, &compiler.budget)?;
    }
    let value = compiler.below(at, &["unevaluatedProperties"], Wanted::Fails);
    let exists = vec![Exists { names: names.shared(&compiler.budget), value }];
    Ok(Shape { object: Object { exists, ..Object::default() }, ..Shape::of(Kinds::OBJECT) })
}

/// Returns the arrays whose other items satisfy the keyword.
fn evaluated_items(compiler: &mut Compiler<'_>, at: SchemaId, evaluated: Evaluated) -> Shape {
    let (_, allowed) = item_nodes(compiler, at, &evaluated);
    let first = vec![compiler.anything(); evaluated.first];
    let layers = vec![Rc::new(Items { first, rest: Some(allowed) })];
    Shape { array: Array { layers, ..Array::default() }, ..Shape::any() }
}

/// Returns the arrays that have another item which does not satisfy the keyword.
fn other_item(compiler: &mut Compiler<'_>, at: SchemaId, evaluated: Evaluated) -> Shape {
    let (item, not_item) = item_nodes(compiler, at, &evaluated);
    let contains =
        vec![Contains { item, not_item, count: Range::from(1), from: evaluated.first as u64 }];
    Shape { array: Array { contains, ..Array::default() }, ..Shape::of(Kinds::ARRAY) }
}

/// Returns what an item that is not among the first ones must not be, and what it may be.
fn item_nodes(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    evaluated: &Evaluated,
) -> (NodeId, NodeId) {
    let own = compiler.document.below(at, &["unevaluatedItems"]);
    let parts: Vec<SchemaId> = evaluated.contains.iter().copied().chain([own]).collect();
    let wrong = compiler.nodes.node(parts.iter().map(|part| Term::Fails(*part)));
    let either = compiler.nodes.either(parts.into_iter().map(Term::Holds));
    (wrong, compiler.nodes.node([either]))
}

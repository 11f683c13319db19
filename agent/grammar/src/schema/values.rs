//! `const` and `enum`: values that are given (JSON Schema Validation 6.1.2 and 6.1.3).

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::Value;

use super::bounds;
use super::budget::Exceeded;
use super::compiler::{Choices, Compiler, Wanted};
use super::decimal::Decimal;
use super::dfa::Dfa;
use super::document::SchemaId;
use super::emit_object::MAX_LOOSE;
use super::error::SchemaError;
use super::lang::Lang;
use super::nodes::Term;
use super::shape::{Items, Kinds, Members, Range, Shape};

pub(super) fn constant(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    wanted: Wanted,
) -> Result<Choices, SchemaError> {
    let value = compiler.document.get(at, "const").expect("BUG: the keyword was found");
    let place = format!("{}/const", compiler.document.pointer(at));
    match wanted {
        Wanted::Holds => equals(compiler, &[value], &place),
        Wanted::Fails => differs(compiler, &[value], &place),
    }
}

pub(super) fn one_of(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    wanted: Wanted,
) -> Result<Choices, SchemaError> {
    let values: Vec<&Value> = compiler.list(at, "enum")?.iter().collect();
    let place = format!("{}/enum", compiler.document.pointer(at));
    match wanted {
        Wanted::Holds => equals(compiler, &values, &place),
        Wanted::Fails => differs(compiler, &values, &place),
    }
}

/// What a list of values has of each kind.
struct Sorted<'a> {
    kinds: Kinds,
    strings: BTreeSet<String>,
    numbers: Vec<Decimal>,
    /// Arrays and objects.
    large: Vec<&'a Value>,
}

fn sorted<'a>(values: &[&'a Value], place: &str) -> Result<Sorted<'a>, SchemaError> {
    let mut sorted = Sorted {
        kinds: Kinds::NONE,
        strings: BTreeSet::new(),
        numbers: Vec::new(),
        large: Vec::new(),
    };
    for value in values {
        let kind = match value {
            Value::Null => Kinds::NULL,
            Value::Bool(false) => Kinds::FALSE,
            Value::Bool(true) => Kinds::TRUE,
            Value::Number(number) => {
                let decimal = Decimal::new(number).ok_or_else(|| SchemaError::Unsupported {
                    pointer: place.to_owned(),
                    keyword: place.rsplit('/').next().unwrap_or_default().to_owned(),
                    hint: format!("the exponent of {number} is too large"),
                })?;
                sorted.numbers.push(decimal);
                Kinds::NUMBER
            }
            Value::String(text) => {
                sorted.strings.insert(text.clone());
                Kinds::STRING
            }
            Value::Array(_) | Value::Object(_) => {
                sorted.large.push(value);
                Kinds::NONE
            }
        };
        sorted.kinds = sorted.kinds.or(kind);
    }
    Ok(sorted)
}

/// Returns what is equal to one of `values`.
pub(super) fn equals<'a>(
    compiler: &mut Compiler<'a>,
    values: &[&'a Value],
    place: &str,
) -> Result<Choices, SchemaError> {
    let sorted = sorted(values, place)?;
    let mut shape = Shape::of(sorted.kinds);
    shape.string = Lang::words(sorted.strings);
    shape.number = Lang::words(sorted.numbers.iter().map(ToString::to_string).collect());
    let mut all: Choices = shape.settled().into_iter().collect();
    for value in sorted.large {
        all.push(large(compiler, value));
    }
    Ok(all)
}

/// Returns the shape of exactly this array or object.
fn large<'a>(compiler: &mut Compiler<'a>, value: &'a Value) -> Shape {
    let mut node = |value| {
        let number = compiler.nodes.number(value);
        compiler.nodes.node([Term::Equals(number)])
    };
    match value {
        Value::Array(items) => {
            let first = items.iter().map(&mut node).collect();
            let mut shape = Shape::of(Kinds::ARRAY);
            shape.array.layers = vec![Rc::new(Items { first, rest: None })];
            let count = items.len() as u64;
            shape.array.length = Range { min: count, max: Some(count) };
            shape
        }
        Value::Object(members) => {
            let mut layer = Members::default();
            if members.len() > MAX_LOOSE {
                let named = members.iter().map(|(name, value)| (name.clone(), node(value)));
                layer.named = named.collect();
            } else {
                // What is not declared has no order.
                let exactly = |name: &String| Rc::new(Dfa::words([name.as_str()]));
                let patterns = members.iter().map(|(name, value)| (exactly(name), node(value)));
                layer.patterns = patterns.collect();
            }
            layer.rest = Some(compiler.never());
            let mut shape = Shape::of(Kinds::OBJECT);
            shape.object.layers = vec![Rc::new(layer)];
            shape.object.required = members.keys().cloned().collect();
            shape
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            unreachable!("BUG: a scalar is no array and no object")
        }
    }
}

/// Returns what is equal to none of `values`.
pub(super) fn differs<'a>(
    compiler: &mut Compiler<'a>,
    values: &[&'a Value],
    place: &str,
) -> Result<Choices, SchemaError> {
    let sorted = sorted(values, place)?;
    let budget = compiler.budget.clone();
    let large = |error: Exceeded| error.at(place);
    let scalars = Kinds::NULL.or(Kinds::FALSE).or(Kinds::TRUE);
    let mut shape = Shape::of(sorted.kinds.and(scalars).not());
    budget.spend(sorted.strings.iter().map(String::len).sum()).map_err(large)?;
    if !sorted.strings.is_empty() {
        let words = Dfa::words(sorted.strings.iter().map(String::as_str));
        budget.allows_states(words.states.len()).map_err(large)?;
        shape.string = Lang::dfa(words.not().shared(&budget));
    }
    for value in &sorted.numbers {
        let others = bounds::compared(value, Ordering::is_ne, &budget).map_err(large)?;
        shape.number = shape.number.and(&Lang::dfa(Rc::new(others)), &budget).map_err(large)?;
    }
    let mut all: Choices = shape.settled().into_iter().collect();
    for value in sorted.large {
        let others = differs_large(compiler, value);
        all = compiler.both(&all, &others).map_err(large)?;
    }
    Ok(all)
}

/// Returns what is not this array or object: of another kind or length, or different somewhere.
fn differs_large<'a>(compiler: &mut Compiler<'a>, value: &'a Value) -> Choices {
    match value {
        Value::Array(items) => {
            let count = items.len() as u64;
            let mut all = vec![Shape::of(Kinds::ARRAY.not())];
            let mut with_length = |length| {
                let mut shape = Shape::of(Kinds::ARRAY);
                shape.array.length = length;
                all.extend(shape.settled());
            };
            with_length(Range::from(count + 1));
            if count > 0 {
                with_length(Range::to(count - 1));
            }
            for (at, item) in items.iter().enumerate() {
                let mut first = vec![compiler.anything(); at];
                first.push(different(compiler, item));
                let mut shape = Shape::of(Kinds::ARRAY);
                shape.array.layers = vec![Rc::new(Items { first, rest: None })];
                shape.array.length = Range::from(at as u64 + 1);
                all.push(shape);
            }
            all
        }
        Value::Object(members) => {
            let mut more = Shape::of(Kinds::OBJECT);
            more.object.count = Range::from(members.len() as u64 + 1);
            let mut all = vec![Shape::of(Kinds::OBJECT.not()), more];
            for (name, member) in members {
                let mut without = Shape::of(Kinds::OBJECT);
                without.object.forbidden.insert(name.clone());
                let mut other = Shape::of(Kinds::OBJECT);
                let named = [(name.clone(), different(compiler, member))].into_iter().collect();
                other.object.layers = vec![Rc::new(Members { named, ..Members::default() })];
                other.object.required = vec![name.clone()];
                all.extend([without, other]);
            }
            all
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            unreachable!("BUG: a scalar is no array and no object")
        }
    }
}

fn different<'a>(compiler: &mut Compiler<'a>, value: &'a Value) -> super::nodes::NodeId {
    let number = compiler.nodes.number(value);
    compiler.nodes.node([Term::Differs(number)])
}

//! Keywords on arrays (JSON Schema Core 10.3.1, Validation 6.4).

use std::rc::Rc;

use serde_json::Value;

use super::compiler::{Choices, Compiler, Wanted};
use super::document::SchemaId;
use super::error::SchemaError;
use super::options::Draft;
use super::shape::{Array, Contains, Items, Kinds, Range, Shape};

type Read = Result<Choices, SchemaError>;

/// Returns the shape of arrays, and of all other values where the demand is to hold.
fn shape(wanted: Wanted, array: Array) -> Option<Shape> {
    let mut shape = match wanted {
        Wanted::Holds => Shape::any(),
        Wanted::Fails => Shape::of(Kinds::ARRAY),
    };
    shape.array = array;
    shape.settled()
}

/// Where the schemas of the items stand.
struct Keys {
    /// The keyword with one schema for each of the first items, and how many these are.
    first: Option<(&'static str, usize)>,
    /// The keyword with the schema of the items after them.
    rest: Option<&'static str>,
}

/// `prefixItems` and `items` since 2020-12; before, `items` as a list and `additionalItems`.
fn keys(compiler: &Compiler<'_>, at: SchemaId) -> Result<Keys, SchemaError> {
    let is_new = compiler.document.draft() == Draft::Draft2020;
    let has = |key| compiler.document.get(at, key).is_some();
    if is_new && has("prefixItems") {
        let count = compiler.list(at, "prefixItems")?.len();
        return Ok(Keys {
            first: Some(("prefixItems", count)),
            rest: has("items").then_some("items"),
        });
    }
    Ok(match compiler.document.get(at, "items") {
        Some(Value::Array(items)) => {
            let rest = has("additionalItems").then_some("additionalItems");
            Keys { first: Some(("items", items.len())), rest }
        }
        Some(_) => Keys { first: None, rest: Some("items") },
        // `additionalItems` says nothing without `items`.
        None => Keys { first: None, rest: None },
    })
}

pub(super) fn items(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let keys = keys(compiler, at)?;
    let (key, count) = keys.first.unwrap_or(("items", 0));
    let places: Vec<String> = (0..count).map(|place| place.to_string()).collect();
    let first: Vec<_> =
        places.iter().map(|place| compiler.below(at, &[key, place], wanted)).collect();
    let rest = keys.rest.map(|key| compiler.below(at, &[key], wanted));
    if wanted == Wanted::Holds {
        if first.is_empty() && rest.is_none() {
            return Ok(vec![Shape::any()]);
        }
        let layers = vec![Rc::new(Items { first, rest })];
        return Ok(shape(wanted, Array { layers, ..Array::default() }).into_iter().collect());
    }
    let mut all = Vec::new();
    for (place, node) in first.iter().enumerate() {
        let mut first = vec![compiler.anything(); place];
        first.push(*node);
        let layers = vec![Rc::new(Items { first, rest: None })];
        let length = Range::from(place as u64 + 1);
        all.extend(shape(wanted, Array { layers, length, ..Array::default() }));
    }
    if let Some((item, key)) = rest.zip(keys.rest) {
        let not_item = compiler.below(at, &[key], Wanted::Holds);
        let contains = Contains { item, not_item, count: Range::from(1), from: count as u64 };
        all.extend(shape(wanted, Array { contains: vec![contains], ..Array::default() }));
    }
    Ok(all)
}

pub(super) fn min_items(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let min = compiler.natural(at, "minItems")?;
    Ok(length(wanted, Range::from(min), min.checked_sub(1).map(Range::to)))
}

pub(super) fn max_items(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let max = compiler.natural(at, "maxItems")?;
    Ok(length(wanted, Range::to(max), Some(Range::from(max.saturating_add(1)))))
}

fn length(wanted: Wanted, holds: Range, fails: Option<Range>) -> Choices {
    let length = match wanted {
        Wanted::Holds => Some(holds),
        Wanted::Fails => fails,
    };
    let found = length.and_then(|length| shape(wanted, Array { length, ..Array::default() }));
    found.into_iter().collect()
}

pub(super) fn unique(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    const KEY: &str = "uniqueItems";
    match (compiler.document.get(at, KEY), wanted) {
        (Some(Value::Bool(false)), Wanted::Holds) => Ok(vec![Shape::any()]),
        (Some(Value::Bool(false)), Wanted::Fails) => Ok(Vec::new()),
        (Some(Value::Bool(true)), Wanted::Holds) => {
            Ok(shape(wanted, Array { unique: Some(at), ..Array::default() }).into_iter().collect())
        }
        (Some(Value::Bool(true)), Wanted::Fails) => {
            Err(compiler.unsupported(at, KEY, "that two items are equal cannot be demanded"))
        }
        (Some(_) | None, _) => Err(compiler.malformed(at, KEY, "true or false is expected")),
    }
}

pub(super) fn contains(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    if compiler.document.get(at, "contains").is_none() {
        // The counts say nothing without it.
        return Ok(match wanted {
            Wanted::Holds => vec![Shape::any()],
            Wanted::Fails => Vec::new(),
        });
    }
    let item = compiler.below(at, &["contains"], Wanted::Holds);
    let not_item = compiler.below(at, &["contains"], Wanted::Fails);
    let mut count = Range::from(1);
    if compiler.document.draft() >= Draft::Draft2019 {
        if compiler.document.get(at, "minContains").is_some() {
            count.min = compiler.natural(at, "minContains")?;
        }
        if compiler.document.get(at, "maxContains").is_some() {
            count.max = Some(compiler.natural(at, "maxContains")?);
        }
    }
    let with = |count: Range| {
        let contains = vec![Contains { item, not_item, count, from: 0 }];
        (!count.is_empty()).then(|| shape(wanted, Array { contains, ..Array::default() })).flatten()
    };
    Ok(match wanted {
        Wanted::Holds if count == Range::default() => vec![Shape::any()],
        // More than there may be: no array at all.
        Wanted::Holds if count.is_empty() => vec![Shape::of(Kinds::ARRAY.not())],
        Wanted::Holds => with(count).into_iter().collect(),
        Wanted::Fails => {
            let fewer = count.min.checked_sub(1).map(Range::to);
            let more = count.max.map(|max| Range::from(max.saturating_add(1)));
            fewer.into_iter().chain(more).filter_map(with).collect()
        }
    })
}

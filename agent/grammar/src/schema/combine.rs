//! Keywords that combine schemas (JSON Schema Core 8.2.3, 10.2; Validation 6.5.4).

use serde_json::Value;

use super::compiler::{Choices, Compiler, Wanted};
use super::distinct::Distinct;
use super::document::SchemaId;
use super::error::SchemaError;
use super::keywords;
use super::objects::{with, without};
use super::shape::{Kinds, Shape};

type Read = Result<Choices, SchemaError>;

pub(super) fn reference(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    follow(compiler, at, "$ref", wanted)
}

pub(super) fn dynamic_reference(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    follow(compiler, at, "$dynamicRef", wanted)
}

pub(super) fn recursive_reference(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    wanted: Wanted,
) -> Read {
    follow(compiler, at, "$recursiveRef", wanted)
}

fn follow(compiler: &mut Compiler<'_>, at: SchemaId, key: &str, wanted: Wanted) -> Read {
    let text = compiler.text(at, key)?;
    let target = compiler.document.target(at, key, text)?;
    if compiler.is_open(target, wanted) {
        let hint = "the schema refers to itself without an object or array between";
        return Err(compiler.malformed(at, key, hint));
    }
    Ok(compiler.part(target, wanted)?.to_vec())
}

/// Returns the parts of the list `key`.
fn branches(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    key: &str,
) -> Result<Vec<SchemaId>, SchemaError> {
    let count = compiler.list(at, key)?.len();
    if count == 0 {
        return Err(compiler.malformed(at, key, "at least one schema is expected"));
    }
    let places = (0..count).map(|place| place.to_string());
    Ok(places.map(|place| compiler.document.below(at, &[key, &place])).collect())
}

pub(super) fn all_of(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let branches = branches(compiler, at, "allOf")?;
    match wanted {
        Wanted::Holds => every(compiler, at, "allOf", &branches, Wanted::Holds),
        Wanted::Fails => some(compiler, &branches, Wanted::Fails),
    }
}

pub(super) fn any_of(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let branches = branches(compiler, at, "anyOf")?;
    match wanted {
        Wanted::Holds => some(compiler, &branches, Wanted::Holds),
        Wanted::Fails => every(compiler, at, "anyOf", &branches, Wanted::Fails),
    }
}

/// Returns what each of the branches says.
fn every(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    key: &str,
    branches: &[SchemaId],
    wanted: Wanted,
) -> Read {
    let mut all = vec![Shape::any()];
    for branch in branches {
        let found = compiler.part(*branch, wanted)?;
        all = compiler.both(&all, &found).map_err(|error| compiler.exceeded(at, key, error))?;
    }
    Ok(all)
}

/// Returns what one of the branches says.
fn some(compiler: &mut Compiler<'_>, branches: &[SchemaId], wanted: Wanted) -> Read {
    let mut all = Distinct::default();
    for branch in branches {
        let found = compiler.part(*branch, wanted)?;
        found.iter().for_each(|shape| all.add(shape.clone()));
    }
    Ok(all.into_shapes())
}

pub(super) fn one_of(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let branches = branches(compiler, at, "oneOf")?;
    match wanted {
        Wanted::Holds => exactly_one(compiler, at, &branches),
        Wanted::Fails => {
            let mut all = every(compiler, at, "oneOf", &branches, Wanted::Fails)?;
            for (place, first) in branches.iter().enumerate() {
                for second in &branches[place + 1..] {
                    all.extend(every(compiler, at, "oneOf", &[*first, *second], Wanted::Holds)?);
                }
            }
            Ok(all)
        }
    }
}

/// Returns each branch without what the others allow too. Branches that contradict each other, or what stands beside
/// `oneOf`, stay as they are.
fn exactly_one(compiler: &mut Compiler<'_>, at: SchemaId, branches: &[SchemaId]) -> Read {
    let beside = keywords::beside(compiler, at)?;
    let mut overlaps = vec![Vec::new(); branches.len()];
    for (place, first) in branches.iter().enumerate() {
        for (other, second) in branches.iter().enumerate().skip(place + 1) {
            if !contradict(compiler, at, &beside, [*first, *second])? {
                overlaps[place].push(other);
                overlaps[other].push(place);
            }
        }
    }
    let mut all = Distinct::default();
    for (place, branch) in branches.iter().enumerate() {
        let mut own = compiler.part(*branch, Wanted::Holds)?.to_vec();
        for other in &overlaps[place] {
            let others = compiler.part(branches[*other], Wanted::Fails).map_err(|error| {
                if !matches!(error, SchemaError::Unsupported { .. }) {
                    return error;
                }
                let hint = format!("branches {place} and {other} cannot be told apart, as {error}");
                compiler.unsupported(at, "oneOf", hint)
            })?;
            let both = compiler.both(&own, &others);
            own = both.map_err(|error| compiler.exceeded(at, "oneOf", error))?;
            own = compiler.possible(own);
        }
        own.into_iter().for_each(|shape| all.add(shape));
    }
    Ok(all.into_shapes())
}

/// Returns whether no value satisfies both parts and what stands beside them.
fn contradict(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    beside: &[Shape],
    parts: [SchemaId; 2],
) -> Result<bool, SchemaError> {
    let both = every(compiler, at, "oneOf", &parts, Wanted::Holds)?;
    let both = compiler.possible(both);
    if both.is_empty() {
        return Ok(true);
    }
    let all = compiler.both(&both, beside);
    let all = all.map_err(|error| compiler.exceeded(at, "oneOf", error))?;
    Ok(compiler.possible(all).is_empty())
}

pub(super) fn not(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let inner = compiler.document.below(at, &["not"]);
    let opposite = match wanted {
        Wanted::Holds => Wanted::Fails,
        Wanted::Fails => Wanted::Holds,
    };
    Ok(compiler.part(inner, opposite)?.to_vec())
}

pub(super) fn conditional(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let has = |key| compiler.document.get(at, key).is_some();
    let (has_then, has_else) = (has("then"), has("else"));
    if !has("if") || (!has_then && !has_else) {
        return Ok(match wanted {
            Wanted::Holds => vec![Shape::any()],
            Wanted::Fails => Vec::new(),
        });
    }
    let condition = compiler.document.below(at, &["if"]);
    let mut all = Vec::new();
    for (key, is_there, met) in
        [("then", has_then, Wanted::Holds), ("else", has_else, Wanted::Fails)]
    {
        let met = compiler.part(condition, met)?;
        if is_there {
            let branch = compiler.document.below(at, &[key]);
            let branch = compiler.part(branch, wanted)?;
            let both = compiler.both(&met, &branch);
            all.extend(both.map_err(|error| compiler.exceeded(at, key, error))?);
        } else if wanted == Wanted::Holds {
            all.extend(met.iter().cloned());
        }
    }
    Ok(all)
}

/// `dependencies` of drafts 4 to 7: names or a schema for each member.
pub(super) fn dependencies(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    dependent(compiler, at, "dependencies", wanted)
}

pub(super) fn dependent_required(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    wanted: Wanted,
) -> Read {
    dependent(compiler, at, "dependentRequired", wanted)
}

pub(super) fn dependent_schemas(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    dependent(compiler, at, "dependentSchemas", wanted)
}

/// Either the member is missing, or what depends on it holds.
fn dependent(compiler: &mut Compiler<'_>, at: SchemaId, key: &str, wanted: Wanted) -> Read {
    let mut all = match wanted {
        Wanted::Holds => vec![Shape::any()],
        Wanted::Fails => Vec::new(),
    };
    for name in compiler.members(at, key)? {
        let present: Choices = with([name.clone()]).into_iter().collect();
        let part = compiler.document.below(at, &[key, name]);
        let needed = match compiler.document.value(part) {
            Value::Array(names) => {
                let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
                let names =
                    names.ok_or_else(|| compiler.malformed(at, key, "names are expected"))?;
                let names = names.into_iter().map(str::to_owned);
                match wanted {
                    Wanted::Holds => with(names).into_iter().collect(),
                    Wanted::Fails => names.filter_map(without).collect(),
                }
            }
            _ => compiler.part(part, wanted)?.to_vec(),
        };
        let met = compiler.both(&present, &needed);
        let met = met.map_err(|error| compiler.exceeded(at, key, error))?;
        match wanted {
            Wanted::Fails => all.extend(met),
            Wanted::Holds => {
                let mut absent = without(name.clone()).unwrap_or_else(Shape::any);
                absent.kinds = Kinds::ALL;
                let either: Choices = std::iter::once(absent).chain(met).collect();
                let both = compiler.both(&all, &either);
                all = both.map_err(|error| compiler.exceeded(at, key, error))?;
            }
        }
    }
    Ok(all)
}

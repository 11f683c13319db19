//! Keywords on kinds, numbers and strings (JSON Schema Validation 6.1.1, 6.2, 6.3 and 7).

use std::cmp::Ordering;
use std::rc::Rc;

use serde_json::Value;

use super::bounds;
use super::budget::Exceeded;
use super::compiler::{Choices, Compiler, Wanted};
use super::decimal::Decimal;
use super::dfa::Dfa;
use super::document::SchemaId;
use super::error::SchemaError;
use super::formats::{self, Format};
use super::lang::Lang;
use super::number;
use super::options::{Draft, Formats, Unknown};
use super::regex::{PatternError, search};
use super::shape::{Kinds, Range, Shape};

type Read = Result<Choices, SchemaError>;

pub(super) fn kinds(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let names: Vec<&Value> = match compiler.document.get(at, "type") {
        Some(Value::Array(names)) => names.iter().collect(),
        Some(name) => vec![name],
        None => Vec::new(),
    };
    let mut kinds = Kinds::NONE;
    let mut only_integers = false;
    for name in names {
        kinds = kinds.or(match name.as_str() {
            Some("null") => Kinds::NULL,
            Some("boolean") => Kinds::BOOLEAN,
            Some("number") => Kinds::NUMBER,
            Some("string") => Kinds::STRING,
            Some("array") => Kinds::ARRAY,
            Some("object") => Kinds::OBJECT,
            Some("integer") => {
                only_integers = true;
                Kinds::NONE
            }
            Some(_) | None => {
                let hint = format!("{name} is no type; write null, boolean, integer, number, string, array or object");
                return Err(compiler.malformed(at, "type", &hint));
            }
        });
    }
    only_integers &= !kinds.has(Kinds::NUMBER);
    if only_integers {
        kinds = kinds.or(Kinds::NUMBER);
    }
    let mut shape = Shape::of(kinds);
    if only_integers {
        shape.number = Lang::dfa(number::integers().shared(&compiler.budget));
        // To draft 4 no number with a fraction is an integer, and yet `1.0` equals 1.
        shape.is_pointless = compiler.document.draft() == Draft::Draft4;
    }
    if wanted == Wanted::Holds {
        return Ok(shape.settled().into_iter().collect());
    }
    let mut others: Choices = Shape::of(kinds.not()).settled().into_iter().collect();
    if only_integers {
        let mut fractions = Shape::of(Kinds::NUMBER);
        fractions.number = Lang::dfa(fractional(compiler, at)?);
        others.push(fractions);
    }
    Ok(others)
}

/// Returns the numbers that are no integers.
fn fractional(compiler: &Compiler<'_>, at: SchemaId) -> Result<Rc<Dfa>, SchemaError> {
    let found = number::any().minus(&number::integers(), &compiler.budget);
    found
        .map(|dfa| dfa.shared(&compiler.budget))
        .map_err(|error| compiler.exceeded(at, "type", error))
}

pub(super) fn minimum(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let is_exclusive = flag(compiler, at, "exclusiveMinimum");
    bound(
        compiler,
        at,
        "minimum",
        wanted,
        move |order| {
            if is_exclusive { order.is_gt() } else { order.is_ge() }
        },
    )
}

pub(super) fn maximum(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let is_exclusive = flag(compiler, at, "exclusiveMaximum");
    bound(
        compiler,
        at,
        "maximum",
        wanted,
        move |order| {
            if is_exclusive { order.is_lt() } else { order.is_le() }
        },
    )
}

pub(super) fn exclusive_minimum(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    bound(compiler, at, "exclusiveMinimum", wanted, Ordering::is_gt)
}

pub(super) fn exclusive_maximum(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    bound(compiler, at, "exclusiveMaximum", wanted, Ordering::is_lt)
}

/// Reads what makes a bound exclusive in draft 4.
fn flag(compiler: &Compiler<'_>, at: SchemaId, key: &str) -> bool {
    match compiler.document.get(at, key) {
        Some(Value::Bool(flag)) if compiler.document.draft() == Draft::Draft4 => *flag,
        Some(_) | None => false,
    }
}

fn bound(
    compiler: &Compiler<'_>,
    at: SchemaId,
    key: &str,
    wanted: Wanted,
    keep: impl Fn(Ordering) -> bool,
) -> Read {
    let bound = compiler.decimal(at, key)?;
    let holds = wanted == Wanted::Holds;
    let found = bounds::compared(&bound, |order| keep(order) == holds, &compiler.budget);
    found.map(|dfa| numbers(wanted, dfa)).map_err(|error| compiler.exceeded(at, key, error))
}

/// Returns the shape of these numbers, and of all other values where the demand is to hold.
fn numbers(wanted: Wanted, dfa: Dfa) -> Choices {
    let mut shape = match wanted {
        Wanted::Holds => Shape::any(),
        Wanted::Fails => Shape::of(Kinds::NUMBER),
    };
    shape.number = Lang::dfa(Rc::new(dfa));
    shape.settled().into_iter().collect()
}

pub(super) fn multiple_of(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    const KEY: &str = "multipleOf";
    let divisor = compiler.decimal(at, KEY)?;
    if divisor.is_zero() || divisor.negative {
        return Err(compiler.malformed(at, KEY, "a number above 0 is expected"));
    }
    let exceeded = |error: Exceeded| compiler.exceeded(at, KEY, error);
    let multiples = number::multiples(&divisor, &compiler.budget).map_err(exceeded)?;
    let Some(multiples) = multiples else {
        let hint = format!("{divisor} has more than {} remainders", number::MAX_DIVISOR);
        return Err(compiler.unsupported(at, KEY, hint));
    };
    Ok(match wanted {
        Wanted::Holds => numbers(wanted, multiples),
        Wanted::Fails => {
            let others = number::any().minus(&multiples, &compiler.budget);
            numbers(wanted, others.map_err(exceeded)?.minimal(&compiler.budget))
        }
    })
}

pub(super) fn min_length(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let min = compiler.natural(at, "minLength")?;
    Ok(length(wanted, Range::from(min), min.checked_sub(1).map(Range::to)))
}

pub(super) fn max_length(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let max = compiler.natural(at, "maxLength")?;
    Ok(length(wanted, Range::to(max), Some(Range::from(max.saturating_add(1)))))
}

fn length(wanted: Wanted, holds: Range, fails: Option<Range>) -> Choices {
    let (mut shape, length) = match (wanted, fails) {
        (Wanted::Holds, _) => (Shape::any(), holds),
        (Wanted::Fails, Some(fails)) => (Shape::of(Kinds::STRING), fails),
        (Wanted::Fails, None) => return Vec::new(),
    };
    shape.length = length;
    shape.settled().into_iter().collect()
}

pub(super) fn pattern(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let pattern = compiler.text(at, "pattern")?;
    let dfa = automaton(compiler, at, "pattern", pattern)?;
    Ok(strings(wanted, dfa))
}

fn strings(wanted: Wanted, dfa: Dfa) -> Choices {
    let (mut shape, dfa) = match wanted {
        Wanted::Holds => (Shape::any(), dfa),
        Wanted::Fails => (Shape::of(Kinds::STRING), dfa.not()),
    };
    if !dfa.is_all() {
        shape.string = Lang::dfa(Rc::new(dfa));
    }
    shape.settled().into_iter().collect()
}

/// Returns the automaton of a pattern that stands under the keyword `key` of `at`.
pub(super) fn automaton(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    key: &str,
    pattern: &str,
) -> Result<Dfa, SchemaError> {
    if let Some(known) = compiler.automata.get(pattern) {
        return Ok(known.clone());
    }
    let found = search(pattern, &compiler.budget).map_err(|error| match error {
        PatternError::Refused(why) => compiler.unsupported(at, key, format!("`{pattern}`: {why}")),
        PatternError::TooLarge(exceeded) => compiler.exceeded(at, key, exceeded),
    })?;
    compiler.automata.insert(pattern.to_owned(), found.clone());
    Ok(found)
}

pub(super) fn format(compiler: &mut Compiler<'_>, at: SchemaId, wanted: Wanted) -> Read {
    let name = compiler.text(at, "format")?;
    let annotation = match wanted {
        Wanted::Holds => vec![Shape::any()],
        Wanted::Fails => Vec::new(),
    };
    if compiler.options.formats == Formats::Annotate {
        return Ok(annotation);
    }
    match formats::format(name) {
        Format::Pattern(pattern) => {
            let pattern = match wanted {
                Wanted::Holds => Some(pattern),
                Wanted::Fails => formats::widest(name),
            };
            let Some(pattern) = pattern else {
                let hint = format!(
                    "`{name}` is written narrower than its RFC allows, so its opposite is not known"
                );
                return Err(compiler.unsupported(at, "format", hint));
            };
            Ok(strings(wanted, automaton(compiler, at, "format", &pattern)?))
        }
        Format::Range(min, max) => {
            let found = within(compiler, wanted, &min, &max);
            found.map_err(|error| compiler.exceeded(at, "format", error))
        }
        Format::Number => Ok(annotation),
        Format::Refused(why) => Err(compiler.unsupported(at, "format", why)),
        Format::Unknown if compiler.options.unknown == Unknown::Refuse => {
            let hint = format!("`{name}` is no format of JSON Schema; use `pattern`");
            Err(compiler.unsupported(at, "format", hint))
        }
        Format::Unknown => Ok(annotation),
    }
}

/// Returns the shape of the numbers within two bounds, or of those beyond them.
fn within(
    compiler: &Compiler<'_>,
    wanted: Wanted,
    min: &str,
    max: &str,
) -> Result<Choices, Exceeded> {
    let bound = |text| Decimal::parse(text).expect("BUG: a bound of a format is a number");
    let budget = &compiler.budget;
    let low = bounds::compared(&bound(min), Ordering::is_ge, budget)?;
    let both = low.and(&bounds::compared(&bound(max), Ordering::is_le, budget)?, budget)?;
    let numbers_in = match wanted {
        Wanted::Holds => both,
        Wanted::Fails => number::any().minus(&both, budget)?,
    };
    Ok(numbers(wanted, numbers_in.minimal(budget)))
}

//! Random schemas with random instances, against a validator that is slow and obvious:
//! `CHARGEHAND_FUZZ_SECONDS=600 cargo test --release -p chargehand-grammar --test it schema_fuzz -- --nocapture`
//!
//! Names for places (`$id`, `$anchor`, `$dynamicRef`), the formats `uri*`, `iri*` and `relative-json-pointer`, those of
//! wide integers, and `uniqueItems` of anything but a list of constants are not among them.

use std::collections::BTreeSet;

use chargehand_grammar::sample::{Random, Sampler};
use chargehand_grammar::schema::{Options, SchemaError, compile};
use chargehand_grammar::{Constraint, Grammar, Limits};
use serde_json::Value;

use crate::dice::Dice;
use crate::fuzz::for_a_while;
use crate::matcher::{after, vocabulary};
use crate::schema_dice::{guess, mutate, schema};
use crate::schema_format;
use crate::schema_random::orders;
use crate::schema_valid::valid;

/// So many schemas are tried where nobody asks for more.
const ROUNDS: u64 = 1_000;

#[test]
fn any_schema_means_what_it_says() {
    let vocabulary = vocabulary(&[]);
    let (mut told, mut judged, mut held) = (0, 0, 0);
    let rounds = for_a_while(ROUNDS, |seed| {
        let dice = &mut Dice::new(seed);
        let schema = schema(dice);
        let grammar = match compile(&schema, &Options::default()) {
            Ok(grammar) => Some(grammar),
            Err(SchemaError::Unsatisfiable { .. }) => None,
            Err(SchemaError::Malformed { hint, .. }) => panic!("{schema}: {hint}"),
            Err(SchemaError::Unsupported { .. } | SchemaError::TooLarge { .. }) => return,
        };
        let mut constraint = grammar.as_ref().map(|grammar| {
            Constraint::within(grammar, vocabulary.clone(), &Limits::default()).unwrap()
        });
        let mut values: Vec<Value> = (0..6).map(|_| guess(dice, &schema, &schema)).collect();
        let judge = Judge::of(&schema);
        values.extend(samples(dice, &judge, grammar.as_ref()));
        values.extend(values.clone().iter().map(|value| mutate(dice, value)).collect::<Vec<_>>());
        values.retain(|value| judge.knows(value));
        told += u64::from(!values.is_empty());
        for value in &values {
            let accepted = constraint.as_mut().is_some_and(|constraint| accepts(constraint, value));
            let valid = valid(&schema, &schema, value);
            assert_eq!(accepted, valid, "{value} under {schema}");
            (judged, held) = (judged + 1, held + u64::from(valid));
        }
    });
    println!(
        "{rounds} schemas, {told} of them judged by {judged} instances, {held} of those valid"
    );
    // One seed alone need not say anything; of many that did not, the converter would have refused all.
    let shares = told * 2 > rounds && held * 5 > judged && held * 5 < judged * 4;
    assert!(shares || rounds < ROUNDS, "too few to tell anything");
}

/// Returns some values that the grammar says, each of which has to be valid.
fn samples(dice: &mut Dice, judge: &Judge<'_>, grammar: Option<&Grammar>) -> Vec<Value> {
    let vocabulary = vocabulary(&[]);
    let Some(grammar) = grammar else { return Vec::new() };
    let Ok(sampler) = Sampler::new(grammar, &vocabulary) else { return Vec::new() };
    let mut random = Random::new(dice.roll(usize::MAX) as u64);
    let texts = (0..6).filter_map(|_| sampler.text(&mut random, 60).ok());
    let mut values = Vec::new();
    for text in texts.map(|text| String::from_utf8(text).unwrap()) {
        if !is_plain(&text) {
            continue;
        }
        let value: Value = serde_json::from_str(&text).unwrap();
        if judge.knows(&value) {
            let schema = judge.schema;
            assert!(valid(schema, schema, &value), "{text} under {schema}");
            values.push(value);
        }
    }
    values
}

/// Returns whether a grammar accepts a value as we write it, with its members in some order.
fn accepts(constraint: &mut Constraint, value: &Value) -> bool {
    orders(value).iter().any(|value| {
        let end = after(constraint, &value.to_string());
        end.is_some_and(|end| constraint.accepting(end))
    })
}

/// Returns whether a text has no number that a parser rounds, and no name twice.
fn is_plain(text: &str) -> bool {
    let (mut outside, mut is_text, mut is_escaped) = (String::new(), false, false);
    for c in text.chars() {
        match (is_text, c) {
            (true, _) if is_escaped => is_escaped = false,
            (true, '\\') => is_escaped = true,
            (_, '"') => is_text = !is_text,
            (true, _) => {}
            (false, c) => outside.push(c),
        }
    }
    let numbers = outside.split([',', ':', '[', ']', '{', '}']);
    numbers.into_iter().all(is_short)
        && serde_json::from_str(text)
            .is_ok_and(|value: Value| members(&value) == outside.matches(':').count())
}

fn is_short(number: &str) -> bool {
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let part = digits.split_once('.').map_or(0, |(_, part)| part.len());
    let exponent = exponent.parse::<i32>().unwrap_or(99);
    digits.len() < 12 && part < 5 && (-4..9).contains(&exponent) || number.parse::<f64>().is_err()
}

fn members(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Object(named) => named.len() + named.values().map(members).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Which values a schema and its grammar can be compared by.
struct Judge<'s> {
    schema: &'s Value,
    /// Its formats, and whether the opposite of one may be asked for.
    formats: Vec<&'static str>,
    opposite: bool,
}

impl<'s> Judge<'s> {
    fn of(schema: &'s Value) -> Self {
        let text = schema.to_string();
        let opposite = ["\"not\"", "\"oneOf\"", "\"if\""].iter().any(|key| text.contains(key));
        let mut formats = schema_format::NAMES.to_vec();
        formats.retain(|name| text.contains(&format!("\"{name}\"")));
        Self { schema, formats, opposite }
    }

    /// Returns whether a grammar says all of a value: not where it leaves texts out, and not with too many members to
    /// try all their orders.
    fn knows(&self, value: &Value) -> bool {
        let mut texts = BTreeSet::new();
        let most = gather(value, &mut texts);
        let is_left_out = |text: &&str| {
            self.formats.iter().any(|name| schema_format::is_left_out(name, text, self.opposite))
        };
        is_plain(&value.to_string())
            && most <= 5
            && members(value) <= 7
            && !texts.iter().any(is_left_out)
    }
}

/// Gathers all strings and names, and returns the largest number of members of one object.
fn gather<'v>(value: &'v Value, texts: &mut BTreeSet<&'v str>) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => {
            texts.insert(text);
            0
        }
        Value::Array(items) => items.iter().map(|item| gather(item, texts)).max().unwrap_or(0),
        Value::Object(members) => {
            texts.extend(members.keys().map(String::as_str));
            let inside = members.values().map(|value| gather(value, texts)).max();
            inside.unwrap_or(0).max(members.len())
        }
    }
}

//! From a Rust type over `schemars` to a grammar: every value of the type is accepted as `serde_json` writes it, and
//! what is accepted is a value of the type.

use std::collections::BTreeMap;

use chargehand_grammar::schema::{Numbers, Objects, Options, Unknown, compile};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema_match::matches;

/// A call as a tool would declare it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// Where.
    path: String,
    #[schemars(range(min = 1, max = 5_000))]
    line: Option<u32>,
    mode: Mode,
    parts: Vec<Part>,
    limits: BTreeMap<String, u8>,
    pair: (i64, bool),
    size: u64,
    ratio: f64,
    letter: char,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inner: Option<Box<Call>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// As it is.
    ReadOnly,
    Write,
    Other(String),
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Part {
    Text { text: String },
    Lines { first: u16, last: i32 },
    Empty,
}

fn grammar() -> chargehand_grammar::Grammar {
    let schema = schemars::schema_for!(Call).to_value();
    let options = Options {
        objects: Objects::Closed,
        unknown: Unknown::Refuse,
        numbers: Numbers::Digits,
        ..Options::default()
    };
    compile(&schema, &options).unwrap_or_else(|error| panic!("{error}\n{schema:#}"))
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::ReadOnly), Just(Mode::Write), ".{0,3}".prop_map(Mode::Other)]
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        ".{0,5}".prop_map(|text| Part::Text { text }),
        any::<(u16, i32)>().prop_map(|(first, last)| Part::Lines { first, last }),
        Just(Part::Empty),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let leaf = (
        (".{0,8}", prop::option::of(1..5_001_u32), mode(), prop::collection::vec(part(), 0..3)),
        prop::collection::btree_map("[a-c\"é]{0,2}", any::<u8>(), 0..3),
        (any::<(i64, bool)>(), any::<u64>(), any::<i16>(), any::<char>()),
    );
    let leaf = leaf.prop_map(|((path, line, mode, parts), limits, (pair, size, ratio, letter))| {
        let ratio = f64::from(ratio) / 8.0;
        Call { path, line, mode, parts, limits, pair, size, ratio, letter, inner: None }
    });
    leaf.prop_recursive(2, 3, 1, |inner| {
        (inner.clone(), inner)
            .prop_map(|(call, inner)| Call { inner: Some(Box::new(inner)), ..call })
    })
}

proptest! {
    #[test]
    fn every_value_of_a_type_is_accepted(call in call()) {
        let text = serde_json::to_string(&call).unwrap();
        prop_assert!(matches(&grammar(), &text), "{}", text);
    }
}

#[test]
fn what_is_no_value_of_the_type_is_refused() {
    let call = Call {
        path: String::new(),
        line: Some(7),
        mode: Mode::Write,
        parts: vec![Part::Lines { first: 1, last: -2 }],
        limits: BTreeMap::from([("a".to_owned(), 255)]),
        pair: (-1, true),
        size: u64::MAX,
        ratio: 0.5,
        letter: 'x',
        inner: None,
    };
    let text = serde_json::to_string(&call).unwrap();
    let grammar = grammar();
    assert!(matches(&grammar, &text), "{text}\n{grammar}");
    for (from, to) in [
        ("\"path\":\"\"", "\"path\":null"),
        ("\"line\":7", "\"line\":-1"),
        ("\"write\"", "\"Write\""),
        ("\"kind\":\"Lines\"", "\"kind\":\"Text\""),
        ("\"first\":1", "\"first\":65536"),
        ("\"last\":-2", "\"last\":-2147483649"),
        ("255", "256"),
        ("[-1,true]", "[-1,true,true]"),
        ("[-1,true]", "[-9223372036854775809,true]"),
        ("18446744073709551615", "18446744073709551616"),
        ("\"x\"", "\"xy\""),
        ("\"letter\"", "\"more\":1,\"letter\""),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text, "{from} is there");
        assert!(serde_json::from_str::<Call>(&wrong).is_err(), "{wrong} is no call");
        assert!(!matches(&grammar, &wrong), "{wrong}\n{grammar}");
    }
    // What only the schema knows.
    for line in ["0", "5001"] {
        let wrong = text.replacen("7", line, 1);
        assert!(!matches(&grammar, &wrong), "{wrong}\n{grammar}");
    }
}

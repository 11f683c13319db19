//! Random schemas and random instances: the grammar accepts what a tiny validator finds valid.

use chargehand_grammar::schema::{Options, SchemaError, compile};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::schema_match::matches;
use crate::schema_valid::valid;

/// Returns every order of the members of `value`, of the objects inside too.
pub(crate) fn orders(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.iter().fold(vec![json!([])], |heads, item| {
            let tails = orders(item);
            let join = |head: &Value| {
                let head = head.as_array().cloned().unwrap_or_default();
                tails
                    .iter()
                    .map(move |tail| json!([head.clone(), vec![tail.clone()]].concat()))
                    .collect::<Vec<_>>()
            };
            heads.iter().flat_map(join).collect()
        }),
        Value::Object(members) if !members.is_empty() => {
            let mut all = Vec::new();
            for (name, member) in members {
                let mut rest = members.clone();
                rest.shift_remove(name);
                for rest in orders(&Value::Object(rest)) {
                    for member in orders(member) {
                        let mut ordered = Map::from_iter([(name.clone(), member)]);
                        ordered.extend(rest.as_object().cloned().unwrap_or_default());
                        all.push(Value::Object(ordered));
                    }
                }
            }
            all
        }
        other => vec![other.clone()],
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        prop::sample::select(vec![
            json!(-1),
            json!(0),
            json!(1),
            json!(2),
            json!(12),
            json!(2.5),
            json!(-0.25)
        ]),
        "[abé\"]{0,3}".prop_map(|text| json!(text)),
    ]
}

fn instance() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map("[ab]{0,2}", inner, 0..4)
                .prop_map(|members| json!(members)),
        ]
    })
}

/// Returns schemas whose parts may or may not hold, of members and items.
fn evaluating(
    inner: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = Value> {
    let members = prop::collection::btree_map("[ab]{0,2}", inner.clone(), 1..3)
        .prop_map(|named| json!({"properties": named, "required": named.keys().next()}));
    let members = members.prop_map(|mut part| {
        part["required"] = json!([part["required"]]);
        part
    });
    let items = prop::collection::vec(inner.clone(), 1..3)
        .prop_map(|first| json!({"prefixItems": first, "minItems": 1}));
    let contains = inner.prop_map(|item| json!({"contains": item}));
    let part = prop_oneof![members, items, contains].boxed();
    let parts = prop::collection::vec(part.clone(), 1..4);
    prop_oneof![
        (prop::sample::select(vec!["allOf", "anyOf", "oneOf"]), parts).prop_map(|(key, parts)| {
            Value::Object(Map::from_iter([(key.to_owned(), json!(parts))]))
        }),
        (part.clone(), part.clone(), part.clone())
            .prop_map(|(a, b, c)| json!({"if": a, "then": b, "else": c})),
        part.clone().prop_map(|part| json!({"dependentSchemas": {"a": part}})),
        part,
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|flag| json!(flag)),
        prop::sample::select(vec![
            "null", "boolean", "number", "integer", "string", "array", "object"
        ])
        .prop_map(|kind| json!({"type": kind})),
        instance().prop_map(|value| json!({"const": value})),
        prop::collection::vec(instance(), 1..4).prop_map(|values| json!({"enum": values})),
        (-2..3).prop_map(|bound| json!({"type": "number", "minimum": bound})),
        (-2..13).prop_map(|bound| json!({"maximum": f64::from(bound) / 2.0})),
        (-2..3).prop_map(|bound| json!({"exclusiveMinimum": bound})),
        prop::sample::select(vec![json!(2), json!(0.5), json!(3)])
            .prop_map(|by| json!({"multipleOf": by})),
        (0..4).prop_map(|count| json!({"minLength": count})),
        (0..4).prop_map(|count| json!({"maxLength": count})),
        prop::sample::select(vec!["^a", "b$", "é", "^ab"]).prop_map(|p| json!({"pattern": p})),
        (0..3).prop_map(|count| json!({"minItems": count})),
        (0..3).prop_map(|count| json!({"maxItems": count})),
        (0..3).prop_map(|count| json!({"minProperties": count})),
        (0..3).prop_map(|count| json!({"maxProperties": count})),
        prop::collection::vec("[ab]{0,2}", 0..3).prop_map(|names| json!({"required": names})),
        Just(json!({"$ref": "#/$defs/x"})),
    ];
    leaf.prop_recursive(3, 20, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 1..4);
        let named = || prop::collection::btree_map("[ab]{0,2}", inner.clone(), 0..3);
        let patterns = || {
            let pattern = prop::sample::select(vec!["^a".to_owned(), "b$".to_owned()]);
            prop::collection::btree_map(pattern, inner.clone(), 0..2)
        };
        prop_oneof![
            list().prop_map(|list| json!({"allOf": list})),
            list().prop_map(|list| json!({"anyOf": list})),
            list().prop_map(|list| json!({"oneOf": list})),
            inner.clone().prop_map(|inner| json!({"not": inner})),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| json!({"if": a, "then": b, "else": c})),
            (named(), patterns(), inner.clone()).prop_map(|(named, patterns, rest)| {
                json!({"properties": named, "patternProperties": patterns, "additionalProperties": rest})
            }),
            (named(), prop::collection::vec("[ab]{0,2}", 0..2))
                .prop_map(|(named, names)| json!({"type": "object", "properties": named, "required": names})),
            inner.clone().prop_map(|names| json!({"propertyNames": names})),
            (list(), inner.clone()).prop_map(|(first, rest)| json!({"prefixItems": first, "items": rest})),
            inner.clone().prop_map(|item| json!({"type": "array", "items": item})),
            inner.clone().prop_map(|item| json!({"contains": item})),
            (inner.clone(), 0..3, 0..3).prop_map(
                |(item, min, max)| json!({"contains": item, "minContains": min, "maxContains": max})
            ),
            prop::collection::vec(scalar(), 1..4)
                .prop_map(|values| json!({"items": {"enum": values}, "uniqueItems": true})),
            named().prop_map(|parts| json!({"dependentSchemas": parts})),
            prop::collection::btree_map("[ab]{0,2}", prop::collection::vec("[ab]{0,2}", 0..3), 0..2)
                .prop_map(|names| json!({"dependentRequired": names})),
            (evaluating(inner.clone()), named(), inner.clone()).prop_map(|(part, named, rest)| {
                let mut part = part;
                part["properties"] = json!(named);
                part["unevaluatedProperties"] = rest;
                part
            }),
            (evaluating(inner.clone()), inner.clone()).prop_map(|(part, rest)| {
                let mut part = part;
                part["unevaluatedItems"] = rest;
                part
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_grammar_accepts_exactly_what_is_valid(
        schema in schema(),
        x in schema(),
        values in prop::collection::vec(instance(), 6),
    ) {
        let mut schema = match schema {
            Value::Object(keywords) => Value::Object(keywords),
            flag => json!({"allOf": [flag]}),
        };
        // The reference leads to what has none, or the schema would need itself.
        let x = if x.to_string().contains("$ref") { json!({"type": "integer"}) } else { x };
        schema["$defs"] = json!({"x": x});
        let grammar = match compile(&schema, &Options::default()) {
            Ok(grammar) => Some(grammar),
            Err(SchemaError::Unsatisfiable { .. }) => None,
            Err(SchemaError::Malformed { hint, .. }) => panic!("{schema}: {hint}"),
            Err(SchemaError::Unsupported { .. } | SchemaError::TooLarge { .. }) => return Ok(()),
        };
        for value in &values {
            let accepted = grammar.as_ref().is_some_and(|grammar| {
                orders(value).iter().any(|value| matches(grammar, &value.to_string()))
            });
            let valid = valid(&schema, &schema, value);
            prop_assert_eq!(accepted, valid, "{} under {}", value, schema);
        }
    }
}

/// Returns a number of thousandths as one writes it, with more zeros after the point than it needs.
fn plain(thousandths: i64, zeros: usize) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, part) = (thousandths.abs() / 1000, thousandths.abs() % 1000);
    let digits = format!("{part:03}");
    let digits = format!("{}{}", digits.trim_end_matches('0'), "0".repeat(zeros));
    let point = if digits.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{digits}")
}

/// Returns a number of thousandths with an exponent, unless it is zero.
fn scientific(thousandths: i64, zeros: usize) -> Option<String> {
    let digits = thousandths.abs().to_string();
    let exponent = i64::try_from(digits.len()).ok()? - 4;
    let (first, rest) = digits.split_at(1);
    let rest = format!("{}{}", rest.trim_end_matches('0'), "0".repeat(zeros));
    let sign = if thousandths < 0 { "-" } else { "" };
    let point = if rest.is_empty() { "" } else { "." };
    let mark = ["e", "E+", "e0"][zeros % 3];
    let mark = if exponent < 0 { "e" } else { mark };
    (thousandths != 0).then(|| format!("{sign}{first}{point}{rest}{mark}{exponent}"))
}

fn thousandths() -> impl Strategy<Value = i64> {
    prop_oneof![-25_i64..26, -12_000_i64..12_001, (-12_i64..13).prop_map(|whole| whole * 1000)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn numbers_are_compared_exactly(
        (low, high, by) in (thousandths(), thousandths(), 1_i64..600),
        (is_open, is_opposite) in any::<(bool, bool)>(),
        values in prop::collection::vec((thousandths(), 0_usize..3), 12),
    ) {
        let number = |thousandths: i64| serde_json::from_str::<Value>(&plain(thousandths, 0)).unwrap();
        let (min, max) = if is_open { ("exclusiveMinimum", "exclusiveMaximum") } else { ("minimum", "maximum") };
        for schema in [json!({min: number(low), max: number(high)}), json!({"multipleOf": number(by)})] {
            let holds = |value: i64| match schema.get("multipleOf") {
                Some(_) => value % by == 0,
                None if is_open => value > low && value < high,
                None => value >= low && value <= high,
            };
            let inner = if is_opposite { json!({"not": schema}) } else { schema.clone() };
            let grammar = compile(&json!({"type": "number", "allOf": [inner]}), &Options::default());
            for (value, zeros) in values.iter().copied().chain([(low, 0), (high, 1), (by, 2), (-by, 0)]) {
                let text = plain(value, zeros);
                let accepted = grammar.as_ref().is_ok_and(|grammar| matches(grammar, &text));
                prop_assert_eq!(accepted, holds(value) != is_opposite, "{} under {}", text, schema);
                // Multiples have no exponent.
                let with_exponent = scientific(value, zeros).filter(|_| schema.get("multipleOf").is_none());
                if let Some(text) = with_exponent {
                    let accepted = grammar.as_ref().is_ok_and(|grammar| matches(grammar, &text));
                    prop_assert_eq!(accepted, holds(value) != is_opposite, "{} under {}", text, schema);
                }
            }
        }
    }
}

//! JSON Schema to GBNF: what depends on the way to a part of the schema, and members without a place.

use std::collections::BTreeMap;

use chargehand_grammar::schema::{Draft, Options, SchemaError, compile_among};
use serde_json::{Value, json};

use crate::schema::{check, check_with, malformed, refused};
use crate::schema_match::matches;

#[test]
fn what_is_evaluated_depends_on_the_branch() {
    let part = |name: &str| json!({"properties": {name: {"const": 1}}, "required": [name]});
    let a_or_b = json!([part("a"), part("b")]);
    let any = json!({"type": "object", "anyOf": a_or_b, "unevaluatedProperties": false});
    check(
        &any,
        &["{\"a\":1}", "{\"b\":1}", "{\"a\":1,\"b\":1}"],
        &["{}", "{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":1}"],
    );
    let one = json!({"type": "object", "oneOf": a_or_b, "unevaluatedProperties": {"type": "null"}});
    check(
        &one,
        &["{\"a\":1}", "{\"a\":1,\"b\":null}", "{\"b\":1,\"c\":null}"],
        &["{\"a\":1,\"b\":1}", "{\"a\":1,\"c\":1}"],
    );
    let branch = json!({"type": "object", "if": part("a"), "then": part("b"), "else": part("c"), "unevaluatedProperties": false});
    check(
        &branch,
        &["{\"a\":1,\"b\":1}", "{\"c\":1}"],
        &["{\"a\":1}", "{\"b\":1,\"c\":1}", "{\"a\":2,\"c\":1}"],
    );
    let dependent = json!({"type": "object", "properties": {"a": {}}, "dependentSchemas": {"a": part("b")}, "unevaluatedProperties": false});
    check(&dependent, &["{}", "{\"a\":0,\"b\":1}"], &["{\"b\":1}", "{\"a\":0}"]);
    let outside = json!({"type": "object", "allOf": [{"not": {"not": part("a")}}], "unevaluatedProperties": false});
    crate::schema::impossible(&outside);
}

#[test]
fn items_are_evaluated_by_place_and_by_what_they_are() {
    let first = |count: usize| json!({"prefixItems": vec![json!(true); count], "minItems": count});
    let any = json!({"type": "array", "anyOf": [first(1), first(2)], "unevaluatedItems": {"type": "null"}});
    check(&any, &["[1]", "[1,2]", "[1,2,null]", "[1,null]"], &["[]", "[1,2,3]"]);
    let contains =
        json!({"type": "array", "contains": {"const": 1}, "unevaluatedItems": {"const": 2}});
    check(&contains, &["[1]", "[2,1,1,2]"], &["[2]", "[1,3]"]);
    let old = "https://json-schema.org/draft/2019-09/schema";
    let unseen = json!({"$schema": old, "type": "array", "contains": {"const": 1}, "unevaluatedItems": {"const": 2}});
    crate::schema::impossible(&unseen);
}

#[test]
fn the_opposite_of_unevaluated() {
    let closed = json!({"properties": {"a": {}}, "unevaluatedProperties": false});
    check(
        &json!({"type": "object", "not": closed}),
        &["{\"b\":1}", "{\"a\":1,\"b\":1}"],
        &["{}", "{\"a\":1}"],
    );
    let items = json!({"prefixItems": [true], "contains": {"const": 1}, "unevaluatedItems": false});
    check(
        &json!({"type": "array", "not": items}),
        &["[]", "[5]", "[5,1,6]"],
        &["[5,1]", "[1,1,1]"],
    );
}

#[test]
fn a_dynamic_reference_leads_to_what_its_anchor_came_to_mean_first() {
    let list = json!({"$id": "x:list", "type": "array", "items": {"$dynamicRef": "#item"}, "$defs": {"item": {"$dynamicAnchor": "item"}}});
    let numbers = json!({"$id": "x:numbers", "$ref": "x:list", "$defs": {"item": {"$dynamicAnchor": "item", "type": "integer"}}});
    let texts = json!({"$id": "x:texts", "$ref": "x:list", "$defs": {"item": {"$dynamicAnchor": "item", "type": "string"}}});
    let both = json!({
        "type": "object",
        "properties": {"n": {"$ref": "x:numbers"}, "t": {"$ref": "x:texts"}, "a": {"$ref": "x:list"}},
        "additionalProperties": false,
        "$defs": {"list": list, "numbers": numbers, "texts": texts}
    });
    check(
        &both,
        &["{\"n\":[1]}", "{\"t\":[\"a\"]}", "{\"n\":[1],\"t\":[],\"a\":[1,\"a\",null]}"],
        &["{\"n\":[\"a\"]}", "{\"t\":[1]}"],
    );
    let old = "https://json-schema.org/draft/2019-09/schema";
    let tree = json!({"$id": "x:tree", "$recursiveAnchor": true, "type": "object", "properties": {"inner": {"$recursiveRef": "#"}}});
    let strict = json!({"$schema": old, "$id": "x:strict", "$recursiveAnchor": true, "$ref": "x:tree", "unevaluatedProperties": false, "$defs": {"tree": tree}});
    check(&strict, &["{\"inner\":{\"inner\":{}}}"], &["{\"inner\":{\"x\":1}}", "{\"x\":1}"]);
}

#[test]
fn other_documents_are_those_that_are_given() {
    let schema = json!({"$id": "https://example.org/a/main.json", "type": "array", "items": {"$ref": "../b.json#/$defs/small"}});
    let other =
        json!({"$defs": {"small": {"$ref": "#there"}, "x": {"$anchor": "there", "enum": [1, 2]}}});
    let documents = BTreeMap::from([("https://example.org/b.json".to_owned(), other.clone())]);
    let grammar = compile_among(&schema, &documents, &Options::default()).expect("it is found");
    assert!(matches(&grammar, "[1,2]") && !matches(&grammar, "[3]"));
    refused(&schema, "/items/$ref");
    let wrong = BTreeMap::from([(
        "https://example.org/b.json".to_owned(),
        json!({"$defs": {"small": {"type": "any"}}}),
    )]);
    let error = compile_among(&schema, &wrong, &Options::default()).expect_err("it is malformed");
    assert_eq!(error.pointer(), "https://example.org/b.json#/$defs/small/type");
    let options = Options { draft: Draft::Draft7, ..Options::default() };
    let mut newer = other;
    newer["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    let documents = BTreeMap::from([("https://example.org/b.json".to_owned(), newer)]);
    let error = compile_among(&schema, &documents, &options).expect_err("it is another draft");
    assert!(matches!(error, SchemaError::Unsupported { .. }), "{error}");
}

#[test]
fn what_is_only_required_has_no_order() {
    let schema = json!({"type": "object", "properties": {"p": {}}, "required": ["b", "a"], "additionalProperties": {"type": "integer"}});
    check(
        &schema,
        &[
            "{\"a\":1,\"b\":2}",
            "{\"b\":1,\"a\":2}",
            "{\"p\":0,\"x\":1,\"b\":1,\"y\":1,\"a\":2,\"z\":3}",
        ],
        &[
            "{\"a\":1}",
            "{\"a\":1,\"b\":2,\"a\":1}",
            "{\"a\":1,\"b\":\"\"}",
            "{\"b\":1,\"p\":0,\"a\":1}",
            "{}",
        ],
    );
    let counted =
        json!({"type": "object", "required": ["b", "a"], "minProperties": 3, "maxProperties": 4});
    check(
        &counted,
        &["{\"x\":1,\"a\":1,\"b\":2}", "{\"b\":1,\"a\":1,\"x\":2,\"y\":1}"],
        &[
            "{\"a\":1,\"b\":1}",
            "{\"a\":1,\"b\":1,\"x\":1,\"y\":1,\"z\":1}",
            "{\"a\":1,\"x\":1,\"y\":1}",
        ],
    );
    let closed = json!({"type": "object", "required": ["b", "a"], "patternProperties": {"^a$": {"const": 1}, "^b$": {"const": 2}}, "additionalProperties": false});
    check(
        &closed,
        &["{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"],
        &["{\"a\":2,\"b\":2}", "{\"a\":1}"],
    );
    let many: Vec<String> = (0..9).map(|at| format!("m{at}")).collect();
    let text = |names: &mut dyn Iterator<Item = &String>| {
        let members: Vec<String> =
            names.map(|name| format!("{}:1", Value::from(name.as_str()))).collect();
        format!("{{{}}}", members.join(","))
    };
    let schema = json!({"type": "object", "required": many});
    check_with(
        &schema,
        &Options::default(),
        &[&text(&mut many.iter())],
        &[&text(&mut many.iter().rev())],
    );
    malformed(&json!({"required": "a"}), "/required");
}

#[test]
fn the_opposite_knows_branches_that_evaluate_nothing() {
    let branch = json!({"if": {"required": ["x"]}, "then": {"properties": {"a": true}}});
    for key in ["anyOf", "oneOf"] {
        let inner = json!({key: [branch], "unevaluatedProperties": false});
        let schema = json!({"type": "object", "not": inner});
        check(&schema, &["{\"b\":1}", "{\"a\":1}", "{\"x\":1}"], &["{}"]);
    }
    let inner = json!({"dependentSchemas": {"d": branch}, "properties": {"d": true}, "unevaluatedProperties": false});
    check(
        &json!({"type": "object", "not": inner}),
        &["{\"d\":1,\"a\":1}", "{\"b\":1}"],
        &["{}", "{\"d\":1}"],
    );
}

#[test]
fn the_opposite_of_names_is_as_narrow_as_their_format() {
    let schema =
        |format: &str| json!({"type": "object", "not": {"propertyNames": {"format": format}}});
    check(&schema("date"), &["{\"x\":1}"], &["{\"0000-01-01\":1}", "{}"]);
    let pointer = json!({"type": "string", "not": {"format": "relative-json-pointer"}});
    check(&pointer, &["\"x\""], &["\"0+1#\"", "\"1/a\""]);
    refused(&schema("duration"), "/not/propertyNames/format");
}

#[test]
fn what_ecma_262_does_not_know_is_refused() {
    for pattern in ["^(?=a)?b", "^(?!a)*b", "^(?=a)(?!c){0,1}b", "^\\p{sc!=Greek}$"] {
        refused(&json!({"type": "string", "pattern": pattern}), "/pattern");
    }
}

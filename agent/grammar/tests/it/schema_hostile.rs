//! JSON Schema to GBNF under schemas that are written to break it: each ends soon, in a grammar or in an error that
//! names the place. The tests run with the 2 MiB of stack that a thread has.

use chargehand_grammar::schema::{Draft, Objects, Options, SchemaError, Unknown, compile};
use serde_json::{Map, Value, json};

use crate::schema::{check, check_with, malformed, refused};

/// Holds that `schema` is refused as too large at `pointer`.
#[track_caller]
fn too_large(schema: &Value, pointer: &str) {
    let error = compile(schema, &Options::default()).expect_err("it is too large");
    assert!(matches!(error, SchemaError::TooLarge { .. }), "{error}");
    assert_eq!(error.pointer(), pointer, "{error}");
}

fn list(count: usize, item: impl Fn(usize) -> Value) -> Value {
    (0..count).map(item).collect()
}

fn members(count: usize, member: impl Fn(usize) -> (String, Value)) -> Value {
    Value::Object((0..count).map(member).collect::<Map<_, _>>())
}

fn nested(depth: usize, key: &str) -> Value {
    (0..depth).fold(json!({"type": "null"}), |inner, _| {
        Value::Object(Map::from_iter([(key.to_owned(), inner)]))
    })
}

#[test]
fn many_members_that_must_exist_need_no_stack() {
    let other = json!({"propertyNames": {"maxLength": 1}});
    too_large(&json!({"type": "object", "not": other, "maxProperties": 19_000}), "");
    too_large(&json!({"type": "object", "not": other, "minProperties": 19_000}), "");
    let few = json!({"type": "object", "not": other, "maxProperties": 4_000});
    check(&few, &["{\"ab\":1}", "{\"a\":1,\"bc\":2}"], &["{}", "{\"a\":1}"]);
}

#[test]
fn deep_schemas_need_no_stack() {
    too_large(&nested(600, "items"), &"/items".repeat(501));
    too_large(&nested(600, "x-unknown"), &"/x-unknown".repeat(501));
    too_large(&nested(450, "not"), &"/not".repeat(100));
    assert!(compile(&nested(450, "items"), &Options::default()).is_ok());
    let deep = json!({"const": (0..3_000).fold(json!(1), |inner, _| json!([inner]))});
    assert!(compile(&deep, &Options::default()).is_ok());
}

#[test]
fn names_of_rules_that_are_taken_need_no_stack() {
    let inner = |name: &str| json!({"type": "object", "properties": {name: {"type": "null"}}});
    let taken = members(2_000, |at| (format!("a-{}", at + 2), inner("q")));
    let schema = json!({"properties": {"first": {"properties": {"a": inner("x")}}, "taken": {"properties": taken}, "last": {"properties": {"a": inner("y"), "b": {"properties": {"a": inner("z")}}}}}});
    assert!(compile(&schema, &Options::default()).is_ok());
}

#[test]
fn sets_of_names_multiply() {
    let letter = |at: usize| "abcdefghijklmnopqrst"[at..=at].to_owned();
    let patterns = members(20, |at| (letter(at), json!({"minimum": at})));
    too_large(&json!({"patternProperties": patterns}), "");
    let apart = members(60, |at| (format!("^x{at}-"), json!({"minimum": at})));
    assert!(compile(&json!({"patternProperties": apart}), &Options::default()).is_ok());
}

#[test]
fn patterns_multiply() {
    let long = |at: usize| json!({"type": "string", "pattern": "^[a-z]+(-[a-z]+)*$", "maxLength": 6_000 + at});
    let error = compile(
        &json!({"properties": members(60, |at| (format!("p{at}"), long(at)))}),
        &Options::default(),
    );
    assert!(matches!(error, Err(SchemaError::TooLarge { .. })));
    too_large(&json!({"items": {"pattern": "\\p{L}{1,1000}\\p{N}"}}), "/items/pattern");
    too_large(&json!({"pattern": "(\\p{L}|b)*a(\\p{L}|b){12}"}), "/pattern");
    too_large(&json!({"pattern": "(((a{1000}){1000}){1000})"}), "/pattern");
    too_large(&json!({"pattern": "^(a?){2000}a{2000}$"}), "/pattern");
    let pattern =
        |at: usize| json!({"type": "string", "pattern": format!("^[a-z]{{{at},{}}}x", at + 20)});
    too_large(&json!({"oneOf": list(90, pattern)}), "/oneOf");
    check(&json!({"type": "string", "pattern": "^((){1000000}){1000000}$"}), &["\"\""], &["\"a\""]);
}

#[test]
fn objects_multiply() {
    let named = members(1_000, |at| (format!("p{at}"), json!({"type": "integer"})));
    let any = list(1_000, |at| json!({"required": [format!("p{at}")]}));
    too_large(&json!({"type": "object", "properties": named, "anyOf": any}), "");
    let one = list(
        200,
        |at| json!({"type": "object", "properties": {format!("p{at}"): {"type": "integer"}}}),
    );
    too_large(&json!({"oneOf": one}), "/oneOf");
    let both = |at: usize| json!({"anyOf": [{"required": [format!("a{at}")]}, {"required": [format!("b{at}")]}]});
    too_large(&json!({"items": {"type": "object", "allOf": list(20, both)}}), "/items/allOf");
    let words = list(20_000, |at| json!(format!("src/path/{at}/file.rs")));
    too_large(&json!({"type": "string", "not": {"enum": words}}), "/not/enum");
}

#[test]
fn large_schemas_are_not_refused() {
    let words = list(20_000, |at| json!(format!("src/path/{at}/file.rs")));
    check(
        &json!({"enum": words}),
        &["\"src/path/19999/file.rs\""],
        &["\"src/path/20000/file.rs\""],
    );
    let named = members(3_000, |at| (format!("p{at}"), json!({"const": at})));
    let names = list(3_000, |at| json!(format!("p{at}")));
    let all = json!({"type": "object", "properties": named, "required": names});
    assert!(compile(&all, &Options::default()).is_ok());
    for format in ["uri", "email", "hostname", "iri", "ipv6", "date-time"] {
        let named =
            members(40, |at| (format!("p{at}"), json!({"type": "string", "format": format})));
        assert!(compile(&json!({"properties": named}), &Options::default()).is_ok(), "{format}");
    }
    let values = list(900, |at| json!({"a": at, "b": [at]}));
    check(&json!({"enum": values}), &["{\"a\":7,\"b\":[7]}"], &["{\"a\":7,\"b\":[8]}"]);
}

#[test]
fn counts_beyond_64_bits_are_still_counts() {
    check(&json!({"type": "string", "maxLength": 1e30}), &["\"abc\""], &["1"]);
    check(&json!({"type": "array", "maxItems": 2.0}), &["[1,2]"], &["[1,2,3]"]);
    malformed(&json!({"maxLength": 2.5}), "/maxLength");
    malformed(&json!({"maxLength": -1}), "/maxLength");
}

#[test]
fn errors_name_their_place() {
    malformed(
        &json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#"}}}),
        "/$defs/a/$ref",
    );
    refused(&json!({"patternProperties": {"a/(": {}}}), "/patternProperties/a~1(");
    let error = compile(&json!({"patternProperties": {"(": {}}}), &Options::default());
    assert_eq!(error.expect_err("it is no pattern").keyword(), Some("patternProperties"));
    malformed(&json!({"$ref": "#/prefixItems/01", "prefixItems": [{}, {}]}), "/$ref");
}

#[test]
fn names_twice_in_a_list_are_one_name() {
    let schema =
        json!({"type": "object", "dependentRequired": {"x": ["a", "a"]}, "maxProperties": 2});
    check(&schema, &["{\"x\":1,\"a\":1}"], &["{\"x\":1}"]);
}

#[test]
fn identifiers_are_those_of_schemas() {
    let named = json!({"properties": {"default": {"$anchor": "here", "type": "null"}}, "items": {"$ref": "#here"}});
    check(&named, &["[null]", "{\"default\":null}"], &["[1]"]);
    let twice = json!({"$defs": {"a": {"$id": "x:y", "type": "null"}, "b": {"$id": "x:y"}}, "items": {"$ref": "x:y"}});
    malformed(&twice, "/items/$ref");
    let alike = json!({"x-example": {"$id": "x:y"}, "$defs": {"a": {"$id": "x:y", "type": "null"}}, "items": {"$ref": "x:y"}});
    check(&alike, &["[null]"], &["[1]"]);
    let pointers = json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"$id": "#/definitions/a", "type": "null"}, "b": {"$id": "#/definitions/a"}}, "items": {"$ref": "#/definitions/a"}});
    check(&pointers, &["[null]"], &["[1]"]);
    let mixed = json!({"$defs": {"a": {"$id": "x:y", "$schema": "http://json-schema.org/draft-07/schema#"}}});
    refused(&mixed, "/$defs/a/$schema");
    let unknown = json!({"$defs": {"a": {"$id": "x:y", "$schema": "https://example.org/mine"}}});
    refused(&unknown, "/$defs/a/$schema");
    refused(&json!({"$schema": "https://example.org/mine"}), "/$schema");
}

#[test]
fn what_a_draft_does_not_know_is_not_dropped_silently() {
    let old = "http://json-schema.org/draft-04/schema#";
    malformed(&json!({"$schema": old, "exclusiveMinimum": 3}), "/exclusiveMinimum");
    let options = Options { unknown: Unknown::Refuse, draft: Draft::Draft7, ..Options::default() };
    for keyword in ["prefixItems", "minContains", "maxContains", "dependentRequired"] {
        let schema = Value::Object(Map::from_iter([(keyword.to_owned(), json!({}))]));
        let error = compile(&schema, &options).expect_err("it is refused");
        assert_eq!(error.keyword(), Some(keyword), "{error}");
    }
}

#[test]
fn closed_objects_keep_what_is_said() {
    let options = Options { objects: Objects::Closed, ..Options::default() };
    let schema = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": true});
    check_with(&schema, &options, &["{\"a\":1,\"b\":2}"], &["1"]);
    check_with(&json!({"type": "object"}), &options, &["{\"b\":2}"], &["1"]);
    check_with(&json!({"type": "object", "minProperties": 1}), &options, &["{\"b\":2}"], &["{}"]);
}

#[test]
fn what_says_nothing_evaluates_nothing() {
    let draft = "https://json-schema.org/draft/2019-09/schema";
    let ignored = json!({"$schema": draft, "type": "array", "additionalItems": {"type": "number"}, "unevaluatedItems": {"type": "string"}});
    check(&ignored, &["[\"a\"]"], &["[1]", "[\"a\",1]"]);
    let counted = json!({"$schema": draft, "type": "array", "items": [true], "additionalItems": {"type": "number"}, "unevaluatedItems": false});
    check(&counted, &["[\"a\",1]"], &["[\"a\",\"b\"]"]);
    let schema = json!({"type": "object", "properties": {"a": {}, "b": {}}, "not": {"required": ["a", "b"]}, "unevaluatedProperties": false});
    check(&schema, &["{}", "{\"a\":1}"], &["{\"a\":1,\"b\":1}", "{\"c\":1}"]);
}

#[test]
fn a_part_that_is_reached_in_many_ways_is_counted() {
    let both = |at: usize| json!({"allOf": [{"$ref": format!("#/$defs/d{at}")}, {"$ref": format!("#/$defs/d{at}")}]});
    let mut defs = members(40, |at| (format!("d{at}"), both(at + 1)));
    defs["d40"] = json!({"properties": {"a": true}});
    let schema = json!({"$defs": defs, "$ref": "#/$defs/d0", "unevaluatedProperties": false});
    too_large(&schema, "/unevaluatedProperties");
}

#[test]
fn dynamic_scopes_are_found_at_once() {
    let level = |at: usize, way: usize| {
        let next = |way: usize| json!({"$ref": format!("http://x/r{}-{way}", at + 1)});
        let end = json!({"type": "null"});
        let inner = |way: usize| if at == 15 { end.clone() } else { next(way) };
        json!({"$id": format!("http://x/r{at}-{way}"), "$dynamicAnchor": format!("a{at}"), "properties": {"x": inner(0), "y": inner(1)}})
    };
    let defs = members(32, |at| (format!("r{at}"), level(at / 2, at % 2)));
    let schema = json!({"$defs": defs, "properties": {"x": {"$ref": "http://x/r0-0"}, "y": {"$ref": "http://x/r0-1"}}});
    assert!(matches!(compile(&schema, &Options::default()), Err(SchemaError::TooLarge { .. })));
}

#[test]
fn alternatives_do_not_look_through_automata() {
    let names = |letter: &str| json!({"anyOf": list(30, |at| json!({"required": [format!("{letter}{at}")]}))});
    let mut all = vec![json!({"pattern": "^[ab]{19000}$"}), names("a"), names("b")];
    all.extend((0..60).map(|at| json!({"maxProperties": 100 - at})));
    all.push(json!({"anyOf": [{"required": ["p"]}, {"required": ["q"]}]}));
    too_large(&json!({"allOf": all}), "/allOf");
}

#[test]
fn properties_of_unicode_are_counted() {
    too_large(&json!({"pattern": "\\p{L}{49000}"}), "/pattern");
    too_large(&json!({"pattern": "\\p{L}".repeat(100_000)}), "/pattern");
}

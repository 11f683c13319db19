//! JSON Schema to GBNF: keywords on objects and arrays, combinations, references, options and limits.

use chargehand_grammar::schema::{Numbers, Objects, Options, SchemaError, Space, Unknown, compile};
use serde_json::{Value, json};

use crate::schema::{check, check_with, impossible, malformed, refused};

#[test]
fn members_stand_in_declared_order_and_may_be_left_out_in_place() {
    let schema = json!({
        "type": "object",
        "properties": {"b": {"type": "integer"}, "a": {"type": "boolean"}, "c": {"type": "null"}},
        "required": ["a"],
        "additionalProperties": false
    });
    check(
        &schema,
        &[
            "{\"a\":true}",
            "{\"b\":1,\"a\":true}",
            "{\"b\":1,\"a\":true,\"c\":null}",
            "{\"a\":false,\"c\":null}",
        ],
        &[
            "{}",
            "{\"b\":1}",
            "{\"a\":true,\"b\":1}",
            "{\"a\":true,\"d\":1}",
            "{,\"a\":true}",
            "{\"a\":true,}",
        ],
    );
    let optional = json!({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}, "additionalProperties": false});
    check(
        &optional,
        &["{}", "{\"a\":1}", "{\"b\":2}", "{\"a\":1,\"b\":2}"],
        &["{\"a\":1,}", "{\"b\":2,\"a\":1}"],
    );
}

#[test]
fn other_members_have_other_names() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "string"}});
    check(
        &schema,
        &["{}", "{\"a\":1,\"b\":\"x\"}", "{\"aa\":\"\",\"\":\"x\"}"],
        &["{\"a\":\"x\"}", "{\"\\u0061\":\"x\"}", "{\"b\":1}"],
    );
    let schema = json!({"type": "object", "patternProperties": {"^x": {"type": "integer"}, "y$": {"minimum": 5}}, "additionalProperties": false});
    check(
        &schema,
        &["{\"x\":1}", "{\"xy\":5}", "{\"ay\":\"s\"}"],
        &["{\"xy\":4}", "{\"x\":\"s\"}", "{\"z\":1}", "{\"ay\":4}"],
    );
    let schema = json!({"type": "object", "propertyNames": {"pattern": "^[a-z]{2}$"}});
    check(&schema, &["{\"ab\":1}"], &["{\"a\":1}", "{\"abc\":1}"]);
    let schema =
        json!({"type": "object", "required": ["k"], "additionalProperties": {"type": "integer"}});
    check(&schema, &["{\"k\":1}", "{\"k\":1,\"z\":2}"], &["{}", "{\"z\":2}", "{\"k\":\"\"}"]);
}

#[test]
fn members_are_counted() {
    let schema = json!({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "additionalProperties": false, "minProperties": 1, "maxProperties": 2});
    check(&schema, &["{\"a\":1}", "{\"b\":1,\"c\":1}"], &["{}", "{\"a\":1,\"b\":1,\"c\":1}"]);
    let schema =
        json!({"type": "object", "minProperties": 2, "maxProperties": 3, "properties": {"a": {}}});
    check(
        &schema,
        &["{\"a\":1,\"x\":1}", "{\"x\":1,\"y\":1,\"z\":1}"],
        &["{\"a\":1}", "{\"a\":1,\"x\":1,\"y\":1,\"z\":1}"],
    );
    impossible(&json!({"type": "object", "required": ["a", "b"], "maxProperties": 1}));
}

#[test]
fn members_depend_on_others() {
    let schema = json!({"type": "object", "properties": {"a": {}, "b": {}}, "additionalProperties": false, "dependentRequired": {"b": ["a"]}});
    check(&schema, &["{}", "{\"a\":1}", "{\"a\":1,\"b\":1}"], &["{\"b\":1}"]);
    let schema = json!({"type": "object", "properties": {"a": {}, "b": {}}, "dependentSchemas": {"a": {"properties": {"b": {"type": "null"}}}}});
    check(&schema, &["{\"b\":1}", "{\"a\":1,\"b\":null}"], &["{\"a\":1,\"b\":1}"]);
    let schema = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "dependencies": {"x": ["y"]}});
    check(&schema, &["{\"x\":1,\"y\":2}", "{\"y\":2}"], &["{\"x\":1}"]);
}

#[test]
fn items() {
    check(
        &json!({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3}),
        &["[1]", "[1,2,3]"],
        &["[]", "[1,2,3,4]", "[\"a\"]"],
    );
    let schema =
        json!({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false});
    check(&schema, &["[]", "[1]", "[1,2]"], &["[2]", "[1,2,3]"]);
    let schema = json!({"type": "array", "prefixItems": [{"const": 1}], "items": {"type": "null"}, "minItems": 2});
    check(&schema, &["[1,null]", "[1,null,null]"], &["[1]", "[1,1]"]);
    let schema = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": [{"const": 1}], "additionalItems": {"const": 2}});
    check(&schema, &["[]", "[1]", "[1,2,2]"], &["[2]", "[1,1]"]);
    check(&json!({"type": "array", "maxItems": 0}), &["[]"], &["[1]"]);
    impossible(&json!({"type": "array", "items": false, "minItems": 1}));
}

#[test]
fn contains_counts_items() {
    let schema = json!({"type": "array", "contains": {"const": 1}});
    check(&schema, &["[1]", "[2,1,3]"], &["[]", "[2]"]);
    let schema = json!({"type": "array", "contains": {"const": 1}, "minContains": 2, "maxContains": 3, "items": {"type": "integer"}});
    check(&schema, &["[1,1]", "[2,1,1,3,1]"], &["[1]", "[1,1,1,1]", "[1,1,null]"]);
    check(
        &json!({"type": "array", "not": {"items": {"type": "integer"}}}),
        &["[\"a\"]", "[1,\"a\"]"],
        &["[]", "[1]"],
    );
}

#[test]
fn unique_items_of_few_values() {
    let schema = json!({"type": "array", "items": {"enum": ["a", "b", 3]}, "uniqueItems": true, "minItems": 1});
    check(&schema, &["[\"a\"]", "[3,\"a\",\"b\"]"], &["[]", "[\"a\",\"a\"]", "[3,\"b\",3]"]);
    refused(&json!({"items": {"type": "array", "uniqueItems": true}}), "/items/uniqueItems");
    check(
        &json!({"type": "array", "uniqueItems": true, "maxItems": 1}),
        &["[]", "[{}]"],
        &["[1,2]"],
    );
}

#[test]
fn schemas_are_combined() {
    check(
        &json!({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]}),
        &["1", "\"a\""],
        &["\"ab\"", "1.5"],
    );
    check(
        &json!({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}, {"not": {"const": 4}}]}),
        &["3", "5"],
        &["4", "2", "6"],
    );
    check(
        &json!({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]}),
        &["1", "2.5"],
        &["2", "3", "1.5"],
    );
    let schema = json!({"oneOf": [
        {"properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
        {"properties": {"kind": {"const": "b"}, "y": {"type": "string"}}, "required": ["kind"]}
    ], "type": "object"});
    check(
        &schema,
        &["{\"kind\":\"a\",\"x\":1}", "{\"kind\":\"b\"}"],
        &["{\"kind\":\"a\"}", "{\"kind\":\"c\"}", "{\"kind\":\"b\",\"y\":1}"],
    );
    let schema = json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    check(&schema, &["{\"a\":1}", "{\"b\":1}"], &["{}", "{\"a\":1,\"b\":1}"]);
    check(
        &json!({"type": "string", "not": {"pattern": "^a"}}),
        &["\"b\"", "\"\""],
        &["\"a\"", "\"ab\"", "1"],
    );
    let schema =
        json!({"if": {"type": "integer"}, "then": {"minimum": 5}, "else": {"type": "string"}});
    check(&schema, &["5", "\"a\""], &["4", "null", "1.5"]);
    malformed(&json!({"anyOf": []}), "/anyOf");
}

#[test]
fn objects_that_have_a_member_of_another_name() {
    let schema = json!({"type": "object", "properties": {"a": {}}, "not": {"additionalProperties": false, "properties": {"a": {}}}});
    check(&schema, &["{\"b\":1}", "{\"a\":1,\"b\":1}", "{\"b\":1,\"c\":1}"], &["{}", "{\"a\":1}"]);
    let schema =
        json!({"type": "object", "not": {"propertyNames": {"maxLength": 1}}, "maxProperties": 2});
    check(
        &schema,
        &["{\"bb\":1}", "{\"a\":1,\"bb\":1}", "{\"bb\":1,\"a\":1}"],
        &["{}", "{\"a\":1}", "{\"a\":1,\"b\":1,\"cc\":1}"],
    );
}

#[test]
fn references() {
    let list = json!({
        "$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}}, "required": ["v"], "additionalProperties": false}},
        "$ref": "#/$defs/node"
    });
    check(
        &list,
        &["{\"v\":1}", "{\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":3}}}"],
        &["{\"next\":{\"v\":1}}", "{\"v\":1,\"next\":{}}"],
    );
    check(
        &json!({"$defs": {"a/b~c%": {"const": 1}}, "$ref": "#/$defs/a~1b~0c%25"}),
        &["1"],
        &["2"],
    );
    check(
        &json!({"$defs": {"x": {"$anchor": "here", "const": 1}}, "$ref": "#here"}),
        &["1"],
        &["2"],
    );
    let ids = json!({"$id": "http://example.org/a/b.json", "$defs": {"x": {"$id": "c.json", "$defs": {"y": {"const": 1}}}}, "$ref": "http://example.org/a/c.json#/$defs/y"});
    check(&ids, &["1"], &["2"]);
    check(
        &json!({"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {"type": "integer"}}}),
        &["3"],
        &["4", "1.5"],
    );
    let old = json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "maximum": 3, "definitions": {"a": {"type": "integer"}}});
    check(&old, &["4"], &["1.5"]);
    refused(&json!({"items": {"$ref": "other.json#/x"}}), "/items/$ref");
    malformed(&json!({"properties": {"a": {"$ref": "#/nowhere"}}}), "/properties/a/$ref");
    malformed(&json!({"$ref": "#"}), "/$ref");
    impossible(&json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}));
}

#[test]
fn draft_4_has_flags_for_bounds() {
    let schema = json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer", "minimum": 3, "exclusiveMinimum": true});
    check(&schema, &["4"], &["3"]);
}

#[test]
fn to_draft_4_a_number_with_a_point_is_no_integer() {
    let options = Options { numbers: Numbers::Fractions, ..Options::default() };
    let check = |schema: Value, valid: &[&str], invalid: &[&str]| {
        check_with(&schema, &options, valid, invalid);
    };
    let old = |mut schema: Value| {
        schema["$schema"] = "http://json-schema.org/draft-04/schema#".into();
        schema
    };
    check(old(json!({"type": "integer"})), &["1"], &["1.0"]);
    check(old(json!({"type": "integer", "minimum": 3})), &["3"], &["3.0"]);
    check(old(json!({"type": "integer", "enum": [1, 2.5]})), &["1"], &["1.0", "2.5"]);
    check(old(json!({"type": ["integer", "number"]})), &["1.0"], &[]);
    // It equals one all the same, and is a multiple of it.
    check(old(json!({"enum": [1, 2.5]})), &["1", "1.0", "2.5"], &["1.5"]);
    check(old(json!({"multipleOf": 1})), &["1", "1.0"], &["1.5"]);
    check(json!({"type": "integer", "enum": [1]}), &["1", "1.0"], &["2"]);
}

#[test]
fn unevaluated_members_and_items() {
    let schema = json!({"type": "object", "allOf": [{"properties": {"a": {"type": "integer"}}}], "properties": {"b": {}}, "unevaluatedProperties": false});
    check(&schema, &["{}", "{\"b\":1,\"a\":1}"], &["{\"c\":1}", "{\"a\":\"x\"}"]);
    check(
        &json!({"type": "array", "prefixItems": [true], "unevaluatedItems": {"const": 0}}),
        &["[5,0,0]"],
        &["[5,1]"],
    );
}

#[test]
fn unknown_keywords_pass_or_are_refused() {
    let schema = json!({"type": "integer", "title": "t", "x-note": 1});
    check(&schema, &["1"], &["1.5"]);
    let options = Options { unknown: Unknown::Refuse, ..Options::default() };
    let error = compile(&schema, &options).expect_err("it is refused");
    assert_eq!((error.pointer(), error.keyword()), ("/x-note", Some("x-note")));
}

#[test]
fn objects_may_be_closed_where_nothing_is_said() {
    let options = Options { objects: Objects::Closed, ..Options::default() };
    let schema = json!({"type": "object", "properties": {"a": {"type": "object"}, "b": {"additionalProperties": {"type": "null"}, "type": "object"}}});
    check_with(
        &schema,
        &options,
        &["{}", "{\"a\":{}}", "{\"b\":{\"x\":null}}"],
        &["{\"c\":1}", "{\"b\":{\"x\":1}}"],
    );
    let schema =
        json!({"type": "object", "allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]});
    check_with(&schema, &options, &["{\"a\":1,\"b\":1}"], &["{\"a\":1,\"c\":1}"]);
}

#[test]
fn white_space_is_a_choice() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"const": 1}}}, "required": ["a"]});
    let spaced = Options { space: Space::Spaced, ..Options::default() };
    check_with(
        &schema,
        &spaced,
        &["{\"a\": [1, 1], \"b\": 2}"],
        &["{\"a\":[1, 1]}", "{\"a\": [1,1]}"],
    );
    let free = Options { space: Space::Free, ..Options::default() };
    check_with(
        &schema,
        &free,
        &["{\"a\":[1,1]}", "{\n  \"a\" : [ 1 ,1 ]\t}", "{ \"a\":[]}"],
        &["{\"a\":[1 1]}"],
    );
}

#[test]
fn nothing_hangs() {
    let deep =
        (0..200).fold(json!({"type": "null"}), |inner, _| json!({"items": inner, "type": "array"}));
    assert!(compile(&deep, &Options::default()).is_ok());
    let chain =
        (0..300).map(|at| (format!("d{at}"), json!({"$ref": format!("#/$defs/d{}", at + 1)})));
    let chain = json!({"$defs": Value::Object(chain.collect()), "$ref": "#/$defs/d0"});
    assert!(matches!(compile(&chain, &Options::default()), Err(SchemaError::TooLarge { .. })));
    let one = |at: usize| json!({"anyOf": [{"required": [format!("a{at}")]}, {"required": [format!("b{at}")]}]});
    let many = json!({"type": "object", "allOf": (0..20).map(one).collect::<Vec<_>>()});
    assert!(matches!(compile(&many, &Options::default()), Err(SchemaError::TooLarge { .. })));
    let wide = json!({"type": "string", "pattern": "(a|b)*a(a|b){40}"});
    assert!(matches!(compile(&wide, &Options::default()), Err(SchemaError::TooLarge { .. })));
}

//! JSON Schema to GBNF: for each keyword on scalars what the grammar accepts and what it does not, and what is
//! refused where.

use chargehand_grammar::Grammar;
use chargehand_grammar::schema::{Formats, Numbers, Options, SchemaError, compile};
use serde_json::{Value, json};

use crate::schema_match::matches;

/// Holds that the grammar of `schema` accepts all of `valid` and none of `invalid`.
#[track_caller]
pub(crate) fn check(schema: &Value, valid: &[&str], invalid: &[&str]) {
    let options = Options { numbers: Numbers::Digits, ..Options::default() };
    check_with(schema, &options, valid, invalid);
}

#[track_caller]
pub(crate) fn check_with(schema: &Value, options: &Options, valid: &[&str], invalid: &[&str]) {
    let grammar = compile(schema, options).unwrap_or_else(|error| panic!("{error}"));
    let text = grammar.to_string();
    assert!(Grammar::parse(&text).is_ok(), "{:?}\n{text}", Grammar::parse(&text));
    for text in valid {
        assert!(matches(&grammar, text), "{text} is valid\n{grammar}");
    }
    for text in invalid {
        assert!(!matches(&grammar, text), "{text} is invalid\n{grammar}");
    }
}

/// Holds that `schema` is refused at `pointer`.
#[track_caller]
pub(crate) fn refused(schema: &Value, pointer: &str) {
    let error = compile(schema, &Options::default()).expect_err("it is refused");
    assert!(matches!(error, SchemaError::Unsupported { .. }), "{error}");
    assert_eq!(error.pointer(), pointer, "{error}");
}

#[track_caller]
pub(crate) fn malformed(schema: &Value, pointer: &str) {
    let error = compile(schema, &Options::default()).expect_err("it is malformed");
    assert!(matches!(error, SchemaError::Malformed { .. }), "{error}");
    assert_eq!(error.pointer(), pointer, "{error}");
}

#[track_caller]
pub(crate) fn impossible(schema: &Value) {
    let error = compile(schema, &Options::default()).expect_err("nothing satisfies it");
    assert!(matches!(error, SchemaError::Unsatisfiable { .. }), "{error}");
}

#[test]
fn true_and_false() {
    check(
        &json!(true),
        &["1", "null", "{\"a\":[1,{}]}", "\"\\u00e9\"", "-0.5e+3"],
        &["", "01", "{a:1}", "[1,]"],
    );
    impossible(&json!(false));
    impossible(&json!({"not": {}}));
}

#[test]
fn strings_are_those_of_rfc_8259() {
    check(
        &json!({"type": "string"}),
        &["\"\"", "\"é\"", "\"\\ud83d\\ude00\"", "\"\\/\"", "\"\\u0000\"", "\"\u{7f}\""],
        &[
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a",
            "a",
        ],
    );
}

#[test]
fn kinds() {
    check(&json!({"type": "null"}), &["null"], &["0", "\"\""]);
    check(&json!({"type": "boolean"}), &["true", "false"], &["null", "1"]);
    check(&json!({"type": "integer"}), &["0", "-7", "120"], &["1.0", "1.5", "01", "-0", "1e2"]);
    check(&json!({"type": "number"}), &["0", "-0.5", "1e9", "1.50E-7"], &[".5", "1.", "+1", "00"]);
    check(&json!({"type": ["integer", "null"]}), &["1", "null"], &["1.5", "true"]);
    check(&json!({"type": "array"}), &["[]", "[1,\"a\"]"], &["{}", "[1"]);
    malformed(&json!({"type": "any"}), "/type");
    malformed(&json!({"properties": {"a": {"type": 3}}}), "/properties/a/type");
}

#[test]
fn const_and_enum_hold_any_value() {
    check(&json!({"const": "a\"\n"}), &["\"a\\\"\\n\""], &["\"a\"", "\"a\\\"\""]);
    check(
        &json!({"const": {"b": [1, null], "a": {}}}),
        &["{\"b\":[1,null],\"a\":{}}", "{\"a\":{},\"b\":[1,null]}"],
        &["{}", "{\"b\":[1],\"a\":{}}", "{\"a\":{}}", "{\"a\":{},\"b\":[1,null],\"c\":1}"],
    );
    check(
        &json!({"enum": ["src/a", "src/b", "s", 1, 1.5, true, null, [2]]}),
        &["\"src/a\"", "\"src/b\"", "\"s\"", "1", "1.5", "true", "null", "[2]"],
        &["\"src/\"", "\"src/c\"", "2", "false", "[3]", "[]"],
    );
    check(&json!({"enum": [1, 2, 3], "minimum": 2}), &["2", "3"], &["1", "4"]);
    check(
        &json!({"enum": ["a", "bb", "ccc"], "minLength": 2, "pattern": "b|c$"}),
        &["\"bb\"", "\"ccc\""],
        &["\"a\""],
    );
}

#[test]
fn an_enum_of_strings_is_a_tree_of_prefixes() {
    let grammar = compile(&json!({"enum": ["src/a.rs", "src/b.rs"]}), &Options::default());
    let text = grammar.map(|grammar| grammar.to_string()).unwrap_or_default();
    assert!(text.starts_with("root ::= \"\\\"src/\" (\"a.rs\\\"\" | \"b.rs\\\"\")"), "{text}");
}

#[test]
fn bounds_of_integers() {
    let schema = json!({"type": "integer", "minimum": -12, "maximum": 305});
    check(
        &schema,
        &["-12", "-9", "0", "99", "300", "305"],
        &["-13", "-20", "306", "310", "1000", "-0", "1.0"],
    );
    let schema = json!({"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 8});
    check(&schema, &["6", "7"], &["5", "8", "60", "6.5"]);
    check(&json!({"type": "integer", "minimum": 1.5}), &["2", "10"], &["1", "-2"]);
    check(
        &json!({"type": "integer", "multipleOf": 7}),
        &["0", "7", "-14", "701645"],
        &["1", "701646"],
    );
    let big = json!({"type": "integer", "minimum": 9_223_372_036_854_775_807_u64});
    check(&big, &["9223372036854775807", "9223372036854775808"], &["9223372036854775806", "1"]);
    impossible(&json!({"type": "integer", "minimum": 3, "maximum": 2}));
    malformed(&json!({"minimum": "3"}), "/minimum");
}

#[test]
fn bounds_of_numbers() {
    let schema = json!({"type": "number", "minimum": 0.5, "exclusiveMaximum": 10});
    check(
        &schema,
        &["0.5", "0.50", "0.51", "9.999", "1", "5e-1", "5.1E-01", "9.9e+0"],
        &["0.49", "10", "10.0", "10.01", "-1", "0", "4.9e-1", "1e1", "1e-6", "-1e0", "50e-2"],
    );
    let schema = json!({"type": "number", "exclusiveMinimum": -1, "maximum": -0.25});
    check(&schema, &["-0.25", "-0.9", "-0.999"], &["-1", "-1.0", "-0.2", "0", "-0.0", "-2"]);
    check(&json!({"type": "number", "maximum": 0}), &["0", "-0", "-0.0", "-3"], &["0.1", "1"]);
    check(
        &json!({"type": "number", "multipleOf": 0.01}),
        &["0", "1.25", "3.10", "-7"],
        &["1.255", "0.001"],
    );
    refused(&json!({"multipleOf": 123_457}), "/multipleOf");
    malformed(&json!({"multipleOf": 0}), "/multipleOf");
}

#[test]
fn integers_may_have_a_fraction_of_zeros_unless_one_forbids_it() {
    let options = Options::default();
    check_with(
        &json!({"type": "integer", "maximum": 9}),
        &options,
        &["1", "1.0", "-3.00"],
        &["1.5", "9.01", "10.0"],
    );
    check_with(&json!({"const": 4}), &options, &["4", "4.0"], &["4.1", "40"]);
}

#[test]
fn lengths_count_code_points() {
    check(
        &json!({"type": "string", "minLength": 2, "maxLength": 3}),
        &["\"ab\"", "\"é😀x\"", "\"\\n\\u00e9\"", "\"\\ud83d\\ude00a\""],
        &["\"a\"", "\"\\ud83d\\ude00\"", "\"abcd\""],
    );
    check(&json!({"type": "string", "maxLength": 0}), &["\"\""], &["\"a\""]);
    impossible(&json!({"type": "string", "minLength": 2, "maxLength": 1}));
}

#[test]
fn counts_above_what_llama_cpp_repeats() {
    let text = |count: usize| format!("\"{}\"", "x".repeat(count));
    let schema = json!({"type": "string", "minLength": 2500, "maxLength": 4100});
    check(
        &schema,
        &[&text(2500), &text(3000), &text(4100)],
        &[&text(2499), &text(4101), &text(2000)],
    );
    let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    let schema = json!({"items": {"const": 1}, "type": "array", "maxItems": 2600, "minItems": 1});
    check(&schema, &[&list(1), &list(2001), &list(2600)], &["[]", &list(2601)]);
}

#[test]
fn patterns_are_searched_for() {
    check(&json!({"type": "string", "pattern": "b+"}), &["\"abbc\"", "\"b\""], &["\"ac\"", "\"\""]);
    check(
        &json!({"type": "string", "pattern": "^a|z$"}),
        &["\"ab\"", "\"xz\""],
        &["\"ba\"", "\"zx\""],
    );
    check(
        &json!({"type": "string", "pattern": "^\\d{3}-[^\"]\\w?$"}),
        &["\"123-x\"", "\"123-\\\\_\""],
        &["\"123-\\\"\"", "\"123-xé\"", "\"12-x\""],
    );
    check(
        &json!({"type": "string", "pattern": "^.$"}),
        &["\"é\"", "\"\\t\""],
        &["\"\\n\"", "\"\\u2028\"", "\"ab\""],
    );
    check(
        &json!({"type": "string", "pattern": "^[\\/a-c\\-[]+$"}),
        &["\"/a-[\""],
        &["\"d\"", "\"]\""],
    );
    check(
        &json!({"type": "string", "pattern": "^(?!no)(?=.*!)[a-z]+!$"}),
        &["\"yes!\""],
        &["\"no!\"", "\"yes\""],
    );
    check(
        &json!({"type": "string", "pattern": "^x{2,3}{$"}),
        &["\"xx{\""],
        &["\"x{\"", "\"xxxx{\""],
    );
    check(
        &json!({"type": "string", "pattern": "^[a-z]+$", "maxLength": 3}),
        &["\"abc\""],
        &["\"abcd\"", "\"\""],
    );
    refused(&json!({"pattern": "(a)\\1"}), "/pattern");
    refused(&json!({"pattern": "\\bword"}), "/pattern");
    refused(&json!({"properties": {"a/b": {"pattern": "a(?<!b)"}}}), "/properties/a~1b/pattern");
}

#[test]
fn formats_are_enforced_or_refused() {
    let format = |name: &str| json!({"type": "string", "format": name});
    check(
        &format("date"),
        &["\"2024-02-29\"", "\"1999-12-31\""],
        &["\"2023-02-29\"", "\"1900-02-29\"", "\"2024-04-31\"", "\"2024-13-01\""],
    );
    check(
        &format("time"),
        &["\"23:59:59Z\"", "\"00:00:00.5+01:30\"", "\"23:59:60Z\""],
        &["\"24:00:00Z\"", "\"12:00:60Z\"", "\"12:00:00\""],
    );
    check(
        &format("date-time"),
        &["\"2024-02-29T12:00:00Z\""],
        &["\"2024-02-29 12:00:00Z\"", "\"2024-02-30T12:00:00Z\""],
    );
    check(
        &format("duration"),
        &["\"P1Y2M3DT4H\"", "\"PT36H\"", "\"P4W\""],
        &["\"P\"", "\"PT\"", "\"P1Y1W\"", "\"1D\""],
    );
    check(
        &format("email"),
        &["\"a.b+c@example.org\"", "\"x@[127.0.0.1]\""],
        &["\"a@\"", "\".a@b.c\"", "\"a b@c.d\"", "\"a@-b.c\""],
    );
    check(
        &format("uuid"),
        &["\"2EB8AA08-aa98-11ea-b4aa-73b441d16380\""],
        &["\"2eb8aa08aa9811eab4aa73b441d16380\""],
    );
    check(&format("ipv4"), &["\"192.168.0.255\""], &["\"256.1.1.1\"", "\"1.1.1\"", "\"01.1.1.1\""]);
    check(
        &format("ipv6"),
        &["\"::1\"", "\"2001:db8::ff00:42:8329\"", "\"::ffff:1.2.3.4\""],
        &["\"1::2::3\"", "\":::\"", "\"12345::\""],
    );
    check(
        &format("uri"),
        &["\"https://a.b/c?d=e#f\"", "\"urn:x:y\""],
        &["\"/relative\"", "\"http://a b\"", "\"//x\""],
    );
    check(
        &format("uri-reference"),
        &["\"/relative\"", "\"\"", "\"a/b#c\""],
        &["\"a b\"", "\"\\\\x\""],
    );
    check(
        &format("hostname"),
        &["\"example.org\"", "\"a\""],
        &["\"-a\"", "\"a..b\"", "\"a_b\"", "\"xn--x\"", "\"a.xn--x\""],
    );
    check(&format("json-pointer"), &["\"\"", "\"/a~0/b\""], &["\"a\"", "\"/~2\""]);
    refused(&format("regex"), "/format");
    refused(&format("idn-hostname"), "/format");
    check(&format("house-number"), &["\"anything\""], &["1"]);
    let options = Options { formats: Formats::Annotate, ..Options::default() };
    check_with(&format("regex"), &options, &["\"(\""], &["1"]);
}

#[test]
fn keywords_of_a_later_draft_say_nothing_in_an_older_one() {
    let uri = |name: &str| format!("http://json-schema.org/{name}/schema#");
    let condition = |draft: &str| json!({"$schema": uri(draft), "if": true, "then": false});
    check(&condition("draft-06"), &["1"], &[]);
    impossible(&condition("draft-07"));
    let first = |draft: &str| json!({"$schema": uri(draft), "prefixItems": [{"type": "string"}]});
    check(&first("draft/2019-09"), &["[1]"], &[]);
    check(&first("draft/2020-12"), &["[\"a\"]"], &["[1]"]);
    let counted =
        |draft: &str| json!({"$schema": uri(draft), "contains": {"const": 1}, "minContains": 2});
    check(&counted("draft-07"), &["[1]"], &["[]"]);
    check(&counted("draft/2019-09"), &["[1,1]"], &["[1]"]);
}

//! `chargehand grammar` without a model: from a file, from stdin, as JSON, and with what is no grammar.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::place::{Outcome, Place};

pub(crate) const ANSWER: &str =
    "root ::= \"yes\" | \"no\" reason?\nreason ::= \", because \" [a-zé]+\n";
const CALL: &str = r#"{"type": "object", "properties": {
    "tool": {"enum": ["read_file", "list_dir"]}, "line": {"type": "integer", "minimum": 1}},
    "required": ["tool"], "additionalProperties": false}"#;

/// Runs `chargehand grammar` with `stdin`.
pub(crate) fn fed(place: &Place, args: &[&str], stdin: &[u8]) -> Outcome {
    let mut command = place.command([&["grammar"], args].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses its flags reads nothing.
    drop(child.stdin.take().unwrap().write_all(stdin));
    child.wait_with_output().unwrap().into()
}

/// Writes a file and returns its path.
pub(crate) fn file(place: &Place, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = place.root().join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn refused(args: &[&str], stdin: &str, code: i32, says: &str) {
    let outcome = fed(&Place::bare(), args, stdin.as_bytes()).expect(code).says(says);
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
}

#[test]
fn a_schema_becomes_a_grammar_from_a_file_and_from_stdin() {
    let place = Place::bare();
    let schema = file(&place, "call.json", CALL);
    let plain = fed(&place, &["from-schema", &schema], b"").expect(0).shows("root ::= ");
    assert_eq!(fed(&place, &["from-schema"], CALL.as_bytes()).expect(0).stdout, plain.stdout);
    assert_eq!(fed(&place, &["from-schema", "-"], CALL.as_bytes()).expect(0).stdout, plain.stdout);
    let as_json = fed(&place, &["from-schema", &schema, "--json"], b"").expect(0).lines();
    assert_eq!(
        (&as_json[0]["type"], &as_json[0]["gbnf"]),
        (&json!("grammar"), &json!(plain.stdout))
    );
    let rules = plain.stdout.lines().count();
    assert_eq!(as_json[0]["rules"], rules);
    fed(&place, &["match", "-", r#"{"tool":"read_file","line":7}"#], plain.stdout.as_bytes())
        .expect(0)
        .shows("matched");
}

#[test]
fn a_schema_is_read_as_the_flags_say() {
    let place = Place::bare();
    let check = |schema: &str, flag: &[&str], text: &str, fits_without: bool| {
        for (flags, fits) in [(&[][..], fits_without), (flag, !fits_without)] {
            let args = [&["from-schema"], flags].concat();
            let gbnf = fed(&place, &args, schema.as_bytes()).expect(0).stdout;
            let code = if fits { 0 } else { 1 };
            fed(&place, &["match", "-", text], gbnf.as_bytes()).expect(code);
        }
    };
    let number = r#"{"properties": {"n": {"type": "integer"}}, "type": "object"}"#;
    check(number, &["--space", "spaced"], "{\"n\": 1}", false);
    check(number, &["--space", "free"], "{ \"n\" :1}", false);
    check(number, &["--closed"], "{\"m\":1}", true);
    check(number, &["--digits"], "{\"n\":1.0}", true);
    check(r#"{"format": "date"}"#, &["--annotate-formats"], "\"today\"", false);
    check(
        r##"{"$ref": "#/definitions/a", "type": "null", "definitions": {"a": {}}}"##,
        &["--draft", "7"],
        "1",
        false,
    );
    refused(&["from-schema", "--refuse-unknown"], r#"{"tipe": 1}"#, 3, "`tipe`");
}

#[test]
fn a_schema_that_cannot_be_enforced_is_refused_with_its_place() {
    refused(
        &["from-schema"],
        r#"{"properties": {"a": {"pattern": "(a)\\1"}}}"#,
        3,
        "/properties/a",
    );
    refused(&["from-schema"], r#"{"type": "objekt"}"#, 2, "`type`");
    refused(&["from-schema"], "{\"type\": ", 2, "stdin is no JSON");
    refused(&["from-schema"], "", 2, "stdin is no JSON");
    refused(&["from-schema", "/nonexistent.json"], "", 2, "cannot read /nonexistent.json");
    refused(&["from-schema", "--space", "wide"], "{}", 2, "wide");
    refused(&["from-schema", "--run", "last"], "{}", 2, "--turn");
}

#[test]
fn a_grammar_is_counted_and_what_is_odd_is_said() {
    let place = Place::bare();
    let checked = fed(&place, &["check", "-"], ANSWER.as_bytes()).expect(0);
    assert!(checked.stdout.starts_with("stdin: 2 rules, "), "{}", checked.stdout);
    let odd = "root ::= (\"a\"{0,2000})?\nunused ::= \"b\"\n";
    fed(&place, &["check", "-"], odd.as_bytes())
        .expect(0)
        .shows("line 1: rule `root` repeats")
        .shows("line 2: rule `unused` is never reached");
    let lines = fed(&place, &["check", "-", "--json"], odd.as_bytes()).expect(0).lines();
    assert_eq!((&lines[0]["valid"], &lines[0]["rules"]), (&json!(true), &json!(2)));
    assert_eq!(lines[0]["warnings"][1]["line"], 2);
    assert!(lines[0]["positions"].as_u64().unwrap() > 0);
}

#[test]
fn what_is_no_grammar_is_refused_with_line_and_column() {
    refused(&["check", "-"], "root ::= \"a\"\nb ::= [a", 1, "stdin: line 2, column");
    refused(&["check", "-"], "root ::= nothing", 1, "line 1, column 10: ");
    refused(
        &["check", "-"],
        "root ::= root \"a\" | \"b\"",
        1,
        "line 1: rule `root` can begin with itself",
    );
    refused(&["check", "-"], "a ::= \"b\"", 1, "root");
    refused(&["check", "-"], "", 1, "stdin");
    refused(&["check", "-"], "root ::= \"a\"{3,2}", 1, "column");
    refused(&["check", "-"], "root ::= <think>", 1, "hint: tokens are those of a model");
    refused(&["check", "-"], &format!("root ::= {}", "(".repeat(100_000)), 1, "line 1, column");
    let place = Place::bare();
    fed(&place, &["check", "-"], b"root ::= \"\xff\"").expect(2).says("no UTF-8 text: byte 10");
    fed(&place, &["check", "/nonexistent.gbnf"], b"")
        .expect(2)
        .says("cannot read /nonexistent.gbnf");
    fed(&place, &["check", place.root().to_str().unwrap()], b"").expect(2).says("cannot read");
    let marked = fed(&place, &["check", "-"], b"root ::= \"a\" )").expect(1);
    assert!(marked.stderr.contains("\n  root ::= \"a\" )\n               ^"), "{}", marked.stderr);
    let lines = fed(&place, &["check", "-", "--json"], b"root ::= x").expect(1).lines();
    let line = &lines[0];
    assert_eq!(
        (&line["valid"], &line["line"], &line["column"]),
        (&json!(false), &json!(1), &json!(10))
    );
}

#[test]
fn texts_are_matched_and_the_first_wrong_character_is_named() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    fed(&place, &["match", &path, "yes", "no", "no, because é"], b"").expect(0);
    let outcome =
        fed(&place, &["match", &path, "yes", "no, becausé", "no, because "], b"").expect(1);
    assert_eq!(outcome.stdout.lines().filter(|line| line.starts_with("matched")).count(), 1);
    let outcome =
        outcome.shows("at byte 10 (character 10): `é`").shows("\"e \" in `reason` (line 2)");
    outcome.shows("ends after 12 bytes; allowed there:").shows("[a-z]");
    let behind = fed(&place, &["match", &path, "no, because éÉ"], b"").expect(1);
    behind.shows("at byte 14 (character 13): `É`").shows("the end of the text");
}

#[test]
fn lines_of_stdin_are_texts() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    let lines = fed(&place, &["match", &path, "--json"], b"yes\nno\n\nmaybe\n").expect(1).lines();
    let results: Vec<&Value> = lines.iter().map(|line| &line["result"]).collect();
    assert_eq!(results, ["matched", "matched", "unfinished", "refused"]);
    assert_eq!(lines[3]["refused_at"], json!({ "byte": 0, "character": 0 }));
    assert_eq!(lines[3]["allowed"]["next"][0]["value"], json!([[110, 110], [121, 121]]));
    assert_eq!(lines[2]["allowed"]["next"][0]["words"], "[ny]");
    assert_eq!(lines[3]["allowed"]["next"][0]["rule"], "root");
    fed(&place, &["match", &path, "-0"], b"yes\0no\0").expect(0);
    fed(&place, &["match", &path, "yes", "-"], b"no\n\xff\n").expect(1).shows("at byte 0");
    fed(&place, &["match", "-", "-"], b"x").expect(2).says("stdin can be read once");
}

#[test]
fn what_may_come_next_is_explained() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    fed(&place, &["explain", &path], b"").expect(0).shows("[ny] in `root` (line 1)");
    fed(&place, &["explain", &path, "no"], b"")
        .expect(0)
        .shows("the end of the text")
        .shows("\", because \" in `reason` (line 2)");
    fed(&place, &["explain", &path, "nobody"], b"").expect(1).shows("refused at byte 2");
    let lines = fed(&place, &["explain", &path, "no", "--json"], b"").expect(0).lines();
    assert_eq!(
        (&lines[0]["refused_at"], &lines[0]["allowed"]["end"]),
        (&Value::Null, &json!(true))
    );
    refused(&["explain", "-"], "root ::= (", 2, "line 1");
}

#[test]
fn random_texts_match_and_follow_from_their_seed() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    let sample = ["sample", &path, "-n", "40", "--seed", "3", "--max-bytes", "30"];
    let texts = fed(&place, &sample, b"").expect(0).stdout;
    assert_eq!(texts.lines().count(), 40);
    assert!(texts.lines().all(|line| line.len() <= 30));
    assert_eq!(fed(&place, &sample, b"").stdout, texts);
    fed(&place, &["match", &path], texts.as_bytes()).expect(0);
    let null = fed(&place, &["sample", "-", "-0"], b"root ::= [\\n\\t] \"x\"").expect(0).stdout;
    assert!(null.ends_with("x\0") && null.matches('\0').count() == 5, "{null:?}");
    refused(
        &["sample", "-", "--max-bytes", "4"],
        "root ::= \"abcde\"",
        3,
        "--max-bytes 5 allows it",
    );
    refused(&["sample", "-", "-n", "many"], ANSWER, 2, "many");
}

#[test]
fn a_grammar_without_end_is_cut_short_by_its_limits() {
    use std::fmt::Write as _;
    let mut stacks = "root ::= r0\n".to_owned();
    for at in 0..40 {
        writeln!(stacks, "r{at} ::= r{} \"a\" | r{} \"b\"", at + 1, at + 1).unwrap();
    }
    stacks.push_str("r40 ::= \"c\"\n");
    let place = Place::bare();
    fed(&place, &["match", "-", &format!("c{}", "ab".repeat(20))], stacks.as_bytes()).expect(0);
}

#[test]
fn every_command_has_help_with_an_example() {
    let place = Place::bare();
    for command in
        ["from-schema", "check", "match", "explain", "sample", "mask", "bench", "diff", "trial"]
    {
        let help = place.run(&["grammar", command, "--help"]).expect(0);
        assert!(help.stdout.contains("Example:\n") && help.stdout.contains("--json"), "{command}");
        place.run(&["grammar", command, "--no-such-flag"]).expect(2).says("--no-such-flag");
    }
    place.run(&["completions", "bash"]).expect(0).shows("from-schema");
    let outcome = place.run(&["grammar", "check", "/nonexistent", "--json"]).expect(2);
    assert_eq!(outcome.lines()[0]["kind"], "usage");
    place.run(&["grammar", "--help"]).expect(0).shows("from-schema");
    assert!(!place.run(&["--help"]).stdout.contains(" lab "), "hidden commands stay hidden");
}

//! The grammar of a turn says exactly what is possible.

use chargehand_core::menu::{Argument, Entry, MAX_CHOICES, Menu, Values};
use chargehand_core::tool::{ControlToken, Envelope};
use chargehand_grammar::{Binding, Bindings};

/// An argument: its name, what it may be, and whether it may be left out.
type Row = (&'static str, Values, bool);

fn menu(entries: &[(&'static str, &[Row])]) -> Menu {
    let argument = |(name, values, optional): &Row| Argument {
        name,
        values: values.clone(),
        optional: *optional,
    };
    let entry = |(tool, arguments): &(&'static str, &[Row])| Entry {
        tool,
        arguments: arguments.iter().map(argument).collect(),
        not: Vec::new(),
    };
    Menu { entries: entries.iter().map(entry).collect(), ..Menu::default() }
}

#[track_caller]
fn check(menu: &Menu, expect: &str) {
    let grammar = menu.grammar(&Envelope::plain()).0;
    let call = grammar.lines().find(|line| line.starts_with("call ::= ")).unwrap();
    assert_eq!(call, format!("call ::= {expect}"));
}

fn one_of(choices: &[&str]) -> Values {
    Values::OneOf(choices.iter().map(|choice| (*choice).to_owned()).collect())
}

#[test]
fn a_choice_is_spelt_out() {
    check(
        &menu(&[("read_file", &[("path", one_of(&["a\"b", "src/a"]), false)])]),
        r#""{\"tool\":\"" "read_file\",\"args\":" "{\"path\":" "\"" ("a\\\"b\"" | "src/a\"") "}" "}""#,
    );
}

#[test]
fn an_optional_argument_may_be_left_out() {
    check(
        &menu(&[("r", &[("path", one_of(&["a"]), false), ("start", Values::Natural, true)])]),
        r#""{\"tool\":\"" "r\",\"args\":" "{\"path\":" "\"a\"" (",\"start\":" json-natural)? "}" "}""#,
    );
}

#[test]
fn several_tools_are_a_choice() {
    let finish: &[Row] = &[("summary", Values::Text, false)];
    let grammar = menu(&[("finish", finish), ("ask", &[("question", Values::Text, false)])])
        .grammar(&Envelope::plain())
        .0;
    assert!(grammar.contains("(\"finish"), "{grammar}");
    assert!(grammar.contains(" | \"ask"), "{grammar}");
    assert!(grammar.contains("json-string ::= \"\\\"\" json-char* \"\\\"\""), "{grammar}");
}

#[test]
fn too_many_choices_become_any_text() {
    let paths = |count: usize| Values::OneOf((0..count).map(|at| format!("f{at}")).collect());
    let grammar =
        |count| menu(&[("r", &[("path", paths(count), false)])]).grammar(&Envelope::plain()).0;
    assert!(!grammar(MAX_CHOICES).contains("json-string"));
    assert!(grammar(MAX_CHOICES + 1).contains("json-string"));
}

#[test]
fn an_empty_end_of_an_envelope_is_left_out() {
    let envelope = Envelope::new("[TOOL_CALLS]", "[ARGS]", "");
    let grammar = menu(&[("f", &[])]).grammar(&envelope).0;
    assert_eq!(grammar, "root ::= call\ncall ::= \"[TOOL_CALLS]\" \"f[ARGS]\" \"{}\"\n");
}

#[test]
fn control_tokens_are_said_and_not_spelt() {
    let control = [(5, "[TOOL_CALLS]"), (32, "[ARGS]"), (6, "[AR")];
    let control = control.map(|(id, text)| ControlToken { id, text: text.to_owned() }).to_vec();
    let envelope = Envelope { control, ..Envelope::new("[TOOL_CALLS]\n", "[ARGS]", "") };
    let grammar = menu(&[("f", &[])]).grammar(&envelope).0;
    assert_eq!(grammar, "root ::= call\ncall ::= <[5]> \"\\n\" \"f\" <[32]> \"{}\"\n");
    // A value that looks like one stays text.
    let values = Values::OneOf(vec!["[TOOL_CALLS]".to_owned()]);
    let grammar = menu(&[("f", &[("path", values, false)])]).grammar(&envelope).0;
    assert!(grammar.contains(r#""\"[TOOL_CALLS]\"""#), "{grammar}");
}

#[test]
fn a_piece_of_a_file_is_one_that_occurs_once_or_nothing() {
    let arguments = [
        ("old", Values::PieceOf("aab".to_owned()), false),
        ("new", Values::OtherThan("old"), false),
    ];
    let (grammar, bindings) = menu(&[("edit", &arguments)]).grammar(&Envelope::plain());
    let call = r#""{\"old\":" entry-0-old ",\"new\":" entry-0-new "}""#;
    assert!(grammar.contains(call), "{grammar}");
    assert!(grammar.contains("entry-0-old ::= json-string #! bind entry-0-old\n"), "{grammar}");
    let expect = Bindings::new()
        .with("entry-0-old", Binding::piece_or_empty("aab"))
        .with("entry-0-new", Binding::other_than_said("entry-0-old"));
    assert_eq!(bindings, expect);
    // Where any text may be replaced, there is nothing to compare with.
    let arguments = [("old", Values::Text, false), ("new", Values::OtherThan("old"), false)];
    assert!(menu(&[("edit", &arguments)]).grammar(&Envelope::plain()).1.is_empty());
}

#[test]
fn a_number_is_one_of_its_ranges() {
    let lines = Values::Within(vec![(2, 9), (40, 40)]);
    check(
        &menu(&[("r", &[("start", lines, false)])]),
        r#""{\"tool\":\"" "r\",\"args\":" "{\"start\":" ([2-9] | "40") "}" "}""#,
    );
}

#[test]
fn what_failed_is_not_sayable_again() {
    let mut menu = menu(&[("search", &[("query", Values::Text, false)])]);
    menu.entries[0].not = vec![r#"{"query":"x"}"#.to_owned()];
    let (grammar, bindings) = menu.grammar(&Envelope::plain());
    assert!(
        grammar.contains("entry-0 ::= \"{\\\"query\\\":\" json-string \"}\" #! bind entry-0\n"),
        "{grammar}"
    );
    assert_eq!(bindings.get("entry-0"), Some(&Binding::not([r#"{"query":"x"}"#])));
}

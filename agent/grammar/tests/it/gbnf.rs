//! The printed form of grammars.

use chargehand_grammar::{Expr, Grammar, json};
use proptest::prelude::*;

#[track_caller]
fn check(root: Expr, expect: &str) {
    assert_eq!(Grammar::new(root).to_string(), format!("root ::= {expect}\n"));
}

fn lit(text: &str) -> Expr {
    Expr::literal(text)
}

#[test]
fn literals_are_escaped() {
    check(lit("a\"b\\c\nd\te"), r#""a\"b\\c\nd\te""#);
    check(lit("é\u{7f}\u{9b}"), "\"é\\U0000007F\\U0000009B\"");
}

#[test]
fn parentheses_stand_where_they_are_needed() {
    let choice = || Expr::Any(vec![lit("a"), lit("b")]);
    check(choice(), r#""a" | "b""#);
    check(Expr::Seq(vec![choice(), lit("c")]), r#"("a" | "b") "c""#);
    check(Expr::Many(Box::new(choice())), r#"("a" | "b")*"#);
    check(Expr::Optional(Box::new(Expr::Seq(vec![lit("a"), lit("b")]))), r#"("a" "b")?"#);
    check(Expr::Times(Box::new(Expr::rule("x")), 3), "x{3}");
    check(Expr::Seq(Vec::new()), "\"\"");
    check(Expr::Seq(vec![lit("a"), Expr::Any(vec![lit("b")])]), r#""a" "b""#);
}

#[test]
fn a_choice_of_texts_shares_prefixes() {
    check(Expr::one_of(["src/b", "src/a", "src/a"]), r#""src/" ("a" | "b")"#);
    check(Expr::one_of(["a"]), r#""a""#);
    check(Expr::one_of(["a", "ab"]), r#""a" ("" | "b")"#);
    check(Expr::one_of(["é", "è"]), r#""è" | "é""#);
    assert_eq!(Expr::one_of([]), Expr::Any(Vec::new()));
}

#[test]
#[should_panic(expected = "two bodies")]
fn a_rule_has_one_body() {
    let mut grammar = Grammar::new(lit("a"));
    grammar.add("x", lit("a"));
    grammar.add("x", lit("b"));
}

#[test]
#[should_panic(expected = "no rule name")]
fn a_rule_name_has_no_underscore() {
    Grammar::new(lit("a")).add("a_b", lit("a"));
}

/// Returns all texts of an expression without repetition.
fn texts(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::Literal(text) => vec![text.clone()],
        Expr::Any(parts) => parts.iter().flat_map(texts).collect(),
        Expr::Seq(parts) => parts.iter().fold(vec![String::new()], |heads, part| {
            let tails = texts(part);
            heads
                .iter()
                .flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}")))
                .collect()
        }),
        other => panic!("no list of texts: {other:?}"),
    }
}

proptest! {
    #[test]
    fn a_prefix_tree_has_exactly_its_texts(mut list in prop::collection::vec("[ab/é]{0,6}", 1..30)) {
        let mut found = texts(&Expr::one_of(list.iter().map(String::as_str)));
        found.sort();
        list.sort();
        list.dedup();
        prop_assert_eq!(found, list);
    }

    #[test]
    fn quoted_text_is_one_line(text in ".*") {
        let quoted = json::quote(&text);
        prop_assert!(quoted.starts_with('"') && quoted.ends_with('"'));
        let raw = quoted.chars().any(|c| c.is_ascii_control());
        prop_assert!(!raw);
    }
}

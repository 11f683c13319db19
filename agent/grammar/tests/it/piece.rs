//! Pieces of a text that occur once: the rules against a search by hand.

use std::collections::BTreeSet;

use chargehand_grammar::{Binding, Bindings, Expr, Grammar};
use proptest::prelude::*;

/// Returns every text that the rules allow.
fn allowed(text: &str) -> BTreeSet<String> {
    let grammar = Bindings::new().with("old", Binding::piece(text)).expand("old");
    let grammar = grammar.expect("the text is not empty");
    spell(&grammar, &Expr::rule("root")).into_iter().collect()
}

fn spell(grammar: &Grammar, expr: &Expr) -> Vec<String> {
    match expr {
        Expr::Literal(text) => vec![text.clone()],
        Expr::Rule(name) => spell(grammar, grammar.rule(name).expect("it is defined")),
        Expr::Any(parts) => parts.iter().flat_map(|part| spell(grammar, part)).collect(),
        Expr::Seq(parts) => parts.iter().fold(vec![String::new()], |heads, part| {
            let tails = spell(grammar, part);
            let join = |head: &String| {
                tails.iter().map(move |tail| format!("{head}{tail}")).collect::<Vec<_>>()
            };
            heads.iter().flat_map(join).collect()
        }),
        other => panic!("no piece has {other:?}"),
    }
}

/// Returns the same by looking at every piece of the text.
fn by_hand(text: &str) -> BTreeSet<String> {
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let pieces = ends
        .iter()
        .flat_map(|from| ends.iter().filter(move |to| from < *to).map(move |to| &text[*from..*to]));
    let once = |piece: &&str| ends.iter().filter(|at| text[**at..].starts_with(piece)).count() == 1;
    pieces.filter(once).map(|piece| serde_json::to_string(piece).expect("a text")).collect()
}

#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let expect: BTreeSet<String> = expect.iter().map(|piece| (*piece).to_owned()).collect();
    assert_eq!(allowed(text), expect);
}

#[test]
fn only_what_occurs_once_may_end() {
    check("a", &["\"a\""]);
    check("aa", &["\"aa\""]);
    check("aba", &["\"ab\"", "\"aba\"", "\"b\"", "\"ba\""]);
}

#[test]
fn pieces_are_written_as_json() {
    check("\"\n", &["\"\\\"\"", "\"\\\"\\n\"", "\"\\n\""]);
}

#[test]
fn an_empty_text_has_no_rules() {
    assert_eq!(Bindings::new().with("old", Binding::piece("")).expand("old"), None);
}

proptest! {
    #[test]
    fn the_rules_are_what_a_search_finds(text in "[ab\"é\n]{1,12}") {
        prop_assert_eq!(allowed(&text), by_hand(&text));
    }
}

//! Strings of one kind in many places: their masks are made of one, and differ in what may be said behind the string.

use std::sync::Arc;

use chargehand_grammar::vocabulary::Vocabulary;
use chargehand_grammar::{Constraint, Expr, Grammar, Limits, State, json};

use super::vocabulary;

/// Tokens that end a string and go on, or hold a whole one, or an escape.
fn tokens() -> Arc<Vocabulary> {
    let ends = [
        "\"", "\",", "\",\"", "\"}", "\"]", "\"\"", "x\"", "x\",", "é\"}", "\\\"", "\\\",\"",
        "\\n\"]",
    ];
    let more = [
        "ab", "漢字", " x", "\\n", "\\u00", "\":\"", "\",\"b", "\"}\n", "a\"!b\"", "\"!", "\"?\"",
        "\"?",
    ];
    vocabulary(&[ends, more].concat())
}

/// Says `text` byte by byte, and holds the mask of each state on the way against all tokens.
#[track_caller]
fn check(constraint: &mut Constraint, text: &str) {
    let mut state = constraint.start();
    for at in 0..=text.len() {
        same(constraint, state, &text[..text.floor_char_boundary(at)]);
        let Some(byte) = text.as_bytes().get(at) else { break };
        state = constraint.advance_byte(state, *byte).unwrap().expect(text);
    }
}

#[track_caller]
fn same(constraint: &mut Constraint, state: State, said: &str) {
    let mask = constraint.mask(state).unwrap().clone();
    for token in (0..).take(constraint.vocabulary().len()) {
        let allowed = constraint.advance(state, token).unwrap().is_some();
        assert_eq!(mask.allows(token), allowed, "after {said}: token {token}");
    }
}

fn compiled(gbnf: &str) -> Constraint {
    Constraint::from_text(gbnf, tokens(), &Limits::default()).expect(gbnf)
}

#[test]
fn what_follows_a_string_is_its_own() {
    let mut grammar = Grammar::new(Expr::literal("unused"));
    json::string(&mut grammar);
    let strings = grammar.to_string().replace("root ::= \"unused\"\n", "");
    let text = "{\"a\":\"x é\\n\",\"b\":\"漢\",\"c\":[\"\",\"y\"],\"d\":\"z\"!\"\"?\"q\"}";
    let root = "root ::= \"{\\\"a\\\":\" json-string \",\\\"b\\\":\" json-string \",\\\"c\\\":[\" json-string (\",\" json-string)* \"],\\\"d\\\":\" json-string (\"!\" json-string)? (\"?\" json-string)* \"}\"\n";
    check(&mut compiled(&format!("{root}{strings}")), text);
}

#[test]
fn what_follows_may_be_a_string_too() {
    let rules = "word ::= \"\\\"\" [^\"\\\\]* \"\\\"\" rest?\nrest ::= [^\"\\\\]+\n";
    let root = "root ::= \"1\" word \"\\\"!\" word \"?\" word \"\\\"?\"\n";
    check(&mut compiled(&format!("{root}{rules}")), "1\"ab\"rest\"!\"x\"é?\"y\"\"?");
}

#[test]
fn strings_inside_each_other() {
    let mut grammar = Grammar::new(Expr::rule("list"));
    let string = json::string(&mut grammar);
    let more = Expr::Many(Box::new(Expr::Seq(vec![Expr::literal(","), Expr::rule("value")])));
    let list = vec![Expr::literal("["), Expr::rule("value"), more, Expr::literal("]")];
    grammar.add("list", Expr::Seq(list));
    grammar.add("value", Expr::Any(vec![string, Expr::rule("list")]));
    check(&mut compiled(&grammar.to_string()), "[\"a\",[\"b\",\"\",[\"\\n\"]],\"é\"]");
}

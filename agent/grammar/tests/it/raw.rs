//! Texts as they are: what the rules allow is what ends for the first time at its end.

use std::sync::Arc;

use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Expr, Grammar, raw};
use proptest::prelude::*;

use crate::bindings::accepts;

const ENDS: [&str; 8] = ["\n</p>\n", "</p>", "</p>\n", "aab", "aa", "b", "abab", "</｜é｜>"];

fn constraint(add: impl Fn(&mut Grammar) -> Expr) -> Constraint {
    let mut grammar = Grammar::new(Expr::rule("whole"));
    let text = add(&mut grammar);
    grammar.add("whole", text);
    // What is printed is read back as the same.
    assert_eq!(Grammar::parse(&grammar.to_string()).unwrap().to_string(), grammar.to_string());
    let bytes = (0..=u8::MAX).map(|byte| (Kind::Text, vec![byte]));
    Constraint::new(&grammar, Arc::new(Vocabulary::new(bytes).unwrap())).unwrap()
}

#[track_caller]
fn check(text: &str) {
    for end in ENDS {
        let fits = raw::fits(text, end);
        let mut until = constraint(|grammar| raw::until(grammar, "raw", end));
        assert_eq!(accepts(&mut until, &format!("{text}{end}")), fits, "{text:?} {end:?}");
        assert!(!accepts(&mut until, &format!("{text}{end}x")), "{text:?} {end:?}");
        let mut without = constraint(|grammar| raw::without(grammar, "raw", end));
        let is_free = !text.contains(end) && !text.contains('\0');
        assert_eq!(accepts(&mut without, text), is_free, "{text:?} {end:?}");
    }
}

#[test]
fn a_text_may_have_anything_but_its_end() {
    check("");
    check("\n");
    check("\n</p>");
    check("one\n</p> two \"\\ é🦀\r\n");
    check("</p></p>\n");
    check("a");
    check("\0");
}

#[test]
fn an_end_may_not_overlap_with_pieces() {
    assert!(raw::pieces_fit("a\n</b>\n", "\n</p>\n"));
    assert!(!raw::pieces_fit("a\n</p> b", "\n</p>\n"));
    assert!(raw::pieces_fit("a </p> b", "\n</p>\n"));
    assert!(!raw::pieces_fit("a", "<<p>"));
    assert!(!raw::pieces_fit("a", ""));
    assert!(!raw::pieces_fit("a\0", "</p>"));
    assert!(!raw::fits("a", "aa") && raw::fits("b", "aa"));
}

proptest! {
    #[test]
    fn any_text_is_read_back(text in "[ab<>/p\n]{0,12}") {
        check(&text);
    }
}

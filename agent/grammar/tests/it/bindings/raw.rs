//! Bindings of values that stand as they are, against searches by hand.

use chargehand_grammar::matcher::Landing;
use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Binding, Bindings, Constraint, Expr, Grammar, raw};
use proptest::prelude::*;
use std::sync::Arc;

use super::{accepts, checked_mask, compiled};

const END: &str = "\n</p>\n";

/// Tokens of all bytes, of pieces of what may be said, and an end.
fn vocabulary(text: &str, end: &str) -> Arc<Vocabulary> {
    let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
    let all = [text, end, text, "!x", end].concat().into_bytes();
    let pieces = (2..9).flat_map(|length| {
        all.windows(length).step_by(length / 2).map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    let tokens = bytes.chain(pieces).map(|bytes| (Kind::Text, bytes));
    Arc::new(Vocabulary::new(tokens.chain([(Kind::End, b"</s>".to_vec())])).unwrap())
}

fn grammar(rules: &str, end: &str) -> Grammar {
    let mut raw = Grammar::new(Expr::literal(""));
    raw::until(&mut raw, "raw", end);
    let raw = raw.to_string().replace("root ::= \"\"\n", "");
    Grammar::parse(&format!("{rules}\n{raw}")).unwrap()
}

fn piece(text: &str, end: &str) -> Constraint {
    let bindings = Bindings::new()
        .with("old", Binding::piece_or_empty(text).raw(end))
        .with("new", Binding::other_than_said("old").raw(end));
    let rules = "root ::= old new \"!\"\nold ::= raw-0 #! bind old\nnew ::= raw-0 #! bind new";
    compiled(&grammar(rules, end), &bindings, vocabulary(text, end)).unwrap()
}

/// Holds each piece of `text`, and what is none, against a search by hand.
fn check_pieces(text: &str, end: &str) {
    let mut constraint = piece(text, end);
    let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    for (at, from) in cuts.iter().enumerate() {
        for to in &cuts[at..] {
            let old = &text[*from..*to];
            let once = cuts.iter().filter(|at| text[**at..].starts_with(old)).count() == 1;
            let may = once || old.is_empty();
            let edit = |new: &str| format!("{old}{end}{new}{end}!");
            assert_eq!(accepts(&mut constraint, &edit("ü")), may, "{old:?} in {text:?}");
            assert!(!accepts(&mut constraint, &edit(old)), "{old:?} in {text:?}");
            if !text.contains(&format!("{old}x")) {
                assert!(!accepts(&mut constraint, &format!("{old}x{end}ü{end}!")));
            }
        }
    }
}

#[test]
fn a_value_after_which_nothing_is_left_is_not_begun() {
    let rules =
        "root ::= old new \"!\"\nold ::= \"x-\" | \"y-\" #! bind old\nnew ::= \"x-\" #! bind new";
    let bindings = Bindings::new()
        .with("old", Binding::one_of(["x", "y"]).raw("-"))
        .with("new", Binding::other_than_said("old").raw("-"));
    let grammar = Grammar::parse(rules).unwrap();
    let mut constraint = compiled(&grammar, &bindings, vocabulary("xy", "-")).unwrap();
    let mut state = constraint.start();
    for byte in *b"y-x-!" {
        checked_mask(&mut constraint, state);
        state = constraint.advance_byte(state, byte).unwrap().unwrap();
    }
    let start = constraint.start();
    let x = constraint.advance_byte(start, b'x').unwrap().unwrap();
    assert!(checked_mask(&mut constraint, x).is_empty());
}

#[test]
fn a_piece_may_go_on_like_its_end() {
    check_pieces("a\nb\n<b>\n</\nend", END);
    check_pieces("\n", END);
    check_pieces("", END);
    check_pieces("<<</</p</p", "</p>");
    check_pieces("y", "x");
}

#[test]
fn names_stand_as_they_are() {
    let bindings = Bindings::new().with("path", Binding::one_of(["a\"b", "src/a"]).raw(END)).with(
        "old",
        Binding::by(
            "path",
            [
                ("a\"b", Binding::piece("one\ntwo").raw(END)),
                ("src/a", Binding::piece_or_empty("three").raw(END)),
            ],
        ),
    );
    let rules = "root ::= path old\npath ::= raw-0 #! bind path\nold ::= raw-0 #! bind old";
    let vocabulary = vocabulary("one\ntwo", END);
    let mut constraint = compiled(&grammar(rules, END), &bindings, vocabulary).unwrap();
    let mut check = |path: &str, old: &str, may: bool| {
        assert_eq!(
            accepts(&mut constraint, &format!("{path}{END}{old}{END}")),
            may,
            "{path} {old}"
        );
    };
    check("a\"b", "one\nt", true);
    check("a\"b", "", false);
    check("a\"b", "three", false);
    check("src/a", "three", true);
    check("src/a", "", true);
    check("src/b", "three", false);
}

#[test]
fn what_could_end_too_early_is_refused() {
    let refusal = |rule: &str, binding: Binding| {
        let rules = format!("root ::= x\nx ::= {rule} #! bind x");
        let bindings = Bindings::new().with("x", binding);
        compiled(&grammar(&rules, END), &bindings, vocabulary("", "")).unwrap_err().to_string()
    };
    let text = refusal("raw-0", Binding::piece("a\n</p> b").raw(END));
    assert!(text.contains("could end before its end"), "{text}");
    let text = refusal("raw-0", Binding::one_of(["a", "\n</p>\n"]).raw(END));
    assert!(text.contains("could end before its end"), "{text}");
    let text = refusal("raw-0", Binding::without(["a"]).raw(END));
    assert!(text.contains("JSON strings only"), "{text}");
    let text = refusal("raw-0", Binding::piece("a").raw(""));
    assert!(text.contains("no text"), "{text}");
    let text = refusal("[^b]* \"\\n</p>\\n\"", Binding::piece("a").raw(END));
    assert!(text.contains("does not allow that"), "{text}");
    let text = refusal("\"a\"", Binding::one_of(["b"]).raw(END));
    assert!(text.contains("does not allow that"), "{text}");
    compiled(
        &grammar("root ::= x\nx ::= raw-0 #! bind x", END),
        &Bindings::new().with("x", Binding::other_than("a").raw(END)),
        vocabulary("", ""),
    )
    .unwrap();
}

fn text() -> impl Strategy<Value = String> {
    let characters = prop::sample::select(vec!['a', 'b', '\n', '<', '/', 'p', 'é']);
    prop::collection::vec(characters, 0..14).prop_map(|text| text.into_iter().collect())
}

proptest! {
    #[test]
    fn a_piece_is_one_that_occurs_once(text in text(), end in prop::sample::select(vec![END, "</p>", "b", "</p>\n"])) {
        prop_assume!(raw::pieces_fit(&text, end));
        check_pieces(&text, end);
    }

    #[test]
    fn masks_are_what_advances(text in text(), choices in prop::collection::vec(any::<u16>(), 12)) {
        prop_assume!(raw::pieces_fit(&text, END));
        let mut constraint = piece(&text, END);
        let mut state = constraint.start();
        for choice in choices {
            let allowed = checked_mask(&mut constraint, state);
            prop_assert!(!allowed.is_empty());
            let token = allowed[usize::from(choice) % allowed.len()];
            if usize::try_from(token).unwrap() + 1 == constraint.vocabulary().len() { break; }
            state = constraint.advance(state, token).unwrap().unwrap();
        }
    }

    #[test]
    fn an_answer_is_whole_at_its_limit(text in text(), choices in prop::collection::vec(any::<u16>(), 40), left in 20_usize..40) {
        prop_assume!(raw::pieces_fit(&text, END));
        let mut constraint = piece(&text, END);
        let Some(mut landing) = Landing::new(&mut constraint, left).unwrap() else { return Ok(()) };
        let mut state = constraint.start();
        for (at, choice) in choices.iter().take(left).enumerate() {
            let allowed = checked_mask(&mut constraint, state);
            let token = allowed[usize::from(*choice) % allowed.len()];
            if usize::try_from(token).unwrap() + 1 == constraint.vocabulary().len() { break; }
            let Some(token) = landing.steer(&mut constraint, state, token, left - at).unwrap() else { break };
            state = constraint.advance(state, token).unwrap().unwrap();
        }
        prop_assert!(constraint.accepting(state) || choices.len() < left);
    }
}

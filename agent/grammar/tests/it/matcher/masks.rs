//! Masks: tokens by name, the end, strings over a vocabulary with everything in it, forced text, explanations.

use std::sync::Arc;

use chargehand_grammar::matcher::What;
use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Grammar, Limits, Mask, State, json};

use super::{after, constraint, vocabulary};

/// The number of the control token in [`vocabulary`] without further texts, and that of the end.
const THINK: u32 = 256;
const END: u32 = 257;

fn allowed(constraint: &mut Constraint, state: State) -> Vec<u32> {
    let count = u32::try_from(constraint.vocabulary().len()).unwrap();
    let mask = constraint.mask(state).unwrap();
    (0..count).filter(|token| mask.allows(*token)).collect()
}

#[track_caller]
fn check(grammar: &str, text: &str, expect: &[u32]) {
    let mut constraint = constraint(grammar);
    let state = after(&mut constraint, text).expect(text);
    assert_eq!(allowed(&mut constraint, state), expect);
    let advances = |token: &u32| constraint.advance(state, *token).unwrap().is_some();
    assert_eq!((0..260).filter(advances).collect::<Vec<_>>(), expect);
}

fn bytes(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

#[test]
fn the_end_is_allowed_where_the_text_is_whole() {
    check("root ::= \"a\"?", "", &[u32::from(b'a'), END]);
    check("root ::= \"a\"?", "a", &[END]);
    check("root ::= \"\"", "", &[END]);
}

#[test]
fn nothing_follows_the_end() {
    let mut constraint = constraint("root ::= \"a\"*");
    let start = constraint.start();
    let ended = constraint.advance(start, END).unwrap().unwrap();
    assert!(!constraint.accepting(ended));
    assert!(allowed(&mut constraint, ended).is_empty());
    assert_eq!(constraint.advance(ended, END).unwrap(), None);
    assert_eq!(constraint.advance_byte(ended, b'a').unwrap(), None);
    assert_eq!(constraint.advance(start, 9_999).unwrap(), None);
}

#[test]
fn control_tokens_are_allowed_by_name_only() {
    let grammar = "root ::= \"<\" [^>]+ \">\"";
    let mut constraint = constraint(grammar);
    let start = constraint.start();
    assert_eq!(constraint.advance(start, THINK).unwrap(), None);
    check(grammar, "", &bytes("<"));
    check("root ::= <think> \"a\"", "", &[THINK]);
    check("root ::= <[256]> \"a\" | \"b\"", "", &[u32::from(b'b'), THINK]);
    check("root ::= \"b\" (<think> | \"c\")?", "b", &[u32::from(b'c'), THINK, END]);
}

#[test]
fn a_token_by_name_and_its_text_are_two_ways() {
    // Token 97 is the byte `a` too.
    let mut constraint = constraint("root ::= <[97]> \"x\" | \"a\" \"y\"");
    let start = constraint.start();
    let both = constraint.advance(start, 97).unwrap().unwrap();
    assert_eq!(allowed(&mut constraint, both), bytes("xy"));
    let text = constraint.advance_byte(start, b'a').unwrap().unwrap();
    assert_eq!(allowed(&mut constraint, text), bytes("y"));
}

#[test]
fn any_token_but_one_is_a_token_of_whole_characters() {
    let mut constraint = constraint("root ::= (!<[97]>)* <think> \"z\"");
    let start = constraint.start();
    let mut expect: Vec<u32> = (1..=127).filter(|token| *token != 97).collect();
    expect.push(THINK);
    assert_eq!(allowed(&mut constraint, start), expect);
    let next = constraint.advance(start, u32::from(b'b')).unwrap();
    assert_eq!(next, Some(start));
    assert_eq!(constraint.advance(start, 97).unwrap(), None);
    assert_eq!(constraint.advance(start, 200).unwrap(), None);
    assert_eq!(constraint.advance_byte(start, b'b').unwrap(), None);
}

#[test]
fn excluding_one_token_leaves_the_text_of_another_way() {
    check("root ::= !<[97]> | \"a\"", "", &(1..=127).collect::<Vec<_>>());
}

#[test]
fn tokens_without_text_or_with_nul_are_never_text() {
    let tokens = [(Kind::Text, ""), (Kind::Text, "\0"), (Kind::Text, "a\0"), (Kind::Text, "a")];
    let vocabulary = Arc::new(Vocabulary::new(tokens).unwrap());
    let limits = Limits::default();
    for (grammar, expect) in [
        ("root ::= [^b]*", [3].as_slice()),
        ("root ::= !<[0]>", &[3]),
        ("root ::= !<[3]> | .", &[3]),
    ] {
        let constraint = Constraint::from_text(grammar, Arc::clone(&vocabulary), &limits);
        let Ok(mut constraint) = constraint else {
            assert_eq!(grammar, "root ::= !<[3]> | .", "{constraint:?}");
            continue;
        };
        let start = constraint.start();
        assert_eq!(allowed(&mut constraint, start), expect);
    }
}

#[test]
fn no_token_ends_in_a_piece_of_a_character_that_may_be_excluded() {
    let pieces = [
        "c3", "c2", "e6", "e6bc", "e681", "61c3", "c3a8", "a8", "a9", "ed", "e0", "f0", "f09f",
        "f4",
    ];
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    };
    let vocabulary = pieces.iter().map(|hex| (Kind::Text, bytes(hex)));
    let vocabulary = Arc::new(Vocabulary::new(vocabulary).unwrap());
    let check = |grammar: &str, said: &str, expect: &[&str]| {
        let limits = Limits::default();
        let mut constraint =
            Constraint::from_text(grammar, Arc::clone(&vocabulary), &limits).unwrap();
        let start = constraint.start();
        let state = constraint.advance_bytes(start, &bytes(said)).unwrap().unwrap();
        let found = allowed(&mut constraint, state).into_iter().map(|token| pieces[token as usize]);
        assert_eq!(found.collect::<Vec<_>>(), expect, "{grammar} after {said}");
        for (token, hex) in (0..).zip(pieces) {
            let next = constraint.advance(state, token).unwrap();
            assert_eq!(next.is_some(), expect.contains(&hex), "{grammar}: {hex}");
        }
    };
    check(
        "root ::= [^é]",
        "",
        &["c2", "e6", "e6bc", "e681", "c3a8", "ed", "e0", "f0", "f09f", "f4"],
    );
    check(
        "root ::= [^é] [^é]",
        "61",
        &["c2", "e6", "e6bc", "e681", "c3a8", "ed", "e0", "f0", "f09f", "f4"],
    );
    check(
        "root ::= [^漢]+",
        "",
        &["c3", "c2", "e681", "61c3", "c3a8", "ed", "e0", "f0", "f09f", "f4"],
    );
    check(
        "root ::= [^\\u0800\\uD7FF\\U00010000\\U0010FFFF]",
        "",
        &["c3", "c2", "e6", "e6bc", "e681", "c3a8", "f09f"],
    );
    check("root ::= [^\\x00-\\u07FF]", "", &["e6", "e6bc", "e681", "ed", "e0", "f0", "f09f", "f4"]);
    // Where another way is open, the token may end, and both ways go on.
    check(
        "root ::= [^é] | \"é\"",
        "",
        &["c3", "c2", "e6", "e6bc", "e681", "c3a8", "ed", "e0", "f0", "f09f", "f4"],
    );
    check("root ::= [^é] | \"é\"", "c3", &["a8", "a9"]);
    check(
        "root ::= [^é] | [^è]",
        "",
        &["c2", "e6", "e6bc", "e681", "c3a8", "ed", "e0", "f0", "f09f", "f4"],
    );
    check(
        "root ::= [\\u0080-\\u00e8\\u00ea-\\U0010FFFF]",
        "",
        &["c3", "c2", "e6", "e6bc", "e681", "c3a8", "ed", "e0", "f0", "f09f", "f4"],
    );
    check(
        "root ::= .",
        "",
        &["c3", "c2", "e6", "e6bc", "e681", "c3a8", "ed", "e0", "f0", "f09f", "f4"],
    );
}

#[test]
fn a_string_denies_what_is_no_string() {
    let mut grammar = Grammar::new(chargehand_grammar::Expr::literal("unused"));
    let string = json::string(&mut grammar);
    let mut whole = Grammar::new(string);
    for (name, body) in grammar.rules().filter(|(name, _)| *name != "root") {
        whole.add(name, body.clone());
    }
    let texts = [
        "hello", "hello\"", "\"", "\",", "\\n", "\\u", "\\ud8", "ab\\q", "a\nb", "é", "漢字",
        "🦀\"x", "\\\\\"", "}", "\u{7F}", "\u{85}", "<think>",
    ];
    let vocabulary = vocabulary(&texts);
    let mut constraint = Constraint::new(&whole, Arc::clone(&vocabulary)).unwrap();
    let inside = after(&mut constraint, "\"x").unwrap();
    let mask = constraint.mask(inside).unwrap().clone();
    assert!(matches!(mask, Mask::Deny(_)), "{mask:?}");
    for token in (0..).take(vocabulary.len()) {
        let possible = constraint.advance(inside, token).unwrap().is_some();
        assert_eq!(mask.allows(token), possible, "{token}");
    }
    let allows = |text: &str| {
        let at = texts.iter().position(|other| *other == text).unwrap();
        mask.allows(256 + u32::try_from(at).unwrap())
    };
    let denied: Vec<&str> = texts.into_iter().filter(|text| !allows(text)).collect();
    assert_eq!(denied, ["\",", "\\ud8", "ab\\q", "a\nb", "🦀\"x", "\u{7F}"]);
}

#[test]
fn strings_of_any_length_and_of_few_characters() {
    let pieces = ["", "a", "é", "🦀", "\"", "\\", "\n", "\u{7F}", "漢b", "abcdef", "x"];
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for (first, second) in pieces.iter().flat_map(|a| pieces.iter().map(move |b| (a, b))) {
        texts.push([first.as_bytes(), b"zz", second.as_bytes()].concat());
        texts.push([first.as_bytes(), second.as_bytes(), b"\","].concat());
    }
    // Pieces of characters.
    texts.extend((1..4).map(|length| "🦀".as_bytes()[..length].to_vec()));
    let ends = [(Kind::End, b"</s>".to_vec()), (Kind::Control, b"<c>".to_vec())];
    let tokens = texts.into_iter().map(|text| (Kind::Text, text)).chain(ends);
    let vocabulary = Arc::new(Vocabulary::new(tokens).unwrap());
    let char = "[^\"\\\\\\x00-\\x1F\\x7F]";
    let bodies = [
        format!("{char}*"),
        format!("{char}+"),
        format!("{char}{{3}}"),
        format!("{char}{{2,9}}"),
        format!("{char}{{4,}}"),
        format!("({char} | \"\\\\\" [n\"])*"),
        format!("({char} | \"\\\\\" [n\"]){{1,4}}"),
        format!("{char}* \",\" [a-z]*"),
        format!("({char} \"z\")*"),
        ".*".to_owned(),
        "[^z]{0,3} .*".to_owned(),
    ];
    for body in bodies {
        let grammar = format!("root ::= {body} (\"\\\",\" | \"\\\"\")?");
        let limits = Limits::default();
        let mut constraint =
            Constraint::from_text(&grammar, Arc::clone(&vocabulary), &limits).unwrap();
        let mut seen = vec![constraint.start()];
        let mut at = 0;
        while let Some(state) = seen.get(at).copied().filter(|_| at < 40) {
            let mask = constraint.mask(state).unwrap().clone();
            for token in (0..).take(vocabulary.len()) {
                let to = constraint.advance(state, token).unwrap();
                assert_eq!(mask.allows(token), to.is_some(), "{grammar}: {token}");
                seen.extend(to.filter(|to| !seen.contains(to)));
            }
            at += 1;
        }
    }
}

#[test]
fn forced_text_goes_to_the_next_choice() {
    let mut constraint = constraint("root ::= \"{\\\"é\\\":\" [0-9] \"}\" \"!\"?");
    let start = constraint.start();
    let forced = constraint.forced_bytes(start).unwrap();
    assert_eq!(forced.bytes, "{\"é\":".as_bytes());
    assert_eq!(Some(forced.state), after(&mut constraint, "{\"é\":"));
    assert_eq!(constraint.forced_bytes(forced.state).unwrap().bytes, b"");
    let digit = constraint.advance_byte(forced.state, b'7').unwrap().unwrap();
    let closed = constraint.forced_bytes(digit).unwrap();
    // Where the text may end, nothing is forced.
    assert_eq!(closed.bytes, b"}");
    assert_eq!(constraint.forced_bytes(closed.state).unwrap().bytes, b"");
}

#[test]
fn only_what_is_allowed_reaches_beyond_forced_text() {
    let texts = ["a", "\"", "\":", "\":\"", "\":\"a", "\":\"\""].map(|text| (Kind::Text, text));
    let tokens = Arc::new(Vocabulary::new(texts).unwrap());
    let grammar = Grammar::parse("root ::= \"\\\":\\\"\" \"b\"* \"\\\"\"").unwrap();
    let mut constraint = Constraint::new(&grammar, tokens).unwrap();
    let start = constraint.start();
    // `":"` and an empty string, but no `":"a`.
    for (text, expect) in [("\":\"", true), ("\"", true), ("\":\"a", false), ("a", false)] {
        let beyond = constraint.allows_beyond(start, text.as_bytes()).unwrap();
        assert_eq!(beyond, expect, "{text}");
    }
    let grammar = Grammar::parse("root ::= \"\\\":\\\"\" \"b\"").unwrap();
    let mut constraint = Constraint::new(&grammar, constraint.vocabulary().clone()).unwrap();
    let start = constraint.start();
    assert!(!constraint.allows_beyond(start, b"\":\"").unwrap());
}

#[test]
fn a_token_by_name_is_not_forced_past() {
    let mut constraint = constraint("root ::= \"a\" (<think> | \"b\") \"c\"");
    let start = constraint.start();
    assert_eq!(constraint.forced_bytes(start).unwrap().bytes, b"a");
}

#[test]
fn forced_text_without_end_comes_in_pieces() {
    let mut constraint = constraint("root ::= x{100}\nx ::= \"a\"{90}");
    let start = constraint.start();
    let forced = constraint.forced_bytes(start).unwrap();
    assert_eq!(forced.bytes.len(), 4096);
    let rest = constraint.forced_bytes(forced.state).unwrap();
    assert_eq!(rest.bytes.len(), 4096);
    assert_eq!(constraint.forced_bytes(rest.state).unwrap().bytes.len(), 9_000 - 2 * 4096);
}

#[test]
fn old_states_stay_good() {
    let mut constraint = constraint("root ::= \"(\" root? \")\"");
    let mut trail = vec![constraint.start()];
    for _ in 0..50 {
        let last = *trail.last().unwrap();
        trail.push(constraint.advance_byte(last, b'(').unwrap().unwrap());
    }
    for (depth, state) in trail.iter().enumerate() {
        let mut state = *state;
        for _ in 0..depth {
            state = constraint.advance_byte(state, b')').unwrap().unwrap();
        }
        assert_eq!(constraint.accepting(state), depth > 0);
    }
}

#[test]
fn the_next_is_explained() {
    let grammar = "root ::= \"{\" pair \"}\"\n\npair ::= \"name\" | [0-9é]+ | <think>";
    let mut constraint = constraint(grammar);
    let state = after(&mut constraint, "{").unwrap();
    let explanation = constraint.explain(state);
    let words: Vec<String> = explanation.to_string().lines().map(str::to_owned).collect();
    let place = "in `pair` (line 3) in `root`";
    let expect = [
        format!("[0-9] or a character above U+007F {place}"),
        format!("token 256 {place}"),
        format!("\"name\" {place}"),
    ];
    let sorted = |mut words: Vec<String>| {
        words.sort();
        words
    };
    assert_eq!(sorted(words), sorted(expect.to_vec()));
    assert!(!explanation.accepting && explanation.more == 0);
    let digit = after(&mut constraint, "{7").unwrap();
    let next = constraint.explain(digit).next;
    assert!(next.iter().any(|next| next.what == What::Text(b"}".to_vec())), "{next:?}");
    let end = after(&mut constraint, "{7}").unwrap();
    assert_eq!(constraint.explain(end).to_string(), "the end of the text\n");
}

//! Random texts and random tokens: what is bound is a part of what is not, and is what a plain grammar says.

use std::sync::Arc;

use chargehand_grammar::matcher::Landing;
use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Binding, Bindings, Constraint, Expr, Grammar, json};
use proptest::prelude::*;

use super::{checked_mask, compiled, with_strings};

/// `PROPTEST_CASES` asks for more than the usual number.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(200), ..usual }
}

fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        5 => Just('a'), 4 => Just('b'), 1 => Just('"'), 1 => Just('\\'), 1 => Just('\n'), 1 => Just('\r'),
        1 => Just('n'), 1 => Just('u'), 1 => Just('0'), 1 => Just('\u{1}'), 1 => Just('\u{b}'), 1 => Just('\u{1f}'),
        1 => Just('\u{7f}'), 1 => Just('é'), 1 => Just('è'), 1 => Just('漢'), 1 => Just('🦀'), 1 => any::<char>(),
    ]
}

fn text(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(character(), 0..most).prop_map(|text| text.into_iter().collect())
}

/// Tokens of spelt texts and of pieces of them, of all bytes, and an end.
fn vocabulary(texts: &[String], cuts: &[(usize, usize)]) -> Arc<Vocabulary> {
    let spelt: Vec<u8> =
        texts.iter().flat_map(|text| json::quote(text).into_bytes()).chain(*b",\"x\"").collect();
    let piece = |(from, length): &(usize, usize)| {
        let from = from % spelt.len();
        spelt[from..(from + length).min(spelt.len())].to_vec()
    };
    let pieces = cuts.iter().map(piece).map(|bytes| (Kind::Text, bytes));
    let bytes = (0..=u8::MAX).map(|byte| (Kind::Text, vec![byte]));
    Arc::new(Vocabulary::new(bytes.chain(pieces).chain([(Kind::End, b"</s>".to_vec())])).unwrap())
}

fn cuts() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0_usize..400, 1_usize..12), 0..60)
}

/// Goes through both, and holds each mask of the first against the second.
fn same(
    first: &mut Constraint,
    second: &mut Constraint,
    choices: &[u16],
) -> Result<(), TestCaseError> {
    let (mut a, mut b) = (first.start(), second.start());
    for choice in choices {
        prop_assert_eq!(first.accepting(a), second.accepting(b));
        let allowed = checked_mask(first, a);
        prop_assert_eq!(&allowed, &checked_mask(second, b));
        if allowed.is_empty() {
            break;
        }
        let token = allowed[usize::from(*choice) % allowed.len()];
        a = first.advance(a, token).unwrap().unwrap();
        b = second.advance(b, token).unwrap().unwrap();
    }
    Ok(())
}

const RULES: &str = "root ::= x (\",\" x)? \"!\"?\nx ::= json-string #! bind x";

fn check_expansion(
    binding: Binding,
    texts: &[String],
    cuts: &[(usize, usize)],
    choices: &[u16],
) -> Result<(), TestCaseError> {
    let bindings = Bindings::new().with("x", binding);
    let vocabulary = vocabulary(texts, cuts);
    let mut native = compiled(&with_strings(RULES), &bindings, Arc::clone(&vocabulary)).unwrap();
    let mut plain =
        Constraint::new(&bindings.written_out(&with_strings(RULES)), vocabulary).unwrap();
    same(&mut native, &mut plain, choices)
}

/// Returns the parts of `text` whose characters were seen.
fn parts(text: &str, seen: &[bool]) -> Vec<(usize, usize)> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for ((from, c), _) in text.char_indices().zip(seen).filter(|(_, seen)| **seen) {
        match parts.last_mut() {
            Some((_, to)) if *to == from => *to += c.len_utf8(),
            Some(_) | None => parts.push((from, from + c.len_utf8())),
        }
    }
    parts
}

/// Returns the pieces that lie in one of the parts and occur once, overlapping ones counted, and the empty one.
fn pieces(text: &str, parts: &[(usize, usize)]) -> Vec<String> {
    let begins = |at: usize, piece: &str| text.as_bytes()[at..].starts_with(piece.as_bytes());
    let count = |piece: &str| (0..text.len()).filter(|at| begins(*at, piece)).count();
    let mut pieces = vec![String::new()];
    for (from, to) in parts {
        for start in *from..*to {
            let ends = (start + 1..=*to).filter_map(|end| text.get(start..end));
            pieces.extend(ends.filter(|piece| count(piece) == 1).map(str::to_owned));
        }
    }
    pieces
}

/// Returns a grammar with all sorts of bindings.
fn edits(
    texts: &[String],
    names: &[String],
    words: &[String],
    failed: &str,
) -> (Grammar, Bindings) {
    let grammar = with_strings(
        "root ::= edit (\";\" edit){0,2}\n\
             edit ::= path \",\" old \",\" new (\",\" why)? #! bind failed\n\
             path ::= json-string #! bind path\n\
             old ::= json-string #! bind old\n\
             new ::= json-string #! bind new\n\
             why ::= json-string #! bind why",
    );
    let each = names.iter().enumerate().map(|(at, name)| {
        let text = texts[at % 3].as_str();
        let half = text.floor_char_boundary(text.len() / 2);
        let binding = match at % 2 {
            1 if half > 0 => Binding::piece_in(text, [(0, half)]),
            _ => Binding::piece_or_empty(text),
        };
        (name.as_str(), binding)
    });
    let mut seen = std::collections::BTreeSet::new();
    let each: Vec<_> = each.filter(|(name, _)| seen.insert(*name)).collect();
    let first = format!("{},{},{}", json::quote(&names[0]), json::quote(""), json::quote(failed));
    let bindings = Bindings::new()
        .with("path", Binding::one_of(names.iter().map(String::as_str)))
        .with("old", Binding::by("path", each))
        .with("new", Binding::other_than_said("old"))
        .with("why", Binding::without(words.to_vec()))
        .with("failed", Binding::not([first]));
    (grammar, bindings)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_piece_is_what_its_rules_say(text in text(30), cuts in cuts(), choices in prop::collection::vec(any::<u16>(), 14)) {
        prop_assume!(!text.is_empty());
        check_expansion(Binding::piece(text.as_str()), std::slice::from_ref(&text), &cuts, &choices)?;
        check_expansion(Binding::piece_or_empty(text.as_str()), &[text], &cuts, &choices)?;
    }

    #[test]
    fn a_piece_in_a_part_is_one_of_all_there_are(
        text in text(24),
        seen in prop::collection::vec(prop::bool::weighted(0.7), 24),
        cuts in cuts(),
        choices in prop::collection::vec(any::<u16>(), 14),
    ) {
        let parts = parts(&text, &seen);
        let quoted: Vec<String> = pieces(&text, &parts).iter().map(|piece| json::quote(piece)).collect();
        let all = Grammar::new(Expr::one_of(quoted.iter().map(String::as_str)));
        let bindings = Bindings::new().with("x", Binding::piece_in(text.as_str(), parts));
        let vocabulary = vocabulary(&[text], &cuts);
        let rules = with_strings("root ::= x\nx ::= json-string #! bind x");
        let mut native = compiled(&rules, &bindings, Arc::clone(&vocabulary)).unwrap();
        same(&mut native, &mut Constraint::new(&all, vocabulary).unwrap(), &choices)?;
    }

    #[test]
    fn names_are_what_their_tree_says(names in prop::collection::vec(text(5), 1..12), cuts in cuts(), choices in prop::collection::vec(any::<u16>(), 14)) {
        check_expansion(Binding::one_of(names.iter().map(String::as_str)), &names, &cuts, &choices)?;
    }

    #[test]
    fn another_text_is_what_its_rules_say(text in text(8), cuts in cuts(), choices in prop::collection::vec(any::<u16>(), 14)) {
        check_expansion(Binding::other_than(text.as_str()), &[text], &cuts, &choices)?;
    }

    #[test]
    fn no_word_comes_out(words in prop::collection::vec(text(4), 1..5), text in text(12), any_case in any::<bool>()) {
        prop_assume!(words.iter().all(|word| !word.is_empty()));
        let binding = if any_case { Binding::without_in_any_case(words.clone()) } else { Binding::without(words.clone()) };
        let grammar = with_strings("root ::= x\nx ::= json-string #! bind x");
        let compiled = compiled(&grammar, &Bindings::new().with("x", binding), vocabulary(&words, &[]));
        // A random letter may have a case of several letters, of which one is a word of its own.
        let mut constraint = compiled.unwrap();
        let has = |word: &String| {
            if any_case && text.is_ascii() && word.is_ascii() {
                text.to_lowercase().contains(&word.to_lowercase())
            } else {
                text.contains(word.as_str())
            }
        };
        prop_assume!(!any_case || text.is_ascii());
        let start = constraint.start();
        let end = constraint.advance_bytes(start, json::quote(&text).as_bytes()).unwrap();
        let said = end.is_some_and(|end| constraint.accepting(end));
        prop_assert_eq!(said, !words.iter().any(has), "{:?} {:?}", words, text);
    }

    #[test]
    fn what_is_begun_without_words_can_be_ended(words in prop::collection::vec(text(3), 1..6), cuts in cuts(), choices in prop::collection::vec(any::<u16>(), 10)) {
        prop_assume!(words.iter().all(|word| !word.is_empty()));
        let bindings = Bindings::new().with("x", Binding::without(words.clone()));
        let mut constraint = compiled(&with_strings(RULES), &bindings, vocabulary(&words, &cuts)).unwrap();
        let mut state = constraint.start();
        for choice in &choices {
            let allowed = checked_mask(&mut constraint, state);
            prop_assert!(!allowed.is_empty());
            let token = allowed[usize::from(*choice) % allowed.len()];
            let next = constraint.advance(state, token).unwrap().unwrap();
            if constraint.accepting(state) && usize::try_from(token).unwrap() + 1 == constraint.vocabulary().len() { break }
            state = next;
        }
    }

    #[test]
    fn texts_that_are_excluded_are_all_that_is(texts in prop::collection::vec("[ab]{0,4}", 0..6), tried in prop::collection::vec("[ab]{0,5}", 20), cuts in cuts(), choices in prop::collection::vec(any::<u16>(), 8)) {
        let grammar = with_strings("root ::= x\nx ::= \"a\"? (\"b\" | \"aa\"){0,2} #! bind x");
        let bindings = Bindings::new().with("x", Binding::not(texts.iter().map(String::as_str)));
        let vocabulary = vocabulary(&texts, &cuts);
        let mut constraint = compiled(&grammar, &bindings, Arc::clone(&vocabulary)).unwrap();
        let mut open = Constraint::new(&grammar.unbound(), vocabulary).unwrap();
        for text in &tried {
            let start = open.start();
            let end = open.advance_bytes(start, text.as_bytes()).unwrap();
            let expect = end.is_some_and(|end| open.accepting(end)) && !texts.contains(text);
            let start = constraint.start();
            let end = constraint.advance_bytes(start, text.as_bytes()).unwrap();
            prop_assert_eq!(end.is_some_and(|end| constraint.accepting(end)), expect, "{}", text);
        }
        let mut state = constraint.start();
        for choice in &choices {
            let allowed = checked_mask(&mut constraint, state);
            prop_assert!(!allowed.is_empty(), "a dead end");
            let token = allowed[usize::from(*choice) % allowed.len()];
            let at_end = constraint.accepting(state) && usize::try_from(token).unwrap() + 1 == constraint.vocabulary().len();
            if at_end { break }
            state = constraint.advance(state, token).unwrap().unwrap();
        }
    }

    #[test]
    fn what_is_bound_is_a_part_of_what_is_not(
        texts in prop::collection::vec(text(20), 3),
        names in prop::collection::vec("[abc]{0,2}", 1..4),
        words in prop::collection::vec(text(4), 1..3),
        failed in text(4),
        cuts in cuts(),
        choices in prop::collection::vec(any::<u16>(), 24),
    ) {
        prop_assume!(words.iter().all(|word| !word.is_empty()));
        let (grammar, bindings) = edits(&texts, &names, &words, &failed);
        let said: Vec<String> = names.iter().chain(&texts).chain(&words).cloned().collect();
        let vocabulary = vocabulary(&said, &cuts);
        let mut bound = compiled(&grammar, &bindings, Arc::clone(&vocabulary)).unwrap();
        let mut open = Constraint::new(&grammar.unbound(), Arc::clone(&vocabulary)).unwrap();
        let (mut a, mut b) = (bound.start(), open.start());
        let mut trail = vec![a];
        for choice in &choices {
            let allowed = checked_mask(&mut bound, a);
            let mask = open.mask(b).unwrap();
            prop_assert!(allowed.iter().all(|token| mask.allows(*token)));
            prop_assert!(!allowed.is_empty(), "a dead end");
            prop_assert!(!bound.accepting(a) || open.accepting(b));
            let forced = bound.forced_bytes(a).unwrap();
            prop_assert_eq!(bound.advance_bytes(a, &forced.bytes).unwrap(), Some(forced.state));
            let token = allowed[usize::from(*choice) % allowed.len()];
            let ended = vocabulary.kind(token) == Some(Kind::End);
            a = bound.advance(a, token).unwrap().unwrap();
            b = open.advance(b, token).unwrap().unwrap();
            trail.push(a);
            if ended { break }
        }
        // Old states stay good.
        for state in trail.iter().rev().skip(1) {
            checked_mask(&mut bound, *state);
        }
    }

    /// Whatever a model would like to say, its text is whole at the limit.
    #[test]
    fn a_text_is_whole_at_its_limit(
        texts in prop::collection::vec(text(20), 3),
        names in prop::collection::vec("[abc]{0,2}", 1..4),
        words in prop::collection::vec(text(4), 1..3),
        failed in text(4),
        cuts in cuts(),
        room in 0_usize..12,
        wishes in prop::collection::vec(any::<u16>(), 30),
    ) {
        prop_assume!(words.iter().all(|word| !word.is_empty()));
        let (grammar, bindings) = edits(&texts, &names, &words, &failed);
        let vocabulary = vocabulary(&texts, &cuts);
        let mut constraint = compiled(&grammar, &bindings, Arc::clone(&vocabulary)).unwrap();
        let mut state = constraint.start();
        let shortest = constraint.completion(state).unwrap().expect("every byte is a token");
        let limit = shortest.len() + room;
        // Another search may find a way that is as short in bytes and longer in tokens.
        let Some(mut landing) = Landing::new(&mut constraint, limit).unwrap() else { return Ok(()) };
        for left in (1..=limit).rev() {
            let allowed = checked_mask(&mut constraint, state);
            let wanted = allowed[usize::from(wishes[left % wishes.len()]) % allowed.len()];
            if vocabulary.kind(wanted) == Some(Kind::End) { break }
            let token = landing.steer(&mut constraint, state, wanted, left).unwrap();
            let Some(token) = token else { break };
            state = constraint.advance(state, token).unwrap().expect("it is allowed");
        }
        prop_assert!(constraint.accepting(state));
    }

    #[test]
    fn no_way_is_shorter(text in text(12), other in text(3), begun in prop::collection::vec(any::<u8>(), 0..4)) {
        let cases = [
            Binding::piece_or_empty(text.as_str()),
            Binding::other_than(other.as_str()),
            Binding::without([format!("{other}x"), text[..text.chars().next().map_or(0, char::len_utf8)].to_owned() + "y"]),
        ];
        for binding in cases {
            let bindings = Bindings::new().with("x", binding);
            let mut constraint = compiled(&with_strings("root ::= x\nx ::= json-string #! bind x"), &bindings, vocabulary(&[], &[])).unwrap();
            let mut state = constraint.start();
            for choice in &begun {
                let distance = constraint.distance(state);
                let steps: Vec<_> = (0..=u8::MAX).filter_map(|byte| constraint.advance_byte(state, byte).unwrap()).collect();
                // The end is one byte further from the nearest of what follows.
                let nearest = steps.iter().map(|next| constraint.distance(*next)).min();
                let expect = if constraint.accepting(state) { 0 } else { nearest.expect("a way") + 1 };
                prop_assert_eq!(distance, expect);
                let Some(next) = steps.get(usize::from(*choice) % steps.len().max(1)) else { break };
                state = *next;
            }
        }
    }
}

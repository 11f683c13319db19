//! How a text is brought to its end: the shortest way, and a limit that always holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use chargehand_grammar::matcher::Landing;
use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Limits, State};
use proptest::prelude::*;

use super::random::{compiled, config, grammar, vocabulary};
use super::{after, constraint};

#[track_caller]
fn check(grammar: &str, said: &str, expect: &str) {
    let mut constraint = constraint(grammar);
    let state = after(&mut constraint, said).expect(said);
    let tokens = constraint.completion(state).unwrap().expect("it can be spelt");
    let spelt: Vec<u8> = tokens
        .iter()
        .flat_map(|token| constraint.vocabulary().bytes(*token).unwrap())
        .copied()
        .collect();
    assert_eq!(String::from_utf8_lossy(&spelt), expect);
}

#[test]
fn the_shortest_way_is_found() {
    check("root ::= \"a\" | \"bcd\"", "", "a");
    check("root ::= \"a\" | \"bcd\"", "b", "cd");
    check("root ::= \"a\"*", "aa", "");
    check("root ::= \"\\\"\" [^\"\\\\]* \"\\\"\"", "\"so lo", "\"");
    check("root ::= x \"!\"\nx ::= \"(\" x \")\" | \"0\"", "(((", "0)))!");
    check("root ::= [a-z]{3,9} \".\"", "ab", "a.");
    check("root ::= \"{\" (\"k\" \":\" root (\",\" \"k\" \":\" root)*)? \"}\"", "{k:{k:", "{}}}");
    check("root ::= \"x\" <think> \"y\"", "", "x<think>y");
    check("root ::= !<[97]> \"y\"", "", "\u{1}y");
    check("root ::= .{2}", "", "  ");
}

#[test]
fn no_way_ends_a_token_where_none_may_end() {
    // C2 may become U+0080, so that no token ends behind it.
    check("root ::= [^\\x00-\\x7F\\u0080]", "", "À");
    check("root ::= [^\\x00-\\x7F\\u0080] \"!\"", "à", "!");
    let mut constraint = constraint("root ::= [^\\x00-\\x7F\\u0082-\\U0010FFFF]");
    let start = constraint.start();
    assert_eq!(constraint.completion(start), Ok(None));
    assert!(Landing::new(&mut constraint, 9).unwrap().is_none());
}

#[test]
fn what_cannot_be_spelt_has_no_completion() {
    let tokens = [(Kind::Text, "a"), (Kind::Text, "bc")];
    let vocabulary = Arc::new(Vocabulary::new(tokens).unwrap());
    let constraint = |text: &str| {
        let mut constraint =
            Constraint::from_text(text, Arc::clone(&vocabulary), &Limits::default()).unwrap();
        let start = constraint.start();
        (constraint.completion(start).unwrap(), Landing::new(&mut constraint, 9).unwrap().is_some())
    };
    assert_eq!(constraint("root ::= \"abc\""), (Some(vec![0, 1]), true));
    assert_eq!(constraint("root ::= \"ab\""), (None, false));
    assert!(!constraint("root ::= \"aaaaaaaaaa\"").1);
}

/// Returns whether a text of at most `depth` bytes makes the text whole. It looks at all of them.
fn ends_within(constraint: &mut Constraint, from: State, depth: usize) -> bool {
    let mut states = BTreeSet::from([from]);
    for _ in 0..=depth {
        if states.iter().any(|state| constraint.accepting(*state)) {
            return true;
        }
        let now = std::mem::take(&mut states);
        for state in now {
            for byte in 0..=u8::MAX {
                states.extend(constraint.advance_byte(state, byte).unwrap());
            }
        }
    }
    false
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_way_is_shorter(grammar in grammar()) {
        let bytes = (0..=u8::MAX).map(|byte| (Kind::Text, vec![byte]));
        let vocabulary = Arc::new(Vocabulary::new(bytes).unwrap());
        let Some(mut constraint) = compiled(&grammar, vocabulary) else { return Ok(()) };
        let start = constraint.start();
        let distance = constraint.distance(start);
        if distance > 4 {
            return Ok(());
        }
        prop_assert!(ends_within(&mut constraint, start, distance));
        if let Some(less) = distance.checked_sub(1) {
            prop_assert!(!ends_within(&mut constraint, start, less));
        }
    }

    /// Whatever a model would like to say, its text is whole at the limit.
    #[test]
    fn a_text_is_whole_at_its_limit(
        grammar in grammar(),
        vocabulary in vocabulary(),
        room in 0_usize..12,
        wishes in prop::collection::vec(any::<u32>(), 40),
    ) {
        let Some(mut constraint) = compiled(&grammar, vocabulary) else { return Ok(()) };
        let start = constraint.start();
        let Some(shortest) = constraint.completion(start).unwrap() else { return Ok(()) };
        let limit = shortest.len() + room;
        let mut landing = Landing::new(&mut constraint, limit).unwrap().expect("it is short enough");
        let mut state = start;
        let mut is_whole = false;
        for left in (1..=limit).rev() {
            let count = u32::try_from(constraint.vocabulary().len()).unwrap();
            let mask = constraint.mask(state).unwrap();
            let allowed: Vec<u32> = (0..count).filter(|token| mask.allows(*token)).collect();
            prop_assert!(!allowed.is_empty() || constraint.accepting(state));
            let wish = wishes[left % wishes.len()] as usize;
            let wanted = allowed.get(wish % allowed.len().max(1)).copied();
            let ends = |token| constraint.vocabulary().kind(token) == Some(Kind::End);
            if wanted.is_none_or(ends) {
                is_whole = true;
                break;
            }
            // To be asked and to refuse changes nothing.
            let other = allowed[(wish / 7) % allowed.len()];
            let is_other = wish.is_multiple_of(3)
                && !ends(other)
                && landing.takes(&mut constraint, state, other, left).unwrap();
            let token = match is_other {
                true => Some(other),
                false => landing.steer(&mut constraint, state, wanted.unwrap(), left).unwrap(),
            };
            let Some(token) = token else { break };
            prop_assert!(constraint.mask(state).unwrap().allows(token));
            state = constraint.advance(state, token).unwrap().expect("it is allowed");
        }
        prop_assert!(is_whole || constraint.accepting(state));
    }
}

#[test]
fn a_text_that_is_far_too_long_is_not_looked_for() {
    let doubled = (0..40).map(|at| format!("r{} ::= r{at} r{at}\n", at + 1));
    let grammar = format!("root ::= r40\nr0 ::= \"x\"\n{}", doubled.collect::<String>());
    let mut constraint = constraint(&grammar);
    assert!(Landing::new(&mut constraint, 100).unwrap().is_none());
}

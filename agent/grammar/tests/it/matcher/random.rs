//! Random grammars and random texts, against a matcher that is slow and obvious.

use std::sync::Arc;

use chargehand_grammar::gbnf::CharSet;
use chargehand_grammar::matcher::CompileError;
use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Expr, Grammar, Limits, State};
use proptest::prelude::*;

use super::slow::{Verdict, verdict};

/// `PROPTEST_CASES` asks for more than the usual number.
pub(crate) fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(600), max_global_rejects: u32::MAX, ..usual }
}

/// Characters of grammars and texts: few, so that they meet; of all lengths, with shared first bytes.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => Just('a'), 3 => Just('b'), 2 => Just('"'), 1 => Just('\\'), 1 => Just('\n'),
        1 => Just('é'), 1 => Just('è'), 1 => Just('漢'), 1 => Just('🦀'), 1 => Just('\u{7F}'),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(character(), 0..10).prop_map(|text| text.into_iter().collect())
}

fn expr() -> impl Strategy<Value = Expr> {
    let ranges = prop::collection::vec((character(), character()), 1..3);
    let set = (ranges, any::<bool>()).prop_filter_map("no character", |(ranges, negated)| {
        let ranges = ranges.into_iter().map(|(a, b): (char, char)| (a.min(b), a.max(b)));
        if negated { CharSet::except(ranges) } else { CharSet::of(ranges) }
    });
    let leaf = prop_oneof![
        4 => prop::collection::vec(character(), 0..4)
            .prop_map(|text| Expr::literal(text.iter().collect::<String>())),
        3 => set.prop_map(Expr::Chars),
        3 => prop_oneof![Just("root"), Just("x"), Just("y"), Just("z")].prop_map(Expr::rule),
        1 => Just(Expr::Class("[^\"\\\\\\x00-\\x1F\\x7F]")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Seq),
            3 => prop::collection::vec(inner.clone(), 2..5).prop_map(Expr::Any),
            2 => (inner, 0_u32..3, prop::option::of(0_u32..3)).prop_map(|(inner, min, more)| {
                Expr::repeat(inner, min, more.map(|more| min + more))
            }),
        ]
    })
}

pub(crate) fn grammar() -> impl Strategy<Value = Grammar> {
    (expr(), expr(), expr(), expr()).prop_map(|(root, x, y, z)| {
        let mut grammar = Grammar::new(root);
        grammar.add("x", x);
        grammar.add("y", y);
        grammar.add("z", z);
        grammar
    })
}

/// Tokens of characters that grammars have, of pieces of characters, and some that are no text.
pub(crate) fn vocabulary() -> impl Strategy<Value = Arc<Vocabulary>> {
    let token = prop_oneof![
        text().prop_map(String::into_bytes),
        // A piece of a text may begin and end inside a character.
        (text(), 0_usize..3, 1_usize..5)
            .prop_map(|(text, from, length)| { text.bytes().skip(from).take(length).collect() }),
        prop::collection::vec(any::<u8>(), 0..3),
    ];
    let kind = prop_oneof![10 => Just(Kind::Text), 1 => Just(Kind::Control), 1 => Just(Kind::End)];
    let tokens = prop::collection::vec((kind, token), 1..120);
    tokens.prop_map(|tokens| Arc::new(Vocabulary::new(tokens).unwrap()))
}

/// Returns the constraint, unless the grammar is one that cannot be.
pub(crate) fn compiled(grammar: &Grammar, vocabulary: Arc<Vocabulary>) -> Option<Constraint> {
    match Constraint::new(grammar, vocabulary) {
        Ok(constraint) => Some(constraint),
        Err(CompileError::LeftRecursion { .. } | CompileError::Endless(_)) => None,
        Err(other) => panic!("{grammar}\n{other}"),
    }
}

fn no_tokens() -> Arc<Vocabulary> {
    Arc::new(Vocabulary::new(Vec::<(Kind, Vec<u8>)>::new()).unwrap())
}

fn fast(constraint: &mut Constraint, text: &[u8]) -> Verdict {
    let mut state = Some(constraint.start());
    for byte in text {
        state = state.and_then(|state| constraint.advance_byte(state, *byte).unwrap());
    }
    Verdict {
        whole: state.is_some_and(|state| constraint.accepting(state)),
        possible: state.is_some(),
    }
}

/// Checks the mask of a state, token by token.
fn check_mask(constraint: &mut Constraint, state: State) -> Result<(), TestCaseError> {
    let vocabulary = Arc::clone(constraint.vocabulary());
    let mask = constraint.mask(state).unwrap().clone();
    let mut count = 0;
    for token in (0..).take(vocabulary.len()) {
        let possible = constraint.advance(state, token).unwrap().is_some();
        prop_assert_eq!(
            mask.allows(token),
            possible,
            "token {} {:?}",
            token,
            vocabulary.bytes(token)
        );
        count += usize::from(possible);
    }
    prop_assert_eq!(mask.count(vocabulary.len()), count);
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_matchers_agree(grammar in grammar(), texts in prop::collection::vec(text(), 6)) {
        let constraint = compiled(&grammar, no_tokens());
        prop_assume!(constraint.is_some());
        let mut constraint = constraint.unwrap();
        for text in &texts {
            // All beginnings, those that end inside a character too.
            for end in 0..=text.len() {
                let text = &text.as_bytes()[..end];
                let slow = verdict(&grammar, text);
                prop_assert_eq!(fast(&mut constraint, text), slow, "{}\n{:?}", grammar, text);
                if !slow.possible { break }
            }
        }
    }

    #[test]
    fn what_is_allowed_can_be_made_whole(grammar in grammar(), choices in prop::collection::vec(any::<u8>(), 12)) {
        let constraint = compiled(&grammar, no_tokens());
        prop_assume!(constraint.is_some());
        let mut constraint = constraint.unwrap();
        let mut state = constraint.start();
        let mut text = Vec::new();
        for choice in choices {
            let next = (0..=u8::MAX).map(|byte| byte.wrapping_add(choice.wrapping_mul(37)));
            let next = next.filter_map(|byte| Some((byte, constraint.advance_byte(state, byte).unwrap()?))).next();
            prop_assert!(next.is_some() || constraint.accepting(state), "{}\ndead after {:?}", grammar, text);
            let Some((byte, to)) = next else { break };
            text.push(byte);
            state = to;
        }
        let slow = verdict(&grammar, &text);
        prop_assert_eq!(Verdict { whole: constraint.accepting(state), possible: true }, slow, "{}\n{:?}", grammar, text);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn masks_are_what_advances(grammar in grammar(), vocabulary in vocabulary(), choices in prop::collection::vec(any::<u16>(), 6)) {
        let constraint = compiled(&grammar, Arc::clone(&vocabulary));
        prop_assume!(constraint.is_some());
        let mut constraint = constraint.unwrap();
        let mut state = constraint.start();
        let mut text = Vec::new();
        for choice in choices {
            check_mask(&mut constraint, state)?;
            let tokens = u32::try_from(vocabulary.len()).unwrap();
            let turned = (0..tokens).map(|token| (token + u32::from(choice)) % tokens);
            let next = turned.filter_map(|token| Some((token, constraint.advance(state, token).unwrap()?))).next();
            let Some((token, to)) = next else { break };
            state = to;
            if vocabulary.kind(token) == Some(Kind::End) {
                prop_assert!(verdict(&grammar, &text).whole);
                check_mask(&mut constraint, state)?;
                break;
            }
            text.extend_from_slice(vocabulary.bytes(token).unwrap());
            let slow = verdict(&grammar, &text);
            prop_assert_eq!(Verdict { whole: constraint.accepting(state), possible: true }, slow, "{}\n{:?}", grammar, text);
        }
    }

    #[test]
    fn little_memory_changes_nothing_but_time(grammar in grammar(), vocabulary in vocabulary(), texts in prop::collection::vec(text(), 4)) {
        let tight = |memory_bytes| {
            let limits = Limits { memory_bytes, ..Limits::default() };
            Constraint::within(&grammar, Arc::clone(&vocabulary), &limits)
        };
        let wide = compiled(&grammar, Arc::clone(&vocabulary));
        prop_assume!(wide.is_some());
        let mut wide = wide.unwrap();
        let Ok(mut tight) = tight(40_000) else { return Ok(()) };
        for text in texts {
            let (mut a, mut b) = (wide.start(), tight.start());
            for byte in text.bytes() {
                let (Ok(mask), wide_mask) = (tight.mask(b).cloned(), wide.mask(a).unwrap()) else { return Ok(()) };
                prop_assert_eq!(&mask, wide_mask);
                let Some(to) = wide.advance_byte(a, byte).unwrap() else { break };
                let Ok(Some(tight_to)) = tight.advance_byte(b, byte) else { return Ok(()) };
                (a, b) = (to, tight_to);
            }
        }
    }
}

//! Random grammars, texts and vocabularies for as long as one likes, against a matcher that is slow and obvious:
//! `CHARGEHAND_FUZZ_SECONDS=600 cargo test --release -p chargehand-grammar --test it fuzz -- --nocapture`

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chargehand_grammar::gbnf::Mistake;
use chargehand_grammar::matcher::CompileError;
use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Grammar, Limits, State};

use crate::dice::{self, Dice};
use crate::matcher::slow::{may_rest, verdict};

/// So many seeds are tried where nobody asks for more.
const ROUNDS: u64 = 2_000;

#[test]
fn any_text_is_read_or_refused() {
    let rounds = for_a_while(ROUNDS, |seed| {
        let dice = &mut Dice::new(seed);
        let text = dice::gbnf(dice);
        let grammar = match Grammar::parse(&text) {
            Ok(grammar) => grammar,
            Err(error) => {
                let lines = text.split('\n').count();
                assert!((1..=lines).contains(&error.line) && error.column > 0, "{text}\n{error}");
                assert_ne!(error.kind, Mistake::Limit, "{text}\n{error}");
                return;
            }
        };
        assert!(!text.contains("{3,2}") || text.contains('#') || text.contains('['), "{text}");
        let printed = grammar.to_string();
        assert_eq!(Grammar::parse(&printed).as_ref(), Ok(&grammar), "{text}\n{printed}");
        let vocabulary = vocabulary(dice);
        if let Some(constraint) = compiled(&grammar, &vocabulary, &Limits::default()) {
            walk(dice, &grammar, constraint, &vocabulary);
        }
    });
    println!("{rounds} texts");
}

#[test]
fn any_grammar_means_what_it_says() {
    let rounds = for_a_while(ROUNDS, |seed| {
        let mut dice = Dice::new(seed);
        if dice.one_in(2) {
            dice = Dice::without_recursion(seed);
        }
        let dice = &mut dice;
        let grammar = dice::grammar(dice, 0);
        let vocabulary = vocabulary(dice);
        if let Some(constraint) = compiled(&grammar, &vocabulary, &Limits::default()) {
            walk(dice, &grammar, constraint, &vocabulary);
        }
    });
    println!("{rounds} grammars");
}

#[test]
fn limits_change_nothing_but_end_things() {
    let rounds = for_a_while(ROUNDS, |seed| {
        let dice = &mut Dice::new(seed);
        let grammar = dice::grammar(dice, 40);
        let vocabulary = vocabulary(dice);
        let limits = Limits {
            memory_bytes: 10_000 << dice.roll(5),
            work: 100 << dice.roll(8),
            width: 4 << dice.roll(8),
            ..Limits::default()
        };
        let wide = compiled(&grammar, &vocabulary, &Limits::default());
        let (Some(mut wide), Some(mut tight)) = (wide, compiled(&grammar, &vocabulary, &limits))
        else {
            return;
        };
        let mut both = (wide.start(), tight.start());
        for _ in 0..20 {
            let mask = wide.mask(both.0).unwrap().clone();
            // What fails for want of room may fail again, and says nothing else in between.
            match tight.mask(both.1) {
                Ok(same) => assert_eq!(*same, mask, "{grammar}"),
                Err(_) => continue,
            }
            let token = u32::try_from(dice.roll(vocabulary.len())).unwrap();
            let (Some(to), Ok(next)) =
                (wide.advance(both.0, token).unwrap(), tight.advance(both.1, token))
            else {
                continue;
            };
            both = (to, next.unwrap_or_else(|| panic!("{grammar}\ntoken {token}")));
        }
    });
    println!("{rounds} grammars");
}

/// Calls `act` with the first `usual` seeds, so that no change fails by chance; where `CHARGEHAND_FUZZ_SECONDS` is set,
/// with ever new ones for so long. `CHARGEHAND_FUZZ_SEED` asks for a single one. Returns how often it was called.
pub(crate) fn for_a_while(usual: u64, mut act: impl FnMut(u64)) -> u64 {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("CHARGEHAND_FUZZ_SEED") {
        act(seed);
        return 1;
    }
    let (start, time) =
        (Instant::now(), number("CHARGEHAND_FUZZ_SECONDS").map(Duration::from_secs));
    let first = time.map_or(0, |_| RandomState::new().hash_one(0) >> 1);
    let mut rounds = 0;
    while time.map_or(rounds < usual, |time| start.elapsed() < time) {
        let seed = first + rounds;
        let told = Told(seed);
        act(told.0);
        rounds += 1;
    }
    rounds
}

/// Tells the seed when a test fails under it.
struct Told(u64);

impl Drop for Told {
    #[expect(clippy::print_stdout, reason = "the harness shows it where a test fails")]
    fn drop(&mut self) {
        if thread::panicking() {
            println!("CHARGEHAND_FUZZ_SEED={}", self.0);
        }
    }
}

/// Returns a vocabulary of characters and pieces of them; the last ones are a control token and the end.
fn vocabulary(dice: &mut Dice) -> Arc<Vocabulary> {
    let mut tokens = Vec::new();
    for _ in 0..12 + dice.roll(30) {
        let text = dice.text(1..4);
        let (from, to) = (dice.roll(text.len()), dice.roll(text.len() + 1));
        let piece = if dice.one_in(2) { text.as_bytes() } else { &text.as_bytes()[from.min(to)..] };
        tokens.push((Kind::Text, piece[..1 + dice.roll(piece.len())].to_vec()));
        tokens.push((Kind::Text, text.into_bytes()));
    }
    tokens.push((Kind::Text, vec![u8::try_from(dice.roll(256)).unwrap()]));
    tokens.extend([(Kind::Control, b"a".to_vec()), (Kind::End, b"</s>".to_vec())]);
    Arc::new(Vocabulary::new(tokens).unwrap())
}

fn compiled(
    grammar: &Grammar,
    vocabulary: &Arc<Vocabulary>,
    limits: &Limits,
) -> Option<Constraint> {
    match Constraint::within(grammar, Arc::clone(vocabulary), limits) {
        Ok(constraint) => Some(constraint),
        Err(
            CompileError::LeftRecursion { .. }
            | CompileError::Endless(_)
            | CompileError::Token { .. }
            | CompileError::Start(_),
        ) => None,
        Err(other) => panic!("{grammar}\n{other}"),
    }
}

/// Says some random tokens, and holds each mask against the slow matcher.
fn walk(dice: &mut Dice, grammar: &Grammar, mut constraint: Constraint, vocabulary: &Vocabulary) {
    if grammar.to_string().contains("<[") {
        return;
    }
    let mut state = constraint.start();
    let mut said: Vec<u8> = Vec::new();
    for _ in 0..4 {
        assert_eq!(
            constraint.accepting(state),
            verdict(grammar, &said).whole,
            "{grammar}\n{said:?}"
        );
        let allowed = mask(&mut constraint, state, vocabulary);
        for token in (0..).take(vocabulary.len()) {
            let bytes = vocabulary.bytes(token).unwrap();
            let all = [&said, bytes].concat();
            let expect = match vocabulary.kind(token).unwrap() {
                Kind::Text if bytes.contains(&0) => false,
                Kind::Text => verdict(grammar, &all).possible && may_rest(grammar, &all),
                Kind::Control => false,
                Kind::End => constraint.accepting(state),
            };
            assert_eq!(allowed.contains(&token), expect, "{grammar}\n{said:?} and then {bytes:?}");
        }
        let goes_on = |token: &u32| vocabulary.kind(*token) == Some(Kind::Text);
        let texts: Vec<u32> = allowed.into_iter().filter(goes_on).collect();
        if texts.is_empty() {
            return;
        }
        let token = texts[dice.roll(texts.len())];
        state = constraint.advance(state, token).unwrap().unwrap();
        said.extend(vocabulary.bytes(token).unwrap());
        let start = constraint.start();
        let bytes = constraint.advance_bytes(start, &said).unwrap();
        assert_eq!(bytes, Some(state), "{grammar}\n{said:?}");
    }
}

/// Returns the tokens of the mask, which are exactly those with which one gets on.
fn mask(constraint: &mut Constraint, state: State, vocabulary: &Vocabulary) -> Vec<u32> {
    let mask = constraint.mask(state).unwrap().clone();
    let tokens: Vec<u32> = (0..).take(vocabulary.len()).filter(|at| mask.allows(*at)).collect();
    assert_eq!(tokens.len(), mask.count(vocabulary.len()));
    for token in (0..).take(vocabulary.len()) {
        let next = constraint.advance(state, token).unwrap();
        assert_eq!(next.is_some(), tokens.contains(&token), "token {token}");
    }
    tokens
}

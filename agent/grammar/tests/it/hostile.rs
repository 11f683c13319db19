//! Grammar texts, trees and vocabularies that are made to hurt: each is read, compiled or refused in seconds and
//! within its memory.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use chargehand_grammar::gbnf::Mistake;
use chargehand_grammar::matcher::{CompileError, MatchError};
use chargehand_grammar::vocabulary::{Kind, Vocabulary, VocabularyError};
use chargehand_grammar::{Constraint, Grammar, Limits};

use crate::matcher::vocabulary;

/// What takes longer grows faster than its input, however slow the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

#[track_caller]
fn soon<T>(act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = act();
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
    result
}

fn compiled(text: &str) -> Result<Constraint, CompileError> {
    Constraint::from_text(text, vocabulary(&[]), &Limits::default())
}

#[test]
fn a_large_class_at_the_end_of_a_large_text_is_read_soon() {
    let class: String = ('\u{4e00}'..'\u{9fff}').cycle().take(1 << 20).collect();
    let text = format!("# {}\nroot ::= [{class}]", "x".repeat(1 << 22));
    let set = soon(|| Grammar::parse(&text)).unwrap();
    assert_eq!(set.to_string(), "root ::= [一-\u{9ffe}]\n");
}

#[test]
fn the_place_of_a_mistake_in_a_large_text_is_found_soon() {
    let mut text = String::new();
    for rule in 0..200_000 {
        writeln!(text, "x{rule} ::= \"é\" # é").unwrap();
    }
    let error = soon(|| Grammar::parse(&format!("{text}é"))).unwrap_err();
    assert_eq!((error.line, error.column, error.kind), (200_001, 1, Mistake::Syntax));
}

#[test]
fn classes_of_scattered_characters_are_compiled_soon() {
    // Of each block of 64 characters another choice: no node is like another.
    let chars = |salt: u32| {
        let blocks = (0x400..0x4000).flat_map(move |block: u32| {
            let bits = block.wrapping_add(salt).wrapping_mul(0x9E37_79B1);
            [bits & 63, bits >> 6 & 63, bits >> 12 & 63].map(|low| block << 6 | low)
        });
        blocks.filter_map(char::from_u32)
    };
    let classes = (0..24).map(|salt| format!("[{}]", chars(salt).collect::<String>()));
    let text = format!("root ::= {}", classes.collect::<Vec<_>>().join(" "));
    assert!(text.len() < 8 << 20, "{}", text.len());
    soon(|| compiled(&text)).unwrap();
}

#[test]
fn beginnings_inside_each_other_end_no_process() {
    // 200 groups in each other, each with 150 texts that begin each other.
    let mut text = String::from("root ::= ");
    for _ in 0..200 {
        let texts: Vec<String> =
            (1..150).map(|length| format!("\"{}\"", "a".repeat(length))).collect();
        write!(text, "({} | \"{}\" ", texts.join(" | "), "a".repeat(150)).unwrap();
    }
    text.push_str("\"b\"");
    text.push_str(&")".repeat(200));
    let constraint = soon(|| compiled(&text)).unwrap();
    assert!(!constraint.accepting(constraint.start()));
}

#[test]
fn the_deepest_tree_that_is_read_ends_no_process() {
    let mut text = String::from("root ::= ");
    text.push_str(&"(".repeat(256));
    text.push_str("\"a\"");
    text.push_str(&" \"b\")*?+* | \"c\"".repeat(255));
    text.push(')');
    let grammar = Grammar::parse(&text).unwrap();
    let copy = grammar.clone();
    assert_eq!(copy, grammar);
    // What is printed has parentheses around each repetition that is repeated.
    let limits = Limits { nesting: 1_024, ..Limits::default() };
    assert_eq!(Grammar::parse_within(&copy.to_string(), &limits), Ok(copy));
    assert!(soon(|| compiled(&text)).is_ok());
}

#[test]
fn the_ranges_of_repeated_classes_are_limited_too() {
    let class: String = ('0'..='z').step_by(2).filter(char::is_ascii_alphanumeric).collect();
    let text = format!("root ::= {}", format!("[{class}]{{2000}} ").repeat(400));
    let limits = Limits { positions: 1_000_000, ..Limits::default() };
    let error = soon(|| Constraint::from_text(&text, vocabulary(&[]), &limits)).unwrap_err();
    assert!(matches!(error, CompileError::TooLarge { limit: 1_000_000, .. }), "{error}");
}

#[test]
fn a_long_way_round_is_named_in_short() {
    let mut text = String::from("root ::= r0\n");
    for rule in 0..50_000 {
        writeln!(text, "r{rule} ::= r{} \"a\" | \"b\"", (rule + 1) % 50_000).unwrap();
    }
    let error = compiled(&text).unwrap_err().to_string();
    assert!(error.len() < 500, "{} bytes", error.len());
    assert!(error.contains("r0 -> r1 -> r2 ->") && error.contains("-> r0:"), "{error}");
}

#[test]
fn many_wide_places_at_once_are_refused_and_no_hang() {
    let class: String = ('0'..='z').step_by(2).filter(char::is_ascii_alphanumeric).collect();
    let one = |at: usize| format!("[{class}] \"{at}\"");
    let text = format!("root ::= {}", (0..49_000).map(one).collect::<Vec<_>>().join(" | "));
    let mut constraint = compiled(&text).unwrap();
    let start = constraint.start();
    let mask = soon(|| constraint.mask(start).cloned());
    assert!(
        mask.is_ok() || matches!(mask, Err(MatchError::Work(_) | MatchError::Memory { .. })),
        "{mask:?}"
    );
}

#[test]
fn rows_are_forgotten_without_masks_too() {
    let limits = Limits { repetition: 12_000, memory_bytes: 20 << 20, ..Limits::default() };
    let text = "root ::= [^\"]{0,12000}";
    let mut constraint = Constraint::from_text(text, vocabulary(&[]), &limits).unwrap();
    let start = constraint.start();
    // The states take 12 MB, and their rows another 12.
    let end = constraint.advance_bytes(start, &[b'a'; 12_000]).unwrap().unwrap();
    assert!(constraint.accepting(end) && constraint.states() > 12_000);
    let mut state = start;
    for _ in 0..12_000 {
        state = constraint.advance_byte(state, b'b').unwrap().unwrap();
    }
    assert_eq!(state, end);
}

#[test]
fn rows_make_room_for_states() {
    let text = "root ::= \"(\" root \")\" | [^()] [a-z]* [A-Z]* root | \"\"";
    let limits = Limits { memory_bytes: 180_000, ..Limits::default() };
    let mut constraint = Constraint::from_text(text, vocabulary(&[]), &limits).unwrap();
    let mut state = constraint.start();
    let mut depth = 0;
    let error = loop {
        let next = constraint.mask(state).map(drop);
        match next.and_then(|()| constraint.advance_byte(state, b'(')) {
            Ok(next) => state = next.unwrap(),
            Err(error) => break error,
        }
        depth += 1;
    };
    assert!(matches!(error, MatchError::Memory { limit: 180_000, .. }), "{error}");
    assert!(depth > 220, "{depth}");
}

#[test]
fn a_token_of_a_megabyte_is_no_token() {
    let tokens = [(Kind::Text, vec![b'a'; 1 << 20]), (Kind::Text, b"a".to_vec())];
    assert_eq!(Vocabulary::new(tokens).unwrap_err(), VocabularyError::LongToken(0, 1 << 20));
    let tokens = [(Kind::Text, vec![b'a'; 1 << 16])];
    assert!(Vocabulary::new(tokens).is_ok());
}

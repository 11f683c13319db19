//! Random texts: each is one of the grammar, none is too long, and there always is an end.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chargehand_grammar::Grammar;
use chargehand_grammar::sample::{Random, SampleError, Sampler};
use proptest::prelude::*;

use crate::matcher::{accepts, vocabulary};

const JSON: &str = r#"
root ::= value
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" (string ":" value ("," string ":" value)*)? "}"
array ::= "[" (value ("," value)*)? "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" ["\\/bfnrt])* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)?
"#;

#[track_caller]
fn texts(gbnf: &str, seed: u64, count: usize, limit: u64) -> Vec<Vec<u8>> {
    let grammar = Grammar::parse(gbnf).unwrap();
    let sampler = Sampler::new(&grammar, &vocabulary(&[])).unwrap();
    let mut random = Random::new(seed);
    (0..count).map(|_| sampler.text(&mut random, limit).unwrap()).collect()
}

/// Holds random texts against the matcher and the limit.
#[track_caller]
fn check(gbnf: &str, limit: u64) {
    for text in texts(gbnf, 7, 200, limit) {
        let text = String::from_utf8(text).unwrap();
        assert!(text.len() as u64 <= limit, "{} bytes: {text}", text.len());
        assert!(accepts(gbnf, &text), "{gbnf}: {text:?}");
    }
}

#[track_caller]
fn shortest(gbnf: &str, expect: u64) {
    let grammar = Grammar::parse(gbnf).unwrap();
    let sampler = Sampler::new(&grammar, &vocabulary(&[])).unwrap();
    assert_eq!(sampler.shortest(), expect, "{gbnf}");
    let text = sampler.text(&mut Random::new(1), expect).unwrap();
    assert_eq!(text.len() as u64, expect, "{gbnf}");
    if let Some(limit) = expect.checked_sub(1) {
        let refused = sampler.text(&mut Random::new(1), limit);
        assert_eq!(refused, Err(SampleError::TooLong { shortest: expect, limit }));
    }
}

#[test]
fn each_text_is_one_of_the_grammar() {
    for limit in [1, 2, 3, 10, 100, 2000] {
        check(JSON, limit);
    }
    check("root ::= [^a-z]{2,5} | \"é\"* [α-ω]", 9);
    check("root ::= (\"a\"? \"b\"?)* \"c\"{3}", 12);
    check(
        "root ::= a | \"(\" root \")\"\na ::= \"x\" | root-two\nroot-two ::= \"[\" root \"]\"",
        40,
    );
    check("root ::= .*", 8);
}

#[test]
fn the_shortest_text_is_known() {
    shortest("root ::= \"\" | \"a\"", 0);
    shortest("root ::= \"abc\" | [é] | \"ab\"", 2);
    shortest("root ::= \"ab\"{3} | \"(\" root \")\" | [a-z]{7,}", 6);
    shortest("root ::= x{2} \"!\"\nx ::= y | \"long\"\ny ::= \"ab\" z?\nz ::= \"(\" x \")\"", 5);
    shortest("root ::= [\\U0001F600-\\U0001F64F]", 4);
    shortest(JSON, 1);
}

#[test]
fn each_alternative_comes() {
    let found: BTreeSet<Vec<u8>> =
        texts("root ::= \"a\" | \"b\" (\"c\" | \"d\")? | [e-g]", 3, 300, 9).into_iter().collect();
    let expect = ["a", "b", "bc", "bd", "e", "f", "g"].map(|text| text.as_bytes().to_vec());
    assert_eq!(found, BTreeSet::from(expect));
}

#[test]
fn a_seed_gives_the_same_texts() {
    assert_eq!(texts(JSON, 5, 20, 80), texts(JSON, 5, 20, 80));
    assert_ne!(texts(JSON, 5, 20, 80), texts(JSON, 6, 20, 80));
}

#[test]
fn a_chain_of_rules_is_no_obstacle() {
    let mut gbnf = "root ::= r0\n".to_owned();
    for at in 0..50_000 {
        writeln!(gbnf, "r{at} ::= r{}", at + 1).unwrap();
    }
    writeln!(gbnf, "r50000 ::= \"a\" | \"(\" r0 \")\"").unwrap();
    let text = texts(&gbnf, 1, 1, 9).remove(0);
    assert!(text.len() % 2 == 1 && text.len() <= 9, "{text:?}");
}

#[test]
fn a_token_stands_for_its_bytes() {
    let grammar = Grammar::parse("root ::= <think> !<think>{2} <[97]>").unwrap();
    let sampler = Sampler::new(&grammar, &vocabulary(&["hello"])).unwrap();
    let text = sampler.text(&mut Random::new(2), 10).unwrap();
    assert!(text.starts_with(b"<think>") && text.ends_with(b"a") && text.len() == 10, "{text:?}");
    let missing = Grammar::parse("root ::= <nothing>").unwrap();
    assert!(Sampler::new(&missing, &vocabulary(&[])).is_err());
}

proptest! {
    #[test]
    fn chance_is_even(seed: u64, count in 1_u64..50) {
        let mut random = Random::new(seed);
        let mut seen = vec![0_u32; usize::try_from(count).unwrap()];
        for _ in 0..count * 200 {
            seen[usize::try_from(random.below(count)).unwrap()] += 1;
        }
        prop_assert!(seen.iter().all(|times| (100..400).contains(times)), "{seen:?}");
    }
}

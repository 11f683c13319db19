//! Our grammars, translated for llguidance, mean to it what they mean to us.

use std::sync::Arc;

use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Limits};

use crate::engine::Engine as _;
use crate::own::Own;
use crate::peer::{Llguidance, Told, factory};
use crate::workloads::Workload;

const TEXTS: [&str; 16] = [
    "ab", "ba", "aa", "\"a", "\",", "a\"", "\\\"", "é", "éa", "漢", "(a", "a)", "))", "1.", "12",
    "\n",
];

fn vocabulary() -> Arc<Vocabulary> {
    let bytes = (1..=0xF4).map(|byte| (Kind::Text, vec![byte]));
    let texts = TEXTS.map(|text| (Kind::Text, text.as_bytes().to_vec()));
    let special = [(Kind::Control, b"<think>".to_vec()), (Kind::End, b"</s>".to_vec())];
    Arc::new(
        Vocabulary::new(bytes.chain(texts).chain(special))
            .unwrap_or_else(|error| panic!("{error}")),
    )
}

/// Numbers by chance, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides
    }
}

/// Says a text by chance under both, and holds their masks against each other.
#[track_caller]
fn check(gbnf: &str, dice: &mut Dice) {
    let vocabulary = vocabulary();
    let workload = Workload::plain("a", gbnf.to_owned(), Vec::new());
    let factory = factory(&vocabulary, None).unwrap_or_else(|error| panic!("{error}"));
    let mut peer = Llguidance::new(&factory, Told::ByGrammar);
    let mut own = Own::new(&vocabulary);
    assert!(peer.take(&workload) && own.take(&workload), "{gbnf}");
    for engine in [&mut own as &mut dyn crate::engine::Engine, &mut peer] {
        engine.compile().unwrap_or_else(|error| panic!("{gbnf}: {error}"));
    }
    let mut said = String::new();
    for _ in 0..10 {
        let whole = own.is_whole().is_ok_and(|whole| whole);
        assert_eq!(peer.is_whole().ok(), Some(whole), "{gbnf}: after {said:?}");
        let given = peer.mask().is_ok();
        let mut allowed = Vec::new();
        for token in (0..).take(vocabulary.len()) {
            let (one, other) = (own.allows(token), given && peer.allows(token));
            if vocabulary.kind(token) == Some(Kind::End) {
                continue;
            }
            let text = vocabulary.bytes(token).unwrap_or_default();
            // A part of a character may become one that a class excludes; we and llama.cpp refuse it then.
            let may_differ = str::from_utf8(text).is_err() && other;
            assert!(
                one == other || may_differ,
                "{gbnf}: after {said:?}, token {text:?}: {one} and {other}"
            );
            if one && str::from_utf8(text).is_ok() {
                allowed.push(token);
            }
        }
        let Some(token) = (!allowed.is_empty()).then(|| allowed[dice.below(allowed.len())]) else {
            break;
        };
        said += &String::from_utf8_lossy(vocabulary.bytes(token).unwrap_or_default());
        for engine in [&mut own as &mut dyn crate::engine::Engine, &mut peer] {
            engine.advance(token).unwrap_or_else(|error| panic!("{gbnf}: after {said:?}: {error}"));
        }
    }
}

#[test]
fn known_traps_of_a_lexer() {
    let grammars = [
        "root ::= [a-z]+ \"x\" | \"(\" root \")\"",
        "root ::= (\"if\" | name) \" \" name\nname ::= [a-z]+",
        "root ::= \"a\" root \"b\" | \"\"",
        "root ::= term ([-+*/] term)*\nterm ::= [0-9]+ | \"(\" root \")\"",
        "root ::= \"ab\" root | [a-z] root | \"1\"",
        "root ::= [^é\"]* \"\\\"\" | .",
        "root ::= \"a\"*",
        "root ::= (\"a\"? \"b\"?)* \"1\" root?",
        "root ::= \"1\"{2,5} (\".\" [0-9]{1,30})?",
        "root ::= [a&&b~^\\]-]+ \"/\" [\\\\/]",
        "root ::= \"\\\"\" ([^\"\\\\] | \"\\\\\" [\"n])* \"\\\"\" root?",
    ];
    let mut dice = Dice(1);
    for grammar in grammars {
        (0..8).for_each(|_| check(grammar, &mut dice));
    }
}

#[test]
fn grammars_by_chance() {
    let mut dice = Dice(7);
    let mut tried = 0;
    while tried < 150 {
        let rules = ["root", "x", "y"].map(|name| format!("{name} ::= {}\n", expr(&mut dice, 3)));
        let gbnf = rules.concat();
        // Left recursion, and rules that never end, are refused.
        if Constraint::from_text(&gbnf, vocabulary(), &Limits::default()).is_ok() {
            tried += 1;
            check(&gbnf, &mut dice);
        }
    }
}

fn expr(dice: &mut Dice, depth: usize) -> String {
    let terminals = [
        "\"a\"", "\"ab\"", "\"(\"", "[ab]", "[^a]", "\"é\"", "[a-é]", "x", "y", "\"\"", ".",
        "\"\\\"\"",
    ];
    if depth == 0 {
        return terminals[dice.below(terminals.len())].to_owned();
    }
    match dice.below(6) {
        0 | 1 => format!("{} {}", expr(dice, depth - 1), expr(dice, depth - 1)),
        2 | 3 => format!("({} | {})", expr(dice, depth - 1), expr(dice, depth - 1)),
        4 => format!("({}){}", expr(dice, depth - 1), ["?", "*", "{2}", "{1,3}"][dice.below(4)]),
        _ => expr(dice, 0),
    }
}

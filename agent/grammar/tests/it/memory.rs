//! What is said about memory holds, as the system counts it. A process counts more than one test, so each question is
//! answered in a process of its own, which is this test once more.

use std::env;
use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;

use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Binding, Bindings, Constraint, Limits};

use crate::bindings::with_strings;
use crate::dice::Dice;

/// Set for the process that measures.
const QUESTION: &str = "CHARGEHAND_MEASURE";

/// Returns the most memory that this process has had, in bytes, where the system says it.
fn peak() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Returns what the test `name` says in a process of its own.
fn ask(name: &str) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.args(["--exact", "--nocapture", name]).env(QUESTION, "1").output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// Returns the bytes that were promised, and those that were taken.
fn measured() -> Option<(usize, usize)> {
    peak()?;
    let text = ask("memory::asked");
    let line = text.lines().find_map(|line| line.split_once("measured: "));
    let (_, numbers) = line.unwrap_or_else(|| panic!("{text}"));
    let mut numbers = numbers.split(' ').map(|number| number.parse().unwrap());
    Some((numbers.next().unwrap(), numbers.next().unwrap()))
}

#[test]
fn asked() {
    if env::var_os(QUESTION).is_none() {
        return;
    }
    let tokens = tokens();
    let before = peak().unwrap();
    let vocabulary = Vocabulary::new(tokens.iter().map(|text| (Kind::Text, text))).unwrap();
    let (promised, taken) = (2 * vocabulary.memory_bytes(), peak().unwrap() - before);
    writeln!(std::io::stdout(), "measured: {promised} {taken}").unwrap();
}

/// The tree of a file and what a long answer adds: said for the plan, which has room for the largest of them.
#[test]
fn matchers_asked() {
    if env::var_os(QUESTION).is_none() {
        return;
    }
    let tokens = tokens();
    let vocabulary = Vocabulary::new(tokens.iter().map(|text| (Kind::Text, text))).unwrap();
    let vocabulary = Arc::new(vocabulary);
    let grammar = with_strings("root ::= x\nx ::= json-string #! bind x");
    let mut dice = Dice::new(7);
    let word = |dice: &mut Dice| tokens[1000 + dice.roll(20_000)].escape_ascii().to_string();
    let mut text = String::new();
    for kib in [16, 128, 1024] {
        while text.len() < (kib << 10) - 64 {
            text.push_str(&word(&mut dice).replace(['\\', '"'], " "));
        }
        let bindings = Bindings::new().with("x", Binding::piece(text.as_str()));
        let before = peak().unwrap();
        let limits = Limits::default();
        let mut constraint =
            Constraint::bound(&grammar, &bindings, Arc::clone(&vocabulary), &limits).unwrap();
        let mut state = constraint.start();
        let said = format!("\"{}", &text[text.len() / 2..][..2000]);
        for part in said.as_bytes().chunks(4) {
            constraint.mask(state).unwrap();
            state = constraint.advance_bytes(state, part).unwrap().unwrap();
        }
        let (counted, taken) = (constraint.memory_bytes(), peak().unwrap() - before);
        writeln!(std::io::stdout(), "matcher: {kib} {counted} {taken}").unwrap();
    }
}

/// What a matcher takes, and what it counts, stay well below what a plan has for it.
#[test]
fn a_matcher_fits_into_what_is_planned_for_it() {
    if peak().is_none() {
        return;
    }
    let text = ask("memory::matchers_asked");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("matcher: ")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    for line in lines {
        let numbers: Vec<usize> =
            line.split(' ').skip(1).map(|number| number.parse().unwrap()).collect();
        let [kib, counted, taken] = numbers[..] else { panic!("{line}") };
        let said =
            format!("a file of {kib} KiB: {} KiB counted, {} taken\n", counted >> 10, taken >> 10);
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        // The plan of a model has room for 128 MiB, and lets a matcher count half of that.
        assert!(counted <= 16 << 20 && taken <= 96 << 20, "{said}");
    }
}

/// Returns tokens like those of a real vocabulary of 150,000: bytes, words, words behind marks.
fn tokens() -> Vec<Vec<u8>> {
    let mut dice = Dice::new(5);
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    while tokens.len() < 150_000 {
        let mut text = [&b""[..], b" ", b"\"", b"\n\t"][dice.roll(4)].to_vec();
        let length = 2 + dice.roll(8);
        text.extend((0..length).map(|_| b"etaoinshrdlucmfwyp"[dice.roll(18)]));
        tokens.push(text);
    }
    tokens
}

#[test]
fn a_vocabulary_takes_what_it_says() {
    let Some((promised, taken)) = measured() else { return };
    assert!(taken <= promised, "{taken} bytes of {promised}");
    assert!(taken >= promised / 4, "{taken} bytes of {promised}: nothing was measured");
}

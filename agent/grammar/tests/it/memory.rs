//! What is said about memory holds, as the system counts it. A process counts more than one test, so each question is
//! answered in a process of its own, which is this test once more.

use std::env;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use chargehand_grammar::vocabulary::{Kind, Vocabulary};

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

/// Returns the bytes that were promised, and those that were taken.
fn measured() -> Option<(usize, usize)> {
    peak()?;
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "memory::asked"])
        .env(QUESTION, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
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

//! Tasks in words: constructions from the phrase files, and for training also mere noise around the facts.
//!
//! Noise teaches what no list of phrasings can: which text stands in the file, which one does not, and which
//! name is a file's, whatever words surround them.

use crate::words::{Split, Words, capitalised};

pub(crate) const TRAIN: &str = include_str!("../phrases/train.txt");
const TEST: &str = include_str!("../phrases/eval.txt");
const BLIND: &str = include_str!("../phrases/blind.txt");
/// Of a hundred training tasks, so many are noise; of those that replace a text, more.
const NOISE_PERCENT: usize = 30;
const NOISE_PERCENT_REPLACE: usize = 40;
/// Of a hundred constructions that training uses, in so many some words are exchanged for any others.
const BLURRED_PERCENT: usize = 30;
const PREFIXES: &[&str] = &[
    "Please ",
    "please ",
    "Could you ",
    "Now ",
    "Next: ",
    "Hi, ",
    "Task: ",
    "I want you to ",
    "You should ",
    "We must ",
    "First, ",
    "Then ",
    "Hello! ",
    "Kindly ",
    "As discussed, ",
    "Quick one: ",
    "TODO: ",
];
const SUFFIXES: &[&str] = &[
    " Thanks.",
    " Nothing else.",
    " Then finish.",
    " Keep the rest.",
    " Do not touch anything else.",
    " Everything else stays as it is.",
    " That is all.",
    " Mind the capitals.",
    " Exactly so spelt.",
    " Thank you!",
];

/// Of a hundred tasks that name no file, so many are told as the replacement in one file is, with words for the place.
const BORROWED_PERCENT: usize = 30;
/// What stands for the file where nobody knows it.
const SOMEWHERE: &[&str] = &[
    "some file",
    "one of the files",
    "whichever file has it",
    "the file that has it",
    "one file",
    "a file that you have to find",
    "the right file",
];
/// What stands for the file where it is all of them.
const ALL_OVER: &[&str] = &[
    "all files",
    "every file",
    "each file",
    "the whole tree",
    "the project",
    "all of the repository",
    "every one of the files",
];

/// What a task speaks of. Empty texts do not occur in its phrasings.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) key: String,
}

/// Returns the constructions of a family.
#[must_use]
pub fn constructions(family: &str, split: Split) -> Vec<&'static str> {
    let all = match split {
        Split::Train => TRAIN,
        Split::Test => TEST,
        Split::Blind => BLIND,
    };
    let mut inside = false;
    let mut found = Vec::new();
    for line in all.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            inside = name == family;
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            found.push(line);
        }
    }
    found
}

/// Returns a task of `family` in words.
pub(crate) fn goal(words: &mut Words, family: &str, facts: &Facts) -> String {
    let training = words.split == Split::Train;
    let share = match family {
        "replace" | "replace_from" => NOISE_PERCENT_REPLACE,
        // Which of two texts is the old one, only a search can tell; the oracle is lucky, or tries the other one first.
        "create" | "append" | "set" | "fix" | "add" | "rename" | "find" => NOISE_PERCENT,
        _ => 0,
    };
    if training && words.rng.chance(share) {
        return noise(words, facts);
    }
    let mut text = construction(words, family);
    let last_is_text = text.ends_with("{t}");
    let first_is_slot = text.starts_with('{');
    let blur = training && share > 0 && words.rng.chance(BLURRED_PERCENT);
    if blur {
        text = blurred(words, &text);
    }
    if training && words.rng.chance(25) {
        let prefix = words.rng.pick(PREFIXES).to_owned();
        text = prefix + &if first_is_slot { text } else { lowered(&text) };
    } else if words.rng.chance(20) && !first_is_slot {
        text = lowered(&text);
    }
    if !last_is_text {
        if words.rng.chance(45) && !text.ends_with(['?', '.']) {
            text.push('.');
        }
        if words.rng.chance(12) {
            let suffix = words.rng.pick(SUFFIXES).to_owned();
            text += if text.ends_with(['?', '.']) { "" } else { "." };
            text += &suffix;
        }
    }
    fill(words, &text, facts, !blur)
}

/// Returns one of the family's constructions, its choices made.
fn construction(words: &mut Words, family: &str) -> String {
    let places = match family {
        "find" => SOMEWHERE,
        "rename" => ALL_OVER,
        _ => &[],
    };
    let borrowed =
        words.split == Split::Train && !places.is_empty() && words.rng.chance(BORROWED_PERCENT);
    let all = constructions(if borrowed { "replace" } else { family }, words.split);
    assert!(!all.is_empty(), "BUG: no construction for {family}");
    let at = words.rng.below(all.len());
    let text = expand(words, all[at]);
    if borrowed { text.replace("{F}", words.rng.pick(places)) } else { text }
}

/// Returns the facts, quoted, between words that mean nothing. What follows the last colon needs no quotes.
fn noise(words: &mut Words, facts: &Facts) -> String {
    let bare_end = !facts.text.is_empty() && words.rng.chance(40);
    let mut slots: Vec<String> = Vec::new();
    if !facts.file.is_empty() {
        slots.push(quoted_file(words, &facts.file));
    }
    for text in [&facts.text, &facts.old, &facts.new, &facts.key] {
        if !text.is_empty() && !bare_end {
            // Without quotes only what no English word looks like.
            let bare =
                text.contains(|c: char| c == '_' || c.is_ascii_digit() || c.is_ascii_uppercase());
            slots.push(quote(words, text, bare));
        }
    }
    let mut parts = Vec::new();
    while !slots.is_empty() {
        for _ in 0..words.rng.below(4) {
            parts.push(words.filler());
        }
        let at = words.rng.below(slots.len());
        parts.push(slots.swap_remove(at));
    }
    for _ in 0..words.rng.below(3) + usize::from(parts.is_empty()) * 3 {
        parts.push(words.filler());
    }
    let mut noise = parts.join(" ");
    if bare_end {
        if words.rng.chance(40) {
            let at = noise.len() - noise.split(' ').next_back().map_or(0, str::len);
            noise.insert_str(at, words.rng.pick(&[", ", "? ", ". ", "; "]));
            noise = noise
                .replace(" , ", ", ")
                .replace(" ? ", "? ")
                .replace(" . ", ". ")
                .replace(" ; ", "; ");
        }
        noise = format!("{noise}: {}", facts.text);
    }
    noise
}

/// Exchanges every third word of an expanded construction, so that its slots must be told by what they hold.
fn blurred(words: &mut Words, text: &str) -> String {
    let parts: Vec<String> = text
        .split(' ')
        .map(|part| match part.contains('{') || !words.rng.chance(33) {
            true => part.to_owned(),
            false => words.filler(),
        })
        .collect();
    parts.join(" ")
}

/// Chooses one of each `[a|b]`, the innermost first.
fn expand(words: &mut Words, pattern: &str) -> String {
    let mut text = pattern.to_owned();
    while let Some(close) = text.find(']') {
        let open = text[..close].rfind('[').expect("phrase files have matching brackets");
        let choices: Vec<&str> = text[open + 1..close].split('|').collect();
        let choice = choices[words.rng.below(choices.len())].to_owned();
        text.replace_range(open..=close, &choice);
    }
    let mut single = String::with_capacity(text.len());
    for c in text.trim().chars() {
        if c != ' ' || !single.ends_with(' ') {
            single.push(c);
        }
    }
    single
}

/// Puts the facts into the slots; `bare` lets them stand without quotes where the construction's words tell what they are.
fn fill(words: &mut Words, text: &str, facts: &Facts, bare: bool) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        let value = match &rest[at..at + 3] {
            "{F}" => quoted_file(words, &facts.file),
            "{T}" => quote(words, &facts.text, false),
            "{t}" => facts.text.clone(),
            "{A}" => quote(words, &facts.old, bare),
            "{B}" => quote(words, &facts.new, bare),
            "{K}" => quote(words, &facts.key, bare),
            other => panic!("BUG: {other} is no slot"),
        };
        filled.push_str(&value);
        rest = &rest[at + 3..];
    }
    filled + rest
}

/// Quotes `text` in one of the ways in which it can be told where it ends.
fn quote(words: &mut Words, text: &str, bare: bool) -> String {
    let mut ways: Vec<(&str, &str)> = Vec::new();
    for (quote, count) in [("'", 3), ("\"", 3), ("`", 3)] {
        if !text.contains(quote) {
            ways.extend(std::iter::repeat_n((quote, quote), count));
        }
    }
    if !text.contains(['“', '”']) {
        ways.push(("“", "”"));
    }
    let plain = |c: char| c.is_alphanumeric() || "_./-".contains(c);
    if bare && text.chars().all(plain) && !text.ends_with('.') {
        // In training more often than not: there the words around must say where it is, and most that still went wrong
        // was of that kind.
        let count = if words.split == Split::Train { 12 } else { 4 };
        ways.extend(std::iter::repeat_n(("", ""), count));
    }
    let (open, close) = ways[words.rng.below(ways.len())];
    format!("{open}{text}{close}")
}

fn quoted_file(words: &mut Words, file: &str) -> String {
    let (open, close) =
        [("", ""), ("", ""), ("", ""), ("", ""), ("`", "`"), ("`", "`"), ("\"", "\""), ("'", "'")]
            [words.rng.below(8)];
    format!("{open}{file}{close}")
}

fn lowered(text: &str) -> String {
    let upper = capitalised(text);
    if upper == text {
        let mut chars = text.chars();
        return chars
            .next()
            .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect());
    }
    text.to_owned()
}

//! Random grammars and texts, each from one number. The tests of the engine use them too.

use std::fmt::Write as _;
use std::ops::Range;

use chargehand_grammar::gbnf::{CharSet, TokenName};
use chargehand_grammar::{Expr, Grammar};

/// Few, so that they meet; of all lengths, some with the same first bytes.
const CHARS: [char; 16] = [
    'a', 'a', 'b', 'c', '1', ' ', '"', '\\', '\n', '{', 'é', 'è', '\u{85}', '漢', '\u{D7FF}', '🦀',
];
const NAMES: [&str; 4] = ["root", "x", "y", "z"];

/// Random numbers from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
    /// Whether rules may name themselves and those before them.
    recursion: bool,
    /// The rules that may be named.
    names: &'static [&'static str],
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, recursion: true, names: &NAMES }
    }

    /// Returns dice whose grammars have no recursion.
    pub(crate) fn without_recursion(seed: u64) -> Self {
        Self { recursion: false, ..Self::new(seed) }
    }

    /// Goes on to the rule `at`.
    fn enter(&mut self, at: usize) {
        self.names = if self.recursion { &NAMES } else { &NAMES[at + 1..] };
    }

    /// Returns a number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ mixed >> 31) % sides as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    pub(crate) fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.roll(from.len())]
    }

    pub(crate) fn char(&mut self) -> char {
        CHARS[self.roll(CHARS.len())]
    }

    pub(crate) fn text(&mut self, length: Range<usize>) -> String {
        let length = length.start + self.roll(length.len());
        (0..length).map(|_| self.char()).collect()
    }
}

/// Returns a grammar with the rules `root`, `x`, `y` and `z`. Tokens by name have numbers below `tokens`.
pub(crate) fn grammar(dice: &mut Dice, tokens: u32) -> Grammar {
    let mut grammar = Grammar::default();
    for (at, name) in NAMES.iter().enumerate() {
        dice.enter(at);
        grammar.add(name, expr(dice, if at == 0 { 3 } else { 2 }, tokens));
    }
    grammar
}

fn expr(dice: &mut Dice, depth: usize, tokens: u32) -> Expr {
    let token = |dice: &mut Dice| {
        let id = u32::try_from(dice.roll(tokens as usize)).unwrap();
        TokenName::Id(id)
    };
    let several = |dice: &mut Dice, most: usize| -> Vec<Expr> {
        (0..2 + dice.roll(most)).map(|_| expr(dice, depth - 1, tokens)).collect()
    };
    match dice.roll(if depth == 0 { 7 } else { 13 }) {
        0 | 1 => Expr::literal(dice.text(1..4)),
        2 | 3 => Expr::Chars(set(dice)),
        4 if tokens > 0 && dice.one_in(2) => Expr::Token(token(dice)),
        4 if tokens > 0 && dice.one_in(2) => Expr::NotToken(token(dice)),
        4..7 if dice.names.is_empty() => Expr::literal(dice.text(1..4)),
        4..7 => Expr::rule(dice.pick(dice.names)),
        7..9 => Expr::Seq(several(dice, 2)),
        9..11 => Expr::Any(several(dice, 3)),
        _ => {
            let min = u32::try_from(dice.roll(3)).unwrap();
            let more = [None, Some(0), Some(1), Some(2)][dice.roll(4)];
            Expr::repeat(expr(dice, depth - 1, tokens), min, more.map(|more| min + more))
        }
    }
}

fn set(dice: &mut Dice) -> CharSet {
    let ranges: Vec<(char, char)> = (0..1 + dice.roll(3))
        .map(|_| {
            let (a, b) = (dice.char(), dice.char());
            if dice.one_in(2) { (a, a) } else { (a.min(b), a.max(b)) }
        })
        .collect();
    let negated = dice.one_in(2).then(|| CharSet::except(ranges.iter().copied())).flatten();
    negated.or_else(|| CharSet::of(ranges)).unwrap_or_else(CharSet::any)
}

/// Returns GBNF text as people and programs write it, mostly right.
pub(crate) fn gbnf(dice: &mut Dice) -> String {
    let mut text = String::new();
    for (at, name) in NAMES.iter().enumerate() {
        dice.enter(at);
        let space = dice.pick(&[" ", "", "\t ", "\n  "]);
        write!(text, "{name} ::={space}").unwrap();
        body(dice, &mut text, 3, false);
        text.push_str(dice.pick(&["\n", "\r\n", " # a \" comment\n", "\n\n\t# |\n"]));
    }
    if dice.one_in(3) {
        (0..1 + dice.roll(3)).for_each(|_| spoil(dice, &mut text));
    }
    text
}

fn body(dice: &mut Dice, text: &mut String, depth: usize, nested: bool) {
    let alternatives = 1 + dice.roll(3);
    for at in 1..=alternatives {
        // An empty alternative at the end of a rule would go on in the next one.
        let fewest = usize::from(at == alternatives && !nested);
        for _ in 0..fewest + dice.roll(3) {
            part(dice, text, depth);
            let space = if nested { " # c\n" } else { "  " };
            text.push_str(dice.pick(&[" ", " ", "\t", space]));
        }
        if at < alternatives {
            let line = if nested { "\n | " } else { "| " };
            text.push_str(dice.pick(&["|", " | ", " |\n  ", line]));
        }
    }
}

fn part(dice: &mut Dice, text: &mut String, depth: usize) {
    match dice.roll(if depth == 0 { 8 } else { 10 }) {
        0..3 => {
            text.push('"');
            (0..1 + dice.roll(3)).for_each(|_| {
                let c = dice.char();
                character(dice, text, c, "\"\\");
            });
            text.push('"');
        }
        3..6 => {
            text.push_str(dice.pick(&["[", "[^"]));
            for _ in 0..1 + dice.roll(3) {
                let (a, b) = (dice.char(), dice.char());
                character(dice, text, a.min(b), "]\\-^[");
                if dice.one_in(3) {
                    text.push('-');
                    character(dice, text, a.max(b), "]\\-[");
                }
            }
            text.push_str(dice.pick(&["]", "]", "-]"]));
        }
        6 => text.push_str(dice.pick(&[".", "<[97]>", "!<[98]>", "\"a\\-\\[\""])),
        7 if !dice.names.is_empty() => text.push_str(dice.pick(dice.names)),
        7 => text.push_str("\"\""),
        _ => {
            text.push_str(dice.pick(&["(", "( ", "(\n"]));
            body(dice, text, depth - 1, true);
            text.push_str("\"b\")");
        }
    }
    if text.ends_with("\"\"") {
        return;
    }
    let marks = ["", "", "", "", "?", "*", "+", "{2}", "{1,}", "{0,2}", "{ 1 , 3 }", "{0}"];
    text.push_str(dice.pick(&marks));
}

/// Writes a character in one of its notations; one of `special` never as itself.
fn character(dice: &mut Dice, text: &mut String, c: char, special: &str) {
    let number = u32::from(c);
    match dice.roll(6) {
        0 if number < 0x100 => write!(text, "\\x{number:02x}").unwrap(),
        1 if number < 0x1_0000 => write!(text, "\\u{number:04X}").unwrap(),
        2 => write!(text, "\\U{number:08x}").unwrap(),
        3 if c == '\n' => text.push_str("\\n"),
        3 if c == '\\' => text.push_str("\\\\"),
        _ if special.contains(c) => write!(text, "\\x{number:02X}").unwrap(),
        _ => text.push(c),
    }
}

/// Takes a character out, puts one in, or writes a piece twice.
fn spoil(dice: &mut Dice, text: &mut String) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let at = places[dice.roll(places.len())];
    match dice.roll(3) {
        0 => drop(text.remove(at)),
        1 => {
            let other = dice.pick(&[
                "|", "(", ")", "\"", "[", "]", "*", "{3,2}", "{,1}", "\\", "_", "<", "!", "::=",
                "\r", "\n", "^", "-", "#", "\u{FEFF}",
            ]);
            text.insert_str(at, other);
        }
        _ => {
            let end = places.iter().copied().find(|end| *end > at + 6).unwrap_or(text.len());
            let piece = text[at..end].to_owned();
            text.insert_str(at, &piece);
        }
    }
}

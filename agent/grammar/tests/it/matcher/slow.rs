//! A matcher that is slow and obvious, to hold the fast one against.
//!
//! It asks for each expression and each place of the text where a match can end, by trying everything.

use std::collections::{BTreeSet, HashMap};

use chargehand_grammar::gbnf::CharSet;
use chargehand_grammar::{Expr, Grammar};

/// What a grammar says of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Verdict {
    /// The text is whole.
    pub(crate) whole: bool,
    /// The text is the beginning of one that is whole, or whole itself.
    pub(crate) possible: bool,
}

/// Returns what `grammar` says of `text`. Tokens by name match nothing here.
pub(crate) fn verdict(grammar: &Grammar, text: &[u8]) -> Verdict {
    let mut slow = Slow { grammar, text, reached_end: false, known: HashMap::new() };
    let whole = slow.ends(&Expr::rule("root"), 0).contains(&text.len());
    Verdict { whole, possible: whole || slow.reached_end }
}

struct Slow<'g> {
    grammar: &'g Grammar,
    text: &'g [u8],
    /// Something was still expected where the text stopped.
    reached_end: bool,
    known: HashMap<(String, usize), BTreeSet<usize>>,
}

impl Slow<'_> {
    fn ends(&mut self, expr: &Expr, at: usize) -> BTreeSet<usize> {
        match expr {
            Expr::Literal(text) => self.literal(text.as_bytes(), at),
            Expr::Class(notation) => self.char(&CharSet::parse(notation).unwrap(), at),
            Expr::Chars(set) => self.char(set, at),
            Expr::Token(_) | Expr::NotToken(_) => {
                self.reached_end |= at == self.text.len();
                BTreeSet::new()
            }
            Expr::Rule(name) => {
                let key = (name.clone(), at);
                if let Some(known) = self.known.get(&key) {
                    return known.clone();
                }
                let body = self.grammar.rule(name).unwrap().clone();
                let ends = self.ends(&body, at);
                self.known.insert(key, ends.clone());
                ends
            }
            Expr::Seq(parts) => parts.iter().fold(BTreeSet::from([at]), |places, part| {
                places.into_iter().flat_map(|place| self.ends(part, place)).collect()
            }),
            Expr::Any(parts) => parts.iter().flat_map(|part| self.ends(part, at)).collect(),
            Expr::Optional(inner) => self.repeated(inner, at, 0, Some(1)),
            Expr::Many(inner) => self.repeated(inner, at, 0, None),
            Expr::Times(inner, count) => {
                self.repeated(inner, at, u32::from(*count), Some(u32::from(*count)))
            }
            Expr::Repeat(inner, min, max) => self.repeated(inner, at, *min, *max),
        }
    }

    fn repeated(&mut self, inner: &Expr, at: usize, min: u32, max: Option<u32>) -> BTreeSet<usize> {
        let mut places = BTreeSet::from([at]);
        for _ in 0..min {
            places = places.into_iter().flat_map(|place| self.ends(inner, place)).collect();
        }
        let mut all = places.clone();
        // A repetition that takes nothing brings no new place.
        let most = max.map_or(self.text.len() + 1, |max| (max - min) as usize);
        for _ in 0..most {
            places = places.into_iter().flat_map(|place| self.ends(inner, place)).collect();
            all.extend(&places);
        }
        all
    }

    fn literal(&mut self, expected: &[u8], at: usize) -> BTreeSet<usize> {
        let rest = &self.text[at..];
        self.reached_end |= rest.len() < expected.len() && expected.starts_with(rest);
        rest.starts_with(expected).then_some(at + expected.len()).into_iter().collect()
    }

    fn char(&mut self, set: &CharSet, at: usize) -> BTreeSet<usize> {
        let rest = &self.text[at..];
        let ranges = set.resolved();
        let has = |c: char| ranges.iter().any(|(low, high)| *low <= c && c <= *high);
        let length = match rest.first() {
            None => {
                self.reached_end = true;
                return BTreeSet::new();
            }
            Some(0..=0x7F) => 1,
            Some(0xC2..=0xDF) => 2,
            Some(0xE0..=0xEF) => 3,
            Some(0xF0..=0xF4) => 4,
            Some(_) => return BTreeSet::new(),
        };
        if let Some(whole) = rest.get(..length) {
            let c = str::from_utf8(whole).ok().and_then(|whole| whole.chars().next());
            return c.filter(|c| has(*c)).map(|_| at + length).into_iter().collect();
        }
        let starts = |c: char| c.encode_utf8(&mut [0; 4]).as_bytes().starts_with(rest);
        self.reached_end |= starting(rest, length).any(|c| starts(c) && has(c));
        BTreeSet::new()
    }
}

/// Returns at least all characters whose `length` bytes begin with `rest`.
fn starting(rest: &[u8], length: usize) -> impl Iterator<Item = char> {
    let lead = u32::from(rest[0]) & (0x7F >> length);
    let shift = 6 * (length - 1);
    (lead << shift..(lead + 1) << shift).filter_map(char::from_u32)
}

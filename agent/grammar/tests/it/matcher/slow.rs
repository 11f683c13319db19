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
    let mut slow = Slow::new(grammar, text);
    let whole = slow.ends(grammar.rule("root").unwrap(), 0).contains(&text.len());
    Verdict { whole, possible: whole || slow.reached_end }
}

/// Returns whether a token may end after `text`, which is possible: not in a piece of a character that may become
/// one which all negated classes here exclude.
pub(crate) fn may_rest(grammar: &Grammar, text: &[u8]) -> bool {
    let mut slow = Slow::new(grammar, text);
    slow.ends(grammar.rule("root").unwrap(), 0).contains(&text.len()) || slow.may_rest
}

struct Slow<'g> {
    grammar: &'g Grammar,
    text: &'g [u8],
    /// Something was still expected where the text stopped.
    reached_end: bool,
    /// And it was something before which a token may end.
    may_rest: bool,
    /// By expression and place.
    known: HashMap<(*const Expr, usize), BTreeSet<usize>>,
}

impl<'g> Slow<'g> {
    fn new(grammar: &'g Grammar, text: &'g [u8]) -> Self {
        Self { grammar, text, reached_end: false, may_rest: false, known: HashMap::new() }
    }

    fn expects_more(&mut self, may_rest: bool) {
        self.reached_end = true;
        self.may_rest |= may_rest;
    }

    fn ends(&mut self, expr: &'g Expr, at: usize) -> BTreeSet<usize> {
        let key = (std::ptr::from_ref(expr), at);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let ends = self.new_ends(expr, at);
        self.known.insert(key, ends.clone());
        ends
    }

    fn new_ends(&mut self, expr: &'g Expr, at: usize) -> BTreeSet<usize> {
        match expr {
            Expr::Literal(text) => self.literal(text.as_bytes(), at),
            Expr::Class(notation) => self.char(&CharSet::parse(notation).unwrap(), at),
            Expr::Chars(set) => self.char(set, at),
            Expr::Token(_) | Expr::NotToken(_) => {
                if at == self.text.len() {
                    self.expects_more(true);
                }
                BTreeSet::new()
            }
            Expr::Rule(name) => self.ends(self.grammar.rule(name).unwrap(), at),
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

    fn repeated(
        &mut self,
        inner: &'g Expr,
        at: usize,
        min: u32,
        max: Option<u32>,
    ) -> BTreeSet<usize> {
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
        if rest.len() < expected.len() && expected.starts_with(rest) {
            self.expects_more(true);
        }
        rest.starts_with(expected).then_some(at + expected.len()).into_iter().collect()
    }

    fn char(&mut self, set: &CharSet, at: usize) -> BTreeSet<usize> {
        let rest = &self.text[at..];
        let ranges = set.resolved();
        let has = |c: char| ranges.iter().any(|(low, high)| *low <= c && c <= *high);
        let length = match rest.first() {
            None => {
                self.expects_more(true);
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
        if let Some((first, last)) = starting(rest, length) {
            let is_negated = set.to_string().starts_with("[^");
            let all = ranges.iter().any(|(low, high)| *low <= first && last <= *high);
            if ranges.iter().any(|(low, high)| *low <= last && first <= *high) {
                self.expects_more(all || !is_negated);
            }
        }
        BTreeSet::new()
    }
}

/// Returns the first and the last character of `length` bytes that begin with `rest`.
fn starting(rest: &[u8], length: usize) -> Option<(char, char)> {
    let (first, more) = rest.split_first()?;
    if more.iter().any(|byte| !matches!(byte, 0x80..=0xBF)) {
        return None;
    }
    let lead = u32::from(first & (0x7F >> length));
    let value = more.iter().fold(lead, |value, byte| value << 6 | u32::from(byte & 0x3F));
    let shift = 6 * (length - rest.len());
    let fewest = [0, 0x80, 0x800, 0x1_0000][length - 1];
    let numbers = (value << shift).max(fewest)..=((value + 1) << shift).min(0x11_0000) - 1;
    Some((numbers.clone().find_map(char::from_u32)?, numbers.rev().find_map(char::from_u32)?))
}

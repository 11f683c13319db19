//! From an automaton to rules, and how characters stand in a JSON string.

use crate::gbnf::Expr;
use crate::json;

use super::dfa::{Dfa, LAST};
use super::rules::{Rules, any, class, seq};

/// How deep alternatives are written inside each other before they get a rule of their own.
const NESTING: usize = 6;

/// The rule for one character of a JSON string, in any of its spellings.
pub(super) const CHAR: &str = "char";

/// The rule for a character that must be escaped, after the backslash.
pub(super) const ESCAPE: &str = "escape";

/// What the characters of an automaton stand for in the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Alphabet {
    /// Characters of a JSON string, escaped where RFC 8259 section 7 demands it.
    Json,
    /// Themselves.
    Plain,
}

impl Alphabet {
    fn expr(self, ranges: &[(u32, u32)]) -> Expr {
        match self {
            Self::Plain => plain(ranges),
            Self::Json => escaped(ranges),
        }
    }
}

/// Writes an automaton as rules that read from left to right, followed by `end`.
pub(super) fn write(
    rules: &mut Rules,
    dfa: &Dfa,
    hint: &str,
    alphabet: Alphabet,
    end: &str,
) -> Expr {
    let mut writer =
        Writer { dfa, hint, alphabet, end, names: vec![None; dfa.states.len()], open: Vec::new() };
    for (at, uses) in uses(dfa).into_iter().enumerate() {
        if uses > 1 && !writer.is_leaf(at) {
            writer.names[at] = Some(rules.name(hint));
            writer.open.push(at);
        }
    }
    let start = match &writer.names[0] {
        Some(name) => Expr::rule(name.as_str()),
        None => writer.state(rules, 0, 0),
    };
    while let Some(at) = writer.open.pop() {
        let body = writer.state(rules, at, 0);
        if let Some(name) = &writer.names[at] {
            rules.set(name, body);
        }
    }
    start
}

/// Returns from how many other states each state is reached; the start counts as reached.
fn uses(dfa: &Dfa) -> Vec<usize> {
    let mut uses = vec![0; dfa.states.len()];
    uses[0] = 1;
    for (at, state) in dfa.states.iter().enumerate() {
        let mut targets: Vec<usize> = state.edges.iter().map(|edge| edge.to).collect();
        targets.sort_unstable();
        targets.dedup();
        targets.into_iter().filter(|to| *to != at).for_each(|to| uses[to] += 1);
    }
    uses
}

struct Writer<'a> {
    dfa: &'a Dfa,
    hint: &'a str,
    alphabet: Alphabet,
    end: &'a str,
    /// The rules of the states that have one.
    names: Vec<Option<String>>,
    /// The states whose rule has no body yet.
    open: Vec<usize>,
}

impl Writer<'_> {
    /// Returns what may follow in a state.
    fn state(&mut self, rules: &mut Rules, from: usize, depth: usize) -> Expr {
        let mut parts = Vec::new();
        let mut at = from;
        loop {
            let mut steps = self.steps(at);
            if let Some(place) = steps.iter().position(|(to, _)| *to == at) {
                let (_, ranges) = steps.remove(place);
                parts.push(Expr::Many(Box::new(self.alphabet.expr(&ranges))));
            }
            match steps.as_slice() {
                [(to, ranges)] if !self.dfa.states[at].accept => {
                    parts.push(self.alphabet.expr(ranges));
                    at = *to;
                    if let Some(name) = &self.names[at] {
                        parts.push(Expr::rule(name.as_str()));
                        return seq(parts);
                    }
                }
                _ => {
                    parts.push(self.choice(rules, at, &steps, depth));
                    return seq(parts);
                }
            }
        }
    }

    fn choice(
        &mut self,
        rules: &mut Rules,
        at: usize,
        steps: &[(usize, Vec<(u32, u32)>)],
        depth: usize,
    ) -> Expr {
        let accept = self.dfa.states[at].accept;
        let mut choices = Vec::with_capacity(steps.len() + 1);
        if accept && !self.end.is_empty() {
            choices.push(Expr::literal(self.end));
        }
        for (to, ranges) in steps {
            let rest = self.target(rules, *to, depth + 1);
            choices.push(seq([self.alphabet.expr(ranges), rest]));
        }
        if !accept || !self.end.is_empty() {
            return any(choices);
        }
        if choices.is_empty() { Expr::Seq(choices) } else { Expr::Optional(Box::new(any(choices))) }
    }

    fn target(&mut self, rules: &mut Rules, at: usize, depth: usize) -> Expr {
        if self.names[at].is_none() && depth > NESTING && !self.is_leaf(at) {
            self.names[at] = Some(rules.name(self.hint));
            self.open.push(at);
        }
        match &self.names[at] {
            Some(name) => Expr::rule(name.as_str()),
            None => self.state(rules, at, depth),
        }
    }

    /// Returns whether a state leads nowhere but to itself; such a state is not worth a rule.
    fn is_leaf(&self, at: usize) -> bool {
        self.dfa.states[at].edges.iter().all(|edge| edge.to == at)
    }

    /// Returns where a state leads, each target with all of its characters.
    fn steps(&self, at: usize) -> Vec<(usize, Vec<(u32, u32)>)> {
        let mut steps: Vec<(usize, Vec<(u32, u32)>)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for edge in &self.dfa.states[at].edges {
            let place = *places.entry(edge.to).or_insert(steps.len());
            if place == steps.len() {
                steps.push((edge.to, Vec::new()));
            }
            steps[place].1.push((edge.lo, edge.hi));
        }
        steps
    }
}

fn plain(ranges: &[(u32, u32)]) -> Expr {
    match single(ranges) {
        Some(c) => Expr::literal(c),
        None => class(ranges),
    }
}

fn single(ranges: &[(u32, u32)]) -> Option<char> {
    match ranges {
        [(lo, hi)] if lo == hi => char::from_u32(*lo),
        _ => None,
    }
}

/// Returns these characters as they may stand in a JSON string.
///
/// One character has one spelling, the shortest. Of several, those that must be escaped have all their escapes;
/// the others stand for themselves, except that all characters together have every spelling there is.
fn escaped(ranges: &[(u32, u32)]) -> Expr {
    if let Some(c) = single(ranges) {
        return Expr::literal(json::spelt(c.encode_utf8(&mut [0; 4])));
    }
    let missing = |c: u32| !ranges.iter().any(|(lo, hi)| (*lo..=*hi).contains(&c));
    if ranges.first().is_some_and(|(lo, _)| *lo == 0)
        && ranges.last().is_some_and(|(_, hi)| *hi == LAST)
        && ranges.windows(2).all(|pair| (pair[0].1 + 1..pair[1].0).all(is_surrogate))
    {
        return Expr::rule(CHAR);
    }
    let mut raw = Vec::new();
    for (lo, hi) in ranges {
        for (low, high) in [(0x20, 0x21), (0x23, 0x5B), (0x5D, LAST)] {
            if *lo <= high && *hi >= low {
                raw.push((*lo.max(&low), *hi.min(&high)));
            }
        }
    }
    let raw = (!raw.is_empty()).then(|| plain(&raw));
    let has_all = (0..0x20).chain([0x22, 0x5C]).all(|c| !missing(c));
    let escapes = if has_all { Some(Expr::rule(ESCAPE)) } else { escapes(&missing) };
    let escapes = escapes.map(|escapes| seq([Expr::literal("\\"), escapes]));
    any([raw, escapes].into_iter().flatten())
}

/// Returns the escapes, without the backslash, of those characters that need one and are not missing.
fn escapes(missing: &dyn Fn(u32) -> bool) -> Option<Expr> {
    let short = "\"\\\u{8}\u{c}\n\r\t".chars().zip("\"\\bfnrt".chars());
    let short: Vec<(u32, u32)> = short
        .filter(|(c, _)| !missing(u32::from(*c)))
        .map(|(_, letter)| (u32::from(letter), u32::from(letter)))
        .collect();
    let hex = |tens: u32| {
        let digits = (0..16).filter(|one| !missing(tens * 16 + one)).flat_map(hex_digit);
        let digits: Vec<(u32, u32)> = digits.collect();
        (!digits.is_empty())
            .then(|| seq([Expr::literal(format!("u00{tens}")), plain_sorted(digits)]))
    };
    let short = (!short.is_empty()).then(|| plain_sorted(short));
    let escapes: Vec<Expr> = [short, hex(0), hex(1)].into_iter().flatten().collect();
    (!escapes.is_empty()).then(|| any(escapes))
}

/// Returns the body of [`ESCAPE`].
pub(super) fn escape_body() -> Expr {
    escapes(&|_| false).unwrap_or(Expr::Any(Vec::new()))
}

fn is_surrogate(c: u32) -> bool {
    (0xD800..0xE000).contains(&c)
}

/// Returns the characters of a hexadecimal digit, upper and lower case.
fn hex_digit(value: u32) -> Vec<(u32, u32)> {
    let lower = char::from_digit(value, 16).map_or(0, u32::from);
    let upper = char::from_digit(value, 16).map_or(0, |c| u32::from(c.to_ascii_uppercase()));
    if lower == upper { vec![(lower, lower)] } else { vec![(upper, upper), (lower, lower)] }
}

fn plain_sorted(mut ranges: Vec<(u32, u32)>) -> Expr {
    ranges.sort_unstable();
    plain(&ranges)
}

/// Returns the body of [`CHAR`]: RFC 8259 section 7, with surrogates in pairs only.
pub(super) fn char_body() -> Expr {
    let hex = || class(&[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]);
    let of =
        |text: &str| plain_sorted(text.chars().map(|c| (u32::from(c), u32::from(c))).collect());
    let two = || Expr::Times(Box::new(hex()), 2);
    let plane = seq([of("0123456789abcefABCEF"), Expr::Times(Box::new(hex()), 3)]);
    let below = seq([of("dD"), of("01234567"), two()]);
    let high =
        seq([of("dD"), of("89abAB"), two(), Expr::literal("\\u"), of("dD"), of("cdefCDEF"), two()]);
    let unit = seq([Expr::literal("u"), any([plane, below, high])]);
    let escape = seq([Expr::literal("\\"), any([of("\"\\/bfnrt"), unit])]);
    any([class(&[(0x20, 0x21), (0x23, 0x5B), (0x5D, LAST)]), escape])
}

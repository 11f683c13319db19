//! What may come next, in words: for people who write a grammar and wonder.

use std::fmt::{self, Display, Formatter};

use super::constraint::{Constraint, State};
use super::places::{self, WHOLE};
use super::program::{Op, Position, Span, TokenSet};
use crate::vocabulary::TokenId;

/// More than this many possibilities are counted and not listed.
const MAX_LISTED: usize = 64;
/// Rules inside each other that are named, from the inside out.
const MAX_WITHIN: usize = 16;
/// Fixed text is shown up to this many bytes.
const MAX_TEXT: usize = 120;

/// What may come next at a point of a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// The text may end here.
    pub accepting: bool,
    /// What else may come, in the order of the grammar.
    pub next: Vec<Expectation>,
    /// How many more possibilities there are.
    pub more: usize,
}

/// One thing that may come next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expectation {
    /// What it is.
    pub what: What,
    /// The rule in which it is written.
    pub rule: String,
    /// The line of that rule, where the grammar was read from a text.
    pub line: Option<usize>,
    /// The rules that this one is part of here, from the inside out; where there are several ways, one of them.
    pub within: Vec<String>,
}

/// What may come next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// This text; a long one is cut off.
    Text(Vec<u8>),
    /// One of these bytes, as ranges: a character, or the next piece of one.
    Bytes(Vec<(u8, u8)>),
    /// This token.
    Token(TokenId),
    /// Any token of whole characters but this one.
    TokenBut(TokenId),
    /// What the binding of this name allows: one of these bytes, as ranges.
    Bound(String, Vec<(u8, u8)>),
}

impl Constraint {
    /// Returns what may come next, with the rules that say so.
    #[must_use]
    pub fn explain(&self, state: State) -> Explanation {
        let mut places: Vec<_> = self.places(state).to_vec();
        places.retain(|place| *place != WHOLE);
        let listed = places.iter().take(MAX_LISTED).map(|place| self.expectation(*place));
        Explanation {
            accepting: self.accepting(state),
            next: listed.collect(),
            more: places.len().saturating_sub(MAX_LISTED),
        }
    }

    fn expectation(&self, place: places::Place) -> Expectation {
        let (rule, line) = self.rule_at(place.at);
        let mut within: Vec<String> = Vec::new();
        let mut stack = place.stack;
        while within.len() < MAX_WITHIN {
            let callers = self.states.stacks.get(stack);
            let Some(caller) = callers.first().filter(|caller| **caller != WHOLE) else { break };
            let (outer, _) = self.rule_at(caller.at);
            if within.last().unwrap_or(&rule) != &outer {
                within.push(outer);
            }
            stack = caller.stack;
        }
        Expectation { what: self.what(place), rule, line, within }
    }

    fn what(&self, place: places::Place) -> What {
        let program = &self.states.program;
        let at = place.at;
        match program.op(at) {
            Op::Table(table) => What::Bytes(merged(program.spans_of(table))),
            Op::Token(set) => match program.tokens[set as usize] {
                TokenSet::One(token) => What::Token(token),
                TokenSet::Except(token) => What::TokenBut(token),
            },
            Op::Native => {
                let made = self.states.bound.natives.at(at);
                let bytes = (0..=u8::MAX).filter(|byte| made.next(at, *byte).is_some());
                let rule = program.routine_at(made.exit).rule;
                What::Bound(self.bindings.get(&rule).cloned().unwrap_or_default(), ranges(bytes))
            }
            Op::Byte(_)
            | Op::Jump(_)
            | Op::Split(_)
            | Op::Call(_)
            | Op::Last(_)
            | Op::End
            | Op::Bind(_) => {
                let ops = &program.ops[at as usize..];
                let bytes = ops.iter().map_while(|op| match op {
                    Op::Byte(byte) => Some(*byte),
                    Op::Table(_)
                    | Op::Token(_)
                    | Op::Jump(_)
                    | Op::Split(_)
                    | Op::Call(_)
                    | Op::Last(_)
                    | Op::End
                    | Op::Bind(_)
                    | Op::Native => None,
                });
                What::Text(bytes.take(MAX_TEXT).collect())
            }
        }
    }

    fn rule_at(&self, at: Position) -> (String, Option<usize>) {
        let at = match self.states.program.op(at) {
            Op::Native => self.states.bound.natives.at(at).exit,
            _ => at,
        };
        let rule = self.states.program.routine_at(at).rule;
        self.rules.get(rule).cloned().unwrap_or_default()
    }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.accepting {
            writeln!(f, "the end of the text")?;
        }
        for expectation in &self.next {
            writeln!(f, "{expectation}")?;
        }
        match self.more {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}

impl Display for Expectation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} in `{}`", self.what, self.rule)?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        self.within.iter().try_for_each(|outer| write!(f, " in `{outer}`"))
    }
}

impl Display for What {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            Self::Bytes(ranges) => write_bytes(f, ranges),
            Self::Token(token) => write!(f, "token {token}"),
            Self::TokenBut(token) => write!(f, "any token but {token}"),
            Self::Bound(name, ranges) => {
                write_bytes(f, ranges)?;
                write!(f, " as `{name}` allows")
            }
        }
    }
}

/// Writes the ASCII characters as a class, and what else there is in words.
fn write_bytes(f: &mut Formatter<'_>, ranges: &[(u8, u8)]) -> fmt::Result {
    let ascii = ranges.iter().filter(|(low, _)| low.is_ascii());
    let ascii = ascii.map(|(low, high)| (char::from(*low), char::from(*high.min(&0x7F))));
    let ascii = crate::gbnf::CharSet::of(ascii);
    let others = ranges.iter().any(|(_, high)| *high >= 0xC0);
    let inside = ranges.iter().any(|(low, high)| *low <= 0xBF && *high >= 0x80);
    let words = [
        ascii.map(|set| set.to_string()),
        others.then(|| "a character above U+007F".to_owned()),
        (inside && !others).then(|| "the rest of a character".to_owned()),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    f.write_str(&words.join(" or "))
}

fn ranges(bytes: impl Iterator<Item = u8>) -> Vec<(u8, u8)> {
    let spans: Vec<Span> = bytes.map(|byte| Span { low: byte, high: byte, target: 0 }).collect();
    merged(&spans)
}

fn merged(spans: &[Span]) -> Vec<(u8, u8)> {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for span in spans {
        match ranges.last_mut() {
            Some((_, high)) if u16::from(*high) + 1 == u16::from(span.low) => *high = span.high,
            Some(_) | None => ranges.push((span.low, span.high)),
        }
    }
    ranges
}

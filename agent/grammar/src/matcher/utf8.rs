//! Sets of characters as tables over the bytes of UTF-8.

use std::collections::HashMap;

use crate::gbnf::CharSet;

/// Where a byte of a character leads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Next {
    /// The character is whole.
    Done,
    /// To this node.
    Node(usize),
}

/// A span of bytes and where they lead.
pub(super) type Edge = (u8, u8, Next);

/// A point inside a character.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Node {
    pub(super) edges: Vec<Edge>,
    /// Whether a token may end here. llama.cpp refuses a piece of a character in a negated class where that may
    /// become a character which the class excludes.
    pub(super) may_rest: bool,
}

/// An automaton over the bytes of one character. It begins at its last node.
#[derive(Debug, Default)]
pub(super) struct CharMachine {
    pub(super) nodes: Vec<Node>,
    /// The places of the nodes while they are found.
    known: HashMap<Node, usize>,
    is_negated: bool,
}

/// For each length of a character in bytes: the first and the last character, and the mark of the first byte.
const LENGTHS: [(u32, u32, u32, u32); 4] = [
    (1, 0, 0x7F, 0x00),
    (2, 0x80, 0x7FF, 0xC0),
    (3, 0x800, 0xFFFF, 0xE0),
    (4, 0x1_0000, 0x10_FFFF, 0xF0),
];
/// The mark of a byte that goes on with a character.
const CONTINUATION: u32 = 0x80;

/// The first bytes after which fewer characters follow than the numbers of their blocks say, and all that do.
const SHORT_BLOCKS: [(u32, (u32, u32)); 4] =
    [(0xE0, (0x800, 0xFFF)), (0xED, (0, 0x7FF)), (0xF0, (0x1_0000, 0x3_FFFF)), (0xF4, (0, 0xFFFF))];

impl CharMachine {
    /// Returns the machine for the characters of a set.
    pub(super) fn new(set: &CharSet) -> Self {
        let mut machine = Self { is_negated: set.is_negated(), ..Self::default() };
        let numbers: Vec<(u32, u32)> = set.resolved().into_iter().flat_map(numbers).collect();
        let mut start = Vec::new();
        for (length, first, last, mark) in LENGTHS {
            let inside = numbers.iter().map(|(low, high)| (*low.max(&first), *high.min(&last)));
            let inside: Vec<(u32, u32)> = inside.filter(|(low, high)| low <= high).collect();
            start.extend(machine.edges(length, &inside, mark));
        }
        machine.nodes.push(Node { edges: joined(start), may_rest: true });
        machine.known = HashMap::new();
        machine
    }

    /// Returns the edges of a node from which `rest` bytes spell the numbers in `ranges`, six bits a byte.
    fn edges(&mut self, rest: u32, ranges: &[(u32, u32)], mark: u32) -> Vec<Edge> {
        let edge = |low: u32, high: u32, next| (byte(mark | low), byte(mark | high), next);
        if rest == 1 {
            return ranges.iter().map(|(low, high)| edge(*low, *high, Next::Done)).collect();
        }
        let shift = 6 * (rest - 1);
        let block = (1 << shift) - 1;
        let mut edges = Vec::new();
        for (low, high, inside) in blocks(ranges, shift) {
            let is_short = |inside: &[_]| {
                SHORT_BLOCKS.iter().any(|(first, all)| *first == mark | low && inside == [*all])
            };
            let is_all = inside.as_deref().is_none_or(is_short);
            let node = self.node(rest - 1, &inside.unwrap_or_else(|| vec![(0, block)]), is_all);
            edges.push(edge(low, high, Next::Node(node)));
        }
        edges
    }

    /// Returns the node from which `rest` bytes spell the numbers in `ranges`, which are all that can be or not;
    /// equal nodes are one.
    fn node(&mut self, rest: u32, ranges: &[(u32, u32)], is_all: bool) -> usize {
        let edges = joined(self.edges(rest, ranges, CONTINUATION));
        let node = Node { edges, may_rest: is_all || !self.is_negated };
        *self.known.entry(node).or_insert_with_key(|node| {
            self.nodes.push(node.clone());
            self.nodes.len() - 1
        })
    }
}

/// A first and a last block, and what lies inside where that is not all of it.
type Blocks = (u32, u32, Option<Vec<(u32, u32)>>);

/// Returns `ranges` as blocks of `1 << shift` numbers.
fn blocks(ranges: &[(u32, u32)], shift: u32) -> Vec<Blocks> {
    let mask = (1 << shift) - 1;
    let mut blocks: Vec<Blocks> = Vec::new();
    for (low, high) in ranges.iter().copied() {
        let mut at = low;
        while at <= high {
            let block = at >> shift;
            let end = if at & mask == 0 && high - at >= mask {
                let last = ((high + 1) >> shift) - 1;
                blocks.push((block, last, None));
                last << shift | mask
            } else {
                let end = high.min(at | mask);
                let part = (at & mask, end & mask);
                match blocks.last_mut() {
                    Some((last, _, Some(inside))) if *last == block => inside.push(part),
                    Some(_) | None => blocks.push((block, block, Some(vec![part]))),
                }
                end
            };
            at = end + 1;
        }
    }
    blocks
}

/// Joins neighbours that lead to the same place.
fn joined(edges: Vec<Edge>) -> Vec<Edge> {
    let mut joined: Vec<Edge> = Vec::with_capacity(edges.len());
    for (low, high, next) in edges {
        match joined.last_mut() {
            Some((_, end, same)) if *same == next && u32::from(*end) + 1 == u32::from(low) => {
                *end = high;
            }
            Some(_) | None => joined.push((low, high, next)),
        }
    }
    joined
}

/// Returns the numbers of a range of characters, without the surrogates in its middle.
fn numbers((low, high): (char, char)) -> impl Iterator<Item = (u32, u32)> {
    let (low, high) = (u32::from(low), u32::from(high));
    let around = low < 0xD800 && high > 0xDFFF;
    let first = if around { (low, 0xD7FF) } else { (low, high) };
    std::iter::once(first).chain(around.then_some((0xE000, high)))
}

fn byte(number: u32) -> u8 {
    u8::try_from(number).expect("six bits and a mark are a byte")
}

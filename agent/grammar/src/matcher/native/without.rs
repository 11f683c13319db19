//! The inside of a JSON string whose value has none of some words in it (Aho and Corasick 1975).

use std::collections::{HashMap, VecDeque};

use super::spelling::{self, DELETE, ESCAPE, PLAIN, STAGES, Spelt};
use super::{Next, Words};
use crate::matcher::program::Position;

/// Words that must not be said. A state is how much of one was said last, and a stage of the spelling.
#[derive(Debug)]
pub(in crate::matcher) struct Without {
    /// The column of each byte; those that no word has share the first one.
    columns: Box<[u32; 256]>,
    width: u32,
    /// Where each node goes with each column; [`HIT`] where a word would be whole.
    table: Vec<u32>,
    /// How many bytes of a word were said at each node.
    depths: Vec<u32>,
    /// Where any string goes on, in the program.
    inside: Position,
}

/// A word would be whole.
const HIT: u32 = u32::MAX;

impl Without {
    /// Returns the automaton of these words, none of which is empty.
    pub(super) fn new(words: &Words, inside: Position) -> Self {
        let mut columns = Box::new([0; 256]);
        let mut width = 1;
        for byte in words.all().iter().flatten() {
            let column = &mut columns[usize::from(words.folded(*byte))];
            if *column == 0 {
                *column = width;
                width += 1;
            }
        }
        for byte in 0..=u8::MAX {
            columns[usize::from(byte)] = columns[usize::from(words.folded(byte))];
        }
        let mut tree = Tree { children: vec![HashMap::new()], ends: vec![false], depths: vec![0] };
        words.all().iter().for_each(|word| tree.add(word, &columns));
        let table = tree.table(width);
        Self { columns, width, table, depths: tree.depths, inside }
    }

    pub(super) fn states(&self) -> u32 {
        number(self.depths.len()) * STAGES
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.table) + size_of_val(&*self.depths) + size_of_val(&*self.columns)
    }

    /// Returns where `byte` leads.
    pub(in crate::matcher) fn next(&self, local: u32, byte: u8) -> Option<Next> {
        match self.step(local, byte)? {
            Step::Exit => Some(Next::Exit(None)),
            Step::At(to) => self.can_go_on(to).then_some(Next::At(to)),
        }
    }

    /// Returns how many bytes of a word were said last, and whether a byte is half spelt.
    pub(in crate::matcher) fn said(&self, local: u32) -> (usize, bool) {
        let stage = local % STAGES;
        (self.depths[(local / STAGES) as usize] as usize, (ESCAPE..=DELETE).contains(&stage))
    }

    /// Returns where any string goes on in the program as this one does, which is between two characters.
    pub(in crate::matcher) fn any(&self, local: u32) -> Option<Position> {
        (local % STAGES == PLAIN).then_some(self.inside)
    }

    /// Returns how many bytes there are at least to the way out.
    pub(super) fn distance(&self, local: u32) -> u32 {
        let mut at = vec![local];
        let mut bytes = 1;
        // What is half spelt has a few bytes more.
        while !at.is_empty() && at.iter().all(|local| local % STAGES != PLAIN) {
            let next = |local: &u32| {
                let local = *local;
                (0..=u8::MAX).filter_map(move |byte| match self.next(local, byte)? {
                    Next::At(to) => Some(to),
                    Next::Exit(_) => None,
                })
            };
            at = at.iter().flat_map(next).collect();
            at.sort_unstable();
            at.dedup();
            bytes += 1;
        }
        bytes
    }

    fn step(&self, local: u32, byte: u8) -> Option<Step> {
        let (node, stage) = (local / STAGES, local % STAGES);
        match spelling::step(stage, byte)? {
            Spelt::End => Some(Step::Exit),
            Spelt::Part(stage) => Some(Step::At(node * STAGES + stage)),
            Spelt::Byte(raw, stage) => {
                let column = self.columns[usize::from(raw)];
                match self.table[(node * self.width + column) as usize] {
                    HIT => None,
                    to => Some(Step::At(to * STAGES + stage)),
                }
            }
        }
    }

    /// Returns whether what is half spelt can be made whole; between two characters the string can end.
    fn can_go_on(&self, local: u32) -> bool {
        // A spelling has at most six bytes, so this is never deep.
        let stage = local % STAGES;
        // Where a character goes on, only from here on.
        let first = if stage > DELETE { 0x80 } else { b'"' };
        stage == PLAIN
            || (first..=u8::MAX).any(|byte| match self.step(local, byte) {
                Some(Step::At(to)) => self.can_go_on(to),
                Some(Step::Exit) | None => false,
            })
    }
}

enum Step {
    At(u32),
    Exit,
}

/// The tree of all words.
struct Tree {
    children: Vec<HashMap<u32, u32>>,
    ends: Vec<bool>,
    depths: Vec<u32>,
}

impl Tree {
    fn add(&mut self, word: &[u8], columns: &[u32; 256]) {
        let mut at = 0;
        for byte in word {
            let column = columns[usize::from(*byte)];
            let next = number(self.children.len());
            let child = *self.children[at].entry(column).or_insert(next);
            if child == next {
                self.children.push(HashMap::new());
                self.ends.push(false);
                self.depths.push(self.depths[at] + 1);
            }
            at = child as usize;
        }
        self.ends[at] = true;
    }

    /// Returns where each node goes; those that nothing leads to are never asked for.
    fn table(&self, width: u32) -> Vec<u32> {
        let width = width as usize;
        let mut table = vec![0; self.children.len() * width];
        let mut suffixes = vec![0_usize; self.children.len()];
        let mut hits = self.ends.clone();
        let mut open = VecDeque::from([0_usize]);
        while let Some(node) = open.pop_front() {
            // The longest proper suffix that begins a word is nearer to the root: it is known by now.
            hits[node] |= hits[suffixes[node]];
            for column in 0..width {
                let by_suffix =
                    if node == 0 { 0 } else { table[suffixes[node] * width + column] as usize };
                let child = self.children[node].get(&number(column)).map(|child| *child as usize);
                if let Some(child) = child {
                    suffixes[child] = by_suffix;
                    open.push_back(child);
                }
                table[node * width + column] = number(child.unwrap_or(by_suffix));
            }
        }
        for to in &mut table {
            if hits[*to as usize] {
                *to = HIT;
            }
        }
        table
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("words have less than 2^20 bytes together")
}

//! From a regular expression to the automaton of the texts in which it is found.
//!
//! JSON Schema 6.3.3: a pattern is searched for and matches anywhere, unless `^` or `$` say otherwise.

use std::collections::HashMap;

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::budget::{Budget, Exceeded};
use super::dfa::{Dfa, LAST};
use super::ecma::{look_aheads, translate};

/// The largest network before it is made deterministic; `a{1000}{1000}` would be larger.
const MAX_NODES: usize = 50_000;

/// About how many ranges a property of Unicode has, such as `\p{L}`.
const PROPERTY: usize = 500;

/// Why a pattern has no automaton.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum PatternError {
    /// The pattern is malformed or asks for what is not supported.
    Refused(String),
    /// It would cost more than it may.
    TooLarge(Exceeded),
}

impl From<Exceeded> for PatternError {
    fn from(exceeded: Exceeded) -> Self {
        Self::TooLarge(exceeded)
    }
}

/// Returns the automaton of all texts in which `pattern`, of ECMA-262, is found.
pub(super) fn search(pattern: &str, budget: &Budget) -> Result<Dfa, PatternError> {
    let (aheads, rest) = look_aheads(pattern);
    let mut dfa = search_plain(&rest, budget)?;
    for (wanted, ahead) in aheads {
        let found = search_plain(&format!("^(?:{ahead})"), budget)?;
        dfa = if wanted { dfa.and(&found, budget)? } else { dfa.minus(&found, budget)? };
    }
    Ok(dfa)
}

fn search_plain(pattern: &str, budget: &Budget) -> Result<Dfa, PatternError> {
    let text = translate(pattern).map_err(PatternError::Refused)?;
    // Each is read as a class of its own, before there is a network to count.
    budget.spend(
        text.len() + PROPERTY * (text.matches("\\p{").count() + text.matches("\\P{").count()),
    )?;
    let hir = regex_syntax::ParserBuilder::new().nest_limit(200).build().parse(&text);
    let hir = hir.map_err(|error| {
        let kind = match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            _ => "it does not parse".to_owned(),
        };
        PatternError::Refused(kind)
    })?;
    let mut network = Network { nodes: vec![Node::Match], budget };
    let entry = network.add(&hir, 0)?;
    Ok(network.search(entry)?.minimal(budget))
}

enum Node {
    /// One of these characters, then the node.
    Chars(Vec<(u32, u32)>, usize),
    /// Any of these nodes, without a character.
    Split(Vec<usize>),
    /// The node, at the start of the text only.
    Start(usize),
    /// The node, at the end of the text only.
    End(usize),
    Match,
}

/// Thompson's construction, from the end to the start: a piece is built in front of the node that follows it.
struct Network<'b> {
    nodes: Vec<Node>,
    budget: &'b Budget,
}

impl Network<'_> {
    fn push(&mut self, node: Node) -> Result<usize, PatternError> {
        if self.nodes.len() >= MAX_NODES {
            let what = "places of a pattern";
            return Err(PatternError::TooLarge(Exceeded { what, limit: MAX_NODES }));
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    fn add(&mut self, hir: &Hir, next: usize) -> Result<usize, PatternError> {
        match hir.kind() {
            HirKind::Empty => Ok(next),
            HirKind::Literal(literal) => {
                let text = String::from_utf8_lossy(&literal.0);
                text.chars()
                    .rev()
                    .map(u32::from)
                    .try_fold(next, |next, c| self.push(Node::Chars(vec![(c, c)], next)))
            }
            HirKind::Class(class) => {
                let ranges = ranges(class);
                self.budget.spend(ranges.len())?;
                self.push(Node::Chars(ranges, next))
            }
            HirKind::Look(Look::Start) => self.push(Node::Start(next)),
            HirKind::Look(Look::End) => self.push(Node::End(next)),
            HirKind::Look(_) => {
                Err(PatternError::Refused("word and line boundaries are not supported".to_owned()))
            }
            HirKind::Repetition(repetition) => self.repeat(repetition, next),
            HirKind::Capture(capture) => self.add(&capture.sub, next),
            HirKind::Concat(parts) => {
                parts.iter().rev().try_fold(next, |next, part| self.add(part, next))
            }
            HirKind::Alternation(parts) => {
                let entries: Result<_, _> = parts.iter().map(|part| self.add(part, next)).collect();
                self.push(Node::Split(entries?))
            }
        }
    }

    fn repeat(&mut self, repetition: &Repetition, next: usize) -> Result<usize, PatternError> {
        let mut entry = next;
        match repetition.max {
            Some(max) => {
                for _ in repetition.min..max {
                    let once = self.add(&repetition.sub, entry)?;
                    entry = self.push(Node::Split(vec![once, next]))?;
                }
            }
            None => {
                entry = self.push(Node::Split(vec![next]))?;
                let once = self.add(&repetition.sub, entry)?;
                self.nodes[entry] = Node::Split(vec![once, next]);
            }
        }
        for _ in 0..repetition.min {
            entry = self.add(&repetition.sub, entry)?;
        }
        Ok(entry)
    }

    /// Makes it deterministic, with anything before and after.
    fn search(&mut self, entry: usize) -> Result<Dfa, PatternError> {
        let budget = self.budget;
        let before = self.push(Node::Split(Vec::new()))?;
        let skip = self.push(Node::Chars(vec![(0, LAST)], before))?;
        self.nodes[before] = Node::Split(vec![skip, entry]);
        let mut walk =
            Walk { nodes: &self.nodes, seen: vec![0; self.nodes.len()], round: 0, steps: 0 };
        let start = Set { nodes: walk.closure(&[before], true, false), is_start: true };
        let dfa = Dfa::explore(start, budget, |set| {
            // Of a set that costs too much nothing is read: the next set, or the end, meets the limit.
            if budget.spend(std::mem::take(&mut walk.steps)).is_err() {
                return (false, Vec::new());
            }
            let accept = walk.closure(&set.nodes, set.is_start, true).contains(&0);
            (accept, walk.edges(set))
        })?;
        budget.spend(walk.steps)?;
        Ok(dfa.trimmed())
    }
}

/// The walk over a network that makes it deterministic.
struct Walk<'a> {
    nodes: &'a [Node],
    /// In which round a node was last seen.
    seen: Vec<usize>,
    round: usize,
    /// How many nodes and ends of classes were looked at since this was last asked.
    steps: usize,
}

impl Walk<'_> {
    /// Returns the nodes reached without a character, sorted, those that choose or look ahead resolved.
    fn closure(&mut self, from: &[usize], at_start: bool, at_end: bool) -> Vec<usize> {
        self.round += 1;
        let mut open = from.to_vec();
        let mut reached = Vec::new();
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut self.seen[at], self.round) == self.round {
                continue;
            }
            self.steps += 1;
            match &self.nodes[at] {
                Node::Split(next) => open.extend(next),
                Node::Start(next) if at_start => open.push(*next),
                Node::End(next) if at_end => open.push(*next),
                Node::Start(_) => {}
                Node::End(_) | Node::Chars(..) | Node::Match => reached.push(at),
            }
        }
        reached.sort_unstable();
        if reached.first() == Some(&0) {
            // Found: whatever follows does not matter.
            reached.truncate(1);
        }
        reached
    }

    fn edges(&mut self, set: &Set) -> Vec<(u32, u32, Set)> {
        if set.nodes == [0] {
            return vec![(0, LAST, Set { nodes: vec![0], is_start: false })];
        }
        // Where a class begins and where one has ended; between two such places all characters are alike.
        let mut marks: Vec<(u32, bool, usize)> = Vec::new();
        for node in &set.nodes {
            if let Node::Chars(ranges, next) = &self.nodes[*node] {
                for (lo, hi) in ranges {
                    marks.push((*lo, true, *next));
                    marks.push((*hi + 1, false, *next));
                }
            }
        }
        self.steps += marks.len();
        marks.sort_unstable();
        let mut edges = Vec::new();
        let mut active: Vec<usize> = Vec::new();
        let mut known: HashMap<Vec<usize>, Vec<usize>> = HashMap::new();
        for (at, (from, begins, next)) in marks.iter().enumerate() {
            if *begins {
                active.push(*next);
            } else if let Some(place) = active.iter().position(|node| node == next) {
                active.swap_remove(place);
            }
            let Some((to, ..)) = marks.get(at + 1) else { break };
            if to > from && !active.is_empty() {
                active.sort_unstable();
                let nodes = known
                    .entry(active.clone())
                    .or_insert_with(|| self.closure(&active, false, false))
                    .clone();
                edges.push((*from, *to - 1, Set { nodes, is_start: false }));
            }
        }
        edges
    }
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct Set {
    nodes: Vec<usize>,
    is_start: bool,
}

fn ranges(class: &Class) -> Vec<(u32, u32)> {
    match class {
        Class::Unicode(class) => {
            let pairs = class.ranges().iter();
            pairs.map(|range| (u32::from(range.start()), u32::from(range.end()))).collect()
        }
        Class::Bytes(class) => {
            let pairs = class.ranges().iter();
            pairs.map(|range| (u32::from(range.start()), u32::from(range.end()))).collect()
        }
    }
}

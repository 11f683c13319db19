//! "A piece of this text that occurs exactly once", as rules.
//!
//! The rules are the suffix automaton of the text (Blumer et al. 1985): every path from its start spells a piece
//! of the text, and a state knows how often its pieces occur. A piece may end only where that is once.

use std::collections::BTreeMap;

use crate::gbnf::{Expr, Grammar};
use crate::json;

/// Adds rules for a JSON string that holds a piece of `text` which occurs exactly once in it, and returns a
/// reference to them. Their names begin with `name`. An empty text gives nothing.
pub(crate) fn rules(grammar: &mut Grammar, name: &str, text: &str) -> Option<Expr> {
    if text.is_empty() {
        return None;
    }
    let automaton = Automaton::new(text);
    let counts = automaton.counts();
    let rule = |state: usize| format!("{name}-{state}");
    for (state, node) in automaton.nodes.iter().enumerate() {
        // Occurrences that the start stands for are those of the empty piece: it may not end there.
        let may_end = state != 0 && counts[state] == 1;
        let end = may_end.then(|| Expr::literal("\""));
        let steps = node.next.iter().map(|(character, target)| {
            Expr::Seq(vec![
                Expr::literal(json::spelt(character.encode_utf8(&mut [0; 4]))),
                Expr::rule(rule(*target)),
            ])
        });
        grammar.add(&rule(state), Expr::Any(end.into_iter().chain(steps).collect()));
    }
    Some(Expr::Seq(vec![Expr::literal("\""), Expr::rule(rule(0))]))
}

/// The suffix automaton of a text, character by character.
#[derive(Debug)]
struct Automaton {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    /// The length of the longest piece that leads here.
    longest: usize,
    /// The state of the longest proper suffix that occurs elsewhere too; the start has none.
    link: Option<usize>,
    next: BTreeMap<char, usize>,
    /// Whether a prefix of the text leads here, which is then one occurrence.
    is_prefix: bool,
}

impl Automaton {
    fn new(text: &str) -> Self {
        let start = Node { longest: 0, link: None, next: BTreeMap::new(), is_prefix: false };
        let mut automaton = Self { nodes: vec![start] };
        let mut last = 0;
        for character in text.chars() {
            last = automaton.extend(last, character);
        }
        automaton
    }

    /// Appends a character to the text whose whole leads to `last`, and returns where the new whole leads.
    fn extend(&mut self, last: usize, character: char) -> usize {
        let new = self.nodes.len();
        let longest = self.nodes[last].longest + 1;
        self.nodes.push(Node { longest, link: Some(0), next: BTreeMap::new(), is_prefix: true });
        let mut at = Some(last);
        while let Some(state) = at.filter(|state| !self.nodes[*state].next.contains_key(&character))
        {
            self.nodes[state].next.insert(character, new);
            at = self.nodes[state].link;
        }
        let Some(state) = at else { return new };
        let target = self.nodes[state].next[&character];
        let link = if self.nodes[target].longest == self.nodes[state].longest + 1 {
            target
        } else {
            self.split(state, character, target)
        };
        self.nodes[new].link = Some(link);
        new
    }

    /// Splits the shorter pieces off `target`: they now occur where the longer ones do not.
    fn split(&mut self, from: usize, character: char, target: usize) -> usize {
        let copy = self.nodes.len();
        let longest = self.nodes[from].longest + 1;
        self.nodes.push(Node { longest, is_prefix: false, ..self.nodes[target].clone() });
        let mut at = Some(from);
        while let Some(state) =
            at.filter(|state| self.nodes[*state].next.get(&character) == Some(&target))
        {
            self.nodes[state].next.insert(character, copy);
            at = self.nodes[state].link;
        }
        self.nodes[target].link = Some(copy);
        copy
    }

    /// Returns how often the pieces of each state occur, overlapping ones included.
    fn counts(&self) -> Vec<usize> {
        let mut counts: Vec<usize> =
            self.nodes.iter().map(|node| usize::from(node.is_prefix)).collect();
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_unstable_by_key(|state| std::cmp::Reverse(self.nodes[*state].longest));
        for state in order {
            if let Some(link) = self.nodes[state].link {
                counts[link] += counts[state];
            }
        }
        counts
    }
}

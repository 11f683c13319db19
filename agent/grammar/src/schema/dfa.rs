//! Deterministic automata over characters: the meaning of patterns, formats, lengths and numbers.
//!
//! They know nothing of JSON: a string is the text it stands for, and escapes are added when rules are written.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::rc::Rc;

use super::budget::{Budget, Exceeded};

/// The last code point there is.
pub(super) const LAST: u32 = 0x10_FFFF;

/// An automaton; its state 0 is the start, and what has no edge is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Dfa {
    pub(super) states: Vec<State>,
}

/// One state of an automaton.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    /// Whether the text may end here.
    pub(super) accept: bool,
    /// Where each character leads, sorted and without overlap.
    pub(super) edges: Vec<Edge>,
}

/// The characters `lo..=hi` lead to `to`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Edge {
    pub(super) lo: u32,
    pub(super) hi: u32,
    pub(super) to: usize,
}

impl Dfa {
    /// Returns the automaton that accepts every text.
    pub(super) fn all() -> Self {
        let edges = vec![Edge { lo: 0, hi: LAST, to: 0 }];
        Self { states: vec![State { accept: true, edges }] }
    }

    /// Returns the automaton that accepts exactly these texts, as the tree of their prefixes.
    pub(super) fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sorted: Vec<&str> = texts.into_iter().collect();
        sorted.sort_unstable();
        let mut dfa = Self { states: vec![State::default()] };
        for text in sorted {
            let mut at = 0;
            for c in text.chars().map(u32::from) {
                // Sorted texts only ever extend the last edge.
                let known = dfa.states[at].edges.last().filter(|edge| edge.lo == c);
                at = if let Some(edge) = known {
                    edge.to
                } else {
                    let to = dfa.states.len();
                    dfa.states.push(State::default());
                    dfa.states[at].edges.push(Edge { lo: c, hi: c, to });
                    to
                };
            }
            dfa.states[at].accept = true;
        }
        dfa
    }

    /// Returns the automaton that accepts the texts of between `min` and `max` characters.
    pub(super) fn lengths(min: usize, max: Option<usize>) -> Self {
        let last = max.unwrap_or(min);
        let step = |to| vec![Edge { lo: 0, hi: LAST, to }];
        let edges = |at: usize| match max {
            Some(max) if at >= max => Vec::new(),
            Some(_) => step(at + 1),
            None => step((at + 1).min(last)),
        };
        let state = |at| State { accept: at >= min, edges: edges(at) };
        Self { states: (0..=last).map(state).collect() }
    }

    /// Explores what `step` leads to from `start`; `step` returns whether a state accepts and its edges.
    pub(super) fn explore<S: Clone + Eq + Hash>(
        start: S,
        budget: &Budget,
        mut step: impl FnMut(&S) -> (bool, Vec<(u32, u32, S)>),
    ) -> Result<Self, Exceeded> {
        let mut numbers = HashMap::from([(start.clone(), 0)]);
        let mut order = vec![start];
        let mut states = Vec::new();
        while states.len() < order.len() {
            let (accept, edges) = step(&order[states.len()]);
            budget.spend(1 + edges.len())?;
            let mut numbered = Vec::with_capacity(edges.len());
            for (lo, hi, next) in edges {
                let fresh = order.len();
                let to = *numbers.entry(next.clone()).or_insert(fresh);
                if to == fresh {
                    order.push(next);
                }
                numbered.push(Edge { lo, hi, to });
            }
            states.push(State { accept, edges: joined(numbered) });
            budget.allows_states(order.len())?;
        }
        Ok(Self { states })
    }

    /// Returns what both accept.
    pub(super) fn and(&self, other: &Self, budget: &Budget) -> Result<Self, Exceeded> {
        let built = Self::explore((0, 0), budget, |(a, b)| {
            let (a, b) = (&self.states[*a], &other.states[*b]);
            (a.accept && b.accept, common_edges(&a.edges, &b.edges))
        })?;
        Ok(built.trimmed())
    }

    /// Returns what is accepted here and not there.
    pub(super) fn minus(&self, other: &Self, budget: &Budget) -> Result<Self, Exceeded> {
        self.and(&other.not(), budget)
    }

    /// Returns what either accepts.
    pub(super) fn or(&self, other: &Self, budget: &Budget) -> Result<Self, Exceeded> {
        Ok(self.not().and(&other.not(), budget)?.not())
    }

    /// Returns what is not accepted.
    pub(super) fn not(&self) -> Self {
        let sink = self.states.len();
        let mut states = Vec::with_capacity(sink + 1);
        for state in &self.states {
            let mut edges = Vec::with_capacity(state.edges.len() + 1);
            let mut next = 0;
            for edge in &state.edges {
                if edge.lo > next {
                    edges.push(Edge { lo: next, hi: edge.lo - 1, to: sink });
                }
                edges.push(*edge);
                next = edge.hi + 1;
            }
            if next <= LAST {
                edges.push(Edge { lo: next, hi: LAST, to: sink });
            }
            states.push(State { accept: !state.accept, edges });
        }
        states.push(State { accept: true, edges: vec![Edge { lo: 0, hi: LAST, to: sink }] });
        Self { states }.trimmed()
    }

    /// Returns whether `text` is accepted.
    pub(super) fn accepts(&self, text: &str) -> bool {
        let mut at = 0;
        for c in text.chars().map(u32::from) {
            let edge = self.states[at].edges.iter().find(|edge| (edge.lo..=edge.hi).contains(&c));
            let Some(edge) = edge else { return false };
            at = edge.to;
        }
        self.states[at].accept
    }

    /// Returns whether no text is accepted; of a trimmed automaton, in which all that is left leads somewhere. It is
    /// asked for each pair of alternatives, so it must not depend on how many states there are.
    pub(super) fn is_empty(&self) -> bool {
        self.states.first().is_none_or(|start| !start.accept && start.edges.is_empty())
    }

    /// Returns whether every text is accepted.
    pub(super) fn is_all(&self) -> bool {
        self.not().is_empty()
    }

    /// Returns the automaton without states from which nothing is accepted.
    pub(super) fn trimmed(&self) -> Self {
        let useful = self.useful();
        let mut numbers = vec![usize::MAX; useful.len()];
        let mut order = vec![0];
        numbers[0] = 0;
        let mut states = Vec::new();
        while states.len() < order.len() {
            let state = &self.states[order[states.len()]];
            let mut edges = Vec::new();
            for edge in state.edges.iter().filter(|edge| useful[edge.to]) {
                if numbers[edge.to] == usize::MAX {
                    numbers[edge.to] = order.len();
                    order.push(edge.to);
                }
                edges.push(Edge { to: numbers[edge.to], ..*edge });
            }
            states.push(State { accept: state.accept, edges });
        }
        Self { states }
    }

    /// Returns for each state whether a text can still be accepted from it.
    fn useful(&self) -> Vec<bool> {
        let before = self.before();
        let mut useful: Vec<bool> = self.states.iter().map(|state| state.accept).collect();
        let mut open: Vec<usize> = (0..useful.len()).filter(|at| useful[*at]).collect();
        while let Some(at) = open.pop() {
            for from in &before[at] {
                if !std::mem::replace(&mut useful[*from], true) {
                    open.push(*from);
                }
            }
        }
        useful
    }

    /// Returns the automaton with equal states merged, when that is quick; without, it means the same.
    pub(super) fn minimal(&self, budget: &Budget) -> Self {
        const LARGEST: usize = 3_000;
        const ROUNDS: usize = 30;
        let trimmed = self.trimmed();
        if trimmed.states.len() > LARGEST {
            return trimmed;
        }
        // States from which the shortest or longest accepted text differs are never equal. Beginning with that
        // saves a round for each character that a length counts.
        let mut numbers = HashMap::new();
        let mut classes: Vec<usize> = (trimmed.shortest().into_iter().zip(trimmed.longest()))
            .map(|lengths| {
                let fresh = numbers.len();
                *numbers.entry(lengths).or_insert(fresh)
            })
            .collect();
        let mut count = numbers.len();
        let edges: usize = trimmed.states.iter().map(|state| 1 + state.edges.len()).sum();
        for _ in 0..ROUNDS {
            if budget.spend(edges).is_err() {
                break;
            }
            let mut known: HashMap<(usize, Vec<Edge>), usize> = HashMap::new();
            let next: Vec<usize> = (trimmed.states.iter().enumerate())
                .map(|(at, state)| {
                    let edges =
                        state.edges.iter().map(|edge| Edge { to: classes[edge.to], ..*edge });
                    let fresh = known.len();
                    *known.entry((classes[at], joined(edges.collect()))).or_insert(fresh)
                })
                .collect();
            classes = next;
            if known.len() == count {
                return trimmed.merged(&classes, count);
            }
            count = known.len();
        }
        // Some states that are told apart may still be equal, and none may be merged.
        trimmed
    }

    /// Returns the length of the shortest text that each state accepts; of a trimmed automaton.
    pub(super) fn shortest(&self) -> Vec<usize> {
        let before = self.before();
        let mut lengths = vec![usize::MAX; self.states.len()];
        let mut open: VecDeque<usize> =
            (0..lengths.len()).filter(|at| self.states[*at].accept).collect();
        open.iter().for_each(|at| lengths[*at] = 0);
        while let Some(at) = open.pop_front() {
            for from in &before[at] {
                if lengths[*from] == usize::MAX {
                    lengths[*from] = lengths[at] + 1;
                    open.push_back(*from);
                }
            }
        }
        lengths
    }

    /// Returns the length of the longest text that each state accepts, if there is one; of a trimmed automaton.
    pub(super) fn longest(&self) -> Vec<Option<usize>> {
        let before = self.before();
        let mut left: Vec<usize> = self.states.iter().map(|state| state.edges.len()).collect();
        let mut lengths = vec![0; self.states.len()];
        let mut known = vec![None; self.states.len()];
        let mut open: Vec<usize> = (0..left.len()).filter(|at| left[*at] == 0).collect();
        // States on a cycle, or before one, are never done with.
        while let Some(at) = open.pop() {
            known[at] = Some(lengths[at]);
            for from in &before[at] {
                lengths[*from] = lengths[*from].max(lengths[at] + 1);
                left[*from] -= 1;
                if left[*from] == 0 {
                    open.push(*from);
                }
            }
        }
        known
    }

    /// Returns for each state from where its edges come, one entry for each edge.
    fn before(&self) -> Vec<Vec<usize>> {
        let mut before = vec![Vec::new(); self.states.len()];
        for (at, state) in self.states.iter().enumerate() {
            for edge in &state.edges {
                before[edge.to].push(at);
            }
        }
        before
    }

    /// Returns the automaton whose states are the classes of this one's; the start has class 0.
    fn merged(&self, classes: &[usize], count: usize) -> Self {
        let mut states = vec![None; count];
        for (at, state) in self.states.iter().enumerate() {
            let edges = state.edges.iter().map(|edge| Edge { to: classes[edge.to], ..*edge });
            let merged = State { accept: state.accept, edges: joined(edges.collect()) };
            states[classes[at]].get_or_insert(merged);
        }
        Self { states: states.into_iter().flatten().collect() }
    }

    /// Returns a shared form, minimal.
    pub(super) fn shared(&self, budget: &Budget) -> Rc<Self> {
        Rc::new(self.minimal(budget))
    }
}

/// Returns sorted edges with neighbours to the same state joined.
pub(super) fn joined(mut edges: Vec<Edge>) -> Vec<Edge> {
    edges.sort_unstable_by_key(|edge| edge.lo);
    let mut out: Vec<Edge> = Vec::with_capacity(edges.len());
    for edge in edges {
        match out.last_mut() {
            Some(last) if last.to == edge.to && last.hi + 1 == edge.lo => last.hi = edge.hi,
            Some(_) | None => out.push(edge),
        }
    }
    out
}

/// Returns the edges of a pair of states.
fn common_edges(a: &[Edge], b: &[Edge]) -> Vec<(u32, u32, (usize, usize))> {
    let mut out = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (lo, hi) = (x.lo.max(y.lo), x.hi.min(y.hi));
        if lo <= hi {
            out.push((lo, hi, (x.to, y.to)));
        }
        if x.hi < y.hi {
            i += 1;
        } else {
            j += 1;
        }
    }
    out
}

//! From a state to its mask: a walk through the tree of all tokens.

use std::collections::HashMap;
use std::ops::Range;

use super::error::MatchError;
use super::mask::{self, Mask};
use super::places::{Place, WHOLE};
use super::program::{Op, TokenSet};
use super::states::{Cursor, DEAD, NOWHERE, Row, Safe, StateId, States};
use crate::vocabulary::{NodeId, TokenId, Trie, Vocabulary};

/// Where the text was whole inside tokens.
#[derive(Debug)]
pub(super) struct Ends {
    /// In which tree.
    pub(super) tree: Tree,
    pub(super) nodes: Vec<NodeId>,
}

/// The tree that a walk goes through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tree {
    /// That of all tokens.
    All,
    /// That of what follows the safe characters of a string.
    Rest,
}

/// Room for one walk, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) found: Vec<TokenId>,
    pub(super) open: Vec<(NodeId, Cursor)>,
    /// Where the text was whole inside tokens and nothing else could follow; not known where something could.
    pub(super) ends: Option<Ends>,
    /// Room for the walk through a native automaton.
    pub(super) inside: Vec<(NodeId, u32, usize)>,
    /// Tokens with a whole word in them that must not be said, by the number of the native automaton.
    pub(super) whole_words: HashMap<u32, Vec<TokenId>>,
}

impl Walk {
    /// Returns the tokens that are allowed in a state.
    pub(super) fn mask(
        &mut self,
        states: &mut States,
        vocabulary: &Vocabulary,
        state: StateId,
    ) -> Result<Mask, MatchError> {
        let facts = states.facts[state as usize];
        if !facts.takes_token
            && !states.is_native(state)
            && let Some(mask) = self.string(states, vocabulary, state)?
        {
            return Ok(mask);
        }
        self.found.clear();
        self.ends = Some(Ends { tree: Tree::All, nodes: Vec::new() });
        self.run(states, vocabulary.trie(), states.cursor(state))?;
        if facts.accepting {
            self.found.extend(vocabulary.ends());
        }
        if facts.takes_token {
            return Ok(self.with_tokens(states, vocabulary, state));
        }
        Ok(Mask::of(&self.found, vocabulary.len()))
    }

    /// Returns the mask of what was found and of the tokens that the state takes by name.
    fn with_tokens(&self, states: &States, vocabulary: &Vocabulary, state: StateId) -> Mask {
        let mut bits = vec![0; vocabulary.len().div_ceil(64)];
        self.found.iter().for_each(|token| mask::set(&mut bits, *token));
        for place in states.sets.get(state).iter().filter(|place| **place != WHOLE) {
            let Op::Token(set) = states.program.op(place.at) else { continue };
            match states.program.tokens[set as usize] {
                TokenSet::One(token) => mask::set(&mut bits, token),
                TokenSet::Except(token) => {
                    let was = bits[token as usize / 64];
                    let words = bits.iter_mut().zip(vocabulary.whole());
                    words.for_each(|(bits, whole)| *bits |= whole);
                    let this = 1 << (token % 64);
                    bits[token as usize / 64] &= was | !this;
                }
            }
        }
        Mask::of_bits(bits, vocabulary.len())
    }

    /// Finds the tokens of `trie` that can be taken from `start`.
    pub(super) fn run(
        &mut self,
        states: &mut States,
        trie: &Trie,
        start: Cursor,
    ) -> Result<(), MatchError> {
        self.run_below(states, trie, Trie::ROOT, start)
    }

    /// Finds the tokens that go on from a node and can be taken from there, its own too.
    pub(super) fn run_below(
        &mut self,
        states: &mut States,
        trie: &Trie,
        node: NodeId,
        start: Cursor,
    ) -> Result<(), MatchError> {
        self.open.clear();
        self.found.extend(trie.tokens(node));
        self.open.push((node, start));
        while let Some((node, cursor)) = self.open.pop() {
            self.note_end(states, node, cursor);
            match cursor {
                Cursor::One(place) if states.is_watched(place) => {
                    self.each(states, trie, node, cursor)?;
                }
                Cursor::One(place) => match states.program.op(place.at) {
                    Op::Native => self.native(states, trie, node, place)?,
                    Op::Byte(byte) => {
                        if let Some(child) = trie.child(node, byte) {
                            let to = Place { at: place.at + 1, ..place };
                            self.enter_each(states, trie, child..child + 1, |states| {
                                states.follow(to)
                            })?;
                        }
                    }
                    Op::Table(table) => {
                        for at in states.program.table(table) {
                            let span = states.program.spans[at];
                            let to = Place { at: span.target, ..place };
                            let go = |states: &mut States| states.follow(to);
                            self.enter_all(states, trie, node, (span.low, span.high), go)?;
                        }
                    }
                    Op::Token(_)
                    | Op::Jump(_)
                    | Op::Split(_)
                    | Op::Call(_)
                    | Op::Last(_)
                    | Op::End
                    | Op::Bind(_) => {}
                },
                Cursor::State(state) if self.take_below(states, trie, node, state)? => {}
                Cursor::State(state) => match states.row(state)? {
                    Row::Unknown => {}
                    Row::Few(start, end) => {
                        for at in start as usize..end as usize {
                            let step = states.steps[at];
                            self.enter_all(states, trie, node, (step.low, step.high), |_| {
                                Ok(step.to)
                            })?;
                        }
                    }
                    Row::Wide(row) => {
                        let row = &states.wide[row as usize];
                        let (first, labels) = trie.children(node);
                        for (child, label) in (first..).zip(labels) {
                            let to = row[usize::from(*label)];
                            if to == NOWHERE {
                                continue;
                            }
                            if states.facts[to as usize].may_rest {
                                self.enter(trie, child);
                            }
                            if trie.has_children(child) {
                                self.open.push((child, Cursor::State(to)));
                            }
                        }
                    }
                },
            }
        }
        Ok(())
    }

    /// Takes note of a text that is whole at a node.
    fn note_end(&mut self, states: &States, node: NodeId, cursor: Cursor) {
        let Cursor::State(state) = cursor else { return };
        if states.facts[state as usize].accepting {
            self.ends.take_if(|_| states.sets.get(state) != [WHOLE]);
            self.ends.iter_mut().for_each(|ends| ends.nodes.push(node));
        }
    }

    /// Enters the children of a node one by one.
    fn each(
        &mut self,
        states: &mut States,
        trie: &Trie,
        node: NodeId,
        cursor: Cursor,
    ) -> Result<(), MatchError> {
        let (first, labels) = trie.children(node);
        for (child, label) in (first..).zip(labels) {
            if let Some(to) = states.step(cursor, *label)? {
                if states.may_rest(to) {
                    self.enter(trie, child);
                }
                if trie.has_children(child) {
                    self.open.push((child, to));
                }
            }
        }
        Ok(())
    }

    /// Enters all children of a node to which the bytes of a span lead.
    fn enter_all(
        &mut self,
        states: &mut States,
        trie: &Trie,
        node: NodeId,
        (low, high): (u8, u8),
        go: impl FnOnce(&mut States) -> Result<Cursor, MatchError>,
    ) -> Result<(), MatchError> {
        let children = trie.between(node, low, high);
        self.enter_each(states, trie, children, go)
    }

    /// Enters siblings whose bytes all lead to the same place.
    fn enter_each(
        &mut self,
        states: &mut States,
        trie: &Trie,
        siblings: Range<NodeId>,
        go: impl FnOnce(&mut States) -> Result<Cursor, MatchError>,
    ) -> Result<(), MatchError> {
        // Where tokens may end everywhere and nothing is bound, it need not be known where a last byte leads.
        let anywhere = states.program.no_rest.is_empty() && states.program.binds.is_empty();
        if siblings.is_empty() || anywhere && !siblings.clone().any(|at| trie.has_children(at)) {
            trie.enter(siblings, &mut self.found, |_| {});
            return Ok(());
        }
        let to = go(states)?;
        // What is bound behind these bytes may leave no way on.
        if to == DEAD {
            return Ok(());
        }
        let before = self.found.len();
        trie.enter(siblings, &mut self.found, |at| self.open.push((at, to)));
        if !states.may_rest(to) {
            self.found.truncate(before);
        }
        Ok(())
    }

    /// Takes all that is below a node at once, where that is safe characters and the state is in a string of any
    /// length; returns whether it is so.
    fn take_below(
        &mut self,
        states: &mut States,
        trie: &Trie,
        node: NodeId,
        state: StateId,
    ) -> Result<bool, MatchError> {
        let Some(below) = trie.safe_below(node) else { return Ok(false) };
        let Safe::To(next) = states.safe_step(state)? else { return Ok(false) };
        if next == state {
            self.found.extend_from_slice(below);
        }
        Ok(next == state)
    }

    #[inline]
    pub(super) fn enter(&mut self, trie: &Trie, node: NodeId) {
        match trie.tokens(node) {
            [] => {}
            [only] => self.found.push(*only),
            several => self.found.extend_from_slice(several),
        }
    }
}

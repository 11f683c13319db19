//! Masks where words must not be said: those of any string, but for the tokens with which one would be.

use std::sync::Arc;

use super::native::{Automaton, Next, Without};
use super::places::Place;
use super::program::Op;
use super::states::{Cursor, StateId, States};
use super::walk::Walk;
use crate::vocabulary::{NodeId, TokenId, Trie, Vocabulary};

/// A place where words must not be said.
pub(super) struct Forbidding {
    /// The same place in any string.
    pub(super) any: Place,
    native: u32,
    local: u32,
    without: Arc<Without>,
}

impl States {
    /// Returns what is forbidden in a state that is one place between two characters of such a string.
    pub(super) fn forbidding(&self, state: StateId) -> Option<Forbidding> {
        let Cursor::One(place) = self.cursor(state) else { return None };
        if self.program.op(place.at) != Op::Native {
            return None;
        }
        let made = self.bound.natives.at(place.at);
        let Automaton::Without(without) = &made.automaton else { return None };
        let local = place.at - made.first;
        let any = Place { at: without.any(local)?, ..place };
        Some(Forbidding { any, native: made.native, local, without: Arc::clone(without) })
    }
}

impl Walk {
    /// Returns at least the tokens that any string allows and that would say a word.
    pub(super) fn forbidden(&mut self, vocabulary: &Vocabulary, what: &Forbidding) -> Vec<TokenId> {
        let trie = vocabulary.trie();
        let whole = self.whole_words.entry(what.native);
        // Tokens with a whole word in them are the same everywhere.
        let mut denied = whole.or_insert_with(|| denied(trie, &what.without, 0, |_| true)).clone();
        if what.local != 0 {
            denied.extend(denied_after(trie, &what.without, what.local));
        }
        denied
    }
}

/// Returns the tokens that go on with a word that was begun before.
fn denied_after(trie: &Trie, without: &Without, local: u32) -> Vec<TokenId> {
    denied(trie, without, local, |way| {
        let (depth, is_half) = without.said(way.local);
        is_half || depth > way.value
    })
}

/// Where a walk through the tree of tokens stands.
struct Way {
    node: NodeId,
    local: u32,
    /// How many bytes of the value the token has up to here.
    value: usize,
}

/// Returns the tokens that say a word from a state on, or are no part of a string, as far as a walk `goes_on`.
fn denied(
    trie: &Trie,
    without: &Without,
    local: u32,
    goes_on: impl Fn(&Way) -> bool,
) -> Vec<TokenId> {
    let mut denied = Vec::new();
    let mut open = vec![Way { node: Trie::ROOT, local, value: 0 }];
    while let Some(way) = open.pop() {
        let (first, labels) = trie.children(way.node);
        for (node, byte) in (first..).zip(labels) {
            match without.next(way.local, *byte) {
                None => denied.extend(trie.all(node)),
                // What comes behind the string is not its business.
                Some(Next::Exit(_)) => {}
                Some(Next::At(local)) => {
                    let (_, is_half) = without.said(local);
                    let next = Way { node, local, value: way.value + usize::from(!is_half) };
                    if trie.has_children(node) && goes_on(&next) {
                        open.push(next);
                    }
                }
            }
        }
    }
    denied
}

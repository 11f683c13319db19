//! The walk through a native automaton, which makes no state until a token ends in it or leaves it.

use super::error::MatchError;
use super::native::{After, Automaton, Next, Piece, Raw, Without};
use super::places::Place;
use super::program::Op;
use super::states::{Cursor, StateId, States};
use super::walk::Walk;
use crate::vocabulary::{NodeId, Trie};

/// Where a native automaton is left: from which place, and after how many bytes of a walk.
struct Way {
    /// Where the walk began.
    place: Place,
    native: u32,
    exit: u32,
    /// Whether what was said makes a difference behind it.
    is_kept: bool,
    /// Where it leads, if that makes no difference.
    known: Option<Cursor>,
}

impl States {
    /// Returns whether a state is one place in a native automaton.
    pub(super) fn is_native(&self, state: StateId) -> bool {
        match self.cursor(state) {
            Cursor::One(place) => self.program.op(place.at) == Op::Native,
            Cursor::State(_) => false,
        }
    }
}

impl Walk {
    /// Enters what a place in a native automaton can go on with, as far as that reaches.
    pub(super) fn native(
        &mut self,
        states: &mut States,
        trie: &Trie,
        node: NodeId,
        place: Place,
    ) -> Result<(), MatchError> {
        let made = states.bound.natives.at(place.at).clone();
        let is_kept = states.bound.contexts.is_saying(place.context);
        let mut way = Way { place, native: made.native, exit: made.exit, is_kept, known: None };
        self.inside.clear();
        self.inside.push((node, place.at - made.first, 0));
        match made.automaton {
            Automaton::Piece(piece) => self.piece(states, trie, &piece, &mut way),
            Automaton::Raw(raw) => self.raw(states, trie, &raw, &mut way),
            Automaton::Without(without) => self.without(states, trie, &without, &mut way),
        }
    }

    fn piece(
        &mut self,
        states: &mut States,
        trie: &Trie,
        piece: &Piece,
        way: &mut Way,
    ) -> Result<(), MatchError> {
        while let Some((node, local, depth)) = self.inside.pop() {
            let Some(state) = Piece::plain(local) else {
                self.spelling(trie, node, depth, |byte| piece.next(local, byte));
                continue;
            };
            if let Some(end) = piece.closes(state)
                && let Some(child) = trie.child(node, b'"')
            {
                self.leave(states, trie, child, way, Some(end), depth)?;
            }
            if let Some(escape) = piece.escape(state)
                && let Some(child) = trie.child(node, b'\\')
            {
                self.go(trie, child, escape, depth);
            }
            match piece.after(state) {
                After::Nothing => {}
                After::One(byte, to) => {
                    if let Some(child) = trie.child(node, byte) {
                        self.go(trie, child, Piece::local(to), depth);
                    }
                }
                After::Bytes { labels, targets } => {
                    self.edges(trie, node, depth, (labels, targets));
                }
            }
        }
        Ok(())
    }

    /// Goes on where both the tree and the automaton can.
    fn edges(&mut self, trie: &Trie, node: NodeId, depth: usize, edges: (&[u8], &[u32])) {
        let (first, children) = trie.children(node);
        let (labels, targets) = edges;
        let go = |walk: &mut Self, child: NodeId, target: u32, byte: u8| {
            // Quotes and backslashes stand escaped, and control characters are in no token that fits.
            if !matches!(byte, 0..=0x1F | b'"' | b'\\' | 0x7F) {
                walk.go(trie, child, Piece::local(target), depth);
            }
        };
        if labels.len() * 4 < children.len() {
            for (byte, target) in labels.iter().zip(targets) {
                if let Some(child) = trie.child(node, *byte) {
                    go(self, child, *target, *byte);
                }
            }
            return;
        }
        let mut at = 0;
        for (child, byte) in (first..).zip(children) {
            while labels.get(at).is_some_and(|label| label < byte) {
                at += 1;
            }
            match labels.get(at) {
                None => break,
                Some(label) if label == byte => go(self, child, targets[at], *byte),
                Some(_) => {}
            }
        }
    }

    fn raw(
        &mut self,
        states: &mut States,
        trie: &Trie,
        raw: &Raw,
        way: &mut Way,
    ) -> Result<(), MatchError> {
        while let Some((node, local, depth)) = self.inside.pop() {
            let (first, labels) = trie.children(node);
            for (child, byte) in (first..).zip(labels) {
                match raw.next(local, *byte) {
                    None => {}
                    Some(Next::At(to)) => self.go(trie, child, to, depth),
                    Some(Next::Exit(end)) => self.leave(states, trie, child, way, end, depth)?,
                }
            }
        }
        Ok(())
    }

    fn without(
        &mut self,
        states: &mut States,
        trie: &Trie,
        without: &Without,
        way: &mut Way,
    ) -> Result<(), MatchError> {
        while let Some((node, local, depth)) = self.inside.pop() {
            let leaves = self.spelling(trie, node, depth, |byte| without.next(local, byte));
            if let Some(child) = leaves {
                self.leave(states, trie, child, way, None, depth)?;
            }
        }
        Ok(())
    }

    /// Goes on with each child of a node, and returns the one with which the string ends.
    fn spelling(
        &mut self,
        trie: &Trie,
        node: NodeId,
        depth: usize,
        next: impl Fn(u8) -> Option<Next>,
    ) -> Option<NodeId> {
        let (first, labels) = trie.children(node);
        let mut leaves = None;
        for (child, byte) in (first..).zip(labels) {
            match next(*byte) {
                None => {}
                Some(Next::At(to)) => self.go(trie, child, to, depth),
                Some(Next::Exit(_)) => leaves = Some(child),
            }
        }
        leaves
    }

    #[inline]
    fn go(&mut self, trie: &Trie, child: NodeId, to: u32, depth: usize) {
        self.enter(trie, child);
        if trie.has_children(child) {
            self.inside.push((child, to, depth + 1));
        }
    }

    /// Enters a child with which the string ends.
    fn leave(
        &mut self,
        states: &mut States,
        trie: &Trie,
        child: NodeId,
        way: &mut Way,
        end: Option<usize>,
        depth: usize,
    ) -> Result<(), MatchError> {
        self.enter(trie, child);
        if !trie.has_children(child) {
            return Ok(());
        }
        let cursor = match way.known {
            Some(cursor) => cursor,
            None => {
                let mut to = Place { at: way.exit, ..way.place };
                if let Some(end) = end.filter(|_| way.is_kept) {
                    let contexts = &mut states.bound.contexts;
                    to.context = contexts.said_piece(to.context, way.native, end, depth);
                }
                let cursor = states.follow(to)?;
                way.known = Some(cursor).filter(|_| !way.is_kept);
                cursor
            }
        };
        self.open.push((child, cursor));
        Ok(())
    }
}

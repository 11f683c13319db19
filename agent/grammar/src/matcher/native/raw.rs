//! A text as it is that occurs in another one exactly once, up to and with the text that ends it.
//!
//! The beginning of an end may also be how the piece goes on: `\n` before a closing tag, `\n` in a file. Both are
//! followed until one of them is not what comes.

use super::suffix::{StateId, Suffixes};
use super::{Next, Pieces};

/// A text of which one piece is said. A state is that of the suffix automaton, and how much of the end was said.
#[derive(Debug)]
pub(in crate::matcher) struct Raw {
    suffixes: Suffixes,
    or_empty: bool,
    end: Box<[u8]>,
    /// How many bytes there are at least from each piece that occurs several times to the end.
    distances: Vec<u32>,
}

/// What may have been said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Said {
    /// A piece, which is at the state; or one before it, and so much of the end.
    Piece(usize),
    /// A piece, which is at the state; or no piece at all, and so much of the end.
    Nothing(usize),
    /// The piece at the state, and so much of the end.
    Ended(usize),
}

impl Raw {
    /// Returns the automaton. The first byte of `end` comes in it once, or again as its last one only.
    pub(super) fn new(pieces: &Pieces, end: &[u8]) -> Self {
        let suffixes = Suffixes::new(&pieces.text, pieces.parts.as_deref());
        let or_empty = pieces.or_empty;
        let mut raw = Self { suffixes, or_empty, end: end.into(), distances: Vec::new() };
        raw.distances = raw.all_distances();
        raw
    }

    pub(super) fn states(&self) -> u32 {
        self.suffixes.states().saturating_mul(3 * self.length())
    }

    pub(super) fn bytes(&self) -> usize {
        self.suffixes.bytes() + size_of_val(&*self.distances)
    }

    /// Returns where `byte` leads.
    pub(in crate::matcher) fn next(&self, local: u32, byte: u8) -> Option<Next> {
        let (state, said) = self.parts(local);
        let (Said::Piece(ended) | Said::Nothing(ended) | Said::Ended(ended)) = said;
        let goes_on = ended > 0 && self.end[ended] == byte;
        if goes_on && ended + 1 == self.end.len() {
            return Some(Next::Exit(Some(self.end_of(state, said))));
        }
        if let Said::Ended(ended) = said {
            return goes_on.then(|| self.at(state, Said::Ended(ended + 1)));
        }
        let begins = self.end[0] == byte && self.closes(state);
        if begins && self.end.len() == 1 {
            return Some(Next::Exit(Some(self.end_of(state, Said::Ended(0)))));
        }
        let to = self.suffixes.next(state, byte);
        let is_empty = state == Suffixes::START && self.or_empty;
        let piece = to.map(|to| match (goes_on, begins) {
            (true, _) if said == Said::Nothing(ended) => self.at(to, Said::Nothing(ended + 1)),
            (true, _) => self.at(to, Said::Piece(ended + 1)),
            (false, true) if is_empty => self.at(to, Said::Nothing(1)),
            (false, true) => self.at(to, Said::Piece(1)),
            (false, false) => self.at(to, Said::Piece(0)),
        });
        piece.or_else(|| match (goes_on, begins) {
            (true, _) => Some(self.at(self.before(state, said), Said::Ended(ended + 1))),
            (false, true) => Some(self.at(state, Said::Ended(1))),
            (false, false) => None,
        })
    }

    /// Returns how many bytes there are at least to the end, that included.
    pub(super) fn distance(&self, local: u32) -> u32 {
        let (state, said) = self.parts(local);
        match said {
            Said::Ended(ended) => self.length() - number(ended),
            Said::Piece(0) | Said::Nothing(0) => self.between(state, &self.distances),
            Said::Piece(ended) | Said::Nothing(ended) => {
                (self.length() - number(ended)).min(self.between(state, &self.distances))
            }
        }
    }

    /// Returns the value that ends at a place, where so many bytes were said up to the last one of the end.
    pub(super) fn value(&self, end: usize, said: usize) -> &str {
        let length = (said + 1).saturating_sub(self.end.len());
        &self.suffixes.text()[end.saturating_sub(length)..end]
    }

    /// Returns where the piece ends that was said before the end began.
    fn end_of(&self, state: StateId, said: Said) -> usize {
        self.suffixes.end(self.before(state, said)).unwrap_or(0)
    }

    /// Returns the state of the piece that was said before the end began.
    fn before(&self, state: StateId, said: Said) -> StateId {
        match said {
            Said::Piece(ended) => state - number(ended),
            Said::Nothing(_) => Suffixes::START,
            Said::Ended(_) => state,
        }
    }

    /// Returns whether the piece may end here.
    fn closes(&self, state: StateId) -> bool {
        match self.suffixes.end(state) {
            Some(end) => self.suffixes.text().is_char_boundary(end),
            None => state == Suffixes::START && self.or_empty,
        }
    }

    /// Returns the distance of a piece, of which those that occur several times are known.
    fn between(&self, state: StateId, known: &[u32]) -> u32 {
        match self.suffixes.end(state) {
            // To the end of the character.
            Some(end) => {
                let rest = (end..).take_while(|at| !self.suffixes.text().is_char_boundary(*at));
                number(rest.count()) + self.length()
            }
            None => known[state as usize],
        }
    }

    fn all_distances(&self) -> Vec<u32> {
        let several = self.suffixes.several();
        let mut known = vec![u32::MAX; several as usize];
        // Longer pieces have higher numbers, and each one leads to longer ones only.
        for state in (0..several).rev() {
            let targets = self.suffixes.edges(state).1.iter();
            let ways = targets.map(|to| self.between(*to, &known).saturating_add(1));
            let own = self.closes(state).then(|| self.length());
            known[state as usize] = ways.chain(own).min().unwrap_or(u32::MAX);
        }
        known
    }

    fn length(&self) -> u32 {
        number(self.end.len())
    }

    fn at(&self, state: StateId, said: Said) -> Next {
        let length = self.length();
        let stage = match said {
            Said::Piece(ended) => number(ended),
            Said::Nothing(ended) => length + number(ended),
            Said::Ended(ended) => 2 * length + number(ended),
        };
        Next::At(state * 3 * length + stage)
    }

    fn parts(&self, local: u32) -> (StateId, Said) {
        let length = self.length();
        let (state, stage) = (local / (3 * length), local % (3 * length));
        let ended = (stage % length) as usize;
        let said = match stage / length {
            0 => Said::Piece(ended),
            1 => Said::Nothing(ended),
            _ => Said::Ended(ended),
        };
        (state, said)
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("a text has at most 2^20 bytes, and an end fewer")
}

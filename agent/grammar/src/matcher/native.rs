//! What bindings allow that is run natively: automata whose states are places beyond the end of the program.
//!
//! One is made when a text first comes to it, and gets its places then: of 5,000 files only those are read that
//! are named.

mod piece;
mod raw;
mod spelling;
mod suffix;
mod without;

use std::sync::Arc;

use super::program::Position;
pub(super) use piece::{After, Piece};
pub(super) use raw::Raw;
pub(super) use spelling::{PLAIN, Spelt, step as spelt};
pub(super) use without::Without;

/// From here on a position is one of a native automaton. The last one means that the text is whole.
const FIRST: Position = 1 << 31;

/// What a native automaton is made of.
#[derive(Debug)]
pub(super) enum Recipe {
    /// A piece of a text.
    Piece(Arc<Pieces>),
    /// The same as it is, with this text behind it.
    Raw(Arc<Pieces>, Box<[u8]>),
    /// No word of these, and where any string goes on in the program.
    Without(Words, Position),
}

/// A text of which a piece is said.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) text: Arc<str>,
    /// Whether the piece may be empty.
    pub(super) or_empty: bool,
    /// The parts of the text, from one byte to another, in which it lies; nothing where that does not matter.
    pub(super) parts: Option<Vec<(usize, usize)>>,
}

/// Words that must not be said.
#[derive(Clone, Debug)]
pub(super) enum Words {
    AsTheyAre(Vec<Vec<u8>>),
    /// ASCII letters stand for both cases.
    InAnyCase(Vec<Vec<u8>>),
}

impl Words {
    pub(super) fn all(&self) -> &[Vec<u8>] {
        match self {
            Self::AsTheyAre(words) | Self::InAnyCase(words) => words,
        }
    }

    /// Returns the byte that a byte counts as.
    fn folded(&self, byte: u8) -> u8 {
        match self {
            Self::AsTheyAre(_) => byte,
            Self::InAnyCase(_) => byte.to_ascii_lowercase(),
        }
    }
}

/// Where a byte leads inside a native automaton.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// To this state of it.
    At(u32),
    /// Out of it; for a piece, with the place where its value ends.
    Exit(Option<usize>),
}

/// A native automaton.
#[derive(Clone, Debug)]
pub(super) enum Automaton {
    Piece(Arc<Piece>),
    Raw(Arc<Raw>),
    Without(Arc<Without>),
}

/// All native automata of a program.
#[derive(Debug, Default)]
pub(super) struct Natives {
    /// What to make them of, and where the program goes on behind each.
    recipes: Vec<(Recipe, Position)>,
    /// The first position of each, once it is made.
    firsts: Vec<Option<Position>>,
    /// Those that are made, by their first position.
    made: Vec<Made>,
    next: Position,
    bytes: usize,
}

/// A native automaton at its place.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) first: Position,
    /// Its number.
    pub(super) native: u32,
    pub(super) automaton: Automaton,
    /// Where the program goes on behind it.
    pub(super) exit: Position,
}

impl Natives {
    pub(super) fn new(recipes: Vec<(Recipe, Position)>) -> Self {
        let firsts = vec![None; recipes.len()];
        Self { recipes, firsts, made: Vec::new(), next: FIRST, bytes: 0 }
    }

    /// Returns the first position of an automaton, which is made if it is not there; nothing when there are no
    /// positions left.
    pub(super) fn enter(&mut self, native: u32) -> Option<Position> {
        if let Some(first) = self.firsts[native as usize] {
            return Some(first);
        }
        let (recipe, exit) = &self.recipes[native as usize];
        let automaton = Automaton::new(recipe);
        let first = self.next;
        self.next = first.checked_add(automaton.states()).filter(|next| *next < Position::MAX)?;
        self.bytes += automaton.bytes();
        self.firsts[native as usize] = Some(first);
        self.made.push(Made { first, native, automaton, exit: *exit });
        Some(first)
    }

    /// Returns the automaton of a position.
    pub(super) fn at(&self, at: Position) -> &Made {
        let after = self.made.partition_point(|made| made.first <= at);
        &self.made[after.saturating_sub(1)]
    }

    /// Returns for each automaton at least how many bytes it takes; those that are not made are not asked.
    pub(super) fn least_distances(&self) -> Vec<u32> {
        let least = |(recipe, _): &(Recipe, Position)| match recipe {
            // A character and the quote.
            Recipe::Piece(pieces) => 2 - u32::from(pieces.or_empty),
            Recipe::Raw(pieces, end) => {
                u32::try_from(end.len() + usize::from(!pieces.or_empty)).unwrap_or(u32::MAX)
            }
            Recipe::Without(..) => 1,
        };
        self.recipes.iter().map(least).collect()
    }

    /// Returns the value of a piece that ends at a place and whose spelling has so many bytes.
    pub(super) fn value(&self, native: u32, end: usize, spelt: usize) -> &str {
        let first = self.firsts[native as usize].unwrap_or(FIRST);
        match &self.at(first).automaton {
            Automaton::Piece(piece) => piece.value(end, spelt),
            Automaton::Raw(raw) => raw.value(end, spelt),
            Automaton::Without(_) => "",
        }
    }

    /// Returns the bytes that all automata take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Made {
    /// Returns how many bytes there are at least from a position to the way out.
    pub(super) fn distance(&self, at: Position) -> u32 {
        match &self.automaton {
            Automaton::Piece(piece) => piece.distance(at - self.first),
            Automaton::Raw(raw) => raw.distance(at - self.first),
            Automaton::Without(without) => without.distance(at - self.first),
        }
    }

    /// Returns where `byte` leads from a position.
    pub(super) fn next(&self, at: Position, byte: u8) -> Option<Next> {
        let next = match &self.automaton {
            Automaton::Piece(piece) => piece.next(at - self.first, byte)?,
            Automaton::Raw(raw) => raw.next(at - self.first, byte)?,
            Automaton::Without(without) => without.next(at - self.first, byte)?,
        };
        Some(match next {
            Next::At(local) => Next::At(self.first + local),
            exit @ Next::Exit(_) => exit,
        })
    }
}

impl Automaton {
    fn new(recipe: &Recipe) -> Self {
        match recipe {
            Recipe::Piece(pieces) => Self::Piece(Arc::new(Piece::new(pieces))),
            Recipe::Raw(pieces, end) => Self::Raw(Arc::new(Raw::new(pieces, end))),
            Recipe::Without(words, inside) => Self::Without(Arc::new(Without::new(words, *inside))),
        }
    }

    fn states(&self) -> u32 {
        match self {
            Self::Piece(piece) => piece.states(),
            Self::Raw(raw) => raw.states(),
            Self::Without(without) => without.states(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Piece(piece) => piece.bytes(),
            Self::Raw(raw) => raw.bytes(),
            Self::Without(without) => without.bytes(),
        }
    }
}

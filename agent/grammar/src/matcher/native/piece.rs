//! The inside of a JSON string whose value occurs in a text exactly once.

use super::spelling::{self, ESCAPE, HIGH, LOW, PLAIN, Spelt, UNICODE_00};
use super::suffix::{StateId, Suffixes};
use super::{Next, Pieces};

/// Stages of the spelling that a piece can be at: those of whole bytes are stages of the automaton itself.
const STAGES: u32 = 8;

/// A text of which one piece is said. A state is that of the suffix automaton and a stage of the spelling.
#[derive(Debug)]
pub(in crate::matcher) struct Piece {
    suffixes: Suffixes,
    /// The empty piece may be said too.
    or_empty: bool,
    /// States after which some byte stands escaped, one bit each; those that occur once are not among them.
    escapes: Vec<u64>,
    /// How many bytes there are at least from each piece that occurs several times to the end of the string.
    distances: Vec<u32>,
}

/// What a piece can go on with, for a walk.
pub(in crate::matcher) enum After<'p> {
    /// With these bytes of the value, none of which is escaped but those that `escape` leads to.
    Bytes { labels: &'p [u8], targets: &'p [StateId] },
    /// With this byte as it stands.
    One(u8, StateId),
    /// With nothing that stands as it is.
    Nothing,
}

impl Piece {
    pub(super) fn new(pieces: &Pieces) -> Self {
        let suffixes = Suffixes::new(&pieces.text, pieces.parts.as_deref());
        let mut escapes = vec![0; (suffixes.several() as usize).div_ceil(64)];
        for state in 0..suffixes.several() {
            let any = suffixes.edges(state).0.iter().any(|raw| spelling::is_escaped(*raw));
            escapes[state as usize / 64] |= u64::from(any) << (state % 64);
        }
        let mut piece =
            Self { suffixes, or_empty: pieces.or_empty, escapes, distances: Vec::new() };
        piece.distances = piece.all_distances();
        piece
    }

    /// Returns how many bytes there are at least to the end of the string, its quote included.
    pub(super) fn distance(&self, local: u32) -> u32 {
        let (state, stage) = (local / STAGES, local % STAGES);
        if stage == PLAIN {
            return self.between(state, &self.distances);
        }
        // How many bytes of the spelling are there, and for which bytes of the value they can stand.
        let spelt = stage.min(LOW) as usize;
        let fits = |raw: &u8| match stage {
            ESCAPE => spelling::is_escaped(*raw),
            LOW => *raw < 0x10 && spelling::is_long(*raw),
            HIGH => (0x10..0x20).contains(raw),
            stage if stage <= UNICODE_00 => spelling::is_long(*raw),
            _ => *raw == 0x7F,
        };
        let after = self.suffixes.bytes_after(state).iter().filter(|raw| fits(raw));
        let ways = after.filter_map(|raw| {
            let rest = spelling::spelt_length(*raw).saturating_sub(spelt);
            let next = self.suffixes.next(state, *raw)?;
            Some(self.between(next, &self.distances) + u32::try_from(rest).ok()?)
        });
        ways.min().unwrap_or(u32::MAX)
    }

    /// Returns the distance of a state between two bytes of the value, of which those of some pieces are known.
    fn between(&self, state: StateId, known: &[u32]) -> u32 {
        match self.suffixes.end(state) {
            // To the end of the character, and a quote.
            Some(end) => {
                let rest = (end..).take_while(|at| !self.suffixes.text().is_char_boundary(*at));
                u32::try_from(rest.count()).unwrap_or(u32::MAX) + 1
            }
            None => known[state as usize],
        }
    }

    fn all_distances(&self) -> Vec<u32> {
        let several = self.suffixes.several();
        let mut known = vec![u32::MAX; several as usize];
        // Longer pieces have higher numbers, and each one leads to longer ones only.
        for state in (0..several).rev() {
            let (labels, targets) = self.suffixes.edges(state);
            let ways = labels.iter().zip(targets).map(|(raw, to)| {
                let spelt = u32::try_from(spelling::spelt_length(*raw)).unwrap_or(u32::MAX);
                self.between(*to, &known).saturating_add(spelt)
            });
            let own = self.closes(state).map(|_| 1);
            known[state as usize] = ways.chain(own).min().unwrap_or(u32::MAX);
        }
        known
    }

    /// Returns more than any state.
    pub(super) fn states(&self) -> u32 {
        self.suffixes.states() * STAGES
    }

    pub(super) fn bytes(&self) -> usize {
        self.suffixes.bytes() + size_of_val(&*self.escapes) + size_of_val(&*self.distances)
    }

    /// Returns where `byte` leads.
    pub(in crate::matcher) fn next(&self, local: u32, byte: u8) -> Option<Next> {
        let (state, stage) = (local / STAGES, local % STAGES);
        match spelling::step(stage, byte) {
            // The inside of a character has no stages here: the text has whole characters only.
            None if stage == PLAIN && byte >= 0x80 => self.to(state, byte),
            None => None,
            Some(Spelt::End) => self.closes(state).map(|end| Next::Exit(Some(end))),
            Some(Spelt::Part(stage)) => {
                self.leads(state, stage).then_some(Next::At(state * STAGES + stage))
            }
            Some(Spelt::Byte(raw, _)) => self.to(state, raw),
        }
    }

    /// Returns where the value ends, if the piece may end here.
    #[inline]
    pub(in crate::matcher) fn closes(&self, state: StateId) -> Option<usize> {
        match self.suffixes.end(state) {
            Some(end) => self.suffixes.text().is_char_boundary(end).then_some(end),
            None => (state == Suffixes::START && self.or_empty).then_some(0),
        }
    }

    /// Returns what a state between two bytes of the value goes on with.
    #[inline]
    pub(in crate::matcher) fn after(&self, state: StateId) -> After<'_> {
        match self.suffixes.end(state) {
            Some(_) => match self.suffixes.bytes_after(state).first() {
                Some(raw) if !spelling::is_escaped(*raw) => After::One(*raw, state + 1),
                Some(_) | None => After::Nothing,
            },
            None => {
                let (labels, targets) = self.suffixes.edges(state);
                After::Bytes { labels, targets }
            }
        }
    }

    /// Returns the state after a backslash, if one may come.
    #[inline]
    pub(in crate::matcher) fn escape(&self, state: StateId) -> Option<u32> {
        self.has_escape(state).then_some(state * STAGES + ESCAPE)
    }

    /// Returns the state of the automaton, where no byte of the value is half spelt.
    #[inline]
    pub(in crate::matcher) fn plain(local: u32) -> Option<StateId> {
        (local % STAGES == PLAIN).then_some(local / STAGES)
    }

    /// Returns the state between two bytes of the value.
    #[inline]
    pub(in crate::matcher) fn local(state: StateId) -> u32 {
        state * STAGES
    }

    /// Returns the value that ends at a place and whose spelling has so many bytes.
    pub(super) fn value(&self, end: usize, spelt: usize) -> &str {
        let text = self.suffixes.text();
        let (mut start, mut left) = (end, spelt);
        while left > 0 && start > 0 {
            start -= 1;
            left = left.saturating_sub(spelling::spelt_length(text.as_bytes()[start]));
        }
        &text[start..end]
    }

    fn to(&self, state: StateId, raw: u8) -> Option<Next> {
        self.suffixes.next(state, raw).map(|state| Next::At(Self::local(state)))
    }

    /// Returns whether some byte of the value can be spelt through a stage.
    fn leads(&self, state: StateId, stage: u32) -> bool {
        let mut after = self.suffixes.bytes_after(state).iter().copied();
        match stage {
            ESCAPE => self.has_escape(state),
            LOW => after.any(|raw| raw < 0x10 && spelling::is_long(raw)),
            HIGH => after.any(|raw| (0x10..0x20).contains(&raw)),
            stage if stage <= UNICODE_00 => after.any(spelling::is_long),
            _ => after.any(|raw| raw == 0x7F),
        }
    }

    #[inline]
    fn has_escape(&self, state: StateId) -> bool {
        match self.suffixes.end(state) {
            Some(_) => {
                self.suffixes.bytes_after(state).iter().any(|raw| spelling::is_escaped(*raw))
            }
            None => self.escapes[state as usize / 64] >> (state % 64) & 1 == 1,
        }
    }
}

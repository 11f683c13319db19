//! Where the matcher stands, and where it comes back to: small numbers for both.
//!
//! A stack is shared: all callers of a rule at one point of the text are one set, as in Earley's and Tomita's
//! parsers, so that 2^n ways to the same place take n sets. Sets are hash-consed, so equal ones have one number,
//! and an old number stays good: that makes rollback free.

use super::contexts::{ContextId, NOTHING};
use super::program::Position;
use super::table::{IdTable, Mixer};

/// Where all callers of a rule go on.
pub(super) type StackId = u32;

/// A place: a step of the program, where to go on at the end of its routine, and what was said that matters.
///
/// In a stack, the context means nothing: who comes back keeps his own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    pub(super) at: Position,
    pub(super) stack: StackId,
    pub(super) context: ContextId,
}

/// Coming back to this place, the text is whole.
pub(super) const WHOLE: Place = Place { at: u32::MAX, stack: 0, context: NOTHING };

/// Sets of places, each known by a number.
#[derive(Debug, Default)]
pub(super) struct PlaceSets {
    places: Vec<Place>,
    /// Where the places of each set end.
    ends: Vec<usize>,
    known: IdTable,
}

impl PlaceSets {
    /// Returns the number of a set, which is sorted and has no place twice, and whether it is new.
    pub(super) fn intern(&mut self, set: &[Place]) -> (u32, bool) {
        let hash = hash(set);
        if let Some(id) = self.known.find(hash, |id| self.get(id) == set) {
            return (id, false);
        }
        self.places.extend_from_slice(set);
        self.ends.push(self.places.len());
        let id = u32::try_from(self.ends.len() - 1).unwrap_or(u32::MAX);
        let (places, ends) = (&self.places, &self.ends);
        self.known.insert(id, |id| self::hash(slice(places, ends, id)));
        (id, true)
    }

    /// Returns the places of a set.
    #[inline]
    pub(super) fn get(&self, id: u32) -> &[Place] {
        slice(&self.places, &self.ends, id)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the bytes that all sets take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.places) + size_of_val(&*self.ends) + self.known.bytes()
    }
}

fn slice<'p>(places: &'p [Place], ends: &[usize], id: u32) -> &'p [Place] {
    let at = id as usize;
    let start = at.checked_sub(1).map_or(0, |before| ends[before]);
    &places[start..ends[at]]
}

pub(super) fn hash(set: &[Place]) -> u64 {
    let mut mixer = Mixer::default();
    for place in set {
        mixer.mix(u64::from(place.at) << 32 | u64::from(place.stack));
        if place.context != NOTHING {
            mixer.mix(u64::from(place.context));
        }
    }
    std::hash::Hasher::finish(&mixer)
}

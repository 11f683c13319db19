//! A hash table of small numbers whose keys live elsewhere.

use std::hash::{BuildHasherDefault, Hasher};

/// Finds the number of a key that is stored outside.
#[derive(Debug, Default)]
pub(super) struct IdTable {
    /// Numbers plus one; zero is a free place. As many as a power of two, at most half of them taken.
    slots: Vec<u32>,
    len: usize,
}

impl IdTable {
    /// Returns the number with this hash for which `is_same` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_same: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.first(hash)?;
        loop {
            match self.slots[at].checked_sub(1) {
                None => return None,
                Some(id) if is_same(id) => return Some(id),
                Some(_) => at = (at + 1) & (self.slots.len() - 1),
            }
        }
    }

    /// Adds a number that is not there. `hash_of` tells the hash of any number in the table.
    pub(super) fn insert(&mut self, id: u32, hash_of: impl Fn(u32) -> u64) {
        if self.slots.len() < (self.len + 1) * 2 {
            let size = (self.slots.len() * 2).max(64);
            let old = std::mem::replace(&mut self.slots, vec![0; size]);
            for known in old.into_iter().filter_map(|slot| slot.checked_sub(1)) {
                self.place(known, hash_of(known));
            }
        }
        self.place(id, hash_of(id));
        self.len += 1;
    }

    /// Returns the bytes that the table takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }

    fn place(&mut self, id: u32, hash: u64) {
        let Some(mut at) = self.first(hash) else { unreachable!("a place was made for it") };
        while self.slots[at] != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = id + 1;
    }

    #[inline]
    fn first(&self, hash: u64) -> Option<usize> {
        let last = self.slots.len().checked_sub(1)?;
        // The upper half is the one that a multiplication mixes.
        usize::try_from(hash >> 32).ok().map(|hash| hash & last)
    }
}

/// Mixes numbers fast. Its keys are our own numbers, never text from outside.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mixer(u64);

/// For the sets of the standard library.
pub(super) type Mixing = BuildHasherDefault<Mixer>;

impl Mixer {
    #[inline]
    pub(super) fn mix(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

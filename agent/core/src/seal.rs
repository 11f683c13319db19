//! How a file lay on the disk when it was looked at: whoever opens it later can tell whether it is the same.

use serde::{Deserialize, Serialize};

/// Nanoseconds of a second.
pub const NANOS: i64 = 1_000_000_000;

/// Returns whether nothing about any of the files of `now` changed since `before`.
#[must_use]
pub fn are_untouched(now: &[Seal], before: &[Seal]) -> bool {
    let untouched = |(now, before): (&Seal, &Seal)| now.is_untouched_since(before);
    now.len() == before.len() && now.iter().zip(before).all(untouched)
}

/// A file at a moment. Two that are equal are the same file, unless somebody went to the length of setting clocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Seal {
    /// The device it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its size.
    pub bytes: u64,
    /// When its content was last written, in nanoseconds. A program can set it.
    pub modified: i64,
    /// When anything about it last changed, in nanoseconds. No program can set it.
    pub changed: i64,
}

impl Seal {
    /// Returns a moment as a seal has it, out of seconds and the nanoseconds of the last one.
    #[must_use]
    pub fn moment(seconds: i64, nanos: i64) -> i64 {
        seconds.saturating_mul(NANOS).saturating_add(nanos)
    }

    /// Returns whether it is the same file with the same content as `before`, whatever it is called by now.
    #[must_use]
    pub fn has_content_of(&self, before: &Self) -> bool {
        let content = |seal: &Self| (seal.device, seal.inode, seal.bytes, seal.modified);
        content(self) == content(before)
    }

    /// Returns whether nothing about the file changed since `before`. A device has another number after some restarts of
    /// a machine, so it is not asked.
    #[must_use]
    pub fn is_untouched_since(&self, before: &Self) -> bool {
        let state = |seal: &Self| (seal.inode, seal.bytes, seal.modified, seal.changed);
        state(self) == state(before)
    }
}

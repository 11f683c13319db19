//! How a file lay on the disk when it was looked at: whoever opens it later can tell whether it is the same.

use serde::{Deserialize, Serialize};

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

//! How a name looks: what is written in other letters and is read as the same.

use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_security::skeleton;

/// Returns `text` in small letters, with the character in place of each that only looks like it: full-width letters,
/// a dotless `i`, a division slash. ASCII stands for itself: `1` and `l` are told apart.
#[must_use]
pub fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            folded.push(c.to_ascii_lowercase());
        } else {
            let plain: String = c.nfkc().flat_map(char::to_lowercase).collect();
            folded.extend(skeleton(&plain).flat_map(char::to_lowercase));
        }
    }
    folded
}

/// Returns whether `text` is in the normal form NFC: two names that look the same are then the same.
#[must_use]
pub fn is_normal(text: &str) -> bool {
    is_nfc(text)
}

/// Returns whether a folded part of a path is git's own folder on some system: Windows drops dots and spaces at the
/// end, reads `:` as a stream of the file before it, and gives a long name a short one.
pub(super) fn is_git(part: &str) -> bool {
    let name = part.split(':').next().unwrap_or(part).trim_end_matches(['.', ' ']);
    matches!(name, ".git" | "git~1")
}

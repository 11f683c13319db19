//! Character classes: sets of characters, as a grammar writes them.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{GbnfError, parse};

/// A set of characters: those in the ranges, or all others.
///
/// The ranges are sorted, lie apart and are not empty, and the whole is never the empty set: `[]` means the
/// empty *string* to llama.cpp, so a class without a character has no notation.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CharSet {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl CharSet {
    /// Reads a class in GBNF's own notation, such as `[^"\\]` or `.`.
    ///
    /// # Errors
    ///
    /// When the text is no class, or one that llama.cpp takes for something else.
    pub fn parse(notation: &str) -> Result<Self, GbnfError> {
        parse::char_set(notation)
    }

    /// Returns the set of the characters in `ranges`, both ends included; nothing when there is none.
    #[must_use]
    pub fn of(ranges: impl IntoIterator<Item = (char, char)>) -> Option<Self> {
        let ranges = normalised(ranges.into_iter().collect());
        (!ranges.is_empty()).then_some(Self { negated: false, ranges })
    }

    /// Returns the set of the characters outside `ranges`; nothing when there is none.
    #[must_use]
    pub fn except(ranges: impl IntoIterator<Item = (char, char)>) -> Option<Self> {
        let set = Self { negated: true, ranges: normalised(ranges.into_iter().collect()) };
        (!set.resolved().is_empty()).then_some(set)
    }

    /// Returns the set of all characters, the line break included: `.`.
    #[must_use]
    pub fn any() -> Self {
        Self { negated: true, ranges: Vec::new() }
    }

    /// Returns whether the set is written as what it excludes, `[^a]` or `.`.
    pub(crate) fn is_negated(&self) -> bool {
        self.negated
    }

    /// Returns the characters of the set as sorted ranges that lie apart.
    #[must_use]
    pub fn resolved(&self) -> Vec<(char, char)> {
        if !self.negated {
            return self.ranges.clone();
        }
        let mut gaps = Vec::new();
        let mut next = Some('\0');
        for (low, high) in &self.ranges {
            if let (Some(start), Some(end)) = (next, before(*low))
                && start <= end
            {
                gaps.push((start, end));
            }
            next = after(*high);
        }
        gaps.extend(next.map(|start| (start, char::MAX)));
        gaps
    }
}

impl Display for CharSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.negated && self.ranges.is_empty() {
            return f.write_char('.');
        }
        f.write_str(if self.negated { "[^" } else { "[" })?;
        for (low, high) in &self.ranges {
            write_char(f, *low)?;
            if low != high {
                f.write_char('-')?;
                write_char(f, *high)?;
            }
        }
        f.write_char(']')
    }
}

/// Writes a character so that it stands for itself in a class. `^` has no escape but its number.
fn write_char(f: &mut Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\\' | '[' | ']' | '-' => write!(f, "\\{c}"),
        '^' => f.write_str("\\x5E"),
        c if c.is_ascii_control() => write!(f, "\\x{:02X}", u32::from(c)),
        c if is_visible(c) => f.write_char(c),
        c => write!(f, "\\U{:08X}", u32::from(c)),
    }
}

/// Returns whether a character shows as itself. A terminal or a log could swallow the others; some, such as
/// U+202E, turn a whole line around.
pub(super) fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(u32::from(c),
        0xAD | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF
        | 0xFFF0..=0xFFFF | 0xE000..=0xF8FF | 0xE0000..)
}

fn normalised(mut ranges: Vec<(char, char)>) -> Vec<(char, char)> {
    ranges.retain(|(low, high)| low <= high);
    ranges.sort_unstable();
    let mut merged: Vec<(char, char)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match merged.last_mut() {
            Some((_, end)) if after(*end).is_none_or(|next| low <= next) => *end = (*end).max(high),
            Some(_) | None => merged.push((low, high)),
        }
    }
    merged
}

/// Returns the character after `c`; the surrogates are none.
fn after(c: char) -> Option<char> {
    match c {
        '\u{D7FF}' => Some('\u{E000}'),
        c => char::from_u32(u32::from(c) + 1),
    }
}

/// Returns the character before `c`.
fn before(c: char) -> Option<char> {
    match c {
        '\u{E000}' => Some('\u{D7FF}'),
        c => u32::from(c).checked_sub(1).and_then(char::from_u32),
    }
}

//! What a worker has seen of a file's present content: a file that is too long for one answer is seen part by part.

use std::ops::Range;

/// What is known of a file.
#[derive(Clone, Debug, Default)]
pub enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// How many lines it has.
    Lines(usize),
    /// Some parts of it.
    Parts(Parts),
    /// All of it.
    All(String),
}

/// A text of which some parts were seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parts {
    text: String,
    /// Bytes that were seen, in ascending order; between two of these parts lies at least one that was not.
    seen: Vec<Range<usize>>,
}

impl Known {
    /// Takes note that these bytes of `text` were seen.
    pub(crate) fn see(&mut self, text: String, part: Range<usize>) {
        let mut seen = match std::mem::take(self) {
            Self::Parts(parts) if parts.text == text => parts.seen,
            Self::All(all) if all == text => std::iter::once(0..all.len()).collect(),
            Self::Nothing | Self::Lines(_) | Self::Parts(_) | Self::All(_) => Vec::new(),
        };
        seen.push(part);
        *self = Self::of(Parts { text, seen: joined(seen) });
    }

    /// Takes note that the file has so many lines.
    pub(crate) fn count(&mut self, lines: usize) {
        if let Self::Nothing = self {
            *self = Self::Lines(lines);
        }
    }

    /// Takes note that the worker wrote `with` in place of these bytes.
    pub(crate) fn edit(&mut self, at: Range<usize>, with: &str) {
        *self = match std::mem::take(self) {
            Self::Nothing | Self::Lines(_) => Self::Nothing,
            Self::Parts(parts) => Self::of(parts.edited(at, with)),
            Self::All(mut text) => {
                text.replace_range(at, with);
                Self::All(text)
            }
        };
    }

    /// Returns the content that is known as a whole.
    #[must_use]
    pub fn all(&self) -> Option<&str> {
        match self {
            Self::All(text) => Some(text),
            Self::Nothing | Self::Lines(_) | Self::Parts(_) => None,
        }
    }

    /// Returns the lines behind the first that are there and were not seen, as ranges with their last ones.
    #[must_use]
    pub fn unseen_lines(&self) -> Vec<(u64, u64)> {
        match self {
            Self::Nothing | Self::All(_) | Self::Lines(0 | 1) => Vec::new(),
            Self::Lines(lines) => vec![(2, number(*lines))],
            Self::Parts(parts) => parts.unseen_lines(),
        }
    }

    /// Returns whether the beginning of this line was seen.
    #[must_use]
    pub fn has_line(&self, line: u64) -> bool {
        match self {
            Self::Nothing | Self::Lines(_) => false,
            Self::Parts(parts) => parts.begins().any(|(at, seen)| seen && at == line),
            Self::All(_) => true,
        }
    }

    fn of(parts: Parts) -> Self {
        let is_whole = parts.text.is_empty() || parts.has(0..parts.text.len());
        if is_whole { Self::All(parts.text) } else { Self::Parts(parts) }
    }
}

impl Parts {
    /// Returns the whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the bytes that were seen, part by part.
    #[must_use]
    pub fn seen(&self) -> &[Range<usize>] {
        &self.seen
    }

    /// Returns whether `piece` stands in the text, but in no part that was seen.
    #[must_use]
    pub fn hides(&self, piece: &str) -> bool {
        let mut found = self.text.match_indices(piece).peekable();
        found.peek().is_some() && !found.any(|(at, _)| self.has(at..at + piece.len()))
    }

    /// Returns whether `piece` occurs exactly once, in a part that was seen.
    #[must_use]
    pub fn shows(&self, piece: &str) -> bool {
        self.text.matches(piece).count() == 1 && !self.hides(piece)
    }

    fn has(&self, bytes: Range<usize>) -> bool {
        self.seen.iter().any(|part| part.start <= bytes.start && bytes.end <= part.end)
    }

    /// Returns each line, counted from 1, with whether its beginning was seen.
    fn begins(&self) -> impl Iterator<Item = (u64, bool)> {
        let begin = |(line, text): (u64, &str)| {
            let at = text.as_ptr() as usize - self.text.as_ptr() as usize;
            (line, self.has(at..at + 1))
        };
        (1..).zip(self.text.split_inclusive('\n')).map(begin)
    }

    fn unseen_lines(&self) -> Vec<(u64, u64)> {
        let mut unseen: Vec<(u64, u64)> = Vec::new();
        for (line, _) in self.begins().skip(1).filter(|(_, seen)| !seen) {
            match unseen.last_mut() {
                Some((_, last)) if *last + 1 == line => *last = line,
                Some(_) | None => unseen.push((line, line)),
            }
        }
        unseen
    }

    fn edited(mut self, at: Range<usize>, with: &str) -> Self {
        self.text.replace_range(at.clone(), with);
        let end = at.start + with.len();
        let mut seen: Vec<Range<usize>> = Vec::new();
        seen.extend((!with.is_empty()).then_some(at.start..end));
        for part in self.seen {
            let before = part.start..part.end.min(at.start);
            let behind = part.start.max(at.end)..part.end;
            let moved = |place: usize| (place + end).saturating_sub(at.end);
            seen.extend((!before.is_empty()).then_some(before));
            seen.extend((!behind.is_empty()).then(|| moved(behind.start)..moved(behind.end)));
        }
        Self { text: self.text, seen: joined(seen) }
    }
}

/// Returns the parts in ascending order, those that touch as one.
pub(crate) fn joined(mut parts: Vec<Range<usize>>) -> Vec<Range<usize>> {
    parts.sort_unstable_by_key(|part| (part.start, part.end));
    let mut joined: Vec<Range<usize>> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            Some(_) | None => joined.push(part),
        }
    }
    joined
}

fn number(lines: usize) -> u64 {
    u64::try_from(lines).unwrap_or(u64::MAX)
}

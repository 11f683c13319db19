//! A unified diff taken apart for display.
//!
//! It is lenient: a patch from anywhere is shown as well as it can be. Lines of a hunk are counted, so that a
//! removed line which reads `-- a/file` is not taken for a header. No other header can be mistaken: a line of a
//! hunk begins with a blank or a sign.

/// What one file's part of a patch shows.
#[derive(Debug, Default)]
pub(super) struct File<'a> {
    /// The path, as the patch spells it.
    pub(super) path: &'a str,
    /// Lines before the first hunk that say something: modes, renames, `GIT binary patch`.
    pub(super) notes: Vec<&'a str>,
    pub(super) lines: Vec<Line<'a>>,
}

/// One line of a file's part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line<'a> {
    /// `@@ -1,3 +1,4 @@ fn main`.
    Hunk(&'a str),
    Added {
        new: u64,
        text: &'a str,
    },
    Removed {
        old: u64,
        text: &'a str,
    },
    Same {
        old: u64,
        new: u64,
        text: &'a str,
    },
    /// `\ No newline at end of file`.
    Note(&'a str),
}

/// Where a hunk stands and how much of it is still to come.
#[derive(Clone, Copy, Default)]
struct Hunk {
    old: u64,
    new: u64,
    old_left: u64,
    new_left: u64,
}

/// Returns the files of `patch`.
pub(super) fn files(patch: &str) -> Vec<File<'_>> {
    let mut files: Vec<File<'_>> = Vec::new();
    let mut hunk = Hunk::default();
    let mut is_binary = false;
    // Not `lines`: that would swallow the `\r` of a line which differs in nothing else.
    for text in patch.split_terminator('\n') {
        if text.starts_with("diff --git ") {
            hunk = Hunk::default();
            is_binary = false;
            files.push(File { path: path_of_header(text), ..File::default() });
            continue;
        }
        let Some(file) = files.last_mut() else { continue };
        match hunk.take(text) {
            Some(line) => file.lines.push(line),
            // What follows tells a person nothing.
            None if is_binary => {}
            None => {
                is_binary = text == "GIT binary patch";
                outside(file, &mut hunk, text);
            }
        }
    }
    files
}

/// Takes a line that is not inside a hunk.
fn outside<'a>(file: &mut File<'a>, hunk: &mut Hunk, text: &'a str) {
    if let Some(next) = Hunk::parse(text) {
        *hunk = next;
        file.lines.push(Line::Hunk(text));
    } else if text.starts_with('\\') {
        file.lines.push(Line::Note(text));
    } else if let Some(path) = text.strip_prefix("+++ ").or_else(|| text.strip_prefix("--- ")) {
        if path != "/dev/null" {
            file.path = path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path);
        }
    } else if !text.starts_with("index ") {
        file.notes.push(text);
    }
}

/// Returns the path of `diff --git a/x b/x`, which is only sure where both sides are the same.
fn path_of_header(text: &str) -> &str {
    let both = text.trim_start_matches("diff --git ");
    let half = both.len() / 2;
    match (both.get(..half), both.get(half + 1..)) {
        (Some(old), Some(new)) if old.get(2..) == new.get(2..) => old.get(2..).unwrap_or(both),
        _ => both,
    }
}

impl Hunk {
    /// Parses `@@ -OLD,COUNT +NEW,COUNT @@`.
    fn parse(text: &str) -> Option<Self> {
        let ranges = text.strip_prefix("@@ -")?;
        let (ranges, _) = ranges.split_once(" @@")?;
        let (old, new) = ranges.split_once(" +")?;
        let (old, old_left) = range(old)?;
        let (new, new_left) = range(new)?;
        Some(Self { old, new, old_left, new_left })
    }

    /// Takes `text`, if it belongs to this hunk.
    fn take<'a>(&mut self, text: &'a str) -> Option<Line<'a>> {
        let Self { old, new, .. } = *self;
        let rest = text.get(1..).unwrap_or_default();
        match text.as_bytes().first() {
            Some(b'+') if self.new_left > 0 => {
                self.step(0, 1);
                Some(Line::Added { new, text: rest })
            }
            Some(b'-') if self.old_left > 0 => {
                self.step(1, 0);
                Some(Line::Removed { old, text: rest })
            }
            Some(b' ') | None if self.old_left > 0 && self.new_left > 0 => {
                self.step(1, 1);
                Some(Line::Same { old, new, text: rest })
            }
            _ => None,
        }
    }

    fn step(&mut self, old: u64, new: u64) {
        self.old = self.old.saturating_add(old);
        self.new = self.new.saturating_add(new);
        self.old_left -= old;
        self.new_left -= new;
    }
}

/// Parses `12,3`, or `12`, which is one line.
fn range(text: &str) -> Option<(u64, u64)> {
    match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

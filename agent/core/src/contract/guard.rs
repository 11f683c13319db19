//! Guards: lines that may not go, or may not come, in files that may change otherwise.

use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::ContractError;
use super::scope::Patterns;

/// Lines that a [`Guarded`](crate::evidence::Guarded) shows, and bytes of each.
const MAX_SHOWN: usize = 10;
const MAX_LINE: usize = 200;
/// What a compiled pattern may take. They match in linear time, whatever a file holds.
const MAX_PATTERN: usize = 1 << 20;

/// The `[[guard]]` table.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GuardFile {
    /// What it is called in the report.
    pub name: String,
    /// Globs of the files it looks at.
    pub files: Vec<String>,
    /// A regular expression; a line that it is found in is guarded.
    pub lines: String,
    /// What may not happen to such a line.
    #[serde(default = "only_removed")]
    pub deny: Vec<Deny>,
}

/// What may not happen to a guarded line. A line that is changed is one that goes and another that comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deny {
    /// It goes.
    Removed,
    /// It comes.
    Added,
}

/// A guard that can be asked.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What it is called in the report.
    pub name: String,
    /// What may not happen to its lines.
    pub deny: Vec<Deny>,
    files: Patterns,
    lines: Regex,
}

/// What happened to the guarded lines of one file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Moved {
    /// Lines that went.
    pub removed: u32,
    /// Lines that came.
    pub added: u32,
    /// The first of them, each after `-` or `+`.
    pub lines: Vec<String>,
}

pub(super) fn compile(guards: &[GuardFile]) -> Result<Vec<Guard>, ContractError> {
    let compile = |(at, guard): (usize, &GuardFile)| match guards[..at]
        .iter()
        .any(|earlier| earlier.name == guard.name)
    {
        true => Err(guard.refuse("another guard is called so too")),
        false => Guard::new(guard),
    };
    guards.iter().enumerate().map(compile).collect()
}

impl GuardFile {
    fn refuse(&self, reason: &str) -> ContractError {
        let (name, reason) = (self.name.escape_debug().to_string(), reason.to_owned());
        ContractError::Guard { name, reason }
    }
}

impl Guard {
    fn new(file: &GuardFile) -> Result<Self, ContractError> {
        let GuardFile { name, files, lines, deny } = file;
        if name.is_empty() || files.is_empty() || deny.is_empty() {
            return Err(file.refuse("it has no name, looks at no file, or denies nothing"));
        }
        let lines = RegexBuilder::new(lines).size_limit(MAX_PATTERN).build();
        let lines = lines
            .map_err(|err| file.refuse(&format!("`lines` is no regular expression: {err}")))?;
        let files = Patterns::new("files", files)?;
        Ok(Self { name: name.clone(), deny: deny.clone(), files, lines })
    }

    /// Returns whether it looks at `path`.
    #[must_use]
    pub fn concerns(&self, path: &str) -> bool {
        self.files.is_match(path)
    }

    /// Returns what happened to the guarded lines between two contents of a file. Only what is more or less of a
    /// line counts, not where it stands; line ends do not count.
    #[must_use]
    pub fn compare(&self, before: &[u8], after: &[u8]) -> Moved {
        let (old, new) = (self.count(before), self.count(after));
        let mut moved = Moved::default();
        let none =
            |lines: &BTreeMap<&[u8], u32>, line: &[u8]| lines.get(line).copied().unwrap_or(0);
        for (line, count) in &old {
            let gone = count.saturating_sub(none(&new, line));
            moved.removed += gone;
            moved.show('-', line, gone);
        }
        for (line, count) in &new {
            let come = count.saturating_sub(none(&old, line));
            moved.added += come;
            moved.show('+', line, come);
        }
        moved
    }

    /// Returns each guarded line with how often it is there.
    fn count<'t>(&self, text: &'t [u8]) -> BTreeMap<&'t [u8], u32> {
        let mut found = BTreeMap::new();
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if self.lines.is_match(line) {
                *found.entry(line).or_insert(0) += 1;
            }
        }
        found
    }
}

impl Moved {
    fn show(&mut self, sign: char, line: &[u8], count: u32) {
        if count > 0 && self.lines.len() < MAX_SHOWN {
            let text = String::from_utf8_lossy(line);
            let end = text.floor_char_boundary(MAX_LINE);
            self.lines.push(format!("{sign}{}", &text[..end]));
        }
    }
}

fn only_removed() -> Vec<Deny> {
    vec![Deny::Removed]
}

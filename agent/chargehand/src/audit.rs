//! The log of a run: one JSON object a line, only ever appended, each line with the hash of the one before it.
//!
//! There is one writer, which holds the run's lock. A last line that was cut off by a crash is cut away when the
//! log is opened again; anything else that does not fit is an error. It does not stop somebody who rewrites the
//! whole file.

mod held;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chargehand_core::event::Event;
use chargehand_grammar::Bindings;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use held::GRAMMAR;
pub use held::Held;

/// The version of the form of a line.
pub const SCHEMA: u32 = 1;

/// What stands for the line before the first one.
const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Why a log cannot be written or read.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The system said no.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line was changed after it had been written.
    #[error("line {line} of {} is not as it was written: {reason}", path.display())]
    Broken {
        /// The log.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What does not fit.
        reason: String,
    },
}

/// A log that is being written.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    seq: u64,
    prev: String,
    /// The digests of the grammars whose texts stand in it.
    grammars: BTreeSet<String>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its type, such as `called`.
    pub kind: String,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// All that it says, as it stands there.
    pub fields: Map<String, Value>,
}

impl Line {
    /// Returns the event that it tells of, unless it is one of the log's own.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        serde_json::from_value(Value::Object(self.fields.clone())).ok()
    }
}

impl Log {
    /// Begins a log. The first line carries the schema, the run's id and `facts`.
    ///
    /// # Errors
    ///
    /// [`AuditError::Io`], also when there is such a file.
    pub fn create(path: &Path, run: &str, facts: impl Serialize) -> Result<Self, AuditError> {
        let file = OpenOptions::new().create_new(true).append(true).open(path);
        let file = file.map_err(|source| refuse("create", path, source))?;
        let (path, prev) = (path.to_owned(), NO_LINE.to_owned());
        let mut log = Self { path, file, seq: 0, prev, grammars: BTreeSet::new() };
        log.write("run_started", json!({ "schema": SCHEMA, "run": run, "facts": value(facts) }))?;
        log.sync()?;
        // The name of the file is safe only with its folder.
        let folder = log.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| refuse("create", &log.path, source))?;
        Ok(log)
    }

    /// Opens a log again, to go on behind its last whole line, and returns all lines.
    ///
    /// # Errors
    ///
    /// [`AuditError`], when it cannot be read or was changed.
    pub fn reopen(path: &Path) -> Result<(Self, Vec<Line>), AuditError> {
        let file = OpenOptions::new().read(true).append(true).open(path);
        let mut file = file.map_err(|source| refuse("open", path, source))?;
        let text = read_whole(&mut file, path)?;
        let (lines, prev) = chain(&text, path)?;
        if lines.is_empty() {
            let reason = "it has no line, and each log begins with one".to_owned();
            return Err(AuditError::Broken { path: path.to_owned(), line: 1, reason });
        }
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        file.set_len(length).map_err(|source| refuse("cut", path, source))?;
        let seq = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let grammars = lines.iter().filter_map(Line::grammar).map(|held| held.grammar).collect();
        Ok((Self { path: path.to_owned(), file, seq, prev, grammars }, lines))
    }

    /// Appends a line of our own.
    ///
    /// # Errors
    ///
    /// [`AuditError::Io`]. What was half written is cut away again.
    ///
    /// # Panics
    ///
    /// When `fields` is no JSON object.
    pub fn write(&mut self, kind: &str, fields: impl Serialize) -> Result<(), AuditError> {
        let Value::Object(fields) = value(fields) else {
            panic!("BUG: the fields of a line are an object")
        };
        let mut line = Map::new();
        line.insert("seq".to_owned(), self.seq.into());
        line.insert("time_ms".to_owned(), now_ms().into());
        line.insert("prev".to_owned(), self.prev.clone().into());
        line.insert("type".to_owned(), kind.into());
        line.extend(fields);
        let mut text = Value::Object(line).to_string();
        let prev = hash(&text);
        text.push('\n');
        self.append(text.as_bytes())?;
        (self.seq, self.prev) = (self.seq + 1, prev);
        Ok(())
    }

    /// Appends what happened. Single tokens are not kept: the call that they form is.
    ///
    /// # Errors
    ///
    /// As [`Log::write`].
    pub fn event(&mut self, event: &Event) -> Result<(), AuditError> {
        match event {
            Event::Tokens { .. } => Ok(()),
            Event::PhaseStarted { .. }
            | Event::TurnStarted { .. }
            | Event::Reasoned { .. }
            | Event::Called { .. }
            | Event::Malformed { .. }
            | Event::Observed { .. }
            | Event::Checked { .. }
            | Event::Reviewed { .. }
            | Event::Proposed { .. }
            | Event::WorkerRestarted { .. }
            | Event::ModelChanged(_)
            | Event::MemoryWarned { .. }
            | Event::Stopped { .. } => {
                let Value::Object(mut fields) = value(event) else {
                    panic!("BUG: an event is an object")
                };
                let kind = fields.shift_remove("type");
                let kind = kind.as_ref().and_then(Value::as_str).expect("an event has a type");
                self.write(kind, Value::Object(fields))
            }
        }
    }

    /// Appends what the call of a turn is held to: the digests of its grammar and of what is bound, and the text of
    /// a grammar that no line has yet. The data of bindings follow from the workspace as it was.
    ///
    /// # Errors
    ///
    /// As [`Log::write`].
    pub fn grammar(
        &mut self,
        turn: u32,
        gbnf: &str,
        bindings: &Bindings,
    ) -> Result<(), AuditError> {
        let mut held = Held::of(turn, gbnf, bindings);
        held.text = self.grammars.insert(held.grammar.clone()).then(|| gbnf.to_owned());
        self.write(GRAMMAR, held)
    }

    /// Returns the hash of the last line.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.prev
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    ///
    /// [`AuditError::Io`].
    pub fn sync(&mut self) -> Result<(), AuditError> {
        self.file.sync_data().map_err(|source| refuse("write", &self.path, source))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let length = |file: &File| file.metadata().map(|facts| facts.len());
        let before = length(&self.file).map_err(|source| refuse("write", &self.path, source))?;
        self.file.write_all(bytes).map_err(|source| {
            // A full disk may have taken half a line. If this fails too, opening the log again will cut it.
            let cut = self.file.set_len(before);
            let source = cut.err().map_or(source, |err| err);
            refuse("write", &self.path, source)
        })
    }
}

/// Reads a log and checks its chain.
///
/// # Errors
///
/// [`AuditError`], when it cannot be read or was changed.
pub fn read(path: &Path) -> Result<Vec<Line>, AuditError> {
    let mut file = File::open(path).map_err(|source| refuse("open", path, source))?;
    let text = read_whole(&mut file, path)?;
    chain(&text, path).map(|(lines, _)| lines)
}

/// Returns whether the last line is cut off, as a crash leaves it. Behind a verdict nothing is written any more.
#[must_use]
pub fn is_cut(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.last() != Some(&b'\n'))
}

/// Returns all whole lines. A crash may have cut the last one, and a character of it, in two.
fn read_whole(file: &mut File, path: &Path) -> Result<String, AuditError> {
    let mut bytes = Vec::new();
    file.rewind().map_err(|source| refuse("read", path, source))?;
    file.read_to_end(&mut bytes).map_err(|source| refuse("read", path, source))?;
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    String::from_utf8(bytes).map_err(|err| {
        let valid = &err.as_bytes()[..err.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        AuditError::Broken { path: path.to_owned(), line, reason: "it is no UTF-8".to_owned() }
    })
}

/// Returns the lines and the hash of the last one.
fn chain(text: &str, path: &Path) -> Result<(Vec<Line>, String), AuditError> {
    let mut prev = NO_LINE.to_owned();
    let mut lines = Vec::new();
    for (at, line) in text.split_terminator('\n').enumerate() {
        let broken = |reason: &str| AuditError::Broken {
            path: path.to_owned(),
            line: at + 1,
            reason: reason.to_owned(),
        };
        let fields: Map<String, Value> =
            serde_json::from_str(line).map_err(|_| broken("it is no JSON object"))?;
        if fields.get("prev").and_then(Value::as_str) != Some(&prev) {
            return Err(broken("`prev` is not the hash of the line before it"));
        }
        if fields.get("seq").and_then(Value::as_u64) != u64::try_from(at).ok() {
            return Err(broken("`seq` does not count on"));
        }
        let kind =
            fields.get("type").and_then(Value::as_str).ok_or_else(|| broken("it has no type"))?;
        let time_ms = fields
            .get("time_ms")
            .and_then(Value::as_u64)
            .ok_or_else(|| broken("it has no time"))?;
        prev = hash(line);
        lines.push(Line { kind: kind.to_owned(), time_ms, fields });
    }
    Ok((lines, prev))
}

fn hash(line: &str) -> String {
    Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn value(from: impl Serialize) -> Value {
    serde_json::to_value(from).expect("our own types have text keys only")
}

fn refuse(what: &'static str, path: &Path, source: io::Error) -> AuditError {
    AuditError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use chargehand_core::contract::Gate;
    use chargehand_core::event::Part;
    use chargehand_core::menu::Shut;

    use super::*;

    fn begun(dir: &Path) -> PathBuf {
        let path = dir.join("events.jsonl");
        let mut log = Log::create(&path, "r", json!({ "worker": "w" })).unwrap();
        log.event(&Event::TurnStarted {
            turn: 1,
            tools: vec![],
            gates: vec![Shut {
                gate: Gate::NoRepeat,
                tool: "t".to_owned(),
                reason: "a\u{2028}\nb".to_owned(),
            }],
        })
        .unwrap();
        log.event(&Event::Tokens { part: Part::Call, text: "x".to_owned(), count: 1 }).unwrap();
        path
    }

    #[test]
    fn what_was_written_is_read_and_continued() {
        let dir = tempfile::tempdir().unwrap();
        let path = begun(dir.path());
        let (mut log, lines) = Log::reopen(&path).unwrap();
        assert_eq!(
            lines.iter().map(|line| line.kind.as_str()).collect::<Vec<_>>(),
            ["run_started", "turn_started"]
        );
        assert_eq!(lines[0].fields["schema"], SCHEMA);
        assert!(lines[0].event().is_none());
        assert!(matches!(lines[1].event(), Some(Event::TurnStarted { turn: 1, .. })));
        log.write("resumed", json!({})).unwrap();
        assert_eq!(read(&path).unwrap()[2].fields["seq"], 2);
        assert!(Log::create(&path, "r", json!({})).is_err(), "a log is never begun twice");
    }

    #[test]
    fn a_torn_line_is_cut_at_every_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = begun(dir.path());
        let text = std::fs::read(&path).unwrap();
        let first = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for length in first..text.len() {
            std::fs::write(&path, &text[..length]).unwrap();
            assert_eq!(read(&path).unwrap().len(), 1, "{length}");
            let (mut log, _) = Log::reopen(&path).unwrap();
            log.write("resumed", json!({})).unwrap();
            assert_eq!(read(&path).unwrap().len(), 2, "{length}");
        }
    }

    #[test]
    fn a_changed_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = begun(dir.path());
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [
            ("\"worker\":\"w\"", "\"worker\":\"v\""),
            ("\"seq\":1", "\"seq\":2"),
            ("{\"seq\":0", "{\"seq\":0 "),
        ] {
            assert!(text.contains(from));
            std::fs::write(&path, text.replace(from, to)).unwrap();
            assert!(matches!(read(&path), Err(AuditError::Broken { .. })), "{from}");
        }
    }
}

//! Where grammars and texts come from, and in which words a bad one is refused.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use chargehand_grammar::matcher::{CompileError, MatchError};
use chargehand_grammar::{Constraint, Grammar, Limits, Vocabulary};

use crate::error::{Error, Kind};

/// More than this is read from no file: a grammar may have half of it.
const MAX_BYTES: u64 = 16 << 20;

/// A text and the name of where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The file, or `stdin`.
    pub(super) name: String,
    /// What stands there.
    pub(super) text: String,
}

impl Source {
    /// Reads `path`, or stdin where it is `-`.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let (name, bytes) = read(path)?;
        let text = String::from_utf8(bytes).map_err(|err| {
            let at = err.utf8_error().valid_up_to();
            Error::new(Kind::Usage, format!("{name} is no UTF-8 text: byte {at} is none"))
        })?;
        Ok(Self { name, text })
    }

    /// Returns the error that refuses the grammar that stands here.
    pub(super) fn refused(&self, kind: Kind, err: &CompileError) -> Error {
        let error = Error::new(kind, format!("{}: {err}", self.name));
        match err {
            CompileError::Token { .. } => {
                error.hint("tokens are those of a model: -m MODEL.gguf says which")
            }
            CompileError::Binding { .. } => error.hint(
                "what a rule is bound to comes from a program; without `#! bind` the rule stands as it is written",
            ),
            CompileError::Text(_)
            | CompileError::UnusedBinding(_)
            | CompileError::NoRoot(_)
            | CompileError::Undefined { .. }
            | CompileError::LeftRecursion { .. }
            | CompileError::Endless(_)
            | CompileError::Class { .. }
            | CompileError::Repetition { .. }
            | CompileError::Start(_)
            | CompileError::TooLarge { .. } => error,
        }
    }

    /// Returns the grammar that stands here.
    pub(super) fn grammar(&self) -> Result<Grammar, Error> {
        Grammar::parse(&self.text).map_err(|err| self.refused(Kind::Usage, &err.into()))
    }

    /// Returns the grammar that stands here, compiled for `vocabulary`.
    pub(super) fn constraint(&self, vocabulary: &Arc<Vocabulary>) -> Result<Constraint, Error> {
        Constraint::from_text(&self.text, Arc::clone(vocabulary), &Limits::default())
            .map_err(|err| self.refused(Kind::Usage, &err))
    }
}

/// Returns the error for a text under which the matcher gave up.
pub(super) fn gave_up(err: &MatchError) -> Error {
    Error::from_source(Kind::Refused, err)
}

/// Reads `path`, or stdin where it is `-`, and returns its name too.
pub(super) fn read(path: &Path) -> Result<(String, Vec<u8>), Error> {
    let name = if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let read = match is_stdin(path) {
        true => io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|err| Error::new(Kind::Usage, format!("cannot read {name}: {err}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        let message = format!("{name} has more than {MAX_BYTES} bytes");
        return Err(Error::new(Kind::Usage, message));
    }
    Ok((name, bytes))
}

/// The texts of a command line: its arguments, or the lines of stdin.
pub(super) struct Texts<'a> {
    /// The arguments; `-` stands for stdin.
    pub(super) given: &'a [OsString],
    /// Where the grammar comes from.
    pub(super) grammar: &'a Path,
    /// What stands between the texts of stdin.
    pub(super) separator: u8,
}

impl Texts<'_> {
    /// Returns the texts that are given; stdin is read only where `-` stands.
    pub(super) fn read(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut texts = Vec::new();
        let mut is_read = is_stdin(self.grammar);
        for text in self.given {
            if !is_stdin(Path::new(text)) {
                texts.push(text.as_bytes().to_vec());
                continue;
            }
            if is_read {
                let message = "stdin can be read once: give the grammar or the texts as a file";
                return Err(Error::new(Kind::Usage, message));
            }
            is_read = true;
            let (_, bytes) = read(Path::new("-"))?;
            texts.extend(split(&bytes, self.separator));
        }
        Ok(texts)
    }

    /// As [`Texts::read`]; without an argument, stdin is meant.
    pub(super) fn read_or_stdin(&self) -> Result<Vec<Vec<u8>>, Error> {
        let stdin = [OsString::from("-")];
        let given = if self.given.is_empty() { &stdin } else { self.given };
        Texts { given, ..*self }.read()
    }
}

/// A last line without an end is a line; nothing at all is none.
fn split(bytes: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let whole = bytes.strip_suffix(&[separator]).unwrap_or(bytes);
    match bytes.is_empty() {
        true => Vec::new(),
        false => whole.split(|byte| *byte == separator).map(<[u8]>::to_vec).collect(),
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

#[cfg(test)]
mod tests {
    use super::split;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let found = split(text.as_bytes(), b'\n');
        assert_eq!(found, expect.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_texts() {
        check("", &[]);
        check("\n", &[""]);
        check("a", &["a"]);
        check("a\n", &["a"]);
        check("a\n\n", &["a", ""]);
        check("a\r\nb", &["a\r", "b"]);
    }
}

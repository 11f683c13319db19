//! A place in a text, and the small steps from there.

use crate::gbnf::{GbnfError, Mistake, is_word};

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// Where a comment begins that says `#!` and that nobody took yet.
    mark: Option<usize>,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, mark: None }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn is_at_newline(&self) -> bool {
        matches!(self.peek(), Some(b'\n' | b'\r'))
    }

    /// Returns the next byte.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Returns the next character.
    pub(super) fn char(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Takes the next character.
    pub(super) fn next_char(&mut self) -> Option<char> {
        let c = self.char()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Takes `expected`, if that is what follows.
    pub(super) fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Takes a name.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let len = rest.bytes().take_while(|byte| is_word(*byte)).count();
        self.at += len;
        (len > 0).then_some(&rest[..len])
    }

    /// Takes a decimal number; one that is too large for 32 bits is the largest.
    pub(super) fn number(&mut self) -> Option<u32> {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += digits;
        (digits > 0).then(|| rest[..digits].parse().unwrap_or(u32::MAX))
    }

    /// Returns where a comment begins that says `#!` and that nobody took yet.
    pub(super) fn mark(&self) -> Option<usize> {
        self.mark
    }

    /// Takes the comment that says `#!`, and returns what follows that.
    pub(super) fn take_mark(&mut self) -> Option<&'t str> {
        let rest = &self.text[self.mark.take()? + "#!".len()..];
        rest.split(['\r', '\n']).next()
    }

    /// Takes spaces, tabs and comments, and line breaks where they mean nothing.
    pub(super) fn space(&mut self, newlines: bool) {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' => self.at += 1,
                b'\r' | b'\n' if newlines => self.at += 1,
                b'#' => {
                    if bytes.get(self.at + 1) == Some(&b'!') {
                        self.mark.get_or_insert(self.at);
                    }
                    let ends =
                        bytes[self.at..].iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                    self.at = ends.map_or(bytes.len(), |length| self.at + length);
                }
                _ => break,
            }
        }
    }

    /// Returns the number of line breaks from one byte to another.
    pub(super) fn newlines(&self, from: usize, to: usize) -> usize {
        self.text.as_bytes()[from..to].iter().filter(|byte| **byte == b'\n').count()
    }

    pub(super) fn error(&self, at: usize, kind: Mistake, message: String) -> GbnfError {
        GbnfError::new(self.text, at, kind, message)
    }
}

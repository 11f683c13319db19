//! Reading numbers, texts and values from bytes that lie.

use std::io::{Read, Seek};

use chargehand_core::memory::header::Texts;

use super::tokens::{self, List};
use super::{Fault, Tokens};

/// Keys and texts longer than this are refused: chat templates have some ten thousand bytes.
const MAX_TEXT: u64 = 4 << 20;
/// What the keys of vocabularies begin with.
const VOCABULARY: &str = "tokenizer.ggml.";
/// Tokens and merges have some hundred bytes at most; llama.cpp follows some of them byte by byte on its stack.
const MAX_LISTED: u64 = 4096;
/// A vocabulary of a million tokens takes some 50 MB. What is longer would keep us reading.
const MAX_HEADER: u64 = 256 << 20;
/// The type of a kind of token.
const INT32: u32 = 5;
/// An array of numbers that is no longer may have one a layer, and is kept.
const MAX_KEPT: u64 = 1024;

/// A value of a key. Long arrays of numbers are skipped, but for the kinds of tokens where those are listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A whole number that is not negative.
    Number(u64),
    /// An array of some whole numbers, none negative.
    Numbers(Vec<u64>),
    /// An array of texts.
    Texts(Texts),
    /// The texts of tokens, none where they are not listed.
    Tokens(Texts, List),
    /// The kinds of tokens, as far as a byte says them; skipped where tokens are not listed.
    Kinds(Vec<u8>),
    /// Any other array.
    Array,
    /// A fraction, a truth value or a negative number.
    Other,
}

/// Reads forward and knows how much is left.
#[derive(Debug)]
pub(super) struct Reader<R> {
    source: R,
    size: u64,
    position: u64,
    listing: Tokens,
}

impl<R: Read + Seek> Reader<R> {
    pub(super) fn new(source: R, size: u64, listing: Tokens) -> Self {
        Self { source, size, position: 0, listing }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Refuses a count of things that could not stand in the rest of the file.
    pub(super) fn check_count(&self, what: &str, count: u64, each: u64) -> Result<(), Fault> {
        self.claim(&format!("the list of {count} {what}"), count.saturating_mul(each)).map(drop)
    }

    /// Returns where `length` more bytes would end, if the file has them.
    fn claim(&self, what: &str, length: u64) -> Result<u64, Fault> {
        let need = self.position.saturating_add(length);
        if need > self.size {
            return Err(Fault::Truncated { what: what.to_owned(), need, have: self.size });
        }
        if need > MAX_HEADER {
            let text = format!("{what} ends beyond {MAX_HEADER} bytes, where no header does");
            return Err(Fault::Malformed(text));
        }
        Ok(need)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.fill(what, &mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, what: &str, bytes: &mut [u8]) -> Result<(), Fault> {
        let end = self.claim(what, bytes.len() as u64)?;
        self.source.read_exact(bytes)?;
        self.position = end;
        Ok(())
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, Fault> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, Fault> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(super) fn string(&mut self, what: &str) -> Result<String, Fault> {
        self.text(what, MAX_TEXT)
    }

    /// Reads a text of at most `most` bytes.
    pub(super) fn text(&mut self, what: &str, most: u64) -> Result<String, Fault> {
        let length = self.u64(what)?;
        let end = self.claim(what, length)?;
        if length > most {
            let text = format!("{what} has {length} bytes, more than {most}");
            return Err(Fault::Malformed(text));
        }
        let mut bytes = Vec::new();
        (&mut self.source).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            let (need, have) = (end, self.position + bytes.len() as u64);
            return Err(Fault::Truncated { what: what.to_owned(), need, have });
        }
        self.position = end;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn skip(&mut self, what: &str, length: u64) -> Result<(), Fault> {
        let end = self.claim(what, length)?;
        let too_far = |_| Fault::Malformed(format!("{what} has {length} bytes"));
        let step = i64::try_from(length).map_err(too_far)?;
        // Not `seek`, which would throw a buffer away for each text of a vocabulary.
        self.source.seek_relative(step)?;
        self.position = end;
        Ok(())
    }

    /// Reads the value of `key` with its type before it.
    pub(super) fn value(&mut self, key: &str) -> Result<Value, Fault> {
        Ok(match self.u32(key)? {
            8 => Value::Text(self.string(key)?),
            9 => self.items(key)?,
            kind => self.number(kind, key)?.map_or(Value::Other, Value::Number),
        })
    }

    /// Reads one value of fixed size; `None` where it is no whole number, or negative.
    fn number(&mut self, kind: u32, key: &str) -> Result<Option<u64>, Fault> {
        let bytes = usize::try_from(width(kind, key)?).unwrap_or(0);
        let mut wide = [0; 8];
        self.fill(key, &mut wide[..bytes])?;
        let number = u64::from_le_bytes(wide);
        let is_negative = bytes > 0 && wide[bytes - 1] >= 0x80;
        Ok(match kind {
            0 | 2 | 4 | 7 | 10 => Some(number),
            1 | 3 | 5 | 11 if !is_negative => Some(number),
            _ => None,
        })
    }

    /// Reads the kinds of tokens.
    fn kinds(&mut self, length: u64) -> Result<Vec<u8>, Fault> {
        self.claim(tokens::KINDS, length.saturating_mul(4))?;
        let kinds = (0..length).map(|_| {
            let kind = self.u32(tokens::KINDS)?;
            Ok(u8::try_from(kind).unwrap_or(u8::MAX))
        });
        kinds.collect()
    }

    fn items(&mut self, key: &str) -> Result<Value, Fault> {
        let kind = self.u32(key)?;
        let length = self.u64(key)?;
        if kind == 8 {
            self.check_count(key, length, 8)?;
            let (mut texts, mut list) = (Texts::default(), List::default());
            let is_token = key == tokens::TEXTS;
            for at in 0..length {
                let bytes = self.u64(key)?;
                if bytes > MAX_LISTED && key.starts_with(VOCABULARY) {
                    let text =
                        format!("`{key}` has a text of {bytes} bytes, more than {MAX_LISTED}");
                    return Err(Fault::Malformed(text));
                }
                if is_token && self.listing == Tokens::Listed {
                    self.fill(key, list.add(bytes))?;
                } else {
                    self.skip(key, bytes)?;
                }
                texts.add(if is_token { tokens::length(at, bytes) } else { bytes });
            }
            return Ok(if is_token { Value::Tokens(texts, list) } else { Value::Texts(texts) });
        }
        if key == tokens::KINDS && kind == INT32 && self.listing == Tokens::Listed {
            return self.kinds(length).map(Value::Kinds);
        }
        let bytes = length.saturating_mul(width(kind, key)?);
        if length > MAX_KEPT {
            self.skip(key, bytes)?;
            return Ok(Value::Array);
        }
        self.claim(key, bytes)?;
        let mut numbers = Vec::new();
        let mut is_whole = true;
        for _ in 0..length {
            match self.number(kind, key)? {
                Some(number) => numbers.push(number),
                None => is_whole = false,
            }
        }
        Ok(if is_whole { Value::Numbers(numbers) } else { Value::Array })
    }
}

/// Returns the bytes of a value of fixed size.
fn width(kind: u32, key: &str) -> Result<u64, Fault> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        // Texts and arrays have no fixed size; arrays of arrays are not read by llama.cpp either.
        _ => Err(Fault::Malformed(format!("`{key}` has a value of the unknown type {kind}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn tokens_are_kept_where_they_are_listed() {
        let mut file = [9_u32, 8].map(u32::to_le_bytes).concat();
        file.extend(3_u64.to_le_bytes());
        let mut list = List::default();
        for text in ["a", "", "bc"] {
            file.extend([&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat());
            list.add(text.len() as u64).copy_from_slice(text.as_bytes());
        }
        let read = |listing| {
            let mut reader = Reader::new(Cursor::new(&file), file.len() as u64, listing);
            reader.value(tokens::TEXTS).unwrap()
        };
        // One of them is called `[EMPTY_1]`.
        let texts = Texts { count: 3, bytes: 1 + 9 + 2, outside: 0 };
        assert_eq!(read(Tokens::Counted), Value::Tokens(texts, List::default()));
        assert_eq!(read(Tokens::Listed), Value::Tokens(texts, list));
    }
}

//! Reading numbers, texts and values from bytes that lie.

use std::io::{Read, Seek};

use super::Fault;

/// Keys, names and texts longer than this are refused: chat templates have some ten thousand bytes.
const MAX_TEXT: u64 = 16 << 20;

/// A value of a key. Arrays are skipped, so that a vocabulary costs nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A whole number that is not negative.
    Number(u64),
    /// An array with that many items.
    Array(u64),
    /// A fraction, a truth value or a negative number.
    Other,
}

/// Reads forward and knows how much is left.
#[derive(Debug)]
pub(super) struct Reader<R> {
    source: R,
    size: u64,
    position: u64,
}

impl<R: Read + Seek> Reader<R> {
    pub(super) fn new(source: R, size: u64) -> Self {
        Self { source, size, position: 0 }
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
        match need <= self.size {
            true => Ok(need),
            false => Err(Fault::Truncated { what: what.to_owned(), need, have: self.size }),
        }
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Fault> {
        let end = self.claim(what, N as u64)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.position = end;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, Fault> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, Fault> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(super) fn string(&mut self, what: &str) -> Result<String, Fault> {
        let length = self.u64(what)?;
        let end = self.claim(what, length)?;
        if length > MAX_TEXT {
            let text = format!("{what} has {length} bytes, more than {MAX_TEXT}");
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
        let kind = self.u32(key)?;
        Ok(match kind {
            0 => Value::Number(u64::from(self.array::<1>(key)?[0])),
            2 => Value::Number(u64::from(u16::from_le_bytes(self.array(key)?))),
            4 => Value::Number(u64::from(self.u32(key)?)),
            10 => Value::Number(self.u64(key)?),
            5 => number(i64::from(i32::from_le_bytes(self.array(key)?))),
            11 => number(i64::from_le_bytes(self.array(key)?)),
            8 => Value::Text(self.string(key)?),
            9 => self.items(key)?,
            _ => {
                self.skip(key, width(kind, key)?)?;
                Value::Other
            }
        })
    }

    fn items(&mut self, key: &str) -> Result<Value, Fault> {
        let kind = self.u32(key)?;
        let length = self.u64(key)?;
        if kind == 8 {
            self.check_count(key, length, 8)?;
            for _ in 0..length {
                let bytes = self.u64(key)?;
                self.skip(key, bytes)?;
            }
        } else {
            self.skip(key, length.saturating_mul(width(kind, key)?))?;
        }
        Ok(Value::Array(length))
    }
}

fn number(number: i64) -> Value {
    u64::try_from(number).map_or(Value::Other, Value::Number)
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

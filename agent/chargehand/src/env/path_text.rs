//! Paths are bytes; this is how they become text, so that no two paths ever look the same.

use chargehand_core::rel_path::is_invisible;

/// Returns `path` as text: bytes that are no text, control characters and invisible characters as `\xNN`.
///
/// A backslash that could be read as such an escape is written `\x5c`, so [`unescape`] gives the bytes back.
#[must_use]
pub fn escape(path: &[u8]) -> String {
    if path.iter().all(|byte| matches!(byte, b' '..=b'~' if *byte != b'\\')) {
        return String::from_utf8_lossy(path).into_owned();
    }
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while !rest.is_empty() {
        let (good, bad) = match rest.utf8_chunks().next() {
            Some(chunk) => (chunk.valid(), chunk.invalid()),
            None => break,
        };
        rest = &rest[good.len() + bad.len()..];
        for (at, c) in good.char_indices() {
            if c.is_control() || is_invisible(c) || (c == '\\' && looks_escaped(&good[at..])) {
                push_hex(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(c);
            }
        }
        push_hex(&mut text, bad);
    }
    text
}

/// Returns the bytes that [`escape`] made `text` from.
#[must_use]
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        match escaped_byte(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(b'\\');
                rest = &rest[1..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

fn looks_escaped(text: &str) -> bool {
    escaped_byte(text).is_some()
}

/// Returns the byte that `text` begins with, if it is written `\xNN`.
fn escaped_byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("\\x")?.get(..2)?;
    let lower_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    digits.bytes().all(lower_hex).then(|| u8::from_str_radix(digits, 16).ok())?
}

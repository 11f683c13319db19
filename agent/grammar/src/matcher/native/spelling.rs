//! How strings are spelt under a binding, byte by byte: as `json::quote` does it, one spelling for each value.

/// Between two characters.
pub(in crate::matcher) const PLAIN: u32 = 0;
/// After a backslash.
pub(super) const ESCAPE: u32 = 1;
/// After `\u`, `\u0`, `\u00`.
pub(super) const UNICODE: u32 = 2;
pub(super) const UNICODE_0: u32 = 3;
pub(super) const UNICODE_00: u32 = 4;
/// After `\u000`, `\u001` and `\u007`.
pub(super) const LOW: u32 = 5;
pub(super) const HIGH: u32 = 6;
pub(super) const DELETE: u32 = 7;
/// Inside a character of several bytes: so many more, or a first byte that limits the second one.
const ONE_MORE: u32 = 8;
const TWO_MORE: u32 = 9;
const THREE_MORE: u32 = 10;
const AFTER_E0: u32 = 11;
const AFTER_ED: u32 = 12;
const AFTER_F0: u32 = 13;
const AFTER_F4: u32 = 14;

/// More than there are of these, and a power of two.
pub(super) const STAGES: u32 = 16;

/// What a byte does to the spelling of a string.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::matcher) enum Spelt {
    /// It is part of a spelling, and the value has no more bytes than before.
    Part(u32),
    /// The value has this byte more.
    Byte(u8, u32),
    /// The string ends.
    End,
}

/// Returns what `byte` does at a stage of the spelling; nothing where it cannot come.
pub(in crate::matcher) fn step(stage: u32, byte: u8) -> Option<Spelt> {
    Some(match (stage, byte) {
        (PLAIN, b'"') => Spelt::End,
        (PLAIN, b'\\') => Spelt::Part(ESCAPE),
        (PLAIN, 0x20..=0x7E) => Spelt::Byte(byte, PLAIN),
        (PLAIN, 0xC2..=0xDF) => Spelt::Byte(byte, ONE_MORE),
        (PLAIN, 0xE0) => Spelt::Byte(byte, AFTER_E0),
        (PLAIN, 0xED) => Spelt::Byte(byte, AFTER_ED),
        (PLAIN, 0xE1..=0xEF) => Spelt::Byte(byte, TWO_MORE),
        (PLAIN, 0xF0) => Spelt::Byte(byte, AFTER_F0),
        (PLAIN, 0xF1..=0xF3) => Spelt::Byte(byte, THREE_MORE),
        (PLAIN, 0xF4) => Spelt::Byte(byte, AFTER_F4),
        (ONE_MORE, 0x80..=0xBF) => Spelt::Byte(byte, PLAIN),
        (TWO_MORE, 0x80..=0xBF) | (AFTER_E0, 0xA0..=0xBF) | (AFTER_ED, 0x80..=0x9F) => {
            Spelt::Byte(byte, ONE_MORE)
        }
        (THREE_MORE, 0x80..=0xBF) | (AFTER_F0, 0x90..=0xBF) | (AFTER_F4, 0x80..=0x8F) => {
            Spelt::Byte(byte, TWO_MORE)
        }
        (ESCAPE, b'u') => Spelt::Part(UNICODE),
        (ESCAPE, _) => Spelt::Byte(short(byte)?, PLAIN),
        (UNICODE, b'0') => Spelt::Part(UNICODE_0),
        (UNICODE_0, b'0') => Spelt::Part(UNICODE_00),
        (UNICODE_00, b'0') => Spelt::Part(LOW),
        (UNICODE_00, b'1') => Spelt::Part(HIGH),
        (UNICODE_00, b'7') => Spelt::Part(DELETE),
        (LOW, _) => Spelt::Byte(digit(byte).filter(|raw| is_long(*raw))?, PLAIN),
        (HIGH, _) => Spelt::Byte(0x10 + digit(byte)?, PLAIN),
        (DELETE, b'f') => Spelt::Byte(0x7F, PLAIN),
        _ => return None,
    })
}

/// Returns whether a byte of a value stands escaped.
pub(super) fn is_escaped(raw: u8) -> bool {
    matches!(raw, 0..=0x1F | b'"' | b'\\' | 0x7F)
}

/// Returns whether an escaped byte has no short escape.
pub(super) fn is_long(raw: u8) -> bool {
    matches!(raw, 0..=0x7 | 0xB | 0xE..=0x1F | 0x7F)
}

/// Returns how many bytes the spelling of a byte has.
pub(super) fn spelt_length(raw: u8) -> usize {
    match (is_escaped(raw), is_long(raw)) {
        (false, _) => 1,
        (true, false) => 2,
        (true, true) => 6,
    }
}

/// Returns what a letter after a backslash stands for.
fn short(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' => letter,
        b'b' => 0x8,
        b't' => b'\t',
        b'n' => b'\n',
        b'f' => 0xC,
        b'r' => b'\r',
        _ => return None,
    })
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

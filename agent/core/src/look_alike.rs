//! Characters that look like others: a `а` that is Cyrillic, a `／` that is no slash.
//!
//! Only those that pass for ASCII in ordinary fonts, and only beside ASCII are they suspicious: a word that is
//! Russian or Greek as a whole is nobody's disguise.

/// How far around a character its word is looked at.
const REACH: usize = 64;

/// Letters that look like an ASCII letter, before that letter.
const LETTERS: &[(&str, char)] = &[
    ("а", 'a'),
    ("сϲ", 'c'),
    ("ԁ", 'd'),
    ("е", 'e'),
    ("һ", 'h'),
    ("іι", 'i'),
    ("јϳ", 'j'),
    ("ӏ", 'l'),
    ("ո", 'n'),
    ("оοօ", 'o'),
    ("рρ", 'p'),
    ("ԛ", 'q'),
    ("ѕ", 's'),
    ("ս", 'u'),
    ("ν", 'v'),
    ("ԝ", 'w'),
    ("х", 'x'),
    ("у", 'y'),
    ("АΑ", 'A'),
    ("ВΒ", 'B'),
    ("СϹ", 'C'),
    ("ЕΕ", 'E'),
    ("Ԍ", 'G'),
    ("НΗ", 'H'),
    ("ІΙӀ", 'I'),
    ("Ј", 'J'),
    ("КΚ", 'K'),
    ("МΜ", 'M'),
    ("Ν", 'N'),
    ("ОΟ", 'O'),
    ("РΡ", 'P'),
    ("Ѕ", 'S'),
    ("ТΤ", 'T'),
    ("Ԝ", 'W'),
    ("ХΧ", 'X'),
    ("УΥ", 'Y'),
    ("Ζ", 'Z'),
    ("∕⁄⧸", '/'),
    ("․", '.'),
];

/// Returns the ASCII character that `c` passes for, where that is no other writing of the same letter.
fn plain(c: char) -> Option<char> {
    if c.is_ascii() {
        return None;
    }
    // Full-width forms are ASCII, moved. Their punctuation is at home in Chinese.
    if let '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' = c {
        return char::from_u32(u32::from(c) - 0xfee0);
    }
    LETTERS.iter().find(|(all, _)| all.contains(c)).map(|(_, plain)| *plain)
}

/// Returns whether the character at byte `at` of `text` passes for another, in a word that has ASCII letters.
#[must_use]
pub fn is_disguised(text: &str, at: usize) -> bool {
    let Some(c) = text[at..].chars().next().filter(|c| plain(*c).is_some()) else { return false };
    let in_word = |c: &char| c.is_alphanumeric() || *c == '_' || plain(*c).is_some();
    let before = text[..at].chars().rev().take_while(in_word).take(REACH);
    let after = text[at + c.len_utf8()..].chars().take_while(in_word).take(REACH);
    before.chain(after).any(|c| c.is_ascii_alphabetic())
}

/// Returns whether anything in `text` is disguised.
#[must_use]
pub fn has_disguise(text: &str) -> bool {
    text.char_indices().any(|(at, _)| is_disguised(text, at))
}

//! How much the tokens of a vocabulary have in common, from their texts as a file lists them: what the trees of them
//! take depends on it, and a file that wants to take more memory than was planned has tokens that have nothing in
//! common. It does not say what a token is for.

use chargehand_core::memory::header::Prefixes;
use chargehand_grammar::vocabulary::safe_prefix;

/// The key of the texts of tokens.
pub(super) const TEXTS: &str = "tokenizer.ggml.tokens";
/// The key of what they are for.
pub(super) const KINDS: &str = "tokenizer.ggml.token_type";

/// Vocabularies in which a character stands for a byte, as GPT-2 has it.
const BYTEWISE: [&str; 3] = ["gpt2", "hybriddna", "whitespace"];
/// Ways to cut a text that, with such a vocabulary, take its characters for what they are.
const AS_IT_IS: [&str; 4] = ["gemma4", "granite-embed-multi-311m", "mmbert", "sarvam-moe"];
/// The kind of a token that is ordinary text.
const NORMAL: u8 = 1;

/// Texts one behind the other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct List {
    bytes: Vec<u8>,
    /// Where each of them ends. No header is so long that it would need more.
    ends: Vec<u32>,
}

/// What a file says of its tokens.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) texts: List,
    /// What each of them is for; without that they are ordinary text.
    pub(super) kinds: Vec<u8>,
    /// How text is cut before it is made into tokens.
    pub(super) pre: String,
}

impl List {
    /// Adds a text of so many bytes and returns its place. A text is no longer than the reader allows.
    pub(super) fn add(&mut self, bytes: u64) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.resize(start + usize::try_from(bytes).unwrap_or(0), 0);
        self.end();
        &mut self.bytes[start..]
    }

    fn push(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.end();
    }

    fn end(&mut self) {
        self.ends.push(u32::try_from(self.bytes.len()).expect("BUG: a header of 4 GiB"));
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start as usize..*end as usize])
    }
}

impl Listed {
    /// Counts them for the kind of vocabulary that a file names.
    pub(super) fn prefixes(&self, tokenizer: &str) -> Prefixes {
        let is_bytewise = BYTEWISE.contains(&tokenizer) && !AS_IT_IS.contains(&self.pre.as_str());
        let kinds = self.kinds.iter().copied().chain(std::iter::repeat(NORMAL));
        let mut found = Prefixes::default();
        let mut said = List::default();
        for (at, (text, kind)) in self.texts.iter().zip(kinds).enumerate() {
            let name = text.is_empty().then(|| format!("[EMPTY_{at}]"));
            let text = name.as_ref().map_or(text, String::as_bytes);
            let start = said.bytes.len();
            if !(is_bytewise && kind == NORMAL) {
                said.bytes.extend_from_slice(text);
            } else if let Err(foreign) = decode(text, &mut said.bytes) {
                // llama.cpp then says the whole text once more for each of them.
                said.bytes.truncate(start);
                let length = (text.len() + foreign * (text.len() + UNKNOWN)) as u64;
                found.nodes += length;
                found.cut += 1;
                found.rests += 2 * length;
                found.longest = found.longest.max(length);
            }
            said.end();
        }
        found.nodes += beginnings(&said);
        // What follows is in one tree, and in another by how many characters stand before it.
        let (mut rests, mut grouped) = (List::default(), List::default());
        for text in said.iter() {
            let (safe, characters) = safe_prefix(text);
            let rest = &text[safe..];
            let characters = u32::try_from(characters).unwrap_or(u32::MAX);
            found.longest = found.longest.max(u64::from(characters));
            if !rest.is_empty() {
                found.cut += 1;
                rests.push(&[rest]);
                grouped.push(&[&characters.to_be_bytes(), rest]);
            }
        }
        found.rests += beginnings(&rests) + beginnings(&grouped);
        found
    }
}

/// Returns how long the text of token `at` is to llama.cpp, which calls it `[EMPTY_0]` and so on where it has none.
pub(super) fn length(at: u64, bytes: u64) -> u64 {
    match bytes {
        0 => "[EMPTY_0]".len() as u64 + u64::from(at.checked_ilog10().unwrap_or(0)),
        bytes => bytes,
    }
}

/// What llama.cpp writes around a character that stands for no byte.
const UNKNOWN: usize = "[UNK_BYTE_0x01234567]".len();

/// Appends the bytes for which the characters of `text` stand; otherwise returns how many stand for none.
fn decode(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), usize> {
    let mut foreign = 0;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match byte(c) {
                Some(byte) => bytes.push(byte),
                None => foreign += 1,
            }
        }
        foreign += chunk.invalid().len();
    }
    if foreign == 0 { Ok(()) } else { Err(foreign) }
}

/// Returns the byte for which a character stands, if it stands for one.
fn byte(c: char) -> Option<u8> {
    match u32::from(c) {
        // Bytes that can be seen stand for themselves, the others for what follows here in order.
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// Returns how many different beginnings texts have.
fn beginnings(texts: &List) -> u64 {
    // Most differ in their first bytes.
    let key = |text: &[u8]| {
        let mut first = [0; 8];
        let length = text.len().min(8);
        first[..length].copy_from_slice(&text[..length]);
        u64::from_be_bytes(first)
    };
    let mut sorted: Vec<(u64, &[u8])> = texts.iter().map(|text| (key(text), text)).collect();
    sorted.sort_unstable();
    let mut before: &[u8] = &[];
    let mut count = 0;
    for (_, text) in sorted {
        let common = text.iter().zip(before).take_while(|(a, b)| a == b).count();
        count += (text.len() - common) as u64;
        before = text;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tokenizer: &str, texts: &[&str], expect: [u64; 4]) {
        let mut listed = Listed::default();
        for text in texts {
            listed.texts.add(text.len() as u64).copy_from_slice(text.as_bytes());
        }
        let Prefixes { nodes, cut, rests, longest } = listed.prefixes(tokenizer);
        assert_eq!([nodes, cut, rests, longest], expect, "{texts:?}");
    }

    #[test]
    fn beginnings_are_counted_once() {
        check("llama", &[], [0; 4]);
        check("llama", &["a", "a"], [1, 0, 0, 1]);
        check("llama", &["abc", "b", "ab", "abd"], [5, 0, 0, 3]);
        // Both keys are eight bytes, and what follows decides.
        check("llama", &["aaaaaaaab", "aaaaaaaa", "aaaaaaaac"], [10, 0, 0, 9]);
        // What follows counts once more with four bytes for the number of characters before it, as far as others have
        // not the same.
        check("llama", &["a\0", "a"], [2, 1, 1 + 5, 1]);
        check("llama", &["x\"yz", "\\", "\u{e9}\n"], [8, 3, 5 + 10, 1]);
        check("llama", &["a\"b", "b\"b", "c\"c"], [9, 3, 3 + 7, 1]);
    }

    #[test]
    fn characters_stand_for_bytes_where_they_do() {
        // A blank and a letter; the first byte of a character; a line end.
        check("llama", &["\u{120}a", "\u{c3}", "\u{10a}"], [6, 0, 0, 2]);
        check("gpt2", &["\u{120}a", "\u{c3}", "\u{10a}"], [4, 2, 2 + 6, 2]);
        // What stands for no byte is said once more for each such character.
        for bytewise in ["gpt2", "hybriddna", "whitespace"] {
            check(bytewise, &["\u{4e2d}"], [27, 1, 54, 27]);
        }
    }

    #[test]
    fn tokens_without_text_have_a_name() {
        check("llama", &["a", "", "a", ""], [1 + 9 + 2, 0, 0, 9]);
        check("gpt2", &["", "[EMPTY_0"], [9, 0, 0, 9]);
        for (at, name) in [(0, "[EMPTY_0]"), (9, "[EMPTY_9]"), (10, "[EMPTY_10]")] {
            assert_eq!(length(at, 0), name.len() as u64);
        }
        assert_eq!(length(10, 1), 1);
    }

    #[test]
    fn each_byte_has_its_character() {
        let mut found: Vec<u8> = ('\0'..='\u{200}').filter_map(byte).collect();
        found.sort_unstable();
        assert_eq!(found, (0..=255).collect::<Vec<u8>>());
    }
}

//! What is known beforehand about the inside of strings, where nearly every token is allowed.
//!
//! The idea is llguidance's: most tokens consist of characters that every string may hold. Where a state goes on
//! the same way after each such character, only the other tokens are looked at, and those only from the first
//! byte that is not such a character.

use super::{TokenId, Trie};

/// Returns whether an ASCII byte stands for itself in every string: no control, no quote, no backslash.
pub(crate) fn is_safe_byte(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\'
}

/// How UTF-8 goes on after the first byte of a character: the first bytes, the second ones, and how many bytes
/// from 80 to BF follow. All characters above U+007F are safe, and this is all of them.
pub(crate) const MULTIBYTE: [(u8, u8, u8, u8, usize); 8] = [
    (0xC2, 0xDF, 0x80, 0xBF, 0),
    (0xE0, 0xE0, 0xA0, 0xBF, 1),
    (0xE1, 0xEC, 0x80, 0xBF, 1),
    (0xED, 0xED, 0x80, 0x9F, 1),
    (0xEE, 0xEF, 0x80, 0xBF, 1),
    (0xF0, 0xF0, 0x90, 0xBF, 2),
    (0xF1, 0xF3, 0x80, 0xBF, 2),
    (0xF4, 0xF4, 0x80, 0x8F, 2),
];

/// The tokens of a vocabulary, seen from inside a string.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    /// Tokens that are wholly safe characters, the shorter ones first.
    inside: Vec<TokenId>,
    /// How many of those have at most so many characters.
    inside_up_to: Vec<usize>,
    /// All other tokens, in ascending order.
    outside: Vec<TokenId>,
    /// Of those that are text, what follows their safe characters; its tokens are places in `outside`.
    rest: Trie,
    /// The same, by the number of safe characters before.
    rest_after: Vec<Trie>,
}

impl Slice {
    /// Returns the slice of `texts`; `others` are tokens that are no text.
    pub(super) fn new(texts: &[(&[u8], TokenId)], others: Vec<TokenId>) -> Self {
        let mut inside = Vec::new();
        let mut cut = Vec::new();
        for (text, token) in texts {
            let (bytes, characters) = safe_prefix(text);
            match &text[bytes..] {
                [] => inside.push((characters, *token)),
                rest => cut.push((*token, rest, characters)),
            }
        }
        inside.sort_unstable();
        let longest = inside.last().map_or(0, |(characters, _)| *characters);
        let up_to = |most| inside.partition_point(|(characters, _)| *characters <= most);
        let inside_up_to = (0..=longest).map(up_to).collect();
        let mut outside = others;
        outside.extend(cut.iter().map(|(token, ..)| token));
        outside.sort_unstable();
        let place = |token| {
            let at = outside.partition_point(|other| *other < token);
            TokenId::try_from(at).expect("tokens have 32 bits")
        };
        let entries = cut.iter().map(|(token, rest, _)| (*rest, place(*token)));
        let rest = Trie::new(entries.collect());
        let most = cut.iter().map(|(.., characters)| characters + 1).max().unwrap_or(0);
        let mut by_prefix = vec![Vec::new(); most];
        for (token, rest, characters) in &cut {
            by_prefix[*characters].push((*rest, place(*token)));
        }
        let rest_after = by_prefix.into_iter().map(Trie::new).collect();
        let inside = inside.iter().map(|(_, token)| *token).collect();
        Self { inside, inside_up_to, outside, rest, rest_after }
    }

    /// Returns the bytes of memory that it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        (self.inside.capacity() + self.outside.capacity()) * size_of::<TokenId>()
            + self.inside_up_to.capacity() * size_of::<usize>()
            + self.rest.memory_bytes()
            + self
                .rest_after
                .iter()
                .map(|trie| size_of::<Trie>() + trie.memory_bytes())
                .sum::<usize>()
    }

    /// Returns the tokens of safe characters only, at most so many of them.
    pub(crate) fn inside(&self, characters: usize) -> &[TokenId] {
        let count = self.inside_up_to.get(characters).or(self.inside_up_to.last());
        &self.inside[..count.copied().unwrap_or(0)]
    }

    /// Returns from how many characters on it makes no difference how many more there may be.
    pub(crate) fn longest(&self) -> usize {
        self.inside_up_to.len().max(self.rest_after.len())
    }

    /// Returns all tokens that are not wholly safe characters, in ascending order.
    pub(crate) fn outside(&self) -> &[TokenId] {
        &self.outside
    }

    /// Returns the tree of what follows the safe characters of tokens; its tokens are places in `outside`.
    pub(crate) fn rest(&self) -> &Trie {
        &self.rest
    }

    /// Returns the same as trees for tokens with no, one, two and more safe characters before.
    pub(crate) fn rest_after(&self) -> &[Trie] {
        &self.rest_after
    }
}

/// Returns the length of the characters with which `text` begins that every string of JSON may hold as they are, in
/// bytes and in characters.
#[must_use]
pub fn safe_prefix(text: &[u8]) -> (usize, usize) {
    let whole = match str::from_utf8(text) {
        Ok(whole) => whole,
        Err(error) => str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default(),
    };
    let safe = whole.chars().take_while(|c| is_safe(*c));
    safe.fold((0, 0), |(bytes, characters), c| (bytes + c.len_utf8(), characters + 1))
}

/// Returns from which byte on `text` is nothing but whole safe characters.
pub(super) fn safe_from(text: &[u8]) -> usize {
    let (mut at, mut from) = (0, 0);
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            at += c.len_utf8();
            if !is_safe(c) {
                from = at;
            }
        }
        if !chunk.invalid().is_empty() {
            at += chunk.invalid().len();
            from = at;
        }
    }
    from
}

fn is_safe(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_safe_byte) || !c.is_ascii()
}

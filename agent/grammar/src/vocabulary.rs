//! The tokens of a model: their bytes, what they are for, and the trees in which masks are looked up.
//!
//! It knows no tokenizer: it says which bytes a token stands for, not how a text is cut.

mod slice;
mod trie;

use thiserror::Error;

pub use slice::safe_prefix;
pub(crate) use slice::{MULTIBYTE, Slice, is_safe_byte};
pub(crate) use trie::{NodeId, Trie};

/// The number of a token.
pub type TokenId = u32;

/// What a token is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// It stands for its bytes.
    Text,
    /// It steers the model and is never text: a grammar allows it by name only, `<[id]>` or `<text>`.
    Control,
    /// It ends the output: allowed wherever the text is whole, and no grammar names it.
    End,
}

/// Why there is no vocabulary.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum VocabularyError {
    /// The tokens are more than their numbers.
    #[error("{0} tokens, {max} at most", max = MAX_TOKENS)]
    TooMany(usize),
    /// The texts of all tokens are too long together.
    #[error("the tokens have {0} bytes together, {max} at most", max = MAX_BYTES)]
    TooLong(usize),
    /// The text of this token is too long.
    #[error("token {0} has {1} bytes, {max} at most", max = MAX_TOKEN)]
    LongToken(usize, usize),
}

/// More tokens than any model has, and few enough that nothing here can overflow.
const MAX_TOKENS: usize = 1 << 24;
/// Ten times those of any model. While the trees are made, a byte takes up to a hundred.
const MAX_BYTES: usize = 1 << 26;
/// The longest tokens of real models have some hundred bytes. What is known beforehand about strings has a tree
/// for each number of characters that a token has.
const MAX_TOKEN: usize = 1 << 16;

/// The tokens of a model.
///
/// Building it for 131,000 tokens takes about 50 ms; all grammars of a model share one.
#[derive(Debug)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    /// Where the bytes of each token begin, and where the last ones end.
    starts: Vec<usize>,
    kinds: Vec<Kind>,
    ends: Vec<TokenId>,
    trie: Trie,
    strings: Slice,
    /// Tokens of whole characters, one bit each.
    whole: Vec<u64>,
    spells_every_byte: bool,
    /// The bytes of the longest token, at least 1.
    longest: usize,
}

impl Vocabulary {
    /// Returns the vocabulary of these tokens, whose numbers are their places in the list.
    ///
    /// A token without a byte, or with a NUL byte, is text of no grammar.
    ///
    /// # Errors
    ///
    /// When there are more than 16 million tokens, more than 64 MiB of bytes, or more than 64 KiB in one token.
    pub fn new<B: AsRef<[u8]>>(
        tokens: impl IntoIterator<Item = (Kind, B)>,
    ) -> Result<Self, VocabularyError> {
        let mut vocabulary = Self::empty();
        for (kind, bytes) in tokens {
            vocabulary.push(kind, bytes.as_ref())?;
        }
        vocabulary.index();
        Ok(vocabulary)
    }

    /// Returns the number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Returns whether there is no token at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Returns the bytes of a token; nothing when there is no such token.
    #[must_use]
    pub fn bytes(&self, token: TokenId) -> Option<&[u8]> {
        let at = token as usize;
        let (start, end) = (*self.starts.get(at)?, *self.starts.get(at + 1)?);
        Some(&self.bytes[start..end])
    }

    /// Returns what a token is for; nothing when there is no such token.
    #[must_use]
    pub fn kind(&self, token: TokenId) -> Option<Kind> {
        self.kinds.get(token as usize).copied()
    }

    /// Returns the tokens that end the output.
    #[must_use]
    pub fn ends(&self) -> &[TokenId] {
        &self.ends
    }

    /// Returns the bytes of memory that it takes. While it is made it takes about as much again.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.starts.capacity() * size_of::<usize>()
            + self.kinds.capacity() * size_of::<Kind>()
            + self.ends.capacity() * size_of::<TokenId>()
            + self.whole.capacity() * size_of::<u64>()
            + self.trie.memory_bytes()
            + self.strings.memory_bytes()
    }

    /// Returns the tokens whose bytes are exactly `text`.
    pub fn spelling<'v>(&'v self, text: &'v [u8]) -> impl Iterator<Item = TokenId> + 'v {
        (0..).take(self.len()).filter(move |token| self.bytes(*token) == Some(text))
    }

    /// Returns the bytes of a token that can be a piece of text.
    pub(crate) fn text(&self, token: TokenId) -> Option<&[u8]> {
        let bytes = self.bytes(token)?;
        let is_text = self.kind(token) == Some(Kind::Text) && !bytes.is_empty();
        // llama.cpp takes a NUL for the end of a token, and then allows or refuses it by accident.
        (is_text && !bytes.contains(&0)).then_some(bytes)
    }

    /// Returns whether a token is text of whole characters.
    pub(crate) fn is_whole(&self, token: TokenId) -> bool {
        let at = token as usize;
        self.whole.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Returns a bit for each token of whole characters.
    pub(crate) fn whole(&self) -> &[u64] {
        &self.whole
    }

    /// Returns whether each byte that UTF-8 text has is a token of its own, so that any text can be spelt.
    #[must_use]
    pub fn spells_every_byte(&self) -> bool {
        self.spells_every_byte
    }

    /// Returns how many bytes a token has at most; 1 where there is none.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Returns whether a token begins with `bytes` and goes on.
    #[must_use]
    pub fn continues(&self, bytes: &[u8]) -> bool {
        self.trie.find(bytes).is_some_and(|node| self.trie.has_children(node))
    }

    /// Returns the tree of all texts.
    pub(crate) fn trie(&self) -> &Trie {
        &self.trie
    }

    /// Returns what is known beforehand about strings.
    pub(crate) fn strings(&self) -> &Slice {
        &self.strings
    }

    fn empty() -> Self {
        Self {
            bytes: Vec::new(),
            starts: vec![0],
            kinds: Vec::new(),
            ends: Vec::new(),
            trie: Trie::default(),
            strings: Slice::default(),
            whole: Vec::new(),
            spells_every_byte: false,
            longest: 1,
        }
    }

    fn push(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), VocabularyError> {
        if self.len() == MAX_TOKENS {
            return Err(VocabularyError::TooMany(self.len() + 1));
        }
        if bytes.len() > MAX_TOKEN {
            return Err(VocabularyError::LongToken(self.len(), bytes.len()));
        }
        let total = self.bytes.len() + bytes.len();
        if total > MAX_BYTES {
            return Err(VocabularyError::TooLong(total));
        }
        self.longest = self.longest.max(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.starts.push(total);
        self.kinds.push(kind);
        Ok(())
    }

    fn index(&mut self) {
        // Nothing is added any more.
        self.bytes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.kinds.shrink_to_fit();
        let mut whole = vec![0; self.len().div_ceil(64)];
        let mut texts = Vec::with_capacity(self.len());
        let mut others = Vec::new();
        for (token, at) in (0..).zip(0..self.len()) {
            match self.text(token) {
                Some(text) => texts.push((text, token)),
                None => others.push(token),
            }
            let is_whole = self.text(token).is_some_and(|text| str::from_utf8(text).is_ok());
            whole[at / 64] |= u64::from(is_whole) << (at % 64);
        }
        let strings = Slice::new(&texts, others);
        let trie = Trie::new(texts);
        self.ends = (0..)
            .zip(&self.kinds)
            .filter(|(_, kind)| **kind == Kind::End)
            .map(|(id, _)| id)
            .collect();
        let spells = |byte| {
            let child = trie.child(Trie::ROOT, byte);
            child.is_some_and(|node| !trie.tokens(node).is_empty())
        };
        self.spells_every_byte = (1..=0xF4).filter(|byte| !matches!(byte, 0xC0 | 0xC1)).all(spells);
        self.whole = whole;
        self.trie = trie;
        self.strings = strings;
    }
}

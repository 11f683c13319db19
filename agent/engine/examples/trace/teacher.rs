//! Chooses what was recorded, after it has done all the work of a choice.

use std::collections::HashMap;

use chargehand_engine::lab::Tokens;
use chargehand_engine::sampler::{BadLogits, Choose, Sampler, Sampling};
use chargehand_grammar::Mask;
use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::token::LlamaToken;

/// The tokens of a vocabulary, and those that are text by their bytes.
#[derive(Debug)]
pub(crate) struct Words {
    bytes: Vec<Vec<u8>>,
    end: Option<TokenId>,
    ids: HashMap<Vec<u8>, TokenId>,
    longest: usize,
}

impl Words {
    /// Returns the words of a vocabulary.
    pub(crate) fn new(tokens: Tokens) -> Self {
        let Tokens { bytes, control, ends, .. } = tokens;
        let all = (0..).zip(&bytes).filter(|(_, bytes)| !bytes.is_empty());
        let texts = all.filter(|(token, _)| !control.contains(token) && !ends.contains(token));
        let ids: HashMap<_, _> = texts.map(|(token, bytes)| (bytes.clone(), token)).collect();
        let longest = ids.keys().map(Vec::len).max().unwrap_or(0);
        Self { end: ends.first().copied(), bytes, ids, longest }
    }
}

/// Overrules a greedy sampler.
#[derive(Debug)]
pub(crate) struct Teacher<'t> {
    sampler: Sampler,
    words: &'t Words,
    /// The bytes that are to be said, and how many are.
    text: &'t str,
    said: usize,
    /// The tokens of the text, by where they begin.
    canonical: HashMap<usize, TokenId>,
    asks_first: bool,
}

impl<'t> Teacher<'t> {
    /// Returns a teacher that has `text` said, in the tokens `canonical` wherever what was said lets it.
    pub(crate) fn new(
        words: &'t Words,
        canonical: &[LlamaToken],
        text: &'t str,
        asks_first: bool,
    ) -> Self {
        let mut at = 0;
        let ids = canonical.iter().filter_map(|token| TokenId::try_from(token.0).ok());
        let places = ids.map(|token| {
            at += words.bytes[token as usize].len();
            (at - words.bytes[token as usize].len(), token)
        });
        let canonical = places.collect();
        let sampler = Sampler::new(&Sampling::default());
        Self { sampler, words, text, said: 0, canonical, asks_first }
    }

    /// Returns the token that the record has next, of those that are allowed.
    fn next(&self, mask: Option<&Mask>) -> Option<TokenId> {
        let rest = &self.text.as_bytes()[self.said..];
        if rest.is_empty() {
            return self.words.end;
        }
        let allowed = |token: &TokenId| mask.is_none_or(|mask| mask.allows(*token));
        let canonical = self.canonical.get(&self.said).copied().filter(allowed);
        canonical.or_else(|| {
            let lengths = (1..=rest.len().min(self.words.longest)).rev();
            let mut tokens = lengths.filter_map(|length| self.words.ids.get(&rest[..length]));
            tokens.find(|token| allowed(token)).copied()
        })
    }
}

impl Choose for Teacher<'_> {
    fn choose(
        &mut self,
        logits: &[f32],
        mask: Option<&Mask>,
        guess: Option<TokenId>,
    ) -> Result<Option<TokenId>, BadLogits> {
        if mask.is_none() && !self.asks_first {
            return Ok(None);
        }
        self.sampler.choose(logits, mask, guess)?;
        Ok(self.next(mask))
    }

    fn note(&mut self, token: TokenId) {
        self.said += self.words.bytes[token as usize].len();
    }
}

//! The tokens of a vocabulary and of texts.

use std::collections::HashMap;

use chargehand_grammar::vocabulary::{Kind, TokenId};

use super::{Failure, Lab, Tokens};
use crate::prompt::Prompts;
use crate::template::{Segment, SegmentKind};

impl Lab {
    /// Returns all tokens, and those of `texts`.
    pub(super) fn read(&self, texts: &[String]) -> Result<Tokens, Failure> {
        let vocabulary = &self.vocab.vocabulary;
        let ids = || (0..).take(vocabulary.len());
        let of = |kind| ids().filter(|id| vocabulary.kind(*id) == Some(kind)).collect();
        Ok(Tokens {
            bytes: ids().map(|id| self.vocab.piece(id).to_vec()).collect(),
            control: of(Kind::Control),
            ends: of(Kind::End),
            texts: self.tokens_of(texts)?,
        })
    }

    /// Returns the tokens of each text, as the model's own tokenizer cuts it. A control token stands in a text as
    /// its name.
    pub(super) fn tokens_of(&self, texts: &[String]) -> Result<Vec<Vec<TokenId>>, Failure> {
        let numbered = texts.iter().zip(1..);
        numbered.map(|(text, at)| self.tokens(text).ok_or(Failure::Unspeakable(at))).collect()
    }

    fn tokens(&self, text: &str) -> Option<Vec<TokenId>> {
        let (mut tokens, mut rest) = (Vec::new(), text);
        while let Some((at, length, token)) = self.first_control(rest) {
            tokens.extend(self.plain(&rest[..at])?);
            tokens.push(token);
            rest = &rest[at + length..];
        }
        tokens.extend(self.plain(rest)?);
        Some(tokens)
    }

    /// Returns where the first name of a control token stands, and which; of several the longest.
    fn first_control(&self, text: &str) -> Option<(usize, usize, TokenId)> {
        let control = self.vocab.specials.iter().filter(|special| special.control && !special.ends);
        let found = control.filter(|special| !special.text.is_empty()).filter_map(|special| {
            text.find(&special.text).map(|at| (at, special.text.len(), special.token))
        });
        found.min_by_key(|(at, length, _)| (*at, usize::MAX - length))
    }

    /// Returns the tokens of a text without control tokens. Some tokenizers put a space before each text or write
    /// it in another way; then it is cut greedily.
    fn plain(&self, text: &str) -> Option<Vec<TokenId>> {
        if text.is_empty() {
            return Some(Vec::new());
        }
        let segment = Segment { text: text.to_owned(), kind: SegmentKind::Data };
        let said = Prompts::default().tokenize(&self.vocab, &self.model.vocab(), &[segment]);
        let begin =
            usize::from(self.vocab.bos.is_some() && said.first() == self.vocab.bos.as_ref());
        let said = said[begin..].iter().map(|token| TokenId::try_from(token.0).ok());
        let said: Vec<TokenId> = said.collect::<Option<_>>()?;
        let spelt: Vec<u8> =
            said.iter().flat_map(|token| self.vocab.piece(*token)).copied().collect();
        if spelt == text.as_bytes() { Some(said) } else { self.greedy(text.as_bytes()) }
    }

    fn greedy(&self, mut text: &[u8]) -> Option<Vec<TokenId>> {
        let vocabulary = &self.vocab.vocabulary;
        let ids = (0..).take(vocabulary.len());
        let texts = ids.filter(|id| vocabulary.kind(*id) == Some(Kind::Text));
        let known: HashMap<&[u8], TokenId> = texts
            .map(|id| (self.vocab.piece(id), id))
            .filter(|(piece, _)| !piece.is_empty())
            .collect();
        let longest = known.keys().map(|piece| piece.len()).max()?;
        let mut tokens = Vec::new();
        while !text.is_empty() {
            let lengths = (1..=longest.min(text.len())).rev();
            let (length, token) =
                lengths.filter_map(|length| Some((length, *known.get(&text[..length])?))).next()?;
            tokens.push(token);
            text = &text[length..];
        }
        Some(tokens)
    }
}

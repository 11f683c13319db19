//! What is asked of a vocabulary again and again, read once when a model is loaded.

use std::sync::Arc;

use chargehand_core::tool::ControlToken;
use chargehand_grammar::Vocabulary;
use chargehand_grammar::vocabulary::{Kind, TokenId, VocabularyError};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;

/// A token whose text the tokenizer looks for in running text.
#[derive(Clone, Debug)]
pub(crate) struct Special {
    /// The token.
    pub(crate) token: TokenId,
    /// Its text.
    pub(crate) text: String,
    /// Whether it is a control token: part of no data, and said only where a grammar names it.
    pub(crate) control: bool,
    /// Whether it ends a generation.
    pub(crate) ends: bool,
}

/// The facts of one vocabulary.
#[derive(Debug)]
pub(crate) struct Vocab {
    /// What grammars are compiled for.
    pub(crate) vocabulary: Arc<Vocabulary>,
    /// The token that a prompt must begin with, if any.
    pub(crate) bos: Option<LlamaToken>,
    /// One token that ends a generation, if there is any.
    pub(crate) end: Option<TokenId>,
    /// Control, unknown and user-defined tokens.
    pub(crate) specials: Vec<Special>,
    /// Ordinary tokens of which at least one may follow wherever any ordinary token may.
    pub(crate) heads: Vec<TokenId>,
}

impl Vocab {
    /// Reads the vocabulary of `model`.
    pub(crate) fn of(model: &LlamaModel) -> Result<Self, VocabularyError> {
        let vocab = model.vocab();
        let mut specials = Vec::new();
        let mut heads = Heads::default();
        let mut tokens = Vec::new();
        for (id, token) in (0..).zip(vocab.tokens()) {
            let attr = vocab.attr(token);
            let ends = vocab.is_eog(token);
            let control =
                attr.contains(LlamaTokenAttr::Control) || attr.contains(LlamaTokenAttr::Unknown);
            let piece = vocab.token_to_piece(token, true, None);
            if !ends && !control {
                heads.add(id, &piece);
            }
            if control || attr.contains(LlamaTokenAttr::UserDefined) {
                let text = String::from_utf8_lossy(&piece).into_owned();
                specials.push(Special { token: id, text, control, ends });
            }
            let kind = match (ends, control) {
                (true, _) => Kind::End,
                (false, true) => Kind::Control,
                (false, false) => Kind::Text,
            };
            tokens.push((kind, piece));
        }
        let vocabulary = Arc::new(Vocabulary::new(tokens)?);
        let bos = Some(vocab.bos()).filter(|bos| vocab.should_add_bos() && bos.0 >= 0);
        let end = vocabulary.ends().first().copied();
        Ok(Self { vocabulary, bos, end, specials, heads: heads.tokens() })
    }

    /// Returns how many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.vocabulary.len()
    }

    /// Returns the bytes of `token`; none where there is no such token.
    pub(crate) fn piece(&self, token: TokenId) -> &[u8] {
        self.vocabulary.bytes(token).unwrap_or_default()
    }

    /// Returns whether `token` ends a generation.
    pub(crate) fn ends(&self, token: TokenId) -> bool {
        self.vocabulary.kind(token) == Some(Kind::End)
    }

    /// Returns the control tokens that end nothing.
    pub(crate) fn control(&self) -> impl Iterator<Item = ControlToken> {
        let control = self.specials.iter().filter(|special| special.control && !special.ends);
        control.map(|special| ControlToken { id: special.token, text: special.text.clone() })
    }
}

/// Tokens by their first byte. Where a text may go on, the token that is its first byte alone may follow,
/// so the longer tokens with that byte need not be asked.
struct Heads {
    alone: [Option<TokenId>; 256],
    longer: Vec<Vec<TokenId>>,
}

impl Default for Heads {
    fn default() -> Self {
        Self { alone: [None; 256], longer: vec![Vec::new(); 256] }
    }
}

impl Heads {
    fn add(&mut self, token: TokenId, piece: &[u8]) {
        match piece {
            [] => {}
            [byte] => self.alone[usize::from(*byte)] = Some(token),
            [byte, ..] => self.longer[usize::from(*byte)].push(token),
        }
    }

    fn tokens(self) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        for (alone, longer) in self.alone.into_iter().zip(self.longer) {
            match alone {
                Some(token) => tokens.push(token),
                None => tokens.extend(longer),
            }
        }
        tokens
    }
}

//! What is asked of a vocabulary again and again, read once when a model is loaded.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;

/// A token whose text the tokenizer looks for in running text.
#[derive(Clone, Debug)]
pub(crate) struct Special {
    /// The token.
    pub(crate) token: LlamaToken,
    /// Its text.
    pub(crate) text: String,
    /// Whether it is a control token: part of no data, and said only where a grammar spells it out.
    pub(crate) control: bool,
    /// Whether it ends a generation.
    pub(crate) ends: bool,
}

/// The facts of one vocabulary.
#[derive(Debug)]
pub(crate) struct Vocab {
    /// How many tokens there are.
    pub(crate) len: usize,
    /// The token that a prompt must begin with, if any.
    pub(crate) bos: Option<LlamaToken>,
    /// One token that ends a generation, if there is any.
    pub(crate) end: Option<LlamaToken>,
    /// Control, unknown and user-defined tokens.
    pub(crate) specials: Vec<Special>,
    /// Ordinary tokens of which at least one may follow wherever any ordinary token may.
    pub(crate) heads: Vec<LlamaToken>,
}

impl Vocab {
    /// Reads the vocabulary of `model`.
    pub(crate) fn of(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        let mut specials = Vec::new();
        let mut heads = Heads::default();
        let mut end = None;
        for token in vocab.tokens() {
            let attr = vocab.attr(token);
            let ends = vocab.is_eog(token);
            let control =
                attr.contains(LlamaTokenAttr::Control) || attr.contains(LlamaTokenAttr::Unknown);
            let piece = vocab.token_to_piece(token, true, None);
            if ends {
                end = end.or(Some(token));
            } else if !control {
                heads.add(token, &piece);
            }
            if control || attr.contains(LlamaTokenAttr::UserDefined) {
                let text = String::from_utf8_lossy(&piece).into_owned();
                specials.push(Special { token, text, control, ends });
            }
        }
        let len = usize::try_from(vocab.n_tokens()).unwrap_or(0);
        let bos = Some(vocab.bos()).filter(|bos| vocab.should_add_bos() && bos.0 >= 0);
        Self { len, bos, end, specials, heads: heads.tokens() }
    }
}

/// Tokens by their first byte. Where a text may go on, the token that is its first byte alone may follow,
/// so the longer tokens with that byte need not be asked.
struct Heads {
    alone: [Option<LlamaToken>; 256],
    longer: Vec<Vec<LlamaToken>>,
}

impl Default for Heads {
    fn default() -> Self {
        Self { alone: [None; 256], longer: vec![Vec::new(); 256] }
    }
}

impl Heads {
    fn add(&mut self, token: LlamaToken, piece: &[u8]) {
        match piece {
            [] => {}
            [byte] => self.alone[usize::from(*byte)] = Some(token),
            [byte, ..] => self.longer[usize::from(*byte)].push(token),
        }
    }

    fn tokens(self) -> Vec<LlamaToken> {
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

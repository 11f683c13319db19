//! Whose tokens: those of a model's file, read in a process of its own, or single bytes where no model is named.

use std::path::PathBuf;
use std::sync::Arc;

use chargehand_engine::lab::Tokens;
use chargehand_grammar::Vocabulary;
use chargehand_grammar::vocabulary::{Kind as TokenKind, TokenId};

use crate::cli::embedded;
use crate::config::Places;
use crate::env::lab;
use crate::error::{Error, Kind};

/// The model whose tokens are meant; without one, the built-in model.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ModelArg {
    /// The GGUF file whose vocabulary is meant, with or without weights; without, the built-in model
    #[arg(short, long, value_name = "MODEL.gguf")]
    model: Option<PathBuf>,
}

/// The model whose tokens a grammar names, if it names any.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TokensArg {
    /// The GGUF file whose tokens the grammar names; needed only where it names some
    #[arg(short, long, value_name = "MODEL.gguf")]
    model: Option<PathBuf>,
}

/// A vocabulary and a text in its tokens.
pub(super) struct Spelt {
    /// The vocabulary.
    pub(super) vocabulary: Arc<Vocabulary>,
    /// The tokens of the text.
    pub(super) tokens: Vec<TokenId>,
}

impl ModelArg {
    /// Returns the file.
    pub(super) fn path(&self) -> Result<PathBuf, Error> {
        match &self.model {
            Some(path) if path.as_os_str() != embedded::NAME => Ok(path.clone()),
            Some(_) | None => embedded::unpack(&Places::find()?.state),
        }
    }

    /// Returns the vocabulary, and `text` in its tokens.
    pub(super) fn spell(&self, text: &str) -> Result<Spelt, Error> {
        let mut said = lab::read(&self.path()?, vec![text.to_owned()])?;
        let tokens = said.texts.pop().unwrap_or_default();
        Ok(Spelt { vocabulary: vocabulary(said)?, tokens })
    }
}

impl TokensArg {
    /// Returns the vocabulary of the model, or one of all bytes where none is named.
    pub(super) fn vocabulary(&self) -> Result<Arc<Vocabulary>, Error> {
        match &self.model {
            None => Ok(bytes()),
            Some(_) => {
                let path = ModelArg { model: self.model.clone() }.path()?;
                vocabulary(lab::read(&path, Vec::new())?)
            }
        }
    }
}

/// Returns a vocabulary without a model: a token for each byte, and the end.
pub(super) fn bytes() -> Arc<Vocabulary> {
    let bytes = (0..=u8::MAX).map(|byte| (TokenKind::Text, vec![byte]));
    let end = (TokenKind::End, Vec::new());
    Arc::new(Vocabulary::new(bytes.chain([end])).expect("257 tokens are not too many"))
}

fn vocabulary(said: Tokens) -> Result<Arc<Vocabulary>, Error> {
    let kind = |token: TokenId| match (is_in(&said.ends, token), is_in(&said.control, token)) {
        (true, _) => TokenKind::End,
        (false, true) => TokenKind::Control,
        (false, false) => TokenKind::Text,
    };
    let tokens = (0..).zip(&said.bytes).map(|(token, bytes)| (kind(token), bytes));
    let vocabulary =
        Vocabulary::new(tokens).map_err(|err| Error::from_source(Kind::Refused, &err))?;
    Ok(Arc::new(vocabulary))
}

/// The lists are in ascending order; where a process that is not ours lies, a token is text.
fn is_in(tokens: &[TokenId], token: TokenId) -> bool {
    tokens.binary_search(&token).is_ok()
}

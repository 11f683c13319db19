//! What most commands of `chargehand grammar` begin with: a grammar, and whose tokens are meant. Those of a model's
//! file are read in a process of its own.

use std::path::PathBuf;
use std::sync::Arc;

use chargehand_engine::lab::Tokens;
use chargehand_grammar::Vocabulary;
use chargehand_grammar::vocabulary::{Kind as TokenKind, TokenId};

use super::source::Source;
use crate::cli::embedded;
use crate::config::Places;
use crate::env::lab;
use crate::error::{Error, Kind};

/// Flags of most commands.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Common {
    /// The file with the grammar, or `-` for stdin
    #[arg(value_name = "GRAMMAR")]
    pub(super) grammar: PathBuf,
    /// The GGUF file whose tokens are meant, with or without weights; without, the built-in model where tokens are
    /// counted, and single bytes elsewhere
    #[arg(short, long, value_name = "MODEL.gguf")]
    model: Option<PathBuf>,
    /// Prints JSON, an object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// A vocabulary and a text in its tokens.
pub(super) struct Spelt {
    /// The vocabulary.
    pub(super) vocabulary: Arc<Vocabulary>,
    /// The tokens of the text.
    pub(super) tokens: Vec<TokenId>,
}

impl Common {
    /// Reads the grammar.
    pub(super) fn source(&self) -> Result<Source, Error> {
        Source::read(&self.grammar)
    }

    /// Returns the model's file, that of the built-in model where none is named.
    pub(super) fn model(&self) -> Result<PathBuf, Error> {
        match &self.model {
            Some(path) if path.as_os_str() != embedded::NAME => Ok(path.clone()),
            Some(_) | None => embedded::unpack(&Places::find()?.state),
        }
    }

    /// Returns the vocabulary of the model, and `text` in its tokens.
    pub(super) fn spell(&self, text: &str) -> Result<Spelt, Error> {
        let mut said = lab::read(&self.model()?, vec![text.to_owned()])?;
        let tokens = said.texts.pop().unwrap_or_default();
        Ok(Spelt { vocabulary: vocabulary(said)?, tokens })
    }

    /// Returns the vocabulary of the model, or one of all bytes where none is named.
    pub(super) fn vocabulary(&self) -> Result<Arc<Vocabulary>, Error> {
        match &self.model {
            None => Ok(bytes()),
            Some(_) => Ok(self.spell("")?.vocabulary),
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

//! llguidance, made ready for a vocabulary. It decides nothing; `constraint` asks it.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use chargehand_grammar::Vocabulary;
use chargehand_grammar::vocabulary::{Kind, TokenId};
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};

/// Where each character is a lexeme, a mask takes more steps than llguidance allows by itself. At its 20,000 a
/// millisecond this is a second.
const STEPS: usize = 20_000_000;

/// What grammars are compiled with.
pub(crate) struct Peer(ParserFactory);

impl Peer {
    /// Returns llguidance for a vocabulary.
    pub(crate) fn new(vocabulary: &Vocabulary) -> Result<Self, String> {
        let texts: Vec<Vec<u8>> = (0..)
            .take(vocabulary.len())
            .map(|token| text(vocabulary, token).unwrap_or_default().to_vec())
            .collect();
        let size = u32::try_from(vocabulary.len()).map_err(|error| error.to_string())?;
        let trie = TokTrie::from(&TokRxInfo::new(size, INVALID_TOKEN), &texts);
        let tokens: TokEnv = Arc::new(Tokens(trie));
        let mut factory = ParserFactory::new_simple(&tokens).map_err(|error| error.to_string())?;
        factory.quiet();
        let limits = factory.limits_mut();
        (limits.step_max_items, limits.verbose_errors) = (STEPS, false);
        Ok(Self(factory))
    }

    /// Compiles a grammar, which is in its language.
    pub(crate) fn matcher(&self, lark: String) -> Result<Matcher, String> {
        let parser = self.0.create_parser(TopLevelGrammar::from_lark(lark));
        Ok(Matcher::new(Ok(parser.map_err(|error| error.to_string())?)))
    }
}

impl Debug for Peer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

/// Returns the text of a token, unless it is none of any grammar. What begins with FF is never UTF-8, and would be a
/// token by name to llguidance.
pub(crate) fn text(vocabulary: &Vocabulary, token: TokenId) -> Option<&[u8]> {
    let bytes = vocabulary.bytes(token)?;
    let is_text = vocabulary.kind(token) == Some(Kind::Text) && !bytes.is_empty();
    (is_text && !bytes.contains(&0) && bytes[0] != 0xFF).then_some(bytes)
}

/// The tokens as llguidance asks for them.
struct Tokens(TokTrie);

impl TokenizerEnv for Tokens {
    fn tok_trie(&self) -> &TokTrie {
        &self.0
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        self.0.greedy_tokenize(text)
    }

    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}

//! llguidance, in two ways: with what it takes a task in best, and with our grammar to the letter.

use std::sync::Arc;

use chargehand_grammar::vocabulary::{Kind, TokenId, Vocabulary};
use chargehand_grammar::{Grammar, lark};
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{INVALID_TOKEN, SimpleVob, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};

use crate::engine::{Engine, Failure};
use crate::tokenizer::Tokenizer;
use crate::workloads::Workload;

/// In what a grammar is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    /// As a JSON Schema or in its own words.
    Natively,
    /// In our grammar's words, translated.
    ByGrammar,
}

/// A grammar under llguidance.
pub(crate) struct Llguidance {
    factory: Arc<ParserFactory>,
    told: Told,
    lark: String,
    matcher: Option<Matcher>,
    mask: Option<SimpleVob>,
}

/// The tokens as llguidance asks for them.
struct Tokens {
    trie: TokTrie,
    tokenizer: Option<Arc<Tokenizer>>,
}

impl TokenizerEnv for Tokens {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        match (str::from_utf8(text), &self.tokenizer) {
            (Ok(text), Some(tokenizer)) => tokenizer.encode(text),
            (Err(_), _) | (_, None) => self.trie.greedy_tokenize(text),
        }
    }
}

/// Returns llguidance for a vocabulary, with its usual slices.
pub(crate) fn factory(
    vocabulary: &Vocabulary,
    tokenizer: Option<Arc<Tokenizer>>,
) -> Result<Arc<ParserFactory>, Failure> {
    let ids = (0..).take(vocabulary.len());
    let text = |id| match vocabulary.kind(id) {
        Some(Kind::Text) => vocabulary.bytes(id).filter(|bytes| bytes.first() != Some(&0xFF)),
        Some(Kind::Control | Kind::End) | None => None,
    };
    let texts: Vec<Vec<u8>> = ids.map(|id| text(id).unwrap_or_default().to_vec()).collect();
    let end = vocabulary.ends().first().copied().unwrap_or(INVALID_TOKEN);
    let trie = TokTrie::from(&TokRxInfo::new(u32::try_from(texts.len())?, end), &texts);
    let tokens: TokEnv = Arc::new(Tokens { trie, tokenizer });
    let mut factory = ParserFactory::new_simple(&tokens).map_err(|error| error.to_string())?;
    // Where each character is a lexeme, a mask takes more steps than it allows by itself.
    factory.limits_mut().step_max_items = 20_000_000;
    factory.quiet();
    Ok(Arc::new(factory))
}

impl Llguidance {
    pub(crate) fn new(factory: &Arc<ParserFactory>, told: Told) -> Self {
        let factory = Arc::clone(factory);
        Self { factory, told, lark: String::new(), matcher: None, mask: None }
    }

    fn matcher(&mut self) -> Result<&mut Matcher, Failure> {
        self.matcher.as_mut().ok_or_else(|| "nothing is compiled".into())
    }
}

/// Returns what llguidance says, with its reason in words.
fn answer<T>(said: Result<T, impl ToString>) -> Result<T, Failure> {
    said.map_err(|error| error.to_string().into())
}

impl Engine for Llguidance {
    fn name(&self) -> &'static str {
        match self.told {
            Told::Natively => "llguidance",
            Told::ByGrammar => "llguidance, our GBNF",
        }
    }

    fn every(&self) -> usize {
        // Where each character is a lexeme, a mask takes tens of milliseconds.
        if self.lark.contains("\nstart: r") { 97 } else { 1 }
    }

    fn take(&mut self, workload: &Workload) -> bool {
        let lark = match self.told {
            Told::Natively => workload.lark.clone(),
            Told::ByGrammar => {
                Grammar::parse(&workload.gbnf).ok().and_then(|grammar| lark::lark(&grammar).ok())
            }
        };
        self.lark = lark.unwrap_or_default();
        !self.lark.is_empty()
    }

    fn compile(&mut self) -> Result<(), Failure> {
        let parser = self.factory.create_parser(TopLevelGrammar::from_lark(self.lark.clone()));
        self.matcher = Some(Matcher::new(Ok(answer(parser)?)));
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        answer(self.matcher()?.reset())
    }

    fn mask(&mut self) -> Result<(), Failure> {
        self.mask = Some(answer(self.matcher()?.compute_mask())?);
        Ok(())
    }

    fn allows(&mut self, token: TokenId) -> bool {
        self.mask.as_ref().is_some_and(|mask| mask.is_allowed(token))
    }

    fn advance(&mut self, token: TokenId) -> Result<(), Failure> {
        answer(self.matcher()?.consume_token(token))
    }

    fn is_whole(&mut self) -> Result<bool, Failure> {
        answer(self.matcher()?.is_accepting())
    }
}

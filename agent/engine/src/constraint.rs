//! What may be said next: one trait, and the matchers behind it.
//!
//! [`MatcherKind::Own`] is `chargehand-grammar`; llama.cpp's own sampler is the reference, llguidance an opinion from
//! elsewhere, if it is built in; the lock-step modes run ours and one of them, and stop at the first token on which
//! they differ. A constraint that cannot be built is an error and never means "everything is allowed".

mod llama;
#[cfg(feature = "llguidance")]
mod llguidance;
mod lockstep;
mod own;

use std::borrow::Cow;
use std::fmt::Debug;

use chargehand_grammar::lark::LarkError;
use chargehand_grammar::matcher::{CompileError, MatchError};
use chargehand_grammar::vocabulary::TokenId;
use chargehand_grammar::{Bindings, Grammar, Mask};
use llama_cpp_2::model::LlamaModel;
use thiserror::Error;

use self::llama::Llama;
use self::lockstep::{Less, Lockstep, Named};
use self::own::Own;
use crate::sampler::MatcherKind;
use crate::vocab::Vocab;

/// Any text of whole characters, without control tokens.
pub(crate) const ANYTHING: &str = "root ::= .*";

/// What our matcher may count in memory. The plan has twice as much, because lists grow by doubling: with the tree of
/// a file of 1 MiB and 2,000 characters of it said, 9 MiB were counted and 71 taken, most of them while the tree was
/// made. Rows and masks that are more are forgotten and made again; states that are more are an error.
pub(crate) const MEMORY: usize = 64 << 20;

/// Why there is no constraint, or no next token under it.
#[derive(Debug, Error)]
pub enum ConstraintError {
    /// The grammar is none, or too large.
    #[error("the grammar is refused: {0}")]
    Refused(#[from] CompileError),
    /// llama.cpp does not read a grammar that is one.
    #[error("llama.cpp refuses the grammar of {0} bytes: {1}")]
    RefusedByLlama(usize, String),
    /// What the grammar says cannot be said to llguidance.
    #[error("llguidance cannot be asked: {0}")]
    Untranslated(#[from] LarkError),
    /// llguidance refuses the grammar, or gives up under it.
    #[error("llguidance gives up: {0}")]
    Llguidance(String),
    /// This build does without that matcher.
    #[error("llguidance is not in this build: it takes the feature `llguidance`")]
    NotBuilt,
    /// The grammar is too ambiguous for the limits.
    #[error(transparent)]
    Match(#[from] MatchError),
    /// No token of the vocabulary continues the output.
    #[error("after {0} tokens the grammar allows no token of this vocabulary")]
    DeadEnd(usize),
    /// A token that was allowed was refused when it was said.
    #[error("token {0} was allowed and then refused")]
    Broken(TokenId),
    /// Two matchers do not agree.
    #[error(
        "after {said} tokens the matchers differ on token {token}, `{}`: {only} alone allows it",
        .text.escape_debug()
    )]
    Differ {
        /// Tokens before.
        said: usize,
        /// The token.
        token: TokenId,
        /// Its text.
        text: String,
        /// The matcher that allows it.
        only: &'static str,
    },
}

/// Decides what may be said, token by token.
pub trait Matcher: Debug {
    /// Returns what may be said now. Where the text may end, the tokens that end it are among them.
    ///
    /// # Errors
    ///
    /// [`ConstraintError`]; nothing is allowed then.
    fn mask(&mut self) -> Result<Cow<'_, Mask>, ConstraintError>;

    /// Returns whether `token` may be said now.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn allows(&mut self, token: TokenId) -> Result<bool, ConstraintError>;

    /// Takes note that `token`, which is allowed and ends nothing, is said.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn accept(&mut self, token: TokenId) -> Result<(), ConstraintError>;

    /// Returns whether the text may end here.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn may_end(&mut self) -> Result<bool, ConstraintError>;

    /// Returns whether nothing but the end may follow.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn is_complete(&mut self) -> Result<bool, ConstraintError>;

    /// Returns whether one token is asked for first, because a mask is dear.
    fn asks_first(&self) -> bool {
        false
    }

    /// Has the output be whole after at most `left` tokens, where the matcher can see to that and one is so short.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn limit(&mut self, _left: usize) -> Result<(), ConstraintError> {
        Ok(())
    }

    /// Returns `token`, which is allowed, or what must be said instead so that the output can be whole in time;
    /// nothing where it must end now. `left` tokens may be said, this one included.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn steer(&mut self, token: TokenId, _left: usize) -> Result<Option<TokenId>, ConstraintError> {
        Ok(Some(token))
    }

    /// Returns whether `token` may be said as it is when `left` tokens may be, this one included. If so it must be
    /// said; if not, nothing is changed by having asked.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn takes(&mut self, token: TokenId, left: usize) -> Result<bool, ConstraintError> {
        Ok(left > 0 && self.allows(token)?)
    }

    /// Returns the bytes that must follow, as far as the matcher knows.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn forced(&mut self) -> Result<Vec<u8>, ConstraintError> {
        Ok(Vec::new())
    }

    /// Returns how many of these tokens are worth guessing where what is forced is said without being asked about.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn unforced(&mut self, tokens: &[TokenId]) -> Result<usize, ConstraintError> {
        Ok(tokens.len())
    }

    /// Returns whether a token may be said that begins with `bytes`, which are forced, and goes on.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn goes_beyond(&mut self, _bytes: &[u8]) -> Result<bool, ConstraintError> {
        Ok(true)
    }

    /// Returns up to `most` bytes that follow if the piece of a text that is being said does not end.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn copied(&mut self, _most: usize) -> Result<Vec<u8>, ConstraintError> {
        Ok(Vec::new())
    }

    /// Returns what may be said behind these tokens, where the matcher knows and they are allowed.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn mask_behind(&mut self, _tokens: &[TokenId]) -> Result<Option<Mask>, ConstraintError> {
        Ok(None)
    }

    /// Returns in how many of the places before, between and behind these allowed tokens, from the first on, no more
    /// than `most` tokens may be said, and a mask names them.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn narrow(&mut self, _tokens: &[TokenId], _most: usize) -> Result<usize, ConstraintError> {
        Ok(0)
    }

    /// Returns how many of these tokens, one after the other, would be allowed, as far as the matcher knows.
    ///
    /// # Errors
    ///
    /// As for [`Matcher::mask`].
    fn foresee(&mut self, _tokens: &[TokenId]) -> Result<usize, ConstraintError> {
        Ok(0)
    }
}

/// Compiles `gbnf`, whose rule `root` is one whole output, for a matcher. llama.cpp's knows no bindings and allows
/// what the text alone does; llguidance refuses them, and is asked about the text alone in lock step.
///
/// # Errors
///
/// [`ConstraintError`], when a matcher that takes part refuses the grammar.
pub(crate) fn open<'m>(
    kind: MatcherKind,
    model: &'m LlamaModel,
    vocab: &'m Vocab,
    gbnf: &str,
    bindings: &Bindings,
) -> Result<Box<dyn Matcher + 'm>, ConstraintError> {
    let own = || Own::new(&vocab.vocabulary, gbnf, bindings).map(Box::new);
    let llama = || Llama::new(model, vocab, gbnf).map(Box::new);
    let both = |other: Named<'m>, less: Less| -> Result<Box<dyn Matcher + 'm>, ConstraintError> {
        let less = if bindings.is_empty() { less } else { Less::Anything };
        Ok(Box::new(Lockstep::new(&vocab.vocabulary, ("chargehand", own()?), other, less)))
    };
    Ok(match kind {
        MatcherKind::Own => own()?,
        MatcherKind::Llama => llama()?,
        MatcherKind::Llguidance => llguidance(vocab, &parsed(gbnf)?)?,
        MatcherKind::Lockstep => both(("llama.cpp", llama()?), Less::Nothing)?,
        MatcherKind::LockstepLlguidance => {
            let other = llguidance(vocab, &parsed(gbnf)?.unbound())?;
            both(("llguidance", other), Less::Parts)?
        }
    })
}

fn parsed(gbnf: &str) -> Result<Grammar, ConstraintError> {
    Ok(Grammar::parse(gbnf).map_err(CompileError::from)?)
}

#[cfg(feature = "llguidance")]
fn llguidance<'m>(
    vocab: &'m Vocab,
    grammar: &Grammar,
) -> Result<Box<dyn Matcher + 'm>, ConstraintError> {
    Ok(Box::new(llguidance::Llguidance::new(vocab, grammar)?))
}

#[cfg(not(feature = "llguidance"))]
fn llguidance<'m>(
    _vocab: &'m Vocab,
    _grammar: &Grammar,
) -> Result<Box<dyn Matcher + 'm>, ConstraintError> {
    Err(ConstraintError::NotBuilt)
}

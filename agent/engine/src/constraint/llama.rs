//! llama.cpp's grammar sampler, as the reference.
//!
//! It takes a control token for its text, allows bytes that are never UTF-8, and reads a text without a rule as
//! "anything"; none of that gets through here: the text must be a grammar to our parser first, control tokens are
//! those that the grammar names, and the output stays UTF-8.

use std::borrow::Cow;

use chargehand_grammar::gbnf::TokenName;
use chargehand_grammar::vocabulary::TokenId;
use chargehand_grammar::{Expr, Grammar, Mask};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::{ConstraintError, Matcher};
use crate::output::Output;
use crate::sampler::to_llama;
use crate::vocab::Vocab;

/// llama.cpp's matcher and the text so far.
#[derive(Debug)]
pub(super) struct Llama<'m> {
    vocab: &'m Vocab,
    matcher: LlamaSampler,
    output: Output,
    banned: Vec<bool>,
    /// What may follow if anything but the end may.
    probes: Vec<TokenId>,
}

impl<'m> Llama<'m> {
    pub(super) fn new(
        model: &LlamaModel,
        vocab: &'m Vocab,
        gbnf: &str,
    ) -> Result<Self, ConstraintError> {
        let grammar =
            Grammar::parse(gbnf).map_err(chargehand_grammar::matcher::CompileError::from)?;
        let matcher = LlamaSampler::grammar(model, gbnf, "root")
            .map_err(|error| ConstraintError::RefusedByLlama(gbnf.len(), error.to_string()))?;
        let banned = banned(vocab, &grammar);
        let said = vocab.specials.iter().filter(|special| special.control && !special.ends);
        let said = said.map(|special| special.token).filter(|token| !banned[*token as usize]);
        let probes = vocab.heads.iter().copied().chain(said).collect();
        Ok(Self { vocab, matcher, output: Output::default(), banned, probes })
    }

    fn narrowed(&mut self, tokens: impl Iterator<Item = TokenId>) -> Vec<TokenId> {
        let (vocab, output, banned) = (self.vocab, &self.output, &self.banned);
        let possible = |token: &TokenId| match vocab.ends(*token) {
            true => output.is_whole(),
            false => !banned[*token as usize] && output.fits(vocab.piece(*token)),
        };
        let data =
            tokens.filter(possible).map(|token| LlamaTokenData::new(to_llama(token), 0.0, 0.0));
        let mut candidates = LlamaTokenDataArray::from_iter(data, false);
        candidates.apply_sampler(&mut self.matcher);
        let allowed = candidates.data.iter().filter(|token| token.logit() != f32::NEG_INFINITY);
        allowed.filter_map(|token| TokenId::try_from(token.id().0).ok()).collect()
    }
}

impl Matcher for Llama<'_> {
    fn mask(&mut self) -> Result<Cow<'_, Mask>, ConstraintError> {
        let tokens = self.vocab.len();
        let mut bits = vec![0_u64; tokens.div_ceil(64)];
        for token in self.narrowed((0..).take(tokens)) {
            bits[token as usize / 64] |= 1 << (token % 64);
        }
        Ok(Cow::Owned(Mask::Bits(bits.into())))
    }

    fn allows(&mut self, token: TokenId) -> Result<bool, ConstraintError> {
        Ok(!self.narrowed(std::iter::once(token)).is_empty())
    }

    fn accept(&mut self, token: TokenId) -> Result<(), ConstraintError> {
        let broken = |_| ConstraintError::Broken(token);
        self.matcher.try_accept(to_llama(token)).map_err(broken)?;
        self.output.push(self.vocab.piece(token));
        Ok(())
    }

    fn may_end(&mut self) -> Result<bool, ConstraintError> {
        match self.vocab.end {
            Some(end) => self.allows(end),
            None => Ok(self.narrowed(self.probes.clone().into_iter()).is_empty()),
        }
    }

    fn is_complete(&mut self) -> Result<bool, ConstraintError> {
        // Where there is no token for the end, the output is complete as soon as it cannot go on.
        Ok(self.may_end()? && self.narrowed(self.probes.clone().into_iter()).is_empty())
    }

    fn asks_first(&self) -> bool {
        true
    }
}

/// Returns for each token whether it is a control token that the grammar does not name.
fn banned(vocab: &Vocab, grammar: &Grammar) -> Vec<bool> {
    let mut names = Vec::new();
    grammar.rules().for_each(|(_, body)| named(body, &mut names));
    let is_named = |token: TokenId, text: &str| {
        names.iter().any(|name| match name {
            TokenName::Id(id) => *id == token,
            TokenName::Text(name) => name == text,
        })
    };
    let mut banned = vec![false; vocab.len()];
    for special in vocab.specials.iter().filter(|special| special.control && !special.ends) {
        banned[special.token as usize] = !is_named(special.token, &special.text);
    }
    banned
}

fn named<'g>(expr: &'g Expr, names: &mut Vec<&'g TokenName>) {
    match expr {
        Expr::Token(name) => names.push(name),
        Expr::Seq(parts) | Expr::Any(parts) => parts.iter().for_each(|part| named(part, names)),
        Expr::Optional(inner)
        | Expr::Many(inner)
        | Expr::Times(inner, _)
        | Expr::Repeat(inner, ..) => named(inner, names),
        Expr::Literal(_) | Expr::Class(_) | Expr::Chars(_) | Expr::NotToken(_) | Expr::Rule(_) => {}
    }
}

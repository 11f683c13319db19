//! What may be said next. One trait, so that the engine of `chargehand-grammar` can take llama.cpp's place.
//!
//! A constraint that cannot be built is an error and never means "everything is allowed".

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use thiserror::Error;

use crate::gbnf_text;
use crate::output::Output;
use crate::sampler::Sampler;
use crate::vocab::Vocab;

/// Why there is no constraint, or no next token under it.
#[derive(Debug, Error)]
pub enum ConstraintError {
    /// The grammar has no rule.
    #[error("the grammar is empty")]
    Empty,
    /// The grammar is not GBNF as llama.cpp reads it.
    #[error("llama.cpp refuses the grammar of {0} bytes: {1}")]
    Refused(usize, String),
    /// No token of the vocabulary continues the output.
    #[error("after {0} tokens the grammar allows no token of this vocabulary")]
    DeadEnd(usize),
    /// A token that was allowed was refused when it was said.
    #[error("llama.cpp allowed token {0} and then refused it")]
    Broken(LlamaToken),
}

/// The moment in which a token is chosen.
#[derive(Debug)]
pub(crate) struct Step<'s> {
    /// Holds the logits after the last evaluation.
    pub(crate) context: &'s LlamaContext<'s>,
    /// The model that is asked.
    pub(crate) model: &'s LlamaModel,
    /// What was said so far.
    pub(crate) output: &'s Output,
    /// How many tokens that was.
    pub(crate) said: usize,
}

impl Step<'_> {
    fn fits(&self, token: LlamaToken) -> bool {
        self.output.fits(&self.model.vocab().token_to_piece(token, true, None))
    }
}

/// Decides what may be said.
pub(crate) trait Constraint {
    /// Returns the sampler's choice among the allowed tokens. It may be one that ends the generation.
    fn choose(
        &mut self,
        step: &Step<'_>,
        sampler: &mut Sampler,
    ) -> Result<LlamaToken, ConstraintError>;

    /// Takes note that `token`, which was chosen and is no end, is said.
    fn accept(&mut self, token: LlamaToken) -> Result<(), ConstraintError>;

    /// Returns whether nothing but the end may follow.
    fn is_complete(&mut self) -> bool;
}

/// No grammar: any text, but no control token inside it.
#[derive(Debug)]
pub(crate) struct Free {
    banned: Vec<bool>,
}

impl Free {
    pub(crate) fn new(vocab: &Vocab) -> Self {
        Self { banned: banned(vocab, &[]) }
    }
}

impl Constraint for Free {
    fn choose(
        &mut self,
        step: &Step<'_>,
        sampler: &mut Sampler,
    ) -> Result<LlamaToken, ConstraintError> {
        let first = sampler.any(step.context);
        if !is_banned(&self.banned, first) && (step.model.vocab().is_eog(first) || step.fits(first))
        {
            return Ok(first);
        }
        let mut candidates = step.context.token_data_array_ith(-1);
        candidates.data.retain(|candidate| !is_banned(&self.banned, candidate.id()));
        pick(step, sampler, candidates)
    }

    fn accept(&mut self, _: LlamaToken) -> Result<(), ConstraintError> {
        Ok(())
    }

    fn is_complete(&mut self) -> bool {
        false
    }
}

/// llama.cpp's own matcher over GBNF text.
///
/// Its mask costs 13 to 28 ms over a large vocabulary, so a token is sampled first and only that one is
/// checked (5 us); the mask is for the misses.
#[derive(Debug)]
pub(crate) struct LlamaGrammar {
    matcher: LlamaSampler,
    banned: Vec<bool>,
    /// What may follow if anything but the end may.
    probes: Vec<LlamaToken>,
    end: Option<LlamaToken>,
}

impl LlamaGrammar {
    /// Compiles `gbnf`, whose rule `root` is one whole output.
    pub(crate) fn new(
        model: &LlamaModel,
        vocab: &Vocab,
        gbnf: &str,
    ) -> Result<Self, ConstraintError> {
        // For a text without a rule llama.cpp returns a matcher that allows everything.
        if !gbnf.contains("::=") {
            return Err(ConstraintError::Empty);
        }
        let matcher = LlamaSampler::grammar(model, gbnf, "root")
            .map_err(|error| ConstraintError::Refused(gbnf.len(), error.to_string()))?;
        let spelt = gbnf_text::spelt_out(gbnf);
        let banned = banned(vocab, &spelt);
        let said = vocab.specials.iter().filter(|special| special.control && !special.ends);
        let said = said.map(|special| special.token).filter(|token| !is_banned(&banned, *token));
        let probes = vocab.heads.iter().copied().chain(said).collect();
        Ok(Self { matcher, banned, probes, end: vocab.end })
    }

    /// Masks `candidates` and drops what is not allowed.
    fn narrow(&mut self, candidates: &mut LlamaTokenDataArray) {
        candidates.apply_sampler(&mut self.matcher);
        let banned = &self.banned;
        candidates.data.retain(|candidate| {
            candidate.logit() != f32::NEG_INFINITY && !is_banned(banned, candidate.id())
        });
    }

    fn allows_any(&mut self, tokens: impl IntoIterator<Item = LlamaToken>) -> bool {
        let data = tokens.into_iter().map(|token| LlamaTokenData::new(token, 0.0, 0.0));
        let mut candidates = LlamaTokenDataArray::from_iter(data, false);
        self.narrow(&mut candidates);
        !candidates.data.is_empty()
    }
}

impl Constraint for LlamaGrammar {
    fn choose(
        &mut self,
        step: &Step<'_>,
        sampler: &mut Sampler,
    ) -> Result<LlamaToken, ConstraintError> {
        let whole = step.output.is_whole();
        let ends = |token| step.model.vocab().is_eog(token);
        let first = sampler.any(step.context);
        let possible = if ends(first) { whole } else { step.fits(first) };
        if possible && self.allows_any([first]) {
            return Ok(first);
        }
        let mut candidates = step.context.token_data_array_ith(-1);
        self.narrow(&mut candidates);
        candidates.data.retain(|candidate| whole || !ends(candidate.id()));
        pick(step, sampler, candidates)
    }

    fn accept(&mut self, token: LlamaToken) -> Result<(), ConstraintError> {
        self.matcher.try_accept(token).map_err(|_| ConstraintError::Broken(token))
    }

    fn is_complete(&mut self) -> bool {
        let may_end = self.end.is_some_and(|end| self.allows_any([end]));
        // Nothing may follow a text that cannot go on; where there is no token for the end, the
        // output is complete as soon as it cannot go on.
        (may_end || self.end.is_none()) && !self.allows_any(self.probes.clone())
    }
}

/// Returns the sampler's choice among `candidates` that keeps the output valid UTF-8.
fn pick(
    step: &Step<'_>,
    sampler: &mut Sampler,
    mut candidates: LlamaTokenDataArray,
) -> Result<LlamaToken, ConstraintError> {
    while let Some(token) = sampler.among(candidates.clone()) {
        if step.model.vocab().is_eog(token) || step.fits(token) {
            return Ok(token);
        }
        candidates.data.retain(|candidate| candidate.id() != token);
    }
    Err(ConstraintError::DeadEnd(step.said))
}

/// Returns for each token whether it is a control token that is in none of the texts in `spelt`.
fn banned(vocab: &Vocab, spelt: &[String]) -> Vec<bool> {
    let mut banned = vec![false; vocab.len];
    for special in vocab.specials.iter().filter(|special| special.control && !special.ends) {
        let place = usize::try_from(special.token.0).ok().and_then(|at| banned.get_mut(at));
        if let Some(place) = place {
            *place = !spelt.iter().any(|text| text.contains(&special.text));
        }
    }
    banned
}

fn is_banned(banned: &[bool], token: LlamaToken) -> bool {
    usize::try_from(token.0).ok().and_then(|at| banned.get(at)).copied().unwrap_or(true)
}

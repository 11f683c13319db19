//! How a token is picked from what is allowed: greedily, or by chance with a seed. It knows no grammar.

mod best;

use std::fmt::Debug;

use chargehand_grammar::Mask;
use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::best::{best, top};

/// What holds a grammar against what a model writes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatcherKind {
    /// `chargehand-grammar`: a mask in microseconds.
    #[default]
    Own,
    /// llama.cpp's grammar sampler: the reference, milliseconds a mask on a large vocabulary.
    Llama,
    /// llguidance: an opinion from elsewhere. It refuses bindings and tokens by name, and takes its time where a
    /// grammar is recursive.
    Llguidance,
    /// Ours and llama.cpp's, token by token; where they differ the generation fails and names the token. Slow.
    #[serde(alias = "lockstep-llama")]
    Lockstep,
    /// Ours and llguidance, likewise.
    LockstepLlguidance,
}

impl MatcherKind {
    /// Returns whether this build has it: llguidance comes with the feature of that name.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Own | Self::Llama | Self::Lockstep => true,
            Self::Llguidance | Self::LockstepLlguidance => cfg!(feature = "llguidance"),
        }
    }
}

/// How to sample. The default is greedy, under our own matcher.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// 0 picks the most likely token; 1 leaves the probabilities as they are.
    pub temperature: f32,
    /// How many of the most likely tokens stay; 0 for all.
    pub top_k: u32,
    /// The most likely tokens that together have this probability stay; 1 for all.
    pub top_p: f32,
    /// Tokens with this share of the best token's probability stay; 0 for all.
    pub min_p: f32,
    /// The same seed gives the same tokens, if nothing else here is changed either.
    pub seed: u32,
    /// What decides which tokens there are to pick from.
    pub matcher: MatcherKind,
    /// Text that the grammar leaves no choice about is said without asking the model.
    pub forced: bool,
    /// Under a grammar, text that repeats is guessed and evaluated in one go. Each token is chosen from the model's
    /// own logits all the same; they agree up to the rounding of kernels for larger batches.
    pub drafts: bool,
    /// So many tokens of reasoning may come before a call, of a model whose template knows of any; 0 for none.
    pub reasoning: u32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: 0,
            matcher: MatcherKind::default(),
            forced: true,
            drafts: true,
            reasoning: 0,
        }
    }
}

/// Logits that nothing can be picked by: a damaged file, or kernels that fail on this machine.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{bad} of {all} logits of the model are NaN or infinite")]
pub struct BadLogits {
    /// How many are no numbers, or larger than all numbers.
    pub bad: usize,
    /// How many there are.
    pub all: usize,
}

impl BadLogits {
    /// Fails when one of `logits` is no number. That a token is impossible, -inf, is one.
    pub(crate) fn look(logits: &[f32]) -> Result<(), Self> {
        let bad = logits.iter().filter(|logit| is_bad(**logit)).count();
        if bad == 0 { Ok(()) } else { Err(Self { bad, all: logits.len() }) }
    }
}

/// A chance to draw by needs a largest number.
fn is_bad(logit: f32) -> bool {
    logit.is_nan() || logit == f32::INFINITY
}

/// Whoever picks the tokens of a text, one after the other.
pub trait Choose: Debug {
    /// Returns the choice among the tokens that `mask` allows, or among all; `logits` has one number for each token
    /// of the vocabulary. `None` means that nothing is allowed. `guess` was drafted for this place; a choice that
    /// depends on it is none of the model.
    ///
    /// # Errors
    ///
    /// [`BadLogits`], when a number that matters is none.
    fn choose(
        &mut self,
        logits: &[f32],
        mask: Option<&Mask>,
        guess: Option<TokenId>,
    ) -> Result<Option<TokenId>, BadLogits>;

    /// Takes note that `token` is said, whoever chose it.
    fn note(&mut self, _token: TokenId) {}
}

/// Picks tokens as a [`Sampling`] has it.
#[derive(Debug)]
pub struct Sampler {
    /// llama.cpp's samplers; none picks the most likely token.
    chain: Option<LlamaSampler>,
    /// How many of the most likely tokens the chain looks at, if not at all.
    most: Option<usize>,
    /// Kept between tokens, so that its memory is.
    candidates: LlamaTokenDataArray,
}

impl Sampler {
    /// Returns a sampler at the beginning of its random sequence.
    #[must_use]
    pub fn new(sampling: &Sampling) -> Self {
        // NaN compares false and must not reach the division by the temperature.
        let is_greedy = sampling.temperature.is_nan() || sampling.temperature <= 0.0;
        let chain = (!is_greedy).then(|| LlamaSampler::chain(steps(sampling), true));
        let most = usize::try_from(sampling.top_k).ok().filter(|most| *most > 0);
        Self { chain, most, candidates: LlamaTokenDataArray::new(Vec::new(), false) }
    }
}

impl Choose for Sampler {
    fn choose(
        &mut self,
        logits: &[f32],
        mask: Option<&Mask>,
        _guess: Option<TokenId>,
    ) -> Result<Option<TokenId>, BadLogits> {
        let Some(chain) = &mut self.chain else { return best(logits, mask) };
        let candidates = &mut self.candidates;
        candidates.data.clear();
        (candidates.selected, candidates.sorted) = (None, false);
        let bad = match self.most {
            Some(most) => top(logits, mask, most, &mut candidates.data),
            None => all(logits, mask, &mut candidates.data),
        };
        if bad {
            BadLogits::look(logits)?;
        }
        if candidates.data.is_empty() {
            return Ok(None);
        }
        // They are in the order in which they were found; the same random number must mean the same token.
        if self.most.is_some() || matches!(mask, Some(Mask::Allow(_))) {
            candidates.data.sort_unstable_by_key(LlamaTokenData::id);
        }
        candidates.apply_sampler(chain);
        Ok(candidates.selected_token().and_then(|token| TokenId::try_from(token.0).ok()))
    }
}

/// Puts all allowed tokens into `found`, and returns whether a logit is bad.
fn all(logits: &[f32], mask: Option<&Mask>, found: &mut Vec<LlamaTokenData>) -> bool {
    let mut bad = false;
    each_run(logits, mask, |first, run| {
        // A range of known length beside a slice is written with vectors.
        let first = to_llama(first).0;
        let end = first + i32::try_from(run.len()).unwrap_or(0);
        let data = |(id, logit): (i32, &f32)| LlamaTokenData::new(LlamaToken(id), *logit, 0.0);
        found.extend((first..end).zip(run).map(data));
        bad |= run.iter().any(|logit| is_bad(*logit));
    });
    bad
}

/// Calls `each` with every run of allowed tokens: the first of them, and the logits of all.
fn each_run(logits: &[f32], mask: Option<&Mask>, mut each: impl FnMut(TokenId, &[f32])) {
    let end = TokenId::try_from(logits.len()).unwrap_or(TokenId::MAX);
    let mut all = |from: TokenId, to: TokenId| {
        each(from, logits.get(from as usize..to.min(end) as usize).unwrap_or_default());
    };
    match mask {
        None => all(0, end),
        Some(Mask::Allow(tokens)) => tokens.iter().for_each(|token| all(*token, token + 1)),
        Some(Mask::Deny(tokens)) => {
            let mut from = 0;
            for token in tokens {
                all(from, *token);
                from = token + 1;
            }
            all(from, end);
        }
        Some(Mask::Bits(words)) => {
            for (word, first) in words.iter().zip((0..).step_by(64)) {
                let mut word = *word;
                while word != 0 {
                    let token: TokenId = first + word.trailing_zeros();
                    all(token, token + 1);
                    word &= word - 1;
                }
            }
        }
    }
}

/// Returns the probability of `token` among those that `mask` allows.
pub(crate) fn chance(logits: &[f32], mask: &Mask, token: TokenId) -> f32 {
    let Some(own) = logits.get(token as usize) else { return 0.0 };
    let mut sum = 0.0_f32;
    each_run(logits, Some(mask), |_, run| {
        sum += run.iter().map(|logit| (logit - own).exp()).sum::<f32>();
    });
    sum.recip()
}

/// Returns the number of a token as llama.cpp has it.
pub(crate) fn to_llama(token: TokenId) -> LlamaToken {
    LlamaToken(i32::try_from(token).expect("llama.cpp counts tokens in 31 bits"))
}

/// Returns the links of the chain, in llama.cpp's own order.
fn steps(sampling: &Sampling) -> Vec<LlamaSampler> {
    let mut steps = Vec::new();
    if sampling.top_k > 0 {
        steps.push(LlamaSampler::top_k(i32::try_from(sampling.top_k).unwrap_or(i32::MAX)));
    }
    if sampling.top_p < 1.0 {
        steps.push(LlamaSampler::top_p(sampling.top_p, 1));
    }
    if sampling.min_p > 0.0 {
        steps.push(LlamaSampler::min_p(sampling.min_p, 1));
    }
    steps.push(LlamaSampler::temp(sampling.temperature));
    // The largest number means "by the clock" to llama.cpp.
    steps.push(LlamaSampler::dist(sampling.seed.min(u32::MAX - 1)));
    steps
}

#[cfg(test)]
mod tests {
    use chargehand_grammar::Mask;

    use super::{BadLogits, Choose, Sampler, Sampling, best, each_run};

    const LOGITS: [f32; 6] = [0.5, 2.0, 2.0, -1.0, 7.0, f32::NEG_INFINITY];

    fn masks() -> [(Option<Mask>, Vec<u32>); 5] {
        [
            (None, vec![0, 1, 2, 3, 4, 5]),
            (Some(Mask::Allow([2, 1, 3].into())), vec![2, 1, 3]),
            (Some(Mask::Deny([0, 4].into())), vec![1, 2, 3, 5]),
            (Some(Mask::Bits([0b1001].into())), vec![0, 3]),
            (Some(Mask::Allow([].into())), vec![]),
        ]
    }

    #[test]
    fn each_mask_lets_through_what_it_allows() {
        for (mask, expect) in masks() {
            let mut seen = Vec::new();
            each_run(&LOGITS, mask.as_ref(), |first, run| {
                seen.extend((first..).take(run.len()));
            });
            assert_eq!(seen, expect, "{mask:?}");
        }
    }

    #[test]
    fn the_first_of_the_best_is_taken() {
        let found = masks().map(|(mask, _)| best(&LOGITS, mask.as_ref()).unwrap());
        assert_eq!(found, [Some(4), Some(1), Some(1), Some(0), None]);
        assert_eq!(best(&[f32::NEG_INFINITY; 99], None), Ok(Some(0)));
    }

    #[test]
    fn what_is_no_number_is_never_picked() {
        for (temperature, top_k) in [(0.0, 0), (1.0, 0), (1.0, 2)] {
            let sampling = Sampling { temperature, top_k, ..Sampling::default() };
            let mut sampler = Sampler::new(&sampling);
            let mut choose =
                |logits: &[f32], mask: Option<Mask>| sampler.choose(logits, mask.as_ref(), None);
            for bad in [f32::NAN, -f32::NAN, f32::INFINITY] {
                let error = Err(BadLogits { bad: 2, all: 6 });
                let logits = [0.0, bad, 9.0, f32::NEG_INFINITY, bad, 0.0];
                assert_eq!(choose(&logits, None), error, "{bad}");
                assert_eq!(choose(&logits, Some(Mask::Deny([0].into()))), error, "{bad}");
                assert_eq!(choose(&logits, Some(Mask::Bits([0b11].into()))), error, "{bad}");
                assert_eq!(choose(&logits, Some(Mask::Allow([2, 4].into()))), error, "{bad}");
                // What is not looked at does no harm.
                assert_eq!(choose(&logits, Some(Mask::Allow([2].into()))), Ok(Some(2)), "{bad}");
            }
            assert_eq!(choose(&[f32::NAN; 99], None), Err(BadLogits { bad: 99, all: 99 }));
            // Impossible tokens only: there is none that is better.
            assert!(choose(&[f32::NEG_INFINITY; 9], None).unwrap().is_some());
            let words = BadLogits { bad: 2, all: 6 }.to_string();
            assert_eq!(words, "2 of 6 logits of the model are NaN or infinite");
        }
    }

    #[test]
    fn chance_stays_inside_the_mask_and_has_a_seed() {
        let sampling = Sampling { temperature: 2.0, seed: 3, ..Sampling::default() };
        let logits = [0.1_f32, 0.2, 0.3, 0.4];
        let mask = Mask::Deny([1].into());
        let draw = || {
            let mut sampler = Sampler::new(&sampling);
            let draw = |_| sampler.choose(&logits, Some(&mask), None).unwrap().unwrap();
            (0..50).map(draw).collect::<Vec<_>>()
        };
        let drawn = draw();
        assert!(drawn.iter().all(|token| *token != 1) && drawn.contains(&0) && drawn.contains(&3));
        assert_eq!(drawn, draw());
        let nothing = Mask::Allow([].into());
        assert_eq!(Sampler::new(&sampling).choose(&logits, Some(&nothing), None), Ok(None));
    }
}

//! How a token is picked from what is allowed: greedily, or by chance with a seed. It knows no grammar.

use chargehand_grammar::Mask;
use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use serde::{Deserialize, Serialize};

/// What holds a grammar against what a model writes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatcherKind {
    /// `chargehand-grammar`: a mask in microseconds.
    #[default]
    Own,
    /// llama.cpp's grammar sampler: the reference, milliseconds a mask on a large vocabulary.
    Llama,
    /// Both, token by token; where they differ the generation fails and names the token. Slow.
    Lockstep,
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
    /// The same seed gives the same tokens.
    pub seed: u32,
    /// What decides which tokens there are to pick from.
    pub matcher: MatcherKind,
    /// Text that the grammar leaves no choice about is said without asking the model.
    pub forced: bool,
    /// Under a grammar, text that repeats is guessed and evaluated in one go; what is said stays the same.
    pub drafts: bool,
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
        }
    }
}

/// Picks tokens one after the other.
#[derive(Debug)]
pub struct Sampler {
    /// llama.cpp's samplers; none picks the most likely token.
    chain: Option<LlamaSampler>,
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
        Self { chain, candidates: LlamaTokenDataArray::new(Vec::new(), false) }
    }

    /// Returns the choice among the tokens that `mask` allows, or among all; `logits` has one number for each token
    /// of the vocabulary. `None` means that nothing is allowed.
    pub fn choose(&mut self, logits: &[f32], mask: Option<&Mask>) -> Option<TokenId> {
        let Some(chain) = &mut self.chain else { return best(logits, mask) };
        let Self { candidates, .. } = self;
        candidates.data.clear();
        (candidates.selected, candidates.sorted) = (None, false);
        each_allowed(logits, mask, |token, logit| {
            candidates.data.push(LlamaTokenData::new(to_llama(token), logit, 0.0));
        });
        if candidates.data.is_empty() {
            return None;
        }
        // A list is in the order in which a walk found it; the same random number must mean the same token.
        if let Some(Mask::Allow(_)) = mask {
            candidates.data.sort_unstable_by_key(LlamaTokenData::id);
        }
        candidates.apply_sampler(chain);
        candidates.selected_token().and_then(|token| TokenId::try_from(token.0).ok())
    }
}

/// Tokens that are compared at once; whole blocks without a better one are passed over.
const BLOCK: usize = 64;

/// Returns the first of the most likely tokens.
fn best(logits: &[f32], mask: Option<&Mask>) -> Option<TokenId> {
    let mut best: Option<(TokenId, f32)> = None;
    let mut consider = |token: TokenId, logit: f32| {
        let wins = |(first, known)| logit > known || logit == known && token < first;
        if best.is_none_or(wins) {
            best = Some((token, logit));
        }
    };
    match mask {
        None => blocks(logits, |_| true, &mut consider),
        Some(Mask::Allow(tokens)) => {
            tokens.iter().for_each(|token| consider(*token, logits[*token as usize]));
        }
        Some(mask @ (Mask::Deny(_) | Mask::Bits(_))) => {
            blocks(logits, |token| mask.allows(token), &mut consider);
        }
    }
    best.map(|(token, _)| token)
}

/// Shows `consider` all tokens that could be the best of those that `allows` takes.
fn blocks(
    logits: &[f32],
    allows: impl Fn(TokenId) -> bool,
    consider: &mut impl FnMut(TokenId, f32),
) {
    let mut floor = f32::NEG_INFINITY;
    let mut is_first = true;
    for (block, first) in logits.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        // No branch, so that it is done with vectors.
        let highest = block.iter().fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
        if highest <= floor && !is_first {
            continue;
        }
        for (token, logit) in (first..).zip(block) {
            if (*logit > floor || is_first) && allows(token) {
                consider(token, *logit);
                floor = floor.max(*logit);
                is_first = false;
            }
        }
    }
}

/// Calls `each` with every allowed token and its logit.
fn each_allowed(logits: &[f32], mask: Option<&Mask>, mut each: impl FnMut(TokenId, f32)) {
    let mut all = |from: TokenId, to: TokenId| {
        let span = logits.get(from as usize..to as usize).unwrap_or_default();
        (from..).zip(span).for_each(|(token, logit)| each(token, *logit));
    };
    let end = TokenId::try_from(logits.len()).unwrap_or(TokenId::MAX);
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

    use super::{Sampler, Sampling, best, each_allowed};

    const LOGITS: [f32; 6] = [0.5, 2.0, 2.0, -1.0, 7.0, f32::NAN];

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
            each_allowed(&LOGITS, mask.as_ref(), |token, _| seen.push(token));
            assert_eq!(seen, expect, "{mask:?}");
        }
    }

    #[test]
    fn the_first_of_the_best_is_taken() {
        let found = masks().map(|(mask, _)| best(&LOGITS, mask.as_ref()));
        assert_eq!(found, [Some(4), Some(1), Some(1), Some(0), None]);
        assert_eq!(best(&[f32::NAN, f32::NEG_INFINITY], None), Some(0));
        assert_eq!(best(&[f32::NEG_INFINITY; 99], None), Some(0));
    }

    #[test]
    fn it_is_the_best_of_many() {
        let logits: Vec<f32> = (0..1000_u16).map(|at| f32::from(at % 7 * 97 + at % 89)).collect();
        let denied: Box<[u32]> = (0..900).filter(|token| token % 3 == 0).collect();
        let mask = Mask::Deny(denied);
        let slow = (0..1000_u32)
            .filter(|token| mask.allows(*token))
            .reduce(|a, b| if logits[b as usize] > logits[a as usize] { b } else { a });
        assert_eq!(best(&logits, Some(&mask)), slow);
    }

    #[test]
    fn chance_stays_inside_the_mask_and_has_a_seed() {
        let sampling = Sampling { temperature: 2.0, seed: 3, ..Sampling::default() };
        let logits = [0.1_f32, 0.2, 0.3, 0.4];
        let mask = Mask::Deny([1].into());
        let draw = || {
            let mut sampler = Sampler::new(&sampling);
            (0..50).map(|_| sampler.choose(&logits, Some(&mask)).unwrap()).collect::<Vec<_>>()
        };
        let drawn = draw();
        assert!(drawn.iter().all(|token| *token != 1) && drawn.contains(&0) && drawn.contains(&3));
        assert_eq!(drawn, draw());
        assert_eq!(Sampler::new(&sampling).choose(&logits, Some(&Mask::Allow([].into()))), None);
    }
}

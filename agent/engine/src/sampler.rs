//! How a token is picked from what is allowed: greedily, or by chance with a seed. It knows no grammar.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use serde::{Deserialize, Serialize};

/// How to sample. The default is greedy.
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
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 0 }
    }
}

/// Picks tokens one after the other.
#[derive(Debug)]
pub struct Sampler {
    chain: LlamaSampler,
}

impl Sampler {
    /// Returns a sampler at the beginning of its random sequence.
    #[must_use]
    pub fn new(sampling: &Sampling) -> Self {
        Self { chain: LlamaSampler::chain(steps(sampling), true) }
    }

    /// Returns the choice among all tokens after the last evaluation.
    pub fn any(&mut self, context: &LlamaContext<'_>) -> LlamaToken {
        self.chain.sample(context, -1)
    }

    /// Returns the choice among `candidates`, or `None` if there are none.
    pub fn among(&mut self, mut candidates: LlamaTokenDataArray) -> Option<LlamaToken> {
        if candidates.data.is_empty() {
            return None;
        }
        candidates.apply_sampler(&mut self.chain);
        candidates.selected_token()
    }
}

/// Returns the links of the chain, in llama.cpp's own order.
fn steps(sampling: &Sampling) -> Vec<LlamaSampler> {
    // NaN compares false and must not reach the division by the temperature.
    if sampling.temperature.is_nan() || sampling.temperature <= 0.0 {
        return vec![LlamaSampler::greedy()];
    }
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

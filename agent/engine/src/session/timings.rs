//! What a generation cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Tokens and times, named as in llama-server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Timings {
    /// Prompt tokens that were kept from before.
    pub cache_n: u64,
    /// Prompt tokens that were evaluated.
    pub prompt_n: u64,
    /// Milliseconds for them.
    pub prompt_ms: f64,
    /// Evaluated prompt tokens a second.
    pub prompt_per_second: f64,
    /// Tokens that were generated.
    pub predicted_n: u64,
    /// Milliseconds for them.
    pub predicted_ms: f64,
    /// Generated tokens a second.
    pub predicted_per_second: f64,
    /// Generated tokens that the grammar left no choice about; they were evaluated together with the one before.
    pub forced_n: u64,
    /// Generated tokens that were chosen among few, for which few logits were computed.
    pub narrow_n: u64,
    /// Tokens that were guessed, and evaluated together with the one before.
    pub draft_n: u64,
    /// Guessed tokens that the sampler then chose.
    pub draft_n_accepted: u64,
}

impl Timings {
    pub(super) fn of_prompt(kept: usize, evaluated: usize, time: Duration) -> Self {
        Self {
            cache_n: count(kept),
            prompt_n: count(evaluated),
            prompt_ms: millis(time),
            prompt_per_second: rate(evaluated, time),
            ..Self::default()
        }
    }

    /// Returns the cost of two generations, of which the second goes on behind the first.
    pub(crate) fn and(self, later: Self) -> Self {
        let ms = self.predicted_ms + later.predicted_ms;
        let tokens = self.predicted_n + later.predicted_n;
        let per_second = |n: u64, ms: f64| {
            let n = f64::from(u32::try_from(n).unwrap_or(u32::MAX));
            if ms > 0.0 { n * 1e3 / ms } else { 0.0 }
        };
        Self {
            predicted_n: tokens,
            predicted_ms: ms,
            predicted_per_second: per_second(tokens, ms),
            forced_n: self.forced_n + later.forced_n,
            narrow_n: self.narrow_n + later.narrow_n,
            draft_n: self.draft_n + later.draft_n,
            draft_n_accepted: self.draft_n_accepted + later.draft_n_accepted,
            ..self
        }
    }

    pub(super) fn predicted(&mut self, tokens: usize, time: Duration) {
        self.predicted_n = count(tokens);
        self.predicted_ms = millis(time);
        self.predicted_per_second = rate(tokens, time);
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn rate(n: usize, time: Duration) -> f64 {
    match time.as_secs_f64() {
        seconds if n > 0 && seconds > 0.0 => {
            f64::from(u32::try_from(n).unwrap_or(u32::MAX)) / seconds
        }
        _ => 0.0,
    }
}

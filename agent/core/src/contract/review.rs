//! What a review is asked, and how often it may send work back.

use serde::{Deserialize, Serialize};

use super::ContractError;

/// Criteria of a contract. Each stands in the prompt of a review, and is answered by a call of its own.
pub const MAX_CRITERIA: usize = 50;
/// The bytes of one.
pub const MAX_CRITERION: usize = 1000;
/// Work is sent back so often at most.
pub const MAX_ROUNDS: u32 = 100;

/// What a review is asked after the checks.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Review {
    /// One question each.
    pub criteria: Vec<String>,
    /// How often work is sent back at most.
    pub rounds: u32,
}

impl Default for Review {
    fn default() -> Self {
        Self { criteria: Vec::new(), rounds: 3 }
    }
}

pub(super) fn validate(review: &Review) -> Result<(), ContractError> {
    if review.criteria.len() > MAX_CRITERIA {
        return Err(ContractError::Criteria(review.criteria.len()));
    }
    if review.rounds > MAX_ROUNDS {
        return Err(ContractError::Rounds(review.rounds));
    }
    for (at, text) in review.criteria.iter().enumerate() {
        let reason = if text.trim().is_empty() {
            "says nothing"
        } else if text.len() > MAX_CRITERION {
            "is longer than 1000 bytes"
        } else if text.contains(char::is_control) {
            "has a control character"
        } else {
            continue;
        };
        return Err(ContractError::Criterion { number: at + 1, reason });
    }
    Ok(())
}

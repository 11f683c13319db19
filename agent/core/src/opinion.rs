//! What a review says. It is a claim: it can send work back, and it decides nothing.

use serde::{Deserialize, Serialize};

/// What a worker says of a change.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Opinion {
    /// The criteria that it answered, in the order of its answers.
    pub answers: Vec<Answered>,
    /// What must be different.
    pub findings: Vec<Finding>,
    /// Its last word.
    pub summary: String,
}

/// An answer to one criterion.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Answered {
    /// Its number in the contract, counted from 1.
    pub criterion: usize,
    /// Whether it is met.
    pub met: bool,
    /// The id of the evidence that is cited.
    pub evidence: String,
    /// Why.
    pub why: String,
}

/// A change that is asked for.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line, counted from 1.
    pub line: u64,
    /// What must be different there.
    pub what: String,
}

impl Opinion {
    /// Returns the first criterion of so many that has no answer.
    #[must_use]
    pub fn unanswered(&self, criteria: usize) -> Option<usize> {
        (1..=criteria).find(|number| self.answers.iter().all(|answer| answer.criterion != *number))
    }

    /// Returns whether all of so many criteria are met and nothing is asked for.
    #[must_use]
    pub fn approves(&self, criteria: usize) -> bool {
        self.unanswered(criteria).is_none() && self.fixes(&[]).is_empty()
    }

    /// Returns what must be mended, each in a sentence for whoever mends it.
    #[must_use]
    pub fn fixes(&self, criteria: &[String]) -> Vec<String> {
        let unmet = self.answers.iter().filter(|answer| !answer.met).map(|answer| {
            let text = criteria.get(answer.criterion.wrapping_sub(1));
            let text =
                text.map_or_else(|| answer.criterion.to_string(), |text| format!("`{text}`"));
            format!("criterion {text} is not met: {}", answer.why)
        });
        let findings = self.findings.iter();
        let findings =
            findings.map(|found| format!("{}:{}: {}", found.path, found.line, found.what));
        unmet.chain(findings).collect()
    }
}

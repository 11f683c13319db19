//! The contract held against the evidence. The verdict comes from here and from nowhere else.

mod commands;
mod done;
mod guard;
mod scope;
mod size;

use serde::{Deserialize, Serialize};

use crate::contract::Contract;
use crate::evidence::Evidence;

/// One way in which a result breaks its contract.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Violation {
    /// The check that found it, such as `scope`.
    pub rule: String,
    /// The path or the command it is about.
    pub subject: String,
    /// What is wrong, with the numbers.
    pub message: String,
    /// The ids of the evidence that shows it. What is missing, or a sum over all changes, has none.
    #[serde(default)]
    pub evidence: Vec<String>,
}

type Find = fn(&Contract, &Evidence, &mut Vec<Violation>);

/// Every check there is.
const CHECKS: &[Find] = &[done::find, scope::find, size::find, guard::find, commands::find];

/// Returns everything in which `evidence` breaks `contract`; nothing means that it holds.
#[must_use]
pub fn violations(contract: &Contract, evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for find in CHECKS {
        find(contract, evidence, &mut found);
    }
    found
}

impl Violation {
    fn new(rule: &str, subject: &str, message: String) -> Self {
        let evidence = Vec::new();
        Self { rule: rule.to_owned(), subject: subject.to_owned(), message, evidence }
    }

    fn citing(mut self, id: String) -> Self {
        self.evidence.push(id);
        self
    }
}

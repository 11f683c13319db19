//! Every required command must have been run by us and must have passed.

use super::Violation;
use crate::contract::Contract;
use crate::evidence::Evidence;

pub(super) fn find(contract: &Contract, evidence: &Evidence, found: &mut Vec<Violation>) {
    for check in &contract.checks {
        // The last run counts: a fix round may repair what failed before.
        let message = match evidence.checks.iter().rfind(|run| run.name == check.name) {
            Some(run) if run.passed() => continue,
            Some(run) => format!("`{}`: {}", check.run.join(" "), run.end),
            None => format!("`{}` was not run", check.run.join(" ")),
        };
        found.push(Violation::new("command", &check.name, message));
    }
}

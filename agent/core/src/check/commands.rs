//! Every required command must have been run by us and must have ended as the contract wants it.

use super::Violation;
use crate::contract::Contract;
use crate::evidence::{CheckRun, Evidence};

pub(super) fn find(contract: &Contract, evidence: &Evidence, found: &mut Vec<Violation>) {
    for check in &contract.checks {
        let command = check.run.join(" ");
        // The last run counts: a fix round may repair what failed before.
        match evidence.checks.iter().rfind(|run| run.name == check.name) {
            // What the run says of itself does not decide.
            Some(run) if run.end.satisfies(check) => {}
            Some(run) => {
                let failed = CheckRun { passed: false, ..run.clone() };
                let message = format!("`{command}`: {}", failed.result());
                found.push(Violation::new("command", &check.name, message).citing(run.id()));
            }
            None => {
                let message = format!("`{command}` was not run");
                found.push(Violation::new("command", &check.name, message));
            }
        }
    }
}

//! The diff must not be larger than allowed.

use super::Violation;
use crate::contract::Contract;
use crate::evidence::Evidence;

pub(super) fn find(contract: &Contract, evidence: &Evidence, found: &mut Vec<Violation>) {
    let Some(limit) = contract.scope.max_changed_lines else { return };
    let lines =
        |change: &crate::change::Change| u64::from(change.added) + u64::from(change.removed);
    let total: u64 = evidence.changes.iter().map(lines).sum();
    if total > u64::from(limit) {
        let message = format!("{total} lines changed, {limit} at most are allowed");
        found.push(Violation::new("size", "diff", message));
    }
}

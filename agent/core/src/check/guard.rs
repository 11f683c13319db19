//! Guarded lines must not go, or not come, as each guard has it.

use super::Violation;
use crate::contract::{Contract, Deny};
use crate::evidence::Evidence;

pub(super) fn find(contract: &Contract, evidence: &Evidence, found: &mut Vec<Violation>) {
    for guarded in &evidence.guarded {
        let guard = contract.guards.iter().find(|guard| guard.name == guarded.guard);
        for deny in guard.iter().flat_map(|guard| &guard.deny) {
            let (count, sign, deed) = match deny {
                Deny::Removed => (guarded.removed, '-', "gone"),
                Deny::Added => (guarded.added, '+', "new"),
            };
            if count == 0 {
                continue;
            }
            let first = guarded.lines.iter().find(|line| line.starts_with(sign));
            let shown = first.map(|line| format!(", such as `{}`", line[1..].trim()));
            let lines = if count == 1 { "line is" } else { "lines are" };
            let message = format!(
                "`{}`: {count} guarded {lines} {deed}{}",
                guarded.guard,
                shown.unwrap_or_default()
            );
            found.push(Violation::new("guard", &guarded.path, message).citing(guarded.id()));
        }
    }
}

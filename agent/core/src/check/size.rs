//! No more may change than allowed: lines, bytes, files, new files, files that go.

use std::collections::BTreeSet;

use super::Violation;
use crate::change::{Change, ChangeKind};
use crate::contract::Contract;
use crate::evidence::Evidence;

pub(super) fn find(contract: &Contract, evidence: &Evidence, found: &mut Vec<Violation>) {
    let (size, changes) = (&contract.scope.size, &evidence.changes);
    let lines = |change: &Change| u64::from(change.added) + u64::from(change.removed);
    // A path may differ in content and in mode.
    let paths = changes.iter().map(|change| change.path.as_str()).collect::<BTreeSet<_>>();
    let of = |kind| changes.iter().filter(|change| change.kind == kind).count();
    let measured = [
        ("line", "changed", size.lines, changes.iter().map(lines).sum()),
        ("byte", "changed", size.bytes, changes.iter().map(|change| change.bytes).sum()),
        ("file", "changed", size.files, count(paths.len())),
        ("file", "new", size.new, count(of(ChangeKind::Added))),
        ("file", "deleted", size.deleted, count(of(ChangeKind::Deleted))),
    ];
    for (what, deed, limit, total) in measured {
        let Some(limit) = limit.filter(|limit| total > *limit) else { continue };
        let plural = if total == 1 { "" } else { "s" };
        let message = format!("{total} {what}{plural} {deed}, {limit} at most are allowed");
        found.push(Violation::new("size", "diff", message));
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

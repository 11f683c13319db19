//! Every path that changed must be one that may change, in that way.

use super::Violation;
use crate::change::{Change, ChangeKind};
use crate::contract::{Contract, Scope};
use crate::evidence::Evidence;

pub(super) fn find(contract: &Contract, evidence: &Evidence, found: &mut Vec<Violation>) {
    for change in &evidence.changes {
        if let Some(message) = objection(&contract.scope, change) {
            found.push(Violation::new("scope", &change.path, message));
        }
    }
}

fn objection(scope: &Scope, change: &Change) -> Option<String> {
    let path = change.path.as_str();
    if scope.forbids(path) {
        return Some(format!("is forbidden, but was {}", past(change.kind)));
    }
    let allowed = match change.kind {
        ChangeKind::Added => scope.may_create(path),
        ChangeKind::Modified => scope.may_write(path),
        ChangeKind::Deleted => scope.may_delete(path),
        // A mode or a type is never part of an edit; a script bit or a link can act outside the tree.
        ChangeKind::Mode | ChangeKind::Type => false,
    };
    if !allowed {
        return Some(format!("was {}, which the contract does not allow", past(change.kind)));
    }
    (!change.regular && change.kind != ChangeKind::Deleted).then(|| "is no regular file".to_owned())
}

fn past(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "created",
        ChangeKind::Modified => "changed",
        ChangeKind::Deleted => "deleted",
        ChangeKind::Mode => "given another mode",
        ChangeKind::Type => "turned into another kind of file",
    }
}

//! Every path that changed must be one that may change, in that way.

use super::Violation;
use crate::change::{Change, ChangeKind};
use crate::contract::{Contract, Deed, Objection, Scope};
use crate::evidence::Evidence;

pub(super) fn find(contract: &Contract, evidence: &Evidence, found: &mut Vec<Violation>) {
    for change in &evidence.changes {
        if let Some(message) = objection(&contract.scope, change) {
            found.push(Violation::new("scope", &change.path, message).citing(change.id()));
        }
    }
}

fn objection(scope: &Scope, change: &Change) -> Option<String> {
    let path = change.path.as_str();
    let past = past(change.kind);
    if scope.forbids(path) {
        return Some(format!("is forbidden, but was {past}"));
    }
    let objection = match change.kind {
        ChangeKind::Added => scope.objection(Deed::Create, path),
        ChangeKind::Modified => scope.objection(Deed::Write, path),
        ChangeKind::Deleted => scope.objection(Deed::Delete, path),
        // A mode or a type is never part of an edit; a script bit or a link can act outside the tree.
        ChangeKind::Mode | ChangeKind::Type => Some(Objection::Unlisted),
    };
    if let Some(objection) = objection {
        return Some(format!("was {past}, {objection}"));
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

//! A job that changed nothing was not done, whatever the worker says.

use super::Violation;
use crate::contract::Contract;
use crate::evidence::Evidence;

pub(super) fn find(_: &Contract, evidence: &Evidence, found: &mut Vec<Violation>) {
    if evidence.changes.is_empty() {
        found.push(Violation::new("done", "workspace", "nothing was changed".to_owned()));
    }
}

//! What a model without a passing card may do alone: a small part of what its contract allows.

use thiserror::Error;

use crate::contract::{Class, ContractFile};

/// Files that may differ.
pub const FILES: u32 = 3;
/// Lines that may come and go, together.
pub const LINES: u32 = 100;
/// The bytes of these lines: some 160 each, or a line could be a book.
pub const BYTES: u64 = 16 << 10;

/// Why a contract cannot be made narrow: what is not allowed at all would be its point.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum TooWide {
    /// Files may go.
    #[error("the contract lets files go")]
    Deletes,
    /// Files that run later, outside of the sandbox, may change.
    #[error("the contract opens {}, which run later outside of the sandbox", .0.name())]
    Sensitive(Class),
}

/// Narrows `contract`: a limit can only become lower.
///
/// # Errors
///
/// [`TooWide`], and `contract` is as it was.
pub fn narrow(contract: &mut ContractFile) -> Result<(), TooWide> {
    let scope = &mut contract.scope;
    if let Some(class) = scope.sensitive.first() {
        return Err(TooWide::Sensitive(*class));
    }
    if !scope.delete.is_empty() {
        return Err(TooWide::Deletes);
    }
    lower(&mut scope.max_changed_files, FILES);
    lower(&mut scope.max_changed_lines, LINES);
    lower(&mut scope.max_changed_bytes, BYTES);
    Ok(())
}

fn lower<N: Ord + Copy>(limit: &mut Option<N>, most: N) {
    *limit = Some(limit.map_or(most, |own| own.min(most)));
}

//! What really changed in the workspace, measured by us.

use serde::{Deserialize, Serialize};

/// How one path differs from the base.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// Its content differs.
    Modified,
    /// It is gone.
    Deleted,
    /// Its mode differs, such as the executable bit.
    Mode,
    /// It turned into another kind of thing, such as a symbolic link.
    Type,
}

/// One path that differs from the base.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Change {
    /// The path, with bytes that are no text escaped as `\xNN`.
    pub path: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// Whether it is now a regular file; links, sockets and the like are not.
    pub regular: bool,
    /// Lines that are new.
    pub added: u32,
    /// Lines that are gone.
    pub removed: u32,
}

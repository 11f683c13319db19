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
#[serde(from = "Wire", into = "Wire")]
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
    /// The bytes of these lines.
    pub bytes: u64,
}

impl Change {
    /// Returns what it is cited by: the same for the same change, in every report.
    #[must_use]
    pub fn id(&self) -> String {
        format!("change:{}:{}", self.kind.name(), self.path)
    }
}

impl ChangeKind {
    /// Returns the name that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::Mode => "mode",
            Self::Type => "type",
        }
    }
}

/// [`Change`] as a report has it.
#[derive(Deserialize, Serialize)]
struct Wire {
    #[serde(default)]
    id: String,
    path: String,
    kind: ChangeKind,
    regular: bool,
    added: u32,
    removed: u32,
    #[serde(default)]
    bytes: u64,
}

impl From<Change> for Wire {
    fn from(change: Change) -> Self {
        let id = change.id();
        let Change { path, kind, regular, added, removed, bytes } = change;
        Self { id, path, kind, regular, added, removed, bytes }
    }
}

impl From<Wire> for Change {
    fn from(wire: Wire) -> Self {
        let Wire { id: _, path, kind, regular, added, removed, bytes } = wire;
        Self { path, kind, regular, added, removed, bytes }
    }
}

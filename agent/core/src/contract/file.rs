//! The contract as a TOML file has it: the wire form.

use serde::{Deserialize, Serialize};

use super::{Check, Class, Gates, GuardFile, Limits, Review};

/// The contract as a file has it: the wire form, in TOML.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ContractFile {
    /// What is to be done.
    #[serde(default)]
    pub goal: String,
    /// Which paths may change.
    #[serde(default)]
    pub scope: ScopeFile,
    /// Lines that may not go, or not come.
    #[serde(default, rename = "guard")]
    pub guards: Vec<GuardFile>,
    /// Commands that must pass.
    #[serde(default, rename = "check")]
    pub checks: Vec<Check>,
    /// What a review is asked, where one is wanted, if only by an empty table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// What must hold commands at least.
    #[serde(default)]
    pub sandbox: SandboxFile,
    /// When to stop.
    #[serde(default)]
    pub limits: Limits,
    /// Which gates are on.
    #[serde(default)]
    pub gates: Gates,
}

/// The `[sandbox]` table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxFile {
    /// The weakest tier that a command may run in: 1 for namespaces of its own, 2 for Landlock and seccomp alone.
    /// Where none is said, it is 1 unless somebody looks on.
    pub tier: Option<u8>,
}

impl SandboxFile {
    /// Returns the weakest tier that a command may run in: what is written down binds an attended run too.
    #[must_use]
    pub fn weakest(self, attended: bool) -> u8 {
        self.tier.unwrap_or(if attended { 2 } else { 1 })
    }
}

/// The `[scope]` table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeFile {
    /// Globs of files that may change.
    pub write: Vec<String>,
    /// Files that may appear, exactly so spelt; globs are allowed too.
    pub create: Vec<String>,
    /// Globs of files that may go.
    pub delete: Vec<String>,
    /// Globs that win over all others.
    pub forbid: Vec<String>,
    /// Classes of files: no other file may be touched.
    pub only: Vec<Class>,
    /// Classes of files that may not be touched.
    pub frozen: Vec<Class>,
    /// Classes of files that run later, and may be touched all the same.
    pub sensitive: Vec<Class>,
    /// Globs and classes of files that commands see as they were at the base.
    pub protect: Vec<String>,
    /// Files with secrets that tools may read, exactly so spelt.
    pub reveal: Vec<String>,
    /// Added and removed lines together.
    pub max_changed_lines: Option<u32>,
    /// The bytes of these lines.
    pub max_changed_bytes: Option<u64>,
    /// Files that differ, in whatever way.
    pub max_changed_files: Option<u32>,
    /// Files that appear.
    pub max_new_files: Option<u32>,
    /// Files that go.
    pub max_deleted_files: Option<u32>,
}

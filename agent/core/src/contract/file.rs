//! The contract as a TOML file has it: the wire form.

use serde::{Deserialize, Serialize};

use super::{Check, Gates, Limits, Review};

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
    /// Commands that must pass.
    #[serde(default, rename = "check")]
    pub checks: Vec<Check>,
    /// What a judge is asked, where one is asked for, if only by an empty table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// When to stop.
    #[serde(default)]
    pub limits: Limits,
    /// Which gates are on.
    #[serde(default)]
    pub gates: Gates,
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
    /// Added and removed lines together.
    pub max_changed_lines: Option<u32>,
}

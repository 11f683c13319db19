//! The names by which models are known on this machine: one small file, written by `models add` and `models pull`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::dir::{DiskError, locked, write_file};
use crate::config::{ConfigError, read_table};

/// The file in the folder of models.
const FILE: &str = "models.toml";

/// What is known of a model besides its name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its file, the first of several.
    pub path: PathBuf,
    /// The SHA-256 of each of its files, by their name.
    #[serde(default)]
    pub sha256: BTreeMap<String, String>,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Why a name was not given.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// It is no name.
    #[error("`{0}` is no name of a model: letters, digits, `-`, `_` and `.` are, 64 at most")]
    Name(String),
    /// The name means another file.
    #[error("the name {name} is given to {} already", path.display())]
    Taken {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// The file cannot be written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Returns all names with what they mean.
///
/// # Errors
///
/// [`RegistryError::File`]; no file is no error.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Entry>, RegistryError> {
    Ok(read_table(&folder.join(FILE))?)
}

/// Gives `entry` the name `name`. A name that means another file is only given anew where `replace` says so.
///
/// # Errors
///
/// [`RegistryError`].
pub fn add(folder: &Path, name: &str, entry: Entry, replace: Replace) -> Result<(), RegistryError> {
    check_name(name)?;
    // Two at the same moment: the second one reads what the first one wrote.
    let _held = locked(&folder.join("names.lock"))?;
    check_free(folder, name, &entry.path, replace)?;
    let mut all = read(folder)?;
    all.insert(name.to_owned(), entry);
    let text = toml::to_string(&all).expect("texts and tables of them are TOML");
    Ok(write_file(folder, FILE, text.as_bytes())?)
}

/// Says so when `name` cannot be given to the file at `path`.
///
/// # Errors
///
/// [`RegistryError::Taken`].
pub fn check_free(
    folder: &Path,
    name: &str,
    path: &Path,
    replace: Replace,
) -> Result<(), RegistryError> {
    match (read(folder)?.remove(name), replace) {
        (Some(known), Replace::Deny) if known.path != path => {
            Err(RegistryError::Taken { name: name.to_owned(), path: known.path })
        }
        (_, Replace::Allow | Replace::Deny) => Ok(()),
    }
}

/// What happens to a name that means another file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replace {
    /// It is given anew.
    Allow,
    /// It stays.
    Deny,
}

/// Says so when `name` is none.
///
/// # Errors
///
/// [`RegistryError::Name`].
pub fn check_name(name: &str) -> Result<(), RegistryError> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // What ends so is a path wherever a model is asked for.
    let is_path = name.to_ascii_lowercase().ends_with(".gguf");
    let is_name = (1..=64).contains(&name.len()) && name.chars().all(known);
    if is_name && !is_path && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(RegistryError::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn name(text: &str, expect: bool) {
        assert_eq!(check_name(text).is_ok(), expect, "{text}");
    }

    #[test]
    fn a_name_is_no_path() {
        name("qwen3-32b_q4.1", true);
        name(&"x".repeat(64), true);
        name(&"x".repeat(65), false);
        for wrong in ["", "a/b", ".a", "-a", "a b", "a.gguf", "A.GGUF", "ä", "a\n"] {
            name(wrong, false);
        }
    }

    #[test]
    fn a_name_is_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |path: &str| Entry { path: path.into(), sha256: BTreeMap::new(), from: None };
        add(folder.path(), "a", entry("/a"), Replace::Deny).unwrap();
        add(folder.path(), "a", entry("/a"), Replace::Deny).unwrap();
        let err = add(folder.path(), "a", entry("/b"), Replace::Deny).unwrap_err();
        assert_eq!(err.to_string(), "the name a is given to /a already");
        add(folder.path(), "a", entry("/b"), Replace::Allow).unwrap();
        assert_eq!(read(folder.path()).unwrap()["a"], entry("/b"));
    }

    #[test]
    fn names_that_are_given_at_the_same_time_all_stay() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |name: &str| Entry { path: name.into(), sha256: BTreeMap::new(), from: None };
        std::thread::scope(|scope| {
            for at in 0..8 {
                let (folder, name) = (folder.path(), format!("m{at}"));
                scope.spawn(move || add(folder, &name, entry(&name), Replace::Deny).unwrap());
            }
        });
        assert_eq!(read(folder.path()).unwrap().len(), 8);
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "[a]\npath = 'x'\nsize = 1").unwrap();
        let err = read(folder.path()).unwrap_err().to_string();
        assert!(err.contains("models.toml, line 3: unknown field `size`"), "{err}");
    }
}

//! The lock file of models: what a name meant when it was pinned, and whether it still does.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use chargehand_core::seal::{self, Seal};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::dir::{DiskError, locked, write_file};
use crate::config::{ConfigError, read_table};

/// What a model was when it was pinned.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Its file, the first of several.
    pub path: PathBuf,
    /// The SHA-256 of each of its files, by their name.
    pub sha256: BTreeMap<String, String>,
    /// The SHA-256 of its chat template; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The version of llama.cpp that it was pinned with.
    pub llama_cpp: String,
    /// Its files as they lay on the disk: while they lie so, nothing has to be hashed.
    pub seals: Vec<Seal>,
}

/// Why a pin was not read, or not written.
#[derive(Debug, Error)]
pub enum PinError {
    /// The lock file cannot be read.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// It cannot be written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// In which way a model is not what was pinned.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Differs {
    /// Its chat template is another.
    #[error("its chat template is another")]
    Template,
    /// This program has another llama.cpp.
    #[error("it was pinned with llama.cpp {pinned} and this is {found}")]
    Llama {
        /// The version at that time.
        pinned: String,
        /// The version now.
        found: String,
    },
    /// It is split over other files.
    #[error("it consists of other files")]
    Files,
    /// A file has another content.
    #[error("{name} has the SHA-256 {found} and not {pinned}")]
    Content {
        /// The file.
        name: String,
        /// What it had.
        pinned: String,
        /// What it has.
        found: String,
    },
}

impl Pin {
    /// Returns how the files, the template or the program differ from what was pinned. The `found` seals are compared
    /// first; `hash` is only asked where they differ.
    ///
    /// # Errors
    ///
    /// Whatever `hash` says.
    pub fn differs<E>(
        &self,
        found: &Pin,
        hash: impl FnOnce() -> Result<BTreeMap<String, String>, E>,
    ) -> Result<Option<Differs>, E> {
        if self.llama_cpp != found.llama_cpp {
            let (pinned, found) = (self.llama_cpp.clone(), found.llama_cpp.clone());
            return Ok(Some(Differs::Llama { pinned, found }));
        }
        if self.template != found.template {
            return Ok(Some(Differs::Template));
        }
        if seal::are_untouched(&found.seals, &self.seals) {
            return Ok(None);
        }
        let hashes = hash()?;
        if !self.sha256.keys().eq(hashes.keys()) {
            return Ok(Some(Differs::Files));
        }
        let other = self.sha256.iter().find(|(name, pinned)| hashes[*name] != **pinned);
        Ok(other.map(|(name, pinned)| {
            let (name, pinned) = (name.clone(), pinned.clone());
            let found = hashes[&name].clone();
            Differs::Content { name, pinned, found }
        }))
    }
}

/// Returns all pins by their name.
///
/// # Errors
///
/// [`PinError::File`]; no file is no error.
pub fn read(lock: &Path) -> Result<BTreeMap<String, Pin>, PinError> {
    Ok(read_table(lock)?)
}

/// Changes the pins, which nobody else does meanwhile. Where `change` fails they stay as they were.
///
/// # Errors
///
/// [`PinError`], or what `change` says.
pub fn change<E: From<PinError>>(
    lock: &Path,
    change: impl FnOnce(&mut BTreeMap<String, Pin>) -> Result<(), E>,
) -> Result<(), E> {
    let _held = hold(lock).map_err(PinError::from)?;
    let mut pins = read(lock)?;
    change(&mut pins)?;
    Ok(write(lock, &pins)?)
}

/// Keeps others from changing the pins at `lock`, which is itself replaced as a whole and so cannot be locked.
fn hold(lock: &Path) -> Result<File, DiskError> {
    locked(&lock.with_extension("lock.held"))
}

fn write(lock: &Path, pins: &BTreeMap<String, Pin>) -> Result<(), PinError> {
    let text = toml::to_string(pins).expect("texts, numbers and tables of them are TOML");
    let (folder, name) = (lock.parent().unwrap_or(Path::new("/")), lock.file_name());
    let name = name.unwrap_or_default().to_string_lossy();
    Ok(write_file(folder, &name, text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(seal: u64, sha256: &[(&str, &str)]) -> Pin {
        let seal = Seal { device: 1, inode: seal, bytes: 3, modified: 4, changed: 5 };
        let owned = |(name, hash): &(&str, &str)| ((*name).to_owned(), (*hash).to_owned());
        Pin {
            path: "/m.gguf".into(),
            sha256: sha256.iter().map(owned).collect(),
            template: Some("t".to_owned()),
            llama_cpp: "1".to_owned(),
            seals: vec![seal],
        }
    }

    #[track_caller]
    fn check(found: &Pin, hashes: Option<&[(&str, &str)]>, expect: Option<&str>) {
        let hash = || hashes.map(|hashes| pin(0, hashes).sha256).ok_or("nothing is hashed");
        let differs = pin(1, &[("m", "aa")]).differs(found, hash).unwrap();
        assert_eq!(differs.map(|differs| differs.to_string()).as_deref(), expect);
    }

    #[test]
    fn what_lies_as_it_lay_is_not_hashed() {
        check(&pin(1, &[]), None, None);
        let llama = Pin { llama_cpp: "2".to_owned(), ..pin(1, &[]) };
        check(&llama, None, Some("it was pinned with llama.cpp 1 and this is 2"));
        check(&Pin { template: None, ..pin(1, &[]) }, None, Some("its chat template is another"));
    }

    #[test]
    fn what_was_moved_is_hashed() {
        check(&pin(2, &[]), Some(&[("m", "aa")]), None);
        check(&pin(2, &[]), Some(&[("m", "bb")]), Some("m has the SHA-256 bb and not aa"));
        check(&pin(2, &[]), Some(&[("n", "aa")]), Some("it consists of other files"));
        check(&pin(2, &[]), Some(&[]), Some("it consists of other files"));
    }

    #[test]
    fn pins_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("a/models.lock");
        assert!(read(&lock).unwrap().is_empty());
        let pins = BTreeMap::from([("a".to_owned(), pin(1, &[("m.gguf", "aa")]))]);
        let put = |all: &mut BTreeMap<_, _>| {
            all.clone_from(&pins);
            Ok::<_, PinError>(())
        };
        change(&lock, put).unwrap();
        assert_eq!(read(&lock).unwrap(), pins);
    }

    #[test]
    fn pins_that_are_made_at_the_same_time_all_stay() {
        let folder = tempfile::tempdir().unwrap();
        let lock = &folder.path().join("models.lock");
        std::thread::scope(|scope| {
            for at in 0..8 {
                scope.spawn(move || {
                    let put = |all: &mut BTreeMap<_, _>| {
                        all.insert(format!("m{at}"), pin(at, &[]));
                        Ok::<_, PinError>(())
                    };
                    change(lock, put).unwrap();
                });
            }
        });
        assert_eq!(read(lock).unwrap().len(), 8);
    }
}

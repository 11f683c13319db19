//! Which commands a user has allowed for good: exactly these, in exactly this repository.
//!
//! One file a repository, in the state folder, where no worker and no repository writes.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::dir::{DiskError, Tried, hex, write_file};
use super::path_text::escape;

/// The version of the form of a file.
const SCHEMA: u32 = 1;
/// The folder in the state folder.
const FOLDER: &str = "approvals";

/// What is allowed in one repository.
#[derive(Clone, Debug)]
pub struct Approvals {
    folder: PathBuf,
    /// The top of the repository, as text.
    repo: String,
}

/// A file of them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    schema: u32,
    /// The top of the repository, as text.
    pub repo: String,
    /// Program and arguments of each.
    pub commands: Vec<Vec<String>>,
}

impl Approvals {
    /// Returns those of the repository at `repo`, kept under `state`.
    #[must_use]
    pub fn of(state: &Path, repo: &Path) -> Self {
        let repo = escape(OsStr::as_bytes(repo.as_os_str()));
        Self { folder: state.join(FOLDER), repo }
    }

    /// Returns the repository, as text.
    #[must_use]
    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// Returns whether exactly `command` is allowed. A file that cannot be read allows nothing.
    #[must_use]
    pub fn has(&self, command: &[String]) -> bool {
        self.read().commands.iter().any(|known| known == command)
    }

    /// Allows exactly `command` from now on.
    ///
    /// # Errors
    ///
    /// [`DiskError`]; then nothing is different from before.
    pub fn remember(&self, command: &[String]) -> Result<(), DiskError> {
        self.change(|known| {
            if !known.iter().any(|known| known == command) {
                known.push(command.to_vec());
            }
        })
    }

    /// Allows none of `commands` from now on.
    ///
    /// # Errors
    ///
    /// As [`Approvals::remember`].
    pub fn forget(&self, commands: &[Vec<String>]) -> Result<(), DiskError> {
        self.change(|known| known.retain(|known| !commands.contains(known)))
    }

    /// Returns what is allowed, which is nothing where the file is another repository's.
    #[must_use]
    pub fn read(&self) -> Page {
        let found = read(&self.folder.join(name(&self.repo)));
        let ours = found.filter(|page| page.repo == self.repo);
        ours.unwrap_or_else(|| Page {
            schema: SCHEMA,
            repo: self.repo.clone(),
            commands: Vec::new(),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Vec<String>>)) -> Result<(), DiskError> {
        let what = || format!("cannot write {}", self.folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).tried(what)?;
        let lock = File::create(self.folder.join("lock")).tried(what)?;
        lock.lock().tried(what)?;
        let mut page = self.read();
        change(&mut page.commands);
        let text = serde_json::to_string_pretty(&page).expect("our own types have text keys only");
        write_file(&self.folder, &name(&self.repo), (text + "\n").as_bytes())
    }
}

/// Returns what is allowed in each repository that has anything, by its path.
#[must_use]
pub fn all(state: &Path) -> Vec<Page> {
    let entries = fs::read_dir(state.join(FOLDER)).into_iter().flatten().flatten();
    // A file in the place of another repository allows nothing, so it is not shown either.
    let own = |path: &Path, page: &Page| path.file_name() == Some(OsStr::new(&name(&page.repo)));
    let pages = entries.filter_map(|entry| {
        let path = entry.path();
        read(&path).filter(|page| own(&path, page) && !page.commands.is_empty())
    });
    let mut pages: Vec<Page> = pages.collect();
    pages.sort_by(|one, other| one.repo.cmp(&other.repo));
    pages
}

fn read(path: &Path) -> Option<Page> {
    let text = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).ok().filter(|page: &Page| page.schema == SCHEMA)
}

fn name(repo: &str) -> String {
    format!("{}.json", hex(&Sha256::digest(repo)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn only_what_was_allowed_is_allowed_and_only_there() {
        let state = tempfile::tempdir().unwrap();
        let here = Approvals::of(state.path(), Path::new("/repo"));
        let there = Approvals::of(state.path(), Path::new("/repo2"));
        let allowed = command(&["cargo", "tree -e"]);
        assert!(!here.has(&allowed));
        here.remember(&allowed).unwrap();
        here.remember(&allowed).unwrap();
        here.remember(&command(&["a"])).unwrap();
        assert!(here.has(&allowed) && here.has(&command(&["a"])) && !there.has(&allowed));
        let others: [&[&str]; 5] = [
            &["cargo", "tree", "-e"],
            &["cargo"],
            &["cargo", "tree -e", ""],
            &["cargo", "tree -e "],
            &["cargo", "tree \u{2d0}e"],
        ];
        for other in others {
            assert!(!here.has(&command(other)), "{other:?}");
        }
        // Moved to the place of another repository, a file says nothing.
        let place = |approvals: &Approvals| approvals.folder.join(name(&approvals.repo));
        assert_eq!(all(state.path()).len(), 1);
        fs::rename(place(&here), place(&there)).unwrap();
        assert!(!there.has(&allowed) && !here.has(&allowed) && all(state.path()).is_empty());
        fs::write(place(&here), "{").unwrap();
        assert!(!here.has(&allowed));
    }

    #[test]
    fn what_is_forgotten_is_not_allowed_and_the_rest_is() {
        let state = tempfile::tempdir().unwrap();
        let here = Approvals::of(state.path(), Path::new("/repo"));
        let (one, other) = (command(&["a", "b"]), command(&["a"]));
        here.remember(&one).unwrap();
        here.remember(&other).unwrap();
        here.forget(&[command(&["b"]), one.clone()]).unwrap();
        assert!(!here.has(&one) && here.has(&other));
        here.forget(std::slice::from_ref(&other)).unwrap();
        assert!(!here.has(&other) && all(state.path()).is_empty());
    }
}

//! Which commands a user has allowed for good: exactly these, in exactly this repository.
//!
//! One file a repository, in the state folder, where no worker and no repository writes. To forget, delete the file, or
//! a line of it.

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
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Page {
    schema: u32,
    repo: String,
    /// Program and arguments of each.
    commands: Vec<Vec<String>>,
}

impl Approvals {
    /// Returns those of the repository at `repo`, kept under `state`.
    #[must_use]
    pub fn of(state: &Path, repo: &Path) -> Self {
        let repo = escape(OsStr::as_bytes(repo.as_os_str()));
        Self { folder: state.join(FOLDER), repo }
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
        let what = || format!("cannot write {}", self.folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).tried(what)?;
        let lock = File::create(self.folder.join("lock")).tried(what)?;
        lock.lock().tried(what)?;
        let mut page = self.read();
        if !page.commands.iter().any(|known| known == command) {
            page.commands.push(command.to_vec());
        }
        let text = serde_json::to_string_pretty(&page).expect("our own types have text keys only");
        write_file(&self.folder, &self.name(), (text + "\n").as_bytes())
    }

    /// Returns what is allowed, which is nothing where the file is another repository's.
    fn read(&self) -> Page {
        let text = fs::read(self.folder.join(self.name())).unwrap_or_default();
        let page: Option<Page> = serde_json::from_slice(&text).ok();
        let ours = page.filter(|page| page.schema == SCHEMA && page.repo == self.repo);
        ours.unwrap_or_else(|| Page {
            schema: SCHEMA,
            repo: self.repo.clone(),
            commands: Vec::new(),
        })
    }

    fn name(&self) -> String {
        format!("{}.json", hex(&Sha256::digest(&self.repo)))
    }
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
        fs::rename(here.folder.join(here.name()), there.folder.join(there.name())).unwrap();
        assert!(!there.has(&allowed) && !here.has(&allowed));
        fs::write(here.folder.join(here.name()), "{").unwrap();
        assert!(!here.has(&allowed));
    }
}

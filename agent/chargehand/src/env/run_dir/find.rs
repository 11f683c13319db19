//! Which runs there are under a state folder, and which of them is meant.

use std::fs;
use std::io;
use std::path::Path;

use super::{RUN_FILE, RunDir, RunDirError, RunFile, read, runs};
use crate::env::dir::{Dir, DiskError, Tried};

impl RunDir {
    /// Returns the id of the newest run, or of the newest of the repository at `repo`.
    ///
    /// # Errors
    ///
    /// [`RunDirError::NotFound`], [`RunDirError::NoneHere`], [`RunDirError::Damaged`], [`RunDirError::Disk`].
    pub fn last(state: &Path, repo: Option<&Path>) -> Result<String, RunDirError> {
        let mut listed = Self::list(state)?.into_iter();
        let last =
            listed.find(|file| repo.is_none_or(|repo| file.repo == repo)).map(|file| file.id);
        // An id begins with its moment. Without a `run.json` a run has never begun, or is just being made.
        let has_file = |id: &String| runs(state).join(id).join(RUN_FILE).exists();
        let damaged = Self::damaged(state)?.into_iter().find(has_file);
        if let Some(damaged) = damaged.filter(|damaged| Some(damaged) > last.as_ref()) {
            return Err(RunDirError::Damaged(damaged));
        }
        last.ok_or_else(|| match repo {
            Some(repo) => RunDirError::NoneHere { repo: repo.to_owned() },
            None => not_found(state, "last"),
        })
    }

    /// Returns the names of folders whose `run.json` cannot be read and that no process works on, the newest first.
    ///
    /// # Errors
    ///
    /// As [`RunDir::list`].
    pub fn damaged(state: &Path) -> Result<Vec<String>, RunDirError> {
        let mut ids = ids(state)?;
        ids.retain(|id| read(&runs(state).join(id)).is_err() && !Self::is_busy(state, id));
        ids.sort_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// Removes the folder of the run `wanted` and returns its name, if its `run.json` cannot be read.
    ///
    /// # Errors
    ///
    /// [`RunDirError::NotFound`], [`RunDirError::Ambiguous`], [`RunDirError::Disk`].
    pub fn remove_damaged(state: &Path, wanted: &str) -> Result<Option<String>, RunDirError> {
        let id = only(state, wanted)?;
        if !Self::damaged(state)?.contains(&id) {
            return Ok(None);
        }
        let remove = || Dir::open(&runs(state))?.remove_all(id.as_bytes());
        remove().tried(|| format!("cannot clear {}", runs(state).join(&id).display()))?;
        Ok(Some(id))
    }

    /// Returns all runs under `state`, the newest first. Folders without a readable `run.json` are left out.
    ///
    /// # Errors
    ///
    /// [`RunDirError::Disk`], when the state folder cannot be read.
    pub fn list(state: &Path) -> Result<Vec<RunFile>, RunDirError> {
        let mut found: Vec<RunFile> =
            ids(state)?.iter().filter_map(|id| read(&runs(state).join(id)).ok()).collect();
        found.sort_by(|a, b| {
            (b.started, b.started_millis, &b.id).cmp(&(a.started, a.started_millis, &a.id))
        });
        Ok(found)
    }
}

/// Returns the only id that begins with `wanted`.
pub(super) fn only(state: &Path, wanted: &str) -> Result<String, RunDirError> {
    let mut fitting = ids(state)?;
    let is_whole = fitting.iter().any(|id| id == wanted);
    fitting.retain(|id| {
        if is_whole { id == wanted } else { id.starts_with(wanted) && !wanted.is_empty() }
    });
    if fitting.len() > 1 {
        let (wanted, count) = (wanted.to_owned(), fitting.len());
        return Err(RunDirError::Ambiguous { wanted, count });
    }
    fitting.pop().ok_or_else(|| not_found(state, wanted))
}

fn not_found(state: &Path, wanted: &str) -> RunDirError {
    let wanted = wanted.escape_debug().to_string();
    RunDirError::NotFound { wanted, state: state.to_owned() }
}

fn ids(state: &Path) -> Result<Vec<String>, DiskError> {
    let what = || format!("cannot read {}", runs(state).display());
    let entries = match fs::read_dir(runs(state)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.tried(what)?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        // A name that is no text is not one of ours, and one with a dot is of a run that is being removed.
        let name = entry.tried(what)?.file_name().into_string();
        ids.extend(name.ok().filter(|name| !name.starts_with('.')));
    }
    Ok(ids)
}

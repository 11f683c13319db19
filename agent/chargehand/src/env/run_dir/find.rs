//! Which runs there are under a state folder, and which of them is meant.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::{RUN_FILE, RunDir, RunDirError, RunFile, SCHEMA, read, runs};
use crate::env::dir::{Dir, DiskError, Tried};

impl RunDir {
    /// Returns the id of the newest run, or of the newest of the repository at `repo`.
    ///
    /// # Errors
    ///
    /// [`RunDirError::NotFound`], [`RunDirError::NoneHere`], [`RunDirError::Damaged`], [`RunDirError::Schema`],
    /// [`RunDirError::Disk`].
    pub fn last(state: &Path, repo: Option<&Path>) -> Result<String, RunDirError> {
        let mut listed = Self::list(state)?.into_iter();
        let last =
            listed.find(|file| repo.is_none_or(|repo| file.repo == repo)).map(|file| file.id);
        // An id begins with its moment.
        let is_newer = |id: &String| last.as_ref().is_some_and(|last| id > last);
        if let Some((_, flaw)) = flawed(state)?.into_iter().find(|(id, _)| is_newer(id)) {
            return Err(flaw);
        }
        last.ok_or_else(|| match repo {
            Some(repo) => RunDirError::NoneHere { repo: repo.to_owned() },
            None => not_found(state, "last"),
        })
    }

    /// Returns the names of folders whose `run.json` nobody can make sense of and that no process works on, the newest
    /// first.
    ///
    /// # Errors
    ///
    /// As [`RunDir::list`].
    pub fn damaged(state: &Path) -> Result<Vec<String>, RunDirError> {
        let mut flawed = flawed(state)?;
        flawed.retain(|(_, flaw)| matches!(flaw, RunDirError::Damaged(_)));
        Ok(flawed.into_iter().map(|(id, _)| id).collect())
    }

    /// Removes the folder of the run `wanted` and returns its name, if nobody can make sense of its `run.json`.
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

/// Returns the runs that have begun, that no process works on and whose `run.json` is of no use, with the reason, the
/// newest first.
fn flawed(state: &Path) -> Result<Vec<(String, RunDirError)>, RunDirError> {
    let is_busy = |id: &String| RunDir::is_busy(state, id);
    let flawed = ids(state)?.into_iter().filter_map(|id| Some((flaw(state, &id)?, id)));
    let mut flawed: Vec<_> =
        flawed.filter(|(_, id)| !is_busy(id)).map(|(flaw, id)| (id, flaw)).collect();
    flawed.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(flawed)
}

/// What every version of `run.json` has.
#[derive(Deserialize)]
struct Head {
    schema: u32,
}

/// Another version may have written it, which can read it; and what the disk withholds now it may give later.
fn flaw(state: &Path, id: &str) -> Option<RunDirError> {
    let path = runs(state).join(id);
    let err = read(&path).err()?;
    match fs::read(path.join(RUN_FILE)).map(|text| serde_json::from_slice(&text)) {
        Ok(Ok(Head { schema: found })) if found != SCHEMA => {
            Some(RunDirError::Schema { id: id.to_owned(), found })
        }
        Ok(_) => Some(RunDirError::Damaged(id.to_owned())),
        // It has never begun, or is just being made.
        Err(err) if err.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(err),
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

//! The repository of an examination's task: laid out from its texts, read back, and completed for the grader.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use chargehand_core::eval::{Files, MAX_DEPTH, MAX_TEXT};
use chargehand_core::ports::{EnvError, Environment};
use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};
use thiserror::Error;

use super::dir::{self, Content, Dir, DiskError, Tried};
use super::manifest::Kind;
use super::path_text::escape;
use super::store::StoreError;
use super::workspace::{MAX_FILE_BYTES, Workspace};

// What a suite may have can be laid out and read back.
const _: () = assert!(MAX_TEXT as u64 <= MAX_FILE_BYTES && MAX_DEPTH < dir::MAX_DEPTH);

/// Makes a repository in `folder`, which must not exist, with one commit that has `files`.
///
/// # Errors
///
/// [`DiskError`]; what libgit2 says is told as one.
pub fn lay_out<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), DiskError> {
    let what = || format!("cannot make the repository {}", folder.display());
    fs::create_dir_all(folder).tried(what)?;
    put(folder, files)?;
    commit(folder).map_err(|err| io::Error::other(err.message().to_owned())).tried(what)
}

/// Writes `files` below `folder`, through no link.
///
/// # Errors
///
/// [`DiskError`] names the file.
pub fn put<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), DiskError> {
    let top = Dir::open(folder).tried(|| format!("cannot open {}", folder.display()))?;
    for (path, text) in files {
        let write = || {
            let (parent, name) = top.make_parent(path.as_bytes())?;
            let mode = if can_be_executed(text) { 0o755 } else { 0o644 };
            top.stage(Content::Exact(text.as_bytes(), mode))?.replace(&parent, name)
        };
        write().tried(|| format!("cannot write {path} in {}", folder.display()))?;
    }
    Ok(())
}

/// Returns the first of `files` that has no room below `folder`: a folder has its name, or a file that of a folder.
///
/// # Errors
///
/// [`DiskError`].
pub fn in_the_way<'f>(
    folder: &Path,
    files: impl IntoIterator<Item = &'f String>,
) -> Result<Option<&'f str>, DiskError> {
    let top = Dir::open(folder).tried(|| format!("cannot open {}", folder.display()))?;
    for path in files {
        let folders = path.match_indices('/').map(|(at, _)| (&path[..at], true));
        for (place, is_folder) in folders.chain([(path.as_str(), false)]) {
            let look = || format!("cannot look for {place} in {}", folder.display());
            let found = top.find(place.as_bytes()).tried(look)?;
            if found.is_some_and(|found| found.is_dir() != is_folder) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// Returns whether a task's file with this text can be executed.
fn can_be_executed(text: &str) -> bool {
    text.starts_with("#!")
}

fn commit(folder: &Path) -> Result<(), git2::Error> {
    let mut options = RepositoryInitOptions::new();
    options.external_template(false).initial_head("main");
    let git = Repository::init_opts(folder, &options)?;
    let mut index = git.index()?;
    index.add_all(["*"], IndexAddOption::FORCE, None)?;
    let tree = git.find_tree(index.write_tree()?)?;
    index.write()?;
    let examiner = Signature::now("examiner", "examiner@localhost")?;
    git.commit(Some("HEAD"), &examiner, &examiner, "The task", &tree, &[]).map(drop)
}

/// Returns the files that a worker left.
///
/// # Errors
///
/// [`EnvError`].
pub fn left(workspace: &Workspace<'_>) -> Result<Files, EnvError> {
    let paths = workspace.files()?;
    paths.iter().map(|path| Ok((path.to_string(), workspace.read(path)?))).collect()
}

/// Returns all files of a run's base as texts, `most` bytes together.
///
/// # Errors
///
/// What cannot be a task's file is named: one that is no text, a link, or more than `most` bytes.
pub fn base_texts(
    workspace: &Workspace<'_>,
    most: u64,
) -> Result<BTreeMap<String, String>, BaseError> {
    let mut texts = BTreeMap::new();
    let mut bytes = 0;
    for (path, entry) in &workspace.base().entries {
        let shown = || escape(path);
        if entry.kind != Kind::File {
            return Err(BaseError::NoFile(shown()));
        }
        bytes += entry.size;
        if bytes > most {
            return Err(BaseError::Large(most));
        }
        let Some((id, _)) = workspace.store.base(path)? else {
            return Err(BaseError::NoFile(shown()));
        };
        let name = String::from_utf8(path.clone()).map_err(|_| BaseError::NoText(shown()))?;
        let text = String::from_utf8(workspace.store.bytes(id)?)
            .map_err(|_| BaseError::NoText(shown()))?;
        texts.insert(name, text);
    }
    Ok(texts)
}

/// Returns those of a base's `texts` that can be executed there, and not in a task.
pub fn no_more_executed<'t>(
    workspace: &Workspace<'_>,
    texts: &'t BTreeMap<String, String>,
) -> Vec<&'t str> {
    let entries = &workspace.base().entries;
    let is_executed =
        |path: &str| entries.get(path.as_bytes()).is_some_and(|entry| entry.mode & 0o111 != 0);
    let changed = texts.iter().filter(|(path, text)| is_executed(path) && !can_be_executed(text));
    changed.map(|(path, _)| path.as_str()).collect()
}

/// Why a base cannot be the repository of a task.
#[derive(Debug, Error)]
pub enum BaseError {
    /// It has a link or a submodule.
    #[error("`{0}` is no regular file, and a task has texts only")]
    NoFile(String),
    /// It has a file that is no text.
    #[error("`{0}` is no UTF-8 text, and a task has texts only")]
    NoText(String),
    /// It is too large.
    #[error(
        "the base has more than {0} bytes, which is too large for a task; make a smaller repository of it"
    )]
    Large(u64),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

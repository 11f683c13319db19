//! The user's repository, read through libgit2. The git program is never run, in it or on it.
//!
//! libgit2 knows no hooks, no external filters or diffs, no file system monitor and no transport here, so whatever
//! stands in a hostile `.git`, nothing of it is executed. It is only read; `accept` alone writes to it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use git2::{ConfigLevel, ErrorCode, Repository, RepositoryOpenFlags, Status, StatusOptions};
use thiserror::Error;

use super::checkout::is_skipped;
use super::ground::{Ground, Unsound};
use super::path_text::escape;

/// A status of a million files takes some seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A repository with a working tree.
pub struct Repo {
    git: Repository,
    top: PathBuf,
}

/// Where a repository stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The branch, without `refs/heads/`; a detached HEAD has none.
    pub branch: Option<String>,
    /// The commit in hex; an unborn branch has none.
    pub commit: Option<String>,
}

/// Why a folder is not taken as a repository, or cannot be read.
#[derive(Debug, Error)]
pub enum RepoError {
    /// There is no `.git` in it or above it.
    #[error("{0} is not inside a git repository; run `git init` there, or name another folder")]
    NotFound(PathBuf),
    /// It has no working tree.
    #[error("{0} is a bare repository; a run needs one with a working tree")]
    Bare(PathBuf),
    /// It belongs to another user.
    #[error(
        "{0} belongs to another user; if you trust it, run `git config --global --add safe.directory {0}`"
    )]
    Owner(PathBuf),
    /// Its configuration leads to another folder.
    #[error("{top} says that its working tree is {other}; unset `core.worktree` there")]
    Elsewhere {
        /// The folder with the `.git`.
        top: PathBuf,
        /// Where it leads.
        other: PathBuf,
    },
    /// Its git folder holds what is waited for, or leads a commit elsewhere.
    #[error("the git folder is not touched: {0}")]
    Unsound(#[from] Unsound),
    /// HEAD is neither a branch nor a commit.
    #[error("HEAD of {top} is {head}, which is no branch")]
    OddHead {
        /// The repository.
        top: PathBuf,
        /// What it is.
        head: String,
    },
    /// What is staged cannot be read, and accept would have to change it.
    #[error(
        "cannot read the index of {top}: {}; a split one is joined by `git config core.splitIndex false` and then \
         `git update-index --no-split-index`", source.message()
    )]
    Index {
        /// The repository.
        top: PathBuf,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// Anything else that libgit2 says.
    #[error("cannot read the repository {top}: {}", source.message())]
    Git {
        /// The repository.
        top: PathBuf,
        /// What it said.
        source: git2::Error,
    },
    /// The folder itself cannot be read.
    #[error("cannot open {dir}: {source}")]
    Io {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Repo {
    /// Opens the repository that `dir` lies in: the nearest folder upwards with a `.git`.
    ///
    /// # Errors
    ///
    /// [`RepoError`] says what is there instead and what to do.
    pub fn discover(dir: &Path) -> Result<Self, RepoError> {
        let canonical = |path: &Path| {
            path.canonicalize().map_err(|source| RepoError::Io { dir: path.to_owned(), source })
        };
        let dir = canonical(dir)?;
        let holds_git = |path: &&Path| path.join(".git").symlink_metadata().is_ok();
        let Some(top) = dir.ancestors().find(holds_git) else {
            let bare =
                dir.ancestors().find(|path| open(path, PATIENCE).is_ok_and(|git| git.is_bare()));
            return Err(match bare {
                Some(path) => RepoError::Bare(path.to_owned()),
                None => RepoError::NotFound(dir),
            });
        };
        Ground::of(top)?.is_readable()?;
        let git = open(top, PATIENCE).map_err(|source| match source.code() {
            ErrorCode::Owner => RepoError::Owner(top.to_owned()),
            _ => RepoError::Git { top: top.to_owned(), source },
        })?;
        let Some(other) = git.workdir() else { return Err(RepoError::Bare(top.to_owned())) };
        // A `core.worktree` that leads elsewhere would make `accept` write there.
        if canonical(other)? != top {
            return Err(RepoError::Elsewhere { top: top.to_owned(), other: other.to_owned() });
        }
        Ok(Self { top: top.to_owned(), git })
    }

    /// Returns the folder that holds `.git`, without links in its path.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Returns the branch and the commit.
    ///
    /// # Errors
    ///
    /// [`RepoError::OddHead`] and [`RepoError::Git`].
    pub fn head(&self) -> Result<Head, RepoError> {
        let failed = |source| self.failed(source);
        let head = self.git.find_reference("HEAD").map_err(failed)?;
        let branch = match head.symbolic_target_bytes() {
            None => None,
            Some(name) => Some(self.branch_name(name)?),
        };
        let commit = match self.git.head() {
            Ok(head) => Some(head.peel_to_commit().map_err(failed)?.id().to_string()),
            Err(err) if branch.is_some() && err.code() == ErrorCode::UnbornBranch => None,
            Err(err) => return Err(failed(err)),
        };
        Ok(Head { branch, commit })
    }

    /// Looks whether the index can be read, so that nobody learns that after an hour of work.
    ///
    /// # Errors
    ///
    /// [`RepoError::Index`].
    pub fn check_index(&self) -> Result<(), RepoError> {
        let read = self.git.index().and_then(|mut index| index.read(true));
        read.map_err(|source| RepoError::Index { top: self.top.clone(), source })
    }

    /// As [`Repo::dirty`], for all paths; nothing when that cannot be found out, or not in a reasonable time: the checkout
    /// is the user's, and the files that say what is ignored in it may be pipes.
    #[must_use]
    pub fn dirty_soon(&self) -> Option<Vec<String>> {
        self.dirty_within(PATIENCE)?.ok()
    }

    /// Returns nothing when it takes longer than `patience`.
    fn dirty_within(&self, patience: Duration) -> Option<Result<Vec<String>, RepoError>> {
        let top = self.top.clone();
        in_time(patience, move || Self::discover(&top)?.dirty(&|_| true))
    }

    /// Returns the paths with changes that are not committed, untracked ones among them, for which `wanted` holds.
    ///
    /// # Errors
    ///
    /// [`RepoError::Git`].
    pub fn dirty(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>, RepoError> {
        let mut options = StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false);
        options.exclude_submodules(true).no_refresh(true);
        let found = self.git.statuses(Some(&mut options)).map_err(|source| self.failed(source))?;
        let index = self.git.index().map_err(|source| self.failed(source))?;
        // libgit2 takes what a sparse checkout leaves out for deleted.
        let is_left_out = |entry: &git2::StatusEntry<'_>| {
            let path = Path::new(OsStr::from_bytes(entry.path_bytes()));
            entry.status() == Status::WT_DELETED
                && index.get_path(path, 0).as_ref().is_some_and(is_skipped)
        };
        let is_dirty = |entry: &git2::StatusEntry<'_>| !entry.status().is_empty();
        let paths = found.iter().filter(|entry| is_dirty(entry) && !is_left_out(entry));
        Ok(paths.map(|entry| escape(entry.path_bytes())).filter(|path| wanted(path)).collect())
    }

    /// Opens it once more, so that each object and reference is safe on the disk before its name is. libgit2 does this
    /// by a setting only: without it a power cut leaves empty objects, which it takes for whole ones ever after.
    /// `settings` is a file of ours, not the user's.
    pub(crate) fn durable(&self, settings: &Path) -> Result<Self, RepoError> {
        Ground::of(&self.top)?.is_writable()?;
        let failed = |source| self.failed(source);
        let git = open(&self.top, PATIENCE).map_err(failed)?;
        let mut config = git.config().map_err(failed)?;
        config.add_file(settings, ConfigLevel::App, false).map_err(failed)?;
        let durable = Self { top: self.top.clone(), git };
        durable.check_index()?;
        Ok(durable)
    }

    pub(crate) fn git(&self) -> &Repository {
        &self.git
    }

    pub(crate) fn failed(&self, source: git2::Error) -> RepoError {
        RepoError::Git { top: self.top.clone(), source }
    }

    fn branch_name(&self, reference: &[u8]) -> Result<String, RepoError> {
        let name =
            reference.strip_prefix(b"refs/heads/").and_then(|name| str::from_utf8(name).ok());
        let odd = || RepoError::OddHead { top: self.top.clone(), head: escape(reference) };
        name.map(str::to_owned).ok_or_else(odd)
    }
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repo").field("top", &self.top).finish_non_exhaustive()
    }
}

/// Opens exactly this folder: no search upwards, no environment variable, no owner but ourselves. Its settings can name
/// a pipe, on which libgit2 would wait for ever.
fn open(top: &Path, patience: Duration) -> Result<Repository, git2::Error> {
    let path = top.to_owned();
    let open = move || {
        let nothing: [&Path; 0] = [];
        Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, nothing)
    };
    let late = || git2::Error::from_str("a file that its settings name does not come to its end");
    in_time(patience, open).ok_or_else(late)?
}

/// Returns what `work` returns, unless that takes longer than `patience`; then it is left alone.
fn in_time<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, done) = channel();
    thread::spawn(move || drop(sender.send(work())));
    done.recv_timeout(patience).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    /// Whether anything comes shows by then.
    const SHORT: Duration = Duration::from_millis(50);

    /// Looks into a repository in which `path` is a pipe; `settings` name it, or nothing does.
    fn check(path: &str, settings: &str, look: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        Repository::init(&top).unwrap();
        let config = top.join(".git/config");
        let before = fs::read_to_string(&config).unwrap();
        fs::write(&config, before + settings).unwrap();
        let pipe = top.join(path);
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        look(&top);
        // Whoever waits for it goes on, and ends.
        drop(File::options().read(true).write(true).open(&pipe).unwrap());
    }

    #[test]
    fn nobody_waits_long_for_what_is_named() {
        check("p", "[include]\n\tpath = ../p\n", |top| {
            let err = open(top, SHORT).err().unwrap();
            assert!(err.message().contains("its settings name does not come to its end"), "{err}");
        });
        check(".gitignore", "", |top| {
            let repo = Repo::discover(top).unwrap();
            assert!(repo.dirty_within(SHORT).is_none());
        });
        check("p", "", |top| {
            let repo = Repo::discover(top).unwrap();
            fs::write(top.join("new"), "").unwrap();
            assert_eq!(repo.dirty_soon(), Some(vec!["new".to_owned()]));
        });
    }
}

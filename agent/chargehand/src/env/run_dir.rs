//! The folder of one run, and the file in it that says how far the run is.
//!
//! A run is worked on by one process at a time (a file lock); any number of runs may go on beside each other.

mod find;
mod naming;

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use self::naming::make_folder;

use super::base::Base;
use super::dir::{Dir, DiskError, Tried, write_file};
use super::path_text::{escape, unescape};
use super::repo::{Repo, RepoError};
use super::shelf::size;

/// The version of `run.json`.
const SCHEMA: u32 = 1;
/// The file that says how far a run is.
pub(crate) const RUN_FILE: &str = "run.json";
/// The file that whoever works in a folder has locked.
const LOCK: &str = "lock";
/// So often a lock is tried for, and so long apart: whoever only looks whether it is free holds it for a moment.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// `run.json`.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct RunFile {
    /// The version of this form.
    pub schema: u32,
    /// `YYYYMMDD-hhmmss-xxxx`, in UTC: the last four digits are hexadecimal, the part of the second in 65,536ths, so
    /// that names are in the order of their moments.
    pub id: String,
    /// The top of the repository; in the file it is escaped where it is no text.
    #[serde(with = "path_form")]
    pub repo: PathBuf,
    /// The branch at the start; a detached HEAD has none.
    pub branch: Option<String>,
    /// The commit at the start; an unborn branch has none.
    pub base: Option<String>,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// And the milliseconds of that second: two runs can begin in one.
    pub started_millis: u32,
    /// How far it is.
    pub status: Status,
    /// The process that worked on it last.
    pub pid: u32,
    /// The commit that `accept` made of it, written down before the branch was moved to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What it takes of the disk since nobody works on it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It goes on, or its process died; then its lock is free.
    Running,
    /// It has a verdict.
    Done,
    /// Its result was committed.
    Accepted,
    /// Its workspace was thrown away.
    Rejected,
}

/// The folder of one run.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    file: RunFile,
    lock: Option<File>,
    /// The base, once this process has laid it out.
    pub(super) base: OnceLock<Arc<Base>>,
}

/// Why a run cannot be made or found.
#[derive(Debug, Error)]
pub enum RunDirError {
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The repository cannot be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// There is no such run.
    #[error("there is no run `{wanted}` under {}; `chargehand report` lists them", state.display())]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// The state folder.
        state: PathBuf,
    },
    /// There is no run of this repository.
    #[error("there is no run of {}; `chargehand report` lists those of others", repo.display())]
    NoneHere {
        /// The repository.
        repo: PathBuf,
    },
    /// The newest run cannot be read, so that nobody knows whether it is the one that is meant.
    #[error(
        "run {0} is newer and damaged; name the run that you mean, or `chargehand reject {0}` removes that one"
    )]
    Damaged(String),
    /// The beginning of an id fits several runs.
    #[error("`{wanted}` fits {count} runs; write more of the id")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// How many.
        count: usize,
    },
    /// Another process works on it.
    #[error("run {id} is being worked on by process {pid}")]
    Busy {
        /// The run.
        id: String,
        /// The process.
        pid: u32,
    },
    /// It was written by another version.
    #[error("run {id} has schema {found}, this program reads {SCHEMA}")]
    Schema {
        /// The run.
        id: String,
        /// Its schema.
        found: u32,
    },
}

impl RunDir {
    /// Makes the folder of a new run under `state` and locks it for this process.
    ///
    /// # Errors
    ///
    /// [`RunDirError`]; nothing is left behind then.
    pub fn create(state: &Path, repo: &Repo, contract_toml: &str) -> Result<Self, RunDirError> {
        let head = repo.head()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (id, path) = make_folder(&runs(state), now)?;
        let file = RunFile {
            schema: SCHEMA,
            id,
            repo: repo.top().to_owned(),
            branch: head.branch,
            base: head.commit,
            started: now.as_secs(),
            started_millis: now.subsec_millis(),
            status: Status::Running,
            pid: std::process::id(),
            commit: None,
            bytes: None,
        };
        let mut run = Self { path, file, lock: None, base: OnceLock::new() };
        match run.fill(contract_toml) {
            Ok(()) => Ok(run),
            Err(err) => {
                run.discard();
                Err(err)
            }
        }
    }

    /// Opens the run `wanted` and locks it: its id, or the beginning of its id if no other has it.
    ///
    /// # Errors
    ///
    /// [`RunDirError::NotFound`], [`RunDirError::Ambiguous`], [`RunDirError::Schema`], [`RunDirError::Busy`],
    /// [`RunDirError::Disk`].
    pub fn open(state: &Path, wanted: &str) -> Result<Self, RunDirError> {
        let mut run = Self::peek(state, wanted)?;
        run.lock()?;
        Ok(run)
    }

    /// As [`RunDir::open`], but without the lock: to look at it only.
    ///
    /// # Errors
    ///
    /// As [`RunDir::open`], without [`RunDirError::Busy`].
    pub fn peek(state: &Path, wanted: &str) -> Result<Self, RunDirError> {
        let path = runs(state).join(find::only(state, wanted)?);
        Ok(Self { file: read(&path)?, path, lock: None, base: OnceLock::new() })
    }

    /// Returns what `run.json` of the run with exactly this id says, without a look at the others.
    pub(crate) fn look(state: &Path, id: &str) -> Result<RunFile, RunDirError> {
        read(&runs(state).join(id))
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what `run.json` says.
    #[must_use]
    pub fn file(&self) -> &RunFile {
        &self.file
    }

    /// Returns whether a process works on the run.
    #[must_use]
    pub fn is_busy(state: &Path, id: &str) -> bool {
        is_held(&runs(state).join(id))
    }

    /// Takes the run for this process until the value is dropped, and reads `run.json` again.
    ///
    /// # Errors
    ///
    /// [`RunDirError::Busy`], when another process has it.
    pub fn lock(&mut self) -> Result<(), RunDirError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let Some(lock) = hold(&self.path)? else {
            let pid = read(&self.path).map_or(self.file.pid, |file| file.pid);
            return Err(RunDirError::Busy { id: self.file.id.clone(), pid });
        };
        // Somebody may have finished it between our reading and our lock.
        if self.path.join(RUN_FILE).exists() {
            self.file = read(&self.path)?;
        }
        self.lock = Some(lock);
        self.update(|file| file.pid = std::process::id())
    }

    /// Writes down how far the run is. Takes the lock if it is free.
    ///
    /// # Errors
    ///
    /// [`RunDirError::Busy`], [`RunDirError::Disk`].
    pub fn set_status(&mut self, status: Status) -> Result<(), RunDirError> {
        self.lock()?;
        self.update(|file| {
            file.status = status;
            // Whoever works on it adds to it.
            file.bytes = file.bytes.filter(|_| status != Status::Running);
        })
    }

    /// Writes down the commit that the branch is about to be moved to.
    pub(crate) fn set_commit(&mut self, commit: &str) -> Result<(), RunDirError> {
        self.lock()?;
        self.update(|file| file.commit = Some(commit.to_owned()))
    }

    /// Writes down what it takes of the disk, now that nothing is added until somebody takes it up.
    pub(crate) fn weigh(&mut self) -> Result<(), RunDirError> {
        let bytes = size(&self.path).0;
        self.update(|file| file.bytes = Some(bytes))
    }

    /// Removes these files and folders of the run.
    pub(crate) fn remove(&self, names: &[&str]) -> Result<(), DiskError> {
        let remove = || {
            let dir = Dir::open(&self.path)?;
            names.iter().try_for_each(|name| dir.remove_all(name.as_bytes()))
        };
        remove().tried(|| format!("cannot clear {}", self.path.display()))
    }

    /// Removes the folder with everything in it: for a run that could not be set up.
    pub fn discard(&self) {
        let (Some(runs), Some(name)) = (self.path.parent(), self.path.file_name()) else { return };
        // What failed before is what the user must read; a folder that stays is only litter.
        drop(Dir::open(runs).and_then(|runs| runs.remove_all(name.as_bytes())));
    }

    fn fill(&mut self, contract_toml: &str) -> Result<(), RunDirError> {
        self.lock()?;
        Ok(write_file(&self.path, "contract.toml", contract_toml.as_bytes())?)
    }

    fn update(&mut self, change: impl FnOnce(&mut RunFile)) -> Result<(), RunDirError> {
        let mut file = self.file.clone();
        change(&mut file);
        let text = serde_json::to_string_pretty(&file).map_err(io::Error::from);
        let text = text.tried(|| format!("cannot write {RUN_FILE}"))? + "\n";
        write_file(&self.path, RUN_FILE, text.as_bytes())?;
        self.file = file;
        Ok(())
    }
}

/// Takes the folder `path`, of a run or an examination, for this process until the result is dropped. There is no result
/// where another process has it.
pub(crate) fn hold(path: &Path) -> Result<Option<File>, DiskError> {
    let what = || format!("cannot lock {}", path.display());
    let lock = File::create(path.join(LOCK)).tried(what)?;
    match try_lock(&lock) {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(err)) => Err(DiskError::new(what(), err)),
    }
}

/// Returns whether a process has the folder `path`.
pub(crate) fn is_held(path: &Path) -> bool {
    // Opened for reading only: whoever looks makes no lock file.
    File::open(path.join(LOCK))
        .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn try_lock(lock: &File) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            tried => return tried,
        }
    }
    lock.try_lock()
}

fn runs(state: &Path) -> PathBuf {
    state.join("runs")
}

fn read(path: &Path) -> Result<RunFile, RunDirError> {
    let name = path.join(RUN_FILE);
    let parse = || Ok(serde_json::from_slice(&fs::read(&name)?)?);
    let file: RunFile = parse()
        .map_err(|err: io::Error| DiskError::new(format!("cannot read {}", name.display()), err))?;
    if file.schema != SCHEMA {
        return Err(RunDirError::Schema { id: file.id, found: file.schema });
    }
    Ok(file)
}

mod path_form {
    use super::{Deserialize, OsStr, OsStrExt, Path, PathBuf, escape, unescape};

    pub(super) fn serialize<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&escape(path.as_os_str().as_bytes()))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(from)?;
        Ok(PathBuf::from(OsStr::from_bytes(&unescape(&text))))
    }
}

//! The private workspace of a run: the files of the base commit, outside the user's checkout.
//!
//! Only the worker's tools write to it. Checks run in copies, so whatever a build leaves behind is no change of the
//! worker's, and whatever a test does to its tree does not touch what is judged.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chargehand_core::contract::{Check, Scope};
use chargehand_core::evidence::{CheckEnd, CheckRun};
use chargehand_core::mask::Secrets;
use chargehand_core::ports::{EnvError, Environment};
use chargehand_core::rel_path::RelPath;
use rustix::io::Errno;
use thiserror::Error;

use super::base::Base;
pub use super::diff::Changes;
use super::dir::{Content, Dir, DiskError, Tried, is_absent, write_file};
use super::manifest::{Manifest, digest};
use super::parking;
use super::repo::Repo;
use super::run_dir::RunDir;
use super::sandbox::COMMANDS;
use super::sole;
use super::store::{Store, StoreError};
use super::tree::{EXECUTABLE, FILE};
use super::walk::walk;

/// The largest file that a tool reads or writes.
pub const MAX_FILE_BYTES: u64 = 8 << 20;

/// The files and folders of a run that belong to its workspace.
pub(crate) const PARTS: [&str; 8] =
    [WORK, GIT, SCRATCH, FINAL, REPLICA, ASIDE, parking::FOLDER, COMMANDS];
/// Those of them that are only needed for a while.
pub(crate) const COPIES: [&str; 3] = [SCRATCH, FINAL, REPLICA];

pub(super) const WORK: &str = "work";
const GIT: &str = "git";
pub(super) const SCRATCH: &str = "scratch";
pub(super) const FINAL: &str = "final";
pub(super) const REPLICA: &str = "replica";
pub(super) const ASIDE: &str = "tmp";
const BASE: &str = "base.json";
const JUDGED: &str = "judged.json";
/// Where a repository tells agents how it wants to be treated; the first that is there counts.
const INSTRUCTIONS: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];

/// Runs a check in a folder, in the sandbox of the caller's choice.
pub type CheckRunner<'a> = Box<dyn FnMut(&Check, &Path) -> CheckRun + 'a>;

/// The private workspace.
pub struct Workspace<'a> {
    pub(super) run: PathBuf,
    pub(super) work: Dir,
    aside: Dir,
    pub(super) base: Arc<Base>,
    pub(super) store: Store,
    checks: Option<CheckRunner<'a>>,
    /// What checks of the worker see as it was at the base.
    pub(super) protect: Option<&'a Scope>,
    pub(super) secrets: Secrets,
    instructions: Option<String>,
    /// Whether commands run that are no checks; the caller has asked the user.
    attended: bool,
    /// What was copied for checks, once there is a copy.
    pub(super) copied: Option<BTreeSet<Vec<u8>>>,
}

/// Why there is no workspace, or it cannot be judged.
#[derive(Debug, Error)]
pub enum WorkspaceError {
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The base commit cannot be laid out.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run has none any more.
    #[error("run {0} has no workspace any more; `chargehand reject {0}` throws away what is left")]
    Gone(String),
    /// The disk does not keep all names apart, as one that ignores case.
    #[error("the base commit has {expected} files, but {found} are on the disk under {work}")]
    Names {
        /// Files of the commit.
        expected: usize,
        /// Files that were found.
        found: usize,
        /// Where.
        work: String,
    },
}

impl<'a> Workspace<'a> {
    /// Lays out the base commit of `run` in its folder.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError`]; then the whole folder of the run is removed, for such a run never began.
    pub fn create(run: &RunDir, repo: &Repo) -> Result<Self, WorkspaceError> {
        Self::lay_out(run, repo).inspect_err(|_| run.discard())
    }

    /// Opens the workspace of a run that was begun before.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Gone`], [`WorkspaceError::Disk`].
    pub fn open(run: &RunDir) -> Result<Self, WorkspaceError> {
        let path = run.path();
        if !path.join(WORK).is_dir() {
            return Err(WorkspaceError::Gone(run.file().id.clone()));
        }
        let base = match run.base.get() {
            Some(base) => Arc::clone(base),
            None => Arc::new(Base::load(&path.join(BASE))?),
        };
        Self::of(path, base, Store::open(&path.join(GIT))?)
    }

    /// Gives the workspace a way to run checks.
    #[must_use]
    pub fn with_checks(mut self, checks: CheckRunner<'a>) -> Self {
        self.checks = Some(checks);
        self
    }

    /// Lets commands run that the user has approved.
    #[must_use]
    pub fn attended(self) -> Self {
        Self { attended: true, ..self }
    }

    /// Returns the folder of the files. Nothing but the tools of the worker may write there.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.run.join(WORK)
    }

    /// Returns what the repository tells agents, as the base commit has it.
    #[must_use]
    pub fn instructions(&self) -> Option<String> {
        self.instructions.clone()
    }

    /// Returns everything that differs from the base, and writes down the exact state as `judged.json`, which
    /// `accept` holds the workspace to. So the last call is the one whose result is judged.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Disk`], [`WorkspaceError::Store`].
    pub fn changes(&self) -> Result<Changes, WorkspaceError> {
        let (changes, _, text) = self.look()?;
        write_file(&self.run, JUDGED, text.as_bytes())?;
        Ok(changes)
    }

    pub(crate) fn measure(&self) -> Result<(Changes, Manifest), WorkspaceError> {
        self.look().map(|(changes, after, _)| (changes, after))
    }

    fn look(&self) -> Result<(Changes, Manifest, String), WorkspaceError> {
        let after = self.base.now(&self.work)?;
        let differences = self.base().differences(&after);
        let text = after.text();
        let mut changes = super::diff::draw(&self.store, &self.work, &after, &differences)?;
        changes.tree = digest(&text);
        Ok((changes, after, text))
    }

    pub(crate) fn judged(&self) -> Result<Manifest, WorkspaceError> {
        Ok(Manifest::load(&self.run.join(JUDGED))?)
    }

    pub(crate) fn base(&self) -> &Manifest {
        self.base.manifest()
    }

    pub(crate) fn work(&self) -> &Dir {
        &self.work
    }

    fn lay_out(run: &RunDir, repo: &Repo) -> Result<Self, WorkspaceError> {
        let path = run.path();
        let work = make_private(&path.join(WORK))?;
        make_private(&path.join(ASIDE))?;
        let store = Store::create(&path.join(GIT))?;
        let mut base = Base::default();
        if let Some(commit) = &run.file().base {
            let laid = store.check_out(repo.git(), commit, &work)?;
            base = Base::of(&work, &laid.submodules.into_iter().collect())?;
            let (expected, found) = (laid.count, base.manifest().entries.len());
            if found != expected {
                let work = path.join(WORK).display().to_string();
                return Err(WorkspaceError::Names { expected, found, work });
            }
        }
        base.manifest().save(path, BASE)?;
        // Thousands of files, so all at once; `replica` can be made again and is not asked for after a power cut.
        work.sync_disk().tried(|| format!("cannot write {}", path.display()))?;
        let base = run.base.get_or_init(|| Arc::new(base));
        Self::of(path, Arc::clone(base), store)
    }

    pub(super) fn of(run: &Path, base: Arc<Base>, store: Store) -> Result<Self, WorkspaceError> {
        let open = |name| {
            // Nobody has put a link there.
            let dir = Dir::open(run).and_then(|run| run.dir(str::as_bytes(name)));
            dir.tried(|| format!("cannot open {}", run.join(name).display()))
        };
        let (work, aside) = (open(WORK)?, open(ASIDE)?);
        let (run, instructions) = (run.to_owned(), read_instructions(&store)?);
        Ok(Self {
            run,
            work,
            aside,
            base,
            store,
            checks: None,
            protect: None,
            secrets: Secrets::default(),
            instructions,
            attended: false,
            copied: None,
        })
    }

    pub(super) fn clear(&self, name: &str) -> Result<(), WorkspaceError> {
        let clear = || Dir::open(&self.run)?.remove_all(name.as_bytes());
        Ok(clear().tried(|| format!("cannot remove {}", self.run.join(name).display()))?)
    }

    fn write_whole(&self, path: &RelPath, content: &[u8]) -> io::Result<Result<(), &'static str>> {
        let (parent, name) = self.work.make_parent(path.as_str().as_bytes())?;
        let mode = match parent.find(name)? {
            None => 0o644,
            Some(found) if found.is_dir() => return Ok(Err("it is a directory")),
            Some(found) if !found.is_file() => return Ok(Err("it is no regular file")),
            Some(found) if found.nlink() > 1 => {
                return Ok(Err("it has a second name elsewhere (hard link)"));
            }
            Some(found) => found.mode() & 0o7777,
        };
        self.aside.stage(Content::Exact(content, mode))?.replace(&parent, name)?;
        Ok(Ok(()))
    }
}

impl Environment for Workspace<'_> {
    fn files(&self) -> Result<Vec<RelPath>, EnvError> {
        let mut files = Vec::new();
        walk(&self.work, &mut |path, _, _, found| {
            if found.is_file() {
                files.extend(str::from_utf8(path).ok().and_then(|path| RelPath::parse(path).ok()));
            }
            Ok(())
        })
        .map_err(|err| EnvError::Io { what: err.what, source: err.source })?;
        files.sort();
        Ok(files)
    }

    fn read(&self, path: &RelPath) -> Result<Vec<u8>, EnvError> {
        let failed = |err| match Errno::from_io_error(&err) {
            // Where we write this is no fault of the path: all of it is ours.
            Some(Errno::ACCESS | Errno::PERM) => refused(path, "its permissions forbid that"),
            _ => explain(path, "read", err),
        };
        let opened = sole::open(&self.work, path.as_str().as_bytes()).map_err(failed)?;
        let file = match opened {
            Ok(file) => file,
            Err(reason) => return Err(refused(path, reason)),
        };
        let size = file.metadata().map_err(failed)?.len();
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let reason = format!("it has {size} bytes, {MAX_FILE_BYTES} at most are read");
            return Err(refused(path, &reason));
        }
        Ok(bytes)
    }

    fn write(&mut self, path: &RelPath, content: &[u8]) -> Result<(), EnvError> {
        if content.len() as u64 > MAX_FILE_BYTES {
            let size = content.len();
            return Err(refused(
                path,
                &format!("it would have {size} bytes, {MAX_FILE_BYTES} at most are written"),
            ));
        }
        if self.base().submodules().iter().any(|place| lies_in(path, place)) {
            return Err(refused(path, "it lies in a submodule"));
        }
        let written = self.write_whole(path, content).map_err(|err| explain(path, "write", err))?;
        written.map_err(|reason| refused(path, reason))
    }

    fn delete(&mut self, path: &RelPath) -> Result<(), EnvError> {
        let failed = |err| explain(path, "delete", err);
        let (parent, name) = self.work.parent(path.as_str().as_bytes()).map_err(failed)?;
        if !parent.look(name).map_err(failed)?.is_file() {
            return Err(refused(path, "it is no regular file"));
        }
        parent.remove(name).and_then(|()| parent.sync()).map_err(failed)
    }

    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn run_check(&mut self, check: &Check) -> Result<CheckRun, EnvError> {
        let copy = self.prepare_check().map_err(|err| EnvError::Io {
            what: "cannot copy the workspace for a check".to_owned(),
            source: io::Error::other(err),
        })?;
        let run = match &mut self.checks {
            Some(run) => run(check, &copy),
            None => CheckRun::not_started(&check.name, "no sandbox was given to this workspace"),
        };
        if matches!(run.end, CheckEnd::Signal(_)) {
            // What it left may fill the disk, and the log is to go on. Where this fails, the next copy says so.
            self.drop_scratch().unwrap_or_default();
        }
        Ok(run)
    }

    fn run_approved(&mut self, command: &Check) -> Result<CheckRun, EnvError> {
        if self.attended {
            return self.run_check(command);
        }
        Ok(CheckRun::not_started(&command.name, "nobody looks on"))
    }
}

impl std::fmt::Debug for Workspace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").field("run", &self.run).finish_non_exhaustive()
    }
}

fn read_instructions(store: &Store) -> Result<Option<String>, StoreError> {
    for name in INSTRUCTIONS {
        // A link could lead anywhere, so it is not followed here either.
        if let Some((id, FILE | EXECUTABLE)) = store.base(name.as_bytes())? {
            return Ok(Some(String::from_utf8_lossy(&store.bytes(id)?).into_owned()));
        }
    }
    Ok(None)
}

/// Returns whether `path` lies in the directory `place`.
pub(crate) fn lies_in(path: &RelPath, place: &[u8]) -> bool {
    let rest = path.as_str().as_bytes().strip_prefix(place);
    rest.is_some_and(|rest| rest.starts_with(b"/"))
}

fn refused(path: &RelPath, reason: &str) -> EnvError {
    EnvError::Refused { path: path.clone(), reason: reason.to_owned() }
}

/// Turns a system error into what a worker can act on.
fn explain(path: &RelPath, deed: &str, err: io::Error) -> EnvError {
    match Errno::from_io_error(&err) {
        Some(Errno::LOOP | Errno::XDEV) => {
            refused(path, "it is a symbolic link, or lies behind one")
        }
        Some(Errno::NOTDIR) => refused(path, "a directory of this path is a file"),
        Some(Errno::NAMETOOLONG) => refused(path, "a name in it is too long"),
        // Opening a socket says this.
        Some(Errno::NXIO) => refused(path, "it is no regular file"),
        Some(Errno::ISDIR) => refused(path, "it is a directory"),
        _ if is_absent(&err) => EnvError::NotFound(path.clone()),
        _ => EnvError::Io { what: format!("cannot {deed} {path}"), source: err },
    }
}

pub(super) fn make_private(path: &Path) -> Result<Dir, DiskError> {
    let made = std::fs::DirBuilder::new().mode(0o700).create(path);
    made.and_then(|()| Dir::open(path)).tried(|| format!("cannot make {}", path.display()))
}

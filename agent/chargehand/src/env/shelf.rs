//! The runs and examinations that are kept: what they take of the disk, and which go when it is too much.
//!
//! It removes what somebody has decided, the oldest first. A run that is being worked on is never touched, whatever is
//! asked for.

mod evals;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use chargehand_core::bytes::Bytes;
use rustix::fs::FileType;

pub use self::evals::{EvalStanding, KeptEval, remove_eval};

use super::dir::{Dir, DiskError, MAX_DEPTH, Tried, is_absent};
use super::run_dir::{RUN_FILE, RunDir, RunDirError, RunFile, Status};

/// What the runs may take together unless the user's configuration says otherwise.
pub const MAX_DISK: Bytes = Bytes::mib(20 << 10);

/// The beginning of the name of a run that is being removed. Whoever finds one removes the rest of it.
const GOING: &str = ".going-";
/// A folder without a readable `run.json` may be one that is just being made; after this time it is not.
const MAKING: Duration = Duration::from_secs(3600);

/// So often a folder is cleared that others clear too.
const CLEARINGS: u32 = 1000;

/// How far a run is, as far as its removal is concerned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// A process works on it.
    Busy(RunFile),
    /// Nobody has accepted or rejected it; it can be resumed, accepted or rejected.
    Open(RunFile),
    /// It was accepted or rejected.
    Decided(RunFile),
    /// It was cut off before it had a `run.json`.
    Stump,
    /// It has none yet, and may get one.
    Young,
    /// Its `run.json` cannot be read: another version may have written it.
    Foreign,
}

/// A run on the shelf.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// The name of its folder.
    pub id: String,
    /// How far it is.
    pub standing: Standing,
    /// What it takes of the disk.
    pub bytes: Bytes,
}

/// All that is kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Shelf {
    /// The runs, the oldest first.
    pub runs: Vec<Kept>,
    /// The examinations, the oldest first.
    pub evals: Vec<KeptEval>,
}

/// Which runs may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum May {
    /// Those that were accepted or rejected, and those that never began.
    Decided,
    /// Also those that nobody has decided or that cannot be read, as long as nobody works on them.
    Open,
}

impl Kept {
    /// Returns what sorts runs by their beginning: a name knows the second, the file the millisecond.
    fn age(&self) -> (&str, u32, &str) {
        let millis = match &self.standing {
            Standing::Busy(file) | Standing::Open(file) | Standing::Decided(file) => {
                file.started_millis
            }
            Standing::Stump | Standing::Young | Standing::Foreign => 0,
        };
        (self.id.rsplit_once('-').map_or("", |(second, _)| second), millis, &self.id)
    }

    fn may_go(&self, which: May) -> bool {
        match &self.standing {
            Standing::Decided(_) | Standing::Stump => true,
            // Its commit is on the branch, and only it can finish the checkout.
            Standing::Open(file) if file.commit.is_some() => false,
            Standing::Open(_) | Standing::Foreign => which == May::Open,
            Standing::Busy(_) | Standing::Young => false,
        }
    }
}

impl Shelf {
    /// Looks what there is under `state`. It changes nothing.
    ///
    /// # Errors
    ///
    /// [`DiskError`], when a folder that is there cannot be read.
    pub fn look(state: &Path) -> Result<Self, DiskError> {
        let runs = folders(&state.join("runs"))?;
        let mut runs: Vec<Kept> = runs
            .into_iter()
            .filter(|id| !id.starts_with('.'))
            .filter_map(|id| look_at(state, id))
            .collect();
        runs.sort_by(|a, b| a.age().cmp(&b.age()));
        Ok(Self { runs, evals: evals::look(state)? })
    }

    /// Returns what all of it takes.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.runs.iter().map(|run| run.bytes).sum::<Bytes>() + self.eval_bytes()
    }

    /// Returns what the examinations take.
    #[must_use]
    pub fn eval_bytes(&self) -> Bytes {
        self.evals.iter().map(|eval| eval.bytes).sum()
    }

    /// Returns the runs that have to go so that no more than `most` stays, the oldest first.
    #[must_use]
    pub fn surplus(&self, most: Bytes, which: May) -> Vec<&Kept> {
        let mut left = self.bytes();
        let mut going = Vec::new();
        for run in self.runs.iter().filter(|run| run.may_go(which)) {
            if left <= most {
                break;
            }
            left = left.saturating_sub(run.bytes);
            going.push(run);
        }
        going
    }
}

/// Removes `run` from `state`, and returns whether it is gone. It stays when somebody took it up meanwhile.
///
/// # Errors
///
/// [`DiskError`]. What is left of it then has a name that nobody takes for a run, and goes with the next removal.
pub fn remove(state: &Path, run: &Kept, which: May) -> Result<bool, DiskError> {
    let held = match RunDir::open(state, &run.id) {
        Ok(held) => Some(held),
        Err(RunDirError::Busy { .. } | RunDirError::NotFound { .. }) => return Ok(false),
        // Nobody can work on what cannot be read.
        Err(_) => None,
    };
    // Looked at once more: now nobody else can decide about it.
    let standing = match &held {
        Some(held) => standing(held.file().clone()),
        None => unreadable(state, &run.id),
    };
    if !(Kept { standing, ..run.clone() }).may_go(which) {
        return Ok(false);
    }
    let runs = state.join("runs");
    let aside = format!("{GOING}{}", run.id);
    match fs::rename(runs.join(&run.id), runs.join(&aside)) {
        Err(err) if is_absent(&err) => return Ok(false),
        renamed => renamed.tried(|| format!("cannot remove run {}", run.id))?,
    }
    clear(&runs, &aside).map(|()| true)
}

/// Removes what a removal that was cut off has left.
///
/// # Errors
///
/// [`DiskError`].
pub fn finish(state: &Path) -> Result<(), DiskError> {
    for parent in ["runs", "evals"].map(|parent| state.join(parent)) {
        let mut left = folders(&parent)?;
        left.retain(|name| name.starts_with(GOING));
        left.iter().try_for_each(|name| clear(&parent, name))?;
    }
    Ok(())
}

/// Other instances may clear it too: what one of us has just seen the other has removed, and it is begun again.
fn clear(parent: &Path, name: &str) -> Result<(), DiskError> {
    let clear = || -> io::Result<()> {
        let dir = Dir::open(parent)?;
        for _ in 0..CLEARINGS {
            match dir.remove_all(name.as_bytes()) {
                Err(err) if is_absent(&err) || err.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                cleared => return cleared,
            }
        }
        dir.remove_all(name.as_bytes())
    };
    clear().tried(|| format!("cannot clear {}", parent.join(name).display()))
}

fn look_at(state: &Path, id: String) -> Option<Kept> {
    let standing = match RunDir::look(state, &id) {
        Ok(file) if file.id != id => return None,
        // Read again: it may have been taken up after it was read.
        Ok(_) if RunDir::is_busy(state, &id) => Standing::Busy(RunDir::look(state, &id).ok()?),
        Ok(file) => standing(file),
        Err(_) => unreadable(state, &id),
    };
    let known = match &standing {
        // Nothing is written to it.
        Standing::Decided(file) | Standing::Open(file) => file.bytes.map(Bytes),
        Standing::Busy(_) | Standing::Stump | Standing::Young | Standing::Foreign => None,
    };
    let bytes = known.unwrap_or_else(|| size(&state.join("runs").join(&id)));
    Some(Kept { id, standing, bytes })
}

fn standing(file: RunFile) -> Standing {
    match file.status {
        Status::Accepted | Status::Rejected => Standing::Decided(file),
        Status::Running | Status::Done => Standing::Open(file),
    }
}

/// Returns how far a run without a readable `run.json` is.
fn unreadable(state: &Path, id: &str) -> Standing {
    let path = state.join("runs").join(id);
    if RunDir::is_busy(state, id) || is_young(&path) {
        return Standing::Young;
    }
    if path.join(RUN_FILE).symlink_metadata().is_ok() { Standing::Foreign } else { Standing::Stump }
}

/// Returns whether the folder `path` may be one that is just being made.
fn is_young(path: &Path) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|found| found.modified());
    let age = changed.map(|changed| SystemTime::now().duration_since(changed).unwrap_or_default());
    age.map_or(true, |age| age < MAKING)
}

/// Returns the names of the folders in `parent`; links are none of ours, nor are names that are no text.
fn folders(parent: &Path) -> Result<Vec<String>, DiskError> {
    let what = || format!("cannot read {}", parent.display());
    let entries = match fs::read_dir(parent) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.tried(what)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.tried(what)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// Returns what a folder takes of the disk. What goes away meanwhile takes nothing; links are not followed.
#[must_use]
pub fn size(path: &Path) -> Bytes {
    let Ok(dir) = Dir::open(path) else { return Bytes(0) };
    let own = fs::symlink_metadata(path).map_or(0, |found| found.blocks());
    Bytes((own + blocks(&dir, &mut HashSet::new(), 0)).saturating_mul(512))
}

/// Returns the blocks below `dir`. A file with several names takes them once.
fn blocks(dir: &Dir, seen: &mut HashSet<u64>, depth: usize) -> u64 {
    let mut blocks = 0;
    for name in dir.names().unwrap_or_default() {
        let Ok(found) = dir.stat(&name) else { continue };
        let is_dir = FileType::from_raw_mode(found.stx_mode.into()).is_dir();
        // A run lies on one disk.
        if is_dir || found.stx_nlink == 1 || seen.insert(found.stx_ino) {
            blocks += found.stx_blocks;
        }
        // What lies deeper is removed too, but a name for each level is all that is needed to get there.
        if is_dir
            && depth < MAX_DEPTH
            && let Ok(inner) = dir.dir(&name)
        {
            blocks += self::blocks(&inner, seen, depth + 1);
        }
    }
    blocks
}

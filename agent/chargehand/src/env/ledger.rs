//! Who holds how much memory, across processes: reserved before a model is loaded, gone with whoever held it.
//!
//! One file a holder, and the kernel's lock on it: no number of a process has to be trusted, and a holder that is
//! killed releases what it held at once. One decision is made at a time, under the lock of the gate.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chargehand_core::memory::{self, Budget, Footprint, Holding, Plan, Refusal, Stage};
use chargehand_core::roles::covering;
use thiserror::Error;

use super::dir::random_hex;

/// A decision takes less than a millisecond; whoever holds the gate longer is stopped or hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// So often the gate is tried without a pause,
const HURRIED: u32 = 200;
/// and then with this one.
const TICK: Duration = Duration::from_micros(100);
/// A holder's file is shorter: a footprint has some dozen rows.
const MAX_FILE: u64 = 1 << 20;

/// Why nothing was reserved.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The folder or a file in it cannot be used.
    #[error("the ledger {}: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody who lives holds something, and it cannot be read what.
    #[error("the ledger {}: its holder lives and it cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The gate stays shut.
    #[error("the ledger {} was locked for {} s by a process that does nothing", .0.display(), PATIENCE.as_secs())]
    Shut(PathBuf),
    /// There is too little memory.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The folder in which every holder has its file.
#[derive(Clone, Debug)]
pub struct Ledger {
    dir: PathBuf,
}

/// Memory that nobody else is given, until this is dropped or its process ends.
#[derive(Debug)]
pub struct Reservation {
    ledger: Ledger,
    path: PathBuf,
    /// Locked as long as it is open.
    file: File,
    entry: Mutex<Entry>,
}

/// What is held.
#[derive(Clone, Debug)]
struct Entry {
    holding: Holding,
    /// Models that take turns with it.
    waiting: Vec<Footprint>,
}

impl Ledger {
    /// Returns the ledger in `dir`, which need not exist.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Plans to load `footprint` within what all holders leave of `machine`, and reserves it. The machine is looked at
    /// behind the gate: somebody who took the memory a moment ago is in its figures or still among the holders.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn reserve(
        &self,
        footprint: Footprint,
        machine: &dyn Fn() -> Budget,
    ) -> Result<(Plan, Reservation), LedgerError> {
        let gate = self.gate()?;
        let budget = machine().less(&self.scan(None)?);
        let plan = memory::plan(vec![footprint.clone()], &budget)?;
        let holding = Holding { pid: std::process::id(), footprint, stage: Stage::Reserved };
        let reservation = self.enter(holding).map_err(|source| self.io(source))?;
        drop(gate);
        Ok((plan, reservation))
    }

    /// Returns what is held now.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn holdings(&self) -> Result<Vec<Holding>, LedgerError> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let _gate = self.gate()?;
        self.scan(None)
    }

    /// Waits for its turn.
    fn gate(&self) -> Result<File, LedgerError> {
        let open = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
            OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(false)
                .open(self.dir.join("gate.lock"))
        };
        let gate = open().map_err(|source| self.io(source))?;
        let begin = Instant::now();
        for tries in 0_u32.. {
            match gate.try_lock() {
                Ok(()) => return Ok(gate),
                Err(TryLockError::Error(source)) => return Err(self.io(source)),
                Err(TryLockError::WouldBlock) if begin.elapsed() > PATIENCE => {
                    return Err(LedgerError::Shut(self.dir.clone()));
                }
                // A decision is shorter than the shortest sleep.
                Err(TryLockError::WouldBlock) if tries < HURRIED => thread::yield_now(),
                Err(TryLockError::WouldBlock) => thread::sleep(TICK),
            }
        }
        Err(LedgerError::Shut(self.dir.clone()))
    }

    /// Returns what those hold who live, without whoever has the file `own`, and clears up behind those who do not.
    /// Only behind the gate.
    fn scan(&self, own: Option<&Path>) -> Result<Vec<Holding>, LedgerError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(|source| self.io(source))? {
            let path = entry.map_err(|source| self.io(source))?.path();
            if path.extension().is_some_and(|end| end == "json") && Some(path.as_path()) != own {
                found.extend(self.look(&path)?);
            }
        }
        Ok(found)
    }

    fn look(&self, path: &Path) -> Result<Option<Holding>, LedgerError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            // Its holder went away a moment ago.
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io(source)),
        };
        match file.try_lock() {
            Ok(()) => {
                fs::remove_file(path).unwrap_or_default();
                Ok(None)
            }
            Err(TryLockError::Error(source)) => Err(self.io(source)),
            Err(TryLockError::WouldBlock) => {
                let unreadable = |reason| LedgerError::Unreadable { path: path.to_owned(), reason };
                let mut text = String::new();
                let read = (&mut file).take(MAX_FILE).read_to_string(&mut text);
                read.map_err(|err| unreadable(err.to_string()))?;
                serde_json::from_str(&text).map(Some).map_err(|err| unreadable(err.to_string()))
            }
        }
    }

    /// Writes a holder's file. Only behind the gate: nobody else may see it before it is locked and whole.
    fn enter(&self, holding: Holding) -> io::Result<Reservation> {
        let path = self.dir.join(format!("{}-{}.json", holding.pid, random_hex::<8>()?));
        let file = OpenOptions::new().create_new(true).read(true).write(true).open(&path)?;
        file.lock()?;
        let entry = Entry { holding, waiting: Vec::new() };
        entry.write(&file)?;
        Ok(Reservation { ledger: self.clone(), path, file, entry: Mutex::new(entry) })
    }

    fn io(&self, source: io::Error) -> LedgerError {
        LedgerError::Io { path: self.dir.clone(), source }
    }
}

impl Reservation {
    /// Says that the memory is taken: from now on the system counts it as used. It is `footprint`, which may be more
    /// than was planned.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn resident(&self, footprint: Footprint) -> Result<(), LedgerError> {
        let _gate = self.ledger.gate()?;
        self.set(|entry| entry.hold(footprint, Stage::Resident))
    }

    /// Says that the memory is about to be given back and will be taken again: nobody else is given it meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn keep_place(&self) -> Result<(), LedgerError> {
        let _gate = self.ledger.gate()?;
        self.set(|entry| entry.holding.stage = Stage::Reserved)
    }

    /// Plans to load `footprint` in place of what was held, which nobody has in memory any more, and holds it instead.
    /// The machine is looked at behind the gate, here as for [`Ledger::reserve`].
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn again(
        &self,
        footprint: Footprint,
        machine: &dyn Fn() -> Budget,
    ) -> Result<Plan, LedgerError> {
        let _gate = self.ledger.gate()?;
        let plan = self.plan(footprint.clone(), machine)?;
        self.set(|entry| entry.hold(footprint, Stage::Reserved))?;
        Ok(plan)
    }

    /// Plans to load `footprint` in turn with what is held. From now on as much is held as any of them needs, so that
    /// nobody loses the place of those who wait.
    ///
    /// # Errors
    ///
    /// [`LedgerError`], when it does not fit even alone.
    pub fn share(
        &self,
        footprint: Footprint,
        machine: &dyn Fn() -> Budget,
    ) -> Result<Plan, LedgerError> {
        let _gate = self.ledger.gate()?;
        let plan = self.plan(footprint.clone(), machine)?;
        self.set(|entry| {
            let first = entry.holding.footprint.clone();
            entry.waiting.extend([first, footprint]);
        })?;
        Ok(plan)
    }

    /// Plans within what all others leave. Only behind the gate.
    fn plan(
        &self,
        footprint: Footprint,
        machine: &dyn Fn() -> Budget,
    ) -> Result<Plan, LedgerError> {
        let budget = machine().less(&self.ledger.scan(Some(&self.path))?);
        Ok(memory::plan(vec![footprint], &budget)?)
    }

    /// Holds something else. What cannot be written down is not held: others do not know of it.
    fn set(&self, change: impl FnOnce(&mut Entry)) -> Result<(), LedgerError> {
        let mut entry = self.entry();
        let mut changed = entry.clone();
        change(&mut changed);
        changed.write(&self.file).map_err(|source| self.ledger.io(source))?;
        *entry = changed;
        Ok(())
    }

    fn entry(&self) -> MutexGuard<'_, Entry> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn hold(&mut self, footprint: Footprint, stage: Stage) {
        (self.holding.footprint, self.holding.stage) = (footprint, stage);
    }

    fn write(&self, mut file: &File) -> io::Result<()> {
        let footprint = covering(&self.holding.footprint, &self.waiting);
        let text = serde_json::to_vec(&Holding { footprint, ..self.holding.clone() });
        file.seek(SeekFrom::Start(0))?;
        file.set_len(0)?;
        file.write_all(&text.map_err(io::Error::other)?)
    }
}

impl Drop for Reservation {
    /// The lock goes with the file; that the file itself goes is for tidiness.
    fn drop(&mut self) {
        fs::remove_file(&self.path).unwrap_or_default();
    }
}

//! Who holds how much memory, across processes: reserved before a model is loaded, gone with whoever held it.
//!
//! One file for all, a slot in it for each holder, and the kernel's lock on the slot: no number of a process has to be
//! trusted, and a holder that is killed releases what it held at once. What stands in a slot without a lock means
//! nothing. One decision is made at a time, behind the gate, which is such a lock too. Nothing is created, listed or
//! removed for a decision: of those that were timed, that took most.

mod table;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chargehand_core::memory::{self, Budget, Footprint, Holding, Plan, Refusal, Stage};
use chargehand_core::roles::covering;
use thiserror::Error;

use self::table::{Gate, Slot, Table};
use super::probe::ASKS_DEVICES;

/// A decision takes less than a millisecond; whoever holds the gate longer is stopped or hangs. Only the drivers of GPUs
/// may take as long as whoever asks them waits, and several may ask in turn.
const PATIENCE: Duration = Duration::from_secs(if ASKS_DEVICES { 180 } else { 10 });
/// So often the gate is tried without a pause, and no more: whoever is behind it may need the core,
const HURRIED: u32 = 3;
/// and then with this one, which the system makes some 50 us longer,
const TICK: Duration = Duration::from_micros(10);
/// until the wait has shown to be a long one,
const LONG: Duration = Duration::from_secs(1);
/// which this one makes no longer.
const SLOW_TICK: Duration = Duration::from_millis(10);
/// The file, in the folder of the ledger.
const FILE: &str = "holders";

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
    #[error("the ledger {}: the holder of slot {slot} lives and cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The number of the slot in it.
        slot: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// The gate stays shut.
    #[error("the ledger {} was locked for {} s by a process that does not go on", .0.display(), PATIENCE.as_secs())]
    Shut(PathBuf),
    /// Somebody takes the file away again and again.
    #[error("the ledger {} is removed while it is in use; end what removes it", .0.display())]
    Gone(PathBuf),
    /// There is too little memory.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The folder with the file in which every holder has its slot.
#[derive(Clone, Debug)]
pub struct Ledger {
    dir: PathBuf,
}

/// Memory that nobody else is given, until this is dropped or its process ends.
#[derive(Debug)]
pub struct Reservation {
    ledger: Ledger,
    held: Mutex<HeldSlot>,
}

/// What is held, and where that is written down.
#[derive(Debug)]
struct HeldSlot {
    /// The slot is locked as long as this is open.
    table: Arc<Table>,
    slot: Slot,
    entry: Entry,
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
        let holding = Holding { pid: std::process::id(), footprint, stage: Stage::Reserved };
        let entry = Entry { holding, waiting: Vec::new() };
        // All that can be done before the others have to wait.
        let text = entry.text().map_err(|source| self.io(source))?;
        let (table, gate) = self.enter()?;
        let machine = machine();
        let (held, slots) = self.scan(&table)?;
        let budget = machine.less(&held);
        let plan = memory::plan(vec![entry.holding.footprint.clone()], &budget)?;
        let slot = table.take(&slots, &text).map_err(|source| self.io(source))?;
        drop(gate);
        let held = Mutex::new(HeldSlot { table, slot, entry });
        Ok((plan, Reservation { ledger: self.clone(), held }))
    }

    /// Returns what is held now.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn holdings(&self) -> Result<Vec<Holding>, LedgerError> {
        if !self.dir.join(FILE).exists() {
            return Ok(Vec::new());
        }
        let (table, _gate) = self.enter()?;
        Ok(self.scan(&table)?.0)
    }

    /// Opens the file and waits for its turn. One that was taken away meanwhile is opened anew, once.
    fn enter(&self) -> Result<(Arc<Table>, Gate), LedgerError> {
        for _ in 0..2 {
            let table = Arc::new(self.open()?);
            let gate = self.gate(&table)?;
            if self.is_seen(&table)? {
                return Ok((table, gate));
            }
        }
        Err(LedgerError::Gone(self.dir.join(FILE)))
    }

    fn open(&self) -> Result<Table, LedgerError> {
        let path = self.dir.join(FILE);
        let table = Table::open(&path).or_else(|err| {
            if err.kind() != io::ErrorKind::NotFound {
                return Err(err);
            }
            DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
            Table::open(&path)
        });
        table.map_err(|source| self.io(source))
    }

    /// Waits for its turn.
    fn gate(&self, table: &Arc<Table>) -> Result<Gate, LedgerError> {
        let begin = Instant::now();
        for tries in 0_u32.. {
            match table.try_gate() {
                Ok(Some(gate)) => return Ok(gate),
                Err(source) => return Err(self.io(source)),
                Ok(None) if begin.elapsed() > PATIENCE => break,
                // Most decisions are shorter than the shortest sleep.
                Ok(None) if tries < HURRIED => thread::yield_now(),
                Ok(None) if begin.elapsed() > LONG => thread::sleep(SLOW_TICK),
                Ok(None) => thread::sleep(TICK),
            }
        }
        Err(LedgerError::Shut(self.dir.clone()))
    }

    /// Returns whether the others open the same file.
    fn is_seen(&self, table: &Table) -> Result<bool, LedgerError> {
        table.is_at(&self.dir.join(FILE)).map_err(|source| self.io(source))
    }

    /// Returns what all those hold who live, without whoever has `table` open, and their slots. Only behind the gate.
    fn scan(&self, table: &Table) -> Result<(Vec<Holding>, Vec<Slot>), LedgerError> {
        let slots = table.locked().map_err(|source| self.io(source))?;
        let read = |slot: &Slot| -> Result<Holding, LedgerError> {
            let text = table.read(*slot);
            let holding = text.and_then(|text| Ok(serde_json::from_slice(&text)?));
            holding.map_err(|err| LedgerError::Unreadable {
                path: self.dir.join(FILE),
                slot: slot.number(),
                reason: err.to_string(),
            })
        };
        Ok((slots.iter().map(read).collect::<Result<_, _>>()?, slots))
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
        let (mut held, _gate) = self.alone()?;
        self.set(&mut held, |entry| entry.hold(footprint, Stage::Resident))
    }

    /// Says that the memory is about to be given back and will be taken again: nobody else is given it meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub fn keep_place(&self) -> Result<(), LedgerError> {
        let (mut held, _gate) = self.alone()?;
        self.set(&mut held, |entry| entry.holding.stage = Stage::Reserved)
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
        let (mut held, _gate) = self.alone()?;
        let plan = self.plan(&held, footprint.clone(), machine)?;
        self.set(&mut held, |entry| entry.hold(footprint, Stage::Reserved))?;
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
        let (mut held, _gate) = self.alone()?;
        let plan = self.plan(&held, footprint.clone(), machine)?;
        self.set(&mut held, |entry| {
            let first = entry.holding.footprint.clone();
            entry.waiting.extend([first, footprint]);
        })?;
        Ok(plan)
    }

    /// Plans within what all others leave. Only behind the gate.
    fn plan(
        &self,
        held: &HeldSlot,
        footprint: Footprint,
        machine: &dyn Fn() -> Budget,
    ) -> Result<Plan, LedgerError> {
        let budget = machine().less(&self.ledger.scan(&held.table)?.0);
        Ok(memory::plan(vec![footprint], &budget)?)
    }

    /// Waits for its turn, also among the threads of this process: the gate knows only who has opened the file, and
    /// whoever has this opened it once.
    ///
    /// Where the file was taken away, a slot is taken in the one that others open now: what is held is held there as
    /// well, and whether it still fits is found with the next plan.
    fn alone(&self) -> Result<(MutexGuard<'_, HeldSlot>, Gate), LedgerError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = self.ledger.gate(&held.table)?;
        if self.ledger.is_seen(&held.table)? {
            return Ok((held, gate));
        }
        let (table, new_gate) = match self.ledger.enter() {
            // Its user is logged out and nobody can make another: all who hold anything have the old one.
            Err(LedgerError::Io { .. }) if !self.ledger.dir.exists() => return Ok((held, gate)),
            entered => entered?,
        };
        let (_, slots) = self.ledger.scan(&table)?;
        let taken = held.entry.text().and_then(|text| table.take(&slots, &text));
        let slot = taken.map_err(|source| self.ledger.io(source))?;
        *held = HeldSlot { table, slot, entry: held.entry.clone() };
        Ok((held, new_gate))
    }

    /// Holds something else. What cannot be written down is not held: others do not know of it.
    fn set(&self, held: &mut HeldSlot, change: impl FnOnce(&mut Entry)) -> Result<(), LedgerError> {
        let mut changed = held.entry.clone();
        change(&mut changed);
        let written = changed.text().and_then(|text| held.table.write(held.slot, &text));
        written.map_err(|source| self.ledger.io(source))?;
        held.entry = changed;
        Ok(())
    }
}

impl Entry {
    fn hold(&mut self, footprint: Footprint, stage: Stage) {
        (self.holding.footprint, self.holding.stage) = (footprint, stage);
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let footprint = covering(&self.holding.footprint, &self.waiting);
        Ok(serde_json::to_vec(&Holding { footprint, ..self.holding.clone() })?)
    }
}

impl Drop for HeldSlot {
    /// The lock would go with the file, but not while a program that is just being started has it too.
    fn drop(&mut self) {
        self.table.give_back(self.slot);
    }
}

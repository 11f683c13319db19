//! The file of the ledger: a gate and slots, each with a lock that the kernel takes away when its holder ends.
//!
//! The locks are those of open files, on single bytes: byte 0 is the gate, byte n is slot n. What is locked and what is
//! written have nothing to do with each other, so nobody is kept from reading.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::env::dir::is_absent;

/// So many may hold something at once. What is not written takes no room of the disk.
const SLOTS: u32 = 4096;
/// Far more than a holder writes: a footprint has some dozen rows.
const SIZE: u32 = 1 << 20;
/// A slot begins with the place and the length of its text,
const HEAD: u32 = 8;
/// and has two places for it, so that what stands there is whole until the next one is.
const PLACES: [u32; 2] = [HEAD, SIZE / 2];
const LONGEST: u32 = SIZE / 2 - HEAD;
/// Most texts are shorter, and take one read.
const FIRST_READ: usize = 8 << 10;

/// The file, opened once by each who holds something: what is locked through it is locked until it is closed.
#[derive(Debug)]
pub(super) struct Table(File);

/// Where somebody writes what it holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slot(u32);

/// Nobody else is behind the gate as long as this is there.
#[derive(Debug)]
pub(super) struct Gate(Arc<Table>);

impl Slot {
    pub(super) fn number(self) -> u32 {
        self.0
    }

    fn start(self) -> u64 {
        u64::from(self.0) * u64::from(SIZE)
    }
}

impl Table {
    /// Opens it, and makes it if need be, in a folder that is there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut how = OpenOptions::new();
        // Whoever clears up old files in the folder of a session leaves those with the sticky bit.
        how.read(true).write(true).create(true).truncate(false).mode(0o1600);
        Ok(Self(how.open(path)?))
    }

    /// Returns whether this is the file at `path`.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let there = match fs::metadata(path) {
            Err(err) if is_absent(&err) => return Ok(false),
            there => there?,
        };
        let own = self.0.metadata()?;
        Ok((there.dev(), there.ino()) == (own.dev(), own.ino()))
    }

    /// Passes the gate, unless somebody else has.
    pub(super) fn try_gate(self: &Arc<Self>) -> io::Result<Option<Gate>> {
        match self.set(libc::F_WRLCK, 0) {
            Ok(()) => Ok(Some(Gate(self.clone()))),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
            Err(err) => Err(err.into()),
        }
    }

    /// Takes the first slot that is not among `taken`, and writes into it. Only behind the gate.
    pub(super) fn take(&self, taken: &[Slot], text: &[u8]) -> io::Result<Slot> {
        let full = || io::Error::other(format!("all of its {SLOTS} slots are taken"));
        let mut slots = (1..=SLOTS).map(Slot);
        let slot = slots.find(|slot| !taken.contains(slot)).ok_or_else(full)?;
        self.set(libc::F_WRLCK, slot.0)?;
        self.write(slot, text).inspect_err(|_| self.give_back(slot))?;
        Ok(slot)
    }

    /// Lets others have a slot.
    pub(super) fn give_back(&self, slot: Slot) {
        self.unlock(slot.0);
    }

    /// Returns the slots that others hold.
    pub(super) fn locked(&self) -> io::Result<Vec<Slot>> {
        let mut found = Vec::new();
        // The kernel names any one of the locks in a range: there may be more on both sides of it.
        let mut ranges = vec![(1, SLOTS)];
        while let Some((first, last)) = ranges.pop() {
            if first > last {
                continue;
            }
            let mut asked = range(libc::F_WRLCK, first, last - first + 1);
            fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut asked))?;
            if i32::from(asked.l_type) == libc::F_UNLCK {
                continue;
            }
            // A lock of somebody else's making is as wide as it likes.
            let begin = u32::try_from(asked.l_start).unwrap_or(0).max(first);
            let past = u32::try_from(asked.l_start.saturating_add(asked.l_len)).unwrap_or(u32::MAX);
            let end = if asked.l_len == 0 { last } else { (past - 1).min(last) };
            found.extend((begin..=end).map(Slot));
            ranges.extend([(first, begin - 1), (end + 1, last)]);
        }
        Ok(found)
    }

    /// Returns what stands in a slot.
    pub(super) fn read(&self, slot: Slot) -> io::Result<Vec<u8>> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut first = vec![0; FIRST_READ];
        let got = self.0.read_at(&mut first, slot.start())?;
        first.truncate(got);
        let (place, length) = head(&first).ok_or_else(|| invalid("it is empty"))?;
        if !PLACES.contains(&place) || length > LONGEST {
            return Err(invalid("it is damaged"));
        }
        let (from, length) = (place as usize, length as usize);
        if let Some(text) = first.get(from..from + length) {
            return Ok(text.to_vec());
        }
        let mut text = vec![0; length];
        self.0.read_exact_at(&mut text, slot.start() + u64::from(place))?;
        Ok(text)
    }

    /// Writes into a slot. Only whoever has taken it, behind the gate. Where that fails, it has what it had.
    pub(super) fn write(&self, slot: Slot, text: &[u8]) -> io::Result<()> {
        let length = u32::try_from(text.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or(io::ErrorKind::FileTooLarge)?;
        let mut old = [0; HEAD as usize];
        let got = self.0.read_at(&mut old, slot.start())?;
        let taken = head(&old[..got]).map(|(place, _)| place);
        let place = if taken == Some(PLACES[0]) { PLACES[1] } else { PLACES[0] };
        self.0.write_all_at(text, slot.start() + u64::from(place))?;
        let new = [place.to_le_bytes(), length.to_le_bytes()].concat();
        self.0.write_all_at(&new, slot.start())
    }

    fn unlock(&self, byte: u32) {
        let freed = self.set(libc::F_UNLCK, byte);
        debug_assert!(freed.is_ok(), "BUG: a lock cannot be given back: {freed:?}");
    }

    fn set(&self, kind: libc::c_int, byte: u32) -> Result<(), Errno> {
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&range(kind, byte, 1))).map(drop)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.unlock(0);
    }
}

/// Returns the place and the length of a slot's text.
fn head(slot: &[u8]) -> Option<(u32, u32)> {
    let (place, rest) = slot.split_first_chunk()?;
    let length = rest.first_chunk()?;
    let (place, length) = (u32::from_le_bytes(*place), u32::from_le_bytes(*length));
    (length > 0).then_some((place, length))
}

fn range(kind: libc::c_int, first: u32, count: u32) -> libc::flock {
    let fits = "the constants of the system fit its own fields";
    libc::flock {
        l_type: kind.try_into().expect(fits),
        l_whence: libc::SEEK_SET.try_into().expect(fits),
        l_start: first.into(),
        l_len: count.into(),
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use chargehand_core::memory::{Budget, Footprint};
    use serde_json::json;

    use crate::env::ledger::Ledger;

    /// What a holder starts has all its open files until it is another program, and holds nothing.
    #[test]
    fn an_open_file_that_outlives_its_holder_holds_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(directory.path());
        let options = json!({
            "path": "", "n_ctx": 1, "n_batch": 1, "n_gpu_layers": 0, "kv_type": "f16",
            "use_mmap": false, "extra_buffers": false, "threads": 0,
        });
        let footprint = json!({ "model": "m", "options": options, "rows": [] });
        let footprint: Footprint = serde_json::from_value(footprint).unwrap();
        let (_, reservation) = ledger.reserve(footprint, &Budget::default).unwrap();
        // The same open file, and so the same locks.
        let inherited = reservation.held.lock().unwrap().table.0.try_clone().unwrap();
        assert_eq!(ledger.holdings().unwrap().len(), 1);
        drop(reservation);
        assert_eq!(ledger.holdings().unwrap(), []);
        drop(inherited);
    }
}

//! The file of the ledger: what stands in it, who opened it, and what of that counts.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use chargehand::env::ledger::{Ledger, LedgerError, Reservation};
use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Footprint, Row};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{footprint, hundred, refused, reserve};

/// The file, and so many bytes are between the slots in it.
const FILE: &str = "holders";
const SLOT: u64 = 1 << 20;

/// Returns the file of a ledger with `text` in a slot, with its place and its length before it or another one.
fn slot(directory: &Path, number: u64, length: u32, text: &str) -> File {
    placed(directory, number, [8, length], text)
}

fn placed(directory: &Path, number: u64, head: [u32; 2], text: &str) -> File {
    let mut how = OpenOptions::new();
    let file = how.read(true).write(true).create(true).truncate(false);
    let file = file.open(directory.join(FILE)).unwrap();
    file.write_all_at(&head.map(u32::to_le_bytes).concat(), number * SLOT).unwrap();
    file.write_all_at(text.as_bytes(), number * SLOT + 8).unwrap();
    file
}

/// Locks slot 7 as one who lives does, or unlocks it.
fn lock(file: &File, kind: libc::c_int) {
    let [l_type, l_whence] = [kind, libc::SEEK_SET].map(|number| number.try_into().unwrap());
    let lock = libc::flock { l_type, l_whence, l_start: 7, l_len: 1, l_pid: 0 };
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
}

#[test]
fn what_the_dead_left_behind_counts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    drop(reserve(&ledger, 100).unwrap());
    for (number, text) in [(1, ""), (2, "{}"), (3, "nonsense")] {
        slot(directory.path(), number, 8, text);
        slot(directory.path(), number + 3, 1 << 24, text);
    }
    assert_eq!(ledger.holdings().unwrap(), []);
    drop(reserve(&ledger, 100).unwrap());
    let files = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(files.collect::<Vec<_>>(), [FILE]);
}

#[test]
fn who_lives_and_cannot_be_read_is_not_ignored() {
    for (head, text) in [
        ([8, 8], "nonsense"),
        ([8, 0], "cut off"),
        ([8, 1 << 20], "too long"),
        ([8, 99], "{}"),
        ([8, 1], ""),
        ([9, 1], "elsewhere"),
        ([1 << 21, 1], "in the next slot"),
        ([u32::MAX, u32::MAX], "nowhere"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = placed(directory.path(), 7, head, text);
        lock(&file, libc::F_WRLCK);
        let found = reserve(&Ledger::at(directory.path()), 1);
        assert!(matches!(found, Err(LedgerError::Unreadable { slot: 7, .. })), "{text}: {found:?}");
        lock(&file, libc::F_UNLCK);
        reserve(&Ledger::at(directory.path()), 1).unwrap();
    }
}

/// Slots become free in any order, and are taken again.
#[test]
fn of_many_holders_each_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    let mut held: Vec<Reservation> = (0..50).map(|_| reserve(&ledger, 2).unwrap()).collect();
    refused(&ledger, 1);
    for step in [2, 3, 5] {
        let mut at = 0;
        held.retain(|_| {
            at += 1;
            at % step > 0
        });
        assert_eq!(ledger.holdings().unwrap().len(), held.len());
        refused(&ledger, 101 - 2 * held.len() as u64);
        while held.len() < 50 {
            held.push(reserve(&ledger, 2).unwrap());
        }
        refused(&ledger, 1);
        assert_eq!(ledger.holdings().unwrap().len(), 50);
    }
    let length = fs::metadata(directory.path().join(FILE)).unwrap().len();
    assert!(length < 51 * SLOT, "slots were not taken again: {length}");
}

/// A text longer than most is read to its end, and of a longer one before nothing is left.
#[test]
fn a_long_footprint_is_held_and_a_short_one_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    let held = reserve(&ledger, 1).unwrap();
    let long =
        Footprint { rows: vec![Row::host(&"long".repeat(100), Bytes::mib(1)); 90], ..footprint(1) };
    held.again(long.clone(), &hundred).unwrap();
    refused(&ledger, 11);
    assert_eq!(ledger.holdings().unwrap()[0].footprint, long);
    held.again(footprint(30), &hundred).unwrap();
    assert_eq!(ledger.holdings().unwrap()[0].footprint, footprint(30));
    // What is too long to be written is not held, and what was held before still is.
    let endless =
        Footprint { rows: vec![Row::host(&"x".repeat(1 << 20), Bytes(1))], ..footprint(1) };
    assert!(matches!(held.again(endless, &hundred), Err(LedgerError::Io { .. })));
    assert_eq!(ledger.holdings().unwrap()[0].footprint, footprint(30));
}

/// What a holder starts holds nothing, not even before it is another program: until then it has all open files too.
#[test]
fn a_program_outlives_its_holder_and_holds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    let held = reserve(&ledger, 100).unwrap();
    let path = directory.path().join(FILE);
    let is_it = |found: &fs::DirEntry| fs::read_link(found.path()).is_ok_and(|to| to == path);
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten().find(is_it).unwrap();
    let number: i32 = open.file_name().to_str().unwrap().parse().unwrap();
    // As a child has it: the same open file, and so the same locks.
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let inherited = pidfd_getfd(own, number, PidfdGetfdFlags::empty()).unwrap();
    refused(&ledger, 1);
    drop(held);
    reserve(&ledger, 100).unwrap();
    drop(inherited);
}

/// Whoever comes later opens another file, so that nobody would see the other.
#[test]
fn a_file_that_is_taken_away_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    let held = reserve(&ledger, 60).unwrap();
    let path = directory.path().join(FILE);
    fs::remove_file(&path).unwrap();
    for again in [held.keep_place(), held.resident(footprint(60))] {
        let Err(LedgerError::Gone(gone)) = again else { panic!("{again:?}") };
        assert_eq!(gone, path);
    }
    // Another stands in its place.
    drop(reserve(&ledger, 60).unwrap());
    assert!(matches!(held.keep_place(), Err(LedgerError::Gone(_))));
}

//! The file of the ledger: what stands in it, who opened it, and what of that counts.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;

use chargehand::env::ledger::{Ledger, LedgerError, Reservation};
use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Footprint, Row};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::{footprint, hundred, refused, reserve};
use crate::place::Place;
use crate::turns::held_back;
use crate::worker::wait_for;

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

/// Locks a slot, or the gate, as one who lives does, or unlocks it.
fn lock(file: &File, byte: libc::off_t, kind: libc::c_int) {
    let [l_type, l_whence] = [kind, libc::SEEK_SET].map(|number| number.try_into().unwrap());
    let lock = libc::flock { l_type, l_whence, l_start: byte, l_len: 1, l_pid: 0 };
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
        lock(&file, 7, libc::F_WRLCK);
        let found = reserve(&Ledger::at(directory.path()), 1);
        assert!(matches!(found, Err(LedgerError::Unreadable { slot: 7, .. })), "{text}: {found:?}");
        lock(&file, 7, libc::F_UNLCK);
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

/// Where the test below finds its ledger.
const FULL: &str = "CHARGEHAND_FULL_LEDGER_IN";

/// A holder whose disk is full, in a process of its own; as a test of its own it does nothing.
#[test]
fn holder_on_a_full_disk() {
    let Some(directory) = env::var_os(FULL) else { return };
    let ledger = Ledger::at(Path::new(&directory));
    let held = reserve(&ledger, 30).unwrap();
    let rows = vec![Row::host(&"long".repeat(100), Bytes::mib(1)); 90];
    let again = held.again(Footprint { rows, ..footprint(1) }, &hundred);
    assert!(matches!(again, Err(LedgerError::Io { .. })), "{again:?}");
    assert_eq!(ledger.holdings().unwrap()[0].footprint, footprint(30));
}

/// What cannot be written to its end leaves what was written before: that is what a slot has two places for.
#[test]
fn a_text_that_is_cut_off_takes_the_place_of_none() {
    let directory = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    // In the first slot 8 KiB can be written: more than the first text has, and less than the second.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 2064; exec \"$@\"", "sh"]);
    shell.arg(env::current_exe().unwrap()).args(["--exact", "ledger::file::holder_on_a_full_disk"]);
    let output = shell.env(FULL, directory.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Whoever comes later opens another file, and what is held is held there with the next that is asked of it.
#[test]
fn what_is_held_outlives_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    let held = reserve(&ledger, 60).unwrap();
    let asks: [fn(&Reservation); 3] = [
        |held| held.keep_place().unwrap(),
        |held| held.resident(footprint(60)).unwrap(),
        |held| drop(held.again(footprint(60), &hundred).unwrap()),
    ];
    for ask in asks {
        fs::remove_file(directory.path().join(FILE)).unwrap();
        // Another one stands in its place, or none.
        drop(reserve(&ledger, 100));
        ask(&held);
        refused(&ledger, 41);
        let other = reserve(&ledger, 40).unwrap();
        assert_eq!(ledger.holdings().unwrap().len(), 2);
        drop(other);
    }
    // Somebody who came later has what it would need to be loaded again.
    fs::remove_file(directory.path().join(FILE)).unwrap();
    let other = reserve(&ledger, 60).unwrap();
    assert!(matches!(held.again(footprint(60), &hundred), Err(LedgerError::Refused(_))));
    drop(other);
    held.again(footprint(60), &hundred).unwrap();
    drop(held);
    reserve(&ledger, 100).unwrap();
}

/// As after a logout: those who hold something see each other all the same.
#[test]
fn what_is_held_outlives_the_folder() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("session");
    let ledger = Ledger::at(&folder.join("ledger"));
    let (first, second) = (reserve(&ledger, 60).unwrap(), reserve(&ledger, 30).unwrap());
    fs::remove_dir_all(&folder).unwrap();
    // Nothing can be made in it, not even by root.
    symlink("nowhere", &folder).unwrap();
    first.keep_place().unwrap();
    second.resident(footprint(30)).unwrap();
    assert!(matches!(first.again(footprint(71), &hundred), Err(LedgerError::Refused(_))));
    first.again(footprint(70), &hundred).unwrap();
    // With the next login it can.
    fs::remove_file(&folder).unwrap();
    first.keep_place().unwrap();
    second.keep_place().unwrap();
    assert_eq!(ledger.holdings().unwrap().len(), 2);
    refused(&ledger, 1);
}

/// Whoever has opened it and waits for its turn when it is taken away opens the next one.
#[test]
fn a_file_that_is_taken_away_before_the_gate_is_opened_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join(FILE);
    let ledger = Ledger::at(directory.path());
    let file = slot(directory.path(), 1, 8, "");
    lock(&file, 0, libc::F_WRLCK);
    let opened = || {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter(|file| fs::read_link(file.path()).is_ok_and(|to| to == path)).count()
    };
    thread::scope(|scope| {
        let waiting = scope.spawn(|| reserve(&ledger, 60));
        wait_for(|| (opened() == 2).then_some(()));
        fs::remove_file(&path).unwrap();
        lock(&file, 0, libc::F_UNLCK);
        let held = waiting.join().unwrap().unwrap();
        refused(&ledger, 41);
        drop(held);
    });
}

/// What becomes of a run whose ledger is spoilt after its memory was reserved and before its model is there.
#[track_caller]
fn check_run<T>(spoil: impl Fn(&Path) -> T, code: i32, stop: &str) {
    let place = Place::with(&[("README.md", "# Demo\n")]);
    let job = ["run", "Create the file MINSTRAL.md with the line 'Hello World'", "--json"];
    let program = held_back(place.command(job.iter().chain(&["--create", "MINSTRAL.md"])));
    let folder = place.home().join("ledger");
    let ledger = Ledger::at(&folder);
    wait_for(|| (!ledger.holdings().unwrap().is_empty()).then_some(()));
    let spoilt = spoil(&folder);
    assert_eq!(program.end(), Some(code));
    drop(spoilt);
    assert_eq!(place.report()["stop"]["kind"], stop, "{}", place.report());
}

#[test]
fn a_run_goes_on_without_its_ledger() {
    check_run(|folder| fs::remove_file(folder.join(FILE)).unwrap(), 0, "finished");
    let log_out = |folder: &Path| {
        fs::remove_dir_all(folder).unwrap();
        symlink("nowhere", folder).unwrap();
    };
    check_run(log_out, 0, "finished");
}

/// Its folder and its log are there by then, so that it is no start that was refused.
#[test]
fn a_ledger_that_fails_behind_a_load_is_a_failure_of_the_run() {
    let spoil = |folder: &Path| {
        fs::remove_file(folder.join(FILE)).unwrap();
        let file = slot(folder, 7, 8, "nonsense");
        lock(&file, 7, libc::F_WRLCK);
        file
    };
    check_run(spoil, 74, "worker_failed");
}

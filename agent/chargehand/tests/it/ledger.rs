//! The ledger: nobody is given what another one holds, whoever dies gives it back, and no two starts at the same
//! moment pass where there is room for one.

mod file;

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use chargehand::env::ledger::{Ledger, LedgerError, Reservation};
use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Budget, Footprint, HOST, LoadOptions, Pool, Row, Stage};

/// Where a racer finds its ledger. Set by the race for the processes that it starts.
const RACE: &str = "CHARGEHAND_RACE_IN";
/// Three racers fit into 100 with 30 each.
const SLOTS: usize = 3;

fn footprint(mib: u64) -> Footprint {
    let options = LoadOptions {
        path: String::new(),
        n_ctx: 1,
        n_seq: 1,
        n_batch: 1,
        n_gpu_layers: 0,
        kv_on_host: false,
        experts_on_cpu: false,
        beside: Vec::new(),
        kv_type: "f16".to_owned(),
        use_mmap: false,
        extra_buffers: false,
        threads: 0,
        seals: Vec::new(),
    };
    let rows = vec![Row::host("weights", Bytes::mib(mib))];
    Footprint { model: "m".to_owned(), options, rows }
}

fn hundred() -> Budget {
    let (capacity, name) = (Bytes::mib(100), HOST.to_owned());
    let pool = Pool { name, capacity, available: capacity, headroom: Bytes(0), within: None };
    Budget { pools: vec![pool] }
}

/// The same while other programs and models that are there leave so much.
fn beside_others(free: u64) -> Budget {
    let mut budget = hundred();
    budget.pools[0].available = Bytes::mib(free);
    budget
}

fn reserve(ledger: &Ledger, mib: u64) -> Result<Reservation, LedgerError> {
    ledger.reserve(footprint(mib), &hundred).map(|(_, reservation)| reservation)
}

#[track_caller]
fn refused(ledger: &Ledger, mib: u64) {
    assert!(matches!(reserve(ledger, mib), Err(LedgerError::Refused(_))));
}

#[test]
fn what_is_reserved_is_not_given_twice() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(&directory.path().join("deep/ledger"));
    assert!(ledger.holdings().unwrap().is_empty());
    let first = reserve(&ledger, 60).unwrap();
    refused(&ledger, 41);
    let second = reserve(&ledger, 40).unwrap();
    refused(&ledger, 1);
    assert_eq!(ledger.holdings().unwrap().len(), 2);
    drop(second);
    first.resident(footprint(60)).unwrap();
    let holdings = ledger.holdings().unwrap();
    assert_eq!((holdings.len(), holdings[0].stage), (1, Stage::Resident));
    // The budget of this test does not see what is resident; the sum of all does.
    refused(&ledger, 41);
    drop(reserve(&ledger, 40).unwrap());
    // Whoever holds something may load another thing in its place, and no more than others leave.
    assert!(first.again(footprint(100), &hundred).is_ok());
    refused(&ledger, 1);
    assert!(first.again(footprint(60), &hundred).is_ok());
    assert_eq!(ledger.holdings().unwrap()[0].stage, Stage::Reserved);
    let other = reserve(&ledger, 40).unwrap();
    assert!(matches!(first.again(footprint(61), &hundred), Err(LedgerError::Refused(_))));
    // What was refused is not held either.
    drop(other);
    drop(reserve(&ledger, 40).unwrap());
    drop(first);
    drop(reserve(&ledger, 100).unwrap());
    refused(&ledger, 101);
}

/// Of those who take turns nobody loses its place to others while it is away.
#[test]
fn who_takes_turns_holds_what_any_of_them_needs() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    let held = reserve(&ledger, 60).unwrap();
    let is_left = |mib| {
        refused(&ledger, mib + 1);
        drop(reserve(&ledger, mib).unwrap());
    };
    assert!(matches!(held.share(footprint(101), &hundred), Err(LedgerError::Refused(_))));
    is_left(40);
    held.share(footprint(80), &hundred).unwrap();
    is_left(20);
    for (turn, left) in [(80, 20), (60, 20), (90, 10), (60, 20)] {
        held.again(footprint(turn), &hundred).unwrap();
        is_left(left);
        held.resident(footprint(turn)).unwrap();
        is_left(left);
    }
}

/// Other programs have 15 of 100: of the other 85, the 20 that one of two needs more are not free while it waits.
#[test]
fn who_waits_loses_nothing_to_others_beside_other_programs() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    let ask = |mib, free| ledger.reserve(footprint(mib), &|| beside_others(free));
    let (_, held) = ask(60, 85).unwrap();
    held.share(footprint(80), &|| beside_others(85)).unwrap();
    for (turn, other) in [(60, 80), (80, 60), (60, 80)] {
        assert!(ask(5, 85).is_ok() && ask(6, 85).is_err());
        held.resident(footprint(turn)).unwrap();
        let free = 85 - turn;
        assert!(ask(5, free).is_ok() && ask(6, free).is_err(), "beside {turn}");
        held.keep_place().unwrap();
        let (_, another) = ask(5, 85).unwrap();
        assert!(held.again(footprint(other), &|| beside_others(85)).is_ok());
        drop(another);
    }
}

/// Other programs have 30 of 100, and 60 are loaded again: until they are there, they are not free.
#[test]
fn what_is_loaded_again_is_not_free_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    let ask = |mib, free| ledger.reserve(footprint(mib), &|| beside_others(free));
    let (_, first) = ask(60, 70).unwrap();
    first.resident(footprint(60)).unwrap();
    assert!(ask(10, 10).is_ok() && ask(11, 10).is_err());
    // It makes room for another one of its run, and from now on the system calls that free.
    first.keep_place().unwrap();
    assert!(ask(1, 10).is_err());
    assert!(ask(10, 70).is_ok() && ask(11, 70).is_err());
    let plan = first.again(footprint(60), &|| {
        // Nobody else decides meanwhile.
        let (say, said) = mpsc::channel();
        let other = ledger.clone();
        thread::spawn(move || say.send(other.holdings().unwrap().len()));
        assert!(said.recv_timeout(Duration::from_millis(50)).is_err());
        beside_others(70)
    });
    assert!(plan.is_ok() && ask(10, 70).is_ok() && ask(11, 70).is_err());
    first.resident(footprint(60)).unwrap();
    assert!(ask(10, 10).is_ok() && ask(11, 10).is_err());
}

/// The threads of one holder decide one after another too.
#[test]
fn nobody_passes_the_gate_with_another_thread() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(directory.path());
    let held = reserve(&ledger, 60).unwrap();
    thread::scope(|scope| {
        let (say, said) = mpsc::channel();
        let held = &held;
        let machine = || {
            let say = say.clone();
            scope.spawn(move || say.send(held.keep_place().is_ok()));
            assert!(said.recv_timeout(Duration::from_millis(50)).is_err());
            hundred()
        };
        held.again(footprint(50), &machine).unwrap();
        assert!(said.recv().unwrap());
    });
    assert_eq!(ledger.holdings().unwrap()[0].footprint, footprint(50));
}

/// One of those who race, in a process of its own; as a test of its own it does nothing.
#[test]
fn racer() {
    let Some(directory) = env::var_os(RACE) else { return };
    let directory = Path::new(&directory);
    // Opened before the reservation: when the process dies, the kernel closes them in this order too.
    let open = |at| {
        let path = directory.join(format!("slot{at}"));
        OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap()
    };
    let slots: Vec<File> = (0..SLOTS).map(open).collect();
    let begun = Instant::now();
    let Ok(reservation) = reserve(&Ledger::at(&directory.join("ledger")), 30) else { return };
    let decided = begun.elapsed();
    // Whoever is admitted finds a slot that nobody else has, or too many were admitted.
    let slot = slots.iter().find(|slot| slot.try_lock().is_ok());
    let mut notes =
        OpenOptions::new().create(true).append(true).open(directory.join("notes")).unwrap();
    let note =
        if slot.is_some() { format!("{}\n", decided.as_micros()) } else { "over\n".to_owned() };
    notes.write_all(note.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(u64::from(std::process::id() % 7)));
    drop(slots);
    drop(reservation);
}

fn start(directory: &Path) -> Child {
    let mut racer = Command::new(env::current_exe().unwrap());
    racer.args(["--exact", "ledger::racer"]).env(RACE, directory);
    racer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Eight start at once, some are killed at any moment, and never are more than three inside.
#[test]
fn the_race_is_never_won_by_too_many() {
    let rounds = env::var("CHARGEHAND_RACE_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds: u32 = rounds.unwrap_or(10);
    let directory = tempfile::tempdir().unwrap();
    for round in 0..rounds {
        let mut racers: Vec<Child> = (0..8).map(|_| start(directory.path())).collect();
        for (at, racer) in racers.iter_mut().enumerate() {
            // Three of them, after 0 to 14 ms.
            if at % 3 == 0 {
                thread::sleep(Duration::from_millis(u64::from(round % 15)));
                racer.kill().unwrap();
            }
        }
        for racer in &mut racers {
            racer.wait().unwrap();
        }
    }
    let notes = fs::read_to_string(directory.path().join("notes")).unwrap_or_default();
    assert!(!notes.contains("over"), "more than {SLOTS} were admitted");
    let mut times: Vec<u64> = notes.lines().map(|line| line.parse().unwrap()).collect();
    times.sort_unstable();
    assert!(!times.is_empty(), "nobody was admitted");
    // All are gone, so everything is free again.
    drop(reserve(&Ledger::at(&directory.path().join("ledger")), 100).unwrap());
    let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
    let said = format!(
        "{rounds} rounds: {} admitted, decided in {median} us, {last} us at most\n",
        times.len()
    );
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}

/// Eight decide at once, again and again, and each time at the same moment. How long that takes is said, and not
/// judged: others work on the machine too.
#[test]
fn decisions_are_timed() {
    let rounds = env::var("CHARGEHAND_RACE_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds: usize = rounds.unwrap_or(10);
    for (at_once, is_together) in [(1, false), (8, false), (8, true)] {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(directory.path());
        let together = Barrier::new(at_once);
        let decide = || {
            let times = (0..rounds).map(|_| {
                if is_together {
                    together.wait();
                }
                let begun = Instant::now();
                // Nobody leaves: the others would wait for ever.
                let reservation = reserve(&ledger, 1);
                let taken = begun.elapsed();
                reservation.map(|_| taken).map_err(|err| err.to_string())
            });
            times.collect::<Vec<Result<Duration, String>>>()
        };
        let mut times: Vec<Duration> = thread::scope(|scope| {
            let deciding: Vec<_> = (0..at_once).map(|_| scope.spawn(decide)).collect();
            let all = deciding.into_iter().flat_map(|one| one.join().unwrap());
            all.collect::<Result<_, _>>().unwrap()
        });
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_micros();
        let how = if is_together { "at the same moment" } else { "at once" };
        let (half, most, last) = (at(50), at(95), at(100));
        let said = format!(
            "{at_once} {how}: decided in {half} us, 95 % in {most} us, {last} us at most\n"
        );
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
}

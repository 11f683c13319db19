//! A run whose reviewer is another model than its coder: both are loaded side by side, or, where there is no room for
//! that, one is parked while the other has its turn, and goes on where it was.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chargehand::audit;
use chargehand::env::ledger::{Ledger, Reservation};
use chargehand::env::probe;
use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Budget, Footprint, Pool, Row};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;
use serde_json::Value;

use crate::families::generated;
use crate::place::Place;

/// The built-in model does it; weights that mean nothing review as the grammar has it, and are never content.
const JOB: [&str; 9] = [
    "run",
    "Create the file MINSTRAL.md with the line 'Hello World'",
    "--create",
    "MINSTRAL.md",
    "--criterion",
    "it says hello",
    "--criterion",
    "it is one line",
    "--rounds=1",
];

/// Returns a place whose judge is a generated model, and what coder and judge take.
fn place() -> Option<(Place, [Footprint; 2])> {
    let judge = generated("qwen")?;
    let place = Place::with(&[("README.md", "# Demo\n")]);
    fs::create_dir_all(place.home()).unwrap();
    let judge = format!("[models]\njudge = {{ path = '{}', ctx = 4096 }}", judge.display());
    let roles = "[roles]\ncoder = 'apprentice'\njudge = 'judge'";
    fs::write(place.home().join("config.toml"), format!("{judge}\n{roles}\n")).unwrap();
    let plan = place.run(&["plan", "--json"]).expect(0).lines().remove(0);
    let footprints = serde_json::from_value(plan["footprints"].clone()).unwrap();
    Some((place, footprints))
}

fn sizes(footprints: &[Footprint; 2]) -> [Bytes; 2] {
    [0, 1].map(|at| footprints[at].by_pool()["host"])
}

/// Holds all memory but `room`, as another run would.
fn leave(place: &Place, room: Bytes, some: &Footprint) -> Reservation {
    let pool = probe::host(Path::new("/"));
    let rest = pool.capacity.saturating_sub(pool.headroom).saturating_sub(room);
    let footprint = Footprint { rows: vec![Row::host("all", rest)], ..some.clone() };
    let vast = Bytes(u64::MAX);
    let pools = vec![Pool { capacity: vast, available: vast, ..pool }];
    let machine = || Budget { pools: pools.clone() };
    let ledger = Ledger::at(&place.home().join("ledger"));
    let (_, held) = ledger.reserve(footprint.clone(), &machine).unwrap();
    held.resident(footprint).unwrap();
    held
}

/// Leaves room for any one of the two, and not for both.
fn leave_one(place: &Place, footprints: &[Footprint; 2]) -> Reservation {
    let [coder, judge] = sizes(footprints);
    let room = coder.max(judge) + Bytes(coder.min(judge).0 / 2);
    leave(place, room, &footprints[0])
}

fn events(place: &Place, kind: &str) -> Vec<Value> {
    let lines = audit::read(&place.run_dir().join("events.jsonl")).unwrap();
    let lines = lines.into_iter().filter(|line| line.kind == kind);
    lines.map(|line| Value::Object(line.fields)).collect()
}

/// Returns what was called, and how much of each prompt was evaluated and how much remembered.
fn calls(place: &Place) -> Vec<(Value, Value, Value)> {
    let calls = events(place, "called").into_iter();
    calls
        .map(|line| {
            let usage = &line["usage"];
            (line["call"].clone(), usage["prompt_n"].clone(), usage["cache_n"].clone())
        })
        .collect()
}

/// Returns each change of models as `from to parked restored`, in tokens.
fn changes(place: &Place) -> Vec<(String, u64, u64)> {
    let changes = events(place, "model_changed").into_iter();
    changes
        .map(|line| {
            let tokens = |what: &str| line[what]["tokens"].as_u64().unwrap();
            let who = [line["from"].as_str().unwrap(), line["to"].as_str().unwrap()];
            (who.join(" "), tokens("parked"), tokens("restored"))
        })
        .collect()
}

fn lost(place: &Place) -> Vec<String> {
    let changes = events(place, "model_changed");
    let moved = changes.iter().flat_map(|line| [&line["parked"], &line["restored"]]);
    moved.filter_map(|moved| moved["lost"].as_str().map(str::to_owned)).collect()
}

#[track_caller]
fn is_clean(place: &Place) {
    assert!(!place.run_dir().join("parked").exists(), "what was parked goes with the run");
}

#[test]
fn two_models_take_turns_only_where_they_must() {
    let Some((beside, _)) = place() else { return };
    let outcome = beside.run(&JOB).expect(4);
    outcome.says("memory apprentice takes ").says("memory judge takes ");
    let worker = beside.report()["worker"].as_str().unwrap().to_owned();
    assert!(worker.contains(", reviewed by judge (sha256 "), "{worker}");
    assert_eq!(changes(&beside), []);
    assert_eq!(events(&beside, "reviewed").len(), 2);

    let (place, footprints) = place().unwrap();
    let others = leave_one(&place, &footprints);
    place
        .run(&JOB)
        .expect(4)
        .says("worker and reviewer take turns: beside apprentice, judge need ");
    // It is the same run: not one token more is evaluated.
    assert_eq!(calls(&place), calls(&beside));
    let changes = changes(&place);
    let who: Vec<&str> = changes.iter().map(|(who, ..)| who.as_str()).collect();
    assert_eq!(who, ["coder judge", "judge coder", "coder judge"]);
    let (coder, judge) = (changes[0].1, changes[1].1);
    assert_eq!((changes[0].2, changes[1].2, changes[2].2), (0, coder, judge));
    assert!(coder > 100 && judge > 100, "{changes:?}");
    assert_eq!(lost(&place), [""; 0]);
    let reason = events(&place, "model_changed")[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(" MiB, host has "), "{reason}");
    is_clean(&place);
    drop(others);
    assert!(Ledger::at(&place.home().join("ledger")).holdings().unwrap().is_empty());
    place.run(&["verify", "last"]).expect(0);
    place.run(&["replay", "last"]).expect(0);
}

#[test]
fn who_does_not_fit_even_alone_is_refused() {
    let Some((place, footprints)) = place() else { return };
    let [coder, judge] = sizes(&footprints);
    let _others = leave(&place, coder.max(judge).saturating_sub(Bytes(1)), &footprints[0]);
    place.run(&JOB).expect(3).says(" MiB, host has ");
    assert!(place.runs().is_empty());
}

/// A job that goes on as its lines are read: its pipe has room for one.
pub(crate) struct Held {
    child: Child,
    lines: Lines<BufReader<File>>,
}

/// Starts a job whose first line is told, and whose third is not before somebody reads.
pub(crate) fn held_back(mut command: Command) -> Held {
    // Each line takes the place of a page, and there is one page.
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_DIRECT).unwrap();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(1)).unwrap();
    let child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    // It keeps a writing end, with which the lines of a job that fails would never end.
    drop(command);
    Held { child, lines: BufReader::new(File::from(reader)).lines() }
}

/// Starts a job in which two models take turns, and returns it held in its first review: that has some lines to tell
/// before the coder comes back.
fn in_review(place: &Place) -> (Held, PathBuf) {
    let mut held = held_back(place.command(JOB.iter().chain(&["--json"])));
    assert!(held.lines.any(|line| line.unwrap().contains("\"model_change\"")));
    (held, place.run_dir().join("parked/coder"))
}

impl Held {
    /// Lets it go on to its end.
    pub(crate) fn end(mut self) -> Option<i32> {
        assert!(self.lines.all(|line| line.is_ok()));
        self.child.wait().unwrap().code()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn what_is_damaged_or_gone_is_evaluated_again() {
    for (spoil, expect) in [
        ("damage", "its file was changed"),
        ("cut", "its file was changed"),
        ("remove", "No such file or directory"),
    ] {
        let Some((place, footprints)) = place() else { return };
        let _others = leave_one(&place, &footprints);
        let (held, parked) = in_review(&place);
        let mode = fs::metadata(&parked).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut bytes = fs::read(&parked).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        match spoil {
            "damage" => fs::write(&parked, bytes).unwrap(),
            "cut" => fs::write(&parked, &bytes[..middle]).unwrap(),
            _ => fs::remove_file(&parked).unwrap(),
        }
        assert_eq!(held.end(), Some(4));
        let lost = lost(&place);
        assert!(lost.len() == 1 && lost[0].contains(expect), "{lost:?}");
        let changes = changes(&place);
        assert_eq!(
            changes.iter().map(|(_, _, restored)| *restored > 0).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert_eq!(place.report()["verdict"], "holds");
        is_clean(&place);
    }
}

#[test]
fn a_run_that_is_killed_while_a_model_is_parked_is_gone_on_with() {
    let Some((place, footprints)) = place() else { return };
    let others = leave_one(&place, &footprints);
    let (held, parked) = in_review(&place);
    held.kill();
    assert!(fs::metadata(&parked).unwrap().len() > 0);
    place.run(&["resume", "last"]).expect(4).says("worker and reviewer take turns: ");
    assert_eq!(events(&place, "reviewed").len(), 2);
    assert_eq!(place.report()["verdict"], "holds");
    is_clean(&place);
    // With room for both it goes on without turns.
    drop(others);
    let told = changes(&place).len();
    place.run(&["resume", "last"]).expect(4);
    assert_eq!(changes(&place).len(), told);
}

#[test]
fn what_was_parked_by_a_killed_run_goes_when_it_is_rejected() {
    let Some((place, footprints)) = place() else { return };
    let _others = leave_one(&place, &footprints);
    let (held, parked) = in_review(&place);
    held.kill();
    place.run(&["reject", "last"]).expect(0);
    assert!(!parked.exists());
    is_clean(&place);
}

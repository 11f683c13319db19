//! Kills, errors of the disk, power cuts and second instances. Nothing that was told is lost, and whatever is left can
//! be gone on with or taken back.
//!
//! `CHARGEHAND_POINTS` says at how many places of each deed it is tried; the bench script tries all.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use chargehand::audit;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::scene::{Deed, Scene, Work};
use super::{check_call, finish, fixture, write_call};
use crate::place::Outcome;
use crate::power::{Bug, Disk, Lost, plant};
use crate::run::{hanging, is_under_nohup, signal};
use crate::tracer::{Fault, Op, trace};

/// Returns the places at which something goes wrong, the first and the last among them.
fn points(all: usize) -> Vec<usize> {
    let wanted = std::env::var("CHARGEHAND_POINTS").ok().and_then(|text| text.parse().ok());
    let wanted: usize = wanted.unwrap_or(8).clamp(2, all.max(2));
    let mut points: Vec<usize> =
        (0..wanted).map(|n| n * all.saturating_sub(1) / (wanted - 1)).collect();
    points.dedup();
    points
}

/// Lets each of some calls of `deed` go wrong.
#[track_caller]
fn check(deed: Deed, fault: impl Fn(usize) -> Fault) {
    let scene = Scene::before(deed, Work::usual());
    let clean = scene.trace(Fault::Nothing);
    assert_eq!(clean.code, Some(0), "{clean:?}");
    scene.is_done().unwrap();
    for at in points(clean.calls) {
        let fault = fault(at);
        let traced = scene.trace(fault);
        let told = format!(
            "{deed:?} with {fault:?} of {}: {:?} {}",
            clean.calls, traced.code, traced.said
        );
        match traced.code {
            None => assert_eq!(fault, Fault::Kill(at), "{told}"),
            Some(0) => scene.is_done().unwrap_or_else(|err| panic!("{told}\n{err}")),
            Some(code) => assert!([1, 3, 74].contains(&code), "{told}"),
        }
        assert!(!traced.said.contains("panicked"), "{told}");
        if traced.code != Some(0) {
            scene.is_sound().unwrap_or_else(|err| panic!("{told}\n{err}"));
        }
    }
}

/// Returns what a power cut spoils, for some moments and mixtures of what is lost.
fn spoilt(scene: &Scene, disk: &Disk, ops: &[Op]) -> Vec<String> {
    let mut spoilt = Vec::new();
    for at in points(ops.len() + 1) {
        for lost in [Lost::Everything, Lost::Some(at as u64 + 1), Lost::Nothing] {
            disk.cut(ops, at, lost);
            let found = if at == ops.len() { scene.is_done() } else { scene.is_sound() };
            spoilt.extend(
                found.err().map(|err| format!("{lost:?} after {at} of {}: {err}", ops.len())),
            );
        }
    }
    spoilt
}

#[test]
fn k03_a_kill_at_any_call_loses_nothing() {
    for deed in [Deed::Run, Deed::Accept] {
        check(deed, Fault::Kill);
    }
}

/// The disk behind each call is laid out as a process that is killed there leaves it, which costs no tracing. How many
/// kills there are says `CHARGEHAND_KILLS`; each scene has another job.
#[test]
fn kills_in_jobs_of_many_steps_lose_nothing() {
    let wanted = std::env::var("CHARGEHAND_KILLS").ok().and_then(|text| text.parse().ok());
    let wanted: usize = wanted.unwrap_or(24);
    let seed = std::env::var("CHARGEHAND_SEED").ok().and_then(|text| text.parse().ok());
    let mut kills = 0;
    for seed in seed.unwrap_or(1_u64).. {
        for deed in [Deed::Run, Deed::Accept, Deed::Reject] {
            let scene = Scene::before(deed, Work::random(seed));
            let (disk, ops) = scene.watch();
            for at in points(ops.len()) {
                disk.cut(&ops, at, Lost::Nothing);
                let told = |err| {
                    panic!("{deed:?} of job {seed}, killed after {at} of {}: {err}", ops.len())
                };
                scene.is_sound().unwrap_or_else(told);
                kills += 1;
                if kills == wanted {
                    println!("{kills} kills, nothing lost; the last in a {deed:?} of job {seed}");
                    return;
                }
            }
            println!("{kills} kills so far");
        }
    }
}

#[test]
fn k04_an_error_at_any_call_loses_nothing() {
    for deed in [Deed::Run, Deed::Accept, Deed::Reject] {
        check(deed, Fault::Fail);
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_told() {
    for deed in [Deed::Run, Deed::Accept, Deed::Reject] {
        let scene = Scene::before(deed, Work::usual());
        let (disk, ops) = scene.watch();
        assert_eq!(spoilt(&scene, &disk, &ops), Vec::<String>::new(), "{deed:?}");
    }
}

/// The tests above would notice these.
#[test]
fn planted_bugs_are_found_by_a_power_cut() {
    for deed in [Deed::Run, Deed::Accept] {
        let scene = Scene::before(deed, Work::usual());
        let (disk, ops) = scene.watch();
        for bug in [Bug::NoSync, Bug::NoDirSync] {
            let (planted, _) = plant(&ops, bug);
            disk.cut(&planted, planted.len(), Lost::Everything);
            assert!(scene.is_done().is_err(), "{deed:?}: nobody notices {bug:?}");
        }
        let (planted, torn) = plant(&ops, Bug::InPlace);
        let is_noticed = torn.iter().any(|at| {
            disk.cut(&planted, *at, Lost::Nothing);
            scene.is_sound().is_err()
        });
        assert!(is_noticed, "{deed:?}: nobody notices {:?}", Bug::InPlace);
    }
}

#[test]
fn k07_a_full_disk_is_survived() {
    let place = fixture();
    fs::create_dir_all(place.home()).unwrap();
    let big = "y".repeat(64 * 1024);
    let calls: Vec<_> = (0..60).map(|n| write_call(&format!("n{n}.txt"), &big)).collect();
    let script = place.script("s", &calls);
    let rest = place.script("rest", &[write_call("n60.txt", "x"), finish()]);
    // In a mount namespace of its own, so that the small disk goes with the process.
    let run = "mount -t tmpfs -o size=2m none \"$CHARGEHAND_HOME\"; \"$0\" \"$@\"; code=$?; \
               mount -o remount,size=64m \"$CHARGEHAND_HOME\"; \"$0\" resume last --worker \"$REST\"; \
               echo \"resumed with $?\"; \"$0\" verify last; echo \"verified with $?\"; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", run, env!("CARGO_BIN_EXE_chargehand")]);
    command.args(["run", "do it", "--create", "n*.txt", "--turns", "70", "--worker", &script]);
    command.current_dir(place.repo()).env("CHARGEHAND_HOME", place.home());
    command.env("HOME", place.root()).env("REST", rest);
    let outcome = Outcome::from(command.output().unwrap()).expect(74);
    assert!(outcome.stderr.contains("No space left on device"), "{outcome:?}");
    assert!(outcome.stdout.contains("resumed with 0"), "{outcome:?}");
    assert!(outcome.stdout.contains("verified with 0"), "{outcome:?}");
    assert_eq!(place.git(&["status", "--porcelain"]), "");
}

/// Returns whether `is_refused` sees each way to change a log afterwards.
fn every_tampering(text: &str, is_refused: &mut dyn FnMut(&str) -> bool) -> bool {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let all_but = |gone: usize| {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != gone);
        kept.map(|(_, line)| *line).collect::<String>()
    };
    let mut forged: Vec<String> = (0..lines.len()).map(all_but).collect();
    for at in 0..lines.len() - 1 {
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        forged.push(swapped.concat());
    }
    forged.push(format!("{text}{}", lines[lines.len() - 1]));
    forged.push(text.replacen("\"time_ms\":1", "\"time_ms\":2", 1));
    forged.push(text.replacen("x = 10", "x = 11", 1));
    forged.iter().all(|text| is_refused(text))
}

#[test]
fn k09_a_log_that_was_changed_is_told() {
    let scene = Scene::before(Deed::Accept, Work::usual());
    let path = scene.place.run_dir().join("events.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let mut is_refused = |forged: &str| {
        fs::write(&path, forged).unwrap();
        let outcome = scene.place.run(&["verify", "last", "--json"]);
        let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let finding = &told["findings"][0];
        assert_eq!(finding["what"], "log");
        outcome.code == 1 && finding["confirmed"] == false
    };
    assert!(every_tampering(&text, &mut is_refused));
    // The first bad line is named.
    let bad = text.replacen("x = 10", "x = 11", 1);
    let line = 1 + text.lines().position(|line| line.contains("x = 10")).unwrap();
    fs::write(&path, bad).unwrap();
    let err = audit::read(&path).unwrap_err().to_string();
    assert!(
        err.contains(&format!("line {} ", line + 1)) || err.contains(&format!("line {line} ")),
        "{err}"
    );
    // Whoever only counts lines, the chain off, does not see all of it.
    let mut counts = |forged: &str| {
        let lines = forged.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        !lines.enumerate().all(|(at, line)| line["seq"] == at)
    };
    assert!(!every_tampering(&text, &mut counts), "the tampering proves nothing");
}

#[test]
fn k11_two_processes_do_not_work_on_one_run() {
    let place = fixture();
    let mut child = hanging(&place);
    for args in [&["resume", "last"][..], &["reject", "last"], &["accept", "last"]] {
        place.run(args).expect(3).says("is being worked on by process");
    }
    // It is the lock that refuses: without one the run would be taken from under the feet of the first.
    let unlocked = trace(&place.command(["reject", "last"]), place.root(), Fault::NoLock);
    assert_eq!(unlocked.code, Some(0), "the planted bug was not seen: {unlocked:?}");
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    let place = fixture();
    let mut child = hanging(&place);
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    place.run(&["reject", "last"]).expect(0);
}

#[test]
fn k13_taking_a_run_back_can_be_cut_off_anywhere() {
    check(Deed::Reject, Fault::Kill);
}

#[test]
fn k14_a_signal_leaves_nothing_running() {
    let hangup = (!is_under_nohup()).then_some(Signal::SIGHUP);
    for (number, which) in [Signal::SIGINT, Signal::SIGTERM].into_iter().chain(hangup).enumerate() {
        let place = fixture();
        let mut child = hanging(&place);
        thread::sleep(Duration::from_millis(37 * number as u64));
        let before = Instant::now();
        signal(&child, which);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        // Two seconds, and three more for a machine that does other things besides.
        assert!(before.elapsed() < Duration::from_secs(5), "{which}: {:?}", before.elapsed());
        let run = place.run_dir().display().to_string();
        assert!(!is_anybody_in(&run), "{which}: a command still runs");
        place.run(&["reject", "last"]).expect(0);
    }
}

/// Returns whether a process works in the folder `dir`.
fn is_anybody_in(dir: &str) -> bool {
    let works_there = |entry: fs::DirEntry| {
        fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(Path::new(dir)))
    };
    fs::read_dir("/proc").unwrap().flatten().any(works_there)
}

#[test]
fn k15_a_lock_of_the_index_stops_nothing_half_way() {
    let place = fixture();
    fs::write(place.repo().join(".git/index.lock"), "").unwrap();
    let lock = "lock=sh -c 'mkdir -p .git && touch .git/index.lock'";
    let calls = [write_call("new", "x"), check_call("lock"), finish()];
    let script = place.script("s", &calls);
    place.job(&script, &["--create", "new", "--check", lock]).expect(0);
    place.run(&["verify", "last"]).expect(0);
    let head = place.git(&["rev-parse", "HEAD"]);
    place.run(&["accept", "last"]).expect(3).says("index.lock");
    assert_eq!(place.git(&["rev-parse", "HEAD"]), head, "nothing was moved");
    fs::remove_file(place.repo().join(".git/index.lock")).unwrap();
    place.run(&["accept", "last"]).expect(0);
    assert_eq!(place.git(&["status", "--porcelain"]), "");
}

#[test]
fn k16_a_clock_that_goes_back_confuses_nobody() {
    let place = fixture();
    let first = place.script("first", &[write_call("new", "x")]);
    place.job(&first, &["--create", "new", "--write", "src/**", "--turns", "1"]).expect(4);
    // The run began in ten years, by the clock that is right now.
    let path = place.run_dir().join("run.json");
    let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    file["started"] = json!(file["started"].as_u64().unwrap() + 10 * 365 * 86_400);
    fs::write(&path, file.to_string()).unwrap();
    let second = place.script("second", &[finish()]);
    place.run(&["resume", "last", "--worker", &second]).expect(0);
    let lines = audit::read(&place.run_dir().join("events.jsonl")).unwrap();
    assert!(lines.iter().enumerate().all(|(at, line)| line.fields["seq"] == at));
    place.run(&["verify", "last"]).expect(0);
    place.run(&["accept", "last"]).expect(0);
}

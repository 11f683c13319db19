//! `chargehand runs`: what runs take is shown and bounded, and nothing goes that somebody may still want.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Child;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::attacks::{finish, fixture, write_call};
use crate::place::Place;
use crate::run::{hanging, signal};
#[cfg(target_arch = "x86_64")]
use crate::tracer::{Fault, trace};

/// Has a run write `path`, and says what became of it.
fn run(place: &Place, path: &str, then: Option<&str>) -> PathBuf {
    let before = place.runs();
    let script = place.script("s", &[write_call(path, &"x".repeat(50_000)), finish()]);
    place.job(&script, &["--create", path]).expect(0);
    let new = place.runs().into_iter().find(|run| !before.contains(run)).unwrap();
    if let Some(then) = then {
        place.run(&[then, name(&new)]).expect(0);
    }
    new
}

fn name(run: &Path) -> &str {
    run.file_name().unwrap().to_str().unwrap()
}

/// A run that an hour's work went into, and nobody works on it any more.
fn interrupted(place: &Place) -> PathBuf {
    let before = place.runs();
    let child = killed(place);
    drop(child);
    place.runs().into_iter().find(|run| !before.contains(run)).unwrap()
}

fn killed(place: &Place) -> Child {
    let mut child = hanging(place);
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    child
}

fn gc(place: &Place, args: &[&str]) -> Value {
    let args = [&["runs", "gc", "--json"], args].concat();
    place.run(&args).expect(0).lines().remove(0)
}

fn list(place: &Place) -> Value {
    place.run(&["runs", "list", "--json"]).expect(0).lines().remove(0)
}

fn states(place: &Place) -> Vec<String> {
    let text = |run: &Value| run["state"].as_str().unwrap().to_owned();
    list(place)["runs"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn only_what_was_decided_goes_and_the_oldest_first() {
    let place = fixture();
    let first = run(&place, "a", Some("accept"));
    let second = run(&place, "b", Some("reject"));
    let open = run(&place, "c", None);
    let cut = interrupted(&place);
    assert_eq!(states(&place), ["accepted", "rejected", "holds", "interrupted"]);
    let all = list(&place)["bytes"].as_u64().unwrap();
    assert!(all > 100_000, "{all}");

    // One byte less than there is: the oldest is enough. That is said, and nothing happens.
    let most = format!("{}B", all - 1);
    let said = gc(&place, &["--max-disk", &most, "--dry-run"]);
    assert_eq!(said["runs"].as_array().unwrap().len(), 1);
    assert_eq!(said["runs"][0]["id"], name(&first));
    assert!(first.exists());
    assert_eq!(gc(&place, &["--max-disk", &format!("{all}B")])["runs"], json!([]), "it fits");
    gc(&place, &["--max-disk", &most]);
    assert!(!first.exists() && second.exists());

    gc(&place, &["--max-disk", "0B"]);
    assert!(!second.exists() && open.exists() && cut.exists());
    // Told so, all goes but what somebody works on.
    let mut busy = hanging(&place);
    gc(&place, &["--max-disk", "0B", "--undecided"]);
    assert!(!open.exists() && !cut.exists());
    assert_eq!(states(&place), ["running"]);
    signal(&busy, Signal::SIGKILL);
    busy.wait().unwrap();
}

#[test]
fn a_decision_bounds_what_is_kept() {
    let place = fixture();
    let first = run(&place, "a", Some("accept"));
    let open = run(&place, "b", None);
    let most = format!("[runs]\nmax_disk = '{}B'\n", list(&place)["bytes"]);
    fs::write(place.home().join("config.toml"), most).unwrap();
    run(&place, "c", Some("reject"));
    assert!(!first.exists(), "{}", list(&place));
    assert!(open.exists(), "nobody has decided it");
    fs::write(place.home().join("config.toml"), "[runs]\nmax_disk = 'much'\n").unwrap();
    place.run(&["runs", "list"]).expect(2).says("`much` is no size");
    place.run(&["reject", name(&open)]).expect(0).says("older runs cannot be removed");
}

#[test]
fn a_decision_does_not_remove_its_own_run() {
    let place = fixture();
    fs::create_dir_all(place.home().join("runs/.going-20260101-000000-abcd/work")).unwrap();
    fs::write(place.home().join("config.toml"), "[runs]\nmax_disk = '0B'\n").unwrap();
    let first = run(&place, "a", Some("accept"));
    place.run(&["verify", "last"]).expect(0);
    let second = run(&place, "b", Some("reject"));
    assert!(!first.exists() && second.exists());
    let left = fs::read_dir(place.home().join("runs")).unwrap().count();
    assert_eq!(left, 1, "what a removal before has left is gone");
}

#[test]
fn a_run_whose_commit_is_made_waits_for_its_checkout() {
    let place = fixture();
    let open = run(&place, "a", None);
    let file = open.join("run.json");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"bytes\""), "it is weighed when nobody works on it any more: {text}");
    fs::write(&file, text.replace("\"pid\"", "\"commit\": \"00\", \"pid\"")).unwrap();
    gc(&place, &["--max-disk", "0B", "--undecided"]);
    assert!(open.exists());
    fs::write(&file, text).unwrap();
    gc(&place, &["--max-disk", "0B", "--undecided"]);
    assert!(!open.exists());
}

#[test]
fn examinations_are_counted_and_go_last() {
    let place = fixture();
    let eval = place.home().join("evals/20260101-000000-abcd");
    fs::create_dir_all(&eval).unwrap();
    fs::write(eval.join("trials.jsonl"), "x".repeat(40_000)).unwrap();
    let said = list(&place);
    assert_eq!(said["evals"]["count"], 1);
    assert!(said["evals"]["bytes"].as_u64().unwrap() >= 40_000, "{said}");
    assert_eq!(said["bytes"], said["evals"]["bytes"]);
    gc(&place, &["--max-disk", "0B", "--undecided"]);
    assert!(eval.join("trials.jsonl").exists(), "it may be in the making");
    // The oldest of two, and no examination where a run is enough.
    let head = json!({ "id": name(&eval), "course": { "ended": true } });
    fs::write(eval.join("eval.json"), head.to_string()).unwrap();
    let later = place.home().join("evals/20260101-000001-abcd");
    fs::create_dir(&later).unwrap();
    fs::write(later.join("eval.json"), head.to_string().replace(name(&eval), name(&later)))
        .unwrap();
    let done = run(&place, "a", Some("accept"));
    let most = |less: u64| format!("{}B", list(&place)["bytes"].as_u64().unwrap() - less);
    gc(&place, &["--max-disk", &most(1)]);
    assert!(!done.exists() && eval.exists());
    let said = gc(&place, &["--max-disk", &most(1)]);
    assert_eq!(said["evals"][0]["id"], name(&eval));
    assert!(!eval.exists() && later.exists());
    // Another version wrote it, and it says it is another one.
    fs::write(later.join("eval.json"), head.to_string()).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3601);
    fs::File::open(&later).unwrap().set_modified(old).unwrap();
    gc(&place, &["--max-disk", "0B"]);
    assert!(later.exists());
    assert_eq!(gc(&place, &["--max-disk", "0B", "--undecided"])["evals"][0]["state"], "unreadable");
    assert!(!later.exists());
}

#[test]
fn odd_names_lead_nowhere() {
    let place = fixture();
    let done = run(&place, "a", Some("accept"));
    let runs = place.home().join("runs");
    let theirs = place.root().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::copy(done.join("run.json"), theirs.join("run.json")).unwrap();
    symlink(&theirs, runs.join("20200101-000000-0000")).unwrap();
    fs::write(runs.join("20200101-000000-0001"), "no folder").unwrap();
    // Another's folder under its own name, one whose name goes on after that of a run, one that is being made.
    for odd in ["\u{1b}[2J\u{202e}", &format!("{}-more", name(&done)), "20200101-000000-0002"] {
        fs::create_dir(runs.join(odd)).unwrap();
    }
    fs::create_dir(runs.join("20200101-000000-0003")).unwrap();
    fs::copy(done.join("run.json"), runs.join("20200101-000000-0003/run.json")).unwrap();
    let shown = place.run(&["runs", "list"]).expect(0).stdout;
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    gc(&place, &["--max-disk", "0B", "--undecided"]);
    assert!(!done.exists(), "it went, whatever goes on after its name");
    assert!(theirs.join("run.json").exists() && runs.join("20200101-000000-0001").exists());
    // What is an hour old and never began is no longer in the making.
    let stump = runs.join("20200101-000000-0002");
    assert!(stump.exists());
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3601);
    fs::File::open(&stump).unwrap().set_modified(old).unwrap();
    gc(&place, &["--max-disk", "0B"]);
    assert!(!stump.exists());
}

#[test]
fn a_run_of_another_version_stays() {
    let place = fixture();
    let done = run(&place, "a", Some("accept"));
    let text = fs::read_to_string(done.join("run.json")).unwrap();
    fs::write(done.join("run.json"), text.replace("\"schema\": 1", "\"schema\": 2")).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3601);
    fs::File::open(&done).unwrap().set_modified(old).unwrap();
    assert_eq!(states(&place), ["unreadable"]);
    gc(&place, &["--max-disk", "0B"]);
    assert!(done.exists());
    gc(&place, &["--max-disk", "0B", "--undecided"]);
    assert!(!done.exists());
}

#[test]
fn several_instances_remove_beside_each_other() {
    let place = fixture();
    let done: Vec<PathBuf> =
        ["a", "b", "c"].iter().map(|path| run(&place, path, Some("accept"))).collect();
    let open = run(&place, "d", None);
    let start = || place.command(["runs", "gc", "--max-disk", "0B"]).spawn().unwrap();
    let children: Vec<Child> = (0..4).map(|_| start()).collect();
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert!(done.iter().all(|run| !run.exists()) && open.exists());
    assert_eq!(fs::read_dir(place.home().join("runs")).unwrap().count(), 1);
}

/// Wherever a removal is cut off, no run is half there, and the next removal finishes it.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_removal_can_be_cut_off_anywhere() {
    let place = fixture();
    let open = run(&place, "open", None);
    let command = || place.command(["runs", "gc", "--max-disk", "0B"]);
    let mut at = 0;
    loop {
        let done = run(&place, &format!("f{at}"), Some("accept"));
        let traced = trace(&command(), place.root(), Fault::Kill(at));
        let is_whole = done.join("report.json").exists() && done.join("work").exists();
        assert!(is_whole || !done.exists(), "{at}: half of it is there");
        assert!(open.join("report.json").exists());
        place.run(&["runs", "list"]).expect(0);
        place.run(&["runs", "gc", "--max-disk", "0B"]).expect(0);
        assert_eq!(fs::read_dir(place.home().join("runs")).unwrap().count(), 1, "{at}");
        if traced.code.is_some() {
            break;
        }
        // A removal makes as many calls as the run has files.
        at = at * 2 + 1;
    }
    assert!(at > 7, "{at}");
}

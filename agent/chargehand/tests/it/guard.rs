//! What is done when memory runs short: machines that are files, and, where a control group may be made, a run whose
//! group has become too small.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chargehand::env::pressure::Gauge;
use chargehand_core::bytes::Bytes;
use chargehand_core::memory::guard::{Alarm, Look};
use tempfile::TempDir;

use crate::worker::{Job, wait_for, worker_of};

/// A machine of 1,000 MiB of which 250 stay free.
fn machine(available_mib: u64, pressure: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("proc/pressure")).unwrap();
    set(&root, available_mib, pressure);
    root
}

fn set(root: &TempDir, available_mib: u64, pressure: &str) {
    let info = format!("MemTotal: 1024000 kB\nMemAvailable: {} kB\n", available_mib << 10);
    fs::write(root.path().join("proc/meminfo"), info).unwrap();
    let full = format!("some avg10=99.00 total=1\nfull avg10={pressure} avg60=0.00 total=1\n");
    fs::write(root.path().join("proc/pressure/memory"), full).unwrap();
}

#[track_caller]
fn check(root: &TempDir, expect: Option<Alarm>) {
    let look = Gauge::at(root.path()).look();
    assert_eq!(look.alarm(), expect, "{look:?}");
}

#[test]
fn a_machine_is_looked_at() {
    check(&machine(900, "0.00"), None);
    check(&machine(900, "5.00"), None);
    check(&machine(900, "5.01"), Some(Alarm::Stalled(501)));
    let floor = Bytes(64_000 << 10);
    check(&machine(62, "0.00"), Some(Alarm::Short { available: Bytes::mib(62), floor }));
    // Without the files there is nothing to give.
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(Gauge::at(nothing.path()).look(), Look::default());
}

#[test]
fn a_group_of_ours_can_be_short_alone() {
    let root = machine(900, "0.00");
    fs::create_dir_all(root.path().join("proc/self")).unwrap();
    fs::write(root.path().join("proc/self/cgroup"), "0::/a/b\n").unwrap();
    let group = root.path().join("sys/fs/cgroup/a");
    fs::create_dir_all(&group).unwrap();
    fs::write(group.join("memory.pressure"), "full avg10=7.50 total=1\n").unwrap();
    check(&root, Some(Alarm::Stalled(750)));
}

/// A control group of ours, gone with this.
struct Group {
    folder: PathBuf,
    limit: &'static str,
}

impl Group {
    /// Makes one, or says aloud that `what` is not tested.
    fn new(what: &str) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let found = own.lines().find_map(Self::beside);
        if found.is_none() {
            let said = format!("NOT TESTED: {what}: no control group can be made here\n");
            std::io::stderr().write_all(said.as_bytes()).unwrap();
        }
        found
    }

    fn beside(line: &str) -> Option<Self> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (base, limit) = match parts.next()? {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        static MADE: AtomicU32 = AtomicU32::new(0);
        let no = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("chargehand-test-{}-{no}", std::process::id());
        let folder = Path::new(base).join(parts.next()?.trim_start_matches('/')).join(name);
        fs::create_dir(&folder).ok()?;
        let group = Self { folder, limit };
        group.folder.join(limit).exists().then_some(group)
    }

    fn set_limit(&self, bytes: &str) {
        fs::write(self.folder.join(self.limit), bytes).unwrap();
    }

    fn take_in(&self, process: u32) {
        fs::write(self.folder.join("cgroup.procs"), process.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        fs::remove_dir(&self.folder).unwrap_or_default();
    }
}

/// While a command of the contract runs nobody asks the model: in a group that has become too small it goes, and comes
/// back when there is room again. Nothing of the run is lost.
#[test]
fn an_idle_model_makes_room() {
    let Some(group) = Group::new("a worker in a limited group") else { return };
    // A quarter of that is the least: 256 MiB.
    let mut job = Job::begin(1, &["--config", "memory.host_headroom=1GiB"]);
    let worker = job.hold_worker();
    group.set_limit("200000000");
    group.take_in(job.id());
    wait_for(|| (worker_of(job.id()) != Some(worker)).then_some(()));
    group.set_limit("8000000000");
    job.open_gate();
    let ended = job.end(0);
    let warned = &ended.warnings;
    assert!(warned.iter().any(|reason| reason.contains("made room")), "{warned:?}");
    ended.restarted(&[]).holds();
}

/// In a group that is too small from the beginning nothing is loaded.
#[test]
fn a_group_that_is_too_small_is_refused() {
    let Some(group) = Group::new("a start in a limited group") else { return };
    group.set_limit("150000000");
    let place = crate::place::Place::with(&[("a.md", "x")]);
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.folder.display());
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &enter, "sh", env!("CARGO_BIN_EXE_chargehand"), "run", "Do it"]);
    command
        .args(["--create", "b.md"])
        .current_dir(place.repo())
        .env("CHARGEHAND_HOME", place.home());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("host has"), "{said}");
}

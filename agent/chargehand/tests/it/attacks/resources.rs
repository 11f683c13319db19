//! Commands that take all there is, each within bounds of its own: no test here could harm the machine.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use chargehand::env::sandbox::Limits;
use chargehand_core::evidence::{CheckEnd, CheckRun};

use super::{check_call, finish, fixture, write_call};
use crate::place::Outcome;
use crate::sandbox::{self, Place};

const LIMITS: Limits = Limits { tasks: 4096, memory: 8 << 30, disk_left: 0 };

/// Runs `script` in both tiers under `limits`: it is ended with `reason`, and soon; the next command works.
#[track_caller]
fn ended(limits: Limits, script: &str, reason: &str) {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        let sandbox = sandbox.with_limits(limits);
        let begin = Instant::now();
        let work = place.path("work");
        let CheckRun { end, output, .. } = sandbox::run(&sandbox, &work, &["bash", "-c", script]);
        assert_eq!(end, CheckEnd::Signal(9), "{script}: {output}");
        assert!(output.contains(reason), "{reason}: {output}");
        assert!(begin.elapsed() < Duration::from_secs(20));
        let next = sandbox::run(&sandbox, &work, &["true"]);
        assert_eq!(next.end, CheckEnd::Exit(0), "{next:?}");
    }
}

#[test]
fn p01_processes_are_ended_at_the_limit() {
    let many = "for n in $(seq 200); do sleep 60 & done; wait";
    ended(Limits { tasks: 64, ..LIMITS }, many, "processes and threads, 64 at most are allowed");
    // Each begins the next and goes: there are never many of the same family to be found by hand.
    let chain = "f() { [ $1 -gt 0 ] && { (f $(($1 - 1)) &) ; sleep 60 & }; wait; }; f 100";
    ended(Limits { tasks: 64, ..LIMITS }, chain, "processes and threads, 64 at most are allowed");
}

#[test]
fn p02_memory_is_ended_at_the_limit() {
    let limits = Limits { memory: 64 << 20, ..LIMITS };
    let one = "perl -e '$x = q(x) x (160 << 20); sleep 60'";
    ended(limits, one, "MiB of memory, 64 MiB at most are allowed");
    let shared = "for n in 1 2 3 4; do perl -e '$x = q(x) x (40 << 20); sleep 60' & done; wait";
    ended(limits, shared, "MiB of memory, 64 MiB at most are allowed");
}

/// In a mount namespace of its own, so that the small disk goes with the process.
#[test]
fn p03_a_disk_is_not_filled() {
    let place = fixture();
    fs::create_dir_all(place.home()).unwrap();
    let worker = place.script("s", &[write_call("new", "x"), check_call("fill"), finish()]);
    let fill =
        "fill=sh -c 'for n in 1 2 3 4 5 6 7 8; do head -c 64M /dev/zero > big$n; sleep 0.2; done'";
    let run = "mount -t tmpfs -o size=256m none \"$CHARGEHAND_HOME\" && \"$0\" \"$@\"; code=$?; \
               cat \"$CHARGEHAND_HOME\"/runs/*/report.json; \"$0\" verify last; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", run, env!("CARGO_BIN_EXE_chargehand")]);
    command.args(["run", "do it", "--create", "new", "--check", fill, "--worker", &worker]);
    command
        .current_dir(place.repo())
        .env("CHARGEHAND_HOME", place.home())
        .env("HOME", place.root());
    let outcome = Outcome::from(command.output().unwrap()).expect(1);
    assert!(outcome.stdout.contains("MiB must stay free"), "{outcome:?}");
    assert!(outcome.stdout.contains("\"verdict\": \"violated\""), "{outcome:?}");
}

#[test]
fn p07_a_command_that_stops_itself_is_ended() {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        let timeout = Duration::from_secs(2);
        let script = "trap '' TERM INT HUP; kill -STOP $$; sleep 600";
        let check = sandbox::command(&["bash", "-c", script], timeout);
        let begin = Instant::now();
        let got = sandbox.run(&check, &place.path("work"), None, &|| false);
        assert_eq!(got.end, CheckEnd::TimedOut, "{got:?}");
        assert!(begin.elapsed() < timeout + Duration::from_secs(3), "{:?}", begin.elapsed());
    }
}

#[test]
fn p10_a_megabyte_of_brackets_is_text() {
    let place = fixture();
    let brackets = "perl -e 'print q([) x 1000000'";
    let worker = place.script("s", &[write_call("new", "x"), check_call("perl"), finish()]);
    let flags = ["--create", "new", "--check", brackets, "--json"];
    place.job(&worker, &flags).expect(0);
    for args in [&["report", "last"][..], &["verify", "last"], &["replay", "last"]] {
        place.run(args).expect(0);
    }
    // The same from the worker itself, as the arguments of a call.
    let path = place.root().join("deep");
    fs::write(&path, format!("{{\"tool\":\"finish\",\"args\":{}", "[".repeat(1_000_000))).unwrap();
    let outcome = place.job(&format!("script:{}", path.display()), &["--create", "new"]);
    assert!(!outcome.stderr.contains("panicked") && outcome.code > 0, "{outcome:?}");
}

#[test]
fn p12_the_clock_is_not_set() {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        let set = "date -s 2001-01-01; perl -e 'my $t = pack(q(qq), 1, 0); exit(syscall(227, 0, $t) == 0)'";
        let got = sandbox::run(&sandbox, &place.path("work"), &["sh", "-c", set]);
        assert_eq!(got.end, CheckEnd::Exit(0), "the clock was set: {got:?}");
        assert!(got.output.contains("Operation not permitted"), "{got:?}");
    }
}

#[test]
fn p13_open_files_are_limited() {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        let many = "perl -e 'my @f; while (open my $f, q(<), q(/dev/null)) { push @f, $f; last if @f > 100000 } \
                    print scalar(@f) < 5000 ? q(few) : q(many)'; ulimit -n 1000000 && echo raised";
        let got = sandbox::run(&sandbox, &place.path("work"), &["bash", "-c", many]);
        assert!(got.output.starts_with("few") && !got.output.contains("raised"), "{got:?}");
    }
    assert!(fs::File::open("/dev/null").is_ok());
}

//! Commands in the sandbox, in both tiers: what they must not reach, and how they end.
//!
//! A machine without a tier fails these tests: a sandbox that is not there is not skipped.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chargehand::env::sandbox::{Machine, Sandbox};
use chargehand_core::contract::Check;
use chargehand_core::evidence::{CheckEnd, CheckRun};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A user with a home that holds a secret, and a workspace.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) machine: Machine,
}

impl Place {
    pub(crate) fn new(workspace: &str) -> Self {
        let folder = TempDir::with_prefix("sandbox-").unwrap();
        let home = folder.path().join("home");
        fs::create_dir_all(home.join(".ssh")).unwrap();
        fs::create_dir_all(folder.path().join(workspace)).unwrap();
        fs::write(home.join(".ssh/id"), "s3cret").unwrap();
        let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        variables.insert("HOME".into(), home.into());
        variables.insert("API_TOKEN".into(), "s3cret".into());
        let helper = env!("CARGO_BIN_EXE_chargehand").into();
        let bwrap = "/usr/bin/bwrap".into();
        Self { folder, machine: Machine { helper, bwrap, variables } }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Both tiers; the second comes up when there is no bubblewrap.
    #[track_caller]
    pub(crate) fn sandboxes(&self) -> [Sandbox; 2] {
        let tier = |machine: Machine, first: &str| {
            let sandbox = match Sandbox::detect_on(machine) {
                Ok(sandbox) => sandbox,
                Err(err) => panic!("{err}\nhint: {}", err.hint()),
            };
            let layers = sandbox.layers();
            assert!(layers[0].starts_with(first), "another tier: {layers:#?}");
            sandbox
        };
        let without = Machine { bwrap: self.path("no bwrap"), ..self.machine.clone() };
        [tier(self.machine.clone(), "bubblewrap "), tier(without, "missing: bubblewrap")]
    }
}

pub(crate) fn command(run: &[&str], timeout: Duration) -> Check {
    let run = run.iter().map(|word| (*word).to_owned()).collect();
    Check { timeout, ..Check::new("c", run) }
}

const LONG: Duration = Duration::from_secs(60);

pub(crate) fn run(sandbox: &Sandbox, work: &Path, words: &[&str]) -> CheckRun {
    sandbox.run(&command(words, LONG), work, None, &|| false)
}

/// Runs `script` in both tiers and compares how it ends and what it prints.
#[track_caller]
fn check(script: &str, end: CheckEnd, output: &str) {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        let got = run(&sandbox, &place.path("work"), &["sh", "-c", script]);
        assert_eq!(
            (&got.end, got.output.as_str()),
            (&end, output),
            "{script}: {:#?}",
            sandbox.layers()
        );
    }
}

/// Runs `script`, in which `@` stands for the folder of the place, and expects a failure.
#[track_caller]
fn refused(script: &str) -> Place {
    let place = Place::new("work");
    let script = script.replace('@', place.folder.path().to_str().unwrap());
    for sandbox in place.sandboxes() {
        let got = run(&sandbox, &place.path("work"), &["sh", "-c", &script]);
        assert!(matches!(got.end, CheckEnd::Exit(1..=127)), "{script}: {got:?}");
        assert!(!got.output.contains("s3cret"), "{script}: {got:?}");
    }
    place
}

#[test]
fn a_command_ends_as_it_ends() {
    check("exit 0", CheckEnd::Exit(0), "");
    check("echo out; echo err >&2; exit 3", CheckEnd::Exit(3), "out\nerr\n");
    check("kill -TERM $$", CheckEnd::Signal(15), "");
    check("kill -KILL $$", CheckEnd::Signal(9), "");
    check("exit 137", CheckEnd::Exit(137), "");
    check("printf 'a\\377b'", CheckEnd::Exit(0), "a\u{fffd}b");
    check("cat", CheckEnd::Exit(0), "");
}

#[test]
fn the_workspace_is_the_working_directory_and_can_be_written() {
    let place = Place::new("run of ä/my work");
    let work = place.path("run of ä/my work");
    for sandbox in place.sandboxes() {
        let got = run(
            &sandbox,
            &work,
            &[
                "sh",
                "-c",
                "pwd; echo x > new; mkdir d; mv new d/; echo y > ~/t; echo z > $TMPDIR/t",
            ],
        );
        assert_eq!(got.end, CheckEnd::Exit(0), "{got:?}");
        assert_eq!(got.output.trim_end(), work.canonicalize().unwrap().to_str().unwrap());
        assert_eq!(fs::read_to_string(work.join("d/new")).unwrap(), "x\n");
        fs::remove_dir_all(work.join("d")).unwrap();
        drop(sandbox);
        let left: Vec<_> = fs::read_dir(work.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "the private folders are gone: {left:?}");
    }
}

#[test]
fn nothing_outside_can_be_written() {
    // A private folder may stand where this is written; what counts is the real one.
    let place = refused(
        "echo x > @/outside; mkdir @/outside.d; mkdir -p ~/.ssh; echo x > ~/.ssh/id; exit 1",
    );
    assert!(!place.path("outside").exists() && !place.path("outside.d").exists());
    let place = refused("echo x > @/home/.ssh/id; rm -rf @/home; exit 1");
    assert_eq!(fs::read_to_string(place.path("home/.ssh/id")).unwrap(), "s3cret");
    refused("echo x > /usr/bin/chargehand-was-here");
    refused("echo x > /etc/chargehand-was-here");
    refused("echo x > /proc/sys/kernel/domainname");
    refused("ln -s /etc/passwd link && echo x > link");
}

#[test]
fn nothing_private_can_be_read() {
    refused("cat @/home/.ssh/id");
    refused("cat ~/.ssh/id");
    refused("cat /etc/shadow");
    refused("ln -s @/home/.ssh/id link; cat link");
    refused("ls @/home/.ssh");
    refused("cat /proc/1/environ | tr '\\0' '\\n' | grep s3cret");
}

#[test]
fn the_environment_is_not_passed_on() {
    refused("env | grep -e s3cret -e API_TOKEN");
    check("echo $TERM $CARGO_NET_OFFLINE", CheckEnd::Exit(0), "dumb true\n");
}

#[test]
fn no_server_of_this_machine_is_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Place::new("work");
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    for sandbox in place.sandboxes() {
        let got = run(&sandbox, &place.path("work"), &["bash", "-c", &script]);
        assert_eq!(got.end, CheckEnd::Exit(1), "{got:?}");
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn walls_are_not_moved() {
    refused("mount -t tmpfs none /tmp");
    refused("unshare -U true");
    refused("chroot / true");
    refused("touch s; chmod u+s s");
    refused("mknod null c 1 3");
}

#[test]
fn a_command_cannot_speak_for_its_supervisor() {
    let lie = r#"p=$PPID; for fd in 0 1 2 3 4; do
        echo '{"end":{"exit":0},"landlock":7,"ended_for":null}' > /proc/$p/fd/$fd; done 2>/dev/null; exit 5"#;
    check(lie, CheckEnd::Exit(5), "");
}

#[test]
fn a_command_that_ends_its_supervisor_does_not_pass() {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        let got =
            run(&sandbox, &place.path("work"), &["sh", "-c", "kill -9 $PPID; sleep 0.2; exit 1"]);
        assert!(matches!(got.end, CheckEnd::Signal(9) | CheckEnd::Exit(1)), "{got:?}");
    }
}

#[test]
fn no_thread_of_a_supervisor_gets_a_signal() {
    let threads = "for t in /proc/$PPID/task/*; do kill -0 ${t##*/} && exit 9; done 2>/dev/null";
    check(&format!("{threads}; test -d $t; exit $?"), CheckEnd::Exit(0), "");
}

#[test]
fn limits_of_other_processes_stay_as_they_are() {
    check(
        "prlimit --nofile=100:100 sh -c 'ulimit -n'; ulimit -t",
        CheckEnd::Exit(0),
        "100\nunlimited\n",
    );
    let place = refused("prlimit --pid $PPID --nofile=100:100 2> why");
    let why = fs::read_to_string(place.path("work/why")).unwrap();
    assert!(why.contains("Operation not permitted"), "{why}");
}

#[test]
fn time_is_limited_for_grandchildren_too() {
    let place = Place::new("work");
    let script = "(setsid sh -c 'while :; do echo x >> alive; sleep 0.02; done' &) ; sleep 100";
    for sandbox in place.sandboxes() {
        let begin = Instant::now();
        let wanted = command(&["sh", "-c", script], Duration::from_secs(1));
        let got = sandbox.run(&wanted, &place.path("work"), None, &|| false);
        assert_eq!(got.end, CheckEnd::TimedOut, "{got:?}");
        assert!(got.millis >= 1000 && begin.elapsed() < LONG, "{got:?}");
        is_dead(&place.path("work/alive"));
    }
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let place = Place::new("work");
    let left = "setsid sh -c 'while :; do echo x >> alive; sleep 0.02; done' &";
    let script = format!("{left} until [ -s alive ]; do sleep 0.02; done");
    for sandbox in place.sandboxes() {
        let got = run(&sandbox, &place.path("work"), &["sh", "-c", &script]);
        assert_eq!(got.end, CheckEnd::Exit(0), "{got:?}");
        is_dead(&place.path("work/alive"));
    }
}

/// Nothing appends to the file any more, which something did.
#[track_caller]
fn is_dead(alive: &Path) {
    let size = fs::metadata(alive).unwrap().len();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(fs::metadata(alive).unwrap().len(), size);
    fs::remove_file(alive).unwrap();
}

#[test]
fn somebody_can_say_stop() {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        let begin = Instant::now();
        let stop = || begin.elapsed() > Duration::from_millis(300);
        let got = sandbox.run(&command(&["sleep", "100"], LONG), &place.path("work"), None, &stop);
        assert_eq!(got.end, CheckEnd::Signal(9), "{got:?}");
        assert!(got.output.contains("the run was stopped"), "{got:?}");
        assert!(begin.elapsed() < LONG);
    }
}

#[test]
fn a_flood_of_output_is_cut() {
    const FLOOD: u64 = 24 << 20;
    let place = Place::new("work");
    let script = format!("echo first; head -c {FLOOD} /dev/zero | tr '\\0' x; echo; echo last");
    for sandbox in place.sandboxes() {
        let log = place.path("log");
        let check = command(&["sh", "-c", &script], LONG);
        let got = sandbox.run(&check, &place.path("work"), Some(&log), &|| false);
        assert_eq!(got.end, CheckEnd::Exit(0));
        assert_eq!(got.output_bytes, FLOOD + "first\n\nlast\n".len() as u64);
        assert!(got.output.starts_with("first\n") && got.output.ends_with("\nlast\n"));
        assert!(got.output.contains("bytes left out]") && got.output.len() < 400 << 10);
        assert_eq!(fs::metadata(&log).unwrap().len(), 16 << 20);
    }
}

#[test]
fn an_endless_flood_ends_with_the_time() {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        let wanted = command(&["yes"], Duration::from_secs(1));
        let got = sandbox.run(&wanted, &place.path("work"), None, &|| false);
        assert_eq!(got.end, CheckEnd::TimedOut);
        assert!(Duration::from_millis(got.millis) < LONG, "{} ms", got.millis);
    }
}

#[test]
fn what_a_command_leaves_behind_is_ended() {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        // Sixteen sleepers in sessions of their own; a bounded number, so that a bug here harms no machine.
        let script = "for i in 1 2 3 4 5 6 7 8; do setsid sleep 61.25 & (setsid sleep 61.25 &); done; exit 3";
        let got = run(&sandbox, &place.path("work"), &["sh", "-c", script]);
        assert_eq!(got.end, CheckEnd::Exit(3));
        assert_eq!(sleepers("61.25"), 0);
    }
}

/// In the second tier nothing but the supervisor knows what a command has left in sessions of its own.
#[test]
fn a_supervisor_that_does_not_answer_takes_its_command_along() {
    let place = Place::new("work");
    let [_, sandbox] = place.sandboxes();
    let folder = place.path("work").canonicalize().unwrap();
    let is_supervisor =
        |line: &str| line.contains("\0supervise\0") && line.contains(folder.to_str().unwrap());
    let stop = || {
        let has_begun = sleepers("61.75") == 2;
        for pid in processes(is_supervisor).into_iter().filter(|_| has_begun) {
            kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        }
        has_begun
    };
    let script = "setsid sleep 61.75 & (setsid sleep 61.75 &); sleep 100";
    let got = sandbox.run(&command(&["sh", "-c", script], LONG), &folder, None, &stop);
    assert_eq!(got.end, CheckEnd::Signal(9), "{got:?}");
    assert_eq!((sleepers("61.75"), processes(is_supervisor).len()), (0, 0));
}

/// Counts the processes of this machine that sleep for `seconds`.
fn sleepers(seconds: &str) -> usize {
    let line = format!("sleep\0{seconds}\0");
    processes(|text| text == line).len()
}

/// Returns the processes of this machine whose arguments are meant.
fn processes(is_meant: impl Fn(&str) -> bool) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let meant = processes.filter(|entry| {
        fs::read_to_string(entry.path().join("cmdline")).is_ok_and(|text| is_meant(&text))
    });
    meant.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[test]
fn without_any_tier_there_is_a_reason_and_a_remedy() {
    let place = Place::new("work");
    // A helper that is none: neither tier can be tried.
    let machine =
        Machine { helper: "/bin/false".into(), bwrap: place.path("none"), ..place.machine };
    let err = Sandbox::detect_on(machine).unwrap_err();
    assert!(err.to_string().contains("is not installed"), "{err}");
    assert!(err.hint().contains("apt-get install bubblewrap"), "{}", err.hint());
}

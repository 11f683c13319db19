//! What a command tries to reach outside of its workspace, in both tiers of the sandbox.
//!
//! Where it does no harm the same attack is made without a sandbox first: there it must succeed, or it would prove
//! nothing here.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use chargehand::env::workspace::Workspace;

use super::{check_call, finish, fixture, snapshot, write_call};
use crate::sandbox::{self, Place};
use crate::temp_repo::{TempRepo, fifo, judge};

/// Daemons wait for so long before they do their deed.
const LATER: Duration = Duration::from_millis(1500);

/// A workspace and all that must not be reached from it.
struct Outside {
    place: Place,
    victim: Child,
    tcp: TcpListener,
    udp: UdpSocket,
    unix: UnixListener,
}

impl Outside {
    fn new() -> Self {
        let place = Place::new("work");
        fs::create_dir(place.path("out")).unwrap();
        fs::write(place.path("out/target"), "theirs").unwrap();
        let victim = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind(place.path("out/sock")).unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        unix.set_nonblocking(true).unwrap();
        Self { place, victim, tcp, udp, unix }
    }

    /// Puts in what `script` only knows here.
    fn spell(&self, script: &str) -> String {
        let path = |name| self.place.path(name).display().to_string();
        let port = |address: std::net::SocketAddr| address.port().to_string();
        script
            .replace("@OUT", &path("out"))
            .replace("@HOME", &path("home"))
            .replace("@WORK", &path("work"))
            .replace("@VICTIM", &self.victim.id().to_string())
            .replace("@TCP", &port(self.tcp.local_addr().unwrap()))
            .replace("@UDP", &port(self.udp.local_addr().unwrap()))
            .replace("@SHM", &shared(self.victim.id()).display().to_string())
    }

    fn target(&self) -> String {
        fs::read_to_string(self.place.path("out/target")).unwrap_or_default()
    }

    fn has(&self, path: &str) -> bool {
        self.place.path(path).symlink_metadata().is_ok()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // It may be gone: that is one of the attacks.
        self.victim.kill().unwrap_or_default();
        self.victim.wait().unwrap();
        drop(fs::remove_file(shared(self.victim.id())));
    }
}

fn shared(id: u32) -> PathBuf {
    Path::new("/dev/shm").join(format!("chargehand-attack-{id}"))
}

type Breach = fn(&mut Outside) -> bool;

/// Both tiers must stop `script`; `is_breached` looks from outside.
#[track_caller]
fn stopped(script: &str, is_breached: Breach) {
    stopped_or_named(script, is_breached, None);
}

/// As [`stopped`], but the second tier may say that it does not stop this.
#[track_caller]
fn stopped_or_named(script: &str, is_breached: Breach, named: Option<&str>) {
    for tier in 0..2 {
        let mut outside = Outside::new();
        let sandbox = &outside.place.sandboxes()[tier];
        let script = outside.spell(script);
        let got = sandbox::run(sandbox, &outside.place.path("work"), &["bash", "-c", &script]);
        let layers = sandbox.layers();
        let is_named = named.is_some_and(|words| layers.iter().any(|line| line.contains(words)));
        assert!(!is_breached(&mut outside) || is_named, "{script}: {got:?} under {layers:#?}");
        assert!(tier == 1 || !is_named, "{layers:#?}");
    }
}

/// The attack works without a sandbox.
#[track_caller]
fn works(script: &str, is_breached: Breach) {
    let mut outside = Outside::new();
    let script = outside.spell(script);
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(outside.place.path("work"));
    command.envs(&outside.place.machine.variables).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(is_breached(&mut outside), "the attack itself is broken: {script}: {output:?}");
}

#[track_caller]
fn check(script: &str, is_breached: Breach) {
    works(script, is_breached);
    stopped(script, is_breached);
}

fn is_overwritten(outside: &mut Outside) -> bool {
    outside.target() != "theirs"
}

fn has_leaked(outside: &mut Outside) -> bool {
    outside.has("work/leak")
}

fn comes_late(outside: &mut Outside) -> bool {
    thread::sleep(LATER);
    outside.has("work/late")
}

#[test]
fn s01_a_file_outside_is_not_written() {
    check("echo x > @OUT/target", is_overwritten);
}

/// Commands get copies of the tree, so a second name there is a file of its own.
#[test]
fn s07_a_hard_link_in_the_tree_leads_nowhere() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    let mut run = repo.run();
    let target = repo.outside("target");
    fs::write(&target, "theirs").unwrap();
    fs::hard_link(&target, run.path().join("work/pre")).unwrap();
    let place = Place::new("x");
    for (at, sandbox) in place.sandboxes().iter().enumerate() {
        let copy = run.path().join(format!("copy{at}"));
        Workspace::open(&run).unwrap().copy_for_checks(&copy).unwrap();
        sandbox::run(sandbox, &copy, &["sh", "-c", "echo x > pre"]);
        assert_eq!(fs::read_to_string(copy.join("pre")).unwrap(), "x\n");
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
    }
    judge(&mut run, "goal = 'x'\n[scope]\ncreate = ['**']\n");
    repo.accept(&mut run).unwrap_err();
    repo.accept_anyway(&mut run).unwrap_err();
}

#[test]
fn s08_a_file_outside_is_not_moved() {
    check("mv @OUT/target taken", |outside| !outside.has("out/target"));
}

#[test]
fn s11_a_mode_outside_is_not_changed_or_that_is_said() {
    let script = "chmod 777 @OUT/target";
    let is_changed: Breach =
        |outside| fs::metadata(outside.place.path("out/target")).unwrap().mode() & 0o777 == 0o777;
    works(script, is_changed);
    stopped_or_named(script, is_changed, Some("not stopped: changes of mode, times"));
}

#[test]
fn s12_a_time_outside_is_not_changed_or_that_is_said() {
    let script = "touch -d 2001-01-01 @OUT/target";
    let is_changed: Breach =
        |outside| fs::metadata(outside.place.path("out/target")).unwrap().mtime() < 1_000_000_000;
    works(script, is_changed);
    stopped_or_named(script, is_changed, Some("not stopped: changes of mode, times"));
}

/// A command of a contract looks for the git folder of the user, where it knows that it is, and in its own tree.
#[track_caller]
fn git_stays(script: &str) {
    let place = fixture();
    let before = snapshot(&place.repo());
    let script = script.replace('@', &place.repo().display().to_string());
    let attack = format!("attack=bash -c '{script}; {}; exit 0'", script.replace(".git", "./.git"));
    let calls = [write_call("new", "x"), check_call("attack"), finish()];
    let worker = place.script("s", &calls);
    place.job(&worker, &["--create", "new", "--check", &attack]).expect(0);
    assert_eq!(snapshot(&place.repo()), before);
    assert_eq!(place.report()["evidence"]["changes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn s14_no_hook_is_made() {
    git_stays("mkdir -p @/.git/hooks; echo x > @/.git/hooks/post-checkout");
}

#[test]
fn s15_no_setting_of_git_is_made() {
    git_stays("printf fsmonitor >> @/.git/config");
}

#[test]
fn s17_no_exclude_line_is_made() {
    git_stays("mkdir -p @/.git/info; echo x >> @/.git/info/exclude");
}

#[test]
fn s20_a_private_key_is_not_read() {
    check("grep -q s3cret @HOME/.ssh/id && touch leak", has_leaked);
}

#[test]
fn s21_a_secret_of_the_environment_is_not_there() {
    check("env | grep -q s3cret && touch leak", has_leaked);
}

#[test]
fn s23_other_processes_are_not_seen_or_that_is_said() {
    let script = "grep -q sleep /proc/@VICTIM/cmdline && touch leak";
    works(script, has_leaked);
    stopped_or_named(script, has_leaked, Some("not stopped: a look at the names"));
}

#[test]
fn s24_the_root_of_another_process_leads_nowhere() {
    check("echo x > /proc/@VICTIM/root@OUT/target", is_overwritten);
}

#[test]
fn s25_no_connection_is_made() {
    check("exec 3<>/dev/tcp/127.0.0.1/@TCP", |outside| outside.tcp.accept().is_ok());
}

#[test]
fn s26_no_datagram_is_sent() {
    check("echo x > /dev/udp/127.0.0.1/@UDP", |outside| outside.udp.recv(&mut [0; 8]).is_ok());
}

#[test]
fn s28_no_socket_with_a_path_is_reached() {
    let connect = r#"perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un("@OUT/sock"))'"#;
    check(connect, |outside| outside.unix.accept().is_ok());
}

/// The number of `ptrace`, and of the request to attach.
const PTRACE: &str = if cfg!(target_arch = "x86_64") { "101, 16" } else { "117, 16" };

#[test]
fn s30_another_process_is_not_traced() {
    let attach = format!("perl -e 'exit(syscall({PTRACE}, @VICTIM, 0, 0) != 0)' && touch leak");
    check(&attach, has_leaked);
}

#[test]
fn s31_another_process_is_not_ended() {
    let is_ended: Breach = |outside| {
        thread::sleep(Duration::from_millis(50));
        outside.victim.try_wait().unwrap().is_some()
    };
    check("kill -9 @VICTIM; perl -e 'kill 9, @VICTIM'", is_ended);
}

#[test]
fn s32_no_namespace_is_made() {
    stopped("unshare -Urm sh -c 'mount -t tmpfs none /mnt' && touch leak", has_leaked);
}

#[test]
fn s33_no_program_gives_new_rights() {
    stopped("grep -q 'NoNewPrivs:.*0' /proc/self/status && touch leak", has_leaked);
}

#[test]
fn s34_odd_sockets_are_refused() {
    let open = |family: u8, kind: u8| {
        format!("perl -e 'exit(!socket(S, {family}, {kind}, 0))' && touch leak\n")
    };
    let families = [(40, 1), (38, 5), (17, 3), (21, 5), (31, 1), (29, 3)];
    let all: String = families.map(|(family, kind)| open(family, kind)).concat();
    stopped(&all, has_leaked);
}

#[test]
fn s35_a_daemon_ends_with_its_command() {
    check(
        "(setsid sh -c 'sleep 0.7; echo x > late' > /dev/null 2>&1 < /dev/null &); exit 0",
        comes_late,
    );
}

#[test]
fn s36_a_daemon_that_ignores_signals_ends_with_its_command() {
    let daemon = "use POSIX; exit if fork; setsid; exit if fork; $SIG{$_} = q(IGNORE) for qw(HUP INT TERM); \
                  close STDIN; close STDOUT; close STDERR; select undef, undef, undef, 0.7; \
                  open F, q(>late); print F 1; close F";
    check(&format!("perl -e '{daemon}'"), comes_late);
}

#[test]
fn s38_shared_memory_is_not_reached() {
    check("echo x > @SHM", |outside| shared(outside.victim.id()).exists());
}

#[test]
fn s40_nothing_is_started_at_the_next_login() {
    check(
        "mkdir -p @HOME/.config/systemd/user && echo x > @HOME/.config/systemd/user/x.service",
        |outside| outside.has("home/.config"),
    );
}

#[test]
fn s43_what_we_inherited_is_closed() {
    let place = fixture();
    let secret = place.root().join("secret");
    fs::write(&secret, "s3cret").unwrap();
    let worker = place.script("s", &[write_call("new", "x"), check_call("look"), finish()]);
    let look = "look=sh -c 'ls /proc/self/fd; cat <&9 2> /dev/null; cat /proc/self/fd/9; cat /proc/$PPID/fd/9; exit 0'";
    let mut shell = Command::new("bash");
    shell.args(["-c", "exec 9<../secret; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_chargehand")]);
    shell.args(["run", "do it", "--create", "new", "--check", look, "--worker", &worker]);
    shell.current_dir(place.repo()).env("CHARGEHAND_HOME", place.home()).env("HOME", place.root());
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let log = fs::read_to_string(place.run_dir().join("checks/look.log")).unwrap();
    assert!(log.contains("No such file or directory") && !log.contains("s3cret"), "{log}");
}

#[test]
fn s48_a_pipe_in_the_tree_keeps_nobody_waiting() {
    let repo = TempRepo::with(&[("src/a.py", "1\n")]);
    let mut run = repo.run();
    let work = run.path().join("work");
    fs::remove_file(work.join("src/a.py")).unwrap();
    fifo(&work.join("src/a.py"));
    fifo(&work.join("src/fifo.py"));
    judge(&mut run, "goal = 'x'\n[scope]\nwrite = ['**']\ncreate = ['**']\n");
    let report = fs::read_to_string(run.path().join("report.json")).unwrap();
    assert!(report.contains("\"violated\"") && report.contains("src/fifo.py"), "{report}");
    repo.accept_anyway(&mut run).unwrap_err();
    // One that a command makes is in its copy only.
    let place = fixture();
    let worker = place.script("s", &[write_call("new", "x"), check_call("pipe"), finish()]);
    let pipe = "pipe=sh -c 'rm src/a.py && mkfifo src/a.py src/fifo.py'";
    place.job(&worker, &["--create", "new", "--check", pipe]).expect(0);
}

#[test]
fn s52_nothing_is_mounted_over_the_tree() {
    stopped("mkdir m; mount --bind @OUT @WORK/m; mount -t tmpfs none m; touch m/leak", |outside| {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        mounts.contains(&outside.place.path("work/m").display().to_string())
    });
}

//! Attempts on the kernel: new walls, new rights, and interfaces with a long list of holes.

use std::fs;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chroot, gethostname, sethostname};

use super::{Attempt, Outcome, must_fail};

const CALLS: &str = "seccomp";
/// The request that types.
const TIOCSTI: i64 = 0x5412;

pub(super) const ALL: &[Attempt] = &[
    Attempt {
        name: "mount",
        what: "mount something over the tree",
        layers: [CALLS, CALLS, CALLS],
        residue: None,
        is_harmless: false,
        deed: |_| try_mount(),
    },
    Attempt {
        name: "chroot",
        what: "make another folder the root",
        layers: [CALLS, CALLS, CALLS],
        residue: None,
        is_harmless: false,
        deed: |_| must_fail(chroot(".")),
    },
    Attempt {
        name: "host_name",
        what: "change the name of the machine",
        layers: [CALLS, CALLS, CALLS],
        residue: None,
        is_harmless: false,
        // To what it is: if this succeeds nothing is different.
        deed: |_| must_fail(gethostname().and_then(sethostname)),
    },
    Attempt {
        name: "new_rights",
        what: "get rights from a program that lends its owner's",
        layers: [CALLS, CALLS, CALLS],
        residue: None,
        is_harmless: true,
        deed: |_| match of_itself("NoNewPrivs:").as_deref() {
            Some("1") => Outcome::Stopped("no new privileges".to_owned()),
            Some(_) => Outcome::Succeeded,
            None => Outcome::NotTried("the kernel does not tell".to_owned()),
        },
    },
    Attempt {
        name: "capabilities",
        what: "have rights that go beyond those of the user",
        layers: ["bubblewrap", "capabilities", "capabilities"],
        residue: None,
        is_harmless: true,
        deed: |_| match of_itself("CapEff:").as_deref().map(|set| set.trim_start_matches('0')) {
            Some("") => Outcome::Stopped("it has none".to_owned()),
            Some(_) => Outcome::Succeeded,
            None => Outcome::NotTried("the kernel does not tell".to_owned()),
        },
    },
    Attempt {
        name: "io_uring",
        what: "set up io_uring, which acts where no filter sees it",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        deed: |_| raw(libc::SYS_io_uring_setup, &[1, 0]),
    },
    Attempt {
        name: "keyring",
        what: "find the keys that the kernel keeps for the user",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        deed: |_| raw(libc::SYS_keyctl, &[0, libc::KEY_SPEC_SESSION_KEYRING.into(), 0]),
    },
    Attempt {
        name: "bpf",
        what: "load a program into the kernel",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        deed: |_| raw(libc::SYS_bpf, &[0, 0, 0]),
    },
    Attempt {
        name: "perf_events",
        what: "watch the processor while others work",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        deed: |_| raw(libc::SYS_perf_event_open, &[0, 0, -1, -1, 0]),
    },
    Attempt {
        name: "page_faults",
        what: "hold the kernel in the middle of a copy",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        deed: |_| raw(libc::SYS_userfaultfd, &[-1]),
    },
    Attempt {
        name: "file_handle",
        what: "open a file by its number on the disk",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        deed: |_| raw(libc::SYS_open_by_handle_at, &[libc::AT_FDCWD.into(), 0, 0]),
    },
    Attempt {
        name: "typing",
        what: "type into the terminal as if it was the user",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        // It needs no terminal: without the filter, stdin says that it is none.
        deed: |_| raw(libc::SYS_ioctl, &[0, TIOCSTI, 0]),
    },
    // Last: whoever succeeds is somebody else afterwards.
    Attempt {
        name: "namespace",
        what: "make namespaces, in which it would be root",
        layers: [CALLS, CALLS, CALLS],
        residue: None,
        is_harmless: true,
        deed: |_| must_fail(unshare(CloneFlags::CLONE_NEWUSER)),
    },
];

/// Returns what the kernel says of this process.
fn of_itself(name: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().to_owned())
}

/// Mounts a file system that there is not: whoever is let through is told that.
fn try_mount() -> Outcome {
    match mount(None::<&str>, ".", Some("no-such-file-system"), MsFlags::empty(), None::<&str>) {
        Ok(()) | Err(Errno::ENODEV) => Outcome::Succeeded,
        Err(err) => Outcome::Stopped(err.to_string()),
    }
}

/// Makes a system call that no library of ours offers. Its arguments are senseless on purpose: whoever is let through
/// to it is told that, and nothing happens.
pub(super) fn raw(call: i64, arguments: &[i64]) -> Outcome {
    const SCRIPT: &str =
        "my @a = map { 0 + $_ } @ARGV; exit(syscall($a[0], @a[1 .. $#a]) < 0 ? $! + 0 : 0)";
    let words = std::iter::once(&call).chain(arguments).map(i64::to_string);
    let mut command = Command::new("perl");
    command.args(["-e", SCRIPT, "--"]).args(words).stdin(Stdio::null()).stderr(Stdio::null());
    let status = match command.status() {
        Ok(status) => status,
        Err(err) => return Outcome::NotTried(format!("perl: {err}")),
    };
    match status.code().map(Errno::from_raw) {
        Some(err @ (Errno::EPERM | Errno::EACCES | Errno::ENOSYS)) => {
            Outcome::Stopped(err.to_string())
        }
        Some(_) => Outcome::Succeeded,
        None => Outcome::Stopped("it was ended".to_owned()),
    }
}

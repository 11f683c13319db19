//! Attempts on other processes: the user's, and the supervisor of the command itself.

use std::fs::{self, OpenOptions};
use std::io::{self, IoSliceMut};
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{Pid, getpgid, getpid, getppid, setpgid};

use super::kernel::raw;
use super::{Attempt, Outcome, Targets, must_fail, must_not_hold};
use crate::config;

const SPACE: &str = "bubblewrap";
const CALLS: &str = "seccomp";
const RULES: &str = "Landlock";

pub(super) const ALL: &[Attempt] = &[
    Attempt {
        name: "trace",
        what: "trace another process",
        layers: [CALLS, CALLS, CALLS],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            must_fail(ptrace::seize(Pid::from_raw(targets.victim), ptrace::Options::empty()))
        },
    },
    Attempt {
        name: "memory_of_another",
        what: "read the memory of another process",
        layers: [CALLS, CALLS, CALLS],
        residue: None,
        is_harmless: true,
        deed: |targets| read_memory(Pid::from_raw(targets.victim)),
    },
    Attempt {
        name: "signal",
        what: "send a signal to another process",
        layers: [SPACE, RULES, ""],
        residue: Some("not stopped: signals to other processes"),
        is_harmless: true,
        // This one is ignored by whoever does not ask for it.
        deed: |targets| must_fail(kill(Pid::from_raw(targets.victim), Signal::SIGURG)),
    },
    Attempt {
        name: "signal_to_all",
        what: "send a signal to every process at once",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: false,
        // No signal is sent: the kernel only says whether it would be.
        deed: |_| must_fail(kill(Pid::from_raw(-1), None)),
    },
    Attempt {
        name: "supervisor_signal",
        what: "send a signal to the supervisor",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: false,
        deed: |_| must_fail(kill(getppid(), Signal::SIGURG)),
    },
    Attempt {
        name: "supervisor_group",
        what: "join the group of the supervisor, to end all of it",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        deed: |_| must_fail(getpgid(Some(getppid())).and_then(|group| setpgid(getpid(), group))),
    },
    Attempt {
        name: "supervisor_descriptor",
        what: "send a signal to the supervisor through its folder of /proc",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        // No descriptor is that of a process, and no signal is sent.
        deed: |_| raw(libc::SYS_pidfd_send_signal, &[-1, 0, 0, 0]),
    },
    Attempt {
        name: "supervisor_file",
        what: "have a file send signals to the supervisor",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        // To nobody.
        deed: |_| raw(libc::SYS_fcntl, &[0, libc::F_SETOWN.into(), 0]),
    },
    Attempt {
        name: "supervisor_time",
        what: "take the processor from the supervisor",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        // It does not say how.
        deed: |_| raw(libc::SYS_sched_setparam, &[getppid().as_raw().into(), 0]),
    },
    Attempt {
        name: "supervisor_group_time",
        what: "take the processor from the group of the supervisor",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: false,
        deed: |_| slow_down_group(),
    },
    Attempt {
        name: "supervisor_word",
        what: "speak in the name of the supervisor",
        layers: ["supervisor", "supervisor", ""],
        residue: None,
        is_harmless: false,
        deed: |_| {
            let path = format!("/proc/{}/fd/1", getppid());
            must_fail(OpenOptions::new().write(true).open(path))
        },
    },
    Attempt {
        name: "supervisor_limits",
        what: "change the limits of the supervisor",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: false,
        deed: |_| {
            let limits = i64::from(libc::RLIMIT_CPU);
            raw(libc::SYS_prlimit64, &[getppid().as_raw().into(), limits, 0, 0])
        },
    },
    Attempt {
        name: "arguments_of_another",
        what: "read the arguments of another process",
        layers: [SPACE, "nothing", ""],
        residue: Some("not stopped: a look at the names"),
        is_harmless: true,
        deed: |targets| look(targets, "cmdline"),
    },
    Attempt {
        name: "environment_of_another",
        what: "read the environment of another process",
        layers: [SPACE, RULES, RULES],
        residue: None,
        is_harmless: true,
        deed: |targets| look(targets, "environ"),
    },
    Attempt {
        name: "root_of_another",
        what: "read a file through the root of another process",
        layers: [SPACE, RULES, RULES],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            let secret = targets.secret();
            let inner = secret.strip_prefix("/").unwrap_or(&secret);
            must_not_hold(fs::read(targets.of_victim("root").join(inner)), &targets.marker)
        },
    },
    Attempt {
        name: "environment",
        what: "find a secret in its own environment",
        layers: ["clean environment", "clean environment", ""],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            let values = config::variables().into_values();
            let values: Vec<u8> = values.flat_map(|value| value.into_encoded_bytes()).collect();
            must_not_hold(Ok(values), &targets.marker)
        },
    },
    Attempt {
        name: "open_files",
        what: "find a file that its caller left open",
        layers: ["supervisor", "supervisor", ""],
        residue: None,
        is_harmless: true,
        deed: |targets| find_open(&targets.secret()),
    },
    Attempt {
        name: "program",
        what: "start another program",
        layers: ["", "", CALLS],
        residue: None,
        is_harmless: true,
        deed: |_| must_fail(Command::new("/usr/bin/env").arg("true").output()),
    },
];

fn look(targets: &Targets, name: &str) -> Outcome {
    must_not_hold(fs::read(targets.of_victim(name)), &targets.mark_of_victim())
}

/// Reads where nothing is: whoever is let through to the memory is told that.
fn read_memory(pid: Pid) -> Outcome {
    let mut byte = [0];
    let there = [RemoteIoVec { base: 8, len: 1 }];
    match process_vm_readv(pid, &mut [IoSliceMut::new(&mut byte)], &there) {
        Ok(_) | Err(Errno::EFAULT) => Outcome::Succeeded,
        Err(err) => Outcome::Stopped(err.to_string()),
    }
}

/// Asks for the lowest priority, which the kernel gives to whoever may change one at all, to the group of the
/// supervisor: on the processor, and on the disk. Whoever is let through slows down the sandbox of this attempt only.
fn slow_down_group() -> Outcome {
    const DISK_GROUP: i64 = 2;
    const DISK_IDLE: i64 = 3 << 13;
    let group = match getpgid(Some(getppid())) {
        Ok(group) => group.as_raw().into(),
        Err(err) => return Outcome::Stopped(err.to_string()),
    };
    match raw(libc::SYS_setpriority, &[libc::PRIO_PGRP.into(), group, 19]) {
        Outcome::Stopped(_) => raw(libc::SYS_ioprio_set, &[DISK_GROUP, group, DISK_IDLE]),
        other @ (Outcome::Succeeded | Outcome::NotTried(_)) => other,
    }
}

fn find_open(secret: &PathBuf) -> Outcome {
    let open = || -> io::Result<bool> {
        let mut links = fs::read_dir("/proc/self/fd")?.flatten();
        Ok(links.any(|link| fs::read_link(link.path()).is_ok_and(|path| path == *secret)))
    };
    match open() {
        Ok(true) => Outcome::Succeeded,
        Ok(false) => Outcome::Stopped("it was closed".to_owned()),
        Err(err) => Outcome::Stopped(err.to_string()),
    }
}

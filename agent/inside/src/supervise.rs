//! The supervisor of a command: starts it, waits, and ends everything that descends from it.
//!
//! It stands inside the namespaces but has kept its rights, so that a command can neither end it nor speak in its
//! name: what it writes on stdout is what counts. Its stdin is held open by whoever wants it to go on.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::{set_child_subreaper, set_dumpable};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, wait, waitpid};
use nix::unistd::{Pid, getpid, setsid};
use serde::{Deserialize, Serialize};

use crate::enter;
use crate::spec::{Environment, Spec, Tier};
use crate::usage::{Usage, descendants};

/// How often is counted what a command uses, in milliseconds: a fork bomb makes some hundred processes meanwhile.
const COUNT_EVERY: u128 = 50;
/// Counting takes at most such a part of the time.
const COUNT_SHARE: u128 = 20;
/// Processes that cannot be ended within this time are left to the kernel.
const LAST_GRACE: Duration = Duration::from_secs(2);
/// They are ended again and again, so far apart: in between the dead are collected.
const KILL_EVERY: Duration = Duration::from_millis(1);

/// The first to be ended when memory runs out is a command, the next its supervisor.
const OOM_OF_COMMAND: &str = "1000";
const OOM_OF_SUPERVISOR: &str = "900";

/// What a supervisor tells.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Told {
    /// How the command ended.
    pub end: End,
    /// The Landlock version that held it; 0 for none.
    pub landlock: i32,
    /// Why it was ended, when it did not end by itself.
    pub ended_for: Option<String>,
}

/// How a command ended.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It returned this.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It never began.
    NotStarted(String),
}

/// Runs `command` in `env` under `spec` to its end.
pub(crate) fn supervise(spec: Spec, command: Vec<OsString>, env: Environment) -> ExitCode {
    let told = harden(&spec).and_then(|()| run(spec, command, env)).unwrap_or_else(|err| Told {
        end: End::NotStarted(err.to_string()),
        landlock: 0,
        ended_for: None,
    });
    let text = serde_json::to_vec(&told).unwrap_or_default();
    // If nobody reads it, nobody wants to know.
    io::stdout().write_all(&text).unwrap_or_default();
    ExitCode::SUCCESS
}

fn harden(spec: &Spec) -> io::Result<()> {
    match spec.tier {
        // Bubblewrap has begun a new session.
        Tier::Namespaces => {}
        // Nobody can type into a terminal that he does not have.
        Tier::Landlock => drop(setsid()?),
    }
    close_inherited()?;
    // Not every kernel lets us.
    fs::write("/proc/self/oom_score_adj", OOM_OF_SUPERVISOR).unwrap_or_default();
    // Orphans become our children, so that none is lost.
    set_child_subreaper(true)?;
    // No command reaches our pipes through /proc.
    set_dumpable(false)?;
    Ok(())
}

/// Closes what our caller's caller may have left open.
fn close_inherited() -> io::Result<()> {
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        match nix::unistd::close(descriptor) {
            // One of these was the directory that was read.
            Ok(()) | Err(Errno::EBADF) => {}
            Err(err) => return Err(err.into()),
        }
    }
    Ok(())
}

fn run(spec: Spec, command: Vec<OsString>, env: Environment) -> io::Result<Told> {
    let family = Arc::new(Family::default());
    // First, so that this thread is protected as well.
    watch(&family, &spec)
        .map_err(|err| io::Error::new(err.kind(), format!("no thread to watch it: {err}")))?;
    let output = io::stderr().as_fd().try_clone_to_owned()?;
    let (end, landlock) = match enter::start(spec, command, env, output) {
        Ok(begun) => {
            let score = format!("/proc/{}/oom_score_adj", begun.pid);
            fs::write(score, OOM_OF_COMMAND).unwrap_or_default();
            (wait_for(begun.pid)?, begun.landlock)
        }
        Err(reason) => (End::NotStarted(reason), 0),
    };
    family.end();
    Ok(Told { end, landlock, ended_for: family.ended_for.get().cloned() })
}

/// Waits for `child` and collects every orphan that ends before it.
fn wait_for(child: Pid) -> io::Result<End> {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(End::Exit(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                return Ok(End::Signal(signal as i32));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(err) => return Err(err.into()),
        }
    }
}

/// Everything that descends from us.
#[derive(Debug, Default)]
struct Family {
    ended_for: OnceLock<String>,
    is_over: AtomicBool,
}

impl Family {
    /// Ends what is left, and collects it.
    fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        let begin = Instant::now();
        let mut killed: Option<Instant> = None;
        while begin.elapsed() < LAST_GRACE {
            let waited = waitpid(None, Some(WaitPidFlag::WNOHANG));
            // An orphan becomes our child: without children there is nobody left.
            if waited == Err(Errno::ECHILD) {
                return;
            }
            // Whoever is collected may have left others, and there may be one more dead each time.
            if killed.is_none_or(|last| last.elapsed() >= KILL_EVERY) {
                kill_descendants(getpid());
                killed = Some(Instant::now());
            }
            if waited == Ok(WaitStatus::StillAlive) {
                thread::sleep(KILL_EVERY);
            }
        }
    }
}

/// Ends the family when stdin is closed or when it takes more than its limits. This binds root too, whom the limits
/// of the kernel do not.
fn watch(family: &Arc<Family>, spec: &Spec) -> io::Result<()> {
    let (family, limits, tier) = (Arc::clone(family), spec.limits, spec.tier);
    // At the limit of tasks there is no thread, and a reason.
    let watching = thread::Builder::new().spawn(move || {
        let mut pause = COUNT_EVERY;
        while !family.is_over.load(Ordering::Acquire) {
            let reason = if is_closed(io::stdin().as_fd(), pause) {
                Some("its time was up".to_owned())
            } else {
                let begin = Instant::now();
                let excess = Usage::now(tier).excess(&limits);
                pause = COUNT_EVERY.max(begin.elapsed().as_millis() * COUNT_SHARE);
                excess
            };
            if let Some(reason) = reason {
                family.ended_for.get_or_init(|| reason);
                kill_descendants(getpid());
            }
        }
    });
    watching.map(drop)
}

/// Waits for `millis` and returns whether the other end of `pipe` is gone.
fn is_closed(pipe: BorrowedFd<'_>, millis: u128) -> bool {
    let mut fds = [PollFd::new(pipe, PollFlags::POLLIN)];
    let millis = u16::try_from(millis).unwrap_or(u16::MAX);
    match poll(&mut fds, PollTimeout::from(millis)) {
        // Nobody ever writes into it: if it is ready, it is at its end.
        Ok(ready) => ready > 0,
        Err(Errno::EINTR) => false,
        Err(_) => true,
    }
}

/// Kills every process that descends from `root`.
pub fn kill_descendants(root: Pid) {
    // Stop them first, so that none of them starts another while we go through the list.
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in descendants(root) {
            // It may have ended by now.
            kill(Pid::from_raw(pid), signal).unwrap_or_default();
        }
    }
}

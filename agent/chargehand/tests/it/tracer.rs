//! Watches the system calls by which the program changes a disk, from outside, and lets one of them go wrong.
//!
//! The program under test is the real one, with no hook in it. x86-64 only, as the registers are.

mod calls;

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use calls::{Calls, Deed, behind};

/// No run here makes so many calls.
const MANY: usize = 200_000;

/// What goes wrong. Calls are counted from 0, those only that change something under the watched folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// Nothing.
    Nothing,
    /// The process is killed in place of this call.
    Kill(usize),
    /// This call fails: a write with a full disk, a sync with an error of the disk, all else as if it was read-only.
    Fail(usize),
    /// Locks are had for the asking. This is a planted bug.
    NoLock,
}

/// What a call did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    /// The file has this content now.
    Content { node: u64, content: Vec<u8> },
    /// A file appeared.
    Create { path: PathBuf, node: u64 },
    /// A directory appeared.
    MakeDir { path: PathBuf },
    /// A symbolic link appeared.
    Link { path: PathBuf, target: PathBuf },
    /// A second name appeared.
    Name { path: PathBuf, node: u64 },
    /// Something has another name.
    Rename { from: PathBuf, to: PathBuf, node: u64 },
    /// A name is gone.
    Remove { path: PathBuf },
    /// A file is safe.
    SyncFile { node: u64 },
    /// The names in a directory are safe.
    SyncDir { path: PathBuf },
    /// All is safe.
    SyncDisk,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Trace {
    /// The exit code; nothing when it was killed.
    pub(crate) code: Option<i32>,
    /// All that was done, in order.
    pub(crate) ops: Vec<Op>,
    /// The calls that were counted.
    pub(crate) calls: usize,
    /// Everything that was said.
    pub(crate) said: String,
}

/// Runs `command` and watches what it does under `root`.
#[track_caller]
pub(crate) fn trace(command: &Command, root: &Path, fault: Fault) -> Trace {
    let said = tempfile::NamedTempFile::new().unwrap();
    let output = || Stdio::from(said.reopen().unwrap());
    let mut held = Command::new("sh");
    // It waits until it is watched.
    held.args(["-c", "read x; exec \"$0\" \"$@\" < /dev/null"]);
    held.arg(command.get_program()).args(command.get_args());
    held.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => held.env(name, value),
            None => held.env_remove(name),
        };
    }
    let append = fs::File::options().append(true).open(said.path()).unwrap();
    held.stdin(Stdio::piped()).stdout(output()).stderr(append);
    let mut child = held.spawn().unwrap();
    let leader = Pid::from_raw(child.id().cast_signed());
    let options = ptrace::Options::PTRACE_O_TRACESYSGOOD
        | ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options)
        .expect("this test needs ptrace; a container may have to allow it");
    ptrace::interrupt(leader).unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut tracer = Tracer {
        root: root.to_owned(),
        leader,
        fault,
        open: HashMap::new(),
        nodes: HashMap::new(),
        ops: Vec::new(),
        calls: 0,
        stops: 0,
        code: None,
    };
    tracer.follow();
    // The tracer has seen the end of it, so there may be nothing left to wait for.
    drop(child.wait());
    let Tracer { code, ops, calls, .. } = tracer;
    Trace { code, ops, calls, said: fs::read_to_string(said.path()).unwrap_or_default() }
}

struct Tracer {
    root: PathBuf,
    leader: Pid,
    fault: Fault,
    /// Calls that have begun and not ended, by thread; nothing for those that nobody wants to know of.
    open: HashMap<Pid, Option<Begun>>,
    /// The number of each file by its inode, which another file may have after it.
    nodes: HashMap<u64, u64>,
    ops: Vec<Op>,
    calls: usize,
    stops: usize,
    code: Option<i32>,
}

/// A call that has begun.
#[derive(Debug)]
struct Begun {
    deed: Deed,
    /// What it returns in place of what it would.
    instead: Option<i64>,
}

impl Tracer {
    fn follow(&mut self) {
        // Only this thread's children: other tests have children of their own.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            let (thread, signal) = match waitpid(None, Some(flags)) {
                Err(Errno::ECHILD) => return,
                Err(Errno::EINTR) => continue,
                Err(err) => panic!("{err}"),
                // The last of all threads; what else this thread has started is none of ours.
                Ok(WaitStatus::Exited(thread, code)) if thread == self.leader => {
                    self.code = Some(code);
                    return;
                }
                Ok(WaitStatus::Signaled(thread, ..)) if thread == self.leader => return,
                Ok(WaitStatus::PtraceSyscall(thread)) => {
                    self.at_call(thread);
                    (thread, None)
                }
                Ok(WaitStatus::Stopped(thread, signal)) => (thread, Some(signal)),
                Ok(WaitStatus::PtraceEvent(thread, ..)) => (thread, None),
                Ok(_) => continue,
            };
            // It may have been killed by now.
            ptrace::syscall(thread, signal).unwrap_or_default();
        }
    }

    fn at_call(&mut self, thread: Pid) {
        self.stops += 1;
        if self.stops == MANY {
            kill(self.leader, Signal::SIGKILL).unwrap();
            panic!("the program loops: {:?}, then {:?}", self.fault, self.ops.last());
        }
        let Ok(mut registers) = ptrace::getregs(thread) else { return };
        match self.open.remove(&thread) {
            None => {
                let begun = self.begin(thread, &mut registers);
                self.open.insert(thread, begun);
            }
            Some(Some(begun)) => self.end(thread, begun, &mut registers),
            Some(None) => {}
        }
    }

    fn begin(&mut self, thread: Pid, registers: &mut libc::user_regs_struct) -> Option<Begun> {
        let deed = Calls { thread, registers }.deed()?;
        if matches!(deed, Deed::Lock) {
            let instead = (self.fault == Fault::NoLock).then_some(0);
            self.skip(thread, registers, instead);
            return Some(Begun { deed, instead });
        }
        if !self.concerns(thread, &deed) {
            return None;
        }
        let number = self.calls;
        self.calls += 1;
        let instead = match self.fault {
            Fault::Kill(at) if at == number => {
                kill(self.leader, Signal::SIGKILL).unwrap();
                None
            }
            Fault::Fail(at) if at == number => Some(-i64::from(failure(&deed) as i32)),
            Fault::Nothing | Fault::Kill(_) | Fault::Fail(_) | Fault::NoLock => None,
        };
        self.skip(thread, registers, instead);
        Some(Begun { deed, instead })
    }

    /// Makes the call one that does not exist, if something is to be returned instead.
    fn skip(&self, thread: Pid, registers: &mut libc::user_regs_struct, instead: Option<i64>) {
        if instead.is_some() {
            registers.orig_rax = u64::MAX;
            ptrace::setregs(thread, *registers).unwrap_or_default();
        }
    }

    fn concerns(&self, thread: Pid, deed: &Deed) -> bool {
        let below = |path: &Path| path.starts_with(&self.root);
        match deed {
            Deed::Write(fd) | Deed::Sync(fd) => {
                behind(thread, *fd).is_some_and(|path| below(&path))
            }
            Deed::Open { path, .. }
            | Deed::MakeDir(path)
            | Deed::Link(path, _)
            | Deed::Name(path)
            | Deed::Rename(_, path)
            | Deed::Remove(path) => below(path),
            Deed::SyncDisk => true,
            Deed::Lock => false,
        }
    }

    fn end(&mut self, thread: Pid, begun: Begun, registers: &mut libc::user_regs_struct) {
        if let Some(instead) = begun.instead {
            registers.rax = instead.cast_unsigned();
            ptrace::setregs(thread, *registers).unwrap_or_default();
            return;
        }
        if registers.rax.cast_signed() < 0 {
            return;
        }
        let held = PathBuf::from(format!("/proc/{thread}/fd"));
        let file = |fd: u64| held.join(fd.to_string());
        self.ops.push(match begun.deed {
            Deed::Write(fd) => {
                let content = fs::read(file(fd)).unwrap_or_default();
                Op::Content { node: self.node(fs::metadata(file(fd))), content }
            }
            Deed::Open { path, is_new: true, .. } => {
                let inode = fs::symlink_metadata(&path).map_or(0, |found| found.ino());
                // No inode of a disk has such a number.
                let node = (1 << 60) + self.ops.len() as u64;
                self.nodes.insert(inode, node);
                Op::Create { path, node }
            }
            Deed::Open { path, empties: true, .. } => {
                Op::Content { node: self.node(fs::symlink_metadata(path)), content: Vec::new() }
            }
            Deed::Open { .. } | Deed::Lock => return,
            Deed::MakeDir(path) => Op::MakeDir { path },
            Deed::Link(target, path) => Op::Link { path, target },
            Deed::Name(path) => Op::Name { node: self.node(fs::symlink_metadata(&path)), path },
            Deed::Rename(from, to) => {
                Op::Rename { node: self.node(fs::symlink_metadata(&to)), from, to }
            }
            Deed::Remove(path) => Op::Remove { path },
            Deed::Sync(fd) => {
                let Some(path) = behind(thread, fd) else { return };
                match fs::metadata(file(fd)) {
                    Ok(found) if found.is_dir() => Op::SyncDir { path },
                    found => Op::SyncFile { node: self.node(found) },
                }
            }
            Deed::SyncDisk => Op::SyncDisk,
        });
    }

    fn node(&self, found: std::io::Result<fs::Metadata>) -> u64 {
        let inode = found.map_or(0, |found| found.ino());
        self.nodes.get(&inode).copied().unwrap_or(inode)
    }
}

fn failure(deed: &Deed) -> Errno {
    match deed {
        Deed::Write(_) => Errno::ENOSPC,
        Deed::Sync(_) | Deed::SyncDisk => Errno::EIO,
        Deed::Rename(..) => Errno::EACCES,
        Deed::Open { .. }
        | Deed::MakeDir(_)
        | Deed::Link(..)
        | Deed::Name(..)
        | Deed::Remove(_)
        | Deed::Lock => Errno::EROFS,
    }
}

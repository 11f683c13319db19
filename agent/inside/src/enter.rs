//! The start of a command: a thread of the supervisor gives up every right that a command does not need, for good, and
//! what it starts inherits that.
//!
//! Capabilities, Landlock and seccomp hold the thread that asks for them and what descends from it (capabilities(7),
//! landlock(7), seccomp(2)), so the other threads of the supervisor keep their rights. A program of ours in between
//! would cost as much as all the namespaces.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use nix::libc;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, getpid, getppid};

use crate::spec::{Environment, Spec};
use crate::{calls, files, rights};

const SHELL: &str = "/bin/sh";

/// A command that has begun.
pub(crate) struct Begun {
    /// Its process.
    pub(crate) pid: Pid,
    /// The Landlock version that holds it; 0 for none.
    pub(crate) landlock: i32,
}

/// Starts `command` in `env` under `spec`; both of its outputs go to `output`.
///
/// # Errors
///
/// In words, when a right could not be given up, or there is no such program.
pub(crate) fn start(
    spec: Spec,
    command: Vec<OsString>,
    env: Environment,
    output: OwnedFd,
) -> Result<Begun, String> {
    let thread = thread::Builder::new().spawn(move || {
        let landlock = give_up(spec)?;
        let pid = begin(&command, &env, output)?;
        Ok(Begun { pid, landlock })
    });
    let thread = thread.map_err(|err| format!("no thread to start it: {err}"))?;
    thread.join().expect("BUG: the start of a command panicked")
}

/// Takes from this thread what a command must not have, and returns the Landlock version that holds.
fn give_up(mut spec: Spec) -> Result<i32, String> {
    let failed = |what: &str, err: &dyn Display| format!("{what}: {err}");
    let processes = [getpid(), getppid()].map(Pid::as_raw).into_iter().filter(|pid| *pid > 1);
    // This thread is among them.
    spec.protect.extend(processes.flat_map(tasks));
    // These two are of the whole process, which writes no file and starts nothing else.
    umask(Mode::from_bits_truncate(0o022));
    files::limit(&spec).map_err(|err| failed("limits", &err))?;
    rights::give_up().map_err(|err| failed("capabilities", &err))?;
    let landlock = files::restrict(&spec).map_err(|err| failed("landlock", &err))?;
    calls::restrict(&spec).map_err(|err| failed("seccomp", &err))?;
    Ok(landlock)
}

/// Returns `pid` and its threads: a signal to one of them is one to all.
fn tasks(pid: i32) -> BTreeSet<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let threads = threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    threads.chain([pid]).collect()
}

fn begin(command: &[OsString], env: &Environment, output: OwnedFd) -> Result<Pid, String> {
    let (program, args) = command.split_first().ok_or("no command")?;
    let spawn = |program: &Path, name: &OsStr, before: Option<&Path>| {
        Command::new(program)
            .arg0(name)
            .args(before)
            .args(args)
            .env_clear()
            .envs(env)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            // What it says to its own group does not reach the supervisor.
            .process_group(0)
            .spawn()
    };
    let said = program.to_string_lossy();
    let mut why = format!("there is no program `{said}` that the sandbox can see");
    // As execvp(3) does it: on to the next place where one may not be executed.
    for place in places(program, env.get(OsStr::new("PATH"))) {
        let started = match spawn(&place, program, None) {
            // A script that does not say whose: the shell's.
            Err(err) if err.raw_os_error() == Some(libc::ENOEXEC) => {
                spawn(Path::new(SHELL), OsStr::new(SHELL), Some(&place))
            }
            started => started,
        };
        match started {
            Ok(child) => return Ok(Pid::from_raw(child.id().cast_signed())),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
                why = format!("`{said}` may not be executed");
            }
            Err(err) => return Err(format!("`{said}`: {err}")),
        }
    }
    Err(why)
}

/// Returns where `program` may lie: of a name, each folder of `path` that has it. With a place the new process needs no
/// copy of this one's memory.
fn places(program: &OsStr, path: Option<&OsString>) -> Vec<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return vec![program.into()];
    }
    // One without a slash would be looked for once more: the empty folder is the working directory.
    let place = |folder: PathBuf| Path::new(".").join(folder).join(program);
    let places = path.into_iter().flat_map(std::env::split_paths).map(place);
    places.filter(|place| place.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use nix::unistd::gettid;

    use super::*;

    #[track_caller]
    fn check(program: &str, path: &str, expect: &[&str]) {
        let found = places(program.as_ref(), Some(&path.into()));
        assert_eq!(found, expect.iter().map(PathBuf::from).collect::<Vec<_>>());
    }

    #[test]
    fn a_name_is_looked_for_and_a_path_is_not() {
        check("./sh", "/bin", &["./sh"]);
        check("no/such", "/bin", &["no/such"]);
        check("no-such", "/bin", &[]);
        check("", "/bin", &[]);
        check("sh", "", &[]);
        check("sh", "/no-such:/bin", &["/bin/sh"]);
        // The tests run in the folder of the crate.
        check("Cargo.toml", "/bin:", &["./Cargo.toml"]);
        check("lib.rs", "src", &["./src/lib.rs"]);
    }

    #[test]
    fn a_thread_is_a_task_of_its_process() {
        let (sender, own) = channel();
        let (goes_on, wait) = channel::<()>();
        let thread = thread::spawn(move || {
            sender.send(gettid().as_raw()).unwrap();
            wait.recv().unwrap_err();
        });
        let found = tasks(getpid().as_raw());
        assert!(found.contains(&own.recv().unwrap()) && found.contains(&getpid().as_raw()));
        drop(goes_on);
        thread.join().unwrap();
        assert_eq!(tasks(i32::MAX), [i32::MAX].into());
    }
}

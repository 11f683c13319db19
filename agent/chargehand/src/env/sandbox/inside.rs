//! Our own program inside the sandbox: it supervises, it takes rights away from itself, and it tries the walls.
//!
//! The hidden subcommand `sandbox-exec` comes here with its arguments as they are.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stdin, setsid};

use super::attack;
use super::attempt;
use super::spec::{Spec, for_command};
use super::supervise::supervise;
use super::{calls, files, rights};
use crate::config;

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "sandbox-exec";
/// Its first argument: start the command and look after it.
pub(crate) const SUPERVISE: &str = "supervise";
/// Its first argument: give up all rights and become the command.
pub(crate) const ENTER: &str = "enter";
/// Its first argument: be a command that tries what must not work.
pub(crate) const ATTEMPT: &str = "attempt";

/// Its first argument: make the attempts of [`attack`] in a sandbox.
pub(crate) const ATTACK: &str = "attack";
/// Its first argument: make those that do no harm, without one.
pub(crate) const ATTACK_OUTSIDE: &str = "attack-outside";
/// Its first argument: make those that concern a model, confined as its process is.
pub(crate) const ATTACK_MODEL: &str = "attack-model";
/// Its first argument: take too much of something.
pub(crate) const OVERLOAD: &str = "overload";
/// Its first argument: wait to be attacked.
pub(crate) const VICTIM: &str = "victim";

/// What a process that is no command of the user returns when it cannot even tell why.
const FAILED: u8 = 70;

/// Does what the arguments of the hidden subcommand say. Only [`super::Sandbox`] writes them.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let mode = args.next();
    match mode.as_ref().and_then(|mode| mode.to_str()) {
        Some(ATTEMPT) => attempt::run(args),
        Some(mode @ (ATTACK | ATTACK_OUTSIDE | ATTACK_MODEL)) => attack::run(mode, args),
        Some(OVERLOAD) => attack::overload(args),
        Some(VICTIM) => attack::victim(),
        Some(mode @ (SUPERVISE | ENTER)) => {
            let Some(spec) = Spec::from_args(&mut args) else { return ExitCode::from(FAILED) };
            let command: Vec<OsString> = args.collect();
            if mode == SUPERVISE { supervise(spec, &command) } else { enter(&spec, &command) }
        }
        Some(_) | None => ExitCode::from(FAILED),
    }
}

/// What the first line to the supervisor begins with when everything holds.
pub(crate) const HOLDS: &str = "holds ";

/// Gives up every right that a command does not need, then becomes `command`.
///
/// Stdin is a pipe to the supervisor. It ends when the command begins; before, it says which Landlock version
/// holds, or why the command did not begin.
fn enter(spec: &Spec, command: &[OsString]) -> ExitCode {
    let Ok(report) = io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::from(FAILED);
    };
    let mut report = File::from(report);
    let reason = match prepare(spec) {
        Ok(abi) => match writeln!(report, "{HOLDS}{abi}") {
            Ok(()) => become_command(command),
            Err(err) => err.to_string(),
        },
        Err(reason) => reason,
    };
    // The supervisor learns of the end in any case.
    report.write_all(reason.as_bytes()).unwrap_or_default();
    ExitCode::from(FAILED)
}

fn prepare(spec: &Spec) -> Result<i32, String> {
    let failed = |what: &str, err: &dyn std::fmt::Display| format!("{what}: {err}");
    let null = File::open("/dev/null").map_err(|err| failed("/dev/null", &err))?;
    dup2_stdin(null).map_err(|err| failed("stdin", &err))?;
    // It cannot type into a terminal that it does not have.
    setsid().map_err(|err| failed("setsid", &err))?;
    set_pdeathsig(Signal::SIGKILL).map_err(|err| failed("pdeathsig", &err))?;
    umask(Mode::from_bits_truncate(0o022));
    files::limit(spec).map_err(|err| failed("limits", &err))?;
    rights::give_up().map_err(|err| failed("capabilities", &err))?;
    let abi = files::restrict(spec).map_err(|err| failed("landlock", &err))?;
    calls::restrict(spec).map_err(|err| failed("seccomp", &err))?;
    Ok(abi)
}

/// Becomes `command`; if it returns, that is the reason why not.
fn become_command(command: &[OsString]) -> String {
    let Some((program, args)) = command.split_first() else { return "no command".to_owned() };
    let env = for_command(config::variables());
    let err = Command::new(program).args(args).env_clear().envs(env).exec();
    let program = program.to_string_lossy();
    match err.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no program `{program}` that the sandbox can see")
        }
        io::ErrorKind::PermissionDenied => format!("`{program}` may not be executed"),
        _ => format!("`{program}`: {err}"),
    }
}

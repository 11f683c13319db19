//! Holds. What stands inside a sandbox: it gives up rights, starts a command, looks after it and tells how it ended.
//!
//! It decides nothing about a command, and it knows neither contracts nor models. It is a crate of its own so that a
//! small program can do this: to start the large one, with llama.cpp in it, takes four times as long.
#![forbid(unsafe_code)]

pub mod attempt;
pub mod calls;
mod enter;
mod files;
pub mod rights;
pub mod spec;
pub mod supervise;
pub mod usage;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use self::spec::{Spec, for_command};

/// The first argument of whoever is to stand inside.
pub const SUBCOMMAND: &str = "sandbox-exec";
/// The argument that follows: start the command and look after it.
pub const SUPERVISE: &str = "supervise";
/// The argument that follows: be a command that tries what must not work.
pub const ATTEMPT: &str = "attempt";

/// The only argument of the small program when it is to print [`SOURCE`].
pub const ASK_SOURCE: &str = "--source";
/// Names the source of this crate. Programs of another one may mean something else by the same arguments.
pub const SOURCE: &str = env!("CHARGEHAND_INSIDE_SOURCE");

/// What a process that is no command of the user returns when it cannot even tell why.
const FAILED: u8 = 70;

/// Does what the arguments of the small program say. `variables` are its environment.
#[must_use]
pub fn main(
    args: impl IntoIterator<Item = OsString>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let mut args = args.into_iter();
    match args.next() {
        Some(first) if first == SUBCOMMAND => run(args, variables),
        Some(first) if first == ASK_SOURCE => match io::stdout().write_all(SOURCE.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(FAILED),
        },
        Some(_) | None => ExitCode::from(FAILED),
    }
}

/// Does what the arguments say that follow [`SUBCOMMAND`]. Only `chargehand` writes them.
#[must_use]
pub fn run(
    mut args: impl Iterator<Item = OsString>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let mode = args.next();
    match mode.as_deref().and_then(OsStr::to_str) {
        Some(ATTEMPT) => attempt::run(args),
        Some(SUPERVISE) => match Spec::from_args(&mut args) {
            Some(spec) => supervise::supervise(spec, args.collect(), for_command(variables)),
            None => ExitCode::from(FAILED),
        },
        Some(_) | None => ExitCode::from(FAILED),
    }
}

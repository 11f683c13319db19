//! Our own program inside the sandbox: it supervises, and it tries the walls.
//!
//! The hidden subcommand `sandbox-exec` comes here with its arguments as they are.

use std::ffi::OsString;
use std::process::ExitCode;

use super::attack;
use super::attempt;
use super::spec::Spec;
use super::supervise::supervise;

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "sandbox-exec";
/// Its first argument: start the command and look after it.
pub(crate) const SUPERVISE: &str = "supervise";
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
        Some(SUPERVISE) => match Spec::from_args(&mut args) {
            Some(spec) => supervise(spec, args.collect()),
            None => ExitCode::from(FAILED),
        },
        Some(_) | None => ExitCode::from(FAILED),
    }
}

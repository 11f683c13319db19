//! Our own program inside the sandbox: it attacks the walls, and it supervises where no small program does.
//!
//! The hidden subcommand comes here with its arguments as they are.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

pub(crate) use chargehand_inside::SUBCOMMAND;

use super::attack;
use crate::config;

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

/// Does what the arguments of the hidden subcommand say. Only [`super::Sandbox`] writes them.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let mode = args.next();
    match mode.as_deref().and_then(OsStr::to_str) {
        Some(mode @ (ATTACK | ATTACK_OUTSIDE | ATTACK_MODEL)) => attack::run(mode, args),
        Some(OVERLOAD) => attack::overload(args),
        Some(VICTIM) => attack::victim(),
        Some(_) | None => {
            let args = mode.into_iter().chain(args);
            chargehand_inside::run(args, config::variables().into_iter())
        }
    }
}

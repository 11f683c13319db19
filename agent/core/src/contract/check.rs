//! The commands of a contract: what is run, in which environment, and how it has to end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ContractError, duration};

/// A command is run so often at most, to see whether it always ends the same.
pub const MAX_REPEAT: u32 = 100;

/// A command that must succeed.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The name the worker uses to ask for it.
    pub name: String,
    /// Program and arguments; no shell.
    pub run: Vec<String>,
    /// How long it may run, such as `10m`, `90s` or `1h`.
    #[serde(default = "default_timeout", with = "duration")]
    pub timeout: Duration,
    /// The statuses that are a success.
    #[serde(default = "only_zero")]
    pub exit: Vec<u8>,
    /// How often it is run before the verdict; it has to end the same each time.
    #[serde(default = "once")]
    pub repeat: u32,
    /// Whether it reaches the network; the user has to allow that besides.
    #[serde(default)]
    pub network: bool,
    /// Variables of the user's environment that it sees too, besides those that every command sees.
    #[serde(default)]
    pub pass_env: Vec<String>,
    /// Variables that are set for it.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl Check {
    /// Returns a check with nothing but a name and a command.
    #[must_use]
    pub fn new(name: &str, run: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            run,
            timeout: default_timeout(),
            exit: only_zero(),
            repeat: once(),
            network: false,
            pass_env: Vec::new(),
            env: BTreeMap::new(),
        }
    }
}

pub(crate) fn validate(checks: &[Check]) -> Result<(), ContractError> {
    for (at, check) in checks.iter().enumerate() {
        let name = || check.name.clone();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if check.name.is_empty() || check.name.len() > 64 || !check.name.chars().all(plain) {
            return Err(ContractError::CheckName(check.name.escape_debug().to_string()));
        }
        if checks[..at].iter().any(|earlier| earlier.name == check.name) {
            return Err(ContractError::SameName(name()));
        }
        if check.run.first().is_none_or(String::is_empty) {
            return Err(ContractError::NoCommand(name()));
        }
        if check.run.iter().any(|part| part.contains('\0')) {
            return Err(ContractError::Nul(name()));
        }
        if check.timeout.is_zero() {
            return Err(ContractError::ZeroTimeout(name()));
        }
        if check.exit.is_empty() {
            return Err(ContractError::NoExit(name()));
        }
        if !(1..=MAX_REPEAT).contains(&check.repeat) {
            return Err(ContractError::Repeat(name(), check.repeat));
        }
        validate_environment(check)?;
    }
    Ok(())
}

fn validate_environment(check: &Check) -> Result<(), ContractError> {
    for variable in check.env.keys().chain(&check.pass_env) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let reason = if variable.is_empty() || !variable.chars().all(plain) {
            "a name has letters, digits and `_`"
        } else if variable.starts_with("LD_") || variable == "GLIBC_TUNABLES" {
            "it would act on the sandbox itself"
        } else if matches!(variable.as_str(), "HOME" | "TMPDIR" | "PWD") {
            "the sandbox sets it"
        } else {
            continue;
        };
        let (check, variable) = (check.name.clone(), variable.escape_debug().to_string());
        return Err(ContractError::Variable { check, variable, reason });
    }
    match check.env.values().any(|value| value.contains('\0')) {
        true => Err(ContractError::Nul(check.name.clone())),
        false => Ok(()),
    }
}

fn default_timeout() -> Duration {
    Duration::from_secs(600)
}

fn only_zero() -> Vec<u8> {
    vec![0]
}

fn once() -> u32 {
    1
}

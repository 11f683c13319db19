//! Which files a command may touch: Landlock, and the limits that count files and memory.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use nix::sys::resource::{Resource, setrlimit};

use crate::spec::{Spec, Tier};

/// Older kernels (before 6.2) cannot refuse to truncate a file; then Landlock alone is no sandbox.
const LEAST: ABI = ABI::V3;
/// The newest that is made use of; what the kernel does not know is left out and the version is reported.
const BEST: ABI = ABI::V6;

/// One file may become so large.
const MAX_FILE: u64 = 8 << 30;
/// So many files may be open; the usual limit of a login.
const MAX_OPEN: u64 = 4096;

/// Device files that a program expects to write to.
const DEVICES: &[&str] =
    &["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm"];
/// Devices that it expects to read from.
const SOURCES: &[&str] =
    &["/dev/random", "/dev/urandom", "/dev/zero", "/dev/null", "/dev/full", "/dev/tty"];

/// Restricts this process and what it will start, and returns the Landlock version that holds; 0 for none.
///
/// # Errors
///
/// In the tier that rests on Landlock, when the kernel does not enforce enough of it.
pub(crate) fn restrict(spec: &Spec) -> Result<i32, RulesetError> {
    let every = AccessFs::from_all(BEST);
    let ruleset = match spec.tier {
        Tier::Namespaces => {
            Ruleset::default().handle_access(every)?.scope(Scope::from_all(BEST))?
        }
        Tier::Landlock => Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(LEAST))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(every)?
            .scope(Scope::from_all(BEST))?
            .handle_access(AccessNet::from_all(BEST))?,
    };
    let read = AccessFs::from_read(BEST);
    let devices: Vec<PathBuf> = devices(spec.tier);
    let status = ruleset
        .create()?
        .add_rules(path_beneath_rules(&spec.read, read))?
        .add_rules(path_beneath_rules(SOURCES, read))?
        .add_rules(path_beneath_rules(devices, every & !nodes()))?
        .add_rules(path_beneath_rules(&spec.write, every & !nodes()))?
        .restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, kernel_abi }) => {
            kernel_abi.unwrap_or(effective_abi as i32)
        }
        (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) => 0,
    })
}

/// The shared memory of the machine is not for a command that has no `/dev` of its own.
fn devices(tier: Tier) -> Vec<PathBuf> {
    let is_shown = |path: &&&str| tier == Tier::Namespaces || **path != "/dev/shm";
    DEVICES.iter().filter(is_shown).map(PathBuf::from).collect()
}

fn nodes() -> BitFlags<AccessFs> {
    AccessFs::MakeChar | AccessFs::MakeBlock
}

/// Sets the limits of this process and what it will start.
///
/// # Errors
///
/// When one of them is higher than what this process is allowed itself, which is corrected first.
pub(crate) fn limit(spec: &Spec) -> nix::Result<()> {
    let limits = [
        // A core file is a copy of memory in the workspace.
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, MAX_FILE),
        (Resource::RLIMIT_NOFILE, MAX_OPEN),
        (Resource::RLIMIT_NPROC, spec.max_tasks),
    ];
    for (resource, limit) in limits {
        let (_, hard) = nix::sys::resource::getrlimit(resource)?;
        let limit = limit.min(hard);
        setrlimit(resource, limit, limit)?;
    }
    Ok(())
}

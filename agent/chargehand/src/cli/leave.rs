//! What holds the commands of a run, and what the user has to say to it besides its contract.

use chargehand_core::contract::Contract;

use super::out;
use crate::env::sandbox::Sandbox;
use crate::error::{Error, Kind};

/// What the user has said to a run besides its contract.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leave {
    /// He looks on, and can be asked.
    pub(super) attended: bool,
    /// The checks whose contract says so reach the network.
    pub(super) network: bool,
}

/// Returns the sandbox, if there may be commands to run, and says so where it is the weaker one. What asks for the network
/// gets it from the first tier alone, with the user's leave.
pub(super) fn sandbox_for(contract: &Contract, leave: Leave) -> Result<Option<Sandbox>, Error> {
    if contract.checks.is_empty() && !leave.attended {
        return Ok(None);
    }
    let sandbox = Sandbox::detect()?;
    permit(&sandbox, contract.sandbox.weakest(leave.attended))?;
    if sandbox.tier() > 1 {
        out::note(&format!("note: the second tier alone holds commands; {}", missing(&sandbox)));
    }
    let Some(check) = contract.networked() else { return Ok(Some(sandbox)) };
    let refused = |why: &str| {
        Error::new(Kind::Refused, format!("check `{}` asks for the network, {why}", check.name))
    };
    if !leave.network {
        return Err(refused("and nobody has allowed it").hint(
            "allow it with --network: it then reaches whatever this machine reaches, its own services too",
        ));
    }
    if sandbox.tier() > 1 {
        return Err(refused("which only the first tier can give")
            .hint("`chargehand doctor` says what is missing"));
    }
    Ok(Some(sandbox.with_network()))
}

/// Returns the sandbox for the commands of a run that is over, if it has any: what was proposed does not run again.
pub(super) fn sandbox_again(contract: &Contract, leave: Leave) -> Result<Option<Sandbox>, Error> {
    if contract.checks.is_empty() { Ok(None) } else { sandbox_for(contract, leave) }
}

/// Refuses a sandbox that is weaker than `weakest`.
pub(super) fn permit(sandbox: &Sandbox, weakest: u8) -> Result<(), Error> {
    if sandbox.tier() <= weakest {
        return Ok(());
    }
    let message = format!("commands would be held by the second tier alone; {}", missing(sandbox));
    Err(Error::new(Kind::Refused, message)
        .hint("mend what is missing; or take `sandbox.tier = 2` into the contract, or --tier 2; or look on: --attended")
        .hint("docs/threat-model.md says what the second tier does not stop"))
}

/// Returns what keeps a sandbox from being the stronger one, as its first layer says.
fn missing(sandbox: &Sandbox) -> String {
    sandbox.layers().into_iter().next().unwrap_or_default()
}

/// Returns what held the commands, and what did not hold some of them.
pub(super) fn layers(sandbox: Option<&Sandbox>, contract: &Contract) -> Vec<String> {
    let Some(sandbox) = sandbox else { return Vec::new() };
    let open = contract.checks.iter().filter(|check| check.network).map(|check| {
        format!(
            "not stopped: check `{}` reaches the network and services of this machine",
            check.name
        )
    });
    sandbox.layers().into_iter().chain(open).collect()
}

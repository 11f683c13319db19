//! Whether a model may work alone: with a passing scorecard as the contract has it, without one only narrowly.

use std::path::Path;

use chargehand_core::contract::{Contract, ContractFile};
use chargehand_core::eval::{self, NARROW_FILES, NARROW_LINES, Shortfall, TooWide};
use serde::Serialize;

use super::{card, embedded, out, whole};
use crate::cli::worker::WorkerSpec;
use crate::error::{Error, Kind};

/// On what a worker works alone. The log keeps it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Footing {
    /// It is a script, which does what stands in it.
    Script,
    /// Somebody attends.
    Attended,
    /// It passed in every family that the job needs.
    Examined {
        /// These.
        families: Vec<String>,
    },
    /// It did not, and is held to less than the contract allows.
    Narrow {
        /// What is missing.
        why: Vec<String>,
    },
}

/// Returns the contract that `worker` may work under, and on what footing.
pub(super) fn settle(
    contract: Contract,
    worker: &WorkerSpec,
    state: &Path,
    attended: bool,
) -> Result<(Contract, Footing), Error> {
    if attended {
        return Ok((contract, Footing::Attended));
    }
    let worker = &whole::hashed_if_like_another(worker.clone(), state)?;
    let Some(of) = card::fingerprint(worker, &contract.gates)? else {
        return Ok((contract, Footing::Script));
    };
    let found = card::find(state, &of)?;
    let examined = found.iter().flat_map(|card| card.families.keys()).map(String::as_str);
    let needed = eval::needed(&contract, examined);
    let shortfalls = found.as_ref().map(|card| card.shortfalls(&needed));
    let why: Vec<String> = match &shortfalls {
        Some(shortfalls) => shortfalls.iter().map(Shortfall::to_string).collect(),
        None => match card::stale(state, &of)? {
            Some(changes) => vec![format!("its scorecard is stale: {}", changes.join(", "))],
            None => vec!["it was never examined".to_owned()],
        },
    };
    if why.is_empty() {
        let families = needed.iter().map(|family| (*family).to_owned()).collect();
        return Ok((contract, Footing::Examined { families }));
    }
    let name = &of.name;
    let path = if name == embedded::NAME { Path::new(name) } else { worker.path() };
    let way_out = if shortfalls.is_none_or(|all| all.iter().any(Shortfall::is_unknown)) {
        format!("examine it: {}", card::command(&of, path, eval::is_wide(&contract)))
    } else {
        "a model that passes can do all of it: give it with -m".to_owned()
    };
    let reasons = shortened(&why);
    let narrowed = narrowed(&contract.source).map_err(|wide| {
        Error::new(Kind::Refused, format!("{name} may not do this alone: {reasons}; and {wide}"))
            .hint(&way_out)
    })?;
    out::note(&format!(
        "warning: {name} has no passing scorecard for this: {reasons}. It may change {NARROW_FILES} files and \
         {NARROW_LINES} lines at most\nhint: {way_out}"
    ));
    Ok((narrowed, Footing::Narrow { why }))
}

/// Says no where a run that goes on would need a narrower contract than the one it began under.
pub(super) fn still(
    contract: &Contract,
    worker: &WorkerSpec,
    state: &Path,
    attended: bool,
) -> Result<Footing, Error> {
    let (settled, footing) = settle(contract.clone(), worker, state, attended)?;
    if settled.source == contract.source {
        return Ok(footing);
    }
    let message = "the run began under a contract that is too wide for this worker to go on alone";
    Err(Error::new(Kind::Refused, message).hint("examine it, or begin a new run"))
}

fn narrowed(source: &ContractFile) -> Result<Contract, TooWide> {
    let mut source = source.clone();
    eval::narrow(&mut source)?;
    Ok(Contract::from_file(source).expect("a lower limit contradicts nothing"))
}

/// Returns the first reasons: a model that was never examined lacks every family.
fn shortened(why: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = why[..why.len().min(SHOWN)].join(", ");
    if let Some(more) = why.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

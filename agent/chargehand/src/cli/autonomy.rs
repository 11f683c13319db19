//! Whether a model may work alone: with a passing scorecard as the contract has it, without one only narrowly.

use std::path::Path;

use chargehand_core::contract::{Contract, ContractFile};
use chargehand_core::eval::{
    self, Card, NARROW_BYTES, NARROW_FILES, NARROW_LINES, Shortfall, TooWide,
};
use serde::Serialize;

use super::{card, embedded, out, whole};
use crate::cli::worker::WorkerSpec;
use crate::error::{Error, Kind};
use crate::report::visible;

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
    // By what it is: any file may be called like the one that is built in.
    let is_built_in = worker.path() == embedded::path(state);
    let path = if is_built_in { Path::new(embedded::NAME) } else { worker.path() };
    let command = |suites: &[String]| card::command(&of, path, suites);
    let is_wide = eval::is_wide(&contract);
    let way_out = match (&found, &shortfalls) {
        (Some(card), Some(shortfalls)) => way_out(card, shortfalls, is_wide, &command),
        (..) => format!("examine it: {}", command(&built_in_suites(is_wide))),
    };
    let reasons = shortened(&why);
    let narrowed = narrowed(&contract.source).map_err(|wide| {
        Error::new(Kind::Refused, format!("{name} may not do this alone: {reasons}; and {wide}"))
            .hint(&way_out)
    })?;
    let warning = format!(
        "warning: {name} has no passing scorecard for this: {reasons}. It may change {NARROW_FILES} files and \
         {NARROW_LINES} lines at most, {NARROW_BYTES} bytes together\nhint: {way_out}"
    );
    out::note(&visible::block(&warning).text);
    Ok((narrowed, Footing::Narrow { why }))
}

/// Returns what can be done about `shortfalls`.
fn way_out(
    card: &Card,
    shortfalls: &[Shortfall],
    is_wide: bool,
    command: &dyn Fn(&[String]) -> String,
) -> String {
    let is_unknown = shortfalls.iter().any(Shortfall::is_unknown);
    let (own, ours): (Vec<&Shortfall>, Vec<&Shortfall>) =
        shortfalls.iter().partition(|shortfall| eval::is_own(shortfall.family()));
    if !is_unknown && own.is_empty() {
        return "a model that passes can do all of it: give it with -m".to_owned();
    }
    let mut suites = Vec::new();
    if ours.iter().any(|shortfall| shortfall.is_unknown()) {
        suites = built_in_suites(is_wide);
        // Beside others the first one has to be named too.
        if !own.is_empty() && suites.is_empty() {
            suites.push("first".to_owned());
        }
    }
    // Files of several examinations may have tasks of one name: who passes the first is told of the next.
    let mut is_taken = false;
    let mut lost = Vec::new();
    for family in own.iter().map(|shortfall| shortfall.family()) {
        let files = card.families.get(family).map_or(&[][..], |mark| &mark.suite);
        if files.is_empty() || files.iter().any(|file| !Path::new(file).exists()) {
            lost.push(format!("`{family}`"));
        } else if !is_taken {
            suites.extend_from_slice(files);
            is_taken = true;
        }
    }
    let with = match lost.is_empty() {
        true => String::new(),
        false => format!(", where SUITE is the file that has {}", lost.join(", ")),
    };
    suites.extend((!lost.is_empty()).then(|| "SUITE".to_owned()));
    let what = match is_unknown && ours.iter().all(|shortfall| shortfall.is_unknown()) {
        true => "examine it",
        false => "give a model that passes with -m, or examine this one again",
    };
    format!("{what}{with}: {}", command(&suites))
}

/// Returns the names of the suites that a job is about, none for the first alone.
fn built_in_suites(is_wide: bool) -> Vec<String> {
    let both = if is_wide { &["first", "second"][..] } else { &[] };
    both.iter().map(|name| (*name).to_owned()).collect()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chargehand_core::eval::{Count, FamilyScore, Fingerprint};

    use super::*;

    /// Returns a card on which `mine` was right in so many of five, examined with `suite`.
    fn card(right: u64, suite: &str) -> Card {
        let mut card = Card::new(Fingerprint {
            name: "m".to_owned(),
            model: "sha256 1".to_owned(),
            template: None,
            llama_cpp: "b1".to_owned(),
            program: "1".to_owned(),
            settings: BTreeMap::new(),
        });
        let tasks = Count { of_these: right, of_all: 5 };
        let score = FamilyScore { family: "mine".to_owned(), tasks, ..FamilyScore::default() };
        let suite: Vec<String> =
            Some(suite).filter(|suite| !suite.is_empty()).map(str::to_owned).into_iter().collect();
        card.take(&[score], "e", &suite);
        card
    }

    #[track_caller]
    fn check(card: &Card, needed: &[&str], is_wide: bool, expect: &str) {
        let command = |suites: &[String]| {
            ["run"]
                .into_iter()
                .chain(suites.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(way_out(card, &card.shortfalls(needed), is_wide, &command), expect);
    }

    #[test]
    fn the_way_out_names_suites_that_have_what_is_missing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let known = card(2, path);
        let again = "give a model that passes with -m, or examine this one again";
        check(&card(3, path), &["ask", "mine"], false, "examine it: run");
        check(&card(3, path), &["ask", "mine"], true, "examine it: run first second");
        check(&known, &["mine"], false, &format!("{again}: run {path}"));
        check(&known, &["ask", "mine"], false, &format!("examine it: run first {path}"));
        check(&known, &["ask", "mine"], true, &format!("examine it: run first second {path}"));
        // Nobody knows any more where its tasks are.
        let lost = ", where SUITE is the file that has `mine`: run SUITE";
        check(&card(2, ""), &["mine"], false, &format!("{again}{lost}"));
        check(&card(2, "/nonexistent/t.toml"), &["mine"], false, &format!("{again}{lost}"));
    }
}

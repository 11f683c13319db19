//! What came of the attacks on our own sandbox, in words.

use std::ffi::OsStr;

use serde_json::{Value, json};

use super::Finding;
use crate::config;
use crate::env::sandbox::Sandbox;
use crate::env::sandbox::attack::{self, Outcome};
use crate::error::{Error, Kind};

/// Attacks the sandbox of commands and the one of models. Without the first there is nothing to attack.
pub(super) fn finding(sandbox: Option<&Sandbox>) -> Finding {
    let what = "attacks";
    let Some(sandbox) = sandbox else {
        let lines = Err(Error::new(Kind::Refused, "there is no sandbox to attack"));
        return Finding { what, lines, value: json!({}) };
    };
    let found = sandbox.attack().and_then(|commands| Ok((commands, sandbox.attack_model()?)));
    match found {
        Ok((commands, models)) => {
            let value = json!({ "commands": values(&commands), "models": values(&models) });
            Finding { what, lines: lines(&commands, &models), value }
        }
        Err(err) => {
            let lines = Err(Error::new(Kind::Failed, format!("they cannot be made: {err}")));
            Finding { what, lines, value: json!({}) }
        }
    }
}

/// Returns what is to be read; where one got through, or in CI was not made, that is an error.
fn lines(commands: &[attack::Finding], models: &[attack::Finding]) -> Result<Vec<String>, Error> {
    let all = || commands.iter().chain(models);
    let (breaches, missing) = (
        all().filter(|found| found.is_breach()).count(),
        all().filter(|found| found.is_missing()).count(),
    );
    let seen = all().filter(|found| found.works_outside == Some(true)).count();
    let mut lines = vec![format!(
        "{} attempts, {breaches} got through, {missing} were not made; {seen} of them succeed without a sandbox",
        all().count()
    )];
    lines.extend(commands.iter().map(line));
    lines.extend(models.iter().map(|found| format!("model: {}", line(found))));
    if breaches == 0 && (missing == 0 || !is_ci()) {
        return Ok(lines);
    }
    let hint = "commands of a contract would not be held; please report it with this output";
    Err(Error::new(Kind::Refused, lines.join("\n")).hint(hint))
}

fn line(found: &attack::Finding) -> String {
    let attack::Finding { what, layer, .. } = found;
    match &found.outcome {
        Outcome::Stopped(why) => format!("stopped by {layer}: {what} ({why})"),
        Outcome::Succeeded if found.is_named => format!("not stopped, as said above: {what}"),
        Outcome::Succeeded => format!("GOT THROUGH {layer}: {what}"),
        Outcome::NotTried(why) => format!("not made: {what} ({why})"),
    }
}

fn values(found: &[attack::Finding]) -> Vec<Value> {
    let value = |found: &attack::Finding| {
        json!({
            "name": found.name,
            "what": found.what,
            "layer": found.layer,
            "outcome": found.outcome,
            "named": found.is_named,
            "works_outside": found.works_outside,
        })
    };
    found.iter().map(value).collect()
}

/// Where tests run by themselves, one that was not made is one that failed.
fn is_ci() -> bool {
    config::variables().get(OsStr::new("CI")).is_some_and(|value| !value.is_empty())
}

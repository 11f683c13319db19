//! `chargehand replay`: plays the calls of a run again on the same base; the same tree must come out.

use std::process::ExitCode;

use serde_json::json;

use super::played::{self, Until};
use super::record::Record;
use super::{drive, out, which};
use crate::audit;
use crate::config::Places;
use crate::error::{Error, Kind};

/// Flags of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or `last`
    run: String,
    /// Prints the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Replays.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let interrupt = drive::listen()?;
    let places = Places::find()?;
    let dir = which::open(&places, &args.run)?;
    let record = Record::read(&dir)?;
    let lines = audit::read(&dir.path().join("events.jsonl"))?;
    let played = played::play(&dir, &record.contract, &lines, &interrupt, Until::End)?;
    let (id, calls, tree, wanted) =
        (&dir.file().id, played.calls, &played.tree, &record.report.tree);
    let same = tree == wanted;
    if args.json {
        out::json(
            &json!({ "type": "replayed", "run": id, "calls": calls, "tree": tree, "same": same }),
        )?;
    } else if same {
        out::line(&format!("run {id}: {calls} calls lead to the same tree, {tree}"))?;
    } else {
        out::line(&format!(
            "run {id}: {calls} calls lead to another tree, {tree}; the report has {wanted}"
        ))?;
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(Kind::Violated.code()) })
}

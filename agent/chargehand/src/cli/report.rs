//! `chargehand report`: shows what came of a run.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use chargehand_core::report::{Report, SCHEMA};
use serde_json::json;

use super::{out, which};
use crate::config::{self, Places};
use crate::env::run_dir::{RunDir, RunFile, Status};
use crate::error::{Error, Kind};
use crate::report::{visible, words};
use crate::ui::{self, Paint};

/// Flags of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or `last`; without it all runs are listed
    run: Option<String>,
    /// Prints report.json
    #[arg(long, conflicts_with_all = ["html", "diff"])]
    pub(super) json: bool,
    /// Prints report.html
    #[arg(long, conflicts_with = "diff", requires = "run")]
    html: bool,
    /// Prints diff.patch
    #[arg(long, requires = "run")]
    diff: bool,
}

/// Shows it.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    let Some(wanted) = &args.run else {
        return list(args, &places.state, &RunDir::list(&places.state)?);
    };
    let dir = which::peek(&places, wanted)?;
    let text = |name| read(&places.state, &dir, name);
    if args.html {
        return out::raw(&text("report.html")?);
    }
    if args.diff {
        return out::raw(&for_reader(text("diff.patch")?));
    }
    let json = text("report.json")?;
    let report: Report = serde_json::from_str(&json).map_err(|err| {
        let path = dir.path().join("report.json");
        Error::new(
            Kind::Failed,
            format!("{} is no report of schema {SCHEMA}: {err}", path.display()),
        )
    })?;
    if args.json {
        return out::json(&report);
    }
    let stdout = io::stdout().is_terminal();
    let paint = Paint::of(stdout, config::no_color().as_deref(), config::term().as_deref());
    out::raw(&ui::summary(&report, dir.path(), paint))
}

fn list(args: &Args, state: &Path, runs: &[RunFile]) -> Result<(), Error> {
    for id in RunDir::damaged(state)? {
        if args.json {
            out::json(&json!({ "id": id, "status": "damaged" }))?;
        } else {
            let id = visible::line(&id).text;
            out::line(&format!(
                "{id}  damaged      run.json cannot be read; reject {id} removes it"
            ))?;
        }
    }
    runs.iter().try_for_each(|run| {
        if args.json {
            return out::json(run);
        }
        let is_busy = run.status == Status::Running && RunDir::is_busy(state, &run.id);
        let (repo, began) = (run.repo.to_string_lossy(), words::moment(run.started));
        out::line(&format!(
            "{}  {:<11}  {began}  {}",
            run.id,
            if is_busy { "running" } else { word(state, run) },
            visible::line(&repo).text
        ))
    })
}

/// Returns in one word how far a run is that nobody works on.
pub(super) fn word(state: &Path, run: &RunFile) -> &'static str {
    match run.status {
        Status::Running => "interrupted",
        Status::Done => {
            let text = fs::read(state.join("runs").join(&run.id).join("report.json"));
            let report = text.ok().and_then(|text| serde_json::from_slice::<Report>(&text).ok());
            report.map_or("done", |report| words::verdict(report.verdict))
        }
        Status::Accepted => "accepted",
        Status::Rejected => "rejected",
    }
}

/// A terminal gets what it would act on spelt out; a pipe gets the patch as it is, so that it can be applied.
fn for_reader(patch: String) -> String {
    if io::stdout().is_terminal() { visible::block(&patch).text } else { patch }
}

fn read(state: &Path, dir: &RunDir, name: &str) -> Result<String, Error> {
    let path: &Path = &dir.path().join(name);
    fs::read_to_string(path).map_err(|err| match err.kind() {
        io::ErrorKind::NotFound => missing(state, dir, name),
        _ => Error::new(Kind::Failed, format!("cannot read {}: {err}", path.display())),
    })
}

fn missing(state: &Path, dir: &RunDir, name: &str) -> Error {
    let id = &dir.file().id;
    let refused = |why: &str| Error::new(Kind::Refused, format!("run {id} has no {name}: {why}"));
    let unfinished = "it has not come to its verdict";
    match dir.file().status {
        Status::Running if RunDir::is_busy(state, id) => {
            refused(unfinished).hint(format!("process {} works on it; wait for it", dir.file().pid))
        }
        Status::Running if dir.path().join("events.jsonl").exists() => refused(unfinished)
            .hint(format!("chargehand resume {id} goes on, chargehand reject {id} throws it away")),
        Status::Running => refused("it was cut off before it began")
            .hint(format!("chargehand reject {id} removes it; run the job again")),
        Status::Done | Status::Accepted | Status::Rejected => refused("somebody has removed it")
            .hint(format!("chargehand reject {id} throws the run away")),
    }
}

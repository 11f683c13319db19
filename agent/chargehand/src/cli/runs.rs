//! `chargehand runs`: which runs are kept, what they take of the disk, and the removal of those that are too many, of old
//! examinations too.

use chargehand_core::bytes::Bytes;
use clap::Subcommand;
use serde_json::{Value, json};

use super::out;
use super::report::word;
use crate::config::{Places, UserConfig};
use crate::env::shelf::{self, EvalStanding, Kept, KeptEval, MAX_DISK, May, Shelf, Standing};
use crate::error::Error;
use crate::report::{visible, words};

/// Flags of `runs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists all runs with what they take of the disk, the oldest first.
    List(ListArgs),
    /// Removes the oldest runs that were accepted or rejected, until the rest takes no more than it may.
    ///
    /// Where that is not enough, the oldest examinations that came to their end follow; scorecards stay. A run that is
    /// being worked on stays, and so does one that nobody has decided or an examination that was interrupted.
    Gc(GcArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Prints it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct GcArgs {
    /// What may stay, such as 5GiB, instead of `runs.max_disk` of your configuration (20GiB)
    #[arg(long, value_name = "SIZE")]
    max_disk: Option<Bytes>,
    /// Also removes runs that nobody has accepted or rejected, interrupted ones among them, and interrupted examinations
    #[arg(long)]
    undecided: bool,
    /// Says what would go, and removes nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints it as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Returns whether the output is for a program.
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            Command::List(args) => args.json,
            Command::Gc(args) => args.json,
        }
    }
}

/// Does what the subcommand says.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    match &args.command {
        Command::List(args) => list(args, &places),
        Command::Gc(args) => collect(args, &places),
    }
}

/// Removes what is too much after the run `decided` was, which itself stays. What fails here does not fail the decision.
pub(super) fn tidy(places: &Places, decided: &str) {
    let tidy = || -> Result<Vec<Kept>, Error> {
        let shelf = Shelf::look(&places.state)?;
        let mut surplus = shelf.surplus(limit(places)?, May::Decided);
        surplus.retain(|run| run.id != decided);
        remove(places, &surplus, May::Decided)
    };
    match tidy() {
        Ok(gone) if gone.is_empty() => {}
        Ok(gone) => {
            let freed: Bytes = gone.iter().map(|run| run.bytes).sum();
            out::note(&format!(
                "removed {} older runs, {freed}: more than runs.max_disk",
                gone.len()
            ));
        }
        Err(err) => out::note(&format!("warning: older runs cannot be removed: {err}")),
    }
}

fn limit(places: &Places) -> Result<Bytes, Error> {
    let config = UserConfig::read(places.config.as_deref(), &[])?;
    Ok(config.runs.max_disk.unwrap_or(MAX_DISK))
}

fn list(args: &ListArgs, places: &Places) -> Result<(), Error> {
    let (shelf, most) = (Shelf::look(&places.state)?, limit(places)?);
    if args.json {
        let runs: Vec<Value> = shelf.runs.iter().map(|run| entry(places, run)).collect();
        return out::json(&json!({
            "type": "runs",
            "runs": runs,
            "evals": { "count": shelf.evals.len(), "bytes": shelf.eval_bytes() },
            "bytes": shelf.bytes(),
            "max_bytes": most,
        }));
    }
    for run in &shelf.runs {
        out::line(&line(places, run))?;
    }
    let (count, evals) = (shelf.runs.len(), shelf.evals.len());
    out::line(&format!(
        "{count} runs and {evals} examinations take {}; {most} at most (runs.max_disk)",
        shelf.bytes()
    ))?;
    if evals > 0 {
        out::note("hint: `chargehand eval show` lists the examinations");
    }
    Ok(())
}

fn collect(args: &GcArgs, places: &Places) -> Result<(), Error> {
    let most = args.max_disk.map_or_else(|| limit(places), Ok)?;
    let which = if args.undecided { May::Open } else { May::Decided };
    let shelf = Shelf::look(&places.state)?;
    let (surplus, evals) = (shelf.surplus(most, which), shelf.surplus_evals(most, which));
    let gone = if args.dry_run {
        surplus.into_iter().cloned().collect()
    } else {
        remove(places, &surplus, which)?
    };
    let mut evals_gone = Vec::new();
    for eval in evals {
        if args.dry_run || shelf::remove_eval(&places.state, eval, which)? {
            evals_gone.push(eval);
        }
    }
    let freed = gone.iter().map(|run| run.bytes).sum::<Bytes>()
        + evals_gone.iter().map(|eval| eval.bytes).sum::<Bytes>();
    let left = shelf.bytes().saturating_sub(freed);
    if args.json {
        let runs: Vec<Value> = gone.iter().map(|run| entry(places, run)).collect();
        return out::json(&json!({
            "type": "runs_removed", "dry_run": args.dry_run, "runs": runs,
            "evals": evals_gone.iter().map(|eval| eval_entry(eval)).collect::<Vec<_>>(),
            "freed_bytes": freed, "bytes": left, "max_bytes": most,
        }));
    }
    let verb = if args.dry_run { "would remove" } else { "removed" };
    for run in &gone {
        out::line(&format!("{verb} {}", line(places, run)))?;
    }
    for KeptEval { id, standing, bytes } in &evals_gone {
        let id = visible::line(id).text;
        out::line(&format!("{verb} examination {id}  {}  {bytes}", eval_standing(*standing)))?;
    }
    let (runs, evals) = (gone.len(), evals_gone.len());
    out::line(&format!(
        "{verb} {runs} runs and {evals} examinations, {freed}; {left} stay, {most} at most"
    ))?;
    if left > most && !args.undecided {
        out::note(
            "hint: what stays nobody has decided, or was interrupted; accept or reject it, end the examination, or use \
             --undecided",
        );
    }
    Ok(())
}

/// Removes `surplus`, and what a removal before left. Returns what is gone: somebody may have taken up one of them.
fn remove(places: &Places, surplus: &[&Kept], which: May) -> Result<Vec<Kept>, Error> {
    shelf::finish(&places.state)?;
    let mut gone = Vec::new();
    for run in surplus {
        if shelf::remove(&places.state, run, which)? {
            gone.push((*run).clone());
        }
    }
    Ok(gone)
}

fn line(places: &Places, run: &Kept) -> String {
    let (repo, began) = match &run.standing {
        Standing::Busy(file) | Standing::Open(file) | Standing::Decided(file) => {
            (file.repo.to_string_lossy().into_owned(), words::moment(file.started))
        }
        Standing::Stump | Standing::Young | Standing::Foreign => (String::new(), String::new()),
    };
    let text = format!(
        "{}  {:<11}  {:>12}  {began}  {repo}",
        run.id,
        standing(places, run),
        run.bytes.to_string()
    );
    visible::line(text.trim_end()).text
}

fn entry(places: &Places, run: &Kept) -> Value {
    let mut entry = json!({ "id": run.id, "state": standing(places, run), "bytes": run.bytes });
    match &run.standing {
        Standing::Busy(file) | Standing::Open(file) | Standing::Decided(file) => {
            entry["started"] = json!(file.started);
            entry["repo"] = json!(file.repo.to_string_lossy());
        }
        Standing::Stump | Standing::Young | Standing::Foreign => {}
    }
    entry
}

fn eval_entry(eval: &KeptEval) -> Value {
    json!({ "id": eval.id, "state": eval_standing(eval.standing), "bytes": eval.bytes })
}

fn eval_standing(standing: EvalStanding) -> &'static str {
    match standing {
        EvalStanding::Busy => "running",
        EvalStanding::Open => "interrupted",
        EvalStanding::Ended => "ended",
        EvalStanding::Young => "being made",
        EvalStanding::Foreign => "unreadable",
    }
}

fn standing(places: &Places, run: &Kept) -> &'static str {
    match &run.standing {
        Standing::Busy(_) => "running",
        Standing::Open(file) | Standing::Decided(file) => word(&places.state, file),
        Standing::Stump => "cut off",
        Standing::Young => "being made",
        Standing::Foreign => "unreadable",
    }
}

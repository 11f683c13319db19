//! `chargehand reject`: throws the workspace of a run away. The repository never had anything of it.

use serde_json::json;

use super::{out, runs};
use crate::config::Places;
use crate::env::accept::reject;
use crate::env::repo::Repo;
use crate::env::run_dir::RunDir;
use crate::error::Error;

/// Flags of `reject`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or `last`
    run: String,
    /// Prints the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Rejects.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    let mut dir = RunDir::open(&places.state, &args.run)?;
    let repo = Repo::discover(&dir.file().repo).ok();
    reject(&mut dir, repo.as_ref())?;
    let id = dir.file().id.clone();
    drop(dir);
    if args.json {
        out::json(&json!({ "type": "rejected", "run": id }))?;
    } else {
        out::line(&format!("rejected {id}"))?;
    }
    runs::tidy(&places);
    Ok(())
}

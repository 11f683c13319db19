//! `chargehand reject`: throws the workspace of a run away. The repository never had anything of it.

use serde_json::json;

use super::{out, runs, which};
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
    if args.run != "last"
        && let Some(id) = RunDir::remove_damaged(&places.state, &args.run)?
    {
        return tell(args, &id, "whose run.json could not be read");
    }
    let mut dir = which::open(&places, &args.run)?;
    let repo = Repo::discover(&dir.file().repo).ok();
    reject(&mut dir, repo.as_ref())?;
    let id = dir.file().id.clone();
    let about = format!("for {}", which::place(dir.file()));
    drop(dir);
    tell(args, &id, &about)?;
    runs::tidy(&places, &id);
    Ok(())
}

fn tell(args: &Args, id: &str, about: &str) -> Result<(), Error> {
    if args.json {
        return out::json(&json!({ "type": "rejected", "run": id }));
    }
    out::line(&format!("rejected {id}, {about}"))
}

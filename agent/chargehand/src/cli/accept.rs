//! `chargehand accept`: commits the result of a run onto its branch.

use serde_json::json;

use super::{out, runs, verify, which};
use crate::config::Places;
use crate::env::accept::{AcceptOptions, accept};
use crate::env::repo::Repo;
use crate::env::run_dir::Status;
use crate::error::{Error, Kind};

/// Flags of `accept`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or `last`
    run: String,
    /// Also where the verdict is bad, or the branch has moved on
    #[arg(long)]
    anyway: bool,
    /// The message of the commit, instead of the goal
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Prints the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Accepts.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    if args.message.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Err(Error::new(Kind::Usage, "--message is empty")
            .hint("leave it out: the goal is the message then"));
    }
    let places = Places::find()?;
    let mut dir = which::open(&places, &args.run)?;
    // The other states are refused anyway.
    if dir.file().status == Status::Done {
        verify::intact(&dir, "accepted")?;
    }
    let repo = Repo::discover(&dir.file().repo)?;
    let options = AcceptOptions { message: args.message.clone(), anyway: args.anyway };
    let accepted = accept(&mut dir, &repo, options)?;
    let id = dir.file().id.clone();
    let (commit, place) = (&accepted.commit, which::place(dir.file()));
    let words = format!("accepted {id} as commit {commit} on {place}");
    let told = if args.json {
        out::json(
            &json!({ "type": "accepted", "run": id, "commit": commit, "branch": accepted.branch }),
        )
    } else {
        out::line(&words)
    };
    // The commit is made, whoever hears of it: an error here would say that it is not.
    if let Err(err) = told {
        out::note(&format!("{words}, but {err}"));
    }
    drop(dir);
    runs::tidy(&places, &id);
    Ok(())
}

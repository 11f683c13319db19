//! `chargehand approvals`: which commands the user has always allowed, by repository, and how they are forgotten.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::out;
use crate::config::Places;
use crate::env::approvals::{Approvals, all};
use crate::env::repo::Repo;
use crate::error::{Error, Kind};
use crate::report::{visible, words};

/// Flags of `approvals`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the commands that are always allowed, in every repository.
    List {
        /// Prints it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Forgets commands of one repository: the next attended run asks again.
    Forget(ForgetArgs),
}

#[derive(Debug, clap::Args)]
struct ForgetArgs {
    /// The command, as `list` shows it
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    command: Option<String>,
    /// All commands of the repository
    #[arg(long)]
    all: bool,
    /// The repository, instead of the one around the current folder; it may be gone
    #[arg(short = 'C', long = "cd", value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Prints it as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Returns whether the output is for a program.
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            Command::List { json } => *json,
            Command::Forget(args) => args.json,
        }
    }
}

/// Does what the subcommand says.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    match &args.command {
        Command::List { json } => list(*json, &places),
        Command::Forget(args) => forget(args, &places),
    }
}

fn list(as_json: bool, places: &Places) -> Result<(), Error> {
    let pages = all(&places.state);
    if as_json {
        let pages =
            pages.iter().map(|page| json!({ "repo": page.repo, "commands": page.commands }));
        let pages: Vec<_> = pages.collect();
        return out::json(&json!({ "type": "approvals", "repositories": pages }));
    }
    for page in &pages {
        out::line(&visible::line(&page.repo).text)?;
        for command in &page.commands {
            out::line(&format!("  {}", visible::command(command)))?;
        }
    }
    if pages.is_empty() {
        out::line("no command is always allowed")?;
    }
    Ok(())
}

fn forget(args: &ForgetArgs, places: &Places) -> Result<(), Error> {
    let top = top(&args.directory, places)?;
    let approvals = Approvals::of(&places.state, &top);
    let mut gone = approvals.read().commands;
    if let Some(command) = &args.command {
        gone.retain(|known| visible::command(known) == *command);
        if gone.is_empty() {
            let (command, top) =
                (visible::line(command).text, visible::line(&top.to_string_lossy()).text);
            let message = format!("`{command}` is not always allowed in {top}");
            return Err(Error::new(Kind::Usage, message)
                .hint("write it as `chargehand approvals list` shows it"));
        }
    }
    if !gone.is_empty() {
        approvals.forget(&gone)?;
    }
    if args.json {
        return out::json(
            &json!({ "type": "forgotten", "repo": approvals.repo(), "commands": gone }),
        );
    }
    out::line(&format!("forgot {}", words::plural(gone.len() as u64, "command")))
}

/// Returns the top of the repository around `folder`; what is no repository any more is taken as it is written.
fn top(folder: &Path, places: &Places) -> Result<PathBuf, Error> {
    let absolute = folder.canonicalize().or_else(|_| std::path::absolute(folder));
    let written = absolute.map_err(|err| {
        Error::new(Kind::Usage, format!("cannot find {}: {err}", folder.display()))
    })?;
    let is_known = || !Approvals::of(&places.state, &written).read().commands.is_empty();
    match Repo::discover(folder) {
        Ok(repo) => Ok(repo.top().to_owned()),
        Err(_) if !folder.exists() || is_known() => Ok(written),
        Err(err) => Err(err.into()),
    }
}

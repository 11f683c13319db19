//! `chargehand models`: which models there are, what their files say, and where they come from.

mod add;
mod inspect;
mod list;
mod pin;
mod progress;
mod pull;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::error::Error;

pub(super) use progress::{ProgressLine, digests};

/// Flags of `models`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// As `inspect`; without any, as `list`
    files: Vec<PathBuf>,
    /// Prints one JSON object a model
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists the models that have a name: the built-in one, those of the configuration, those that were added or pulled
    List {
        /// Prints one JSON object a model
        #[arg(long)]
        json: bool,
    },
    /// Shows what GGUF files say of themselves, and what they take with each length of context
    Inspect {
        /// Files, or names of models
        #[arg(required = true)]
        models: Vec<PathBuf>,
        /// Prints one JSON object a model
        #[arg(long)]
        json: bool,
    },
    /// Gives a file on this machine a name
    Add(add::Args),
    /// Fetches a file from Hugging Face, or from a hub that speaks like it, and gives it a name
    Pull(Box<pull::Args>),
    /// Hashes models again and compares
    Verify(verify::Args),
    /// Writes down what a model is, so that `run` takes no other one under its name
    Pin(pin::Args),
}

impl Args {
    /// Returns whether the output is for a program.
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            None => self.json,
            Some(Command::List { json } | Command::Inspect { json, .. }) => *json,
            Some(Command::Add(args)) => args.json,
            Some(Command::Pull(args)) => args.json,
            Some(Command::Verify(args)) => args.json,
            Some(Command::Pin(args)) => args.json,
        }
    }
}

/// Does it.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let done = match &args.command {
        None if args.files.is_empty() => list::run(args.json),
        None => inspect::run(&args.files, args.json),
        Some(Command::List { json }) => list::run(*json),
        Some(Command::Inspect { models, json }) => inspect::run(models, *json),
        Some(Command::Add(args)) => add::run(args),
        Some(Command::Pull(args)) => pull::run(args),
        Some(Command::Verify(args)) => return verify::run(args),
        Some(Command::Pin(args)) => pin::run(args),
    };
    done.map(|()| ExitCode::SUCCESS)
}

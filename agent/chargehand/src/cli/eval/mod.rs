//! `chargehand eval`: tasks whose right answer is known, done by models and counted.

mod ablation;
mod account;
mod begin;
mod cards;
mod compose;
mod conduct;
mod course;
mod progress;
mod record;
mod show;
mod subject;
mod suite;

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::Error;

/// Flags of `eval`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Has models do the tasks of a suite, and counts.
    Run(Box<conduct::Args>),
    /// Shows the figures of an examination, or lists all of them.
    Show(show::Args),
    /// Lists the scorecards: who may work alone, and why not.
    Cards(cards::Args),
    /// Writes a task to begin with.
    New(compose::NewArgs),
    /// Makes a task of a run: its base, its contract, and its result as what is right.
    FromRun(compose::FromRunArgs),
}

impl Args {
    /// Returns whether the output is for a program.
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            Command::Run(args) => args.json,
            Command::Show(args) => args.json,
            Command::Cards(args) => args.json,
            Command::New(args) => args.json,
            Command::FromRun(args) => args.json,
        }
    }
}

/// Does what the subcommand says.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    match &args.command {
        Command::Run(args) => conduct::run(args),
        Command::Show(args) => show::run(args).map(|()| ExitCode::SUCCESS),
        Command::Cards(args) => cards::run(args).map(|()| ExitCode::SUCCESS),
        Command::New(args) => compose::new(args).map(|()| ExitCode::SUCCESS),
        Command::FromRun(args) => compose::from_run(args).map(|()| ExitCode::SUCCESS),
    }
}

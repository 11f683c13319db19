//! `chargehand grammar`: what a grammar allows, shown, tried and timed. For people who write one.

mod bench;
mod check;
mod common;
mod diff;
mod explain;
mod from_run;
mod from_schema;
mod masks;
mod matching;
mod notes;
mod sample;
mod source;
mod table;
mod trial;
mod trial_args;

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::Error;

/// Flags of `grammar`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the GBNF of a JSON Schema, or of a turn of a run.
    FromSchema(from_schema::Args),
    /// Checks a grammar, and says where llama.cpp would do something else.
    Check(check::Args),
    /// Holds texts against a grammar, and says where one is refused and what was allowed there.
    Match(matching::Args),
    /// Says what may come next after the beginning of a text, and which rules say so.
    Explain(explain::Args),
    /// Prints random texts of a grammar.
    Sample(sample::Args),
    /// Shows which tokens may come before each token of a text, and after it.
    Mask(masks::Args),
    /// Times our engine and llama.cpp's sampler on the same masks.
    Bench(bench::Args),
    /// Runs our engine and llama.cpp's in lock step, and says where they differ.
    Diff(diff::Args),
    /// Counts the valid answers of a model, with a grammar and without.
    Trial(trial::Args),
}

/// Runs the subcommand.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    match &args.command {
        Command::FromSchema(args) => from_schema::run(args).map(|()| ExitCode::SUCCESS),
        Command::Check(args) => check::run(args),
        Command::Match(args) => matching::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Sample(args) => sample::run(args).map(|()| ExitCode::SUCCESS),
        Command::Mask(args) => masks::run(args),
        Command::Bench(args) => bench::run(args).map(|()| ExitCode::SUCCESS),
        Command::Diff(args) => diff::run(args),
        Command::Trial(args) => trial::run(args).map(|()| ExitCode::SUCCESS),
    }
}

impl Args {
    /// Returns whether JSON is asked for.
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            Command::FromSchema(args) => args.json,
            Command::Check(args) => args.common.json,
            Command::Match(args) => args.common.json,
            Command::Explain(args) => args.common.json,
            Command::Sample(args) => args.common.json,
            Command::Mask(args) => args.common.json,
            Command::Bench(args) => args.trial.common.json,
            Command::Diff(args) => args.trial.common.json,
            Command::Trial(args) => args.json,
        }
    }
}

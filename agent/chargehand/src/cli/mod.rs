//! The command line: what each command is called, what it takes, and what comes out where.
//!
//! The result goes to stdout and everything else to stderr; the exit code is the one that `error.rs` lists.

mod accept;
mod approvals;
mod ask;
mod attest;
mod autonomy;
mod bench;
mod bounds;
mod card;
mod completions;
mod contract;
mod crew;
mod doctor;
mod drive;
mod embedded;
mod eval;
mod faults;
mod fits;
mod grammar;
mod held;
mod hidden;
mod leave;
mod measure;
mod meter;
mod model;
mod models;
mod out;
mod plan;
mod played;
mod record;
mod reject;
mod replay;
mod report;
mod resume;
mod run;
mod runs;
mod site;
mod verify;
mod watch;
mod which;
mod whole;
mod worker;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::env::sandbox::inside;
use crate::error::{Error, Kind};
use crate::signal;

/// A local coding agent that is held to a contract: the model proposes, the evidence decides.
#[derive(Debug, Parser)]
#[command(name = "chargehand", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Does a job in a private copy of a git repository and checks the result.
    #[command(visible_alias = "exec")]
    Run(Box<run::Args>),
    /// Commits the result of a run onto its branch.
    Accept(accept::Args),
    /// Throws the result of a run away.
    Reject(reject::Args),
    /// Goes on with a run that was interrupted.
    Resume(Box<resume::Args>),
    /// Holds the evidence of a run against what is on the disk, and runs its commands again.
    Verify(verify::Args),
    /// Plays the calls of a run again on the same base: the same tree must come out.
    Replay(replay::Args),
    /// Shows the report of a run.
    Report(report::Args),
    /// Says the verdict of a run as an in-toto statement, signed where a key is given.
    Attest(attest::Args),
    /// Tells what a contract can say, and whether a file says it.
    Contract(contract::Args),
    /// Shows what a grammar allows, tries it and times it.
    Grammar(Box<grammar::Args>),
    /// Measures how fast a model is as its context grows, and what it takes.
    Bench(bench::Args),
    /// Examines models: tasks whose right answer is known, done and counted.
    Eval(eval::Args),
    /// Shows what models would take of the memory, and whether they fit.
    Plan(plan::Args),
    /// Lists, inspects, adds, fetches, verifies and pins models.
    Models(models::Args),
    /// Shows what runs take of the disk, and removes old ones.
    Runs(runs::Args),
    /// Lists the commands that you have always allowed, and forgets them.
    Approvals(approvals::Args),
    /// Shows what works on this machine and what is missing.
    Doctor(doctor::Args),
    /// Prints the completions for a shell.
    Completions(completions::Args),
    /// Serves one model to the process that started it.
    #[command(hide = true)]
    Worker {
        /// A file to which it may write what it remembers.
        #[arg(long)]
        parking: Vec<PathBuf>,
        /// The files that it may be asked to load.
        models: Vec<PathBuf>,
    },
    /// Measures what models would take, without loading them.
    #[command(hide = true)]
    DryRun {
        /// The files that it may be asked about.
        models: Vec<PathBuf>,
    },
    /// Tries a grammar on the vocabulary of a model.
    #[command(hide = true)]
    Lab,
}

impl Command {
    fn run(&self) -> Result<ExitCode, Error> {
        match self {
            Self::Run(args) => run::run(args),
            Self::Accept(args) => accept::run(args).map(|()| ExitCode::SUCCESS),
            Self::Reject(args) => reject::run(args).map(|()| ExitCode::SUCCESS),
            Self::Resume(args) => resume::run(args),
            Self::Verify(args) => verify::run(args),
            Self::Replay(args) => replay::run(args),
            Self::Report(args) => report::run(args).map(|()| ExitCode::SUCCESS),
            Self::Attest(args) => attest::run(args).map(|()| ExitCode::SUCCESS),
            Self::Contract(args) => contract::run(args).map(|()| ExitCode::SUCCESS),
            Self::Grammar(args) => grammar::run(args),
            Self::Bench(args) => bench::run(args),
            Self::Eval(args) => eval::run(args),
            Self::Plan(args) => plan::run(args),
            Self::Models(args) => models::run(args),
            Self::Runs(args) => runs::run(args).map(|()| ExitCode::SUCCESS),
            Self::Approvals(args) => approvals::run(args).map(|()| ExitCode::SUCCESS),
            Self::Doctor(args) => doctor::run(args),
            Self::Completions(args) => completions::run(args).map(|()| ExitCode::SUCCESS),
            Self::Worker { models, parking } => hidden::worker(models, parking),
            Self::DryRun { models } => hidden::dry_run(models),
            Self::Lab => hidden::lab(),
        }
    }

    fn wants_json(&self) -> bool {
        match self {
            Self::Run(args) => args.wants_json(),
            Self::Accept(args) => args.json,
            Self::Reject(args) => args.json,
            Self::Resume(args) => args.wants_json(),
            Self::Verify(args) => args.json,
            Self::Replay(args) => args.json,
            Self::Report(args) => args.json,
            Self::Attest(args) => args.json,
            Self::Contract(args) => args.wants_json(),
            Self::Grammar(args) => args.wants_json(),
            Self::Bench(args) => args.json,
            Self::Eval(args) => args.wants_json(),
            Self::Plan(args) => args.json,
            Self::Models(args) => args.wants_json(),
            Self::Runs(args) => args.wants_json(),
            Self::Approvals(args) => args.wants_json(),
            Self::Doctor(args) => args.json,
            Self::Completions(args) => args.json,
            Self::Worker { .. } | Self::DryRun { .. } | Self::Lab => false,
        }
    }
}

/// Runs the program and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == inside::SUBCOMMAND) {
        // Before anything is read of them: what follows belongs to a command of the contract.
        return inside::run(args);
    }
    signal::survive_full_files();
    std::panic::set_hook(Box::new(|panic| out::report_panic(&panic.to_string())));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => {
            // Help goes to stdout and ends with 0. A reader that is gone has seen enough.
            drop(err.print());
            if err.use_stderr() && names_json(std::env::args_os()) {
                out::report_json(&Error::new(Kind::Usage, wrong(&err)));
            }
            return ExitCode::from(u8::try_from(err.exit_code()).unwrap_or(Kind::Usage.code()));
        }
    };
    // Nothing is used afterwards but the exit code.
    match catch_unwind(AssertUnwindSafe(|| cli.command.run())) {
        Ok(Ok(code)) => code,
        Ok(Err(err)) => {
            out::report_error(&err, cli.command.wants_json());
            ExitCode::from(err.kind.code())
        }
        Err(_) => ExitCode::from(Kind::Bug.code()),
    }
}

/// Whether `--json` stands among `args`, which could not be parsed.
fn names_json(args: impl Iterator<Item = OsString>) -> bool {
    args.take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// Returns the first line of what clap says: the rest is for people.
fn wrong(err: &clap::Error) -> String {
    if err.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "there is no command".to_owned();
    }
    let text = err.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let lines = first.trim_start_matches("error: ").lines().map(str::trim);
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        super::Cli::command().debug_assert();
    }
}

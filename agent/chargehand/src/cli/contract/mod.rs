//! `chargehand contract`: what a contract can say, for people and for editors, and whether a file says it.

mod args;

use std::path::PathBuf;

use chargehand_core::contract::{CLASSES, Contract, Row};
use serde_json::json;

pub(super) use args::ContractArgs;

use super::out;
use crate::error::{Error, Kind};

/// The form of a contract, for editors.
const SCHEMA: &str = include_str!("../../../../../docs/contract.schema.json");

/// Flags of `contract`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prints the JSON Schema of a contract, which editors complete and check by
    Schema,
    /// Prints the classes of paths that a contract can name
    Classes {
        /// Prints one JSON object a class
        #[arg(long)]
        json: bool,
    },
    /// Reads a contract and prints it as it would be held, with every default spelt out
    Check {
        /// The contract
        file: PathBuf,
        /// Prints it as JSON
        #[arg(long)]
        json: bool,
    },
}

impl Args {
    /// Returns whether the output is for a program.
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            Command::Schema => false,
            Command::Classes { json } | Command::Check { json, .. } => *json,
        }
    }
}

/// Tells.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    match &args.command {
        Command::Schema => out::raw(SCHEMA),
        Command::Classes { json } => CLASSES.iter().try_for_each(|row| class(row, *json)),
        Command::Check { file, json } => {
            let contract = Contract::from_file(args::read_file(file)?).map_err(args::refuse)?;
            if *json {
                return out::json(&contract.source);
            }
            let text = toml::to_string(&contract.source).map_err(|err| {
                Error::new(Kind::Bug, format!("the contract cannot be written as TOML: {err}"))
            })?;
            out::raw(&text)
        }
    }
}

fn class(row: &Row, json: bool) -> Result<(), Error> {
    let Row { class: _, name, runs, globs, except } = row;
    if json {
        return out::json(
            &json!({ "class": name, "runs_later": runs, "globs": globs, "except": except }),
        );
    }
    let runs = runs.map(|runs| format!(" (sensitive: {runs})")).unwrap_or_default();
    out::line(&format!("{name}{runs}"))?;
    out::line(&format!("  {}", globs.join(" ")))?;
    if !except.is_empty() {
        out::line(&format!("  but not {}", except.join(" ")))?;
    }
    Ok(())
}

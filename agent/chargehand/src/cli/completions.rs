//! `chargehand completions`: what a shell needs to complete our commands and flags.

use clap::CommandFactory;
use clap_complete::Shell;

use super::out;
use crate::error::Error;

/// Flags of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
    /// Print them as a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints the completions.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "chargehand", &mut script);
    let script = String::from_utf8_lossy(&script);
    if args.json {
        return out::json(
            &serde_json::json!({ "shell": args.shell.to_string(), "script": script }),
        );
    }
    out::raw(&script)
}

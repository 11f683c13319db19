//! `chargehand attest`: says the verdict of a run as an in-toto statement, signed where a key is given.

use std::fs;
use std::path::{Path, PathBuf};

use ed25519_compact::KeyPair;

use super::{out, verify, which};
use crate::config::Places;
use crate::error::{Error, Kind};
use crate::report::attestation::{Files, envelope, statement};

/// Flags of `attest`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or `last`
    run: String,
    /// An ed25519 key in PEM (PKCS #8), as `openssl genpkey -algorithm ed25519` makes it; wraps the statement in DSSE
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Changes nothing: the output is JSON in any case
    #[arg(long)]
    pub(super) json: bool,
}

/// Attests. Nothing is run again; files that are not those of the verdict are refused.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let places = Places::find()?;
    let dir = which::open(&places, &args.run)?;
    let record = verify::intact(&dir, "attested")?;
    let contract = dir.path().join("contract.toml");
    let contract = fs::read(&contract).map_err(|err| unreadable(&contract, &err))?;
    let files = Files {
        contract: &contract,
        patch: record.patch.as_bytes(),
        report: &record.json,
        commit: dir.file().commit.as_deref(),
    };
    let statement = statement(&record.report, files);
    out::json(&match key {
        Some(key) => envelope(&statement, &key),
        None => statement,
    })
}

fn read_key(path: &Path) -> Result<KeyPair, Error> {
    let text = fs::read_to_string(path).map_err(|err| unreadable(path, &err))?;
    KeyPair::from_pem(&text).map_err(|err| {
        let message = format!("{} is no ed25519 key in PEM: {err}", path.display());
        Error::new(Kind::Usage, message).hint("make one with `openssl genpkey -algorithm ed25519`")
    })
}

fn unreadable(path: &Path, err: &std::io::Error) -> Error {
    Error::new(Kind::Failed, format!("cannot read {}: {err}", path.display()))
}

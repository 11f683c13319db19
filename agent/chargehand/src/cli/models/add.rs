//! `chargehand models add`: a name for a file that is here.

use std::path::PathBuf;

use chargehand_engine::gguf::{self, Weights};
use serde_json::json;

use super::digests;
use crate::cli::{embedded, model, out};
use crate::config::Places;
use crate::env::registry::{self, Entry, Replace};
use crate::error::{Error, Kind};

/// Flags of `models add`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name: letters, digits, `-`, `_` and `.`
    name: String,
    /// The GGUF file, the first of several
    file: PathBuf,
    /// Gives the name anew where it means another file
    #[arg(long)]
    replace: bool,
    /// Prints what was added as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Adds it.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    check_free(&args.name)?;
    gguf::model(&args.file, Weights::Here)?;
    let path = PathBuf::from(model::absolute(&args.file)?);
    let entry = Entry { sha256: digests(&path)?, path, from: None };
    let replace = if args.replace { Replace::Allow } else { Replace::Deny };
    registry::add(&places.models(), &args.name, entry.clone(), replace)?;
    tell(&args.name, &entry, args.json)
}

/// Says so when `name` is none, or is the built-in model's.
pub(super) fn check_free(name: &str) -> Result<(), Error> {
    registry::check_name(name)?;
    if name == embedded::NAME {
        return Err(Error::new(Kind::Usage, format!("{name} is the name of the built-in model")));
    }
    Ok(())
}

/// Says what a name means now.
pub(super) fn tell(name: &str, entry: &Entry, json: bool) -> Result<(), Error> {
    let path = entry.path.to_string_lossy();
    if json {
        return out::json(&json!({
            "type": "model", "name": name, "path": path, "sha256": entry.sha256, "from": entry.from,
        }));
    }
    out::line(&format!("{name} is {path}"))
}

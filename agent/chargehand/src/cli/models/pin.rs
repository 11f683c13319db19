//! `chargehand models pin`: what a model is goes into the lock file.

use std::path::PathBuf;

use serde_json::json;

use super::digests;
use crate::cli::model::{known, pinned};
use crate::cli::out;
use crate::config::{Places, UserConfig};
use crate::env::pins;
use crate::error::{Error, Kind};

/// Flags of `models pin`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Names of models, or files
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// Takes them out of the lock file
    #[arg(long)]
    remove: bool,
    /// Prints one JSON object a model
    #[arg(long)]
    pub(super) json: bool,
}

/// Pins them, or takes the pins away.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    let config = UserConfig::read(places.config.as_deref(), &[])?;
    let mut all = pins::read(&places.pins)?;
    for asked in &args.models {
        if args.remove {
            let name = known::name_of(asked);
            let pin = all.remove(&name);
            pin.ok_or_else(|| Error::new(Kind::Usage, format!("`{name}` is not pinned")))?;
            tell(&name, "pinned no more", args.json)?;
            continue;
        }
        let found = known::find(asked, &config, &places)?;
        let pin = pinned::now(&found.path, digests)?;
        all.insert(found.name.clone(), pin);
        tell(&found.name, "pinned", args.json)?;
    }
    Ok(pins::write(&places.pins, &all)?)
}

fn tell(name: &str, what: &str, json: bool) -> Result<(), Error> {
    match json {
        true => out::json(&json!({ "type": "pin", "name": name, "pinned": what == "pinned" })),
        false => out::line(&format!("{name} is {what}")),
    }
}

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

/// Pins them, or takes the pins away: all or none.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    let what = if args.remove { "pinned no more" } else { "pinned" };
    let names = if args.remove { remove(args, &places)? } else { pin(args, &places)? };
    names.iter().try_for_each(|name| tell(name, what, args.json))
}

fn pin(args: &Args, places: &Places) -> Result<Vec<String>, Error> {
    let config = UserConfig::read(places.config.as_deref(), &[])?;
    let now = |asked: &PathBuf| {
        let found = known::find(asked, &config, places)?;
        Ok((found.name, pinned::now(&found.path, digests)?))
    };
    // Hashed before the lock file is held: that takes minutes.
    let found = args.models.iter().map(now).collect::<Result<Vec<_>, Error>>()?;
    let names = found.iter().map(|(name, _)| name.clone()).collect();
    pins::change(&places.pins, |all| {
        all.extend(found);
        Ok::<_, Error>(())
    })?;
    Ok(names)
}

fn remove(args: &Args, places: &Places) -> Result<Vec<String>, Error> {
    let names: Vec<String> = args.models.iter().map(|asked| known::name_of(asked)).collect();
    pins::change(&places.pins, |all| {
        names.iter().try_for_each(|name| match all.remove(name) {
            Some(_) => Ok(()),
            None => Err(Error::new(Kind::Usage, format!("`{name}` is not pinned"))),
        })
    })?;
    Ok(names)
}

fn tell(name: &str, what: &str, json: bool) -> Result<(), Error> {
    match json {
        true => out::json(&json!({ "type": "pin", "name": name, "pinned": what == "pinned" })),
        false => out::line(&format!("{name} is {what}")),
    }
}

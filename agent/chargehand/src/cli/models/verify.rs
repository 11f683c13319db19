//! `chargehand models verify`: is each file still what it was when it got its name, or was pinned?

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::json;

use super::digests;
use crate::cli::out;
use crate::config::Places;
use crate::env::{pins, registry};
use crate::error::{Error, Kind};
use crate::report::visible;

/// Flags of `models verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Names of models; without any, all that were added, pulled or pinned
    names: Vec<String>,
    /// Prints one JSON object a model
    #[arg(long)]
    pub(super) json: bool,
}

/// What a name meant: the first file, and the hash of each.
type Meant = (std::path::PathBuf, BTreeMap<String, String>);

/// Verifies them. Where one differs it ends with 1.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let places = Places::find()?;
    let added = registry::read(&places.models())?;
    let pinned = pins::read(&places.pins)?;
    let mut all: BTreeMap<String, Meant> =
        added.into_iter().map(|(name, entry)| (name, (entry.path, entry.sha256))).collect();
    // What was pinned is what counts.
    all.extend(pinned.into_iter().map(|(name, pin)| (name, (pin.path, pin.sha256))));
    let mut is_same = true;
    for name in names(args, &all)? {
        is_same &= verify(name, &all[name], args.json)?;
    }
    Ok(ExitCode::from(if is_same { 0 } else { Kind::Violated.code() }))
}

fn names<'n>(args: &'n Args, all: &'n BTreeMap<String, Meant>) -> Result<Vec<&'n String>, Error> {
    if args.names.is_empty() {
        return Ok(all.keys().collect());
    }
    let unknown = args.names.iter().find(|name| !all.contains_key(*name));
    match unknown {
        Some(name) => {
            Err(Error::new(Kind::Usage, format!("nothing is known of `{name}` to compare with"))
                .hint("`chargehand models add NAME FILE` hashes a file and gives it a name"))
        }
        None => Ok(args.names.iter().collect()),
    }
}

fn verify(name: &str, (path, known): &Meant, json: bool) -> Result<bool, Error> {
    let found = match digests(path) {
        Ok(found) => Ok(found),
        // Only a file that cannot be read differs; whoever presses Ctrl-C wants an end.
        Err(err) if err.kind == Kind::Interrupted => return Err(err),
        Err(err) => Err(err.to_string()),
    };
    let is_same = found.as_ref() == Ok(known);
    if json {
        let error = found.as_ref().err();
        out::json(&json!({
            "type": "verified", "name": name, "path": path.to_string_lossy(), "same": is_same,
            "sha256": known, "found": found.as_ref().ok(), "error": error,
        }))?;
        return Ok(is_same);
    }
    let text = match (is_same, &found) {
        (true, _) => format!("✓ {name} is what it was"),
        (false, Ok(_)) => format!("✗ {name} is not what it was: {}", path.display()),
        (false, Err(err)) => format!("✗ {name}: {err}"),
    };
    out::line(&visible::line(&text).text)?;
    Ok(is_same)
}

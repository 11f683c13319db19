//! Whether a model is still what was pinned under its name.

use std::collections::BTreeMap;
use std::path::Path;

use chargehand_engine::gguf;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Choice;
use crate::cli::{models, out};
use crate::config::Places;
use crate::env::dir::hex;
use crate::env::pins::{self, Pin};
use crate::error::{Error, Kind};

/// Which llama.cpp this program contains.
#[derive(Debug, Deserialize)]
struct Vendored {
    llama_cpp: Version,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: String,
}

/// Returns what the model at `path` is now; its files are hashed with `hash`.
pub(in crate::cli) fn now(
    path: &Path,
    hash: impl FnOnce(&Path) -> Result<BTreeMap<String, String>, Error>,
) -> Result<Pin, Error> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // Before anything is read: what changes in the meantime is noticed the next time.
    let seals = gguf::seals(&path)?;
    let template = gguf::read(&path)?.chat_template;
    let template = template.map(|text| hex(&Sha256::digest(text)));
    let vendored: Vendored = toml::from_str(include_str!("../../../../../vendor/pin.toml"))
        .expect("a test reads the pin");
    let llama_cpp = vendored.llama_cpp.version;
    Ok(Pin { sha256: hash(&path)?, path, template, llama_cpp, seals })
}

/// Says so when `choice` is pinned, by its name or its file, and is not what was pinned.
pub(in crate::cli) fn check(choice: &Choice, places: &Places) -> Result<(), Error> {
    let pins = pins::read(&places.pins)?;
    let path = Path::new(&choice.options.path);
    let own = pins.iter().find(|(name, _)| **name == choice.name);
    let Some((name, pin)) = own.or_else(|| pins.iter().find(|(_, pin)| pin.path == path)) else {
        return Ok(());
    };
    // What is not touched need not be hashed.
    let found = now(path, |_| Ok(BTreeMap::new()))?;
    let differs = pin.differs(&found, || {
        out::note(&format!("{name} does not lie as it did when it was pinned: hashing it"));
        models::digests(path)
    })?;
    let Some(differs) = differs else { return Ok(()) };
    let message = format!("{name} is not what was pinned: {differs}");
    Err(Error::new(Kind::Refused, message)
        .hint(format!("`chargehand models pin {name}` pins what it is now"))
        .hint(format!("the lock file is {}", places.pins.display())))
}

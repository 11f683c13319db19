//! Whether a model is still what was pinned under its name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chargehand_core::memory::Footprint;
use chargehand_core::memory::beside::Beside;
use chargehand_core::seal::Seal;
use chargehand_engine::gguf;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::absolute;
use crate::cli::{models, out};
use crate::config::Places;
use crate::env::dir::hex;
use crate::env::pins::{self, Pin, PinError};
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
    let path = PathBuf::from(absolute(path)?);
    // Before anything is read: what changes in the meantime is noticed the next time.
    let seals = gguf::seals(&path)?;
    let template = gguf::read(&path)?.chat_template;
    let template = template.map(|text| hex(&Sha256::digest(text)));
    let vendored: Vendored = toml::from_str(include_str!("../../../../../vendor/pin.toml"))
        .expect("a test reads the pin");
    let llama_cpp = vendored.llama_cpp.version;
    Ok(Pin { sha256: hash(&path)?, path, template, llama_cpp, seals })
}

/// Says so when what is to be loaded is pinned, by its name or its file, and is not what was pinned; of a model that
/// guesses only the file is known.
pub(in crate::cli) fn check(footprint: &Footprint, places: &Places) -> Result<(), Error> {
    let pins = pins::read(&places.pins)?;
    let Footprint { model, options, .. } = footprint;
    let by_file =
        |path: &str| pins.iter().find(|(_, pin)| real(&pin.path) == real(Path::new(path)));
    let pinned = pins.get_key_value(model).or_else(|| by_file(&options.path));
    check_file(pinned, &options.path, &options.seals, places)?;
    options.beside.iter().try_for_each(|beside| match beside {
        Beside::Projector { .. } | Beside::Mtp => Ok(()),
        Beside::Draft { path, seals } => check_file(by_file(path), path, seals, places),
    })
}

fn check_file(
    pinned: Option<(&String, &Pin)>,
    path: &str,
    seals: &[Seal],
    places: &Places,
) -> Result<(), Error> {
    let path = Path::new(path);
    let Some((name, pin)) = pinned else { return Ok(()) };
    // What is not touched need not be hashed. The worker loads no file that does not lie as these seals say.
    let found = Pin { seals: seals.to_vec(), ..now(path, |_| Ok(BTreeMap::new()))? };
    let mut is_hashed = false;
    let differs = pin.differs(&found, || {
        is_hashed = true;
        out::note(&format!("{name} does not lie as it did when it was pinned: hashing it"));
        models::digests(path)
    })?;
    let Some(differs) = differs else {
        if is_hashed {
            note_place(name, pin, found, places);
        }
        return Ok(());
    };
    let message = format!("{name} is not what was pinned: {differs}");
    Err(Error::new(Kind::Refused, message)
        .hint(format!("`chargehand models pin {name}` pins what it is now"))
        .hint(format!("the lock file is {}", places.pins.display())))
}

/// Notes how a model lies that was hashed and is what it was: the next run need not hash it again. A copy of it says
/// nothing of the file that was pinned.
fn note_place(name: &str, pin: &Pin, found: Pin, places: &Places) {
    if pin.path.exists() && real(&pin.path) != real(&found.path) {
        return;
    }
    let note = |all: &mut BTreeMap<String, Pin>| {
        // Not over what somebody has pinned meanwhile.
        if let Some(known) = all.get_mut(name).filter(|known| *known == pin) {
            (known.path, known.seals) = (found.path, found.seals);
        }
        Ok::<_, PinError>(())
    };
    // Where the lock file cannot be written, it is hashed again.
    pins::change(&places.pins, note).unwrap_or_default();
}

/// Returns `path` without links and detours, where there is such a file.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

//! The hash over all of a large model, which takes minutes. It is remembered with how the files lay, so that only what
//! was touched is hashed again: a scorecard is about all of a file, and not about how it begins.

use std::fs;
use std::path::{Path, PathBuf};

use chargehand_core::memory::Footprint;
use chargehand_core::seal::{self, Seal};
use chargehand_engine::gguf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::worker::WorkerSpec;
use super::{models, out};
use crate::env::digest;
use crate::env::dir::{hex, write_file};
use crate::error::{Error, Kind};

/// What a model was when all of it was hashed.
#[derive(Debug, Deserialize, Serialize)]
struct Hashed {
    seals: Vec<Seal>,
    identity: String,
}

/// Returns `worker` with the hash of all of its files.
pub(super) fn hashed(worker: WorkerSpec, state: &Path) -> Result<WorkerSpec, Error> {
    with(worker, |footprint, head| hash(footprint, head, state))
}

/// Likewise, where a model that begins like it was ever hashed. No card is about any other.
pub(super) fn hashed_if_like_another(
    worker: WorkerSpec,
    state: &Path,
) -> Result<WorkerSpec, Error> {
    with(worker, |footprint, head| match remembered(head, state) {
        Some(_) => hash(footprint, head, state),
        None => Ok(head.to_owned()),
    })
}

fn with(
    worker: WorkerSpec,
    hash: impl FnOnce(&Footprint, &str) -> Result<String, Error>,
) -> Result<WorkerSpec, Error> {
    match worker {
        WorkerSpec::Script { .. } => Ok(worker),
        WorkerSpec::Model { footprint, identity, sampling } => {
            let identity = hash(&footprint, &identity)?;
            Ok(WorkerSpec::Model { footprint, identity, sampling })
        }
    }
}

/// Returns the hash of a model whose files begin with what has the hash `head`.
fn hash(footprint: &Footprint, head: &str, state: &Path) -> Result<String, Error> {
    let path = Path::new(&footprint.options.path);
    // As it lies now: a run that goes on was planned long ago.
    let seals = gguf::seals(path)?;
    if !seals.iter().any(|seal| digest::is_large(seal.bytes)) {
        return Ok(head.to_owned());
    }
    let lies_so = |hashed: &Hashed| seal::are_untouched(&seals, &hashed.seals);
    if let Some(hashed) = remembered(head, state).filter(lies_so) {
        return Ok(hashed.identity);
    }
    out::note(&format!("hashing all of {}: a scorecard is about all of it", path.display()));
    let texts = models::digests(path)?.into_values().map(|hash| format!("sha256 {hash}"));
    let texts: Vec<String> = texts.collect();
    let bytes = seals.iter().map(|seal| seal.bytes).sum();
    let hashed = Hashed { identity: digest::of_all(&texts, bytes), seals };
    remember(head, &hashed, state)?;
    Ok(hashed.identity)
}

fn remembered(head: &str, state: &Path) -> Option<Hashed> {
    serde_json::from_slice(&fs::read(place(head, state)).ok()?).ok()
}

fn remember(head: &str, hashed: &Hashed, state: &Path) -> Result<(), Error> {
    let (folder, path) = (folder(state), place(head, state));
    let json = serde_json::to_vec(hashed).expect("our own types have text keys only");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    fs::create_dir_all(&folder).map_err(|err| {
        Error::new(Kind::Failed, format!("cannot make {}: {err}", folder.display()))
    })?;
    Ok(write_file(&folder, &name, &json)?)
}

fn folder(state: &Path) -> PathBuf {
    state.join("hashes")
}

fn place(head: &str, state: &Path) -> PathBuf {
    folder(state).join(format!("{}.json", &hex(&Sha256::digest(head))[..16]))
}

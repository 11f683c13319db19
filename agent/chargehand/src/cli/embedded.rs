//! The model that is built into the program, unpacked once into the state folder.
//!
//! llama.cpp loads files. The hash in the name is checked whenever the file is used again, so that a damaged or
//! swapped one is replaced.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::env::dir::hex;
use crate::error::{Error, Kind};

/// The name by which it can be asked for.
pub(super) const NAME: &str = "apprentice";

const MODEL: &[u8] = include_bytes!("../../models/apprentice.gguf");

/// Returns the SHA-256 of the model, in hex.
pub(super) fn hash() -> String {
    hex(&Sha256::digest(MODEL))
}

/// Returns how many bytes it has.
pub(super) fn bytes() -> u64 {
    u64::try_from(MODEL.len()).unwrap_or(u64::MAX)
}

/// Returns the path of the unpacked model, whether it lies there or not.
pub(super) fn path(state: &Path) -> PathBuf {
    state.join("models").join(format!("{NAME}-{}.gguf", &hash()[..12]))
}

/// Returns the path of the unpacked model, after unpacking it where that was not done.
pub(super) fn unpack(state: &Path) -> Result<PathBuf, Error> {
    let path = path(state);
    if is_whole(&path) {
        return Ok(path);
    }
    place(&state.join("models"), &path).map_err(|err| {
        Error::new(
            Kind::Failed,
            format!("cannot unpack the built-in model to {}: {err}", path.display()),
        )
        .hint("another state folder can be given in CHARGEHAND_HOME")
    })?;
    Ok(path)
}

/// Compares with the program's own bytes, which is faster than to hash both.
fn is_whole(path: &Path) -> bool {
    let is_file =
        fs::symlink_metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() == bytes());
    is_file && fs::read(path).is_ok_and(|found| found == MODEL)
}

/// Another process may do the same at the same time: each has a file of its own until the rename.
fn place(folder: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let own = folder.join(format!(".{NAME}-{}", std::process::id()));
    let written = (|| {
        let mut file = fs::File::create(&own)?;
        file.write_all(MODEL)?;
        file.sync_all()?;
        fs::rename(&own, path)
    })();
    if written.is_err() {
        // Only the first error is worth telling.
        drop(fs::remove_file(&own));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_unpacked_once_and_repaired() {
        let state = tempfile::tempdir().unwrap();
        let path = unpack(state.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), MODEL);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(unpack(state.path()).unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        let mut damaged = MODEL.to_vec();
        damaged[100] ^= 1;
        fs::write(&path, damaged).unwrap();
        unpack(state.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), MODEL);
        assert_eq!(fs::read_dir(state.path().join("models")).unwrap().count(), 1);
    }
}

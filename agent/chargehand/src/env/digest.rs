//! The SHA-256 of files that take minutes to read.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::dir::hex;

/// How much is read at once.
pub(crate) const CHUNK: usize = 1 << 20;

/// Whoever waits: told how many bytes of how many are done, and may say stop.
pub type See<'s> = dyn FnMut(u64, u64) -> ControlFlow<()> + 's;

/// Returns the SHA-256 of the file at `path` in hex; nothing when `see` says stop.
///
/// # Errors
///
/// When it cannot be read.
pub fn of_file(path: &Path, see: &mut See<'_>) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    let (mut hasher, mut chunk, mut done) = (Sha256::new(), vec![0; CHUNK], 0);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(Some(hex(&hasher.finalize()))),
            Ok(length) => {
                hasher.update(&chunk[..length]);
                done += length as u64;
            }
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
        if see(done, total).is_break() {
            return Ok(None);
        }
    }
}

/// Returns whether `text` is a SHA-256 in hex.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

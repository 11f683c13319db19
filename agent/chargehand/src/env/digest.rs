//! The SHA-256 of files that take minutes to read.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::dir::hex;

/// Files up to this size are hashed as a whole where one must not wait for it.
const WHOLE: u64 = 64 << 20;

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

/// Returns what tells a model in `files` from others: their hash, and of a large file its length with the hash of its
/// head, because to hash 20 GB would take longer than many a job.
///
/// # Errors
///
/// When one cannot be read.
pub fn identity(files: &[PathBuf]) -> io::Result<String> {
    let heads = files.iter().map(|path| head(path)).collect::<io::Result<Vec<_>>>()?;
    let texts = heads.iter().map(|(hash, length)| match is_large(*length) {
        false => format!("sha256 {hash}"),
        true => format!("sha256 of the first {WHOLE} of {length} bytes {hash}"),
    });
    Ok(of_all(&texts.collect::<Vec<_>>(), heads.iter().map(|(_, length)| length).sum()))
}

/// Returns whether a file of so many bytes is told from others by its head alone.
#[must_use]
pub fn is_large(bytes: u64) -> bool {
    bytes > WHOLE
}

/// Returns what tells files of so many `bytes` from others, of which `texts` says it one by one.
#[must_use]
pub fn of_all(texts: &[String], bytes: u64) -> String {
    if let [alone] = texts {
        return alone.clone();
    }
    let hash = hex(&Sha256::digest(texts.join("\n")));
    format!("sha256 over {} files of {bytes} bytes {hash}", texts.len())
}

/// Returns the hash of the head of a file, and how long the file is.
fn head(path: &Path) -> io::Result<(String, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.take(WHOLE).read_to_end(&mut bytes)?;
    Ok((hex(&Sha256::digest(&bytes)), length))
}

/// Returns whether `text` is a SHA-256 in hex.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::identity;

    #[test]
    fn every_file_of_a_model_counts() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a", "b"].map(|name| folder.path().join(name));
        let of = |texts: [&str; 2], count: usize| {
            files.iter().zip(texts).for_each(|(path, text)| fs::write(path, text).unwrap());
            identity(&files[..count]).unwrap()
        };
        assert!(of(["1", "2"], 1).starts_with("sha256 6b86b273ff34fce1"));
        assert_eq!(of(["1", "2"], 1), of(["1", "3"], 1));
        let both = of(["1", "2"], 2);
        assert!(both.starts_with("sha256 over 2 files of 2 bytes "), "{both}");
        assert!([of(["1", "3"], 2), of(["2", "1"], 2)].iter().all(|other| *other != both));
    }
}

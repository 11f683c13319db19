//! Names the source: two programs with the same name in them understand each other.
//!
//! It guards against one that was left behind by another build, and against nobody who wants to forge it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

/// What decides how the crate behaves: its own files, and the versions of what it uses.
const PARTS: [&str; 3] = ["Cargo.toml", "../../Cargo.lock", "src"];

fn main() -> io::Result<()> {
    let mut source = DefaultHasher::new();
    for part in PARTS.map(Path::new) {
        println!("cargo:rerun-if-changed={}", part.display());
        for file in files(part)? {
            (&file, fs::read(&file)?).hash(&mut source);
        }
    }
    println!("cargo:rustc-env=CHARGEHAND_INSIDE_SOURCE={:016x}", source.finish());
    Ok(())
}

/// Returns `path` or all files below it, always in the same order.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries: io::Result<Vec<_>> = fs::read_dir(path)?.collect();
    let mut found = Vec::new();
    for entry in entries? {
        found.extend(files(&entry.path())?);
    }
    found.sort();
    Ok(found)
}

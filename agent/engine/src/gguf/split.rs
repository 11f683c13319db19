//! A model of one file or of several, whose parts lie beside each other.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chargehand_core::memory::header::{FileId, ModelHeader};

use super::{Contents, Fault, GgufError, Weights};

/// Reads the headers of all files of the model whose first one is at `path`.
///
/// # Errors
///
/// [`GgufError`], which names the file and what is wrong with it.
pub fn model(path: &Path, weights: Weights) -> Result<ModelHeader, GgufError> {
    let Contents { header, numbers, tensors, merges, no } = super::open(path, weights)?;
    let bad = |fault| GgufError::Bad { path: path.to_owned(), fault };
    let files = header.files;
    let first = Contents { header: header.clone(), no, ..Contents::default() };
    first.whole().map_err(bad)?;
    let file = std::fs::metadata(path).ok();
    let mut model = ModelHeader {
        architecture: header.architecture,
        numbers,
        tensors,
        tokens: header.vocabulary.unwrap_or(0),
        merges,
        file: file.map(|facts| FileId { device: facts.dev(), inode: facts.ino() }),
    };
    for no in 1..files {
        let path = part(path, no, files).ok_or_else(|| bad(Fault::PartName(files)))?;
        model.tensors.extend(read_part(&path, no, files, weights)?.tensors);
    }
    Ok(model)
}

fn read_part(path: &Path, no: u64, files: u64, weights: Weights) -> Result<Contents, GgufError> {
    let part = super::open(path, weights).map_err(|err| match err {
        GgufError::Missing(path) => GgufError::PartMissing { path, files },
        err => err,
    })?;
    let (says, name) = ((part.no, part.header.files), (no, files));
    if says == name {
        return Ok(part);
    }
    Err(GgufError::Bad { path: path.to_owned(), fault: Fault::OtherPart { says, name } })
}

/// Returns the path of part `no`, from 0, if the first is named as llama.cpp names it.
fn part(first: &Path, no: u64, files: u64) -> Option<PathBuf> {
    let name = first.file_name()?.to_str()?;
    let start = name.strip_suffix(&format!("-00001-of-{files:05}.gguf"))?;
    Some(first.with_file_name(format!("{start}-{:05}-of-{files:05}.gguf", no + 1)))
}

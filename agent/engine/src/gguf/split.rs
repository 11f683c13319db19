//! A model of one file or of several, whose parts lie beside each other.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chargehand_core::memory::header::{FileId, ModelHeader, Prefixes};
use chargehand_core::seal::Seal;
use sha2::{Digest, Sha256};

use super::tokens::Listed;
use super::{Contents, Fault, GgufError, Tokens, Weights};

/// What a file of a split model is called: `STEM-00002-of-00003.gguf`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SplitName<'n> {
    /// What all of them begin with.
    pub stem: &'n str,
    /// Which one it is, from 1.
    pub no: u32,
    /// How many there are.
    pub files: u32,
}

impl<'n> SplitName<'n> {
    /// Reads `name`, also behind a folder; nothing where it is not such a name.
    #[must_use]
    pub fn of(name: &'n str) -> Option<Self> {
        let (rest, files) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
        let (stem, no) = rest.rsplit_once('-')?;
        let number = |text: &str| {
            let is_number = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| is_number)
        };
        let (no, files) = (number(no)?, number(files)?);
        (1..=files).contains(&no).then_some(Self { stem, no, files })
    }

    /// Returns the names of all files, in order.
    pub fn all(self) -> impl Iterator<Item = String> + use<'n> {
        let Self { stem, files, .. } = self;
        (1..=files).map(move |no| format!("{stem}-{no:05}-of-{files:05}.gguf"))
    }
}

/// Reads the headers of all files of the model whose first one is at `path`. How much its tokens have in common is not
/// counted.
///
/// # Errors
///
/// [`GgufError`], which names the file and what is wrong with it.
pub fn model(path: &Path, weights: Weights) -> Result<ModelHeader, GgufError> {
    Ok(read(path, weights, Tokens::Counted)?.0)
}

/// The same of a model that is here, and how much its tokens have in common, which takes longer than all the rest.
///
/// # Errors
///
/// As for [`model`].
pub fn counted(path: &Path) -> Result<ModelHeader, GgufError> {
    let (mut model, listed, tokenizer) = read(path, Weights::Here, Tokens::Listed)?;
    model.prefixes = listed.prefixes(tokenizer.as_deref().unwrap_or_default());
    Ok(model)
}

fn read(
    path: &Path,
    weights: Weights,
    listing: Tokens,
) -> Result<(ModelHeader, Listed, Option<String>), GgufError> {
    let Contents { header, numbers, tensors, tokens, listed, merges, no, .. } =
        super::open(path, weights, listing)?;
    let bad = |fault| GgufError::Bad { path: path.to_owned(), fault };
    let files = header.files;
    let first = Contents { header: header.clone(), no, ..Contents::default() };
    first.whole().map_err(bad)?;
    let file = std::fs::metadata(path).ok();
    let mut model = ModelHeader {
        architecture: header.architecture,
        numbers,
        tensors,
        tokens,
        prefixes: Prefixes::default(),
        merges,
        file: file.map(|facts| FileId { device: facts.dev(), inode: facts.ino() }),
    };
    for (no, path) in (0..).zip(beside(path, files)?).skip(1) {
        model.tensors.extend(read_part(&path, no, files, weights)?.tensors);
    }
    Ok((model, listed, header.tokenizer))
}

/// Returns a hash over the headers of all files of a model: two that are equal take the same memory.
///
/// # Errors
///
/// As for [`model`].
pub fn digest(path: &Path) -> Result<[u8; 32], GgufError> {
    let mut hash = Sha256::new();
    for path in paths(path)? {
        let length = super::open(&path, Weights::Elsewhere, Tokens::Counted)?.length;
        let unreadable = |source| GgufError::Unreadable { path: path.clone(), source };
        let mut begin = Vec::new();
        let file = File::open(&path).map_err(unreadable)?;
        file.take(length).read_to_end(&mut begin).map_err(unreadable)?;
        hash.update(&begin);
    }
    Ok(hash.finalize().into())
}

/// Returns how the files of the model whose first one is at `path` lie on the disk.
///
/// # Errors
///
/// As for [`paths`], and when one of them is missing.
pub fn seals(path: &Path) -> Result<Vec<Seal>, GgufError> {
    paths(path)?.iter().map(|path| seal(path)).collect()
}

/// Returns the paths of all files of the model whose first one is at `path`. Only a file that is named as one of
/// several is read for it: [`model`] finds the others out.
///
/// # Errors
///
/// [`GgufError`], when there is no such file; for a file that is named as one of several also when it is no model, or
/// not the first of so many.
pub fn paths(path: &Path) -> Result<Vec<PathBuf>, GgufError> {
    let name = path.file_name().and_then(|name| name.to_str());
    if name.and_then(SplitName::of).is_none() {
        return super::is_file(path).map(|()| vec![path.to_owned()]);
    }
    let files = super::open(path, Weights::Elsewhere, Tokens::Counted)?.header.files;
    beside(path, files)
}

/// Returns the paths of all `files` of a model, if its first one is named as llama.cpp names it.
fn beside(first: &Path, files: u64) -> Result<Vec<PathBuf>, GgufError> {
    if files == 1 {
        return Ok(vec![first.to_owned()]);
    }
    let name = first.file_name().and_then(|name| name.to_str()).and_then(SplitName::of);
    let name = name.filter(|name| name.no == 1 && u64::from(name.files) == files);
    let bad = || GgufError::Bad { path: first.to_owned(), fault: Fault::PartName(files) };
    Ok(name.ok_or_else(bad)?.all().map(|name| first.with_file_name(name)).collect())
}

fn seal(path: &Path) -> Result<Seal, GgufError> {
    let unreadable = |source| GgufError::Unreadable { path: path.to_owned(), source };
    let facts = std::fs::metadata(path).map_err(unreadable)?;
    Ok(Seal {
        device: facts.dev(),
        inode: facts.ino(),
        bytes: facts.len(),
        modified: Seal::moment(facts.mtime(), facts.mtime_nsec()),
        changed: Seal::moment(facts.ctime(), facts.ctime_nsec()),
    })
}

fn read_part(path: &Path, no: u64, files: u64, weights: Weights) -> Result<Contents, GgufError> {
    let part = super::open(path, weights, Tokens::Counted).map_err(|err| match err {
        GgufError::Missing(path) => GgufError::PartMissing { path, files },
        err => err,
    })?;
    let (says, name) = ((part.no, part.header.files), (no, files));
    if says == name {
        return Ok(part);
    }
    Err(GgufError::Bad { path: path.to_owned(), fault: Fault::OtherPart { says, name } })
}

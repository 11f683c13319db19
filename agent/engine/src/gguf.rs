//! The header of a GGUF file, read before C++ ever sees the file.
//!
//! The file is hostile: every length is held against what is left of it before anything is
//! allocated, and all arithmetic is checked. No weights are read. Files are read and not mapped: a
//! file that somebody cuts off while it is mapped ends the process.

mod bounds;
mod bytes;
mod split;
mod tokens;
mod types;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::header::{Tensor, Texts};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::bytes::{Reader, Value};
use self::tokens::Listed;

pub use self::split::{SplitName, counted, digest, model, paths, seals};

/// Real models have fewer than 100 keys and 2,000 tensors.
const MAX_KEYS: u64 = 4096;
const MAX_TENSORS: u64 = 1 << 17;
/// The names of parts have five digits.
const MAX_FILES: u64 = 99_999;

/// What a header says about a model.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Header {
    /// `llama`, `qwen3`, and so on.
    pub architecture: String,
    /// The name people know it by, if it has one.
    pub name: Option<String>,
    /// The longest context it was trained with, in tokens.
    pub context_length: Option<u64>,
    /// Its layers.
    pub block_count: Option<u64>,
    /// The kind of its tokenizer: `gpt2`, `llama`, and so on.
    pub tokenizer: Option<String>,
    /// How many tokens its vocabulary has.
    pub vocabulary: Option<u64>,
    /// Its chat template.
    pub chat_template: Option<String>,
    /// How many files it is split over; most models have one.
    pub files: u64,
    /// How many tensors this file holds.
    pub tensors: u64,
    /// What the weights in this file take.
    pub weights: Bytes,
}

/// Why a file is no model.
#[derive(Debug, Error)]
pub enum GgufError {
    /// There is no such file.
    #[error("{}: no such file", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a directory or a device.
    #[error("{}: not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// It is there and can be read, and it is no model that could be loaded.
    #[error("{}: {fault}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A part of a split model is not there.
    #[error("{}: no such file, and the model is split over {files} files", path.display())]
    PartMissing {
        /// The part.
        path: PathBuf,
        /// How many there are.
        files: u64,
    },
}

/// What is wrong with the content of a file.
#[derive(Debug, Error)]
pub enum Fault {
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It begins with something else.
    #[error("not a GGUF file: it begins with `{}`", .0.escape_ascii())]
    NotGguf([u8; 4]),
    /// It is of a version that llama.cpp does not read.
    #[error("GGUF version {0} is not supported: 2 or 3 is needed")]
    Version(u32),
    /// It was written on a machine with the other byte order.
    #[error("the file is big-endian")]
    BigEndian,
    /// It ends too early.
    #[error("the file is truncated: {what} needs {need} bytes, the file has {have}")]
    Truncated {
        /// What is cut off.
        what: String,
        /// How long the file would have to be.
        need: u64,
        /// How long it is.
        have: u64,
    },
    /// It says something that cannot be.
    #[error("the file is malformed: {0}")]
    Malformed(String),
    /// It is a part of a model, and not the first.
    #[error("this is part {} of a model that is split over {files} files: give the first", .no + 1)]
    NotFirst {
        /// Its number, from 0.
        no: u64,
        /// How many there are.
        files: u64,
    },
    /// It is no part of the model whose other parts lie beside it.
    #[error("it says that it is part {} of {}, and by its name it is part {} of {}", .says.0 + 1, .says.1, .name.0 + 1, .name.1)]
    OtherPart {
        /// Its number from 0 and how many there are, as it says.
        says: (u64, u64),
        /// The same, as its name says.
        name: (u64, u64),
    },
    /// A split model whose files are named otherwise is not found by llama.cpp.
    #[error(
        "the model is split over {0} files, and this one is not named like NAME-00001-of-{0:05}.gguf"
    )]
    PartName(u64),
    /// The system could not read on.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whether what a header describes must be there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weights {
    /// The file is held against its size.
    Here,
    /// The header was fetched alone.
    Elsewhere,
}

/// What is read of the tokens of a vocabulary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tokens {
    /// How many there are, and how long.
    Counted,
    /// Their texts and kinds too, which takes as much memory as they take of the file.
    Listed,
}

/// What one file says.
#[derive(Debug, Default)]
struct Contents {
    header: Header,
    numbers: BTreeMap<String, Vec<u64>>,
    tensors: Vec<Tensor>,
    tokens: Texts,
    listed: Listed,
    merges: Texts,
    /// Its number among the files of a split model, from 0.
    no: u64,
    /// Bytes before the weights.
    length: u64,
}

/// Reads the header of the file at `path` and holds it against the size of the file.
///
/// # Errors
///
/// [`GgufError`], which names the file and what is wrong with it.
pub fn read(path: &Path) -> Result<Header, GgufError> {
    let contents = open(path, Weights::Here, Tokens::Counted)?;
    contents.whole().map_err(|fault| GgufError::Bad { path: path.to_owned(), fault })
}

/// Reads the header of a file of `size` bytes.
///
/// # Errors
///
/// [`Fault`].
pub fn parse(source: impl Read + Seek, size: u64) -> Result<Header, Fault> {
    contents(source, size, Weights::Here, Tokens::Counted)?.whole()
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> GgufError {
    move |source| match source.kind() {
        io::ErrorKind::NotFound => GgufError::Missing(path.to_owned()),
        _ => GgufError::Unreadable { path: path.to_owned(), source },
    }
}

fn is_file(path: &Path) -> Result<(), GgufError> {
    match std::fs::metadata(path).map_err(unreadable(path))?.is_file() {
        true => Ok(()),
        false => Err(GgufError::NotAFile(path.to_owned())),
    }
}

fn open(path: &Path, weights: Weights, listing: Tokens) -> Result<Contents, GgufError> {
    // A named pipe would block on opening, so the kind is asked for first.
    is_file(path)?;
    let file = File::open(path).map_err(unreadable(path))?;
    let size = file.metadata().map_err(unreadable(path))?.len();
    let bad = |fault| GgufError::Bad { path: path.to_owned(), fault };
    contents(BufReader::with_capacity(1 << 16, file), size, weights, listing).map_err(bad)
}

fn contents(
    source: impl Read + Seek,
    size: u64,
    weights: Weights,
    listing: Tokens,
) -> Result<Contents, Fault> {
    if size == 0 {
        return Err(Fault::Empty);
    }
    let mut reader = Reader::new(source, size, listing);
    read_magic(&mut reader)?;
    let tensors = reader.u64("the tensor count")?;
    let keys = reader.u64("the key count")?;
    // The shortest key takes 13 bytes, the shortest tensor 24: a count beyond that is a lie.
    reader.check_count("keys", keys, 13)?;
    reader.check_count("tensors", tensors, 24)?;
    for (what, count, most) in [("keys", keys, MAX_KEYS), ("tensors", tensors, MAX_TENSORS)] {
        if count > most {
            return Err(Fault::Malformed(format!("{count} {what}, more than {most}")));
        }
    }
    let mut contents = Contents::default();
    contents.header.tensors = tensors;
    let alignment = read_keys(&mut reader, keys, &mut contents)?;
    read_tensors(&mut reader, tensors, alignment, weights, &mut contents)?;
    Ok(contents)
}

impl Contents {
    /// Returns what the first file of a model says; only that one has all of it.
    fn whole(self) -> Result<Header, Fault> {
        if self.no > 0 {
            return Err(Fault::NotFirst { no: self.no, files: self.header.files });
        }
        if self.header.architecture.is_empty() {
            return Err(Fault::Malformed("general.architecture is missing".to_owned()));
        }
        Ok(self.header)
    }
}

fn read_magic<R: Read + Seek>(reader: &mut Reader<R>) -> Result<(), Fault> {
    let magic = reader.array::<4>("the magic")?;
    if magic != *b"GGUF" {
        return Err(Fault::NotGguf(magic));
    }
    match reader.u32("the version")? {
        2 | 3 => Ok(()),
        version if version.trailing_zeros() >= 16 && version != 0 => Err(Fault::BigEndian),
        version => Err(Fault::Version(version)),
    }
}

/// Fills `header` and returns the alignment of the data.
fn read_keys<R: Read + Seek>(
    reader: &mut Reader<R>,
    keys: u64,
    contents: &mut Contents,
) -> Result<u64, Fault> {
    let mut alignment = 32;
    let Contents { header, numbers, tokens, listed, merges, no, .. } = contents;
    header.files = 1;
    for _ in 0..keys {
        let key = reader.string("a key")?;
        let value = reader.value(&key)?;
        match (key.as_str(), value) {
            ("general.architecture", Value::Text(text)) => header.architecture = text,
            ("general.name", Value::Text(text)) => header.name = Some(text),
            ("general.alignment", Value::Number(number)) => alignment = number,
            ("split.count", Value::Number(number)) if number > MAX_FILES => {
                return Err(Fault::Malformed(format!("{number} files, more than {MAX_FILES}")));
            }
            ("split.count", Value::Number(number)) => header.files = number.max(1),
            ("split.no", Value::Number(number)) => *no = number,
            ("tokenizer.ggml.model", Value::Text(text)) => header.tokenizer = Some(text),
            ("tokenizer.ggml.pre", Value::Text(text)) => listed.pre = text,
            (tokens::TEXTS, Value::Tokens(count, texts)) => {
                header.vocabulary = Some(count.count);
                (*tokens, listed.texts) = (count, texts);
            }
            (tokens::KINDS, Value::Kinds(kinds)) => listed.kinds = kinds,
            ("tokenizer.ggml.merges", Value::Texts(texts)) => *merges = texts,
            ("tokenizer.chat_template", Value::Text(text)) => header.chat_template = Some(text),
            (_, Value::Number(number)) => drop(numbers.insert(key.clone(), vec![number])),
            (_, Value::Numbers(several)) => drop(numbers.insert(key.clone(), several)),
            (
                _,
                Value::Text(_)
                | Value::Texts(_)
                | Value::Tokens(..)
                | Value::Kinds(_)
                | Value::Array
                | Value::Other,
            ) => {}
        }
    }
    // The architecture may stand behind what it names.
    let start = format!("{}.", header.architecture);
    let own = |(key, value): (String, _)| Some((key.strip_prefix(&start)?.to_owned(), value));
    *numbers = std::mem::take(numbers).into_iter().filter_map(own).collect();
    bounds::check(&header.architecture, numbers)?;
    let first = |key: &str| numbers.get(key).and_then(|numbers| numbers.first()).copied();
    (header.context_length, header.block_count) = (first("context_length"), first("block_count"));
    match alignment.is_power_of_two() && alignment <= 1 << 20 {
        true => Ok(alignment),
        false => Err(Fault::Malformed(format!("an alignment of {alignment} bytes"))),
    }
}

/// Checks that every tensor lies inside the file, unless it is `weights` elsewhere.
fn read_tensors<R: Read + Seek>(
    reader: &mut Reader<R>,
    tensors: u64,
    alignment: u64,
    weights: Weights,
    contents: &mut Contents,
) -> Result<(), Fault> {
    let mut last = (0, String::new());
    for _ in 0..tensors {
        let tensor = types::Tensor::read(reader)?;
        let too_large = || Fault::Malformed(format!("tensor `{}` is too large", tensor.name));
        if !tensor.offset.is_multiple_of(alignment) {
            let (name, offset) = (&tensor.name, tensor.offset);
            let text = format!("tensor `{name}` at {offset} is not aligned to {alignment} bytes");
            return Err(Fault::Malformed(text));
        }
        let end = tensor.offset.checked_add(tensor.size).ok_or_else(too_large)?;
        contents.header.weights = contents.header.weights + Bytes(tensor.size);
        if end > last.0 {
            last = (end, tensor.name.clone());
        }
        let padded = tensor.size.checked_next_multiple_of(alignment).ok_or_else(too_large)?;
        let (name, columns) = (tensor.name, tensor.columns);
        contents.tensors.push(Tensor { name, columns, bytes: Bytes(padded) });
    }
    contents.length = reader.position();
    let start = reader.position().next_multiple_of(alignment);
    let (need, have) = (start.saturating_add(last.0), reader.size());
    if tensors > 0 && need > have && weights == Weights::Here {
        return Err(Fault::Truncated { what: format!("tensor `{}`", last.1), need, have });
    }
    Ok(())
}

//! The header of a GGUF file, read before C++ ever sees the file.
//!
//! The file is hostile: every length is held against what is left of it before anything is
//! allocated, and all arithmetic is checked. No weights are read.

mod bytes;
mod types;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use chargehand_core::bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::bytes::{Reader, Value};

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
    /// The system could not read on.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the header of the file at `path` and holds it against the size of the file.
///
/// # Errors
///
/// [`GgufError`], which names the file and what is wrong with it.
pub fn read(path: &Path) -> Result<Header, GgufError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => GgufError::Missing(path.to_owned()),
        _ => GgufError::Unreadable { path: path.to_owned(), source },
    };
    // A named pipe would block on opening, so the kind is asked for first.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(GgufError::NotAFile(path.to_owned()));
    }
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let bad = |fault| GgufError::Bad { path: path.to_owned(), fault };
    parse(BufReader::with_capacity(1 << 16, file), size).map_err(bad)
}

/// Reads the header of a file of `size` bytes.
///
/// # Errors
///
/// [`Fault`].
pub fn parse(source: impl Read + Seek, size: u64) -> Result<Header, Fault> {
    if size == 0 {
        return Err(Fault::Empty);
    }
    let mut reader = Reader::new(source, size);
    read_magic(&mut reader)?;
    let tensors = reader.u64("the tensor count")?;
    let keys = reader.u64("the key count")?;
    // The shortest key takes 13 bytes, the shortest tensor 24: a count beyond that is a lie.
    reader.check_count("keys", keys, 13)?;
    reader.check_count("tensors", tensors, 24)?;
    let mut header = Header { files: 1, tensors, ..Header::default() };
    let alignment = read_keys(&mut reader, keys, &mut header)?;
    header.weights = read_tensors(&mut reader, tensors, alignment)?;
    Ok(header)
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
    header: &mut Header,
) -> Result<u64, Fault> {
    let mut alignment = 32;
    for _ in 0..keys {
        let key = reader.string("a key")?;
        let value = reader.value(&key)?;
        match (key.as_str(), value) {
            ("general.architecture", Value::Text(text)) => header.architecture = text,
            ("general.name", Value::Text(text)) => header.name = Some(text),
            ("general.alignment", Value::Number(number)) => alignment = number,
            ("split.count", Value::Number(number)) => header.files = number.max(1),
            ("tokenizer.ggml.model", Value::Text(text)) => header.tokenizer = Some(text),
            ("tokenizer.ggml.tokens", Value::Array(length)) => header.vocabulary = Some(length),
            ("tokenizer.chat_template", Value::Text(text)) => header.chat_template = Some(text),
            (key, Value::Number(number)) if key.ends_with(".context_length") => {
                header.context_length = Some(number);
            }
            (key, Value::Number(number)) if key.ends_with(".block_count") => {
                header.block_count = Some(number);
            }
            (_, Value::Text(_) | Value::Number(_) | Value::Array(_) | Value::Other) => {}
        }
    }
    if header.architecture.is_empty() {
        return Err(Fault::Malformed("general.architecture is missing".to_owned()));
    }
    match alignment.is_power_of_two() && alignment <= 1 << 20 {
        true => Ok(alignment),
        false => Err(Fault::Malformed(format!("an alignment of {alignment} bytes"))),
    }
}

/// Checks that every tensor lies inside the file and returns the bytes of all.
fn read_tensors<R: Read + Seek>(
    reader: &mut Reader<R>,
    tensors: u64,
    alignment: u64,
) -> Result<Bytes, Fault> {
    let mut total = Bytes(0);
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
        total = total + Bytes(tensor.size);
        if end > last.0 {
            last = (end, tensor.name);
        }
    }
    let start = reader.position().next_multiple_of(alignment);
    let (need, have) = (start.saturating_add(last.0), reader.size());
    if tensors > 0 && need > have {
        return Err(Fault::Truncated { what: format!("tensor `{}`", last.1), need, have });
    }
    Ok(total)
}

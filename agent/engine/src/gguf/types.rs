//! Tensors and the sizes of their types.

use std::io::{Read, Seek};

use super::Fault;
use super::bytes::Reader;

/// Dimensions that llama.cpp can hold.
const MAX_DIMENSIONS: u32 = 4;

/// ggml holds names of 63 bytes.
const MAX_NAME: u64 = 63;

/// A tensor as the header describes it.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// Where it begins, counted from the begin of the data.
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) columns: u64,
}

impl Tensor {
    pub(super) fn read<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Self, Fault> {
        let name = reader.text("the name of a tensor", MAX_NAME)?;
        let dimensions = reader.u32(&name)?;
        if dimensions > MAX_DIMENSIONS {
            let text = format!("tensor `{name}` has {dimensions} dimensions, 4 at most are known");
            return Err(Fault::Malformed(text));
        }
        let mut shape = [1_u64; MAX_DIMENSIONS as usize];
        for length in shape.iter_mut().take(dimensions as usize) {
            *length = reader.u64(&name)?;
        }
        let kind = reader.u32(&name)?;
        let offset = reader.u64(&name)?;
        let size = size(kind, shape)
            .map_err(|what| Fault::Malformed(format!("tensor `{name}` {what}")))?;
        Ok(Self { name, offset, size, columns: shape[0] })
    }
}

/// Returns the bytes of a tensor, or what is wrong with it.
fn size(kind: u32, shape: [u64; 4]) -> Result<u64, String> {
    let (values, bytes) = block(kind).ok_or_else(|| format!("is of the unknown type {kind}"))?;
    if !shape[0].is_multiple_of(values) {
        return Err(format!("has rows of {} values, no multiple of {values}", shape[0]));
    }
    shape[1..]
        .iter()
        .try_fold(shape[0] / values, |blocks, length| blocks.checked_mul(*length))
        .and_then(|blocks| blocks.checked_mul(bytes))
        .ok_or_else(|| format!("of shape {shape:?} is too large"))
}

/// Returns how many values a block of the type holds, and in how many bytes. The numbers are
/// those of ggml's enumeration; retired types are missing.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        24 => (1, 1),
        27 | 28 => (1, 8),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        40 => (64, 36),
        41 => (128, 18),
        42 => (64, 18),
        _ => return None,
    })
}

//! What the header of a model says, as far as memory depends on it. Files are read elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::estimate::EstimateError;
use crate::bytes::Bytes;

/// The key with the number of layers that only guess further tokens; they stand behind the others.
pub(super) const NEXTN: &str = "nextn_predict_layers";

/// No model has more layers; the largest that is known has 126.
const MAX_LAYERS: u64 = 4096;

/// A file, whatever it is called: two that are equal share their pages in memory.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
pub struct FileId {
    /// The device it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// The header of a model, of all its files together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ModelHeader {
    /// `llama`, `qwen3`, and so on.
    pub architecture: String,
    /// Whole numbers of its metadata, by their key without the architecture; one, or one a layer.
    pub numbers: BTreeMap<String, Vec<u64>>,
    /// Its tensors.
    pub tensors: Vec<Tensor>,
    /// Tokens of its vocabulary.
    pub tokens: Texts,
    /// What its tokens have in common; nothing where that was not counted.
    pub prefixes: Prefixes,
    /// Merges of its vocabulary.
    pub merges: Texts,
    /// Its first file, where it has one on this machine.
    pub file: Option<FileId>,
}

/// The texts of a list.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Texts {
    /// How many there are.
    pub count: u64,
    /// What they are long together, in bytes.
    pub bytes: u64,
    /// What one copy of them takes besides the objects of C++ that hold them.
    pub outside: u64,
}

impl Texts {
    /// Counts one more text of `bytes` bytes.
    ///
    /// What is longer than 15 bytes lies outside its `std::string`, with a null behind it and 8 bytes before, in steps
    /// of 16 (libstdc++ and glibc).
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let taken =
            if bytes > 15 { bytes.saturating_add(9).div_ceil(16).saturating_mul(16) } else { 0 };
        self.outside = self.outside.saturating_add(taken);
    }
}

/// What the texts of tokens have in common, as far as the trees of them depend on it; at least that.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Prefixes {
    /// Beginnings of texts, each counted once: the nodes of the tree of all.
    pub nodes: u64,
    /// Texts that no string of JSON may hold as they are.
    pub cut: u64,
    /// The same as `nodes` for what these have from there on: in one tree, and by how much stands before it.
    pub rests: u64,
    /// The characters of the longest text.
    pub longest: u64,
}

/// A tensor.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tensor {
    /// `blk.7.attn_q.weight`, and so on.
    pub name: String,
    /// Values in a row.
    pub columns: u64,
    /// Its size, with what it is padded to.
    pub bytes: Bytes,
}

impl ModelHeader {
    /// Returns the longest context it was trained with, in tokens.
    #[must_use]
    pub fn context_length(&self) -> Option<u64> {
        self.number("context_length")
    }

    /// Returns what its weights take.
    #[must_use]
    pub fn weights(&self) -> Bytes {
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }

    /// Returns whether `other` is the same model, whatever its weights are written in.
    #[must_use]
    pub fn is_same_model(&self, other: &Self) -> bool {
        let names = |header: &Self| {
            header.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.columns)).collect()
        };
        let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) = (names(self), names(other));
        self.architecture == other.architecture
            && (self.tokens, self.merges) == (other.tokens, other.merges)
            && ours == theirs
    }

    /// Returns the number that all layers share, or the one of the first layer.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.of_layer(key, 0)
    }

    /// Returns the number of a layer, which is the same for all where there is only one.
    pub(super) fn of_layer(&self, key: &str, layer: u64) -> Option<u64> {
        let numbers = self.numbers.get(key)?;
        let at = if numbers.len() == 1 { 0 } else { usize::try_from(layer).ok()? };
        numbers.get(at).copied()
    }

    /// Returns the largest number of any layer.
    pub(super) fn largest(&self, key: &str) -> u64 {
        self.numbers.get(key).and_then(|numbers| numbers.iter().max()).copied().unwrap_or(0)
    }

    /// Returns a number that a model cannot be without.
    pub(super) fn needed(&self, key: &'static str) -> Result<u64, EstimateError> {
        let missing = || EstimateError::Missing { architecture: self.architecture.clone(), key };
        match self.number(key).ok_or_else(missing)? {
            0 => Err(EstimateError::Absurd { key, number: 0 }),
            number => Ok(number),
        }
    }

    /// Returns its layers, without those that only guess further tokens.
    pub(super) fn layers(&self) -> Result<u64, EstimateError> {
        let key = "block_count";
        let all = self.needed(key)?;
        if all > MAX_LAYERS {
            return Err(EstimateError::Absurd { key, number: all });
        }
        let guessing = self.number(NEXTN).unwrap_or(0);
        all.checked_sub(guessing)
            .filter(|layers| *layers > 0)
            .ok_or(EstimateError::Absurd { key: NEXTN, number: guessing })
    }
}

impl Tensor {
    /// Returns whether it holds experts of a mixture.
    pub(super) fn is_expert(&self) -> bool {
        self.name.contains("_exps.") || self.name.contains("_chexps.")
    }

    /// Returns the layer it belongs to, if it belongs to one.
    pub(super) fn layer(&self) -> Option<u64> {
        self.name.strip_prefix("blk.")?.split_once('.')?.0.parse().ok()
    }
}

//! What a model takes, from its header alone: no file, no library, microseconds.
//!
//! Weights and cache are arithmetic; the rest is fitted to dry runs. An architecture that is not listed is called
//! unknown, and the dry run decides alone.

use std::collections::BTreeMap;
use std::ops::Range;

use thiserror::Error;

use super::header::{ModelHeader, NEXTN, Prefixes};
use super::{Backing, Footprint, HOST, LoadOptions, Pool, Row, beside, cache, compute};
use crate::bytes::Bytes;

/// How the layers of an architecture remember.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Family {
    /// Keys and values in each layer, or compressed ones.
    Attention,
    /// The same, and some layers look at a window only. The worker keeps the whole context for them too, because
    /// a session goes back in it.
    Window,
    /// A state of fixed size in each layer.
    Recurrent,
    /// A state in some layers, keys and values in those that have heads for them.
    Hybrid,
}

/// Each was held against dry runs.
const FAMILIES: [(&str, Family); 11] = [
    ("deepseek2", Family::Attention),
    ("gemma3", Family::Window),
    ("glm4moe", Family::Attention),
    ("gpt-oss", Family::Window),
    ("granitehybrid", Family::Hybrid),
    ("jamba", Family::Hybrid),
    ("llama", Family::Attention),
    ("mamba", Family::Recurrent),
    ("qwen2", Family::Attention),
    ("qwen3", Family::Attention),
    ("qwen3moe", Family::Attention),
];

/// What the program itself takes, and llama.cpp for the metadata.
const BASE_OVERHEAD: u64 = 8 << 20;
/// A token as llama.cpp lists it: `token_data`.
const TOKEN_LISTED: u64 = 40;
/// And as it finds it: a node of a hash table from text to number, its bucket, the text as it is printed.
const TOKEN_FOUND: u64 = 64 + 11 + 32;
/// What of the lists that were read stays with malloc when they are freed, at most as far as was seen.
const LEFT: u64 = 4 << 20;
/// A merge: a node of a hash table from two texts to a number, and its bucket.
const MERGE: u64 = 96 + 11;

/// What grammars and guesses take at most, which the engine counts exactly: our matcher, and what was said before, for
/// each token of context.
const MATCHER: u64 = 128 << 20;
const GUESS: u64 = 108;

/// A driver keeps about this much of a device for itself (context, module, scratch of its matrix library). It is in
/// no buffer and was measured on none; vendors' figures lie below.
pub const DEVICE_OVERHEAD: Bytes = Bytes::mib(768);

/// Why a header does not tell what a model takes.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum EstimateError {
    /// Its architecture is not listed.
    #[error("the architecture `{0}` is unknown to the estimate: the dry run decides")]
    Unknown(String),
    /// A number is not there.
    #[error("the header of this {architecture} model lacks `{key}`")]
    Missing {
        /// The architecture.
        architecture: String,
        /// The key, without it.
        key: &'static str,
    },
    /// A number cannot be.
    #[error("the header says that `{key}` is {number}, which cannot be")]
    Absurd {
        /// The key, without the architecture.
        key: &'static str,
        /// What it is said to be.
        number: u64,
    },
    /// It is to guess further tokens by itself, and has no layers for that, or none that are run.
    #[error("this {architecture} model cannot guess with layers of its own (mtp): {why}")]
    NoMtp {
        /// The architecture.
        architecture: String,
        /// Why.
        why: String,
    },
    /// It is to be a projector, and is a model.
    #[error("a model of `{0}` is no projector")]
    NoProjector(String),
    /// There is no such type of cache.
    #[error("unknown type of KV cache `{0}`: f16, q8_0 or q4_0 is meant")]
    KvType(String),
}

/// Returns what the model of `header` takes under the name `model`, with its last layers on `devices`, each of which
/// gets a share of them by what it has available.
///
/// # Errors
///
/// [`EstimateError`], when the header does not tell.
pub fn estimate(
    header: &ModelHeader,
    model: &str,
    options: LoadOptions,
    devices: &[Pool],
) -> Result<Footprint, EstimateError> {
    let options = options.settled();
    let known = FAMILIES.iter().find(|(name, _)| *name == header.architecture);
    let family = known.ok_or_else(|| EstimateError::Unknown(header.architecture.clone()))?.1;
    let own = header.layers()?;
    let all = own.saturating_add(header.number(NEXTN).unwrap_or(0));
    let loaded = if options.has_mtp() { all } else { own };
    // llama.cpp deals out all layers, also those that it then does not load.
    let places = Places::of(all, &options, devices);
    let mut rows = weights(header, &options, &places, loaded);
    rows.extend(caches(header, family, &options, &places, 0..own)?);
    rows.extend(graphs(header, family, &options, &places)?);
    if options.has_mtp() {
        beside::check_mtp(header)?;
        let mut mtp = caches(header, family, &options, &places, own..loaded)?;
        mtp.extend(graphs(header, family, &options, &places)?);
        let width = header.needed("embedding_length")?;
        mtp.push(beside::states(width, header.tokens.count, &options));
        rows.extend(beside::mtp(mtp));
    }
    let logits = product(&[4, header.tokens.count, u64::from(options.outputs())]);
    rows.push(Row::host("logits", Bytes(logits)));
    rows.push(Row::host("vocabulary and metadata", overhead(header)));
    let guesses = product(&[GUESS, cache::cells(&options), u64::from(options.n_seq.max(1))]);
    let grammars = Bytes(MATCHER) + trees(header) + Bytes(guesses);
    rows.push(Row::host("grammars and guesses", grammars));
    Ok(Footprint { model: model.to_owned(), options, rows })
}

/// Returns what a process takes for the metadata and the vocabulary of a model.
#[must_use]
pub fn overhead(header: &ModelHeader) -> Bytes {
    let listed = product(&[TOKEN_LISTED, header.tokens.count]);
    Bytes(BASE_OVERHEAD) + Bytes(listed) + tables(header)
}

/// Returns what llama.cpp takes for the tables of a vocabulary, besides the list of its tokens.
///
/// Counted from `llama_vocab::impl` as libstdc++ lays it out, and held against processes that loaded it.
#[must_use]
pub fn tables(header: &ModelHeader) -> Bytes {
    let ModelHeader { tokens, merges, .. } = header;
    let left = if tokens.count > 0 { LEFT } else { 0 };
    let found = product(&[TOKEN_FOUND, tokens.count]).saturating_add(left);
    // A long token lies in the list, in the table and as it is printed.
    let outside = product(&[3, tokens.outside]).saturating_add(merges.outside);
    Bytes(found) + Bytes(product(&[MERGE, merges.count])) + Bytes(outside)
}

/// Returns what the trees of the tokens of a vocabulary take, of which there are two while they are made.
///
/// Fitted to nine vocabularies of 50k to 262k tokens, of which none takes 3 % more. Where the texts have less in common
/// than in those, the nodes of the trees decide, of 17 bytes each. The 40 are what a text that is cut takes while they
/// are made, the 98 a tree for each length.
#[must_use]
pub fn trees(header: &ModelHeader) -> Bytes {
    let ModelHeader { tokens, prefixes, .. } = header;
    let Prefixes { nodes, cut, rests, longest } = *prefixes;
    let sum = |terms: &[(u64, u64)]| {
        terms.iter().fold(0_u64, |sum, (each, count)| sum.saturating_add(product(&[*each, *count])))
    };
    let fitted = sum(&[(17, tokens.count), (6, tokens.bytes)]);
    let listed = [(18, tokens.count), (1, tokens.bytes)];
    let counted = sum(&[(17, nodes), (17, rests), (40, cut), (98, longest)]);
    Bytes(product(&[2, fitted.max(counted.saturating_add(sum(&listed)))]))
}

/// Multiplies, up to the largest number there is: a hostile product must be too large, never small.
pub(super) fn product(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |product, factor| product.saturating_mul(*factor))
}

/// Which layer lies where.
struct Places<'d> {
    layers: u64,
    /// The first layer that is on a device; the output counts as one behind the last.
    first: u64,
    devices: &'d [Pool],
}

impl<'d> Places<'d> {
    fn of(layers: u64, options: &LoadOptions, devices: &'d [Pool]) -> Self {
        let moved = if devices.is_empty() { 0 } else { u64::from(options.n_gpu_layers) };
        Self { layers, first: (layers + 1).saturating_sub(moved), devices }
    }

    /// Returns the pool of a layer. Those on devices are dealt out in order, by what each has available.
    fn pool(&self, layer: u64) -> &'d str {
        let total: u64 = self.devices.iter().map(|device| device.available.0 >> 20).sum();
        let moved = (self.layers + 1).saturating_sub(self.first);
        if layer < self.first || moved == 0 {
            return HOST;
        }
        let at = layer - self.first;
        let mut before = 0_u64;
        for device in self.devices {
            before = before.saturating_add(device.available.0 >> 20);
            if product(&[at, total]) < product(&[before, moved]) {
                return &device.name;
            }
        }
        self.devices.last().map_or(HOST, |device| &device.name)
    }

    fn used(&self) -> Vec<&'d str> {
        let mut used: Vec<&str> = (0..=self.layers).map(|layer| self.pool(layer)).collect();
        used.dedup();
        used.retain(|pool| *pool != HOST);
        used
    }
}

fn weights(
    header: &ModelHeader,
    options: &LoadOptions,
    places: &Places<'_>,
    loaded: u64,
) -> Vec<Row> {
    let mut sums: BTreeMap<&str, Bytes> = BTreeMap::new();
    let mut add = |pool, bytes: Bytes| {
        let sum = sums.entry(pool).or_default();
        *sum = *sum + bytes;
    };
    let is_tied = !header.tensors.iter().any(|tensor| tensor.name == "output.weight");
    let output = places.pool(places.layers);
    for tensor in &header.tensors {
        match tensor.layer() {
            Some(_) if options.experts_on_cpu && tensor.is_expert() => add(HOST, tensor.bytes),
            Some(layer) if layer < loaded => add(places.pool(layer), tensor.bytes),
            // Layers that only guess further tokens are loaded where they do.
            Some(_) => {}
            None if tensor.name.starts_with("token_embd") => {
                add(HOST, tensor.bytes);
                // Used at both ends, it lies at both.
                if is_tied && output != HOST {
                    add(output, tensor.bytes);
                }
            }
            None => add(output, tensor.bytes),
        }
    }
    let row = |(pool, bytes): (&str, Bytes)| {
        let backing = match header.file {
            Some(file) if options.use_mmap && pool == HOST => Backing::Mapped(file),
            Some(_) | None => Backing::Anonymous,
        };
        Row { pool: pool.to_owned(), what: "weights".to_owned(), bytes, backing }
    };
    sums.into_iter().map(row).collect()
}

fn caches(
    header: &ModelHeader,
    family: Family,
    options: &LoadOptions,
    places: &Places<'_>,
    layers: Range<u64>,
) -> Result<Vec<Row>, EstimateError> {
    let mut sums: BTreeMap<&str, Bytes> = BTreeMap::new();
    for layer in layers {
        let bytes = cache::of_layer(header, family, options, layer)?;
        let pool = if options.kv_on_host { HOST } else { places.pool(layer) };
        let sum = sums.entry(pool).or_default();
        *sum = *sum + Bytes(bytes);
    }
    Ok(sums.into_iter().map(|(pool, bytes)| Row::of(pool, "context", bytes)).collect())
}

fn graphs(
    header: &ModelHeader,
    family: Family,
    options: &LoadOptions,
    places: &Places<'_>,
) -> Result<Vec<Row>, EstimateError> {
    let graph = Bytes(compute::graph(header, family, options)?);
    let mut rows = Vec::new();
    for device in places.used() {
        rows.push(Row::of(device, "compute", graph));
        rows.push(Row::of(device, "driver (estimated)", DEVICE_OVERHEAD));
    }
    if places.first > 0 || options.kv_on_host || options.experts_on_cpu {
        rows.push(Row::host("compute", graph));
        rows.push(Row::host("scratch of the CPU", Bytes(compute::scratch(header, options))));
    } else {
        let bytes = Bytes(compute::inputs(header, family, options)?);
        rows.push(Row { backing: Backing::Pinned, ..Row::host("compute", bytes) });
    }
    Ok(rows)
}

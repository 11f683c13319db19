//! What works with a model: a projector, which turns pictures into its tokens, and what guesses its next tokens, a
//! small model or layers of its own. Their memory is planned with its own.

use serde::{Deserialize, Serialize};

use super::estimate::{EstimateError, product};
use super::header::{ModelHeader, NEXTN};
use super::{Footprint, HOST, LoadOptions, Pool, Row};
use crate::bytes::Bytes;
use crate::seal::Seal;

/// Rows that a model which only guesses has no use for, or shares with the one that it guesses for.
const OF_ANOTHER: [&str; 5] =
    ["tokens of grammars", "matcher", "guesses", "grammars and guesses", "driver (estimated)"];

/// Models of one family pad their vocabularies to different lengths: one that guesses may have so many tokens more, or
/// fewer.
pub const MOST_PADDING: u64 = 128;

/// Architectures whose layers for further tokens were run. llama.cpp has a graph of them for others too, and aborts where
/// one does not go with a file.
const GUESSING: [&str; 1] = ["glm4moe"];

/// What llama.cpp calls the architecture of all projectors.
const PROJECTOR: &str = "clip";

/// What is loaded with a model.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Beside {
    /// A projector.
    Projector {
        /// The GGUF file.
        path: String,
        /// Whether it stays in ordinary memory, whatever lies on a GPU.
        on_cpu: bool,
    },
    /// A model that guesses, with a context as long as that of the model that it guesses for.
    Draft {
        /// The GGUF file.
        path: String,
        /// How its files lay when it was planned; none is for no more than a header.
        #[serde(default)]
        seals: Vec<Seal>,
    },
    /// The layers of the model itself that guess further tokens (MTP), with a context as long as its own.
    Mtp,
}

impl Beside {
    /// Returns where its file lies, if that is not the model's.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Projector { path, .. } | Self::Draft { path, .. } => Some(path),
            Self::Mtp => None,
        }
    }

    /// Returns whether it guesses.
    #[must_use]
    pub fn guesses(&self) -> bool {
        match self {
            Self::Projector { .. } => false,
            Self::Draft { .. } | Self::Mtp => true,
        }
    }
}

/// Returns what the projector of `header` takes: its weights, and what one picture needs while it is looked at. It
/// lies on the first of `devices`, or in ordinary memory without one.
///
/// # Errors
///
/// [`EstimateError`], when it is no projector, or its header does not tell.
pub fn projector(header: &ModelHeader, devices: &[Pool]) -> Result<Vec<Row>, EstimateError> {
    if header.architecture != PROJECTOR {
        return Err(EstimateError::NoProjector(header.architecture.clone()));
    }
    let number = |key| header.needed(key);
    let (image, patch) = (number("vision.image_size")?, number("vision.patch_size")?);
    let (width, wide) = (number("vision.embedding_length")?, number("vision.feed_forward_length")?);
    let key = "vision.patch_size";
    let side = image.checked_div(patch).ok_or(EstimateError::Absurd { key, number: patch })?;
    // With flash attention: the wide layer and three rows beside it, as f32, for every patch of the picture. For the
    // one projector that was measured (SigLIP of 896 x 896 pixels) it is exact.
    let values = wide.saturating_add(product(&[3, width]));
    let compute = product(&[4, side, side, values]);
    let pool = devices.first().map_or(HOST, |device| device.name.as_str());
    Ok(vec![
        Row::of(pool, "projector: weights", header.weights()),
        Row::of(pool, "projector: compute (estimated)", Bytes(compute)),
    ])
}

/// Returns the rows of a model that guesses, beside those of the model that it guesses for.
#[must_use]
pub fn draft(footprint: Footprint) -> Vec<Row> {
    beside("draft", footprint.rows)
}

/// Returns `rows`, those of the context of layers that guess, beside those of their model.
#[must_use]
pub fn mtp(rows: Vec<Row>) -> Vec<Row> {
    let rows = rows.into_iter().filter(|row| !row.is("weights")).collect();
    beside("mtp", rows)
}

fn beside(name: &str, rows: Vec<Row>) -> Vec<Row> {
    let rows = rows.into_iter().filter(|row| !OF_ANOTHER.contains(&row.what.as_str()));
    rows.map(|row| Row { what: format!("{name}: {}", row.what), ..row }).collect()
}

/// Returns what the states take that go from a model to its layers that guess, and the token that these choose.
///
/// Of each token of a batch, with `width` values: they stand in the graph of the model, in its output, in the batch of
/// those layers and in three copies of it, which grow by doubling, and in what is kept of the last one.
#[must_use]
pub fn states(width: u64, tokens: u64, options: &LoadOptions) -> Row {
    const COPIES: u64 = 8;
    let states = product(&[4, COPIES, width, u64::from(options.n_batch)]);
    // A logit a sequence, and twice the number of the token, its logit and its probability.
    let choice = product(&[tokens, 4 * u64::from(options.n_seq.max(1)) + 2 * 12]);
    Row::host("states and logits", Bytes(states.saturating_add(choice)))
}

/// Says why the model of `header` has no layers that can guess, unless it has.
///
/// # Errors
///
/// [`EstimateError::NoMtp`].
pub fn check_mtp(header: &ModelHeader) -> Result<(), EstimateError> {
    let count = header.number(NEXTN).unwrap_or(0);
    let first = header.number("block_count").unwrap_or(0).saturating_sub(count);
    // Where one of these is missing, llama.cpp's graph is ended by an assertion.
    let needed = [
        "blk.0.attn_norm.weight".to_owned(),
        format!("blk.{first}.ffn_gate_inp.weight"),
        format!("blk.{first}.nextn.eh_proj.weight"),
    ];
    let is_there = |name: &String| header.tensors.iter().any(|tensor| tensor.name == *name);
    let width = header.number("embedding_length").unwrap_or(0);
    let outer = header.number("embedding_length_out").filter(|outer| *outer != 0);
    let why = if count == 0 {
        "it has no layers for further tokens".to_owned()
    } else if !GUESSING.contains(&header.architecture.as_str()) {
        format!("only those of {} are run", GUESSING.join(", "))
    } else if count > 1 {
        format!("it has {count} layers for further tokens, and one is run")
    } else if let Some(outer) = outer.filter(|outer| *outer != width) {
        // The states would be handed over with one width and read with the other.
        format!("its states are {outer} wide (`embedding_length_out`) and its layers {width}")
    } else if let Some(name) = needed.iter().find(|name| !is_there(name)) {
        format!("its file lacks `{name}`")
    } else {
        return Ok(());
    };
    Err(EstimateError::NoMtp { architecture: header.architecture.clone(), why })
}

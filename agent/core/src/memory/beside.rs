//! What works with a model: a projector, which turns pictures into its tokens, and a small model that guesses its next
//! tokens. Their memory is planned with its own.

use serde::{Deserialize, Serialize};

use super::estimate::{EstimateError, product};
use super::header::ModelHeader;
use super::{Footprint, HOST, Pool, Row};
use crate::bytes::Bytes;
use crate::seal::Seal;

/// Rows that a model which only guesses has no use for, or shares with the one that it guesses for.
const OF_ANOTHER: [&str; 5] =
    ["tokens of grammars", "matcher", "guesses", "grammars and guesses", "driver (estimated)"];

/// Models of one family pad their vocabularies to different lengths: one that guesses may have so many tokens more, or
/// fewer.
pub const MOST_PADDING: u64 = 128;

/// What llama.cpp calls the architecture of all projectors.
const PROJECTOR: &str = "clip";

/// A second file that is loaded with a model.
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
}

impl Beside {
    /// Returns where its file lies.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Projector { path, .. } | Self::Draft { path, .. } => path,
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
    let rows = footprint.rows.into_iter().filter(|row| !OF_ANOTHER.contains(&row.what.as_str()));
    rows.map(|row| Row { what: format!("draft: {}", row.what), ..row }).collect()
}

//! What a model needs while it computes, beside its weights and its cache: fitted to dry runs, not derived.
//!
//! The terms are those of llama.cpp's graphs with flash attention; their factors were read off eleven models and
//! held against eleven others (`bench-scripts/models/architectures.py` has their shapes).

use super::estimate::{EstimateError, Family, product};
use super::header::ModelHeader;
use super::{LoadOptions, cache};

/// Values are computed as f32.
const VALUE: u64 = 4;
/// The mask of what a token may look at has f16 values.
const MASK_VALUE: u64 = 2;

/// Returns the bytes of the largest graph.
pub(super) fn graph(
    header: &ModelHeader,
    family: Family,
    options: &LoadOptions,
) -> Result<u64, EstimateError> {
    let width = header.needed("embedding_length")?;
    let wide = header.largest("feed_forward_length");
    let dense = product(&[3, wide]).saturating_add(product(&[5, width]));
    let used = header.number("expert_used_count").unwrap_or(0);
    let expert = header.largest("expert_feed_forward_length");
    let experts = product(&[2, used, expert.saturating_add(width)]).saturating_add(width);
    let has_dense = used == 0 || header.number("leading_dense_block_count").unwrap_or(0) > 0;
    let feed_forward = if has_dense { dense.max(experts) } else { experts };
    let tokens = batch(options);
    let layer = product(&[VALUE, tokens, feed_forward.max(recurrent(header, family))]);
    let outputs = u64::from(options.outputs()).min(tokens);
    let logits = product(&[VALUE, outputs, header.tokens.count.saturating_add(width)]);
    Ok(layer.max(logits).saturating_add(masks(family, options)))
}

/// Returns the bytes of the inputs that the host hands to a graph on another device.
pub(super) fn inputs(
    header: &ModelHeader,
    family: Family,
    options: &LoadOptions,
) -> Result<u64, EstimateError> {
    let embedded = product(&[VALUE, batch(options), header.needed("embedding_length")?]);
    Ok(embedded.saturating_add(masks(family, options)))
}

/// Returns the bytes of activations that the CPU quantises before it multiplies.
pub(super) fn scratch(header: &ModelHeader, options: &LoadOptions) -> u64 {
    let is_matrix = |name: &str| name.ends_with(".weight") && !name.contains("norm");
    let matrices = header.tensors.iter().filter(|tensor| is_matrix(&tensor.name));
    let columns = matrices.map(|tensor| tensor.columns).max().unwrap_or(0);
    // 292 bytes for 256 values, in the widest form there is.
    product(&[columns, batch(options), 292]) / 256
}

fn batch(options: &LoadOptions) -> u64 {
    u64::from(options.n_batch).min(cache::cells(options)).max(1)
}

fn masks(family: Family, options: &LoadOptions) -> u64 {
    let count = match family {
        Family::Recurrent => 0,
        Family::Attention | Family::Hybrid => 1,
        // One for the layers that see all, one for those that see a window.
        Family::Window => 2,
    };
    product(&[count, MASK_VALUE, cache::cells(options), batch(options)])
}

/// Returns the values that one token of a recurrent layer needs.
fn recurrent(header: &ModelHeader, family: Family) -> u64 {
    match family {
        Family::Attention | Family::Window => 0,
        Family::Recurrent | Family::Hybrid => {
            let number = |key| header.number(key).unwrap_or(0);
            let state = product(&[2, number("ssm.state_size")]);
            let mixed = product(&[number("ssm.group_count"), state]);
            let inner = number("ssm.inner_size").saturating_add(mixed);
            let step = number("ssm.time_step_rank").saturating_add(state);
            (product(&[15, inner]) / 2).saturating_add(step)
        }
    }
}

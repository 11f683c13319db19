//! What a model remembers of a conversation: keys and values, compressed ones, or a state of fixed size.

use super::LoadOptions;
use super::estimate::{EstimateError, Family, product};
use super::header::ModelHeader;

/// llama.cpp rounds a context up to a multiple of this.
const CELLS: u64 = 256;
/// A state is kept as f32, whatever the type of the cache.
const STATE_VALUE: u64 = 4;

/// Returns the tokens that the cache of one sequence has room for.
pub(super) fn cells(options: &LoadOptions) -> u64 {
    u64::from(options.n_ctx).next_multiple_of(CELLS)
}

/// Returns the bytes that one layer takes for all sequences.
pub(super) fn of_layer(
    header: &ModelHeader,
    family: Family,
    options: &LoadOptions,
    layer: u64,
) -> Result<u64, EstimateError> {
    let sequences = u64::from(options.n_seq.max(1));
    if is_recurrent(header, family, layer) {
        return Ok(product(&[sequences, state(header)?]));
    }
    let heads =
        header.needed("attention.head_count").or_else(|err| any_heads(header).ok_or(err))?;
    let kv_heads = header.of_layer("attention.head_count_kv", layer).unwrap_or(heads);
    let width = header.needed("embedding_length")? / heads;
    let values = |key: &str| product(&[header.of_layer(key, layer).unwrap_or(width), kv_heads]);
    let (key, value) = (values("attention.key_length"), values("attention.value_length"));
    // Compressed keys carry the values too.
    let is_latent = header.number("attention.key_length_mla").is_some_and(|length| length > 0);
    let value = if is_latent { 0 } else { value };
    let row = row(&options.kv_type, key)?.saturating_add(row(&options.kv_type, value)?);
    Ok(product(&[cells(options), sequences, row]))
}

/// Returns whether a layer keeps a state in place of keys and values.
pub(super) fn is_recurrent(header: &ModelHeader, family: Family, layer: u64) -> bool {
    match family {
        Family::Attention | Family::Window => false,
        Family::Recurrent => true,
        Family::Hybrid => header.of_layer("attention.head_count_kv", layer) == Some(0),
    }
}

/// Returns the bytes of the state of one layer and one sequence.
fn state(header: &ModelHeader) -> Result<u64, EstimateError> {
    let inner = header.needed("ssm.inner_size")?;
    let state = header.needed("ssm.state_size")?;
    let kept = header.needed("ssm.conv_kernel")? - 1;
    let groups = header.number("ssm.group_count").unwrap_or(0);
    let mixed = inner.saturating_add(product(&[2, groups, state]));
    let values = product(&[kept, mixed]).saturating_add(product(&[inner, state]));
    Ok(product(&[values, STATE_VALUE]))
}

/// Where each layer has its own number of heads, the first may have none.
fn any_heads(header: &ModelHeader) -> Option<u64> {
    Some(header.largest("attention.head_count")).filter(|heads| *heads > 0)
}

/// Returns the bytes of so many values.
fn row(kv_type: &str, values: u64) -> Result<u64, EstimateError> {
    let (block, bytes) = match kv_type {
        "f16" => (1, 2),
        "q8_0" => (32, 34),
        "q4_0" => (32, 18),
        other => return Err(EstimateError::KvType(other.to_owned())),
    };
    Ok(product(&[values.div_ceil(block), bytes]))
}

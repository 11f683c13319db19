//! Numbers at which llama.cpp aborts its process, or the bindings panic, where it should refuse the file. Its limits
//! are those of `llama-hparams.h` and `llama-model.cpp`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::Fault;

const LAYERS: RangeInclusive<u64> = 1..=512;
const EXPERTS: u64 = 1024;
/// A position is a signed number of 32 bits.
const CONTEXT: u64 = i32::MAX as u64;

/// Refuses numbers of the metadata, by their key without the architecture.
pub(super) fn check(architecture: &str, numbers: &BTreeMap<String, Vec<u64>>) -> Result<(), Fault> {
    let largest = |key: &str| numbers.get(key).and_then(|numbers| numbers.iter().max()).copied();
    let bound = |key: &str, range: RangeInclusive<u64>| match largest(key) {
        Some(number) if !range.contains(&number) => Err(Fault::Malformed(format!(
            "`{architecture}.{key}` is {number}, and {} to {} is possible",
            range.start(),
            range.end()
        ))),
        Some(_) | None => Ok(()),
    };
    bound("block_count", LAYERS)?;
    bound("context_length", 0..=CONTEXT)?;
    bound("nextn_predict_layers", 0..=largest("block_count").unwrap_or(*LAYERS.end()))?;
    bound("expert_count", 0..=EXPERTS)?;
    match largest("expert_count").unwrap_or(0) {
        // Some architectures write 1 where there are none.
        experts @ 0..=1 => bound("expert_used_count", 0..=experts.max(1)),
        experts => bound("expert_used_count", 1..=experts),
    }
}

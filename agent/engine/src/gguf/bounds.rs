//! Numbers at which llama.cpp aborts its process, or the bindings panic, where it should refuse the file. Its limits
//! are those of `llama-hparams.h` and `llama-model.cpp`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::Fault;

const LAYERS: RangeInclusive<u64> = 1..=512;
const EXPERTS: u64 = 1024;
/// Architectures without experts that may say that they have one.
const DENSE: [&str; 2] = ["hunyuan-dense", "hunyuan_vl"];
/// A position is a signed number of 32 bits.
const CONTEXT: u64 = i32::MAX as u64;

/// Refuses numbers of the metadata, by their key without the architecture.
pub(super) fn check(architecture: &str, numbers: &BTreeMap<String, Vec<u64>>) -> Result<(), Fault> {
    let largest = |key: &str| numbers.get(key).and_then(|numbers| numbers.iter().max()).copied();
    let bound = |key: &str, number: Option<u64>, range: RangeInclusive<u64>| match number {
        Some(number) if !range.contains(&number) => Err(Fault::Malformed(format!(
            "`{architecture}.{key}` is {number}, and {} to {} is possible",
            range.start(),
            range.end()
        ))),
        Some(_) | None => Ok(()),
    };
    let found = |key: &str, range| bound(key, largest(key), range);
    found("block_count", LAYERS)?;
    found("context_length", 0..=CONTEXT)?;
    found("nextn_predict_layers", 0..=largest("block_count").unwrap_or(*LAYERS.end()))?;
    found("expert_count", 0..=EXPERTS)?;
    // What is not there is none to llama.cpp, and no expert used of some is as bad as one of none.
    let or_none = |key: &str, range| bound(key, Some(largest(key).unwrap_or(0)), range);
    let experts = largest("expert_count").unwrap_or(0);
    match experts {
        // These write 1 where there are none, and llama.cpp knows it.
        0..=1 if DENSE.contains(&architecture) => {}
        0 => or_none("expert_used_count", 0..=0)?,
        _ => or_none("expert_used_count", 1..=experts)?,
    }
    or_none("expert_group_count", 0..=experts.saturating_sub(1))?;
    let groups = largest("expert_group_count").unwrap_or(0);
    if groups < 2 {
        return Ok(());
    }
    if experts % groups != 0 {
        let key = "expert_group_count";
        let message =
            format!("`{architecture}.{key}` is {groups}, and there are {experts} experts");
        return Err(Fault::Malformed(message));
    }
    or_none("expert_group_used_count", 1..=groups - 1)
}

#[cfg(test)]
mod tests {
    use super::check;

    /// Experts, how many of them are used, their groups, how many of those are used.
    const KEYS: [&str; 4] =
        ["expert_count", "expert_used_count", "expert_group_count", "expert_group_used_count"];

    /// Checks numbers of `KEYS`; a missing one is none.
    #[track_caller]
    fn experts(architecture: &str, numbers: &[i64], expect: Option<&str>) {
        let given = KEYS.iter().zip(numbers).filter_map(|(key, number)| {
            Some(((*key).to_owned(), vec![u64::try_from(*number).ok()?]))
        });
        let found = check(architecture, &given.collect()).err().map(|fault| fault.to_string());
        let expect = expect.map(|what| format!("the file is malformed: `{architecture}.{what}"));
        assert_eq!(found, expect);
    }

    #[test]
    fn experts_that_llama_aborts_at_are_refused() {
        const NONE: i64 = -1;
        #[track_caller]
        fn llama(numbers: &[i64], expect: Option<&str>) {
            experts("llama", numbers, expect);
        }
        let used = |said| format!("expert_used_count` is {said} is possible");
        let groups = |said| format!("expert_group_count` is {said}");
        llama(&[], None);
        llama(&[0, 0, 0, 0], None);
        llama(&[NONE, 1], Some(&used("1, and 0 to 0")));
        llama(&[1, 0], Some(&used("0, and 1 to 1")));
        llama(&[1, 1], None);
        llama(&[8], Some(&used("0, and 1 to 8")));
        llama(&[8, 8], None);
        llama(&[8, 9], Some(&used("9, and 1 to 8")));
        llama(&[0, 0, 1], Some(&groups("1, and 0 to 0 is possible")));
        llama(&[1, 1, 1], Some(&groups("1, and 0 to 0 is possible")));
        llama(&[8, 2, 1], None);
        llama(&[8, 2, 8, 1], Some(&groups("8, and 0 to 7 is possible")));
        llama(&[8, 2, 3, 1], Some(&groups("3, and there are 8 experts")));
        llama(&[8, 2, 4], Some("expert_group_used_count` is 0, and 1 to 3 is possible"));
        llama(&[8, 2, 4, 3], None);
        llama(&[8, 2, 4, 4], Some("expert_group_used_count` is 4, and 1 to 3 is possible"));
    }

    #[test]
    fn some_say_that_they_have_one_expert_and_have_none() {
        experts("hunyuan-dense", &[1], None);
        experts("hunyuan_vl", &[0, 1], None);
        experts("hunyuan-dense", &[2], Some("expert_used_count` is 0, and 1 to 2 is possible"));
        experts("hunyuan-moe", &[1], Some("expert_used_count` is 0, and 1 to 1 is possible"));
    }
}

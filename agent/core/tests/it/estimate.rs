//! The estimate: arithmetic that was done by hand, and hostile headers.

use std::collections::BTreeMap;

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::beside::Beside;
use chargehand_core::memory::estimate::{EstimateError, estimate};
use chargehand_core::memory::header::{FileId, ModelHeader, Prefixes, Tensor, Texts};
use chargehand_core::memory::{Backing, Footprint, HOST, LoadOptions, Pool, larger};
use proptest::prelude::*;

use crate::memory::options;

/// Texts of six bytes.
fn texts(count: u64) -> Texts {
    Texts { count, bytes: 6 * count, outside: 0 }
}

fn header(architecture: &str, numbers: &[(&str, u64)], tensors: &[(&str, u64)]) -> ModelHeader {
    let numbers: BTreeMap<String, Vec<u64>> =
        numbers.iter().map(|(key, number)| ((*key).to_owned(), vec![*number])).collect();
    let tensor = |(name, bytes): &(&str, u64)| Tensor {
        name: (*name).to_owned(),
        columns: 64,
        bytes: Bytes(*bytes),
    };
    ModelHeader {
        architecture: architecture.to_owned(),
        numbers,
        tensors: tensors.iter().map(tensor).collect(),
        tokens: texts(1000),
        prefixes: Prefixes::default(),
        merges: texts(900),
        file: None,
    }
}

/// Two layers, four heads of 16 of which two are for keys.
fn small() -> ModelHeader {
    let numbers = [
        ("block_count", 2),
        ("embedding_length", 64),
        ("feed_forward_length", 256),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("attention.key_length", 16),
        ("attention.value_length", 16),
    ];
    let tensors = [
        ("token_embd.weight", 1000),
        ("blk.0.attn_q.weight", 30),
        ("blk.1.attn_q.weight", 40),
        ("output_norm.weight", 5),
    ];
    header("llama", &numbers, &tensors)
}

fn with(mut header: ModelHeader, key: &str, numbers: &[u64]) -> ModelHeader {
    header.numbers.insert(key.to_owned(), numbers.to_vec());
    header
}

fn known(header: &ModelHeader, options: &LoadOptions, devices: &[Pool]) -> Footprint {
    estimate(header, "m", options.clone(), devices).unwrap()
}

fn sum(footprint: &Footprint, pool: &str, what: &str) -> u64 {
    let rows = footprint.rows.iter().filter(|row| row.pool == pool && row.what == what);
    rows.map(|row| row.bytes.0).sum()
}

#[track_caller]
fn check_cache(header: &ModelHeader, options: &LoadOptions, expect: u64) {
    assert_eq!(sum(&known(header, options, &[]), HOST, "context"), expect);
}

#[test]
fn keys_and_values_are_counted_for_each_token_layer_and_sequence() {
    let options = LoadOptions { n_ctx: 256, ..options() };
    // 2 layers, 256 cells, 2 heads of 16 keys and 16 values, 2 bytes each.
    check_cache(&small(), &options, 2 * 256 * 2 * 32 * 2);
    // One token more takes 256 cells more.
    check_cache(&small(), &LoadOptions { n_ctx: 257, ..options.clone() }, 2 * 512 * 2 * 32 * 2);
    check_cache(&small(), &LoadOptions { n_seq: 3, ..options.clone() }, 3 * 2 * 256 * 2 * 32 * 2);
    let q8 = LoadOptions { kv_type: "q8_0".to_owned(), ..options.clone() };
    check_cache(&small(), &q8, 2 * 256 * 2 * 34);
    let q4 = LoadOptions { kv_type: "q4_0".to_owned(), ..options };
    check_cache(&small(), &q4, 2 * 256 * 2 * 18);
}

#[test]
fn without_a_length_of_keys_the_width_is_divided_by_the_heads() {
    let mut bare = small();
    bare.numbers.retain(|key, _| !key.ends_with("_length") || key.starts_with("embedding"));
    check_cache(&bare, &LoadOptions { n_ctx: 256, ..options() }, 2 * 256 * 2 * 32 * 2);
    bare.numbers.remove("attention.head_count_kv");
    check_cache(&bare, &LoadOptions { n_ctx: 256, ..options() }, 2 * 256 * 4 * 32 * 2);
}

#[test]
fn compressed_keys_carry_the_values() {
    let mut latent = with(small(), "attention.key_length_mla", &[24]);
    latent.architecture = "deepseek2".to_owned();
    check_cache(&latent, &LoadOptions { n_ctx: 256, ..options() }, 2 * 256 * 2 * 16 * 2);
}

#[test]
fn a_state_does_not_grow_with_the_context() {
    let mut state = small();
    let numbers = [("ssm.inner_size", 128), ("ssm.state_size", 16), ("ssm.conv_kernel", 4)];
    for (key, number) in numbers {
        state = with(state, key, &[number]);
    }
    state.architecture = "mamba".to_owned();
    let one = 4 * (3 * 128 + 16 * 128);
    for n_ctx in [256, 4096] {
        check_cache(&state, &LoadOptions { n_ctx, ..options() }, 2 * one);
    }
    check_cache(&state, &LoadOptions { n_seq: 8, ..options() }, 8 * 2 * one);
    // A hybrid: the first layer has no heads for keys.
    state.architecture = "jamba".to_owned();
    let mixed = with(state, "attention.head_count_kv", &[0, 2]);
    check_cache(&mixed, &LoadOptions { n_ctx: 256, ..options() }, one + 256 * 2 * 32 * 2);
}

fn device(name: &str, mib: u64) -> Pool {
    let capacity = Bytes::mib(mib);
    Pool { name: name.to_owned(), capacity, available: capacity, headroom: Bytes(0), within: None }
}

#[test]
fn layers_go_to_devices_from_the_end() {
    let devices = [device("gpu0", 1000)];
    #[track_caller]
    fn check(devices: &[Pool], n_gpu_layers: u32, host: u64, gpu: u64) {
        let options = LoadOptions { n_gpu_layers, ..options() };
        let found = known(&small(), &options, devices);
        assert_eq!((sum(&found, HOST, "weights"), sum(&found, "gpu0", "weights")), (host, gpu));
    }
    check(&devices, 0, 1075, 0);
    // The output goes first, and what is tied to the input lies at both ends.
    check(&devices, 1, 1070, 1005);
    check(&devices, 2, 1030, 1045);
    check(&devices, 3, 1000, 1075);
    check(&devices, 999, 1000, 1075);
    check(&[], 999, 1075, 0);
}

#[test]
fn several_devices_share_by_what_they_have() {
    let devices = [device("gpu0", 1000), device("gpu1", 2000)];
    let found = known(&small(), &LoadOptions { n_gpu_layers: 999, ..options() }, &devices);
    // Two layers and the output on two devices, one of which is twice as large.
    assert_eq!((sum(&found, "gpu0", "weights"), sum(&found, "gpu1", "weights")), (30, 1045));
}

#[test]
fn caches_and_experts_can_stay_behind() {
    let mut mixture = small();
    mixture.tensors[1].name = "blk.0.ffn_up_exps.weight".to_owned();
    let devices = [device("gpu0", 1000)];
    let options =
        LoadOptions { n_gpu_layers: 999, experts_on_cpu: true, kv_on_host: true, ..options() };
    let found = known(&mixture, &options, &devices);
    assert_eq!(sum(&found, HOST, "weights"), 1030);
    assert_eq!(sum(&found, "gpu0", "context"), 0);
}

#[test]
fn layers_that_only_guess_are_not_loaded() {
    let guessing = with(small(), "nextn_predict_layers", &[1]);
    assert_eq!(sum(&known(&guessing, &options(), &[]), HOST, "weights"), 1035);
    // They are dealt out all the same: of two that go to the card, one is of these and the other the output.
    let two = LoadOptions { n_gpu_layers: 2, ..options() };
    let found = known(&guessing, &two, &[device("gpu0", 1000)]);
    assert_eq!(sum(&found, "gpu0", "context"), 0);
    assert!(sum(&known(&small(), &two, &[device("gpu0", 1000)]), "gpu0", "context") > 0);
}

#[test]
fn layers_that_guess_are_counted_where_they_are_to() {
    let mut guessing = with(small(), "nextn_predict_layers", &[1]);
    let asked = LoadOptions { beside: vec![Beside::Mtp], ..options() };
    #[track_caller]
    fn check(header: &ModelHeader, options: &LoadOptions, expect: &str) {
        let error = estimate(header, "m", options.clone(), &[]).unwrap_err().to_string();
        assert!(error.ends_with(expect), "{error}");
    }
    check(&guessing, &asked, "(mtp): only those of glm4moe are run");
    guessing.architecture = "glm4moe".to_owned();
    for (name, bytes) in [
        ("blk.0.attn_norm.weight", 0),
        ("blk.1.ffn_gate_inp.weight", 0),
        ("blk.1.nextn.eh_proj.weight", 7),
    ] {
        check(&guessing, &asked, &format!("(mtp): its file lacks `{name}`"));
        guessing.tensors.push(Tensor { name: name.to_owned(), columns: 128, bytes: Bytes(bytes) });
    }
    for outer in [1, 1 << 30] {
        let wide = with(guessing.clone(), "embedding_length_out", &[outer]);
        let expect =
            format!("its states are {outer} wide (`embedding_length_out`) and its layers 64");
        check(&wide, &asked, &expect);
    }
    let more = with(with(guessing.clone(), "nextn_predict_layers", &[2]), "block_count", &[3]);
    check(&more, &asked, "it has 2 layers for further tokens, and one is run");
    check(
        &with(small(), "nextn_predict_layers", &[0]),
        &asked,
        "it has no layers for further tokens",
    );
    let [one, two] = [options(), asked].map(|options| known(&guessing, &options, &[]));
    let [alone, both] = [&one, &two].map(|found| sum(found, HOST, "weights"));
    assert_eq!((alone, both), (1035, 1082));
    // One layer each.
    assert_eq!(sum(&two, HOST, "mtp: context"), sum(&one, HOST, "context"));
    assert_eq!(sum(&two, HOST, "context"), sum(&one, HOST, "context"));
    assert!(sum(&two, HOST, "mtp: compute") > 0);
    // States of 64 values in eight places for each token of a batch; 1,000 tokens to choose from.
    let states = 4 * 8 * 64 * u64::from(options().n_batch) + 1000 * 28;
    assert_eq!(sum(&two, HOST, "mtp: states and logits"), states);
    assert_eq!(two.rows.iter().filter(|row| row.is("weights")).count(), 1);
}

#[test]
fn mapped_weights_are_known_by_their_file() {
    let file = FileId { device: 1, inode: 2 };
    let mapped = ModelHeader { file: Some(file), ..small() };
    let options = LoadOptions { use_mmap: true, extra_buffers: false, ..options() };
    let backing = |options: &LoadOptions| known(&mapped, options, &[]).rows[0].backing;
    assert_eq!(backing(&options), Backing::Mapped(file));
    // What the CPU repacks is not mapped besides.
    assert_eq!(backing(&LoadOptions { extra_buffers: true, ..options }), Backing::Anonymous);
}

#[track_caller]
fn check_error(header: &ModelHeader, expect: EstimateError) {
    assert_eq!(estimate(header, "m", options(), &[]), Err(expect));
}

#[test]
fn headers_that_do_not_tell_are_told_apart() {
    let unknown = ModelHeader { architecture: "rwkv9".to_owned(), ..small() };
    check_error(&unknown, EstimateError::Unknown("rwkv9".to_owned()));
    let absurd = |key, number| EstimateError::Absurd { key, number };
    check_error(&with(small(), "block_count", &[0]), absurd("block_count", 0));
    check_error(&with(small(), "block_count", &[4097]), absurd("block_count", 4097));
    check_error(&with(small(), "nextn_predict_layers", &[2]), absurd("nextn_predict_layers", 2));
    check_error(&with(small(), "embedding_length", &[0]), absurd("embedding_length", 0));
    let mut bare = small();
    bare.numbers.remove("block_count");
    let architecture = "llama".to_owned();
    check_error(&bare, EstimateError::Missing { architecture, key: "block_count" });
    let odd = LoadOptions { kv_type: "q5_1".to_owned(), ..options() };
    let found = estimate(&small(), "m", odd, &[]);
    assert_eq!(found, Err(EstimateError::KvType("q5_1".to_owned())));
}

#[test]
fn the_larger_of_two_opinions_counts() {
    let mut heavy = small();
    heavy.tensors[1].bytes = Bytes::mib(1000);
    let estimated = known(&heavy, &options(), &[]);
    let total = |footprint: &Footprint| footprint.rows.iter().map(|row| row.bytes).sum::<Bytes>();
    let mut measured = estimated.clone();
    let (same, doubt) = larger(measured.clone(), &estimated);
    assert_eq!((same, doubt), (measured.clone(), None));
    // The dry run has forgotten the weights.
    measured.rows.retain(|row| row.what != "weights");
    let (counted, doubt) = larger(measured.clone(), &estimated);
    let doubt = doubt.unwrap();
    assert_eq!((doubt.measured, doubt.estimated), (total(&measured), total(&estimated)));
    assert_eq!(total(&counted), total(&estimated));
}

proptest! {
    /// Whatever numbers stand in a header, nothing panics, nothing wraps around, and less is never said for more.
    #[test]
    fn hostile_numbers_are_survived(
        numbers in prop::collection::vec((0_usize..12, prop::collection::vec(any::<u64>(), 1..3)), 0..12),
        architecture in 0_usize..11, layers in 0_u64..6, n_ctx in any::<u32>(), n_seq in any::<u32>(),
    ) {
        let keys = ["embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv",
            "attention.key_length", "attention.value_length", "ssm.inner_size", "ssm.state_size", "ssm.conv_kernel",
            "expert_used_count", "expert_feed_forward_length", "nextn_predict_layers"];
        let names = ["deepseek2", "gemma3", "gpt-oss", "granitehybrid", "jamba", "llama", "mamba", "qwen2", "qwen3", "qwen3moe",
            "glm4moe"];
        let mut hostile = with(small(), "block_count", &[layers]);
        hostile.architecture = names[architecture].to_owned();
        for (key, values) in numbers {
            hostile = with(hostile, keys[key], &values);
        }
        let options = LoadOptions { n_ctx, n_seq, ..options() };
        let found = estimate(&hostile, "m", options.clone(), &[]);
        let less = estimate(&hostile, "m", LoadOptions { n_ctx: n_ctx / 2, ..options }, &[]);
        if let (Ok(found), Ok(less)) = (found, less) {
            let total = |footprint: &Footprint| footprint.rows.iter().map(|row| row.bytes).sum::<Bytes>();
            prop_assert!(total(&found) >= total(&less));
        }
    }
}

//! Dry runs: every row is there, options matter, bad files are refused with words.

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Footprint, HOST, LoadOptions, Row};
use chargehand_engine::dry_run::{Counter, DryRunError, loaded};
use chargehand_engine::engine::EngineError;
use chargehand_engine::gguf::{self, GgufError};

use crate::common;

fn footprint(options: LoadOptions) -> Result<Footprint, DryRunError> {
    Counter::new(common::backend()).footprint("m", options)
}

fn bytes(footprint: &Footprint, begin: &str) -> Bytes {
    let rows = footprint.rows.iter().filter(|row| row.what.starts_with(begin));
    rows.map(|row| row.bytes).sum()
}

#[test]
fn a_dry_run_counts_everything() {
    let Some(path) = common::model("dry runs") else { return };
    let run = |n_ctx| footprint(common::options(&path, n_ctx)).unwrap();
    let (small, large) = (run(512), run(1024));
    let weights = gguf::read(&path).unwrap().weights;
    // Tied embeddings may be held twice, padding may be added, nothing may be left out.
    assert!(bytes(&small, "weights") >= weights, "{small:?}");
    assert_eq!(Bytes(bytes(&small, "context").0 * 2), bytes(&large, "context"));
    assert_eq!(bytes(&small, "weights"), bytes(&large, "weights"));
    for what in ["compute", "logits", "scratch", "tokens of grammars", "matcher", "guesses"] {
        assert!(bytes(&small, what) > Bytes(0), "{what}: {small:?}");
    }
    assert!(small.rows.iter().all(|row| row.pool == HOST));
}

#[test]
fn a_quantised_cache_is_smaller() {
    let Some(path) = common::model("dry runs with a quantised cache") else { return };
    let options = common::options(&path, 512);
    let run = |kv_type: &str| {
        let options = LoadOptions { kv_type: kv_type.to_owned(), ..options.clone() };
        bytes(&footprint(options).unwrap(), "context")
    };
    // 34 bytes for 32 values instead of 64.
    assert_eq!(run("q8_0").0 * 64, run("f16").0 * 34);
}

/// Whatever llama.cpp allocates was counted before, to the byte.
#[test]
fn every_buffer_is_as_large_as_it_was_counted() {
    let Some(path) = common::model("dry runs against loaded models") else { return };
    let plain = common::options(&path, 700);
    let all = [
        plain.clone(),
        LoadOptions { n_seq: 3, kv_type: "q8_0".to_owned(), ..plain.clone() },
        LoadOptions { use_mmap: false, extra_buffers: false, ..plain.clone() },
        LoadOptions { extra_buffers: false, n_batch: 64, ..plain },
    ];
    // One counter for all of them: a model that is open already counts the same.
    let mut counter = Counter::new(common::backend());
    for options in all {
        let counted = counter.footprint("m", options).unwrap();
        let taken = loaded(common::backend(), &counted.options).unwrap();
        let is_buffer = |row: &&Row| row.what.contains('(');
        let counted = counted.rows.iter().filter(is_buffer).map(named);
        assert_eq!(counted.collect::<Vec<_>>(), taken.iter().map(named).collect::<Vec<_>>());
    }
}

/// Mapped pages have a buffer type of their own once they are really mapped.
fn named(row: &Row) -> (String, Bytes) {
    (row.what.replace("_Mapped", ""), row.bytes)
}

#[test]
fn weights_are_not_held_twice() {
    let path = std::path::Path::new("m.gguf");
    let [cpu, gpu] = [0, 1].map(|n_gpu_layers| {
        let options = LoadOptions { n_gpu_layers, ..common::options(path, 512) };
        options.settled().use_mmap
    });
    assert!(!cpu && gpu);
    let plain = LoadOptions { extra_buffers: false, ..common::options(path, 512) };
    assert!(plain.settled().use_mmap);
}

#[test]
fn bad_files_and_options_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.gguf");
    let error = || footprint(common::options(&path, 512)).unwrap_err();
    assert!(matches!(error(), DryRunError::File(GgufError::Missing(_))));
    std::fs::write(&path, "hello").unwrap();
    assert!(matches!(error(), DryRunError::File(GgufError::Bad { .. })));
    // A header that holds, of a model that llama.cpp does not know.
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend([0_u64, 1, 20].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0nosol");
    std::fs::write(&path, bytes).unwrap();
    let DryRunError::Engine(EngineError::Load { reason, .. }) = error() else { panic!() };
    assert!(reason.contains("nosol"), "{reason}");
}

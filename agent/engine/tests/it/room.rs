//! Why a model is not loaded: what is wrong with its file, and what is not.

use std::path::Path;

use chargehand_core::memory::LoadOptions;
use chargehand_engine::engine::{Engine, EngineError};

use crate::common::{backend, options};
use crate::gguf::File;

/// A matrix of the model takes 512 MiB, and of the disk nothing.
const WIDE: u64 = 1 << 22;

/// Writes a model of one layer with these tensors; the weights are a hole.
fn write(path: &Path, tokenizer: &str, tensors: &[(&str, [u64; 2])]) {
    let mut file = File::new(tensors.len() as u64, 9)
        .key_text("general.architecture", "llama")
        .key_text("tokenizer.ggml.model", tokenizer)
        .text("llama.attention.layer_norm_rms_epsilon")
        .u32(6)
        .u32(1e-5_f32.to_bits());
    for (key, number) in [
        ("vocab_size", 4),
        ("context_length", 64),
        ("embedding_length", 32),
        ("block_count", 1),
        ("attention.head_count", 1),
        ("feed_forward_length", u32::try_from(WIDE).unwrap()),
    ] {
        file = file.key_number(&format!("llama.{key}"), number);
    }
    let mut offset = 0;
    for (name, shape) in tensors {
        file = file.tensor(&format!("{name}.weight"), *shape, offset);
        offset += 4 * shape[0] * shape[1];
    }
    let begin = file.0.len().next_multiple_of(32) as u64;
    std::fs::write(path, file.0).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_len(begin + offset).unwrap();
}

const TENSORS: [(&str, [u64; 2]); 11] = [
    ("token_embd", [32, 4]),
    ("output_norm", [32, 1]),
    ("blk.0.attn_norm", [32, 1]),
    ("blk.0.attn_q", [32, 32]),
    ("blk.0.attn_k", [32, 32]),
    ("blk.0.attn_v", [32, 32]),
    ("blk.0.attn_output", [32, 32]),
    ("blk.0.ffn_norm", [32, 1]),
    ("blk.0.ffn_gate", [32, WIDE]),
    ("blk.0.ffn_up", [32, WIDE]),
    ("blk.0.ffn_down", [WIDE, 32]),
];

fn load(path: &Path) -> EngineError {
    let plain = LoadOptions { use_mmap: false, extra_buffers: false, ..options(path, 64) };
    Engine::load(backend(), plain).unwrap_err()
}

#[test]
fn a_file_that_llama_cpp_refuses_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    let check = |tokenizer, tensors, expect: &str| {
        write(&path, tokenizer, tensors);
        match load(&path) {
            EngineError::Load { reason, .. } => assert!(reason.contains(expect), "{reason}"),
            other => panic!("{other}"),
        }
    };
    check("odd", &TENSORS, "unknown tokenizer: 'odd'");
    check("none", &TENSORS[..7], "blk.0.ffn_norm.weight");
}

/// The process of the test has too much room; it starts itself with less.
#[cfg(target_os = "linux")]
#[test]
fn want_of_room_is_nothing_about_the_file() {
    const INSIDE: &str = "CHARGEHAND_TEST_ROOM";
    const SCRIPT: &str =
        "ulimit -d 1048576 && exec \"$0\" --exact room::want_of_room_is_nothing_about_the_file";
    if let Some(path) = std::env::var_os(INSIDE) {
        match load(Path::new(&path)) {
            EngineError::NotLoaded { reason, .. } => {
                assert!(reason.contains("unable to allocate CPU buffer"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    write(&path, "none", &TENSORS);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", SCRIPT]).arg(std::env::current_exe().unwrap()).env(INSIDE, &path);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

//! How long a context llama.cpp's own fit chooses for a model on this machine, as its programs ask it:
//! `cargo run --release -p chargehand-engine --example fit MODEL.gguf`. For comparison; nothing of ours relies on it.
#![expect(clippy::print_stdout, reason = "it prints its answer")]

use std::ffi::CString;
use std::num::NonZeroU32;
use std::pin::pin;
use std::process::ExitCode;

use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::max_devices;
use llama_cpp_2::model::params::LlamaModelParams;

/// What llama.cpp's programs leave free of each device.
const MARGIN: usize = 1 << 30;
/// The shortest context that they go down to.
const LEAST: u32 = 4096;
/// ggml's number of an error.
const ERRORS_ONLY: u32 = 4;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1).and_then(|path| CString::new(path).ok()) else {
        return ExitCode::from(2);
    };
    let Ok(mut backend) = LlamaBackend::init() else { return ExitCode::FAILURE };
    backend.void_logs();
    let mut model = pin!(LlamaModelParams::default());
    let mut context = LlamaContextParams::default().with_n_ctx(None::<NonZeroU32>);
    let mut margins = vec![MARGIN; max_devices()];
    match model.as_mut().fit_params(&path, &mut context, &mut margins, LEAST, ERRORS_ONLY) {
        Ok(found) if found.n_ctx == 0 => println!("all it was trained with"),
        Ok(found) => println!("{}", found.n_ctx),
        Err(err) => println!("{err}"),
    }
    ExitCode::SUCCESS
}

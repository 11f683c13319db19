//! Whether a token has the same logits, to the bit, when it is evaluated alone and in a batch as large as a draft,
//! and how long such a batch takes.
//!
//! `cargo run --release -p chargehand-engine --example batch_rounding -- MODEL.gguf`
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::env;
use std::error::Error;
use std::fs;
use std::num::NonZeroU32;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Attention is computed over the cache in steps of 256 tokens: one of these ends before a step, one crosses it.
const PROMPTS: [usize; 2] = [100, 240];
/// Tokens behind each prompt; a multiple of all batches.
const COUNT: usize = 48;
const BATCHES: [usize; 6] = [2, 3, 4, 8, 12, 16];

fn main() -> Result<()> {
    let path = env::args().nth(1).ok_or("a GGUF file is missing")?;
    let mut backend = LlamaBackend::init()?;
    backend.void_logs();
    let model = LlamaModel::load_from_file(&backend, path, &LlamaModelParams::default())?;
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(512))
        .with_n_batch(512)
        .with_n_threads(1)
        .with_n_threads_batch(1);
    let mut context = model.new_context(&backend, params)?;
    for prompt in PROMPTS {
        let (alone, took) = logits(&mut context, prompt, 1)?;
        println!("behind {prompt}, one token: {took:.1} ms");
        for size in BATCHES {
            let (mut same, mut worst) = (0, 0.0_f32);
            let (batched, took) = logits(&mut context, prompt, size)?;
            for (one, other) in alone.iter().zip(batched) {
                let differences = one.iter().zip(&other).map(|(a, b)| (a - b).abs());
                let largest = differences.fold(0.0, f32::max);
                (same, worst) = (same + u32::from(largest == 0.0), worst.max(largest));
            }
            println!(
                "behind {prompt}, batches of {size:2}: {same} of {COUNT} the same, {worst:e} at most; {took:.1} ms each"
            );
        }
    }
    Ok(())
}

/// Returns the logits of some tokens behind a prompt, evaluated in batches of `size`, and the milliseconds of CPU time
/// that the quickest batch took.
fn logits(
    context: &mut LlamaContext<'_>,
    prompt: usize,
    size: usize,
) -> Result<(Vec<Vec<f32>>, f64)> {
    let mut batch = LlamaBatch::new(512, 1);
    context.clear_kv_cache();
    let add = |batch: &mut LlamaBatch<'_>, place: usize, wanted: bool| -> Result<()> {
        let place = i32::try_from(place)?;
        // Any tokens do, as long as they differ; the first hundreds are in each vocabulary.
        Ok(batch.add(LlamaToken(place * 7919 % 500), place, &[0], wanted)?)
    };
    (0..prompt).try_for_each(|place| add(&mut batch, place, false))?;
    context.decode(&mut batch)?;
    let (mut rows, mut quickest) = (Vec::new(), f64::INFINITY);
    for first in (prompt..prompt + COUNT).step_by(size) {
        batch.clear();
        (first..first + size).try_for_each(|place| add(&mut batch, place, true))?;
        let begun = cpu_ms();
        context.decode(&mut batch)?;
        quickest = quickest.min(cpu_ms() - begun);
        let row = |row| context.get_logits_ith(row).to_vec();
        rows.extend((0..i32::try_from(size)?).map(row));
    }
    Ok((rows, quickest))
}

/// Returns the milliseconds that this thread has run.
fn cpu_ms() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.map_or(f64::NAN, |nanoseconds| nanoseconds / 1e6)
}

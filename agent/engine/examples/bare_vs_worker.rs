//! What the worker process costs: its tokens a second against a bare llama-cpp-2 loop over the same model, in
//! the same run, one round after the other.
//!
//! `cargo run --release -p chargehand-engine --example bare_vs_worker -- MODEL.gguf [ROUNDS] [THREADS]`
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::env;
use std::error::Error;
use std::io::{BufReader, stdin, stdout};
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use chargehand_core::memory::{Budget, Footprint, LoadOptions, plan};
use chargehand_core::transcript::Message;
use chargehand_engine::client::Client;
use chargehand_engine::engine::{Backend, Engine};
use chargehand_engine::probe::{Rung, WORKER_ENV};
use chargehand_engine::sampler::Sampling;
use chargehand_engine::serve::serve;
use chargehand_engine::session::Session;
use chargehand_engine::wire::{Ask, Chat, Event};
use chargehand_grammar::Bindings;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Tokens that are generated in a round.
const PREDICT: u32 = 200;
/// Tokens that are evaluated at once, in both.
const BATCH: u32 = 512;
/// Tokens of context, in both.
const CONTEXT: u32 = 2048;

/// The characters of a JSON string, and an end that no model says of itself.
const ENDLESS: &str = "root ::= [^\"\\\\\\x00-\\x1F\\x7F\\U0010FFFF]* \"\\U0010FFFF\"";

/// Tokens a second of one round.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Rates {
    prefill: f64,
    decode: f64,
    /// As the parent's clock has it, from the last event of the prompt to the answer.
    decode_at_parent: f64,
    /// Tokens a second that the thread really ran: other work on the machine does not count.
    decode_of_cpu: f64,
    /// The same for prompt and answer together.
    all_of_cpu: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("worker") => worker(),
        Some("rounds") => {
            let span = (number(&arguments, 2, 0)?, number(&arguments, 3, 0)?);
            print_rounds(&arguments[1], span, number(&arguments, 4, 1)?)
        }
        Some("tokens") => print_tokens(&arguments[1], number(&arguments, 2, 0)?),
        Some(model) => measure(model, number(&arguments, 1, 15)?, number(&arguments, 2, 1)?),
        None => Err("a GGUF file is missing".into()),
    }
}

fn number(arguments: &[String], at: usize, default: u32) -> Result<u32> {
    Ok(arguments.get(at).map_or(Ok(default), |text| text.parse())?)
}

fn worker() -> Result<()> {
    Ok(serve(&Backend::start()?, BufReader::new(stdin()), stdout())?)
}

fn options(model: &str, threads: u32) -> LoadOptions {
    LoadOptions {
        path: model.to_owned(),
        n_ctx: CONTEXT,
        n_seq: 1,
        kv_on_host: false,
        experts_on_cpu: false,
        beside: Vec::new(),
        n_batch: BATCH,
        n_gpu_layers: 0,
        kv_type: "f16".to_owned(),
        use_mmap: true,
        extra_buffers: true,
        threads,
        seals: Vec::new(),
    }
}

/// A prompt of its own for each `round`, so that nothing of it is cached, and about as long as the others.
fn chat(round: u32) -> Chat {
    let round = round + 1000;
    let line =
        |n: u32| format!("{n}: fn step_{n}(round: u32) -> u32 {{ round * {n} + {round} }}\n");
    let file: String = (0..28).map(|n| line(n * 37 + round)).collect();
    let messages = vec![
        Message::System(format!("{round} is the number of this round. You work on a repository.")),
        Message::User(format!("Explain this file.\n{file}")),
    ];
    Chat { messages, tools: Vec::new() }
}

/// Prints the tokens of a round's prompt; the bare loop shall not depend on our engine.
fn print_tokens(model: &str, round: u32) -> Result<()> {
    let backend = Backend::start()?;
    let engine = Engine::load(&backend, options(model, 1))?;
    let prompt = engine.template().render(&chat(round).messages, &[])?;
    let tokens = Session::new(&engine)?.tokenize(&prompt);
    println!("{}", tokens.iter().map(LlamaToken::to_string).collect::<Vec<_>>().join(" "));
    Ok(())
}

fn tokens(model: &str, round: u32) -> Result<Vec<LlamaToken>> {
    let output = Command::new(env::current_exe()?)
        .args(["tokens", model, &round.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .split_whitespace()
        .map(|id| id.parse().map(LlamaToken))
        .collect::<std::result::Result<_, _>>()?)
}

/// Rounds with one process each for worker and bare loop. How fast the same code runs differs by up to 15 % from
/// process to process, with the pages that its memory happens to get; so a figure needs several.
const ROUNDS_TOGETHER: u32 = 5;

fn measure(model: &str, rounds: u32, threads: u32) -> Result<()> {
    let mut all = Vec::new();
    for first in (0..rounds).step_by(usize::try_from(ROUNDS_TOGETHER)?) {
        // Both anew: the bare loop runs in a process of its own as well.
        let last = rounds.min(first + ROUNDS_TOGETHER);
        let output = Command::new(env::current_exe()?)
            .args(["rounds", model])
            .args([first, last, threads].map(|number| number.to_string()))
            .stderr(Stdio::inherit())
            .output()?;
        all.extend(serde_json::from_slice::<Vec<[Rates; 3]>>(&output.stdout)?);
    }
    let column = |at: usize| all.iter().map(|rates| rates[at]).collect::<Vec<_>>();
    report(&column(0), &column(1), &column(2));
    Ok(())
}

/// Prints the rates of some rounds: of the bare loop, of the worker, and of the worker under a grammar.
fn print_rounds(model: &str, (first, last): (u32, u32), threads: u32) -> Result<()> {
    let (mut child, mut client) = spawn(model, threads)?;
    let mut backend = LlamaBackend::init()?;
    backend.void_logs();
    let loaded = LlamaModel::load_from_file(&backend, model, &LlamaModelParams::default())?;
    let n_threads = i32::try_from(threads)?;
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(CONTEXT))
        .with_n_batch(BATCH)
        .with_n_ubatch(BATCH)
        .with_n_threads(n_threads)
        .with_n_threads_batch(n_threads);
    let mut context = loaded.new_context(&backend, params)?;
    let pid = child.id().to_string();
    let mut all = Vec::new();
    // One more in front, which warms up.
    for round in first..=last {
        let prompt = tokens(model, round * 2)?;
        let free_of = |client: &mut _| by_worker(client, &pid, round * 2, None);
        // Who comes first alternates: the second finds warmer caches.
        let (free, bare) = if round % 2 == 0 {
            let free = free_of(&mut client)?;
            (free, by_bare_loop(&mut context, &prompt, round * 2)?)
        } else {
            let bare = by_bare_loop(&mut context, &prompt, round * 2)?;
            (free_of(&mut client)?, bare)
        };
        let bound = by_worker(&mut client, &pid, round * 2 + 1, Some(ENDLESS.to_owned()))?;
        if round > first {
            all.push([bare, free, bound]);
        }
    }
    drop(client);
    child.wait()?;
    println!("{}", serde_json::to_string(&all)?);
    Ok(())
}

fn spawn(model: &str, threads: u32) -> Result<(Child, Client<ChildStdout, ChildStdin>)> {
    let mut child = Command::new(env::current_exe()?)
        .arg("worker")
        .envs(WORKER_ENV)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let reader = child.stdout.take().ok_or("the worker has no output")?;
    let writer = child.stdin.take().ok_or("the worker has no input")?;
    let mut client = Client::new(reader, writer);
    let footprint =
        Footprint { model: "bench".to_owned(), options: options(model, threads), rows: vec![] };
    let plan = plan(vec![footprint], &Budget::default()).map_err(|refusal| refusal.to_string())?;
    client.load(&plan, 0, Rung::Planned)?;
    Ok((child, client))
}

fn sampling(seed: u32) -> Sampling {
    // Warm, so that a small model does not end at once or walk in a circle.
    Sampling { temperature: 1.5, seed, ..Sampling::default() }
}

fn by_worker(
    client: &mut Client<ChildStdout, ChildStdin>,
    pid: &str,
    round: u32,
    grammar: Option<String>,
) -> Result<Rates> {
    let (chat, bindings, sampling) = (chat(round), Bindings::new(), sampling(round));
    // Tokenises, which the bare loop has behind it as well.
    client.render(chat.clone())?;
    let start = cpu_seconds(pid);
    let mut begun = Instant::now();
    let mut middle = start;
    let answer = client.generate(
        Ask { chat, grammar, bindings, sampling, max_tokens: PREDICT },
        |event| {
            if let Event::Prompt { .. } = event {
                begun = Instant::now();
                middle = cpu_seconds(pid);
            }
            ControlFlow::Continue(())
        },
    )?;
    let timings = answer.timings;
    if timings.predicted_n < u64::from(PREDICT) / 2 {
        return Err(format!("round {round} ended after {} tokens", timings.predicted_n).into());
    }
    let count = f64::from(u32::try_from(timings.predicted_n)?);
    let prompt = f64::from(u32::try_from(timings.prompt_n)?);
    Ok(Rates {
        decode_of_cpu: count / (cpu_seconds(pid) - middle),
        all_of_cpu: (prompt + count) / (cpu_seconds(pid) - start),
        prefill: timings.prompt_per_second,
        decode: timings.predicted_per_second,
        decode_at_parent: count / begun.elapsed().as_secs_f64(),
    })
}

fn by_bare_loop(context: &mut LlamaContext<'_>, prompt: &[LlamaToken], seed: u32) -> Result<Rates> {
    let mut batch = LlamaBatch::new(usize::try_from(BATCH)?, 1);
    context.clear_kv_cache();
    let start = cpu_seconds("self");
    let begun = Instant::now();
    let mut position = 0;
    for part in prompt.chunks(usize::try_from(BATCH)?) {
        batch.clear();
        for token in part {
            position += 1;
            batch.add(*token, position - 1, &[0], usize::try_from(position)? == prompt.len())?;
        }
        context.decode(&mut batch)?;
    }
    context.synchronize();
    let prompt_time = begun.elapsed();
    let Sampling { temperature, .. } = sampling(seed);
    let mut sampler =
        LlamaSampler::chain([LlamaSampler::temp(temperature), LlamaSampler::dist(seed)], true);
    let middle = cpu_seconds("self");
    let begun = Instant::now();
    for _ in 0..PREDICT {
        let token = sampler.sample(context, -1);
        batch.clear();
        batch.add(token, position, &[0], true)?;
        position += 1;
        context.decode(&mut batch)?;
    }
    context.synchronize();
    let decode = f64::from(PREDICT) / begun.elapsed().as_secs_f64();
    let prefill = f64::from(u32::try_from(prompt.len())?) / prompt_time.as_secs_f64();
    let decode_of_cpu = f64::from(PREDICT) / (cpu_seconds("self") - middle);
    let count = f64::from(u32::try_from(prompt.len())? + PREDICT);
    let all_of_cpu = count / (cpu_seconds("self") - start);
    Ok(Rates { prefill, decode, decode_at_parent: decode, decode_of_cpu, all_of_cpu })
}

/// Returns the seconds that the main thread of a process has run. With one thread it is all that computes.
fn cpu_seconds(pid: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.map_or(f64::NAN, |nanoseconds| nanoseconds / 1e9)
}

fn report(bare: &[Rates], free: &[Rates], bound: &[Rates]) {
    println!("medians of {} rounds            tokens/s    of bare", bare.len());
    let row = |name: &str, rates: &[Rates], of: fn(&Rates) -> f64| {
        let of_bare = |(one, other): (&Rates, &Rates)| of(one) / of(other);
        let rate = median(rates.iter().map(of));
        let ratio = median(rates.iter().zip(bare).map(of_bare));
        println!("{name:34} {rate:9.0}      {ratio:.3}");
    };
    row("prefill, bare", bare, |rates| rates.prefill);
    row("prefill, worker", free, |rates| rates.prefill);
    row("decode, bare", bare, |rates| rates.decode);
    row("decode, worker", free, |rates| rates.decode);
    row("decode, worker, parent's clock", free, |rates| rates.decode_at_parent);
    row("decode, worker under a grammar", bound, |rates| rates.decode);
    row("decode, bare, CPU time", bare, |rates| rates.decode_of_cpu);
    row("decode, worker, CPU time", free, |rates| rates.decode_of_cpu);
    row("decode, grammar, CPU time", bound, |rates| rates.decode_of_cpu);
    row("both, bare, CPU time", bare, |rates| rates.all_of_cpu);
    row("both, grammar, CPU time", bound, |rates| rates.all_of_cpu);
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

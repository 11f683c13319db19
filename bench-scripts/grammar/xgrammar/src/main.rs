//! The measurements of `grammar-bench` for xgrammar, on workloads that it wrote with `--dump`.
//!
//! It takes a schema where there is one, and the text of the grammar else and for paths, whose schema it compiles for
//! seconds. Compiled by one thread, nothing cached. Prints lines that `grammar-bench --plot` reads.

use std::error::Error;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use xgrammar::{CompiledGrammar, Grammar, GrammarCompiler, GrammarMatcher, TokenizerInfo};

const USAGE: &str = "usage: grammar-bench-xgrammar DUMP_FILE [ROUNDS] [WORKLOADS]";

type Failure = Box<dyn Error>;

/// What one round measured, in the order of the steps.
#[derive(Default)]
struct Round {
    compile: Duration,
    masks: Vec<Duration>,
    advances: Vec<Duration>,
    again: Vec<Duration>,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let dump: Value = serde_json::from_reader(std::io::BufReader::new(std::fs::File::open(
        arguments.next().ok_or(USAGE)?,
    )?))?;
    let rounds: usize = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let chosen = arguments.next();
    let tokens = dump["tokens"].as_array().ok_or("no tokens")?;
    let ends = dump["ends"].as_array().ok_or("no ends")?.iter().filter_map(number).collect();
    let info = TokenizerInfo::from_backend_str(&tokenizer(tokens), Some(tokens.len()), ends)?;
    for workload in dump["workloads"].as_array().ok_or("no workloads")? {
        let name = workload["name"].as_str().unwrap_or_default();
        if chosen.as_ref().is_some_and(|chosen| !chosen.contains(name)) {
            continue;
        }
        let measured: Result<Vec<Round>, _> =
            (0..rounds).map(|_| round(&info, workload, tokens.len())).collect();
        match measured {
            Ok(measured) => row(tokens.len(), name, workload, &measured),
            Err(error) => eprintln!("{name}: xgrammar gives up: {error}"),
        }
    }
    Ok(())
}

fn number(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok()
}

/// Returns a tokenizer's file with these tokens, each byte in the letter that GPT-2 gave to it.
fn tokenizer(tokens: &[Value]) -> String {
    let prints = |byte: u32| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = 256..;
    let letter = |byte| if prints(byte) { Some(byte) } else { others.next() };
    let letters: Vec<char> = (0..256).filter_map(letter).filter_map(char::from_u32).collect();
    let shown = |hex: &str| -> String {
        let byte = |at: usize| usize::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap_or(0);
        (0..hex.len() / 2).map(|at| letters[byte(at)]).collect()
    };
    let names = tokens.iter().enumerate().map(|(id, token)| {
        let name = token.as_str().map_or_else(|| format!("<|control-{id}|>"), shown);
        (name, json!(id))
    });
    let vocab: Map<String, Value> = names.collect();
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let model = json!({"type": "BPE", "vocab": vocab, "merges": []});
    json!({"version": "1.0", "added_tokens": [], "pre_tokenizer": level, "decoder": level, "model": model})
        .to_string()
}

fn compile(info: &TokenizerInfo, workload: &Value) -> Result<CompiledGrammar, Failure> {
    let compiler = GrammarCompiler::with(info, Some(1), Some(false), None);
    let schema = &workload["schema"];
    if workload["name"] == "e" {
        return Ok(compiler.compile_builtin_json_grammar()?);
    }
    if schema.is_null() || workload["name"] == "c" {
        let text = workload["gbnf"].as_str().ok_or("no grammar can say it")?;
        return Ok(compiler.compile_grammar(&Grammar::from_ebnf(text, Some("root"))?)?);
    }
    let tight = Some((",".to_owned(), ":".to_owned()));
    let text = schema.to_string();
    Ok(compiler.compile_json_schema(&text, Some(false), None, tight, Some(true), None, None)?)
}

fn round(info: &TokenizerInfo, workload: &Value, tokens: usize) -> Result<Round, Failure> {
    let begun = now();
    let compiled = compile(info, workload)?;
    let mut round = Round { compile: now().saturating_sub(begun), ..Round::default() };
    (round.masks, round.advances) = pass(&compiled, workload, tokens)?;
    (round.again, _) = pass(&compiled, workload, tokens)?;
    Ok(round)
}

fn pass(
    compiled: &CompiledGrammar,
    workload: &Value,
    tokens: usize,
) -> Result<(Vec<Duration>, Vec<Duration>), Failure> {
    let (mut masks, mut advances) = (Vec::new(), Vec::new());
    let words = tokens.div_ceil(32);
    let mut mask = dlpark::versioned::SafeManagedTensorVersioned::new(vec![0_i32; words])?;
    for text in workload["texts"].as_array().ok_or("no texts")? {
        let mut matcher = GrammarMatcher::with(compiled, None, Some(false), None);
        for token in text.as_array().ok_or("no tokens")?.iter().filter_map(number) {
            let begun = now();
            matcher.fill_next_token_bitmask(&mut mask, None, None)?;
            masks.push(now().saturating_sub(begun));
            let begun = now();
            let taken = matcher.accept_token(token, None);
            advances.push(now().saturating_sub(begun));
            if !taken {
                return Err(format!("token {token} of {text} is denied").into());
            }
        }
        if !matcher.is_completed() {
            return Err(format!("{text} is not whole").into());
        }
    }
    Ok((masks, advances))
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// Prints the figures as `grammar-bench --csv` does, less what looking at the clock takes.
fn row(vocabulary: usize, name: &str, workload: &Value, rounds: &[Round]) {
    let look = median((0..1_000).map(|_| {
        let begun = now();
        now().saturating_sub(begun)
    }));
    let steps = |times: fn(&Round) -> &Vec<Duration>| -> Vec<f64> {
        let step = |step: usize| median(rounds.iter().map(|round| times(round)[step]));
        (0..times(&rounds[0]).len())
            .map(step)
            .map(|time| micros(time.saturating_sub(look)))
            .collect()
    };
    let (masks, advances) = (steps(|round| &round.masks), steps(|round| &round.advances));
    let again = steps(|round| &round.again);
    let mut sorted = masks.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |share: usize| sorted[(sorted.len() - 1) * share / 1_000];
    let cold = rounds.iter().flat_map(|round| &round.masks).max().copied().unwrap_or_default();
    let compile = micros(median(rounds.iter().map(|round| round.compile))) / 1e3;
    let first = workload["texts"][0].as_array().map_or(0, Vec::len);
    let call: f64 = masks.iter().take(first).chain(advances.iter().take(first)).sum();
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let figures = [
        ("mask_mean_us", mean(&masks)),
        ("mask_p50_us", at(500)),
        ("mask_p99_us", at(990)),
        ("mask_max_us", at(1_000)),
        ("cold_max_us", micros(cold)),
        ("again_max_us", again.iter().copied().fold(0.0, f64::max)),
        ("advance_mean_us", mean(&advances)),
        ("compile_ms", compile),
        ("one_call_ms", compile + call / 1e3),
    ];
    let figures = figures.map(|(name, figure)| format!("{name}={figure:.4}")).join(",");
    println!("{vocabulary},{name},xgrammar,{},{figures}", masks.len());
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

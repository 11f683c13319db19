//! What a worker really takes, held against its plan: models of some hundred MB, loaded and asked something.

use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};

use chargehand::env::probe::taken;
use chargehand::env::prober::{Counted, DryRun};
use chargehand_core::bytes::Bytes;
use chargehand_core::memory::beside::Beside;
use chargehand_core::memory::taken::residuals;
use chargehand_core::memory::{self, Backing, Budget, Footprint, HOST, LoadOptions, Row};
use chargehand_core::transcript::Message;
use chargehand_engine::client::Client;
use chargehand_engine::probe::Rung;
use chargehand_engine::sampler::Sampling;
use chargehand_engine::wire::{Ask, Chat};
use chargehand_grammar::Bindings;

use crate::plan::model;

/// A process may differ from its plan by this, or by 2 %.
const TOLERANCE: Bytes = Bytes::mib(16);

fn start(subcommand: &str, path: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chargehand"));
    command.args([subcommand, "--", path]).stderr(Stdio::null());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Returns what a dry run counts.
fn counted(options: &LoadOptions) -> Footprint {
    let mut child = start("dry-run", &options.path);
    let ask = DryRun { model: "m".to_owned(), options: Some(options.clone()) };
    let mut line = serde_json::to_string(&ask).unwrap();
    line.push('\n');
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    child.wait().unwrap();
    match serde_json::from_str(&answer).unwrap() {
        Counted::Footprint(footprint) => footprint,
        other => panic!("{other:?}"),
    }
}

fn sum(footprint: &Footprint, wanted: impl Fn(&Row) -> bool) -> Bytes {
    let rows = footprint.rows.iter().filter(|row| row.pool == HOST && wanted(row));
    rows.map(|row| row.bytes).sum()
}

/// Loads a model as planned, has it read a prompt of more than one batch, and looks what it took.
#[track_caller]
fn check(name: &str, change: impl Fn(LoadOptions) -> LoadOptions) {
    let Some(path) = model(name) else { return };
    let options = change(LoadOptions {
        path,
        n_ctx: 1024,
        n_seq: 1,
        n_batch: 64,
        n_gpu_layers: 0,
        kv_on_host: false,
        experts_on_cpu: false,
        beside: Vec::new(),
        kv_type: "f16".to_owned(),
        use_mmap: false,
        extra_buffers: false,
        threads: 0,
        seals: Vec::new(),
    });
    let footprint = counted(&options);
    let plan = memory::plan(vec![footprint.clone()], &budget()).unwrap();
    let mut child = start("worker", &options.path);
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut client = Client::new(stdout, stdin);
    client.load(&plan, 0, Rung::Planned).unwrap();
    let loaded = taken(child.id()).unwrap();
    let long = "a b ".repeat(usize::try_from(options.n_batch).unwrap());
    let chat = Chat { messages: vec![Message::User(long)], tools: Vec::new() };
    let (bindings, sampling) = (Bindings::new(), Sampling::default());
    let ask = Ask { chat, grammar: None, bindings, sampling, max_tokens: 2 };
    client.generate(ask, |_| ControlFlow::Continue(())).unwrap();
    let used = taken(child.id()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(residuals(&footprint, &loaded), []);
    // Room for grammars and guesses was not used here, but for the trees of the tokens.
    let is_room = |row: &Row| matches!(row.what.as_str(), "matcher" | "guesses");
    let is_own = |row: &Row| !matches!(row.backing, Backing::Mapped(_)) && !is_room(row);
    let trees = sum(&footprint, |row| row.what == "tokens of grammars");
    let planned = sum(&footprint, is_own).saturating_sub(Bytes(trees.0 / 2));
    let (high, low) = (planned.max(used.anonymous), planned.min(used.anonymous));
    let off = high.saturating_sub(low);
    let said = format!(
        "| {name} | {} | {planned} | {} | {} | {} |\n",
        if footprint.options.use_mmap { "mapped" } else { "read" },
        loaded.anonymous,
        used.anonymous,
        off
    );
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    assert!(off <= TOLERANCE.max(Bytes(planned.0 / 50)), "{name}: {said}{footprint:#?}");
}

fn budget() -> Budget {
    memory::what_if("host=999GiB").unwrap()
}

#[test]
fn weights_that_are_read() {
    check("qwen2-0.5b", |options| options);
}

#[test]
fn weights_that_are_repacked() {
    check("qwen2-0.5b", |options| LoadOptions { extra_buffers: true, ..options });
}

#[test]
fn weights_that_are_mapped() {
    check("qwen3-0.6b", |options| LoadOptions { use_mmap: true, ..options });
}

#[test]
fn caches_of_several_sequences() {
    let change = |options| LoadOptions { n_seq: 4, kv_type: "q8_0".to_owned(), ..options };
    check("qwen3-0.6b", change);
}

#[test]
fn layers_that_guess() {
    let change = |options| LoadOptions { beside: vec![Beside::Mtp], ..options };
    check("glm4moe-small", change);
    check("glm4moe-small", |options| LoadOptions { n_ctx: 8192, n_batch: 512, ..change(options) });
}

#[test]
fn states_of_a_fixed_size() {
    check("mamba-130m", |options| LoadOptions { n_seq: 2, ..options });
}

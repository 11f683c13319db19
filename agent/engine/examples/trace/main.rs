//! What constrained decoding gains where a model edits files: recorded calls are said again, token by token, by a
//! model whose choice is overruled, once without a grammar and once under each engine.
//!
//! `cargo run --release -p chargehand-engine --example trace -- MODEL.gguf ROUNDS bench-scripts/trace/*.json`
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod teacher;
mod world;

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use chargehand_core::agent::{self, Start};
use chargehand_core::contract::Contract;
use chargehand_core::memory::LoadOptions;
use chargehand_core::ports::{Answer, Model, ModelError, Reply, Request, Stop, Usage, Watch};
use chargehand_core::script::Script;
use chargehand_core::tool::ToolCall;
use chargehand_engine::engine::{Backend, Engine};
use chargehand_engine::lab::{self, Question, Task};
use chargehand_engine::sampler::{MatcherKind, Sampling};
use chargehand_engine::session::{Ending, Observer, Progress, Session, Timings, Wish};
use chargehand_engine::template::{Segment, SegmentKind};
use chargehand_grammar::Bindings;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::teacher::{Teacher, Words};
use crate::world::{Patience, World};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A recorded job.
#[derive(Debug, Deserialize)]
struct Trace {
    /// TOML.
    contract: String,
    files: Map<String, Value>,
    calls: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    tool: String,
    args: Map<String, Value>,
}

/// A way to decode.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    /// Nothing decodes without a grammar.
    matcher: Option<MatcherKind>,
    forced: bool,
    drafts: bool,
    /// Whether the first choice is asked for before a mask is made.
    asks_first: bool,
}

const fn way(name: &'static str, matcher: Option<MatcherKind>, skips: [bool; 3]) -> Way {
    let [forced, drafts, asks_first] = skips;
    Way { name, matcher, forced, drafts, asks_first }
}

/// The first is what the others are compared with, the second what runs by default.
const WAYS: [Way; 6] = [
    way("no grammar", None, [false, false, false]),
    way("chargehand", Some(MatcherKind::Own), [true, true, false]),
    way("chargehand, forced text only", Some(MatcherKind::Own), [true, false, false]),
    way("chargehand, masks only", Some(MatcherKind::Own), [false, false, false]),
    way("llama.cpp, chosen token only", Some(MatcherKind::Llama), [false, false, true]),
    way("llama.cpp, all tokens", Some(MatcherKind::Llama), [false, false, false]),
];

/// What saying one call took.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    wall: f64,
    cpu: f64,
    timings: Timings,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, rounds, threads, traces @ ..] = arguments.as_slice() else {
        return Err("give a model, a number of rounds, a number of threads and traces".into());
    };
    let backend = Backend::start()?;
    let question = Question { model: PathBuf::from(model), task: Task::Read { texts: Vec::new() } };
    let lab::Answer::Read(tokens) = lab::answer(&backend, &question, &cpu_time) else {
        return Err(format!("{model} has no vocabulary").into());
    };
    let words = Words::new(tokens);
    let engine = Engine::load(&backend, options(model, threads.parse()?))?;
    let mut all = Sums::default();
    for path in traces {
        let trace: Trace = serde_json::from_str(&fs::read_to_string(path)?)?;
        let sums = play(&engine, &words, &trace, rounds.parse()?)?;
        sums.print(path);
        all.add(&sums);
    }
    all.print("all");
    Ok(())
}

fn options(model: &str, threads: u32) -> LoadOptions {
    LoadOptions {
        path: model.to_owned(),
        n_ctx: 8192,
        n_batch: 512,
        n_gpu_layers: 0,
        kv_type: "f16".to_owned(),
        use_mmap: true,
        extra_buffers: true,
        threads,
        seals: Vec::new(),
        n_seq: 1,
        kv_on_host: false,
        experts_on_cpu: false,
        beside: Vec::new(),
    }
}

/// Lets the agent's own loop ask for each recorded call, with the prompt and the grammar of that turn.
fn play(engine: &Engine<'_>, words: &Words, trace: &Trace, rounds: usize) -> Result<Sums> {
    let contract = Contract::parse(&trace.contract)?;
    let mut world = World::new(&trace.files);
    let calls = trace.calls.iter().map(|line| {
        let written = Value::Object(line.args.clone()).to_string();
        ToolCall::new(&line.tool, &written)
    });
    let script = Script::of(calls.collect::<std::result::Result<_, _>>()?);
    let session = Session::new(engine)?;
    let mut player = Player { engine, words, session, script, rounds, sums: Sums::default() };
    let run = agent::run(&contract, &mut player, &mut world, &mut Patience, Start::default())?;
    match run.stop {
        Stop::Finished(_) if usize::try_from(run.spent.turns)? == trace.calls.len() => {
            Ok(player.sums)
        }
        stop => Err(format!("turn {} ended the trace: {stop:?}", run.spent.turns).into()),
    }
}

/// A worker that says what was recorded, in every way.
struct Player<'p> {
    engine: &'p Engine<'p>,
    words: &'p Words,
    session: Session<'p>,
    script: Script,
    rounds: usize,
    sums: Sums,
}

impl Model for Player<'_> {
    fn next_call(
        &mut self,
        request: &Request<'_>,
        watch: &mut dyn Watch,
    ) -> std::result::Result<Reply, ModelError> {
        let reply = self.script.next_call(request, watch)?;
        let Answer::Call(call) = reply.answer else { return Ok(reply) };
        let costs = self
            .say(request, &call)
            .map_err(|err| ModelError::Failed(format!("{} {}: {err}", call.name, call.written)))?;
        self.sums.note(&costs);
        Ok(Reply { reasoning: None, answer: Answer::Call(call), usage: Usage::default() })
    }
}

impl Player<'_> {
    /// Returns the cost of each way, each the median of the rounds; all ways in each round, one after the other.
    fn say(&mut self, request: &Request<'_>, call: &ToolCall) -> Result<[Cost; WAYS.len()]> {
        let template = self.engine.template();
        let prompt = template.render(request.messages, &request.menu.specs)?;
        let (grammar, bindings) = request.menu.grammar(template.envelope());
        let text = template.envelope().write(call);
        let mut costs = [const { Vec::new() }; WAYS.len()];
        for round in 0..self.rounds {
            for at in (0..WAYS.len()).map(|at| (at + round) % WAYS.len()) {
                let bound = WAYS[at].matcher.map(|_| (grammar.as_str(), &bindings));
                costs[at].push(self.say_once(&prompt, &text, WAYS[at], bound)?);
            }
        }
        Ok(costs.map(|mut costs| {
            costs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
            costs[costs.len() / 2]
        }))
    }

    fn say_once(
        &mut self,
        prompt: &[Segment],
        text: &str,
        way: Way,
        bound: Option<(&str, &Bindings)>,
    ) -> Result<Cost> {
        let whole = Segment { text: text.to_owned(), kind: SegmentKind::Template };
        let canonical = self.session.tokenize(&[whole]);
        let sampling = Sampling {
            matcher: way.matcher.unwrap_or_default(),
            forced: way.forced,
            drafts: way.drafts,
            ..Sampling::default()
        };
        let none = Bindings::new();
        let wish = Wish {
            grammar: bound.map(|(grammar, _)| grammar),
            bindings: bound.map_or(&none, |(_, bindings)| bindings),
            sampling,
            max_tokens: 4096,
        };
        let mut teacher = Teacher::new(self.words, &canonical, text, way.asks_first);
        let mut clock = Clock { begun: Instant::now(), cpu: cpu_seconds() };
        let outcome = self.session.generate_by(&mut teacher, prompt, &wish, &mut clock)?;
        let (wall, cpu) = (clock.begun.elapsed().as_secs_f64(), cpu_seconds() - clock.cpu);
        match (outcome.text == text, outcome.ending) {
            (true, Ending::Complete) => Ok(Cost { wall, cpu, timings: outcome.timings }),
            (_, ending) => Err(format!("{}: {ending:?} after {}", way.name, outcome.text).into()),
        }
    }
}

/// Begins to count when the prompt is evaluated.
struct Clock {
    begun: Instant,
    cpu: f64,
}

impl Observer for Clock {
    fn see(&mut self, progress: Progress) {
        if let Progress::Prompt { .. } = progress {
            *self = Self { begun: Instant::now(), cpu: cpu_seconds() };
        }
    }

    fn wants_stop(&self) -> bool {
        false
    }
}

/// Returns the seconds that all threads of this process have run, those included that are gone.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    // Behind the name of the program, the twelfth and thirteenth: hundredths of a second.
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn cpu_time() -> std::time::Duration {
    std::time::Duration::try_from_secs_f64(cpu_seconds()).unwrap_or_default()
}

/// What all calls of a trace took together.
#[derive(Debug, Default)]
struct Sums {
    calls: u32,
    costs: [Cost; WAYS.len()],
}

impl Sums {
    fn note(&mut self, costs: &[Cost; WAYS.len()]) {
        self.add(&Self { calls: 1, costs: *costs });
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        for (sum, cost) in self.costs.iter_mut().zip(&other.costs) {
            (sum.wall, sum.cpu) = (sum.wall + cost.wall, sum.cpu + cost.cpu);
            sum.timings.predicted_n += cost.timings.predicted_n;
            sum.timings.forced_n += cost.timings.forced_n;
            sum.timings.draft_n += cost.timings.draft_n;
            sum.timings.draft_n_accepted += cost.timings.draft_n_accepted;
        }
    }

    fn print(&self, name: &str) {
        println!("\n{name}: {} calls", self.calls);
        println!(
            "{:30} {:>6} {:>6} {:>9} {:>8} {:>8} {:>7} {:>7}",
            "", "tokens", "forced", "drafted", "wall s", "CPU s", "wall x", "CPU x"
        );
        for (way, cost) in WAYS.iter().zip(&self.costs) {
            let Timings { predicted_n, forced_n, draft_n, draft_n_accepted, .. } = cost.timings;
            let drafted = format!("{draft_n_accepted}/{draft_n}");
            let (wall, cpu) = (self.costs[0].wall / cost.wall, self.costs[0].cpu / cost.cpu);
            println!(
                "{:30} {predicted_n:6} {forced_n:6} {drafted:>9} {:8.2} {:8.2} {wall:7.2} {cpu:7.2}",
                way.name, cost.wall, cost.cpu
            );
        }
        let [_, own, .., llama] = &self.costs;
        let (wall, cpu) = (llama.wall / own.wall, llama.cpu / own.cpu);
        println!(
            "{}: {wall:.2} times as fast as {} by the wall's clock, {cpu:.2} by CPU",
            WAYS[1].name, WAYS[5].name
        );
    }
}

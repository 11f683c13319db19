//! How long does a mask take, and how long does a grammar compile, on a real vocabulary?
//!
//! Each round compiles each grammar anew, from its text, so that nothing is warm. Times are CPU time of the thread,
//! without that of the clock; a step's time is its median over the rounds, which keeps other work of the machine
//! out of it.

mod tokenizer;
mod workloads;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chargehand_grammar::{Constraint, Grammar, Limits, TokenId, Vocabulary};
use rustix::time::{ClockId, clock_gettime};
use tokenizer::Tokenizer;
use workloads::Workload;

const USAGE: &str = "usage: grammar-bench TOKENIZER_FILE [ROUNDS] [WORKLOADS, such as ac]";

/// What one round measured.
#[derive(Default)]
struct Round {
    parse: Duration,
    /// The compilation after that.
    compile: Duration,
    masks: Vec<Duration>,
    advances: Vec<Duration>,
    states: usize,
    memory: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = PathBuf::from(arguments.next().ok_or(USAGE)?);
    let rounds: usize = arguments.next().map_or(Ok(9), |rounds| rounds.parse())?;
    let chosen = arguments.next();
    let tokenizer = Tokenizer::read(&file)?;
    let clock = Clock::new();
    let begun = clock.now();
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} tokens, trees built in {:.0} ms, {rounds} rounds",
        vocabulary.len(),
        millis(clock.since(begun))
    )?;
    writeln!(
        out,
        "workload steps   mean us    p50    p99    max  cold max | advance us | parse ms | compile ms | one call ms | states | KiB"
    )?;
    for workload in workloads::all() {
        if chosen.as_ref().is_none_or(|chosen| chosen.contains(workload.name)) {
            let texts = tokens(&tokenizer, &workload)?;
            let measured = (0..rounds).map(|_| round(&clock, &workload, &texts, &vocabulary));
            let measured = measured.collect::<Result<Vec<_>, _>>()?;
            row(&mut out, &workload, &texts, &measured)?;
        }
    }
    Ok(())
}

fn tokens(tokenizer: &Tokenizer, workload: &Workload) -> Result<Vec<Vec<TokenId>>, Box<dyn Error>> {
    let texts: Vec<_> = workload.texts.iter().map(|text| tokenizer.encode(text)).collect();
    if texts.iter().any(Vec::is_empty) {
        return Err("the tokenizer cannot say a text".into());
    }
    Ok(texts)
}

/// The clock of this thread's CPU time.
struct Clock {
    /// What looking at it takes.
    own: Duration,
}

impl Clock {
    fn new() -> Self {
        let clock = Self { own: Duration::ZERO };
        let looks = (0..1_000).map(|_| clock.since(clock.now()));
        Self { own: median(looks) }
    }

    fn now(&self) -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let part = |number: i64| u64::try_from(number).unwrap_or(0);
        Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
    }

    fn since(&self, begun: Duration) -> Duration {
        self.now().saturating_sub(begun).saturating_sub(self.own)
    }
}

/// Compiles the grammar and takes the masks of all steps of all texts.
fn round(
    clock: &Clock,
    workload: &Workload,
    texts: &[Vec<TokenId>],
    vocabulary: &Arc<Vocabulary>,
) -> Result<Round, Box<dyn Error>> {
    let mut round = Round::default();
    let begun = clock.now();
    let grammar = Grammar::parse(&workload.gbnf)?;
    round.parse = clock.since(begun);
    let begun = clock.now();
    let limits = Limits::default();
    let mut constraint =
        Constraint::bound(&grammar, &workload.bindings, Arc::clone(vocabulary), &limits)?;
    round.compile = clock.since(begun);
    for (text, tokens) in workload.texts.iter().zip(texts) {
        let mut state = constraint.start();
        for (at, token) in tokens.iter().enumerate() {
            let begun = clock.now();
            let mask = constraint.mask(state)?;
            round.masks.push(clock.since(begun));
            if !mask.allows(*token) {
                return Err(
                    format!("workload {}: token {at} of {text} is denied", workload.name).into()
                );
            }
            let begun = clock.now();
            let next = constraint.advance(state, *token)?;
            round.advances.push(clock.since(begun));
            state = next.ok_or("a token that the mask allows is refused")?;
        }
        if !constraint.accepting(state) {
            return Err(format!("workload {}: {text} is not whole", workload.name).into());
        }
    }
    round.states = constraint.states();
    round.memory = constraint.memory_bytes();
    Ok(round)
}

fn row(
    out: &mut impl io::Write,
    workload: &Workload,
    texts: &[Vec<TokenId>],
    rounds: &[Round],
) -> io::Result<()> {
    let masks = medians(rounds, |round| &round.masks);
    let advances = medians(rounds, |round| &round.advances);
    let mean =
        |times: &[Duration]| micros(times.iter().sum::<Duration>()) / times.len().max(1) as f64;
    let first: Duration =
        masks.iter().zip(&advances).take(texts[0].len()).map(|(a, b)| *a + *b).sum();
    let mut sorted = masks.clone();
    sorted.sort_unstable();
    let at = |share: usize| micros(sorted[(sorted.len() - 1) * share / 1_000]);
    let parse = median(rounds.iter().map(|round| round.parse));
    let compile = median(rounds.iter().map(|round| round.compile));
    let worst = rounds.iter().flat_map(|round| &round.masks).max().copied().unwrap_or_default();
    let last = rounds.last();
    writeln!(
        out,
        "{:8} {:5} {:9.3} {:6.2} {:6.1} {:6.1} {:9.1} | {:10.3} | {:8.3} | {:10.3} | {:11.3} | {:6} | {}",
        workload.name,
        masks.len(),
        mean(&masks),
        at(500),
        at(990),
        at(1_000),
        micros(worst),
        mean(&advances),
        millis(parse),
        millis(compile),
        millis(parse + compile + first),
        last.map_or(0, |round| round.states),
        last.map_or(0, |round| round.memory / 1024),
    )
}

/// Returns the median over the rounds for each step.
fn medians(rounds: &[Round], times: impl Fn(&Round) -> &Vec<Duration>) -> Vec<Duration> {
    let steps = rounds.first().map_or(0, |round| times(round).len());
    (0..steps).map(|step| median(rounds.iter().map(|round| times(round)[step]))).collect()
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

//! How long does a mask take, and how long does a grammar compile, on a real vocabulary, here and elsewhere?
//!
//! All engines take turns in one process, workload by workload and round by round. Each round compiles each grammar
//! anew, from its text, so that nothing is warm. Times are CPU time of the thread, without that of the clock; a
//! step's time is its median over the rounds, which keeps other work of the machine out of it.

#[cfg(test)]
mod agreement;
mod calls;
mod clock;
mod dump;
mod engine;
#[cfg(feature = "llama")]
mod llama;
mod own;
mod peer;
mod plot;
#[cfg(feature = "llama")]
mod sampling;
mod table;
mod tokenizer;
mod workloads;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use chargehand_grammar::{TokenId, Vocabulary};
use clock::{Clock, micros};
use engine::{Engine, Failure, Round};
use own::Own;
use peer::{Llguidance, Told};
use table::Row;
use tokenizer::Tokenizer;
use workloads::Workload;

const USAGE: &str =
    "usage: grammar-bench TOKENIZER_FILE [--rounds N] [--workloads abc] [--csv FILE] [--dump FILE]
       grammar-bench --plot FILE.svg CSV_FILE...";

/// What is asked for.
#[derive(Default)]
struct Asked {
    files: Vec<PathBuf>,
    rounds: Option<usize>,
    workloads: Option<String>,
    csv: Option<PathBuf>,
    dump: Option<PathBuf>,
    plot: Option<PathBuf>,
}

impl Asked {
    fn read() -> Result<Self, Failure> {
        let mut asked = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(USAGE);
            match word.as_str() {
                "--rounds" => asked.rounds = Some(value()?.parse()?),
                "--workloads" => asked.workloads = Some(value()?),
                "--csv" => asked.csv = Some(value()?.into()),
                "--dump" => asked.dump = Some(value()?.into()),
                "--plot" => asked.plot = Some(value()?.into()),
                flag if flag.starts_with('-') => return Err(USAGE.into()),
                _ => asked.files.push(word.into()),
            }
        }
        Ok(asked)
    }

    fn wants(&self, workload: &Workload) -> bool {
        self.workloads.as_ref().is_none_or(|chosen| chosen.contains(workload.name))
    }
}

fn main() -> Result<(), Failure> {
    let asked = Asked::read()?;
    if let Some(plot) = &asked.plot {
        let rows = asked.files.iter().map(|file| Row::read_all(&fs::read_to_string(file)?));
        let rows: Vec<Vec<Row>> = rows.collect::<Result<_, Failure>>()?;
        return Ok(fs::write(plot, plot::svg(&rows.concat()))?);
    }
    let [file] = asked.files.as_slice() else { return Err(USAGE.into()) };
    let tokenizer = Arc::new(Tokenizer::read(file)?);
    let clock = Clock::new();
    let begun = clock.now();
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    let built = micros(clock.since(begun)) / 1e3;
    let rounds = asked.rounds.unwrap_or(9);
    let mut out = io::stdout().lock();
    writeln!(out, "{} tokens, trees built in {built:.0} ms, {rounds} rounds", vocabulary.len())?;
    let mut cases = Vec::new();
    for workload in workloads::all().into_iter().filter(|workload| asked.wants(workload)) {
        let texts = tokens(&tokenizer, &workload)?;
        cases.push((workload, texts));
    }
    if let Some(path) = &asked.dump {
        return Ok(dump::write(&vocabulary, &cases, File::create(path)?)?);
    }
    let mut engines = engines(&vocabulary, &tokenizer, &clock, &mut out)?;
    let mut csv = asked.csv.as_ref().map(File::create).transpose()?;
    writeln!(out, "{}", Row::TITLES)?;
    for (workload, texts) in &cases {
        for row in compare(&clock, &mut engines, (workload, texts), rounds, &mut out)? {
            let row = Row { vocabulary: vocabulary.len(), ..row };
            writeln!(out, "{row}")?;
            csv.iter_mut().try_for_each(|csv| writeln!(csv, "{}", row.csv()))?;
        }
    }
    #[cfg(feature = "llama")]
    sampling::measure(&clock, &vocabulary, &cases, &mut out)?;
    Ok(())
}

fn tokens(tokenizer: &Tokenizer, workload: &Workload) -> Result<Vec<Vec<TokenId>>, Failure> {
    let texts: Vec<_> = workload.texts.iter().map(|text| tokenizer.encode(text)).collect();
    if texts.iter().any(Vec::is_empty) {
        return Err("the tokenizer cannot say a text".into());
    }
    Ok(texts)
}

/// Returns all engines of this build.
fn engines(
    vocabulary: &Arc<Vocabulary>,
    tokenizer: &Arc<Tokenizer>,
    clock: &Clock,
    out: &mut impl io::Write,
) -> Result<Vec<Box<dyn Engine>>, Failure> {
    let begun = clock.now();
    let factory = peer::factory(vocabulary, Some(Arc::clone(tokenizer)))?;
    let built = micros(clock.since(begun)) / 1e3;
    writeln!(out, "llguidance is made ready for the vocabulary in {built:.0} ms")?;
    let engines: Vec<Box<dyn Engine>> = vec![
        Box::new(Own::new(vocabulary)),
        Box::new(Llguidance::new(&factory, Told::Natively)),
        Box::new(Llguidance::new(&factory, Told::ByGrammar)),
        #[cfg(feature = "llama")]
        Box::new(llama::Llama::new(vocabulary, &std::env::temp_dir())?),
    ];
    Ok(engines)
}

/// Lets the engines take turns; one that fails is out of the workload, with its reason.
fn compare(
    clock: &Clock,
    engines: &mut [Box<dyn Engine>],
    (workload, texts): (&Workload, &[Vec<TokenId>]),
    rounds: usize,
    out: &mut impl io::Write,
) -> Result<Vec<Row>, Failure> {
    let mut taken: Vec<(&mut Box<dyn Engine>, Vec<Round>)> = Vec::new();
    for engine in engines {
        if engine.take(workload) {
            taken.push((engine, Vec::new()));
        }
    }
    for _ in 0..rounds {
        let mut left = Vec::new();
        for (engine, mut measured) in taken {
            match engine::round(clock, engine.as_mut(), texts) {
                Ok(round) => {
                    measured.push(round);
                    left.push((engine, measured));
                }
                Err(error) => {
                    let reason: String = error.to_string().chars().take(200).collect();
                    writeln!(out, "{}: {} gives up: {reason}", workload.name, engine.name())?;
                }
            }
        }
        taken = left;
    }
    let rows = taken.iter().map(|(engine, rounds)| {
        Row::of(workload.name, engine.name(), engine.every(), texts[0].len(), rounds)
    });
    Ok(rows.collect())
}

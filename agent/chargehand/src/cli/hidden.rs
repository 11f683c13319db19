//! The subcommands by which the program starts itself as another process. Nobody types them.

use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chargehand_engine::devices;
use chargehand_engine::dry_run::Counter;
use chargehand_engine::engine::Backend;
use chargehand_engine::lab::{Question, answer};
use chargehand_engine::serve::serve;
use chargehand_engine::wire::{read_message, write_message};
use rustix::time::{ClockId, clock_gettime};

use super::out;
use crate::env::prober::{Counted, DryRun};
use crate::env::{lab, worker};
use crate::error::{Error, Kind};

/// Serves one of `models` until stdin ends. What it remembers may be written to `files`.
pub(super) fn worker(models: &[PathBuf], files: &[PathBuf]) -> Result<ExitCode, Error> {
    settle_in(models, files)?;
    let backend = Backend::start().map_err(|err| Error::from_source(Kind::Failed, &err))?;
    serve(&backend, BufReader::new(io::stdin()), io::stdout())
        .map_err(|err| Error::from_source(Kind::Failed, &err))?;
    Ok(ExitCode::SUCCESS)
}

/// Answers questions about the memory of `models` until stdin ends.
pub(super) fn dry_run(models: &[PathBuf]) -> Result<ExitCode, Error> {
    settle_in(models, &[])?;
    let backend = Backend::start().map_err(|err| Error::from_source(Kind::Failed, &err))?;
    let mut counter = Counter::new(&backend);
    let mut questions = BufReader::new(io::stdin());
    let broken = |err: &dyn std::error::Error| Error::from_source(Kind::Failed, err);
    while let Some(ask) = read_message(&mut questions).map_err(|err| broken(&err))? {
        let answer = measure(&backend, &mut counter, ask);
        write_message(&mut io::stdout(), &answer).map_err(|err| broken(&err))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(backend: &Backend, counter: &mut Counter<'_>, ask: DryRun) -> Counted {
    match ask.options {
        None => Counted::Devices(devices::pools(backend)),
        Some(options) => match counter.footprint(&ask.model, options) {
            Ok(footprint) => Counted::Footprint(footprint),
            Err(err) => Counted::Failed(err.to_string()),
        },
    }
}

/// Answers one question about a grammar and the vocabulary of a model.
pub(super) fn lab() -> Result<ExitCode, Error> {
    let mut question = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut question);
    read.map_err(|err| Error::new(Kind::Failed, format!("cannot read the question: {err}")))?;
    let question: Question = serde_json::from_slice(&question)
        .map_err(|err| Error::new(Kind::Usage, format!("the question is none: {err}")))?;
    settle_in(std::slice::from_ref(&question.model), &[])?;
    lab::limit_memory();
    let backend = Backend::start().map_err(|err| Error::from_source(Kind::Failed, &err))?;
    out::json(&answer(&backend, &question, &thread_time))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the CPU time of this thread: what others do on the machine is not in it.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

fn settle_in(models: &[PathBuf], files: &[PathBuf]) -> Result<(), Error> {
    worker::settle_in(models, files).map_err(|err| {
        Error::new(Kind::Failed, format!("the process of the model cannot be confined: {err}"))
    })
}

//! A process that counts what models would take, one question after another: llama.cpp reads a model once, and each
//! further question about it costs a few milliseconds. Whatever happens to that process, this one goes on.

use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout};
use std::time::Duration;

use chargehand_core::memory::{Footprint, LoadOptions, Pool};
use chargehand_engine::wire::{read_message, write_message};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::child::Child;
use super::process;
use super::pulse::Heard;

/// The hidden subcommand that counts.
pub const SUBCOMMAND: &str = "dry-run";
/// A dry run of a 133 GB model took 0.6 s on a loaded machine; after this long something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a counting process is asked, a line of JSON on its stdin.
#[derive(Debug, Deserialize, Serialize)]
pub struct DryRun {
    /// The name of the model.
    pub model: String,
    /// How it would be loaded; without, only the devices are listed.
    pub options: Option<LoadOptions>,
}

/// What it answers, a line of JSON on its stdout.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// What the model takes.
    Footprint(Footprint),
    /// The memory of each GPU.
    Devices(Vec<Pool>),
    /// Why it cannot be known.
    Failed(String),
}

/// Why a footprint is not known. A model whose footprint is not known is not loaded.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The process could not be started or did not answer.
    #[error("cannot measure what the model takes: {0}")]
    Io(#[from] io::Error),
    /// It crashed: a malformed model can do that, and did it where it does no harm.
    #[error("llama.cpp did not survive the model {model}: {how}")]
    Died {
        /// The model.
        model: String,
        /// How it ended.
        how: String,
    },
    /// It says no.
    #[error("{0}")]
    Failed(String),
}

/// Asks such a process, which is started with the first question and ends with this.
#[derive(Debug)]
pub struct Prober {
    models: Vec<PathBuf>,
    process: Option<Process>,
}

impl Prober {
    /// Returns one that will be asked about the files `models`, and perhaps about others later.
    #[must_use]
    pub fn of(models: Vec<PathBuf>) -> Self {
        Self { models, process: None }
    }

    /// Returns what `options` would take.
    ///
    /// # Errors
    ///
    /// [`ProbeError`]. It can be asked again after each of them.
    pub fn footprint(
        &mut self,
        model: &str,
        options: &LoadOptions,
    ) -> Result<Footprint, ProbeError> {
        let path = PathBuf::from(&options.path);
        if !self.models.contains(&path) {
            // What a process may read is settled when it starts.
            self.models.push(path);
            self.process = None;
        }
        let ask = DryRun { model: model.to_owned(), options: Some(options.clone()) };
        match self.ask(&ask)? {
            Counted::Footprint(footprint) => Ok(footprint),
            Counted::Failed(reason) => Err(ProbeError::Failed(reason)),
            Counted::Devices(_) => Err(unexpected()),
        }
    }

    /// Returns the memory of each GPU.
    ///
    /// # Errors
    ///
    /// [`ProbeError`].
    pub fn devices(&mut self) -> Result<Vec<Pool>, ProbeError> {
        match self.ask(&DryRun { model: String::new(), options: None })? {
            Counted::Devices(devices) => Ok(devices),
            Counted::Failed(reason) => Err(ProbeError::Failed(reason)),
            Counted::Footprint(_) => Err(unexpected()),
        }
    }

    fn ask(&mut self, ask: &DryRun) -> Result<Counted, ProbeError> {
        let mut process = match self.process.take() {
            Some(process) => process,
            None => Process::start(&self.models)?,
        };
        match process.answer(ask) {
            Some(measured) => {
                self.process = Some(process);
                Ok(measured)
            }
            None => Err(ProbeError::Died { model: ask.model.clone(), how: process.child.end() }),
        }
    }
}

fn unexpected() -> ProbeError {
    io::Error::other("the answer is to another question").into()
}

#[derive(Debug)]
struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<Heard<ChildStdout>>,
}

impl Process {
    fn start(models: &[PathBuf]) -> io::Result<Self> {
        let mut command = process::ourselves(SUBCOMMAND)?;
        let (child, stdout, stdin) = Child::start(command.arg("--").args(models), PATIENCE, None)?;
        Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
    }

    /// Returns the answer; none of a process that is gone, or talks nonsense.
    fn answer(&mut self, ask: &DryRun) -> Option<Counted> {
        self.child.while_asked(|| {
            write_message(&mut self.stdin, ask).ok()?;
            read_message(&mut self.stdout).ok().flatten()
        })
    }
}

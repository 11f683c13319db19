//! The folder of an examination: who was examined with what, and a line for each trial.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chargehand_core::eval::{Fingerprint, Trial};
use serde::{Deserialize, Serialize};

use super::subject::Subject;
use crate::env::dir::write_file;
use crate::env::run_dir::make_folder;
use crate::error::{Error, Kind};

/// The version of `eval.json` and of the lines in `trials.jsonl`.
const SCHEMA: u32 = 1;
const HEAD: &str = "eval.json";
const TRIALS: &str = "trials.jsonl";

/// `eval.json`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Head {
    /// The version of this form.
    pub(super) schema: u32,
    /// The name of the folder.
    pub(super) id: String,
    /// When it began, in seconds since 1970.
    pub(super) started: u64,
    /// Who is examined.
    pub(super) subjects: Vec<Subject>,
    /// The files of the tasks; none is the built-in suite.
    pub(super) suite: Vec<PathBuf>,
    /// The hash of all tasks.
    pub(super) tasks_sha256: String,
    /// How often each task is done.
    pub(super) repeats: u32,
    /// The first seed.
    pub(super) seed: u32,
}

/// An examination on the disk.
pub(super) struct Record {
    path: PathBuf,
    /// What it is.
    pub(super) head: Head,
    /// What was done so far.
    pub(super) trials: Vec<Trial>,
}

impl Record {
    /// Begins one under `state`, named after the moment `now`.
    pub(super) fn create(state: &Path, mut head: Head, now: Duration) -> Result<Self, Error> {
        head.schema = SCHEMA;
        let (id, path) = make_folder(&folder(state), now)?;
        head.id = id;
        let record = Self { path, head, trials: Vec::new() };
        record.write_head()?;
        Ok(record)
    }

    /// Opens one by its id, or the latest by `last`.
    pub(super) fn open(state: &Path, wanted: &str) -> Result<Self, Error> {
        let ids = list(state)?;
        let id = match wanted {
            "last" => ids.last(),
            wanted => ids.iter().find(|id| *id == wanted),
        };
        let id = id.ok_or_else(|| {
            Error::new(Kind::Usage, format!("there is no examination `{wanted}`"))
                .hint("`chargehand eval show` lists them")
        })?;
        let path = folder(state).join(id);
        let head = read_head(&path)?;
        let trials = read_trials(&path.join(TRIALS))?;
        Ok(Self { path, head, trials })
    }

    /// Gets ready to go on: a line that a crash cut off is taken away.
    pub(super) fn mend(&self) -> Result<(), Error> {
        let line = |trial: &Trial| serde_json::to_string(trial).map(|line| line + "\n");
        let lines: String = self
            .trials
            .iter()
            .map(line)
            .collect::<Result<_, _>>()
            .expect("our own types have text keys only");
        Ok(write_file(&self.path, TRIALS, lines.as_bytes())?)
    }

    /// Returns its folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether a trial was done.
    pub(super) fn has(&self, subject: usize, task: &str, repeat: u32) -> bool {
        let same = |trial: &&Trial| {
            trial.subject == subject && trial.task == task && trial.repeat == repeat
        };
        self.trials.iter().any(|trial| same(&trial))
    }

    /// Writes down who the worker of a subject is, and `of` which model with which settings. Whoever goes on must be the
    /// same.
    pub(super) fn name_worker(
        &mut self,
        subject: usize,
        worker: String,
        of: Option<Fingerprint>,
    ) -> Result<(), Error> {
        let named = &mut self.head.subjects[subject];
        let changes = match (&of, &named.of) {
            (Some(now), Some(then)) => now.changes_since(then),
            // Examinations that an earlier version began, and those of scripts, have words only.
            (_, None) if !named.worker.is_empty() && named.worker != worker => {
                vec![format!("it was {}", named.worker)]
            }
            (None, Some(_)) | (_, None) => Vec::new(),
        };
        if !changes.is_empty() {
            let changes = changes.join(", ");
            let message = format!("subject `{}` is not what it was: {changes}", subject + 1);
            return Err(Error::new(Kind::Refused, message).hint("begin a new examination"));
        }
        (named.worker, named.of) = (worker, of);
        self.write_head()
    }

    fn write_head(&self) -> Result<(), Error> {
        let json =
            serde_json::to_vec_pretty(&self.head).expect("our own types have text keys only");
        Ok(write_file(&self.path, HEAD, &json)?)
    }

    /// Writes a trial down.
    pub(super) fn add(&mut self, trial: Trial) -> Result<(), Error> {
        let mut line = serde_json::to_vec(&trial).expect("our own types have text keys only");
        line.push(b'\n');
        let path = self.path.join(TRIALS);
        let write = || {
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(&line)?;
            file.sync_data()
        };
        write().map_err(|err| failed(&format!("cannot write {}", path.display()), &err))?;
        self.trials.push(trial);
        Ok(())
    }
}

/// Returns the ids of all examinations, the oldest first.
pub(super) fn list(state: &Path) -> Result<Vec<String>, Error> {
    let folder = folder(state);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(failed(&format!("cannot read {}", folder.display()), &err)),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut ids: Vec<String> = names.filter(|id| folder.join(id).join(HEAD).is_file()).collect();
    ids.sort();
    Ok(ids)
}

fn folder(state: &Path) -> PathBuf {
    state.join("evals")
}

fn read_head(path: &Path) -> Result<Head, Error> {
    let file = path.join(HEAD);
    let text = fs::read_to_string(&file)
        .map_err(|err| failed(&format!("cannot read {}", file.display()), &err))?;
    let head: Head =
        serde_json::from_str(&text).map_err(|err| failed(&file.display().to_string(), &err))?;
    if head.schema != SCHEMA {
        let why = format!("it has schema {}, this program reads {SCHEMA}", head.schema);
        return Err(failed(&file.display().to_string(), &why));
    }
    Ok(head)
}

/// Reads the trials. A last line that a crash cut off is left out: that trial is done again.
fn read_trials(path: &Path) -> Result<Vec<Trial>, Error> {
    let broken = |err: &dyn std::fmt::Display| failed(&path.display().to_string(), err);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(broken(&err)),
    };
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let mut trials = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        match serde_json::from_slice(line) {
            Ok(trial) => trials.push(trial),
            Err(_) if at + 1 == lines.len() => {}
            Err(err) => return Err(broken(&format!("line {}: {err}", at + 1))),
        }
    }
    Ok(trials)
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Failed, format!("{what}: {why}"))
}

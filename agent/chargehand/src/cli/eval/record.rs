//! The folder of an examination: who was examined with what, and a line for each trial.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chargehand_core::eval::{Fingerprint, Trial};
use chargehand_core::report::Report;
use serde::{Deserialize, Serialize};

use super::account;
use super::course::{Course, Stage};
use super::subject::Subject;
use crate::env::dir::{Dir, STAGED, write_file};
use crate::env::run_dir::{hold, is_held, make_folder};
use crate::error::{Error, Kind};

/// The version of `eval.json` and of the lines in `trials.jsonl`.
const SCHEMA: u32 = 1;
const HEAD: &str = "eval.json";
const TRIALS: &str = "trials.jsonl";
/// The beginning of the name of a folder in which a task is done, as `tempfile` has it.
const SITTING: &str = ".tmp";

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
    /// How much it is, and how it was begun.
    #[serde(default)]
    pub(super) course: Course,
}

/// An examination on the disk.
pub(super) struct Record {
    path: PathBuf,
    /// Held by whoever conducts it.
    lock: Option<File>,
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
        let mut record = Self { path, lock: None, head, trials: Vec::new() };
        record.lock()?;
        record.write_head()?;
        Ok(record)
    }

    /// Opens one by its id, or the latest by `last`, to look at it.
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
        Self::at(folder(state).join(id))
    }

    /// Opens the one in a folder.
    pub(super) fn at(path: PathBuf) -> Result<Self, Error> {
        let head = read_head(&path)?;
        let trials = read_trials(&path.join(TRIALS))?;
        Ok(Self { path, lock: None, head, trials })
    }

    fn lock(&mut self) -> Result<(), Error> {
        self.lock = hold(&self.path)?;
        if self.lock.is_some() {
            return Ok(());
        }
        let message = format!("another process conducts examination {}", self.head.id);
        Err(Error::new(Kind::Refused, message).hint("wait for it, or stop it with Ctrl-C"))
    }

    /// Gets ready to go on, which one process at a time can: a line that a crash cut off is taken away, and so are the
    /// repositories of tasks that were under way.
    pub(super) fn mend(&mut self) -> Result<(), Error> {
        self.lock()?;
        // Whoever had it before may have added to it since it was read.
        self.head = read_head(&self.path)?;
        self.trials = read_trials(&self.path.join(TRIALS))?;
        let clear = || -> io::Result<()> {
            let dir = Dir::open(&self.path)?;
            let mut left = dir.names()?;
            left.retain(|name| name.starts_with(SITTING.as_bytes()) || name.starts_with(STAGED));
            left.iter().try_for_each(|name| dir.remove_all(name))
        };
        clear().map_err(|err| failed(&format!("cannot clear {}", self.path.display()), &err))?;
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

    /// Returns how many trials it is, where that is known.
    pub(super) fn expected(&self) -> Option<usize> {
        let Head { course, subjects, repeats, .. } = &self.head;
        let repeats = usize::try_from(*repeats).unwrap_or(usize::MAX);
        Some(course.tasks?.saturating_mul(subjects.len()).saturating_mul(repeats))
    }

    /// Returns how far it is, where that is known.
    pub(super) fn stage(&self) -> Option<Stage> {
        let expected = self.expected()?;
        // Whoever conducts it asks what will be true afterwards.
        Some(if self.lock.is_none() && is_held(&self.path) {
            Stage::Running
        } else if self.head.course.ended && self.trials.len() >= expected {
            Stage::Ended
        } else {
            Stage::Interrupted
        })
    }

    /// Returns the command that goes on with it, where it was interrupted.
    pub(super) fn way_on(&self) -> Option<String> {
        if self.stage() != Some(Stage::Interrupted) {
            return None;
        }
        Some(self.head.course.way_on(&self.head.id))
    }

    /// Writes down that it came to its end, if all was done.
    pub(super) fn conclude(&mut self) -> Result<(), Error> {
        let is_whole = self.expected().is_some_and(|expected| self.trials.len() >= expected);
        if !is_whole || self.head.course.ended {
            return Ok(());
        }
        self.head.course.ended = true;
        self.write_head()
    }

    /// Returns the file that says what a trial that went wrong did, below its folder; earlier versions wrote none.
    pub(super) fn account(&self, trial: &Trial) -> Option<String> {
        let name = account::name(trial);
        self.path.join(&name).is_file().then_some(name)
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

    /// Writes a trial down, and of one that went wrong what `report` tells of it.
    pub(super) fn add(&mut self, trial: Trial, report: &Report) -> Result<(), Error> {
        if !trial.right {
            account::write(&self.path, &trial, report)?;
        }
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
    // One with a dot is being removed.
    let is_one = |id: &String| !id.starts_with('.') && folder.join(id).join(HEAD).is_file();
    let mut ids: Vec<String> = names.filter(is_one).collect();
    ids.sort();
    Ok(ids)
}

pub(super) fn folder(state: &Path) -> PathBuf {
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

/// Reads the trials. A last line that a crash cut off is left out: that trial is done again. What was done twice, by two
/// processes of an earlier version, counts once.
fn read_trials(path: &Path) -> Result<Vec<Trial>, Error> {
    let broken = |err: &dyn std::fmt::Display| failed(&path.display().to_string(), err);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(broken(&err)),
    };
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut trials, mut known) = (Vec::new(), HashSet::new());
    for (at, line) in lines.iter().enumerate() {
        match serde_json::from_slice::<Trial>(line) {
            Ok(trial) => {
                if known.insert((trial.subject, trial.task.clone(), trial.repeat)) {
                    trials.push(trial);
                }
            }
            Err(_) if at + 1 == lines.len() => {}
            Err(err) => return Err(broken(&format!("line {}: {err}", at + 1))),
        }
    }
    Ok(trials)
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Failed, format!("{what}: {why}"))
}

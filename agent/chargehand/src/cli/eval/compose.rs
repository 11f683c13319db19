//! `chargehand eval new` and `from-run`: tasks of one's own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chargehand_core::change::ChangeKind;
use chargehand_core::eval::{Grader, Suite, Task, TaskEnd, breaches};
use chargehand_core::ports::Stop;
use chargehand_core::report::Report;
use serde_json::json;

use crate::cli::out;
use crate::cli::record::Record;
use crate::cli::which;
use crate::config::Places;
use crate::env::exam;
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::report::visible;

/// All files of a task together are not larger: a task is read by people.
const MAX_BYTES: u64 = 4 << 20;

/// What `eval new` writes.
const TEMPLATE: &str = r#"# A task for `chargehand eval run FILE`; a file may have any number of them.
[[task]]
id = "greeting-1"
family = "replace"

# The repository, as path and text.
[task.files]
"greeting.txt" = "Hello, world.\n"
"README.md" = "A greeting.\n"

# What the worker is told and held to: any contract (docs/contract.md).
[task.contract]
goal = "Replace 'world' with 'reader' in greeting.txt"
[task.contract.scope]
write = ["greeting.txt"]

# What is right; the worker never sees it. Files that are not named must stay as they are.
[task.grade]
end = "finished"            # or "asked": the task is ambiguous, or not allowed
first = ["read_file", "search", "list_dir"]
[task.grade.files]
"greeting.txt" = "Hello, reader.\n"
# Instead of exact texts, or besides: `any` lists files that only commands judge, `hidden` has files that are laid
# over the result before the commands run.
# [[task.grade.check]]
# name = "tests"
# run = ["python3", "-m", "unittest"]
"#;

/// Flags of `eval new`.
#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    /// The file to write, which must not exist; its folder is made where it is missing
    file: PathBuf,
    /// Prints what was done as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Flags of `eval from-run`.
#[derive(Debug, clap::Args)]
pub(super) struct FromRunArgs {
    /// The run, or `last`
    run: String,
    /// What the task is called; the id of the run otherwise
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The family of the task
    #[arg(long, value_name = "FAMILY", default_value = "own")]
    family: String,
    /// Writes the task to this file, which must not exist, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Prints the task as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Writes a template.
pub(super) fn new(args: &NewArgs) -> Result<(), Error> {
    write_new(&args.file, TEMPLATE)?;
    if args.json {
        return out::json(&json!({ "type": "written", "file": args.file }));
    }
    let shown = args.file.display().to_string();
    let word = shell_words::quote(&shown);
    let told = format!("wrote {shown}; try it with: chargehand eval run {word}");
    out::line(&visible::line(&told).text)
}

/// Makes a task of a run whose result is right.
pub(super) fn from_run(args: &FromRunArgs) -> Result<(), Error> {
    let places = Places::find()?;
    let dir = which::open(&places, &args.run)?;
    let record = Record::read(&dir)?;
    let end = match &record.report.stop {
        Stop::Finished(_) => TaskEnd::Finished,
        Stop::Asked(_) => TaskEnd::Asked,
        stop => {
            let words = crate::report::words::stop(stop);
            let message =
                format!("run {} did not come to an end of its own: {words}", dir.file().id);
            return Err(Error::new(Kind::Refused, message));
        }
    };
    can_be_right(&record.report)?;
    let workspace = Workspace::open(&dir)?;
    let mut left = exam::left(&workspace).map_err(|err| Error::new(Kind::Failed, err))?;
    let mut grade = Grader { end, ..Grader::default() };
    for change in &record.report.evidence.changes {
        match change.kind {
            ChangeKind::Added | ChangeKind::Modified => {
                let bytes = left.remove(&change.path).unwrap_or_default();
                let text = String::from_utf8(bytes).map_err(|_| {
                    let message =
                        format!("{} is no UTF-8 text, and a task has texts only", change.path);
                    Error::new(Kind::Refused, message)
                })?;
                grade.files.insert(change.path.clone(), text);
            }
            ChangeKind::Deleted => grade.gone.push(change.path.clone()),
            ChangeKind::Mode | ChangeKind::Type => {
                let message =
                    format!("{} has another mode or kind; a task has texts only", change.path);
                return Err(Error::new(Kind::Refused, message));
            }
        }
    }
    let files =
        exam::base_texts(&workspace, MAX_BYTES).map_err(|err| Error::new(Kind::Refused, err))?;
    let id = args.id.clone().unwrap_or_else(|| dir.file().id.clone());
    let contract = record.report.contract.clone();
    let task = Task { id, family: args.family.clone(), files, contract, grade };
    let suite = Suite { tasks: vec![task] };
    suite.check().map_err(|err| Error::new(Kind::Usage, err))?;
    let lost = exam::no_more_executed(&workspace, &suite.tasks[0].files);
    if let Some(first) = lost.first() {
        let count = lost.len();
        out::note(&format!(
            "note: {count} files can be executed in the run and not in the task, such as {first}: there only a file \
             that begins with `#!` can"
        ));
    }
    show(args, &suite)
}

/// Refuses a run whose result no trial could be right with.
fn can_be_right(report: &Report) -> Result<(), Error> {
    let run = &report.run;
    if let Some(first) = breaches(report).first() {
        let message = format!(
            "run {run} breaks its contract, so nobody is right who does the same: {}",
            first.message
        );
        let hint =
            format!("take a run whose contract holds; all of it says: chargehand report {run}");
        return Err(Error::new(Kind::Refused, message).hint(hint));
    }
    if let Some(check) = report.contract.checks.iter().find(|check| check.network) {
        let message = format!(
            "check `{}` of run {run} had the network, which no examination has",
            check.name
        );
        let hint = "take a run whose checks do without `network`";
        return Err(Error::new(Kind::Refused, message).hint(hint));
    }
    Ok(())
}

fn show(args: &FromRunArgs, suite: &Suite) -> Result<(), Error> {
    let text = toml::to_string(suite).map_err(|err| {
        Error::new(Kind::Bug, format!("the task cannot be written as TOML: {err}"))
    })?;
    if let Some(file) = &args.output {
        write_new(file, &text)?;
    }
    match (args.json, &args.output) {
        (true, _) => out::json(&json!({ "type": "suite", "suite": suite })),
        (false, Some(file)) => out::line(&visible::line(&format!("wrote {}", file.display())).text),
        (false, None) => out::raw(&text),
    }
}

/// Writes a file of the user's, who named it; one that is there already is not touched.
fn write_new(file: &Path, text: &str) -> Result<(), Error> {
    let failed = |err| Error::new(Kind::Failed, format!("cannot write {}: {err}", file.display()));
    file.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
    let mut made = match OpenOptions::new().write(true).create_new(true).open(file) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("{} is there already", file.display());
            return Err(Error::new(Kind::Usage, message).hint("name a file that is not there yet"));
        }
        opened => opened.map_err(failed)?,
    };
    made.write_all(text.as_bytes()).map_err(failed)
}

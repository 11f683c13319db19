//! The figures of an examination: a table, JSON, and a page to open.

use std::path::Path;

use chargehand_core::eval::{Count, FamilyScore, score};
use serde_json::{Value, json};

use super::account;
use super::course::Stage;
use super::record::{self, Head, Record};
use crate::cli::out;
use crate::config::Places;
use crate::env::dir::write_file;
use crate::error::Error;
use crate::report::exam::{self, Column, Wrong};
use crate::report::{visible, words};

/// Flags of `eval show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The examination, or `last`; without it all are listed
    eval: Option<String>,
    /// Prints the figures as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Shows one examination, or which there are.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    if let Some(wanted) = &args.eval {
        return print(&Record::open(&places.state, wanted)?, args.json);
    }
    list(&places.state, args.json)
}

/// Lists all, the oldest first.
fn list(state: &Path, as_json: bool) -> Result<(), Error> {
    let ids = record::list(state)?;
    // One that cannot be read is there all the same.
    let all: Vec<(&String, Option<Record>)> =
        ids.iter().map(|id| (id, Record::at(record::folder(state).join(id)).ok())).collect();
    if as_json {
        let entries: Vec<Value> =
            all.iter().map(|(id, record)| entry(id, record.as_ref())).collect();
        return out::json(&json!({ "type": "evals", "evals": entries }));
    }
    if all.is_empty() {
        out::note("there is no examination yet; `chargehand eval run` begins one");
    }
    all.iter().try_for_each(|(id, record)| {
        let line = record.as_ref().map_or_else(|| format!("{id}  unreadable"), line);
        out::line(&visible::line(&line).text)
    })
}

fn entry(id: &str, record: Option<&Record>) -> Value {
    let Some(record) = record else { return json!({ "id": id }) };
    let head = &record.head;
    let labels: Vec<&String> = head.subjects.iter().map(|subject| &subject.label).collect();
    json!({
        "id": id,
        "started": head.started,
        "suite": head.suite,
        "subjects": labels,
        "done": record.trials.len(),
        "expected": record.expected(),
        "stage": record.stage(),
    })
}

fn line(record: &Record) -> String {
    let head = &record.head;
    let suite: Vec<_> = head.suite.iter().map(|path| path.to_string_lossy()).collect();
    let suite = if suite.is_empty() { "first".to_owned() } else { suite.join(" ") };
    let labels: Vec<&str> = head.subjects.iter().map(|subject| subject.label.as_str()).collect();
    format!(
        "{}  {}  {:<11}  {}  {suite}  {}",
        head.id,
        words::moment(head.started),
        record.stage().map_or("", Stage::word),
        done(record),
        labels.join(", ")
    )
}

/// Returns how many trials were done, and of how many where that is known.
fn done(record: &Record) -> String {
    let done = record.trials.len();
    record
        .expected()
        .map_or_else(|| format!("{done} trials"), |all| format!("{done} of {all} trials"))
}

/// Returns what a reader of the figures must know where not all was done.
fn cut(record: &Record) -> Option<String> {
    let stage = record.stage().filter(|stage| *stage != Stage::Ended)?;
    Some(format!("{}: {} were done", stage.word(), done(record)))
}

/// Tells what came of an examination that is over for now, and `conducted` why; `before` trials were done already.
pub(super) fn end(
    record: &mut Record,
    conducted: Result<(), Error>,
    before: usize,
    as_json: bool,
) -> Result<(), Error> {
    let concluded = conducted.and_then(|()| record.conclude());
    // Also of one that something ended: what was done counts.
    let written = write_page(record);
    concluded.map_err(|err| match record.way_on() {
        Some(command) if record.trials.len() > before => {
            err.hint(format!("what was done is kept; go on with: {command}"))
        }
        _ => err,
    })?;
    written?;
    print(record, as_json)
}

/// Prints the figures.
fn print(record: &Record, as_json: bool) -> Result<(), Error> {
    if as_json {
        return out::json(&figures(record));
    }
    let columns = columns(record);
    for column in &columns {
        let head = format!("{}  {}", column.label, column.worker);
        out::line(visible::line(&head).text.trim_end())?;
        let is_begun = column.scores.iter().any(|score| score.right.of_all > 0);
        out::line(&if is_begun { table(&column.scores) } else { "no trial was done".to_owned() })?;
    }
    if let Some(cut) = cut(record) {
        out::line(&cut)?;
    }
    if let Some(command) = record.way_on() {
        out::note(&format!("go on with: {}", visible::line(&command).text));
    }
    let files = wrong(record).into_iter().filter_map(|wrong| wrong.file).count();
    if files > 0 {
        let what =
            words::plural_of(files as u64, "trial that went wrong", "trials that went wrong");
        out::note(&format!("what {what} did: {}", record.path().join(account::FOLDER).display()));
    }
    let page = record.path().join(PAGE);
    // One that was killed has none.
    if page.is_file() {
        out::note(&format!("page: {}", page.display()));
    }
    Ok(())
}

const PAGE: &str = "report.html";

/// Writes the figures into the folder of the examination, as JSON and as a page.
fn write_page(record: &Record) -> Result<(), Error> {
    let json =
        serde_json::to_vec_pretty(&figures(record)).expect("our own types have text keys only");
    write_file(record.path(), "report.json", &json)?;
    let Head { id, started, .. } = &record.head;
    let way_on = record.way_on().map(|command| format!("; go on with: {command}"));
    let cut = cut(record).map(|cut| cut + &way_on.unwrap_or_default());
    let page = exam::render(id, *started, &columns(record), &wrong(record), cut.as_deref());
    write_file(record.path(), PAGE, page.as_bytes())?;
    Ok(())
}

fn columns(record: &Record) -> Vec<Column> {
    let column = |(at, subject): (usize, &super::subject::Subject)| Column {
        label: subject.label.clone(),
        worker: subject.worker.clone(),
        scores: score(&record.trials, at),
    };
    record.head.subjects.iter().enumerate().map(column).collect()
}

fn wrong(record: &Record) -> Vec<Wrong<'_>> {
    let wrong = record.trials.iter().filter(|trial| !trial.right);
    wrong.map(|trial| Wrong { trial, file: record.account(trial) }).collect()
}

fn figures(record: &Record) -> Value {
    let subject = |column: Column| {
        let families: Vec<Value> = column.scores.iter().map(family).collect();
        json!({ "label": column.label, "worker": column.worker, "families": families })
    };
    let subjects: Vec<Value> = columns(record).into_iter().map(subject).collect();
    let wrong = wrong(record).into_iter().map(|Wrong { trial, file }| {
        json!({ "subject": trial.subject, "task": trial.task, "repeat": trial.repeat, "faults": trial.faults, "file": file })
    });
    json!({
        "type": "eval",
        "eval": record.head,
        "done": record.trials.len(),
        "expected": record.expected(),
        "stage": record.stage(),
        "go_on_with": record.way_on(),
        "subjects": subjects,
        "wrong": wrong.collect::<Vec<_>>(),
    })
}

fn family(score: &FamilyScore) -> Value {
    let (low, high) = score.right.interval();
    let mut value = serde_json::to_value(score).expect("our own types have text keys only");
    value["right_share"] = json!(score.right.share());
    value["right_interval"] = json!([low, high]);
    for (name, count) in [
        ("first", score.first),
        ("valid", score.valid),
        ("carried_out", score.carried_out),
        ("on_target", score.on_target),
        ("recovered", score.recovered),
    ] {
        let (low, high) = count.interval();
        value[format!("{name}_interval")] = json!([low, high]);
    }
    let chain = |calls: u32| json!({ "calls": calls, "share": score.chain_of(calls) });
    value["chains"] = json!([1, 2, 5, 10, 20, 50].map(chain));
    value["per_call"] = json!(score.per_call());
    value["compounded"] = json!(score.compounded());
    value
}

/// Returns the figures of one subject as lines.
fn table(scores: &[FamilyScore]) -> String {
    let wide = scores.iter().map(|score| score.family.len()).max().unwrap_or(0).max(6);
    let mut lines = vec![format!(
        "{:wide$}  {:>9}  {:>6}  {:>11}  {:>6}  {:>6}  {:>7}  {:>6}  {:>6}  {:>6}  {:>7}  {:>6}",
        "family",
        "right",
        "share",
        "95 %",
        "first",
        "calls",
        "carried",
        "args",
        "chain",
        "turns",
        "tokens",
        "s"
    )];
    for score in scores {
        let (low, high) = score.right.interval();
        let trials = Count { of_these: score.turns, of_all: score.right.of_all };
        let tokens = Count { of_these: score.generated, of_all: score.right.of_all };
        let seconds = Count { of_these: score.millis, of_all: score.right.of_all };
        lines.push(format!(
            "{:wide$}  {:>4}/{:<4}  {:>6}  {low:.3}-{high:.3}  {:>6}  {:>6}  {:>7}  {:>6}  {:>6}  {:>6}  {:>7}  {:>6}",
            score.family,
            score.right.of_these,
            score.right.of_all,
            share(score.right.share()),
            share(score.first.share()),
            share(score.valid.share()),
            share(score.carried_out.share()),
            share(score.on_target.share()),
            share(score.compounded()),
            mean(trials, 1.0),
            mean(tokens, 1.0),
            mean(seconds, 1000.0),
        ));
    }
    lines.push(
        "first: began with a right tool; calls: turns that were a call; carried: calls that were carried out; \
         args: acting calls that were carried out on what the right answer changes; chain: the share that calls of that quality would reach one after the other"
            .to_owned(),
    );
    lines.join("\n")
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"))
}

/// Returns a mean per trial, in units of `unit`.
fn mean(count: Count, unit: f64) -> String {
    count.share().map_or_else(|| "-".to_owned(), |mean| format!("{:.1}", mean / unit))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use chargehand_core::ports::{Stop, Usage};

    use super::super::course::Course;
    use super::super::subject::Subject;
    use super::*;
    use crate::error::Kind;

    #[test]
    fn what_ends_an_examination_early_says_how_to_go_on() {
        let state = tempfile::tempdir().unwrap();
        let course = Course {
            tasks: Some(2),
            args: ["eval", "run"].map(str::to_owned).to_vec(),
            folder: PathBuf::from("/x"),
            ended: false,
        };
        let head = Head {
            schema: 0,
            id: String::new(),
            started: 0,
            subjects: vec![Subject::default()],
            suite: Vec::new(),
            tasks_sha256: String::new(),
            repeats: 1,
            seed: 0,
            course,
        };
        let mut record = Record::create(state.path(), head, Duration::from_secs(1)).unwrap();
        let failed = || Err(Error::new(Kind::Failed, "the disk is full"));
        let err = end(&mut record, failed(), 0, true).unwrap_err();
        assert!(err.hints().is_empty(), "nothing was done");
        let trial = json!({
            "subject": 0, "task": "a", "family": "own", "repeat": 1, "seed": 0, "right": true,
            "faults": [], "verdict": "holds", "stop": Stop::Finished(String::new()), "turns": 1, "valid": 1,
            "carried_out": 1, "first": null, "out_of_scope": 0, "broken": false,
            "contradicted": false, "recovered": null, "usage": Usage::default(),
            "millis": 1,
        });
        record.trials.push(serde_json::from_value(trial).unwrap());
        let err = end(&mut record, failed(), 0, true).unwrap_err();
        let way_on = format!("cd /x && chargehand eval run --resume {}", record.head.id);
        assert!(err.hints()[0].ends_with(&way_on), "{:?}", err.hints());
        assert!(end(&mut record, failed(), 1, true).unwrap_err().hints().is_empty());
        let page = std::fs::read_to_string(record.path().join(PAGE)).unwrap();
        assert!(page.contains("interrupted: 1 of 2 trials"), "{page}");
    }
}

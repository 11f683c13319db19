//! The figures of an examination: a table, JSON, and a page to open.

use chargehand_core::eval::{Count, FamilyScore, score};
use serde_json::{Value, json};

use super::record::{self, Record};
use crate::cli::out;
use crate::config::Places;
use crate::env::dir::write_file;
use crate::error::Error;
use crate::report::exam::{self, Column};

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
    let ids = record::list(&places.state)?;
    if args.json {
        return out::json(&json!({ "evals": ids }));
    }
    if ids.is_empty() {
        out::note("there is no examination yet; `chargehand eval run` begins one");
    }
    ids.iter().try_for_each(|id| out::line(id))
}

/// Prints the figures.
pub(super) fn print(record: &Record, as_json: bool) -> Result<(), Error> {
    if as_json {
        return out::json(&figures(record));
    }
    let columns = columns(record);
    for column in &columns {
        out::line(&format!("{}  {}", column.label, column.worker))?;
        out::line(&table(&column.scores))?;
    }
    out::note(&format!("page: {}", record.path().join(PAGE).display()));
    Ok(())
}

const PAGE: &str = "report.html";

/// Writes the figures into the folder of the examination, as JSON and as a page.
pub(super) fn write_page(record: &Record) -> Result<(), Error> {
    let json =
        serde_json::to_vec_pretty(&figures(record)).expect("our own types have text keys only");
    write_file(record.path(), "report.json", &json)?;
    let page = exam::render(&record.head.id, record.head.started, &columns(record), &record.trials);
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

fn figures(record: &Record) -> Value {
    let subject = |column: Column| {
        let families: Vec<Value> = column.scores.iter().map(family).collect();
        json!({ "label": column.label, "worker": column.worker, "families": families })
    };
    let subjects: Vec<Value> = columns(record).into_iter().map(subject).collect();
    json!({ "type": "eval", "eval": record.head, "subjects": subjects })
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

//! The figures of a bench: a table, bars in the terminal, JSON, and what a chart needs.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Value, json};

use super::measure::{Row, Series};
use super::verdict::{ENOUGH, FAST, verdict};
use crate::error::{Error, Kind};
use crate::report::{chart, visible};

/// Columns of the longest bar.
const WIDTH: usize = 40;

/// Returns the figures of all as a text.
pub(super) fn text(all: &[Series]) -> String {
    let fastest = all.iter().flat_map(|series| &series.rows).map(|row| row.decode);
    let fastest = fastest.fold(FAST, f64::max);
    let mut text = String::new();
    for series in all {
        let label = label(series);
        text.push_str(&format!("{}\n", visible::line(&label).text));
        text.push_str(&format!("ready after {:.1} s\n\n", series.ready_ms / 1e3));
        text.push_str("  length  prefill/s  first token  from nothing     memory  decode/s\n");
        for row in &series.rows {
            text.push_str(&format!("{}  {}\n", figures(row), bar(row.decode, fastest)));
        }
        if let Some(verdict) = verdict(series, cores()) {
            text.push_str(&format!("\n{}\n", verdict.text));
            verdict.advice.iter().for_each(|advice| text.push_str(&format!("  - {advice}\n")));
        }
        text.push('\n');
    }
    text
}

fn figures(row: &Row) -> String {
    let resident = row.resident.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
    format!(
        "{:>8}  {:>9.0}  {:>9.2} s  {:>10.2} s  {resident:>9}  {:>8.1}",
        row.length,
        row.prefill,
        row.first_ms / 1e3,
        row.first_cold_ms / 1e3,
        row.decode
    )
}

/// Returns a bar with a mark where 20 tokens a second are.
fn bar(decode: f64, fastest: f64) -> String {
    let columns = |rate: f64| (0..WIDTH).filter(|at| share(*at) * fastest < rate).count();
    let (full, mark) = (columns(decode), columns(ENOUGH));
    let sign = |at| match at {
        at if at < full => '█',
        at if at == mark => '|',
        _ => ' ',
    };
    (0..=WIDTH).map(sign).collect::<String>().trim_end().to_owned()
}

fn share(column: usize) -> f64 {
    let real = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    real(column) / real(WIDTH)
}

/// Returns what tells a series from the others.
fn label(series: &Series) -> String {
    let options = &series.footprint.options;
    let threads = match options.threads {
        0 => cores(),
        threads => threads,
    };
    let (name, kv, ctx) = (&series.footprint.model, &options.kv_type, options.n_ctx);
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    format!(
        "{name}, {ctx} tokens of context, KV {kv}, {threads}, {} layers on GPUs",
        options.n_gpu_layers
    )
}

fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// Returns the figures of one for programs.
pub(super) fn value(series: &Series) -> Value {
    let row = |row: &Row| {
        json!({
            "tokens": row.length, "prefill_per_second": row.prefill, "decode_per_second": row.decode,
            "first_token_ms": row.first_ms, "first_token_cold_ms": row.first_cold_ms,
            "resident_bytes": row.resident, "at_s": row.at_s,
        })
    };
    let verdict = verdict(series, cores()).map(
        |verdict| json!({ "word": verdict.word, "text": verdict.text, "advice": verdict.advice }),
    );
    json!({
        "label": label(series), "footprint": series.footprint, "ready_ms": series.ready_ms,
        "rows": series.rows.iter().map(row).collect::<Vec<_>>(), "verdict": verdict,
    })
}

/// Refuses a place of plots that has something else: only plots of ours, or nothing, are written over.
pub(super) fn check_place(path: &Path) -> Result<(), Error> {
    let known = || -> io::Result<bool> {
        let kind = match fs::symlink_metadata(path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(true),
            found => found?,
        };
        let mut head = Vec::new();
        if kind.is_file() {
            File::open(path)?.take(chart::HEAD as u64).read_to_end(&mut head)?;
        }
        Ok(kind.is_file() && (head.is_empty() || chart::is_bench(&head)))
    };
    match known() {
        Ok(true) => Ok(()),
        known => {
            let why = match known {
                Err(err) => format!("cannot be read: {err}"),
                Ok(_) => "is there and has no plots of a bench".to_owned(),
            };
            let message = format!("--svg: {} {why}", path.display());
            Err(Error::new(Kind::Usage, message).hint("name a file that does not exist"))
        }
    }
}

/// Returns the figures of one for a chart.
pub(super) fn line(series: &Series) -> chart::Line {
    let real = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let points =
        |of: &dyn Fn(&Row) -> Option<(f64, f64)>| series.rows.iter().filter_map(of).collect();
    chart::Line {
        label: label(series),
        decode: points(&|row| Some((real(row.length), row.decode))),
        prefill: points(&|row| Some((real(row.length), row.prefill))),
        memory: points(&|row| Some((row.at_s, real(row.resident?.0 >> 20)))),
    }
}

//! `chargehand grammar bench`: what our engine and llama.cpp's sampler take for the same masks, side by side.

use chargehand_engine::lab::{Step, Timed};
use serde_json::{Value, json};

use super::table::{Column, csv, table};
use super::trial_args::{Ready, TrialArgs};
use crate::cli::out;
use crate::env::lab;
use crate::error::Error;
use crate::report::words;

const EXAMPLE: &str = "\
Example:
  chargehand grammar bench call.gbnf -m model.gguf '{\"tool\":\"list_dir\",\"args\":{}}'";

/// Flags of `grammar bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) trial: TrialArgs,
    /// Prints each mask as a line of CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// What an engine took, in microseconds.
struct Summary {
    name: &'static str,
    compile: f64,
    masks: usize,
    mean: f64,
    p50: f64,
    p99: f64,
    max: f64,
}

/// Times both engines.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let Ready { model, trial } = args.trial.ready()?;
    let texts = trial.texts.len();
    let timed = lab::time(&model, trial)?;
    if args.csv {
        return all_steps(&timed);
    }
    let own = timed.steps.iter().map(|step| step.own_us);
    let llama = timed.steps.iter().filter_map(|step| step.llama_us);
    let rows = [
        Summary::of("chargehand", &timed.own_compile_us, own),
        Summary::of("llama.cpp", &timed.llama_compile_us, llama),
    ];
    let tokens = timed.steps.len().saturating_sub(texts);
    if args.trial.common.json {
        let engines: Vec<Value> = rows.iter().map(Summary::json).collect();
        return out::json(&json!({
            "type": "timed", "texts": texts, "tokens": tokens, "vocabulary": timed.tokens,
            "engines": engines,
        }));
    }
    let plural = |number: usize, what| words::plural(u64::try_from(number).unwrap_or(0), what);
    out::line(&format!(
        "{}, {}, a vocabulary of {} tokens; CPU time of the thread",
        plural(texts, "text"),
        plural(tokens, "token"),
        words::count(u64::try_from(timed.tokens).unwrap_or(0))
    ))?;
    out::raw(&show(&rows))?;
    if rows[1].masks < rows[0].masks {
        out::note(
            "llama.cpp was not asked for all masks: its time was up; --seconds gives it more",
        );
    }
    Ok(())
}

impl Summary {
    fn of(name: &'static str, compile: &[f64], masks: impl Iterator<Item = f64>) -> Self {
        let mut masks: Vec<f64> = masks.collect();
        masks.sort_by(f64::total_cmp);
        Self {
            name,
            compile: mean(compile),
            masks: masks.len(),
            mean: mean(&masks),
            p50: quantile(&masks, 50),
            p99: quantile(&masks, 99),
            max: masks.last().copied().unwrap_or(f64::NAN),
        }
    }

    fn json(&self) -> Value {
        json!({
            "engine": self.name, "compile_us": self.compile, "masks": self.masks,
            "mean_us": self.mean, "p50_us": self.p50, "p99_us": self.p99, "max_us": self.max,
        })
    }
}

/// What is empty has no mean: NaN, which JSON shows as null.
fn mean(values: &[f64]) -> f64 {
    let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    values.iter().sum::<f64>() / count
}

/// Returns the smallest of the sorted `values` that at least `percent` of them do not exceed.
fn quantile(values: &[f64], percent: usize) -> f64 {
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(f64::NAN)
}

fn show(rows: &[Summary; 2]) -> String {
    let number = |value: f64| if value.is_nan() { "-".to_owned() } else { format!("{value:.2}") };
    let cells = |row: &Summary| {
        let compile = number(row.compile / 1e3);
        let [mean, p50, p99, max] = [row.mean, row.p50, row.p99, row.max].map(number);
        [row.name.to_owned(), compile, row.masks.to_string(), mean, p50, p99, max]
    };
    let right = Column::Right;
    let head = [
        ("engine", Column::Left),
        ("compile ms", right),
        ("masks", right),
        ("mean us", right),
        ("p50", right),
        ("p99", right),
        ("max", right),
    ];
    table(head, &rows.each_ref().map(cells))
}

fn all_steps(timed: &Timed) -> Result<(), Error> {
    out::line("text,step,allowed,chargehand_us,llama_us")?;
    let row = |Step { text, at, allowed, own_us, llama_us }: &Step| {
        let llama_us = llama_us.map_or_else(String::new, |time| format!("{time:.3}"));
        let own_us = format!("{own_us:.3}");
        csv(&[(text + 1).to_string(), at.to_string(), allowed.to_string(), own_us, llama_us])
    };
    let lines: Vec<String> = timed.steps.iter().map(row).collect();
    lines.iter().try_for_each(|line| out::line(line))
}

#[cfg(test)]
mod tests {
    use super::{mean, quantile};

    #[track_caller]
    fn check(count: u32, percent: usize, expect: f64) {
        let values: Vec<f64> = (1..=count).map(f64::from).collect();
        assert!((quantile(&values, percent) - expect).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        check(1, 50, 1.0);
        check(2, 50, 1.0);
        check(3, 50, 2.0);
        check(100, 99, 99.0);
        check(101, 99, 100.0);
        check(5, 99, 5.0);
        assert!(quantile(&[], 50).is_nan() && mean(&[]).is_nan());
        assert!((mean(&[1.0, 2.0]) - 1.5).abs() < 1e-9);
    }
}

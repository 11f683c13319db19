//! Figures as lines for people and for programs.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::clock::{median, micros};
use crate::engine::{Failure, Round};

/// What an engine took for a workload: microseconds, and milliseconds for compiling and for one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) vocabulary: usize,
    pub(crate) workload: String,
    pub(crate) engine: String,
    pub(crate) masks: usize,
    /// In the order of [`Row::NAMES`].
    pub(crate) figures: [f64; 9],
}

impl Row {
    const NAMES: [&str; 9] = [
        "mask_mean_us",
        "mask_p50_us",
        "mask_p99_us",
        "mask_max_us",
        "cold_max_us",
        "again_max_us",
        "advance_mean_us",
        "compile_ms",
        "one_call_ms",
    ];
    /// The heads of the columns for people.
    pub(crate) const TITLES: &str = "  engine                 masks   mean us      p50      p99      max  cold max  again max  advance  compile ms  one call ms";

    /// Returns the figures of some rounds; `every` says how few steps were masked, `first` how long the first text is.
    pub(crate) fn of(
        workload: &str,
        engine: &str,
        every: usize,
        first: usize,
        rounds: &[Round],
    ) -> Self {
        let masks = medians(rounds, |round| &round.masks);
        let advances = medians(rounds, |round| &round.advances);
        let again = medians(rounds, |round| &round.again);
        let mut sorted = masks.clone();
        sorted.sort_unstable();
        let at = |share: usize| sorted.get(sorted.len().saturating_sub(1) * share / 1_000);
        let at = |share| at(share).map_or(0.0, |time| micros(*time));
        let cold = rounds.iter().flat_map(|round| &round.masks).max().copied().unwrap_or_default();
        let compile = micros(median(rounds.iter().map(|round| round.compile)));
        let masked = if every == 1 {
            masks.iter().take(first).map(|time| micros(*time)).sum()
        } else {
            mean(&masks) * first as f64
        };
        let advanced: f64 = advances.iter().take(first).map(|time| micros(*time)).sum();
        let figures = [
            mean(&masks),
            at(500),
            at(990),
            at(1_000),
            micros(cold),
            again.iter().max().map_or(0.0, |time| micros(*time)),
            mean(&advances),
            compile / 1e3,
            (compile + masked + advanced) / 1e3,
        ];
        let (workload, engine) = (workload.to_owned(), engine.to_owned());
        Self { vocabulary: 0, workload, engine, masks: masks.len(), figures }
    }

    /// Returns the line of a file of comma-separated values.
    pub(crate) fn csv(&self) -> String {
        let figures = Self::NAMES
            .iter()
            .zip(self.figures)
            .map(|(name, figure)| format!("{name}={figure:.4}"));
        let figures: Vec<String> = figures.collect();
        let engine = self.engine.replace(',', ";");
        format!(
            "{},{},{engine},{},{}",
            self.vocabulary,
            self.workload,
            self.masks,
            figures.join(",")
        )
    }

    /// Reads such lines.
    pub(crate) fn read_all(text: &str) -> Result<Vec<Self>, Failure> {
        text.lines().map(Self::read).collect()
    }

    fn read(line: &str) -> Result<Self, Failure> {
        let wrong = || Failure::from(format!("no line of figures: {line}"));
        let cells: Vec<&str> = line.split(',').collect();
        let [vocabulary, workload, engine, masks, rest @ ..] = cells.as_slice() else {
            return Err(wrong());
        };
        let figure = |(name, cell): (&str, &&str)| {
            cell.strip_prefix(name)?.strip_prefix('=')?.parse::<f64>().ok()
        };
        let figures = Self::NAMES.into_iter().zip(rest).map(figure).collect::<Option<Vec<f64>>>();
        Ok(Self {
            vocabulary: vocabulary.parse()?,
            workload: (*workload).to_owned(),
            engine: engine.replace(';', ","),
            masks: masks.parse()?,
            figures: figures.and_then(|figures| figures.try_into().ok()).ok_or_else(wrong)?,
        })
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [mean, p50, p99, max, cold, again, advance, compile, call] = self.figures;
        write!(f, "{} {:22} {:5} {mean:9.2} ", self.workload, self.engine, self.masks)?;
        write!(f, "{p50:8.2} {p99:8.1} {max:8.0} {cold:9.0} {again:10.2} ")?;
        write!(f, "{advance:8.2} {compile:11.2} {call:12.2}")
    }
}

fn mean(times: &[Duration]) -> f64 {
    micros(times.iter().sum::<Duration>()) / times.len().max(1) as f64
}

/// Returns the median over the rounds for each step.
fn medians(rounds: &[Round], times: impl Fn(&Round) -> &Vec<Duration>) -> Vec<Duration> {
    let steps = rounds.first().map_or(0, |round| times(round).len());
    (0..steps).map(|step| median(rounds.iter().map(|round| times(round)[step]))).collect()
}

//! How far an examination is: a bar on a terminal, a line for each trial elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use chargehand_core::eval::Trial;
use chargehand_core::ports::Stop;
use serde_json::json;

use crate::cli::out;
use crate::config;
use crate::error::Error;
use crate::report::{visible, words};
use crate::ui;

/// Columns of the bar.
const WIDTH: usize = 24;

/// Counts what was done in this process.
pub(super) struct Progress {
    json: bool,
    is_bar: bool,
    total: usize,
    /// Trials that were done before it began.
    before: usize,
    done: usize,
    right: usize,
    begun: Instant,
}

impl Progress {
    /// Returns one for `total` trials, of which `before` are done.
    pub(super) fn new(json: bool, total: usize, before: usize) -> Self {
        let term = config::term();
        let is_bar = !json && ui::can_redraw(io::stderr().is_terminal(), term.as_deref());
        Self { json, is_bar, total, before, done: 0, right: 0, begun: Instant::now() }
    }

    /// Tells of one more.
    pub(super) fn tell(&mut self, label: &str, trial: &Trial) -> Result<(), Error> {
        self.done += 1;
        self.right += usize::from(trial.right);
        if self.json {
            return out::json(&json!({ "type": "trial", "trial": trial }));
        }
        if self.is_bar {
            // Nobody can be told where it goes nowhere.
            drop(write!(io::stderr(), "\r\x1b[K{}", self.bar(label)));
            return Ok(());
        }
        let mark = if trial.right {
            "right".to_owned()
        } else {
            format!("wrong: {}{}", trial.faults.join("; "), ending(&trial.stop))
        };
        let number = self.before + self.done;
        // A label comes from the name of a file, and a fault may name one of the worker's.
        let line = format!("{label} {number}/{} {} {mark}", self.total, trial.task);
        out::note(&visible::line(&line).text);
        Ok(())
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if self.is_bar {
            drop(write!(io::stderr(), "\r\x1b[K"));
        }
    }

    fn bar(&self, label: &str) -> String {
        let number = self.before + self.done;
        let full = (number * WIDTH).checked_div(self.total).unwrap_or(WIDTH).min(WIDTH);
        let left = u32::try_from(self.total.saturating_sub(number)).unwrap_or(u32::MAX);
        let done = u32::try_from(self.done.max(1)).unwrap_or(u32::MAX);
        let rest = self.begun.elapsed().as_secs_f64() / f64::from(done) * f64::from(left);
        format!(
            "{}{} {number}/{} · {} of {} right · {} left · {label}",
            "█".repeat(full),
            "░".repeat(WIDTH - full),
            self.total,
            self.right,
            self.done,
            words::millis(words::rounded(rest * 1e3)),
            label = visible::line(label).text,
        )
    }
}

/// Returns how a trial ended, where it was not by a word of the worker's.
fn ending(stop: &Stop) -> String {
    match stop {
        Stop::Finished(_) | Stop::Asked(_) => String::new(),
        stop => format!(" ({})", words::stop(stop)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_at_the_end() {
        let at = |before, total| Progress { before, ..Progress::new(false, total, 0) }.bar("m");
        assert!(at(0, 4).starts_with(&"░".repeat(WIDTH)));
        assert!(at(2, 4).starts_with(&format!("{}░", "█".repeat(WIDTH / 2))));
        assert!(at(4, 4).starts_with(&format!("{} 4/4", "█".repeat(WIDTH))));
        assert!(at(0, 0).contains("0/0"));
        let odd = Progress::new(false, 1, 0).bar("a\u{1b}[2J");
        assert!(odd.ends_with("\\u{1b}[2J"), "{odd}");
    }
}

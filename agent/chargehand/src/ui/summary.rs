//! The words at the end of a run.

use std::path::Path;

use chargehand_core::change::Change;
use chargehand_core::evidence::CheckRun;
use chargehand_core::ports::Stop;
use chargehand_core::report::{Outcome, Report, Verdict};

use super::line::one_line;
use super::{Paint, Tone};
use crate::report::{visible, words};

/// Rows of one kind; the report has the rest.
const MAX_ROWS: usize = 12;
/// Characters of a path, and of a sentence.
const MAX_PATH: usize = 60;
const MAX_WORDS: usize = 200;
/// Columns of the labels.
const LABEL: usize = 11;

/// Returns what a person reads when a run is over; `dir` has the report.
#[must_use]
pub fn summary(report: &Report, dir: &Path, paint: Paint) -> String {
    let mut text = Text { paint, text: String::from("\n"), label: "" };
    text.verdict(report);
    let is_judged = report.stop != Stop::Interrupted;
    let violations = if is_judged { report.violations.as_slice() } else { &[] };
    text.rows("violations", violations, |text, violation| {
        let subject = one_line(&violation.subject, MAX_PATH);
        let message = one_line(&violation.message, MAX_WORDS);
        format!(
            "{} {subject} {message}",
            text.paint.paint(Tone::Bad, &one_line(&violation.rule, MAX_PATH))
        )
    });
    let widest = report
        .evidence
        .changes
        .iter()
        .take(MAX_ROWS)
        .map(|change| shown(&change.path).chars().count());
    let widest = widest.max().unwrap_or_default();
    text.rows("changed", &report.evidence.changes, |text, change| text.change(change, widest));
    text.rows("checks", &report.evidence.checks, Text::check);
    text.review(report);
    text.end_of(report);
    text.next(report, dir);
    text.text
}

fn shown(path: &str) -> String {
    one_line(path, MAX_PATH)
}

struct Text {
    paint: Paint,
    text: String,
    label: &'static str,
}

impl Text {
    fn verdict(&mut self, report: &Report) {
        let (tone, word) = match report.judged() {
            None => (Tone::Strong, "■ interrupted"),
            Some(Verdict::Holds) => (Tone::Good, "✓ holds"),
            Some(Verdict::Violated) => (Tone::Bad, "✗ violated"),
        };
        let word = self.paint.paint(tone, word);
        let goal = self.paint.paint(Tone::Strong, &one_line(&report.contract.goal, MAX_WORDS));
        self.text.push_str(&format!("{word}  {goal}\n\n"));
    }

    /// Writes a row; the label stands only before the first of its kind.
    fn row(&mut self, label: &'static str, text: &str) {
        let shown = if self.label == label { "" } else { label };
        self.label = label;
        let label = self.paint.paint(Tone::Dim, &format!("{shown:<LABEL$}"));
        self.text.push_str(&format!("  {label} {text}\n"));
    }

    fn rows<T>(&mut self, label: &'static str, items: &[T], show: impl Fn(&Self, &T) -> String) {
        for item in items.iter().take(MAX_ROWS) {
            let text = show(self, item);
            self.row(label, &text);
        }
        if let Some(more) = items.len().checked_sub(MAX_ROWS).filter(|more| *more > 0) {
            self.row(label, &format!("and {} more", words::count(more as u64)));
        }
    }

    fn change(&self, change: &Change, widest: usize) -> String {
        let added = self.paint.paint(Tone::Good, &format!("+{}", change.added));
        let removed = self.paint.paint(Tone::Bad, &format!("−{}", change.removed));
        let path = shown(&change.path);
        format!("{:<8}{path:<widest$}  {added} {removed}", words::change(change.kind))
    }

    fn check(&self, run: &CheckRun) -> String {
        let sign = if run.passed { (Tone::Good, "✓") } else { (Tone::Bad, "✗") };
        let sign = self.paint.paint(sign.0, sign.1);
        let end = one_line(&run.result(), MAX_WORDS);
        format!("{sign} {}: {end}, {}", one_line(&run.name, MAX_PATH), words::millis(run.millis))
    }

    fn review(&mut self, report: &Report) {
        let Some(review) = &report.review else { return };
        let rounds = words::plural(review.rounds.len() as u64, "round");
        let (tone, word) = match review.outcome {
            Outcome::Approved => (Tone::Good, "✓ approved"),
            Outcome::Open => (Tone::Bad, "✗ open"),
        };
        let word = self.paint.paint(tone, word);
        self.row("review", &format!("{word} in {rounds}, a claim"));
        let last = review.rounds.last().and_then(|round| round.opinion.as_ref());
        let wanted = last.map(|opinion| opinion.fixes(&[])).unwrap_or_default();
        self.rows("review", &wanted, |_, fix| one_line(fix, MAX_WORDS));
    }

    fn end_of(&mut self, report: &Report) {
        let turns = words::plural(report.turns.len() as u64, "turn");
        self.row("ended", &format!("{} after {turns}", words::stop(&report.stop)));
        if let Some(detail) = words::stop_detail(&report.stop) {
            self.row("ended", &one_line(detail, MAX_WORDS));
        }
        let claim =
            report.claim.as_ref().filter(|claim| words::stop_detail(&report.stop) != Some(claim));
        if let Some(claim) = claim {
            self.row("claim", &format!("“{}”", one_line(claim, MAX_WORDS)));
        }
        let totals = &report.totals;
        if words::prompt(totals) > 0 || totals.predicted_n > 0 {
            let [read, kept, made] =
                [totals.prompt_n, totals.cache_n, totals.predicted_n].map(words::count);
            let rate = words::rate(totals.predicted_n, totals.predicted_ms);
            let rate = rate.map(|rate| format!(" at {rate}")).unwrap_or_default();
            self.row("tokens", &format!("{read} evaluated, {kept} cached, {made} generated{rate}"));
        }
        self.row("time", &words::millis(report.millis));
    }

    fn next(&mut self, report: &Report, dir: &Path) {
        let page = dir.join("report.html");
        self.row("report", &visible::line(&page.to_string_lossy()).text);
        self.text.push('\n');
        let run = one_line(&report.run, MAX_PATH);
        let diff = (format!("chargehand report {run} --diff"), "show the change");
        let accept = (format!("chargehand accept {run}"), "commit it on your branch");
        let reject = (format!("chargehand reject {run}"), "throw it away");
        let resume = (format!("chargehand resume {run}"), "go on where it stopped");
        // An interrupted run, or one with an open review, stays open, whatever its verdict: `accept` refuses it.
        let is_open = report.stop == Stop::Interrupted || report.is_open();
        let commands = match report.verdict {
            Verdict::Holds if is_open => vec![resume, diff],
            Verdict::Holds if report.is_resumable() => vec![resume, diff, accept],
            Verdict::Holds => vec![accept, diff],
            Verdict::Violated if report.is_resumable() => vec![resume, diff],
            Verdict::Violated => vec![diff, reject],
        };
        for (command, why) in commands {
            let command = self.paint.paint(Tone::Strong, &format!("{command:<48}"));
            self.row("next", &format!("{command} {}", self.paint.paint(Tone::Dim, why)));
        }
    }
}

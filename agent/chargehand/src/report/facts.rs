//! What was measured: violations, changed files, checks and the diff.

use chargehand_core::change::Change;
use chargehand_core::check::Violation;
use chargehand_core::evidence::CheckRun;
use chargehand_core::report::Report;

use super::diff::{self, File, Line};
use super::markup::Page;
use super::words;

/// Bytes of a check's output that a page shows; the log has the rest.
const MAX_OUTPUT: usize = 64 * 1024;
/// Lines of one file's diff that a page shows, and of all files together; `diff.patch` has the rest.
const MAX_FILE_LINES: usize = 2000;
const MAX_LINES: usize = 20_000;
/// A diff that is longer is folded.
const OPEN_LINES: usize = 400;
/// Characters of one line of a diff; longer ones are generated files.
const MAX_LINE: usize = 2000;
/// Lines that stand before the hunks of a file.
const MAX_NOTES: usize = 20;
/// Squares of the bar beside a changed file.
const SQUARES: u64 = 5;

/// Writes every breach.
pub(super) fn violations(page: &mut Page, report: &Report) {
    if report.violations.is_empty() {
        return;
    }
    page.raw("<section id=violations><h2>Violations</h2><ul class=violations>");
    for violation in &report.violations {
        page.raw("<li><span class=rule>").text(&violation.rule).raw("</span> <code>");
        page.text(&violation.subject).raw("</code> <span class=why>");
        page.text(&violation.message).raw("</span></li>");
    }
    page.raw("</ul></section>");
}

/// Writes what decided: changed files and checks.
pub(super) fn evidence(page: &mut Page, report: &Report, patch: &str) {
    page.raw("<section id=evidence><h2>Evidence</h2><p class=aside>")
        .raw("Measured by chargehand after the worker stopped. Only this decides.</p>");
    let files = diff::files(patch);
    changes(page, report, &files);
    checks(page, report);
    page.raw("</section>");
    patch_of(page, &files);
}

fn changes(page: &mut Page, report: &Report, files: &[File<'_>]) {
    let changes = &report.evidence.changes;
    page.raw("<h3>Changed files <small>").number(changes.len() as u64).raw("</small></h3>");
    if changes.is_empty() {
        page.raw("<p class=none>Nothing was changed.</p>");
        return;
    }
    page.raw("<table class=changes>");
    for change in changes {
        page.raw("<tr><td class=kind>").raw(words::change(change.kind)).raw("</td><td class=path>");
        match files.iter().position(|file| file.path == change.path) {
            Some(at) => {
                page.raw("<a href=\"#f").number(at as u64).raw("\"><code>").text(&change.path)
            }
            None => page.raw("<a><code>").text(&change.path),
        };
        page.raw("</code></a></td><td class=num>");
        plus_minus(page, change.added.into(), change.removed.into());
        page.raw("</td><td class=bar>");
        squares(page, change);
        page.raw("</td><td class=held>");
        // A check may be called like a file.
        let breaks = |found: &Violation| found.rule == "scope" && found.subject == change.path;
        page.raw(if report.violations.iter().any(breaks) {
            "<b class=bad>✗ not allowed</b>"
        } else {
            "<span class=good>✓ allowed</span>"
        });
        page.raw("</td></tr>");
    }
    page.raw("</table>");
}

fn plus_minus(page: &mut Page, added: u64, removed: u64) {
    page.raw("<span class=add>+").text(&words::count(added)).raw("</span> <span class=del>−");
    page.text(&words::count(removed)).raw("</span>");
}

/// Five squares that show how much of a change is new and how much is gone.
fn squares(page: &mut Page, change: &Change) {
    let (added, all) =
        (u64::from(change.added), u64::from(change.added) + u64::from(change.removed));
    let filled = all.min(SQUARES);
    let green = if all == 0 { 0 } else { (added * filled).div_ceil(all) };
    for at in 0..SQUARES {
        page.raw(match at {
            at if at < green => "<i class=a></i>",
            at if at < filled => "<i class=d></i>",
            _ => "<i></i>",
        });
    }
}

fn checks(page: &mut Page, report: &Report) {
    let required = &report.contract.checks;
    page.raw("<h3>Checks <small>").number(required.len() as u64).raw("</small></h3>");
    if required.is_empty() && report.evidence.checks.is_empty() {
        page.raw("<p class=none>The contract requires none.</p>");
    }
    restored(page, &report.evidence.restored);
    for run in &report.evidence.checks {
        let command =
            required.iter().find(|check| check.name == run.name).map(|check| check.run.join(" "));
        check(page, run, command.as_deref().unwrap_or_default());
    }
    for check in required {
        if !report.evidence.checks.iter().any(|run| run.name == check.name) {
            page.raw("<p class=check><b class=bad>✗ not run</b> <code>").text(&check.name);
            page.raw("</code> <span class=cmd>").text(&check.run.join(" ")).raw("</span></p>");
        }
    }
}

/// Commands did not see these as the worker left them.
fn restored(page: &mut Page, paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    page.raw(
        "<p class=note>Protected files that were put back as they were before the commands ran:",
    );
    for path in paths.iter().take(MAX_NOTES) {
        page.raw(" <code>").text(path).raw("</code>");
    }
    let more = paths.len().saturating_sub(MAX_NOTES) as u64;
    if more > 0 {
        page.raw(" and ").number(more).raw(" more");
    }
    page.raw("</p>");
}

fn check(page: &mut Page, run: &CheckRun, command: &str) {
    let open = if run.passed { "<details class=check>" } else { "<details class=check open>" };
    page.raw(open).raw("<summary>");
    page.raw(if run.passed { "<b class=good>✓ " } else { "<b class=bad>✗ " });
    page.short(&run.result(), 120).raw("</b> <code>").text(&run.name);
    page.raw("</code> <span class=cmd>").short(command, 200).raw("</span> <span class=cost>");
    page.text(&words::millis(run.millis)).raw("</span></summary>");
    let shown = run.output.len() as u64;
    if run.output.is_empty() {
        page.raw("<p class=none>It wrote nothing.</p>");
    } else if shown < run.output_bytes {
        page.raw("<p class=gap>It wrote ").text(&words::bytes(run.output_bytes));
        page.raw("; this is its beginning and its end. The log beside this report has more.</p>");
        page.block(&run.output, MAX_OUTPUT);
    } else {
        page.block(&run.output, MAX_OUTPUT);
    }
    page.raw("</details>");
}

/// Writes the diff.
fn patch_of(page: &mut Page, files: &[File<'_>]) {
    page.raw("<section id=diff><h2>Diff</h2>");
    if files.is_empty() {
        page.raw("<p class=none>There is none.</p>");
    }
    let mut left = MAX_LINES;
    for (at, file) in files.iter().enumerate() {
        let shown = file.lines.len().min(left).min(MAX_FILE_LINES);
        left -= shown;
        file_diff(page, at, file, shown);
    }
    page.raw("</section>");
}

fn file_diff(page: &mut Page, at: usize, file: &File<'_>, shown: usize) {
    let count = |wanted: fn(&Line<'_>) -> bool| {
        file.lines.iter().filter(|line| wanted(line)).count() as u64
    };
    page.raw("<details class=file id=f").number(at as u64);
    page.raw(if file.lines.len() <= OPEN_LINES { " open>" } else { ">" });
    page.raw("<summary><code>").text(file.path).raw("</code> <span class=num>");
    let added = count(|line| matches!(line, Line::Added { .. }));
    plus_minus(page, added, count(|line| matches!(line, Line::Removed { .. })));
    page.raw("</span></summary>");
    for note in file.notes.iter().take(MAX_NOTES) {
        page.raw("<p class=note>").short(note, MAX_LINE).raw("</p>");
    }
    page.raw("<table class=diff>");
    for line in &file.lines[..shown] {
        diff_line(page, *line);
    }
    page.raw("</table>");
    let rest = file.lines.len() - shown;
    if rest > 0 {
        page.raw("<p class=gap>").text(&words::plural(rest as u64, "line"));
        page.raw(" more; diff.patch has them all</p>");
    }
    page.raw("</details>");
}

fn diff_line(page: &mut Page, line: Line<'_>) {
    let (row, sign, old, new, text) = match line {
        Line::Hunk(text) => {
            page.raw("<tr class=hunk><td colspan=4>").short(text, MAX_LINE).raw("</td></tr>");
            return;
        }
        Line::Note(text) => {
            page.raw("<tr class=eof><td colspan=3></td><td>")
                .short(text, MAX_LINE)
                .raw("</td></tr>");
            return;
        }
        Line::Added { new, text } => ("<tr class=a><td class=n>", "+", None, Some(new), text),
        Line::Removed { old, text } => ("<tr class=d><td class=n>", "-", Some(old), None, text),
        Line::Same { old, new, text } => ("<tr><td class=n>", " ", Some(old), Some(new), text),
    };
    page.raw(row);
    if let Some(old) = old {
        page.number(old);
    }
    page.raw("</td><td class=n>");
    if let Some(new) = new {
        page.number(new);
    }
    page.raw("</td><td class=s>").raw(sign).raw("</td><td class=c>");
    page.text(text.get(..text.floor_char_boundary(MAX_LINE)).unwrap_or(text));
    if text.len() > MAX_LINE {
        page.raw("<span class=gap>… ").text(&words::plural((text.len() - MAX_LINE) as u64, "byte"));
        page.raw(" more</span>");
    }
    page.raw("</td></tr>");
}

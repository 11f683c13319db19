//! The report for people and the form for programs.

use chargehand::report::{html, visible, words};
use chargehand_core::change::{Change, ChangeKind};
use chargehand_core::check::Violation;
use chargehand_core::evidence::{CheckEnd, CheckRun};
use chargehand_core::ports::Stop;
use chargehand_core::rel_path::is_invisible;
use chargehand_core::report::{Report, Verdict};
use chargehand_core::tool::ToolCall;
use serde_json::{Value, json};

use crate::sample::{self, Sample};
use crate::{golden, schema};

const SCHEMA: &str = include_str!("../../../../docs/report.schema.json");

/// Returns the page without its style, which changes more often than what it says.
fn page(sample: &Sample) -> String {
    let html = html::render(&sample.report, &sample.patch);
    let (head, rest) = html.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    format!("{head}{body}")
        .replace("<section", "\n<section")
        .replace("<tr", "\n<tr")
        .replace("<details", "\n<details")
}

#[test]
fn golden_pages() {
    golden::check("report-holds.html", &page(&sample::holds()));
    golden::check("report-violated.html", &page(&sample::violated()));
    golden::check("report-hostile.html", &page(&sample::hostile()));
}

#[test]
fn hostile_text_stays_text() {
    let html = html::render(&sample::hostile().report, &sample::hostile().patch);
    for markup in ["<script", "<img", "onerror=alert(1)>\"", "<b>it</b>", "</blockquote>\u{1b}"] {
        assert!(!html.contains(markup), "{markup} is markup in the page");
    }
    let bad =
        html.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || is_invisible(*c));
    assert_eq!(bad, None);
    assert!(html.contains("hidden characters</b>"), "hidden characters are counted");
    for tag in ["section", "details", "table", "pre", "dl", "ul", "blockquote"] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "<{tag}>");
    }
}

#[test]
fn a_page_loads_nothing() {
    let html = html::render(&sample::holds().report, &sample::holds().patch);
    assert!(html.contains("default-src 'none'"));
    for way in ["http://", "https://", "src=\"", "url(", "@import", "<link", "<script"] {
        assert!(!html.contains(way), "{way}");
    }
    assert!(!html.contains("hidden character"), "nothing is hidden in an ordinary run");
}

#[test]
fn a_check_that_is_called_like_a_file_marks_no_file() {
    let mut report = sample::holds().report;
    let path = report.evidence.changes[0].path.clone();
    let rows = |report: &Report| html::render(report, "").matches("✗ not allowed").count();
    for (rule, marked) in [("command", 0), ("scope", 1)] {
        let (rule, subject) = (rule.to_owned(), path.clone());
        let (message, evidence) = ("m".to_owned(), Vec::new());
        report.violations = vec![Violation { rule, subject, message, evidence }];
        assert_eq!(rows(&report), marked);
    }
}

#[test]
fn a_call_has_a_subject() {
    #[track_caller]
    fn check(written: &str, expect: &str) {
        assert_eq!(words::subject(&ToolCall::new("t", written).unwrap()), expect);
    }
    check(r#"{"path":"a","content":"x"}"#, "a");
    check(r#"{"text":"wanted"}"#, "wanted");
    check(r#"{"name":"tests"}"#, "tests");
    check(r#"{"path":7,"summary":"done"}"#, "done");
    check("{}", "");
}

/// Renders a run whose only check wrote `output`.
fn with_output(output: &str) -> String {
    let mut sample = sample::holds();
    let run = &mut sample.report.evidence.checks[0];
    run.output = output.to_owned();
    run.output_bytes = output.len() as u64;
    html::render(&sample.report, "")
}

#[test]
fn a_long_output_is_cut_in_the_middle_and_only_then() {
    const MAX: usize = 64 * 1024;
    let whole = with_output(&format!("<begin>{}<end>", "a".repeat(MAX - 12)));
    assert!(whole.contains("&lt;begin&gt;a") && whole.contains("a&lt;end&gt;"));
    assert!(!whole.contains("left out"));
    let cut = with_output(&format!("<begin>{}<end>", "ä".repeat(MAX)));
    assert!(cut.contains("&lt;begin&gt;ä") && cut.contains("ä&lt;end&gt;"));
    assert!(cut.contains("bytes are left out here"));
    let lines = with_output(&"0123456789\n".repeat(10_000));
    assert!(
        lines.contains("0123456789\n</pre><p class=gap>")
            && lines.contains("</p><pre>0123456789\n")
    );
}

/// Renders `patch` and counts its rows.
fn rows(patch: &str) -> (usize, usize, usize) {
    let html = html::render(&sample::holds().report, patch);
    let count = |text: &str| html.matches(text).count();
    (count("<tr class=a>"), count("<tr class=d>"), count("<tr><td class=n>"))
}

#[test]
fn lines_of_a_hunk_are_counted() {
    assert_eq!(rows(""), (0, 0, 0));
    assert_eq!(rows("no patch\n+at all\n"), (0, 0, 0));
    let head = "diff --git a/f b/f\n--- a/f\n+++ b/f\n";
    assert_eq!(rows(&format!("{head}@@ -1 +1 @@\n--- a/f\n+++ b/f\n")), (1, 1, 0));
    assert_eq!(
        rows(&format!("{head}@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n")),
        (1, 1, 1)
    );
    assert_eq!(rows(&format!("{head}@@ -1,2 +1,3 @@\n a\n\n+c\n")), (1, 0, 2));
    assert_eq!(rows(&format!("{head}@@ -1 +1,0 @@\n-a\n-b\n")), (0, 1, 0));
    assert_eq!(
        rows(&format!("{head}@@ -1,9 +1,9 @@\n a\ndiff --git a/g b/g\n@@ -0,0 +1 @@\n+b\n")),
        (1, 0, 1)
    );
    assert_eq!(rows(&format!("{head}@@ -1,99999999999999999999 +1 @@\n+b\n")), (0, 0, 0));
}

#[test]
fn a_file_shows_two_thousand_lines_and_no_more() {
    let patch = |lines: usize| {
        format!("diff --git a/f b/f\n@@ -0,0 +1,{lines} @@\n{}", "+a\n".repeat(lines))
    };
    assert_eq!(rows(&patch(1999)), (1999, 0, 0));
    assert_eq!(rows(&patch(2000)), (1999, 0, 0));
    let html = html::render(&sample::holds().report, &patch(2000));
    assert!(
        html.contains("1 line more; diff.patch has them all"),
        "the header of the hunk is a line too"
    );
}

#[test]
fn hidden_characters_are_spelt_out() {
    #[track_caller]
    fn check(text: &str, expect: &str, hidden: usize) {
        let seen = visible::line(text);
        assert_eq!((seen.text.as_str(), seen.hidden), (expect, hidden));
    }
    check("plain ä 漢 😀", "plain ä 漢 😀", 0);
    check("a\u{1b}[2J", "a\\u{1b}[2J", 1);
    check("a\nb\tc\r", "a\\nb\\tc\\r", 3);
    check("\u{202e}\u{2066}\u{200b}\u{feff}", "\\u{202e}\\u{2066}\\u{200b}\\u{feff}", 4);
    check("\u{7f}\u{9b}\u{3164}\u{fe0f}\u{e0041}", "\\u{7f}\\u{9b}\\u{3164}\\u{fe0f}\\u{e0041}", 5);
    check("⚠\u{fe0f} a\u{fe0f} ⚠\u{fe0f}\u{fe0f}", "⚠\u{fe0f} a\\u{fe0f} ⚠\u{fe0f}\\u{fe0f}", 2);
    check("p\u{430}ypal vs \u{441}\u{43e}\u{440}", "p\\u{430}ypal vs \u{441}\u{43e}\u{440}", 1);
    check(
        "s\u{131}n\u{131}f, 5 \u{b5}s, API\u{ff1a}x",
        "s\u{131}n\u{131}f, 5 \u{b5}s, API\u{ff1a}x",
        0,
    );
    check("src\u{2215}a \u{ff57}ord", "src\\u{2215}a \\u{ff57}ord", 2);
    assert_eq!(visible::json("\"\u{7f}\u{202e}\u{e0041}ä\""), "\"\\u007f\\u202e\\udb40\\udc41ä\"");
    assert_eq!(visible::block("a\n\tb\r").text, "a\n\tb\\r");
    assert_eq!(
        [visible::cut("abc", 3), visible::cut("abcd", 3), visible::cut("ab", 0)],
        ["abc", "ab…", "…"]
    );
}

#[test]
fn numbers_are_written_for_people() {
    assert_eq!([0, 999, 1000, 1_234_567].map(words::count), ["0", "999", "1,000", "1,234,567"]);
    let times = [0, 999, 1000, 59_999, 60_000, 61_000, 3_599_999, 3_600_000, 3_660_000];
    let expect = [
        "0 ms",
        "999 ms",
        "1.0 s",
        "59.9 s",
        "1 min",
        "1 min 01 s",
        "59 min 59 s",
        "1 h",
        "1 h 01 min",
    ];
    assert_eq!(times.map(words::millis), expect);
    assert_eq!([f64::NAN, -5.0, 1.5, 0.4].map(words::measured), ["0 ms", "0 ms", "2 ms", "0 ms"]);
    assert_eq!(
        [1023, 1024, 1_048_575, 1_048_576, 1 << 30].map(words::bytes),
        ["1023 B", "1.0 KiB", "1023.9 KiB", "1.0 MiB", "1.0 GiB"]
    );
    let moments = [0, 951_782_399, 951_782_400, 1_709_164_800, 4_107_542_399].map(words::moment);
    assert_eq!(
        moments,
        [
            "1970-01-01 00:00:00 UTC",
            "2000-02-28 23:59:59 UTC",
            "2000-02-29 00:00:00 UTC",
            "2024-02-29 00:00:00 UTC",
            "2100-02-28 23:59:59 UTC",
        ]
    );
    assert_eq!(words::rate(0, 1.0), None);
    assert_eq!(words::rate(1, 0.0), None);
    assert_eq!(words::rate(1, f64::NAN), None);
    assert_eq!(words::rate(99, 10_000.0).unwrap(), "9.9 tok/s");
    assert_eq!(words::rate(100, 10_000.0).unwrap(), "10 tok/s");
}

fn schema_errors(report: &Value) -> Vec<String> {
    schema::errors(&serde_json::from_str(SCHEMA).unwrap(), report)
}

#[test]
fn an_interrupted_run_has_no_verdict_on_its_page() {
    let sample = sample::violated();
    let report = Report { stop: Stop::Interrupted, ..sample.report };
    let page = html::render(&report, "");
    assert!(page.contains("<h1>Interrupted</h1>") && !page.contains("<h1>Violated"), "{page}");
}

/// Every variant that a report can have, in a report each.
fn all_reports() -> Vec<Report> {
    let mut all: Vec<Report> = [sample::holds(), sample::violated(), sample::hostile()]
        .into_iter()
        .map(|sample| sample.report)
        .collect();
    let base = all[0].clone();
    let text = || "why".to_owned();
    let stops = [
        Stop::Finished(text()),
        Stop::Asked(text()),
        Stop::ScriptEnded,
        Stop::TurnLimit(1),
        Stop::TokenLimit(u64::MAX),
        Stop::TimeLimit(1),
        Stop::ContextLimit(1),
        Stop::Interrupted,
        Stop::WorkerFailed(text()),
    ];
    all.extend(stops.map(|stop| Report { stop, ..base.clone() }));
    let flaky = CheckEnd::Flaky { passed: 1, runs: 2 };
    let ends = [
        CheckEnd::Exit(-1),
        CheckEnd::Signal(9),
        CheckEnd::TimedOut,
        flaky,
        CheckEnd::NotStarted(text()),
    ];
    for end in ends {
        let mut report = base.clone();
        let run = CheckRun {
            name: text(),
            end,
            passed: false,
            millis: 0,
            output: String::new(),
            output_bytes: u64::MAX,
        };
        report.evidence.checks = vec![run];
        all.push(report);
    }
    use ChangeKind::{Added, Deleted, Mode, Modified, Type};
    for kind in [Added, Modified, Deleted, Mode, Type] {
        let mut report = base.clone();
        report.evidence.changes = vec![Change {
            path: text(),
            kind,
            regular: false,
            added: u32::MAX,
            removed: 0,
            bytes: 0,
        }];
        all.push(report);
    }
    let least =
        Report { base: None, claim: None, prompt_tokens: None, turns: Vec::new(), ..base.clone() };
    all.push(Report { verdict: Verdict::Violated, sandbox: Vec::new(), ..least });
    all
}

#[test]
fn every_report_has_the_published_form() {
    for report in all_reports() {
        let value = serde_json::to_value(&report).unwrap();
        assert_eq!(schema_errors(&value), Vec::<String>::new());
        assert_eq!(serde_json::from_value::<Report>(value).unwrap(), report);
        assert!(html::render(&report, "").ends_with("</html>\n"));
    }
}

#[test]
fn the_published_form_is_strict() {
    #[track_caller]
    fn check(pointer: &str, value: Value) {
        let mut report = serde_json::to_value(sample::violated().report).unwrap();
        *report.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        assert_ne!(schema_errors(&report), Vec::<String>::new(), "{pointer} may be anything");
    }
    check("/schema", json!(2));
    check("/verdict", json!("fine"));
    check("/base", json!("HEAD"));
    check("/millis", json!(-1));
    check("/stop", json!({ "kind": "bored" }));
    check("/stop/detail", json!(null));
    check("/contract/limits/time", json!("1h"));
    check("/contract/limits/turns", json!(0));
    check("/contract/scope/max_changed_lines", json!(4_294_967_296_u64));
    check("/contract/scope/frozen", json!(["dependancies"]));
    check("/evidence/guarded", json!([{ "guard": "g" }]));
    check("/evidence/changes/0/id", json!(7));
    check("/violations/0/evidence", json!("all of it"));
    check("/contract/limits/reads", json!(-1));
    check("/contract/gates", json!({ "no_repeat": true }));
    check("/contract/gates/no_repeat", json!("off"));
    check("/turns/0/gates/0/gate", json!("no_such_gate"));
    check("/turns/0/gates/0", json!("finish: why"));
    check("/evidence/changes/0/kind", json!("renamed"));
    check("/evidence/checks/0/end", json!("exit"));
    check("/turns/0/call", json!({ "name": "x" }));
    check("/turns/0/observation/ok", json!("yes"));
    check("/totals", json!({}));
    let mut report = serde_json::to_value(sample::holds().report).unwrap();
    report["extra"] = json!(1);
    assert_eq!(schema_errors(&report), [": `extra` is not described"]);
}

//! What is seen of a run while it goes on, and when it is over.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chargehand::report::visible;
use chargehand::ui::{self, Json, Live, Paint, Phase, Plain, Start, Terminal, View};
use chargehand_core::event::{Event, Part};
use chargehand_core::ports::Stop;
use chargehand_core::report::{Outcome, Report, Reviewed};
use serde_json::Value;

use crate::golden;
use crate::sample::{self, Sample};

const DIR: &str = "/home/ada/.local/state/chargehand/runs/20260822-140309-7af3";

/// Tells `view` the whole of a run.
fn play(sample: &Sample, view: &mut dyn View) {
    let report = &sample.report;
    let Sample { events, .. } = sample;
    view.begin(&start(sample));
    view.phase(Phase::Preparing);
    view.phase(Phase::Working);
    for event in events {
        view.event(event);
    }
    view.phase(Phase::Verifying);
    for run in &report.evidence.checks {
        view.event(&Event::Checked { run: run.clone() });
    }
    view.finished(report, Path::new(DIR));
}

fn start(sample: &Sample) -> Start<'_> {
    let report = &sample.report;
    Start {
        run: &report.run,
        worker: &report.worker,
        base: report.base.as_deref(),
        contract: &report.contract,
    }
}

fn plain(sample: &Sample) -> String {
    let (mut progress, mut result) = (Vec::new(), Vec::new());
    play(sample, &mut Plain::new(&mut progress, &mut result));
    format!(
        "{}--- stdout\n{}",
        String::from_utf8(progress).unwrap(),
        String::from_utf8(result).unwrap()
    )
}

fn stream(sample: &Sample) -> String {
    let mut out = Vec::new();
    play(sample, &mut Json::new(&mut out));
    String::from_utf8(out).unwrap()
}

#[test]
fn golden_plain_lines() {
    golden::check("plain-holds.txt", &plain(&sample::holds()));
    golden::check("plain-violated.txt", &plain(&sample::violated()));
    golden::check("plain-hostile.txt", &plain(&sample::hostile()));
}

#[test]
fn golden_streams() {
    golden::check("stream-holds.jsonl", &stream(&sample::holds()));
    golden::check("stream-hostile.jsonl", &stream(&sample::hostile()));
}

#[test]
fn golden_summaries() {
    let mut sample = sample::holds();
    let mut text = String::new();
    let mut add =
        |sample: &Sample| text += &ui::summary(&sample.report, Path::new(DIR), Paint::Plain);
    add(&sample);
    add(&sample::violated());
    add(&sample::hostile());
    sample.report.stop = Stop::Asked("Which of the two export commands?".to_owned());
    sample.report.claim = Some("Which of the two export commands?".to_owned());
    let change = sample.report.evidence.changes[0].clone();
    sample.report.evidence.changes = vec![change; 13];
    add(&sample);
    golden::check("summary.txt", &text);
    let coloured = ui::summary(&sample::holds().report, Path::new(DIR), Paint::Colour);
    golden::check("summary-colour.txt", &coloured.replace('\u{1b}', "ESC"));
}

/// What can be gone on with is offered to, whatever its verdict.
#[test]
fn what_to_do_next_follows_from_the_end() {
    #[track_caller]
    fn check(stop: Stop, outcome: Option<Outcome>, expect: [&[&str]; 2]) {
        for (sample, expect) in [sample::holds(), sample::violated()].into_iter().zip(expect) {
            let review = outcome.map(|outcome| Reviewed { outcome, rounds: Vec::new() });
            let report = Report { stop: stop.clone(), review, ..sample.report };
            let text = ui::summary(&report, Path::new(DIR), Paint::Plain);
            let next = text.rsplit_once("\n\n").unwrap().1.trim().trim_start_matches("next");
            let word = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
            assert_eq!(next.lines().map(word).collect::<Vec<_>>(), expect, "{text}");
        }
    }
    let died = || Stop::WorkerFailed("signal 9".to_owned());
    let again: &[&str] = &["resume", "report"];
    check(Stop::ScriptEnded, None, [&["accept", "report"], &["report", "reject"]]);
    check(Stop::ScriptEnded, Some(Outcome::Open), [again, again]);
    check(Stop::Interrupted, None, [again, again]);
    check(Stop::TurnLimit(1), None, [&["resume", "report", "accept"], again]);
    check(died(), None, [&["resume", "report", "accept"], again]);
    check(died(), Some(Outcome::Open), [again, again]);
}

#[test]
fn colours_say_nothing_that_the_words_do_not() {
    for sample in [sample::holds(), sample::violated(), sample::hostile()] {
        let plain = ui::summary(&sample.report, Path::new(DIR), Paint::Plain);
        let coloured = ui::summary(&sample.report, Path::new(DIR), Paint::Colour);
        assert_eq!(without_colours(&coloured), plain);
    }
}

/// Returns `text` without colours; anything else that a terminal acts on stays.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let mut rest = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| !(c.is_ascii_digit() || c == ';')).unwrap();
        let tail = piece[end..].strip_prefix('m');
        rest.push_str(tail.map_or_else(|| format!("\u{1b}[{piece}"), str::to_owned).as_str());
    }
    rest
}

#[test]
fn nothing_foreign_moves_the_cursor() {
    let hostile = sample::hostile();
    for text in [plain(&hostile), stream(&hostile)] {
        let bad = text.chars().find(|c| visible::is_hidden(*c) && *c != '\n');
        assert_eq!(bad, None);
    }
}

#[test]
fn a_stream_is_json_and_ends_with_the_report() {
    for sample in [sample::holds(), sample::violated(), sample::hostile()] {
        let text = stream(&sample);
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let first = &lines[0];
        assert_eq!(
            (&first["type"], &first["schema"]),
            (&"thread.started".into(), &ui::STREAM_SCHEMA.into())
        );
        let last = lines.last().unwrap();
        assert_eq!(last["type"], "report");
        assert_eq!(last["report"], serde_json::to_value(&sample.report).unwrap());
        assert_eq!(last["exit_code"], sample.report.exit_code());
        check_items(&lines);
        let used =
            |name: &str| lines.iter().filter_map(|line| line["usage"][name].as_u64()).sum::<u64>();
        let totals = &sample.report.totals;
        assert_eq!(used("output_tokens"), totals.predicted_n);
        assert_eq!(used("input_tokens"), totals.prompt_n + totals.cache_n);
        assert_eq!(used("cached_input_tokens"), totals.cache_n);
    }
}

/// Every item that starts ends, once, and every turn too.
#[track_caller]
fn check_items(lines: &[Value]) {
    let ids = |kind: &str| {
        let of_kind = lines.iter().filter(|line| line["type"] == kind);
        of_kind.map(|line| line["item"]["id"].clone()).collect::<Vec<_>>()
    };
    let (started, completed) = (ids("item.started"), ids("item.completed"));
    assert!(started.iter().all(|id| completed.contains(id)));
    let mut once: Vec<String> = completed.iter().map(Value::to_string).collect();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), completed.len());
    assert_eq!(ids("turn.started").len(), ids("turn.completed").len());
}

#[test]
fn a_turn_that_is_broken_off_has_an_end_too() {
    #[track_caller]
    fn check(stop: Stop, expect: &str) {
        let mut out = Vec::new();
        let mut view = Json::new(&mut out);
        view.event(&Event::TurnStarted { turn: 1, tools: Vec::new(), gates: Vec::new() });
        view.event(&Event::Stopped { stop });
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text.lines().nth(1).unwrap(),
            format!(r#"{{"type":"turn.failed","error":{{"message":"{expect}"}}}}"#)
        );
    }
    check(Stop::Interrupted, "it was interrupted");
    check(Stop::ScriptEnded, "the script is at its end");
    check(Stop::WorkerFailed("signal 9".to_owned()), "signal 9");
}

#[test]
fn golden_status_lines() {
    let sample = sample::holds();
    let mut live = Live::default();
    let mut text = String::new();
    let mut now = Duration::ZERO;
    text += &format!("{}\n", live.line(now, 120));
    live.begin(&start(&sample));
    live.phase(Phase::Loading);
    for event in &sample.events {
        now += Duration::from_millis(130);
        live.see(event, now);
        text += &format!("{}\n", live.line(now, 120));
    }
    let turn =
        Event::TurnStarted { turn: 8, tools: vec!["read_file".to_owned()], gates: Vec::new() };
    live.see(&turn, now);
    for (at, piece) in ["{\"tool\":\"re", "ad_file\",\"args\":{\"pa", "th\": \"src/main.rs\"", "}}"]
        .iter()
        .enumerate()
    {
        now += Duration::from_millis(50);
        live.see(
            &Event::Tokens {
                part: Part::Call,
                text: (*piece).to_owned(),
                count: at as u64 * 4 + 1,
            },
            now,
        );
        text += &format!("{}\n", live.line(now, 120));
    }
    for width in [120, 100, 80, 60, 40, 20, 10, 1, 0] {
        text += &format!("{width:>3}: {}\n", live.line(now, width));
    }
    golden::check("live.txt", &text);
}

#[test]
fn what_is_thought_is_on_the_status_line_until_a_call_begins() {
    let mut live = Live::default();
    let (tools, gates) = (vec!["read_file".to_owned()], Vec::new());
    live.see(&Event::TurnStarted { turn: 1, tools, gates }, Duration::ZERO);
    let mut hear = |part, text: &str| {
        let text = text.to_owned();
        live.see(&Event::Tokens { part, text, count: 3 }, Duration::ZERO);
        live.line(Duration::ZERO, 120)
    };
    let line = hear(Part::Reasoning, "The file is\nlong, so ");
    assert!(line.contains("thinking: The file is"), "{line}");
    let line = hear(Part::Reasoning, "I read all of it first. And then it can be changed.");
    assert!(line.contains("then it can be changed.") && !line.contains("The file"), "{line}");
    let line = hear(Part::Call, "{\"tool\":");
    assert!(!line.contains("changed"), "{line}");
}

#[test]
fn a_status_line_never_wraps() {
    let sample = sample::hostile();
    for width in 0..200 {
        let mut live = Live::default();
        live.begin(&start(&sample));
        for event in &sample.events {
            live.see(event, Duration::from_millis(900));
            let line = live.line(Duration::from_millis(1234), width);
            assert!(line.chars().count() <= width, "{width}: {line}");
            assert_eq!(line.chars().find(|c| c.is_control()), None);
        }
        let call = Event::Tokens {
            part: Part::Call,
            text: "{\"name\":\"read_file\",\"path\":\"漢字漢字漢字漢字.md\"".to_owned(),
            count: 9,
        };
        let turn =
            Event::TurnStarted { turn: 9, tools: vec!["read_file".to_owned()], gates: Vec::new() };
        live.see(&turn, Duration::ZERO);
        live.see(&call, Duration::ZERO);
        let wide = |c: char| if ('\u{4e00}'..'\u{a000}').contains(&c) { 2 } else { 1 };
        let line = live.line(Duration::ZERO, width);
        assert!(line.chars().map(wide).sum::<usize>() <= width, "{width}: {line}");
    }
}

/// A stream that can be looked at.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn a_terminal_keeps_the_lines_and_takes_its_status_away() {
    for sample in [sample::holds(), sample::hostile()] {
        let (progress, result) = (Shared::default(), Shared::default());
        let paints = (Paint::Colour, Paint::Plain);
        let mut view =
            Terminal::on(Box::new(progress.clone()), Box::new(result.clone()), paints, || 50);
        play(&sample, &mut view);
        drop(view);
        let seen = progress.text();
        let drawn = without_colours(&seen).replace("\r\u{1b}[K", "\u{0}");
        assert_eq!(
            drawn.chars().find(|c| visible::is_hidden(*c) && !matches!(c, '\u{0}' | '\n')),
            None
        );
        assert!(seen.ends_with("\r\u{1b}[K"), "the status line is gone at the end");
        for status in drawn.split('\u{0}').filter(|text| !text.ends_with('\n')) {
            assert!(status.chars().count() < 50, "{status}");
        }
        let lines: String = drawn.split('\u{0}').filter(|text| text.ends_with('\n')).collect();
        let phases = ["preparing", "working", "verifying"];
        let (words, _) = plain(&sample)
            .split_once("--- stdout\n")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let words: String = words
            .lines()
            .filter(|line| !phases.contains(line))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(lines, words, "a terminal shows the same lines as a file");
        assert_eq!(result.text(), ui::summary(&sample.report, Path::new(DIR), Paint::Plain));
    }
}

#[test]
fn the_environment_decides_about_colour_and_redrawing() {
    #[track_caller]
    fn check(is_terminal: bool, no_color: Option<&str>, term: Option<&str>, expect: (Paint, bool)) {
        let (no_color, term) = (no_color.map(OsStr::new), term.map(OsStr::new));
        assert_eq!(
            (Paint::of(is_terminal, no_color, term), ui::can_redraw(is_terminal, term)),
            expect
        );
    }
    check(true, None, Some("xterm"), (Paint::Colour, true));
    check(true, Some(""), Some("xterm"), (Paint::Colour, true));
    check(true, Some("0"), Some("xterm"), (Paint::Plain, true));
    check(true, None, Some("dumb"), (Paint::Plain, false));
    check(true, None, Some(""), (Paint::Plain, false));
    check(true, None, None, (Paint::Plain, false));
    check(false, None, Some("xterm"), (Paint::Plain, false));
}

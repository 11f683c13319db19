//! Plain lines: one for each thing that happened, and the words for them.

use std::io::Write;
use std::path::Path;

use chargehand_core::event::Event;
use chargehand_core::evidence::CheckRun;
use chargehand_core::memory::Plan;
use chargehand_core::opinion::Opinion;
use chargehand_core::ports::{Stop, Usage};
use chargehand_core::report::Report;
use chargehand_core::tool::{Observation, ToolCall};

use super::{Lost, Paint, Phase, Start, Tone, View, summary};
use crate::report::{visible, words};

/// Characters of foreign text on one line.
const MAX_SUBJECT: usize = 60;
const MAX_REASON: usize = 160;
/// Columns of a tool's name and of what it is called on; longer ones push the rest to the right.
const TOOL: usize = 10;
const SUBJECT: usize = 28;

/// Pieces of one line with their tones.
#[derive(Debug, Default)]
pub(super) struct Line(Vec<(Option<Tone>, String)>);

impl Line {
    fn put(mut self, tone: Option<Tone>, text: &str) -> Self {
        self.0.push((tone, text.to_owned()));
        self
    }

    /// Puts a piece of ours, or one that was made visible before.
    fn tone(self, tone: Tone, text: &str) -> Self {
        self.put(Some(tone), text)
    }

    /// Puts foreign text.
    fn foreign(self, tone: Option<Tone>, text: &str, max: usize) -> Self {
        self.put(tone, &one_line(text, max))
    }

    /// Returns the line as a terminal may have it.
    pub(super) fn painted(&self, paint: Paint) -> String {
        let piece = |(tone, text): &(Option<Tone>, String)| match tone {
            Some(tone) => paint.paint(*tone, text),
            None => text.clone(),
        };
        self.0.iter().map(piece).collect()
    }
}

/// Returns foreign text cut to `max` characters of one line, with nothing in it that a terminal would act on.
pub(super) fn one_line(text: &str, max: usize) -> String {
    // The longest escape has ten characters: what lies further on cannot be seen anyway.
    let near = visible::cut(text.trim_end(), max.saturating_add(1));
    visible::cut(&visible::line(&near).text, max)
}

/// Turns events into lines. It remembers the call of a turn until its answer is there.
#[derive(Debug, Default)]
pub(super) struct Story {
    pending: Option<(u32, Said, Usage)>,
    check: Option<CheckRun>,
    verifying: bool,
}

/// What a worker said in a turn.
#[derive(Debug)]
enum Said {
    Call(ToolCall),
    NoCall(String),
}

impl Story {
    /// Returns the lines that open a run.
    pub(super) fn begin(start: &Start<'_>) -> [Line; 2] {
        let run = Line::default().tone(Tone::Strong, "run ").foreign(None, start.run, MAX_SUBJECT);
        let run = run.tone(Tone::Dim, " · worker ").foreign(None, start.worker, MAX_REASON);
        let goal = Line::default().tone(Tone::Strong, "goal ");
        [run, goal.foreign(None, &start.contract.goal, MAX_REASON)]
    }

    /// Returns a line for each model of a plan.
    pub(super) fn planned(plan: &Plan) -> Vec<Line> {
        let line = |footprint: &chargehand_core::memory::Footprint| {
            let pools = footprint.by_pool();
            let pools: Vec<_> =
                pools.iter().map(|(pool, bytes)| format!("{bytes} of {pool}")).collect();
            let line = Line::default().tone(Tone::Strong, "memory ");
            let line = line.foreign(None, &footprint.model, MAX_SUBJECT).put(None, " takes ");
            line.foreign(None, &pools.join(", "), MAX_REASON)
        };
        plan.footprints().iter().map(line).collect()
    }

    /// Takes note of the phase: checks are told apart by it.
    pub(super) fn phase(&mut self, phase: Phase) {
        self.verifying = phase.is_ours();
    }

    /// Returns the lines for what happened.
    pub(super) fn event(&mut self, event: &Event) -> Vec<Line> {
        match event {
            Event::TurnStarted { .. } => {
                self.verifying = false;
                Vec::new()
            }
            Event::Tokens { .. } | Event::Reasoned { .. } | Event::PhaseStarted { .. } => {
                Vec::new()
            }
            Event::Reviewed { opinion, .. } => opinion_lines(opinion),
            Event::Proposed { command, approval } => {
                let line = Line::default().tone(Tone::Strong, "  ? ");
                let line = line.put(None, words::approval(*approval)).put(None, ": ");
                vec![line.put(None, &visible::command(command))]
            }
            Event::Called { turn, call, usage } => {
                self.pending = Some((*turn, Said::Call(call.clone()), *usage));
                Vec::new()
            }
            Event::Malformed { turn, reason, usage, .. } => {
                self.pending = Some((*turn, Said::NoCall(reason.clone()), *usage));
                Vec::new()
            }
            Event::Observed { observation, .. } => self.answered(observation),
            Event::Checked { run } if self.verifying => vec![check_line(run)],
            Event::Checked { run } => {
                self.check = Some(run.clone());
                Vec::new()
            }
            Event::WorkerRestarted { reason } => {
                let line = Line::default().tone(Tone::Bad, "  ! worker restarted: ");
                vec![line.foreign(None, reason, MAX_REASON)]
            }
            Event::MemoryWarned { reason } => {
                let line = Line::default().tone(Tone::Bad, "  ! ");
                vec![line.foreign(None, reason, MAX_REASON)]
            }
            Event::ModelChanged(handover) => {
                let line = Line::default().put(None, "  ");
                vec![line.foreign(Some(Tone::Dim), &handover.to_string(), MAX_REASON)]
            }
            Event::Stopped { stop } => self.stopped(stop),
        }
    }

    fn answered(&mut self, observation: &Observation) -> Vec<Line> {
        let Some((turn, said, usage)) = self.pending.take() else { return Vec::new() };
        let check = self.check.take();
        // A check that fails is a call that worked; what people look for is how the check ended.
        let good = observation.ok && check.as_ref().is_none_or(|run| run.passed);
        let end = check.map(|run| format!(": {}", run.result())).unwrap_or_default();
        let mut lines = vec![cost(turn_line(turn, Some(good), &said, &end), &usage)];
        if !observation.ok {
            lines.push(Line::default().put(None, "        ").foreign(
                Some(Tone::Dim),
                &observation.text,
                MAX_REASON,
            ));
        }
        lines
    }

    fn stopped(&mut self, stop: &Stop) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some((turn, said, usage)) = self.pending.take() {
            lines.push(cost(turn_line(turn, None, &said, ""), &usage));
        }
        let line = Line::default().tone(Tone::Strong, "stop ").put(None, &words::stop(stop));
        lines.push(match words::stop_detail(stop) {
            Some(detail) => line.put(None, ": ").foreign(None, detail, MAX_REASON),
            None => line,
        });
        lines
    }
}

/// `  3 ✓ edit_file  src/export.rs`; without an outcome the call ended the run.
fn turn_line(turn: u32, good: Option<bool>, said: &Said, end: &str) -> Line {
    let line = Line::default().tone(Tone::Dim, &format!("{turn:>4} "));
    let line = match good {
        Some(true) => line.tone(Tone::Good, "✓ "),
        Some(false) => line.tone(Tone::Bad, "✗ "),
        None => line.tone(Tone::Dim, "■ "),
    };
    match said {
        Said::Call(call) => {
            let name = format!("{:<TOOL$} ", one_line(&call.name, MAX_SUBJECT));
            let subject = one_line(&format!("{}{end}", words::subject(call)), MAX_SUBJECT);
            line.tone(Tone::Name, &name).put(None, &format!("{subject:<SUBJECT$}"))
        }
        Said::NoCall(reason) => line.put(None, "no call: ").foreign(None, reason, MAX_SUBJECT),
    }
}

fn cost(line: Line, usage: &Usage) -> Line {
    if words::prompt(usage) == 0 && usage.predicted_n == 0 {
        return line;
    }
    let mut parts = vec![format!("  {}", words::measured(usage.prompt_ms + usage.predicted_ms))];
    parts.push(format!("{} evaluated", words::count(usage.prompt_n)));
    parts.push(format!("{} cached", words::count(usage.cache_n)));
    parts.push(format!("{} generated", words::count(usage.predicted_n)));
    parts.extend(words::rate(usage.predicted_n, usage.predicted_ms));
    line.tone(Tone::Dim, &parts.join(" · "))
}

/// A line for each criterion that is not met and for each change that is wanted.
fn opinion_lines(opinion: &Opinion) -> Vec<Line> {
    let unmet = opinion.answers.iter().filter(|answer| !answer.met).map(|answer| {
        let line =
            Line::default().tone(Tone::Bad, &format!("  ✗ criterion {}: ", answer.criterion));
        line.foreign(None, &answer.why, MAX_REASON)
    });
    let wanted = opinion.findings.iter().map(|found| {
        let place = format!("{}:{}: ", one_line(&found.path, MAX_SUBJECT), found.line);
        Line::default().tone(Tone::Bad, "  ✗ ").put(None, &place).foreign(
            None,
            &found.what,
            MAX_REASON,
        )
    });
    unmet.chain(wanted).collect()
}

fn check_line(run: &CheckRun) -> Line {
    let line = Line::default().put(None, "check ");
    let line =
        if run.passed { line.tone(Tone::Good, "✓ ") } else { line.tone(Tone::Bad, "✗ ") };
    let line = line.foreign(Some(Tone::Name), &run.name, MAX_SUBJECT).put(None, ": ");
    let line = line.foreign(None, &run.result(), MAX_REASON);
    line.tone(Tone::Dim, &format!("  {}", words::millis(run.millis)))
}

/// One line on stderr for each thing that happened, and the result on stdout.
pub struct Plain<P: Write, R: Write> {
    progress: P,
    result: R,
    story: Story,
    lost: Lost,
}

impl<P: Write, R: Write> std::fmt::Debug for Plain<P, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("story", &self.story).finish_non_exhaustive()
    }
}

impl<P: Write, R: Write> Plain<P, R> {
    /// Returns a view that writes lines to `progress` and the summary to `result`, without colours.
    pub fn new(progress: P, result: R) -> Self {
        Self { progress, result, story: Story::default(), lost: Lost::default() }
    }

    fn lines(&mut self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            // Nobody can be told that nobody listens.
            drop(writeln!(self.progress, "{}", line.painted(Paint::Plain)));
        }
    }
}

impl<P: Write, R: Write> View for Plain<P, R> {
    fn begin(&mut self, start: &Start<'_>) {
        self.lines(Story::begin(start));
    }

    fn planned(&mut self, plan: &Plan) {
        self.lines(Story::planned(plan));
    }

    fn phase(&mut self, phase: Phase) {
        self.story.phase(phase);
        self.lines([Line::default().put(None, phase.word())]);
    }

    fn event(&mut self, event: &Event) {
        let lines = self.story.event(event);
        self.lines(lines);
    }

    fn finished(&mut self, report: &Report, dir: &Path) {
        let text = summary(report, dir, Paint::Plain);
        self.lost.note(self.result.write_all(text.as_bytes()).and_then(|()| self.result.flush()));
    }

    fn failed(&mut self, _: &str) {}

    fn lost(&self) -> Option<String> {
        self.lost.0.clone()
    }
}

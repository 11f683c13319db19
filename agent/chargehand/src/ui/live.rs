//! The words of the status line: what goes on right now, as wide as the terminal and no wider.

use std::time::Duration;

use chargehand_core::event::{Event, Part};
use chargehand_core::ports::Usage;

use super::line::one_line;
use super::{Phase, Start};
use crate::report::words;

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// How long one frame stays.
const FRAME: u128 = 100;
/// Bytes of a call's beginning in which its tool and its path are looked for.
const MAX_HEARD: usize = 2048;
/// Characters of a path or name that are shown.
const MAX_SUBJECT: usize = 48;

/// What is going on. Times are counted from the beginning of the run.
#[derive(Debug)]
pub struct Live {
    phase: Phase,
    turn: u32,
    turns: u32,
    tools: Vec<String>,
    heard: String,
    thought: String,
    doing: String,
    tokens: u64,
    /// When the first token of this turn came, and how many there were then.
    first: Option<(Duration, u64)>,
    last: Duration,
    spent: Usage,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            phase: Phase::Preparing,
            turn: 0,
            turns: 0,
            tools: Vec::new(),
            heard: String::new(),
            thought: String::new(),
            doing: String::new(),
            tokens: 0,
            first: None,
            last: Duration::ZERO,
            spent: Usage::default(),
        }
    }
}

impl Live {
    /// Takes note of the limits.
    pub fn begin(&mut self, start: &Start<'_>) {
        self.turns = start.contract.limits.turns;
    }

    /// Takes note of the phase.
    pub fn phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.doing.clear();
        self.tokens = 0;
    }

    /// Takes note of what happened at `now`.
    pub fn see(&mut self, event: &Event, now: Duration) {
        match event {
            Event::TurnStarted { turn, tools, .. } => {
                if !self.phase.has_turns() {
                    self.phase = Phase::Working;
                }
                self.turn = *turn;
                self.tools.clone_from(tools);
                self.heard.clear();
                self.thought.clear();
                "thinking".clone_into(&mut self.doing);
                (self.tokens, self.first) = (0, None);
            }
            Event::Tokens { part: Part::Call, text, count } => self.hear(text, *count, now),
            Event::Tokens { part: Part::Reasoning, text, count } => {
                self.overhear(text, *count, now);
            }
            Event::Called { call, usage, .. } => {
                self.doing = format!("{} {}", short(&call.name), short(words::subject(call)));
                self.spend(usage);
            }
            Event::Malformed { usage, .. } => self.spend(usage),
            Event::WorkerRestarted { .. } => "worker restarted".clone_into(&mut self.doing),
            Event::MemoryWarned { reason } => self.doing = short(reason),
            Event::ModelChanged(handover) => self.doing = format!("{} is loaded", handover.to),
            Event::Checked { run } => {
                self.doing = format!("{} {}", short(&run.name), short(&run.result()));
            }
            Event::PhaseStarted { .. }
            | Event::Reasoned { .. }
            | Event::Observed { .. }
            | Event::Reviewed { .. }
            | Event::Proposed { .. }
            | Event::Stopped { .. } => {}
        }
    }

    /// Shows the end of what is thought.
    fn overhear(&mut self, text: &str, count: u64, now: Duration) {
        self.count(count, now);
        self.thought.push_str(text);
        let most = self.thought.chars().count().saturating_sub(MAX_SUBJECT);
        self.thought = self.thought.chars().skip(most).collect();
        self.doing = format!("thinking: {}", short(&self.thought));
    }

    fn count(&mut self, count: u64, now: Duration) {
        // A call is counted from its own beginning.
        if count < self.tokens {
            self.first = None;
        }
        self.tokens = count;
        self.last = now;
        self.first.get_or_insert((now, count));
    }

    fn hear(&mut self, text: &str, count: u64, now: Duration) {
        self.count(count, now);
        if !self.thought.is_empty() {
            self.thought.clear();
            "calling".clone_into(&mut self.doing);
        }
        if self.heard.len() >= MAX_HEARD {
            return;
        }
        self.heard.push_str(text);
        if let Some((tool, argument)) = heard_call(&self.heard, &self.tools) {
            self.doing = format!("{} {}", short(tool), short(argument));
        }
    }

    fn spend(&mut self, usage: &Usage) {
        self.spent.prompt_n = self.spent.prompt_n.saturating_add(usage.prompt_n);
        self.spent.cache_n = self.spent.cache_n.saturating_add(usage.cache_n);
    }

    /// Returns the line for `now`, `width` columns wide at most and without a line end.
    #[must_use]
    pub fn line(&self, now: Duration, width: usize) -> String {
        let frame = FRAMES[usize::try_from(now.as_millis() / FRAME % 10).unwrap_or_default()];
        let head = format!("{frame} {}", self.phase.word());
        // In the order of the line, each with what it is worth: the least goes first when room is short.
        let mut parts =
            vec![(9, head), (6, self.turn_part()), (8, self.doing.trim_end().to_owned())];
        parts.extend([(5, self.speed_part()), (3, self.cache_part())]);
        parts.push((7, clock(now)));
        parts.retain(|(_, text)| !text.is_empty());
        loop {
            let texts: Vec<&str> = parts.iter().map(|(_, text)| text.as_str()).collect();
            let line = texts.join(" · ");
            let least = parts.iter().map(|(worth, _)| *worth).min().unwrap_or_default();
            if columns(&line) <= width || parts.len() == 1 {
                return fit(&line, width);
            }
            parts.retain(|(worth, _)| *worth != least);
        }
    }

    fn turn_part(&self) -> String {
        if !self.phase.has_turns() || self.turn == 0 {
            return String::new();
        }
        format!("turn {}/{}", self.turn, self.turns.max(self.turn))
    }

    fn speed_part(&self) -> String {
        let Some((first, before)) = self.first.filter(|_| self.tokens > 0) else {
            return String::new();
        };
        let tokens = words::plural(self.tokens, "token");
        let time = self.last.saturating_sub(first).as_secs_f64() * 1000.0;
        match words::rate(self.tokens.saturating_sub(before), time) {
            Some(rate) => format!("{tokens}, {rate}"),
            None => tokens,
        }
    }

    fn cache_part(&self) -> String {
        if words::prompt(&self.spent) == 0 {
            return String::new();
        }
        format!(
            "{} cached, {} evaluated",
            words::count(self.spent.cache_n),
            words::count(self.spent.prompt_n)
        )
    }
}

/// Returns the time since the beginning, in a form that does not jump in its first second.
fn clock(now: Duration) -> String {
    match u64::try_from(now.as_millis()).unwrap_or(u64::MAX) {
        millis @ 0..1000 => format!("0.{} s", millis / 100),
        millis => words::millis(millis),
    }
}

fn short(text: &str) -> String {
    one_line(text, MAX_SUBJECT)
}

/// Returns the tool, and its path or name as far as it is written, of a call that is still being generated.
///
/// It works for every envelope: only the names of the tools that are open can stand there.
fn heard_call<'a>(heard: &'a str, tools: &'a [String]) -> Option<(&'a str, &'a str)> {
    let places = tools.iter().filter_map(|tool| heard.find(tool.as_str()).map(|at| (at, tool)));
    let (at, tool) = places.min_by_key(|(at, tool)| (*at, usize::MAX - tool.len()))?;
    let rest = &heard[at + tool.len()..];
    let argument = ["\"path\"", "\"name\""].iter().find_map(|key| {
        let value = rest
            .split_once(key)?
            .1
            .trim_start()
            .strip_prefix(':')?
            .trim_start()
            .strip_prefix('"')?;
        value.split_once('"').map(|(value, _)| value)
    });
    Some((tool, argument.unwrap_or_default()))
}

/// Returns the columns of `text`, or more: what may be wide counts as wide, so that a line never wraps.
fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

fn width(c: char) -> usize {
    match c {
        '\0'..='\u{10ff}' | '\u{2010}'..='\u{205f}' | '\u{2800}'..='\u{28ff}' => 1,
        _ => 2,
    }
}

/// Returns as much of `text` as `width` columns hold.
fn fit(text: &str, max: usize) -> String {
    if columns(text) <= max {
        return text.to_owned();
    }
    let mut room = max.saturating_sub(1);
    let fits = text.chars().take_while(|c| {
        let fits = width(*c) <= room;
        room = room.saturating_sub(width(*c));
        fits
    });
    let fitting: String = fits.collect();
    if max == 0 { fitting } else { fitting + "…" }
}

//! A terminal: finished lines, and below them one line that redraws itself.
//!
//! A thread of its own redraws it, so that it moves while a model loads and says nothing.

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chargehand_core::event::Event;
use chargehand_core::memory::Plan;
use chargehand_core::report::Report;

use super::line::{Line, Story};
use super::live::Live;
use super::{Lost, Paint, Phase, Start, Tone, View, summary};

/// Ten pictures a second look alive; more only cost.
const TICK: Duration = Duration::from_millis(100);
/// What is assumed of a terminal that does not say how wide it is.
const WIDTH: u16 = 80;
/// To the left edge, and all of the line away.
const CLEAR: &str = "\r\x1b[K";

/// A live view on stderr, with the result on stdout.
#[derive(Debug)]
pub struct Terminal {
    screen: Arc<Mutex<Screen>>,
    stop: Option<Sender<()>>,
    ticker: Option<JoinHandle<()>>,
}

/// What stands on the screen.
struct Screen {
    progress: Box<dyn Write + Send>,
    result: Box<dyn Write + Send>,
    paint: Paint,
    result_paint: Paint,
    width: fn() -> u16,
    began: Instant,
    live: Live,
    story: Story,
    /// Whether there is a line to redraw.
    running: bool,
    /// Whether somebody else writes to the terminal.
    held: bool,
    lost: Lost,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen")
            .field("live", &self.live)
            .field("story", &self.story)
            .finish_non_exhaustive()
    }
}

impl Terminal {
    /// Returns a view of stderr and stdout, each with its own colours.
    #[must_use]
    pub fn new(paint: Paint, result_paint: Paint) -> Self {
        Self::on(Box::new(io::stderr()), Box::new(io::stdout()), (paint, result_paint), width)
    }

    /// Returns a view of other streams, with the width that `width` says.
    #[must_use]
    pub fn on(
        progress: Box<dyn Write + Send>,
        result: Box<dyn Write + Send>,
        (paint, result_paint): (Paint, Paint),
        width: fn() -> u16,
    ) -> Self {
        let (live, story) = (Live::default(), Story::default());
        let began = Instant::now();
        let screen = Screen {
            progress,
            result,
            paint,
            result_paint,
            width,
            began,
            live,
            story,
            running: false,
            held: false,
            lost: Lost::default(),
        };
        let screen = Arc::new(Mutex::new(screen));
        let (stop, stopped) = mpsc::channel();
        let drawn = Arc::clone(&screen);
        let ticker = thread::spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                lock(&drawn).draw();
            }
        });
        Self { screen, stop: Some(stop), ticker: Some(ticker) }
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        lock(&self.screen)
    }
}

/// A panic elsewhere leaves a screen that can still be drawn on.
fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn width() -> u16 {
    rustix::termios::tcgetwinsize(io::stderr()).map_or(WIDTH, |size| size.ws_col)
}

impl Screen {
    fn draw(&mut self) {
        if !self.running || self.held {
            return;
        }
        let width = match (self.width)() {
            0 => WIDTH,
            width => width,
        };
        // The last column stays free: some terminals wrap as soon as it is written.
        let line = self.live.line(self.began.elapsed(), usize::from(width).saturating_sub(1));
        self.write(&format!("{CLEAR}{}", self.paint.paint(Tone::Dim, &line)));
    }

    fn lines(&mut self, lines: impl IntoIterator<Item = Line>) {
        let lines: String = lines.into_iter().map(|line| line.painted(self.paint) + "\n").collect();
        if !lines.is_empty() {
            self.write(&format!("{CLEAR}{lines}"));
        }
    }

    fn end(&mut self) {
        if self.running {
            self.running = false;
            self.write(CLEAR);
        }
    }

    /// Nobody can be told that the terminal is gone.
    fn write(&mut self, text: &str) {
        drop(self.progress.write_all(text.as_bytes()).and_then(|()| self.progress.flush()));
    }
}

impl View for Terminal {
    fn begin(&mut self, start: &Start<'_>) {
        let mut screen = self.screen();
        screen.live.begin(start);
        screen.running = true;
        screen.lines(Story::begin(start));
        screen.draw();
    }

    fn planned(&mut self, plan: &Plan) {
        let mut screen = self.screen();
        screen.lines(Story::planned(plan));
        screen.draw();
    }

    fn phase(&mut self, phase: Phase) {
        let mut screen = self.screen();
        screen.live.phase(phase);
        screen.story.phase(phase);
        screen.draw();
    }

    fn hold(&mut self) {
        let mut screen = self.screen();
        if screen.running {
            screen.held = true;
            screen.write(CLEAR);
        }
    }

    fn event(&mut self, event: &Event) {
        let mut screen = self.screen();
        screen.held = false;
        let now = screen.began.elapsed();
        screen.live.see(event, now);
        let lines = screen.story.event(event);
        // Tokens come in hundreds a second; the ticker shows them.
        if !matches!(event, Event::Tokens { .. }) {
            screen.lines(lines);
            screen.draw();
        }
    }

    fn finished(&mut self, report: &Report, dir: &Path) {
        let mut screen = self.screen();
        screen.end();
        let text = summary(report, dir, screen.result_paint);
        let written = screen.result.write_all(text.as_bytes()).and_then(|()| screen.result.flush());
        screen.lost.note(written);
    }

    fn failed(&mut self, _: &str) {
        self.screen().end();
    }

    fn lost(&self) -> Option<String> {
        self.screen().lost.0.clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(ticker) = self.ticker.take() {
            drop(ticker.join());
        }
        self.screen().end();
    }
}

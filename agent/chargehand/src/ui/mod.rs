//! What people and programs see of a run: a live line, plain lines or a JSON stream, and the words at the end.
//!
//! It shows and decides nothing. Progress goes to stderr, the result to stdout. Whatever a model, a repository or
//! a command wrote is escaped before a terminal sees it.

mod json;
mod line;
mod live;
mod summary;
mod terminal;

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use chargehand_core::contract::ContractFile;
use chargehand_core::event::Event;
use chargehand_core::memory::Plan;
use chargehand_core::phase::Phase as JobPhase;
use chargehand_core::report::Report;

pub use json::{Json, STREAM_SCHEMA};
pub use line::Plain;
pub use live::Live;
pub use summary::summary;
pub use terminal::Terminal;

/// Whoever shows a run. The calls come in the order of this list; `phase` and `event` come many times.
pub trait View {
    /// Shows that a run has its folder.
    fn begin(&mut self, start: &Start<'_>);

    /// Shows that a model fits, and how.
    fn planned(&mut self, plan: &Plan);

    /// Shows that something else is going on now.
    fn phase(&mut self, phase: Phase);

    /// Leaves the terminal to somebody else until something happens: the user is asked.
    fn hold(&mut self) {}

    /// Shows what happened.
    fn event(&mut self, event: &Event);

    /// Shows the result: `dir` is the folder with the report.
    fn finished(&mut self, report: &Report, dir: &Path);

    /// Ends the view without a result. The one who calls also says why, on stderr; only a stream repeats it.
    fn failed(&mut self, message: &str);

    /// Returns why stdout does not have all of it, if that is so. A reader that has seen enough is no reason.
    fn lost(&self) -> Option<String>;
}

/// The first error of a stream. A pipe that was closed is none: whoever read it has seen enough.
#[derive(Debug, Default)]
struct Lost(Option<String>);

impl Lost {
    fn note(&mut self, written: io::Result<()>) {
        match written {
            Err(err) if err.kind() != io::ErrorKind::BrokenPipe && self.0.is_none() => {
                self.0 = Some(err.to_string());
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// What is known of a run when it begins.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Its id.
    pub run: &'a str,
    /// Whoever proposes the calls.
    pub worker: &'a str,
    /// The commit it starts from, in hex.
    pub base: Option<&'a str>,
    /// What it is held to.
    pub contract: &'a ContractFile,
}

/// What a run is busy with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// The workspace is made.
    Preparing,
    /// A model is planned and loaded.
    Loading,
    /// The worker acts.
    Working,
    /// We measure what it left, before a review.
    Checking,
    /// A review reads the change.
    Reviewing,
    /// The worker mends what was found.
    Fixing,
    /// We run the required commands and look at the diff; checks from here on are ours.
    Verifying,
}

impl Phase {
    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Loading => "loading",
            Self::Working => "working",
            Self::Checking => "checking",
            Self::Reviewing => "reviewing",
            Self::Fixing => "fixing",
            Self::Verifying => "verifying",
        }
    }

    /// Returns what a run is busy with in a phase of its job.
    #[must_use]
    pub const fn of(phase: JobPhase) -> Self {
        match phase {
            JobPhase::Implement => Self::Working,
            JobPhase::Check => Self::Checking,
            JobPhase::Review => Self::Reviewing,
            JobPhase::Fix => Self::Fixing,
            JobPhase::Verify => Self::Verifying,
        }
    }

    /// Returns whether checks that are run now are ours.
    const fn is_ours(self) -> bool {
        match self {
            Self::Checking | Self::Verifying => true,
            Self::Preparing | Self::Loading | Self::Working | Self::Reviewing | Self::Fixing => {
                false
            }
        }
    }

    /// Returns whether somebody calls tools.
    const fn has_turns(self) -> bool {
        match self {
            Self::Working | Self::Reviewing | Self::Fixing => true,
            Self::Preparing | Self::Loading | Self::Checking | Self::Verifying => false,
        }
    }
}

/// Whether colours may be used. They never carry a meaning alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Paint {
    /// ANSI colours.
    Colour,
    /// None.
    Plain,
}

impl Paint {
    /// Returns what suits a stream, given `NO_COLOR` and `TERM` of the environment.
    #[must_use]
    pub fn of(is_terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> Self {
        // https://no-color.org: present and not empty, whatever the value.
        let refused = no_color.is_some_and(|value| !value.is_empty());
        if is_terminal && !refused && !is_dumb(term) { Self::Colour } else { Self::Plain }
    }

    /// Returns `text` in the colour of `tone`.
    fn paint(self, tone: Tone, text: &str) -> String {
        match self {
            Self::Colour => format!("\x1b[{}m{text}\x1b[0m", tone.code()),
            Self::Plain => text.to_owned(),
        }
    }
}

/// Returns whether a stream can hold a line that redraws itself.
#[must_use]
pub fn can_redraw(is_terminal: bool, term: Option<&OsStr>) -> bool {
    is_terminal && !is_dumb(term)
}

/// An unset `TERM` is a terminal that nobody knows anything about.
fn is_dumb(term: Option<&OsStr>) -> bool {
    term.is_none_or(|term| term.is_empty() || term == "dumb")
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tone {
    Good,
    Bad,
    Dim,
    Strong,
    Name,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "1;32",
            Self::Bad => "1;31",
            Self::Dim => "2",
            Self::Strong => "1",
            Self::Name => "36",
        }
    }
}

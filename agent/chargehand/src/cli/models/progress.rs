//! How far a long work on a file is: a line that moves on a terminal, nothing elsewhere; and whether to go on.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use chargehand_engine::gguf;

use crate::env::digest;
use crate::error::{Error, Kind};
use crate::report::{visible, words};
use crate::signal::Interrupt;

/// The line moves at most this often.
const EVERY: Duration = Duration::from_millis(200);
/// What is shown is the speed since the beginning; before this it says nothing.
const SETTLED: Duration = Duration::from_secs(1);

/// A line on stderr.
pub(in crate::cli) struct ProgressLine {
    what: String,
    interrupt: Interrupt,
    is_shown: bool,
    speed: Speed,
    told: Option<Instant>,
}

/// How fast it goes: of each thing that is done since it began, for what lies here already is hashed and not fetched.
#[derive(Debug, Default)]
struct Speed(Option<(&'static str, u64, Instant)>);

impl ProgressLine {
    /// Returns a line for the work on `what`. From now on Ctrl-C asks for an end.
    pub(in crate::cli) fn new(what: &str) -> Result<Self, Error> {
        let interrupt = Interrupt::listen().map_err(|err| {
            Error::new(Kind::Failed, format!("signals cannot be listened to: {err}"))
        })?;
        let what = visible::line(what).text;
        let is_shown = io::stderr().is_terminal();
        Ok(Self { what, interrupt, is_shown, speed: Speed::default(), told: None })
    }

    /// Shows that `done` bytes of `total` are `doing`.
    pub(in crate::cli) fn show(
        &mut self,
        doing: &'static str,
        done: u64,
        total: u64,
    ) -> ControlFlow<()> {
        let now = Instant::now();
        let rate = self.speed.of(doing, done, now);
        if self.is_shown && self.told.is_none_or(|told| now - told >= EVERY) {
            self.told = Some(now);
            let percent = u128::from(done) * 100 / u128::from(total.max(1));
            let (part, all) = (words::bytes(done), words::bytes(total));
            let text =
                format!("\r\x1b[K{} · {doing} {part} of {all}, {percent} %{rate}", self.what);
            drop(io::stderr().write_all(text.as_bytes()));
        }
        self.goes_on()
    }

    /// Returns whether nobody has asked for an end.
    pub(in crate::cli) fn goes_on(&self) -> ControlFlow<()> {
        match self.interrupt.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.told.is_some() {
            drop(io::stderr().write_all(b"\r\x1b[K"));
        }
    }
}

impl Speed {
    fn of(&mut self, doing: &'static str, done: u64, now: Instant) -> String {
        let same = self.0.filter(|(what, ..)| *what == doing);
        let (_, first, begun) = *self.0.insert(same.unwrap_or((doing, done, now)));
        let time = now - begun;
        match u64::try_from(time.as_millis()) {
            Ok(millis) if time >= SETTLED => {
                let bytes = done.saturating_sub(first).saturating_mul(1000);
                format!(", {} a second", words::bytes(bytes / millis))
            }
            Ok(_) | Err(_) => String::new(),
        }
    }
}

/// Returns the SHA-256 of each file of the model at `path`, by the name of the file.
pub(in crate::cli) fn digests(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    gguf::paths(path)?.iter().map(|path| Ok((name(path), digest_of(path)?))).collect()
}

fn digest_of(path: &Path) -> Result<String, Error> {
    let mut line = ProgressLine::new(&path.display().to_string())?;
    let found = digest::of_file(path, &mut |done, total| line.show("hashed", done, total));
    found
        .map_err(|err| Error::new(Kind::Failed, format!("cannot read {}: {err}", path.display())))?
        .ok_or_else(|| Error::new(Kind::Interrupted, "stopped"))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_hashed_was_not_fetched() {
        let (mut speed, begun) = (Speed::default(), Instant::now());
        let mut check = |doing, done, seconds, expect: &str| {
            assert_eq!(speed.of(doing, done, begun + Duration::from_secs(seconds)), expect);
        };
        check("hashed", 0, 0, "");
        check("hashed", 4 << 30, 4, ", 1.0 GiB a second");
        check("fetched", 4 << 30, 4, "");
        check("fetched", (4 << 30) + (2 << 20), 6, ", 1.0 MiB a second");
    }
}

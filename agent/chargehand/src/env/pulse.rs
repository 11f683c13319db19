//! Whether a worker still lives: when it was last heard, and what is done with one that hangs.

use std::io::{self, Read};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A worker that says nothing for so long while it is asked something hangs, unless the user's configuration says
/// otherwise. To load 80 GB from a disk of 500 MB/s takes 160 s, and loading says nothing in between.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How often a worker is looked at.
const TICK: Duration = Duration::from_millis(250);

/// When a worker was last heard.
#[derive(Debug)]
pub(crate) struct Pulse {
    patience: Duration,
    /// Grows with all that is asked and all that is heard.
    beats: AtomicU64,
    /// Whether an answer is awaited; otherwise silence means nothing.
    awaited: AtomicBool,
    /// Whether it was killed for its silence.
    hung: AtomicBool,
}

impl Pulse {
    /// Returns the pulse of a worker that may be silent for `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        let [awaited, hung] = [false, false].map(AtomicBool::new);
        Self { patience, beats: AtomicU64::new(0), awaited, hung }
    }

    /// Notes that an answer is awaited from now on, already while the question is being written: the pipe to a
    /// worker that hangs fills up.
    pub(crate) fn ask(&self) {
        self.beat();
        self.awaited.store(true, Ordering::Release);
    }

    /// Notes that nothing is asked of it, so that silence means nothing.
    pub(crate) fn rest(&self) {
        self.awaited.store(false, Ordering::Release);
    }

    /// Returns the patience that was lost, if it was killed for its silence.
    pub(crate) fn lost_patience(&self) -> Option<Duration> {
        self.hung.load(Ordering::Acquire).then_some(self.patience)
    }

    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::AcqRel);
    }
}

/// Kills a worker that hangs. Ends with the process.
///
/// Silence is counted in looks, not in time: while we are stopped ourselves (Ctrl-Z) nobody looks, and a worker
/// that has answered meanwhile must not be killed before its answer is read.
pub(crate) fn guard(child: Arc<Mutex<Child>>, pulse: Arc<Pulse>) {
    thread::spawn(move || {
        let (mut last, mut silent) = (0, Duration::ZERO);
        loop {
            thread::sleep(TICK);
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            if !child.try_wait().is_ok_and(|status| status.is_none()) {
                return;
            }
            let beats = pulse.beats.load(Ordering::Acquire);
            let is_silent = beats == last && pulse.awaited.load(Ordering::Acquire);
            silent = if is_silent { silent + TICK } else { Duration::ZERO };
            last = beats;
            if silent > pulse.patience {
                pulse.hung.store(true, Ordering::Release);
                child.kill().unwrap_or_default();
            }
        }
    });
}

/// A pipe that tells when something came.
#[derive(Debug)]
pub(crate) struct Heard<R> {
    pub(crate) inner: R,
    pub(crate) pulse: Arc<Pulse>,
}

impl<R: Read> Read for Heard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.pulse.beat();
        Ok(count)
    }
}

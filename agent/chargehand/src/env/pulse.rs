//! Whether a worker still lives: when it was last heard, and what is done with one that hangs.

use std::io::{self, Read};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A worker that says nothing for so long while it is asked something hangs. To load 80 GB from a disk of
/// 500 MB/s takes 160 s, and loading says nothing in between.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// When a worker was last heard.
#[derive(Debug)]
pub(crate) struct Pulse {
    begin: Instant,
    last_ms: AtomicU64,
    /// Whether an answer is awaited; otherwise silence means nothing.
    pub(crate) awaited: AtomicBool,
    /// Whether it was killed for its silence.
    pub(crate) hung: AtomicBool,
}

impl Pulse {
    /// Returns the pulse of a worker that was just started.
    pub(crate) fn new() -> Self {
        let [awaited, hung] = [true, false].map(AtomicBool::new);
        Self { begin: Instant::now(), last_ms: AtomicU64::new(0), awaited, hung }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns whether an answer has been awaited for too long.
    fn is_overdue(&self) -> bool {
        let silent = self.now_ms().saturating_sub(self.last_ms.load(Ordering::Acquire));
        self.awaited.load(Ordering::Acquire) && u128::from(silent) > PATIENCE.as_millis()
    }
}

/// Kills a worker that hangs. Ends with the process.
pub(crate) fn guard(child: Arc<Mutex<Child>>, pulse: Arc<Pulse>) {
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(500));
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            if !child.try_wait().is_ok_and(|status| status.is_none()) {
                return;
            }
            if pulse.is_overdue() {
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
        // Whoever reads awaits something, from now on.
        self.pulse.last_ms.store(self.pulse.now_ms(), Ordering::Release);
        self.pulse.awaited.store(true, Ordering::Release);
        self.inner.read(buffer)
    }
}

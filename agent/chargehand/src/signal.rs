//! Ctrl-C, SIGTERM and a terminal that is closed: the first signal asks for a clean end, the second ends the program at
//! once. Before anything has begun the first one does.
//!
//! signal-hook sets flags from within the handler, without a thread and without unsafe code of ours; the `ctrlc`
//! crate would start a thread and cannot tell the two signals apart.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What a program that was stopped by its user ends with.
const EXIT_CODE: i32 = 130;

/// Returns the signals that ask for an end. Under `nohup` a closed terminal does not.
fn signals() -> impl Iterator<Item = i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let hangup = (ignored & 1 << (SIGHUP - 1) == 0).then_some(SIGHUP);
    [SIGINT, SIGTERM].into_iter().chain(hangup)
}

/// Whether the user has asked for an end. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the system does not let a handler be set.
    pub fn listen() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in signals() {
            // In this order: the second signal finds the flag that the first one has set.
            flag::register_conditional_shutdown(signal, EXIT_CODE, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    /// Returns whether an end was asked for.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// While it lives, a signal ends the program at once. Before it goes, [`Interrupt::listen`] must have been called:
/// without either a signal does nothing.
#[derive(Debug)]
pub struct AtOnce(Arc<AtomicBool>);

impl AtOnce {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// As [`Interrupt::listen`].
    pub fn listen() -> io::Result<Self> {
        let waits = Arc::new(AtomicBool::new(true));
        for signal in signals() {
            flag::register_conditional_shutdown(signal, EXIT_CODE, Arc::clone(&waits))?;
        }
        Ok(Self(waits))
    }
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

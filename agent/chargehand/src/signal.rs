//! Ctrl-C, SIGTERM and a terminal that is closed: the first signal asks for a clean end, the second ends the program at
//! once. Before anything has begun the first one does.
//!
//! signal-hook sets flags from within the handler, without unsafe code of ours; the `ctrlc` crate cannot tell the two
//! signals apart.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{process, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::low_level::{pipe, unregister};
use signal_hook::{SigId, flag};

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

/// Lets a write beyond the limit on the size of files fail, as one on a full disk does, instead of ending the program.
pub fn survive_full_files() {
    // Where that is not possible, all is as it would be without.
    drop(flag::register(SIGXFSZ, Arc::default()));
}

/// While it lives, a signal ends the program at once, after a last word. Before it goes, [`Interrupt::listen`] must
/// have been called: without either a signal does nothing.
#[derive(Debug)]
pub struct AtOnce(Vec<SigId>);

impl AtOnce {
    /// Listens from now on, in a thread: a handler may not print.
    ///
    /// # Errors
    ///
    /// As [`Interrupt::listen`].
    pub fn listen(last_word: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (mut ear, mouth) = UnixStream::pair()?;
        let asked = Arc::new(AtomicBool::new(false));
        let mut at_once = Self(Vec::new());
        for signal in signals() {
            at_once.0.push(pipe::register(signal, mouth.try_clone()?)?);
            // A second signal does not wait for the last word: it may be stuck in a pipe that nobody reads.
            let second = flag::register_conditional_shutdown(signal, EXIT_CODE, asked.clone())?;
            at_once.0.extend([second, flag::register(signal, asked.clone())?]);
        }
        // It ends with the last mouth.
        thread::Builder::new().spawn(move || {
            if ear.read_exact(&mut [0]).is_ok() {
                last_word();
                process::exit(EXIT_CODE);
            }
        })?;
        Ok(at_once)
    }
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        for id in self.0.drain(..) {
            unregister(id);
        }
    }
}

//! One question to our own program, in a process that ends with its answer: whatever happens to that process, this
//! one goes on.

use std::io::{self, Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::process::{self, LastWords};

/// What such a process left behind.
#[derive(Debug)]
pub(crate) struct Said {
    /// What it wrote to stdout: its answer, if it came so far.
    pub(crate) text: Vec<u8>,
    status: Option<ExitStatus>,
    words: LastWords,
    patience: Duration,
}

impl Said {
    /// Returns how the process ended, and what it said last, each for the end of a sentence.
    pub(crate) fn end(self) -> (String, String) {
        let words = self.words.text();
        let words = if words.is_empty() { words } else { format!(": {words}") };
        let how = match self.status {
            Some(status) => process::how(status),
            None => format!("it took longer than {} s and was killed", self.patience.as_secs()),
        };
        (how, words)
    }
}

/// Asks the hidden `subcommand`, and reads at most `most` bytes of its answer. It is killed after `patience`.
///
/// # Errors
///
/// When the process cannot be started or listened to.
pub(crate) fn ask(
    subcommand: &str,
    question: &impl Serialize,
    patience: Duration,
    most: u64,
) -> io::Result<Said> {
    let question = serde_json::to_vec(question).map_err(io::Error::other)?;
    let mut child = process::ourselves(subcommand)?.spawn()?;
    let words = LastWords::of(&mut child);
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let child = Arc::new(Mutex::new(child));
    // First: the pipe to a process that hangs fills up.
    let ended = end_after(Arc::clone(&child), patience);
    if let Some(mut stdin) = stdin {
        // A process that died before it read is found out below.
        stdin.write_all(&question).unwrap_or_default();
    }
    let mut text = Vec::new();
    if let Some(stdout) = stdout {
        stdout.take(most).read_to_end(&mut text)?;
    }
    let status =
        ended.join().map_err(|_| io::Error::other("BUG: the watching thread panicked"))??;
    Ok(Said { text, status, words, patience })
}

/// Waits for `child`, and kills it when it takes longer than `patience`; then it has no status of its own.
fn end_after(
    child: Arc<Mutex<Child>>,
    patience: Duration,
) -> thread::JoinHandle<io::Result<Option<ExitStatus>>> {
    thread::spawn(move || {
        let begin = Instant::now();
        loop {
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if begin.elapsed() > patience {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            drop(child);
            thread::sleep(Duration::from_millis(2));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[track_caller]
    fn check(seconds: &str, patience: Duration, ends_itself: bool) {
        let child = Command::new("sleep").arg(seconds).spawn().unwrap();
        let status = end_after(Arc::new(Mutex::new(child)), patience).join().unwrap().unwrap();
        assert_eq!(status.map(|status| status.success()), ends_itself.then_some(true));
    }

    #[test]
    fn what_takes_too_long_is_killed() {
        check("0", Duration::from_secs(60), true);
        check("60", Duration::ZERO, false);
    }
}

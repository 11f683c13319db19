//! A process of our own program that is asked something: it is killed when it hangs, or when it sits on memory that is
//! short, and it is reaped whatever happened to it. What is said to it is known elsewhere.

use std::io;
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::pressure::Gauge;
use super::process::{self, LastWords};
use super::pulse::{Heard, Pulse, guard};

/// A process that is told to end, or whose pipe is closed, has so long.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Such a process. It ends with this.
#[derive(Debug)]
pub(super) struct Child {
    process: Arc<Mutex<Process>>,
    words: Option<LastWords>,
    pulse: Arc<Pulse>,
}

impl Child {
    /// Starts `command` and returns what it says and where it listens. It is killed when it says nothing for `patience`
    /// while it is asked something, and, where there is a `gauge`, when it must go because memory is short.
    pub(super) fn start(
        command: &mut Command,
        patience: Duration,
        gauge: Option<Gauge>,
    ) -> io::Result<(Self, Heard<ChildStdout>, ChildStdin)> {
        let mut process = command.spawn()?;
        let words = Some(LastWords::of(&mut process));
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(io::Error::other("BUG: the process was started without pipes"));
        };
        let (process, pulse) = (Arc::new(Mutex::new(process)), Arc::new(Pulse::new(patience)));
        guard(Arc::clone(&process), Arc::clone(&pulse), gauge);
        let stdout = Heard { inner: stdout, pulse: Arc::clone(&pulse) };
        Ok((Self { process, words, pulse }, stdout, stdin))
    }

    /// Returns when it was last heard.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Returns the number of its process.
    pub(super) fn id(&self) -> u32 {
        self.process().id()
    }

    /// Lets `talk` ask it something. Only until that is over its silence means something.
    pub(super) fn while_asked<T>(&self, talk: impl FnOnce() -> T) -> T {
        self.pulse.ask();
        let said = talk();
        self.pulse.rest();
        said
    }

    /// Kills it, unless it has ended.
    pub(super) fn kill(&self) {
        self.process().kill().unwrap_or_default();
    }

    /// Ends what is left of it and says how it ended, and what it said last.
    pub(super) fn end(mut self) -> String {
        let how = match (self.reap(), self.pulse.lost_patience()) {
            (_, Some(patience)) => {
                format!("it said nothing for {} s and was killed", patience.as_secs())
            }
            (Ok(status), None) => process::how(status),
            (Err(err), None) => err.to_string(),
        };
        match self.words.take().map(LastWords::text).filter(|words| !words.is_empty()) {
            Some(words) => format!("{how}: {words}"),
            None => how,
        }
    }

    /// Waits a moment for it, and kills it then.
    fn reap(&self) -> io::Result<ExitStatus> {
        let begin = Instant::now();
        loop {
            let mut process = self.process();
            if let Some(status) = process.try_wait()? {
                return Ok(status);
            }
            if begin.elapsed() > GRACE {
                process.kill()?;
                return process.wait();
            }
            drop(process);
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Child {
    /// Killed, not asked: it holds nothing that anybody needs. A model is unloaded by the end of its process.
    fn drop(&mut self) {
        self.pulse.rest();
        self.kill();
        self.process().wait().map(drop).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Stdio;

    use super::*;

    #[track_caller]
    fn check(script: &str, patience: Duration, expect: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (child, mut stdout, _stdin) = Child::start(&mut command, patience, None).unwrap();
        let mut said = String::new();
        child.while_asked(|| stdout.read_to_string(&mut said)).unwrap();
        assert_eq!(child.end(), expect);
    }

    #[test]
    fn what_hangs_is_killed_and_what_ends_is_told() {
        check("exec sleep 60", Duration::ZERO, "it said nothing for 0 s and was killed");
        check("echo why >&2; exit 7", Duration::from_secs(60), "exit 7: why");
    }
}

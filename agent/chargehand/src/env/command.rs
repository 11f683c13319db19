//! Runs a supervised process to its end: its output is capped, its time is limited, nothing of it is left.
//!
//! It knows no sandbox. It expects a process that keeps to four rules, which `chargehand_inside::supervise` does: it has
//! a process group of its own, it ends with all of its children when stdin is closed, it tells on stdout how it went, and
//! what the command itself writes comes on stderr.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::sandbox::kill_descendants;

/// The beginning of an output that is kept: the first error of a compiler stands there.
const HEAD: usize = 64 << 10;
/// The end of an output that is kept: the summary of a test run stands there.
const TAIL: usize = 256 << 10;
/// A log file has at most so many bytes.
const MAX_LOG: u64 = 16 << 20;
/// A supervisor has this long to end its processes; then it is killed itself.
const GRACE: Duration = Duration::from_secs(3);
/// How often somebody is asked whether to stop.
const TICK: Duration = Duration::from_millis(20);
/// What a supervisor tells has at most so many bytes.
const MAX_TOLD: u64 = 64 << 10;

/// When a process is ended by us.
pub(crate) struct Watch<'a> {
    /// After this time.
    pub(crate) timeout: Duration,
    /// When this says so.
    pub(crate) stop: &'a dyn Fn() -> bool,
    /// Where its whole output goes.
    pub(crate) log: Option<&'a Path>,
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// By itself.
    Itself,
    /// Its time was up.
    TimedOut,
    /// Somebody said stop.
    Stopped,
}

/// A process that is gone.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Why.
    pub(crate) cause: Cause,
    /// What the supervisor told; empty when it was killed before it could.
    pub(crate) told: String,
    /// How the process that we started ended, if it could be learnt.
    pub(crate) status: Option<ExitStatus>,
    /// Its output, as text, with the middle left out when it is long.
    pub(crate) output: String,
    /// All bytes it wrote.
    pub(crate) bytes: u64,
    /// Wall-clock time.
    pub(crate) time: Duration,
}

/// Starts `command` and waits for its end.
///
/// # Errors
///
/// When it cannot be started, or its log cannot be created.
pub(crate) fn run(mut command: Command, watch: &Watch<'_>) -> io::Result<Ended> {
    let begin = Instant::now();
    let capture = Arc::new(Mutex::new(Capture::new(watch.log)?));
    let ((output, output_writer), (told, told_writer)) = (io::pipe()?, io::pipe()?);
    command.stdin(Stdio::piped()).stdout(told_writer).stderr(output_writer);
    let (sender, news) = channel();
    // Before the start: a supervisor protects the threads that it finds.
    read_output(output, Arc::clone(&capture), sender.clone());
    read_told(told, sender);
    let mut child = command.spawn()?;
    // The command holds the writing ends; with them neither pipe would ever end.
    drop(command);
    let control = child.stdin.take();

    let (cause, told) = wait(&news, watch, begin);
    let told = told.unwrap_or_else(|| end(&mut child, control, &news));
    let status = reap(&mut child);
    let is_whole = await_output(&news);
    let (output, bytes) = capture.lock().unwrap_or_else(PoisonError::into_inner).text(is_whole);
    Ok(Ended { cause, told, status, output, bytes, time: begin.elapsed() })
}

/// What the reading threads report.
enum News {
    /// The supervisor's word is complete.
    Told(String),
    /// The output is at its end.
    OutputEnded,
}

/// Waits until the supervisor has told how it went, or somebody wants it to end.
fn wait(news: &Receiver<News>, watch: &Watch<'_>, begin: Instant) -> (Cause, Option<String>) {
    loop {
        match news.recv_timeout(TICK) {
            Ok(News::Told(told)) => return (Cause::Itself, Some(told)),
            // A command may close its output and go on.
            Ok(News::OutputEnded) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return (Cause::Itself, Some(String::new())),
        }
        if (watch.stop)() {
            return (Cause::Stopped, None);
        }
        if begin.elapsed() >= watch.timeout {
            return (Cause::TimedOut, None);
        }
    }
}

/// Tells the supervisor to end everything; kills it when it does not.
fn end(child: &mut Child, control: Option<ChildStdin>, news: &Receiver<News>) -> String {
    drop(control);
    let begin = Instant::now();
    while begin.elapsed() < GRACE {
        match news.recv_timeout(TICK) {
            Ok(News::Told(told)) => return told,
            Ok(News::OutputEnded) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    kill(child);
    String::new()
}

/// Kills a supervisor that does not answer. What descends from it goes first: without it nobody would find that.
fn kill(child: &mut Child) {
    kill_descendants(Pid::from_raw(child.id().cast_signed()));
    // Only fails when it is gone already.
    child.kill().unwrap_or_default();
}

/// Collects the child; one that outlives its grace is killed.
fn reap(child: &mut Child) -> Option<ExitStatus> {
    for is_last in [false, true] {
        let begin = Instant::now();
        while begin.elapsed() < GRACE {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => std::thread::sleep(Duration::from_micros(100)),
                Err(_) => return None,
            }
        }
        if !is_last {
            kill(child);
        }
    }
    None
}

/// Returns whether the output came to its end; a process that got away may hold it open.
fn await_output(news: &Receiver<News>) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < GRACE {
        match news.recv_timeout(TICK) {
            Ok(News::OutputEnded) | Err(RecvTimeoutError::Disconnected) => return true,
            Ok(News::Told(_)) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
    false
}

fn read_output(mut output: PipeReader, capture: Arc<Mutex<Capture>>, news: Sender<News>) {
    std::thread::spawn(move || {
        let mut block = vec![0; 64 << 10];
        loop {
            match output.read(&mut block) {
                Ok(0) => break,
                Ok(n) => capture.lock().unwrap_or_else(PoisonError::into_inner).add(&block[..n]),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // Nobody may be waiting any more.
        news.send(News::OutputEnded).unwrap_or_default();
    });
}

fn read_told(pipe: PipeReader, news: Sender<News>) {
    std::thread::spawn(move || {
        let mut told = Vec::new();
        // Half a word is no word; whoever reads it finds out.
        pipe.take(MAX_TOLD).read_to_end(&mut told).unwrap_or_default();
        news.send(News::Told(String::from_utf8_lossy(&told).into_owned())).unwrap_or_default();
    });
}

/// The output so far: its beginning, its end, and how much there was.
struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    bytes: u64,
    log: Option<File>,
    log_error: Option<io::Error>,
}

impl Capture {
    fn new(log: Option<&Path>) -> io::Result<Self> {
        let log = log.map(File::create).transpose()?;
        Ok(Self { head: Vec::new(), tail: VecDeque::new(), bytes: 0, log, log_error: None })
    }

    fn add(&mut self, block: &[u8]) {
        self.write_log(block);
        self.bytes += block.len() as u64;
        let room = HEAD - self.head.len();
        let (head, rest) = block.split_at(room.min(block.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..over);
    }

    fn write_log(&mut self, block: &[u8]) {
        let Some(log) = &mut self.log else { return };
        let room = usize::try_from(MAX_LOG.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        if let Err(err) = log.write_all(&block[..room.min(block.len())]) {
            // A full disk must not end the run; the output in memory says so.
            self.log = None;
            self.log_error = Some(err);
        }
    }

    fn text(&mut self, is_whole: bool) -> (String, u64) {
        let mut bytes = self.head.clone();
        let left_out = self.bytes - (self.head.len() + self.tail.len()) as u64;
        if left_out > 0 {
            bytes.extend_from_slice(format!("\n[{left_out} bytes left out]\n").as_bytes());
        }
        bytes.extend(&self.tail);
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(err) = &self.log_error {
            text.push_str(&format!("\n[the log is not complete: {err}]\n"));
        }
        if !is_whole {
            text.push_str("\n[a process of it is still running and may write more]\n");
        }
        (text, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Capture, HEAD, TAIL};

    #[track_caller]
    fn check(bytes: usize, left_out: Option<usize>) {
        let mut capture = Capture::new(None).unwrap();
        let block: Vec<u8> = (b'a'..=b'z').cycle().take(bytes).collect();
        for piece in block.chunks(60_000) {
            capture.add(piece);
        }
        let (text, total) = capture.text(true);
        assert_eq!(total, bytes as u64);
        let expect = match left_out {
            None => String::from_utf8(block).unwrap(),
            Some(n) => {
                let text = String::from_utf8(block).unwrap();
                format!("{}\n[{n} bytes left out]\n{}", &text[..HEAD], &text[bytes - TAIL..])
            }
        };
        assert!(text == expect, "{bytes} bytes became {}", text.len());
    }

    #[test]
    fn only_the_middle_of_a_long_output_is_left_out() {
        check(0, None);
        check(1, None);
        check(HEAD, None);
        check(HEAD + TAIL, None);
        check(HEAD + TAIL + 1, Some(1));
        check(3 * (HEAD + TAIL), Some(2 * (HEAD + TAIL)));
    }
}

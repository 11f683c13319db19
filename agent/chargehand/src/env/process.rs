//! Our own program as another process: how it is started, what it said last, and how it ended.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use chargehand_engine::probe::WORKER_ENV;

use crate::config;

/// Lines of a dead process's stderr that are kept.
const LAST_WORDS: usize = 12;
/// Characters of a line that are kept.
const MAX_LINE: usize = 400;
/// Bytes of a line that are read at once: a process that goes mad writes no line end.
const MAX_READ: u64 = 64 << 10;
/// Beside what the engine needs, such a process sees these variables, and those that begin like the others:
/// they say which GPU it may use and where its driver lies.
const VARIABLES: [&str; 5] = ["PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "XDG_RUNTIME_DIR"];
const PREFIXES: [&str; 6] = ["CUDA_", "NVIDIA_", "HIP_", "ROCR_", "GGML_", "VK_"];

/// Returns a command that starts this program with a hidden subcommand, in a process group of its own: Ctrl-C on
/// the terminal reaches us, and we end what we started.
///
/// # Errors
///
/// When the running program cannot be found.
pub(crate) fn ourselves(subcommand: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(subcommand).current_dir("/").env_clear().process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let wanted = |name: &str| {
        VARIABLES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    for (name, value) in config::variables() {
        if name.to_str().is_some_and(wanted) {
            command.env(name, value);
        }
    }
    command.envs(WORKER_ENV);
    Ok(command)
}

/// Keeps the last lines that a process writes to stderr.
#[derive(Debug)]
pub(crate) struct LastWords {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl LastWords {
    /// Begins to listen.
    pub(crate) fn of(child: &mut Child) -> Self {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let reader = child.stderr.take().map(|stderr| {
            let lines = Arc::clone(&lines);
            thread::spawn(move || keep_last(stderr, &lines))
        });
        Self { lines, reader }
    }

    /// Returns what was said last, on one line. Only for a process that has ended.
    pub(crate) fn text(mut self) -> String {
        if let Some(reader) = self.reader.take() {
            // A thread that reads a closed pipe ends; it cannot panic.
            reader.join().unwrap_or_default();
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join(" | ")
    }
}

fn keep_last(stderr: impl Read, lines: &Mutex<VecDeque<String>>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| stderr.by_ref().take(MAX_READ).read_until(b'\n', line);
    while next(&mut line).is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(&line);
        let text: String = without_folder(text.trim()).chars().take(MAX_LINE).collect();
        line.clear();
        if text.is_empty() {
            continue;
        }
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_WORDS {
            lines.pop_front();
        }
        lines.push_back(text);
    }
}

/// llama.cpp says where it gave up, by the path that it was built in: that of another machine.
fn without_folder(line: &str) -> &str {
    let is_path = line.starts_with('/') && line.contains(": ");
    let source = line.find("/llama.cpp/").filter(|_| is_path);
    source.map_or(line, |at| &line[at + 1..])
}

/// Returns in words how a process ended.
pub(crate) fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (_, Some(4)) => "signal 4: the processor does not know an instruction".to_owned(),
        (_, Some(6)) => "signal 6: llama.cpp gave up".to_owned(),
        (_, Some(9)) => "signal 9: killed, perhaps because memory ran out".to_owned(),
        (_, Some(11)) => "signal 11: llama.cpp crashed".to_owned(),
        (_, Some(signal)) => format!("signal {signal}"),
        (Some(code), None) => format!("exit {code}"),
        (None, None) => "for no known reason".to_owned(),
    }
}

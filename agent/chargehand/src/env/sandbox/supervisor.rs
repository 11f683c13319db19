//! Which program stands inside: a small one beside ours where there is one of the same source, else our own.
//!
//! Ours does the same, but to start it takes four times as long. What another build has left behind is not used, nor
//! what has been replaced since we asked it; whoever may write beside our program may as well replace that.

use std::fs::{self, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use chargehand_inside::{ASK_SOURCE, SOURCE};

/// The name of the small program.
const NAME: &str = "chargehand-inside";

/// The mode bits by which others than its owner may write a file.
const OTHERS_WRITE: u32 = 0o022;

/// It answers within milliseconds; where a disk or a stranger's script takes longer, our own supervises.
const PATIENCE: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(1);

/// The program that supervises commands.
#[derive(Clone, Debug)]
pub(super) struct Supervisor {
    own: PathBuf,
    small: Option<Small>,
}

/// The small program as it was when it was asked.
#[derive(Clone, Debug)]
struct Small {
    path: PathBuf,
    state: State,
}

/// The device of a file, its number there, and when anything about it last changed, which no program can set.
type State = (u64, u64, i64, i64);

impl Supervisor {
    /// Looks for the small program beside `own`, which is ours, and asks it for its source.
    pub(super) fn beside(own: &Path) -> Self {
        let path = own.with_file_name(NAME);
        let before = fs::metadata(own).ok().and_then(|own| trusted(&path, &own));
        let asked = before.filter(|_| has_our_source(&path));
        let small = asked.filter(|state| state_of(&path) == Some(*state));
        Self { own: own.to_owned(), small: small.map(|state| Small { path, state }) }
    }

    /// Returns where it lies. The small one is left alone once anything about its file has changed.
    pub(super) fn path(&self) -> &Path {
        match &self.small {
            Some(small) if state_of(&small.path) == Some(small.state) => &small.path,
            Some(_) | None => &self.own,
        }
    }
}

/// Returns the state of a file that nobody can have put there who could not have replaced `own`.
fn trusted(path: &Path, own: &Metadata) -> Option<State> {
    let found = fs::symlink_metadata(path).ok()?;
    let is_ours = found.uid() == own.uid() || found.uid() == 0;
    let is_open = found.mode() & !own.mode() & OTHERS_WRITE != 0;
    (found.is_file() && is_ours && !is_open).then(|| state(&found))
}

fn state_of(path: &Path) -> Option<State> {
    fs::symlink_metadata(path).ok().as_ref().map(state)
}

fn state(found: &Metadata) -> State {
    (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
}

/// Starts the program, without a sandbox: it is ours, or somebody else could have replaced all of us. One that takes its
/// time is killed.
fn has_our_source(path: &Path) -> bool {
    let mut command = Command::new(path);
    command.arg(ASK_SOURCE).env_clear().current_dir("/").stdin(Stdio::null());
    let Ok(mut child) = command.stderr(Stdio::null()).stdout(Stdio::piped()).spawn() else {
        return false;
    };
    let deadline = Instant::now() + PATIENCE;
    let (sender, told) = channel();
    let stdout = child.stdout.take();
    thread::spawn(move || {
        let mut text = Vec::new();
        // One byte more tells that there is more.
        let stdout = stdout.map(|stdout| stdout.take(SOURCE.len() as u64 + 1));
        // What could not be read is not our source.
        drop(stdout.map(|mut stdout| stdout.read_to_end(&mut text)));
        drop(sender.send(text));
    });
    let text = told.recv_timeout(PATIENCE).unwrap_or_default();
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < deadline => thread::sleep(STEP),
            Ok(None) | Err(_) => {
                drop(child.kill().and_then(|()| child.wait()));
                break false;
            }
        }
    };
    ended && text == SOURCE.as_bytes()
}

//! How much memory there is, and how much a model would take. It plans nothing: core does.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Budget, Footprint, HOST, LoadOptions, Pool, host_headroom};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::question;

/// The hidden subcommand that measures.
pub const SUBCOMMAND: &str = "dry-run";
/// A dry run of a 133 GB model took 0.6 s on a loaded machine; after this long something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a dry run says is smaller than this.
const MAX_SAID: u64 = 4 << 20;

/// What a measuring process is asked, as JSON on its stdin.
#[derive(Debug, Deserialize, Serialize)]
pub struct DryRun {
    /// The name of the model.
    pub model: String,
    /// How it would be loaded; without, only the devices are listed.
    pub options: Option<LoadOptions>,
}

/// What it answers, as JSON on its stdout.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// What the model takes.
    Footprint(Footprint),
    /// The memory of each GPU.
    Devices(Vec<Pool>),
    /// Why it cannot be known.
    Failed(String),
}

/// Why a footprint is not known. A model whose footprint is not known is not loaded.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The process could not be started or did not answer.
    #[error("cannot measure what the model takes: {0}")]
    Io(#[from] io::Error),
    /// It crashed: a malformed model can do that, and did it where it does no harm.
    #[error("llama.cpp did not survive the model {model}: {how}{words}")]
    Died {
        /// The model.
        model: String,
        /// How it ended.
        how: String,
        /// What it said last.
        words: String,
    },
    /// It says no.
    #[error("{0}")]
    Failed(String),
}

/// Returns what `options` would take, measured in a process of its own that ends at once.
///
/// # Errors
///
/// [`ProbeError`].
pub fn footprint(model: &str, options: &LoadOptions) -> Result<Footprint, ProbeError> {
    let ask = DryRun { model: model.to_owned(), options: Some(options.clone()) };
    match measure(&ask)? {
        Measured::Footprint(footprint) => Ok(footprint),
        Measured::Failed(reason) => Err(ProbeError::Failed(reason)),
        Measured::Devices(_) => Err(io::Error::other("the answer is to another question").into()),
    }
}

/// Returns what this machine has now. A pool that cannot be read has nothing, so nothing is loaded into it.
#[must_use]
pub fn budget() -> Budget {
    let mut pools = vec![host(Path::new("/"))];
    // Only a build for GPUs asks for them: that costs a driver context.
    if cfg!(any(feature = "cuda", feature = "vulkan", feature = "metal", feature = "rocm"))
        && let Ok(Measured::Devices(devices)) =
            measure(&DryRun { model: String::new(), options: None })
    {
        pools.extend(devices);
    }
    Budget { pools }
}

fn measure(ask: &DryRun) -> Result<Measured, ProbeError> {
    let said = question::ask(SUBCOMMAND, ask, PATIENCE, MAX_SAID)?;
    match serde_json::from_slice(&said.text) {
        Ok(measured) => Ok(measured),
        Err(_) => {
            let (how, words) = said.end();
            Err(ProbeError::Died { model: ask.model.clone(), how, words })
        }
    }
}

/// Returns the pool of ordinary memory. `root` is `/`, or what a test puts in its place.
#[must_use]
pub fn host(root: &Path) -> Pool {
    let info = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Bytes(kib.unwrap_or(0).saturating_mul(1024))
    };
    let groups = group_rooms(root);
    let capacity = groups.iter().map(|group| group.limit).fold(field("MemTotal"), Ord::min);
    let available = groups.iter().map(|group| group.room).fold(field("MemAvailable"), Ord::min);
    let headroom = host_headroom(capacity);
    Pool { name: HOST.to_owned(), capacity, available, headroom, within: None }
}

/// A control group that limits our memory.
struct Group {
    limit: Bytes,
    room: Bytes,
}

/// Returns our control group and all above it, as far as they limit memory.
///
/// `available` of the system knows nothing of them. Clean file pages count as free: the kernel drops them first.
fn group_rooms(root: &Path) -> Vec<Group> {
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut found = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (base, read): (PathBuf, fn(&Path) -> Option<Group>) = if controllers.is_empty() {
            (root.join("sys/fs/cgroup"), version_2)
        } else if controllers.split(',').any(|name| name == "memory") {
            (root.join("sys/fs/cgroup/memory"), version_1)
        } else {
            continue;
        };
        // `..` leads to groups outside of our namespace, which nobody can look at from here.
        let parts = Path::new(path.trim_start_matches('/')).components();
        let own: PathBuf = parts.take_while(|part| matches!(part, Component::Normal(_))).collect();
        found.extend(own.ancestors().filter_map(|group| read(&base.join(group))));
    }
    found
}

fn version_2(group: &Path) -> Option<Group> {
    let limits = ["memory.max", "memory.high"].map(|name| limit(&group.join(name)));
    let files = ["inactive_file", "active_file"];
    let unclean = ["file_dirty", "file_writeback"];
    let clean = counted(group, files).saturating_sub(counted(group, unclean));
    Some(room(limits.into_iter().flatten().min()?, &group.join("memory.current"), clean))
}

fn version_1(group: &Path) -> Option<Group> {
    let limit = limit(&group.join("memory.limit_in_bytes"))?;
    let files = ["total_inactive_file", "total_active_file"];
    let unclean = ["total_dirty", "total_writeback"];
    let clean = counted(group, files).saturating_sub(counted(group, unclean));
    Some(room(limit, &group.join("memory.usage_in_bytes"), clean))
}

/// A group whose use cannot be read has no room.
fn room(limit: u64, used: &Path, clean: u64) -> Group {
    let used = number(used).unwrap_or(u64::MAX);
    let room = limit.saturating_sub(used.saturating_sub(clean));
    Group { limit: Bytes(limit), room: Bytes(room) }
}

/// Returns the sum of two values of `memory.stat`; one that cannot be read counts nothing.
fn counted(group: &Path, names: [&str; 2]) -> u64 {
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let value = |name: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or(0_u64)
    };
    names.into_iter().map(value).fold(0, u64::saturating_add)
}

/// Reads a limit. `max` is none, and so is a file that is not there: the topmost group has none. One that cannot
/// be understood allows nothing.
fn limit(path: &Path) -> Option<u64> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim() == "max" => None,
        Ok(text) => Some(text.trim().parse().unwrap_or(0)),
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(_) => Some(0),
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

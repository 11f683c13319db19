//! How much memory there is, and what a process takes of it. It plans nothing: core does.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::taken::Taken;
use chargehand_core::memory::{Budget, HOST, Pool, host_headroom};

use super::prober::Prober;
use crate::config::MemoryConfig;

/// Whether a look at the machine starts a process that asks the drivers of its GPUs.
pub const ASKS_DEVICES: bool =
    cfg!(any(feature = "cuda", feature = "vulkan", feature = "metal", feature = "rocm"));

/// Returns the memory that a process of ours takes now, files that it has mapped included.
#[must_use]
pub fn resident(pid: u32) -> Option<Bytes> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kib.saturating_mul(1024)))
}

/// Returns what this machine has now, with the headroom that the user has set. A pool that cannot be read has nothing,
/// so nothing is loaded into it.
#[must_use]
pub fn budget(set: &MemoryConfig) -> Budget {
    let mut pools = vec![host(Path::new("/"))];
    // Only a build for GPUs asks for them: that costs a driver context.
    if ASKS_DEVICES && let Ok(devices) = Prober::of(Vec::new()).devices() {
        pools.extend(devices);
    }
    with_headroom(Budget { pools }, set)
}

/// Returns `budget` with the headroom that the user has set.
#[must_use]
pub fn with_headroom(mut budget: Budget, set: &MemoryConfig) -> Budget {
    for pool in &mut budget.pools {
        let is_host = pool.name == HOST || pool.within.is_some();
        let headroom = if is_host { set.host_headroom } else { set.gpu_headroom };
        pool.headroom = headroom.unwrap_or(pool.headroom);
    }
    budget
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

/// Returns what the process `pid` takes of ordinary memory, where the system says it (Linux).
#[must_use]
pub fn taken(pid: u32) -> Option<Taken> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024).map(Bytes)
    };
    let (resident, anonymous) = (field("Rss")?, field("Anonymous")?);
    Some(Taken { anonymous, mapped: resident.saturating_sub(anonymous), devices: BTreeMap::new() })
}

/// A control group that limits our memory.
struct Group {
    limit: Bytes,
    room: Bytes,
}

/// Returns our control groups and all above them, as far as they limit memory.
///
/// `available` of the system knows nothing of them. Clean file pages count as free: the kernel drops them first.
fn group_rooms(root: &Path) -> Vec<Group> {
    let groups = own_groups(root).into_iter();
    groups.filter_map(|group| version_2(&group).or_else(|| version_1(&group))).collect()
}

/// Returns the folders of our control groups that account for memory, and of all above them.
pub(crate) fn own_groups(root: &Path) -> Vec<PathBuf> {
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut found = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let base = if controllers.is_empty() {
            root.join("sys/fs/cgroup")
        } else if controllers.split(',').any(|name| name == "memory") {
            root.join("sys/fs/cgroup/memory")
        } else {
            continue;
        };
        // `..` leads to groups outside of our namespace, which nobody can look at from here.
        let parts = Path::new(path.trim_start_matches('/')).components();
        let own: PathBuf = parts.take_while(|part| matches!(part, Component::Normal(_))).collect();
        found.extend(own.ancestors().map(|group| base.join(group)));
    }
    found
}

fn version_2(group: &Path) -> Option<Group> {
    let limits = ["memory.max", "memory.high"].map(|name| limit(&group.join(name)));
    let limit = limits.into_iter().flatten().min()?;
    let clean = clean(group, ["inactive_file", "active_file"], ["file_dirty", "file_writeback"]);
    Some(room(limit, &group.join("memory.current"), clean))
}

fn version_1(group: &Path) -> Option<Group> {
    let limit = limit(&group.join("memory.limit_in_bytes"))?;
    let files = ["total_inactive_file", "total_active_file"];
    let clean = clean(group, files, ["total_dirty", "total_writeback"]);
    Some(room(limit, &group.join("memory.usage_in_bytes"), clean))
}

/// A group whose use cannot be read has no room.
fn room(limit: u64, used: &Path, clean: u64) -> Group {
    let used = number(used).unwrap_or(u64::MAX);
    let room = limit.saturating_sub(used.saturating_sub(clean));
    Group { limit: Bytes(limit), room: Bytes(room) }
}

/// Returns the bytes of clean file pages by `memory.stat`; a value that cannot be read counts nothing. It is read once, and
/// only where there is a limit: the kernel adds it all up for each reader, while others wait at the gate of the ledger.
fn clean(group: &Path, files: [&str; 2], unclean: [&str; 2]) -> u64 {
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let value = |name: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or(0_u64)
    };
    let sum = |names: [&str; 2]| names.into_iter().map(value).fold(0, u64::saturating_add);
    sum(files).saturating_sub(sum(unclean))
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

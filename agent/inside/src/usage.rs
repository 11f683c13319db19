//! What a command and all that it started take.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use nix::unistd::{Pid, getpid};

use crate::spec::{Limits, Tier};

/// Where memory can be taken as if it were a disk, in namespaces of its own.
const MEMORY_DISK: &str = "/dev/shm";

/// What is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Usage {
    tasks: u64,
    memory: u64,
    /// Bytes that are free on the disk of the working directory, if it says so.
    disk_left: Option<u64>,
}

impl Usage {
    /// Returns what everything that descends from us takes now.
    pub(crate) fn now(tier: Tier) -> Self {
        let disk = match tier {
            Tier::Namespaces => room(Path::new(MEMORY_DISK)).map_or(0, |(all, free)| all - free),
            // That of the machine is not for commands.
            Tier::Landlock => 0,
        };
        let disk_left = room(Path::new(".")).map(|(_, free)| free);
        let mut usage = Self { tasks: 0, memory: disk, disk_left };
        for pid in descendants(getpid()) {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let (tasks, memory) = taken(&status);
            usage.tasks += tasks;
            usage.memory += memory;
        }
        usage
    }

    /// Returns in words what is too much.
    pub(crate) fn excess(&self, limits: &Limits) -> Option<String> {
        let mib = |bytes: u64| bytes >> 20;
        if self.tasks > limits.tasks {
            return Some(format!(
                "it had {} processes and threads, {} at most are allowed",
                self.tasks, limits.tasks
            ));
        }
        if self.memory > limits.memory {
            let (had, most) = (mib(self.memory), mib(limits.memory));
            return Some(format!("it took {had} MiB of memory, {most} MiB at most are allowed"));
        }
        let left = self.disk_left.filter(|left| *left < limits.disk_left)?;
        let (left, least) = (mib(left), mib(limits.disk_left));
        Some(format!("it left {left} MiB free on the disk, {least} MiB must stay free"))
    }
}

/// Returns the bytes of the disk that holds `path`, and how many of them are free.
#[must_use]
pub fn room(path: &Path) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Some((bytes(disk.f_blocks), bytes(disk.f_bavail.min(disk.f_blocks))))
}

/// Returns tasks and bytes out of `/proc/PID/status`. Memory that two processes share counts twice.
fn taken(status: &str) -> (u64, u64) {
    let tasks = number(status, "Threads:").unwrap_or(1);
    let memory = ["RssAnon:", "RssShmem:", "VmSwap:"].map(|name| kibibytes(status, name));
    (tasks, memory.into_iter().flatten().sum())
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    number(text, name).map(|kib| kib.saturating_mul(1024))
}

/// Returns the number that follows `name` at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Returns every process that descends from `root`.
pub(crate) fn descendants(root: Pid) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(parent) = parent(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![root.as_raw()];
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if seen.insert(*child) {
                found.push(*child);
                open.push(*child);
            }
        }
    }
    found
}

/// Returns the parent out of a line of `/proc/PID/stat`. The name before it may hold anything, a `)` too.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stat: &str, expect: Option<i32>) {
        assert_eq!(parent(stat), expect, "{stat}");
    }

    #[test]
    fn a_parent_is_found_behind_any_name() {
        check("12 (sh) S 7 12 12 0", Some(7));
        check("12 (a) S 1 (b) R 9 1", Some(9));
        check("12 (a b) Z 0", Some(0));
        check("12 (sh", None);
        check("12 (sh) S", None);
    }

    #[test]
    fn what_a_process_takes_is_read() {
        let status = "Name:\tx\nThreads:\t3\nRssAnon:\t 10 kB\nRssFile:\t 99 kB\nRssShmem:\t 2 kB\nVmSwap:\t 1 kB\n";
        assert_eq!(taken(status), (3, 13 * 1024));
        // A process that has just ended has no memory any more.
        assert_eq!(taken("Name:\tx\nThreads:\t1\n"), (1, 0));
    }

    #[test]
    fn each_limit_has_its_words() {
        let limits = Limits { tasks: 2, memory: 4 << 20, disk_left: 8 << 20 };
        let usage = Usage { tasks: 2, memory: 4 << 20, disk_left: Some(8 << 20) };
        assert_eq!(usage.excess(&limits), None);
        assert_eq!(Usage { disk_left: None, ..usage }.excess(&limits), None);
        let says = |usage: Usage, words: &str| {
            let told = usage.excess(&limits).unwrap();
            assert!(told.contains(words), "{told}");
        };
        says(Usage { tasks: 3, ..usage }, "3 processes and threads, 2 at most");
        says(Usage { memory: (4 << 20) + 1, ..usage }, "4 MiB of memory");
        says(Usage { disk_left: Some((8 << 20) - 1), ..usage }, "7 MiB free on the disk");
    }
}

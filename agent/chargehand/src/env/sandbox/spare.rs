//! What the machine can spare for a command, and how many tasks its user may have meanwhile.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chargehand_inside::spec::Limits;
use chargehand_inside::usage::room;
use nix::unistd::getuid;

use crate::env::probe::host;

/// A large parallel build has hundreds of tasks, a fork bomb soon has more than these.
const MAX_TASKS: u64 = 4096;
/// So much stays free on a disk, or an eighth of what is free there when that is less.
const DISK_LEFT: u64 = 1 << 30;

/// Returns what the machine can spare for a command in `work`: three quarters of the memory that is free, and all of
/// the disk but what others need to go on.
pub(crate) fn limits(work: &Path) -> Limits {
    let memory = host(Path::new("/")).available.0 / 4 * 3;
    let disk_left = room(work).map_or(0, |(_, free)| DISK_LEFT.min(free / 8));
    Limits { tasks: MAX_TASKS, memory, disk_left }
}

/// Returns how many tasks the user may have while a command runs that may have `more` of its own: the limit on new ones
/// counts those of the whole machine.
pub(crate) fn tasks(more: u64) -> u64 {
    let user = getuid().as_raw();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let threads = processes.filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        (entry.metadata().ok()?.uid() == user).then_some(())?;
        threads(&fs::read_to_string(entry.path().join("stat")).ok()?)
    });
    threads.sum::<u64>().saturating_add(more)
}

/// Returns the number of threads out of a line of `/proc/PID/stat`.
fn threads(stat: &str) -> Option<u64> {
    // The name may hold anything; 17 fields follow it before the threads come.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(17)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{tasks, threads};

    #[test]
    fn the_threads_are_found() {
        let stat = "1 (a) b) S 0 1 1 0 -1 4 1 1 1 1 1 1 1 1 20 0 7 0 5";
        assert_eq!(threads(stat), Some(7));
        assert_eq!(threads("1 (a) S"), None);
    }

    #[test]
    fn our_own_thread_is_counted() {
        assert!(tasks(7) > 7);
    }
}

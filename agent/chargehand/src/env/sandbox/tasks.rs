//! How many tasks a user has: the limit on new ones counts those of the whole machine.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::getuid;

/// Returns how many tasks the user may have while a command runs that may have `more` of its own.
pub(crate) fn allowed(more: u64) -> u64 {
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
    use super::{allowed, threads};

    #[test]
    fn the_threads_are_found() {
        let stat = "1 (a) b) S 0 1 1 0 -1 4 1 1 1 1 1 1 1 1 20 0 7 0 5";
        assert_eq!(threads(stat), Some(7));
        assert_eq!(threads("1 (a) S"), None);
    }

    #[test]
    fn our_own_thread_is_counted() {
        assert!(allowed(7) > 7);
    }
}

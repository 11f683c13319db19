//! The folders of runs are named after the moments in which they began, so that the newest is the last in any list.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::dir::{DiskError, Tried};

/// Makes a folder below `parent` that is named after the moment, and returns the name too.
pub(crate) fn make_folder(parent: &Path, now: Duration) -> Result<(String, PathBuf), DiskError> {
    let private = |recursive| {
        let mut builder = DirBuilder::new();
        builder.mode(0o700).recursive(recursive);
        builder
    };
    private(true).create(parent).tried(|| format!("cannot make {}", parent.display()))?;
    // In 65,536ths of a second.
    let mut moment = (now.as_secs() << 16) + (u64::from(now.subsec_nanos()) << 16) / 1_000_000_000;
    loop {
        let id = format!("{}-{:04x}", utc(moment >> 16), moment & 0xffff);
        let path = parent.join(&id);
        match private(false).create(&path) {
            // Somebody else began in the same part.
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => moment += 1,
            made => {
                made.tried(|| format!("cannot make {}", path.display()))?;
                return Ok((id, path));
            }
        }
    }
}

/// Returns `YYYYMMDD-hhmmss` in UTC.
fn utc(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March 0000, in eras of 400 years; the leap day ends such a year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_moments() {
        let folder = tempfile::tempdir().unwrap();
        let mut last = String::new();
        // Three begin in the same part, and the next second comes in between.
        for part in (65_520..65_552).flat_map(|part| [part; 3]) {
            let moment = Duration::from_secs(1_800_000_000) + Duration::from_secs(part) / 65_536;
            let (name, path) = make_folder(folder.path(), moment).unwrap();
            assert!(path.is_dir() && last < name, "{last} {name}");
            last = name;
        }
    }
}

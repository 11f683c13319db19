//! Opens a file that has one name, and makes sure that this is the name: nobody who swaps names meanwhile can pass off a
//! file that lies elsewhere.
//!
//! To count names when a file is open is not enough: a second name that was there a moment before may be the very one
//! that led here. But whoever makes or takes a name away moves the file's change time, which nobody can set.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::dir::Dir;

/// Change times are taken from a clock that ticks a hundred times a second on the slowest kernels.
const TICK: Duration = Duration::from_millis(12);

/// Opens the regular file `path` beneath `dir`; where it is none with this one name, says why not.
pub(crate) fn open(dir: &Dir, path: &[u8]) -> io::Result<Result<File, &'static str>> {
    let file = dir.file(path)?;
    let found = file.metadata()?;
    if found.is_dir() {
        return Ok(Err("it is a directory"));
    }
    if !found.is_file() {
        return Ok(Err("it is no regular file"));
    }
    let before = settled(&file)?;
    if before.nlink() > 1 {
        return Ok(Err("it has a second name elsewhere (hard link)"));
    }
    // Between the two looks at the file its name leads to it, and it has no other.
    let named = dir.find(path)?;
    let after = file.metadata()?;
    let is_its_name = named.is_some_and(|named| key(&named) == key(&before));
    let is_still = is_its_name && key(&after) == key(&before);
    Ok(if is_still { Ok(file) } else { Err("somebody else is changing it") })
}

/// Returns what is known of a file whose change time lies so far back that the next change moves it. A clock that was
/// set back makes nobody wait for it.
fn settled(file: &File) -> io::Result<Metadata> {
    let begin = Instant::now();
    loop {
        let found = file.metadata()?;
        let changed = u64::try_from(found.ctime()).unwrap_or_default();
        let nanos = u32::try_from(found.ctime_nsec()).unwrap_or_default();
        let age = SystemTime::now().duration_since(UNIX_EPOCH + Duration::new(changed, nanos));
        if found.nlink() > 1 || age.is_ok_and(|age| age > TICK) || begin.elapsed() > 2 * TICK {
            return Ok(found);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn key(found: &Metadata) -> (u64, u64, u64, i64, i64) {
    (found.dev(), found.ino(), found.nlink(), found.ctime(), found.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(dir: &Dir, path: &str, expect: Option<&str>) {
        let found = open(dir, path.as_bytes()).unwrap();
        assert_eq!(found.err(), expect, "{path}");
    }

    #[test]
    fn a_file_with_one_name_is_opened_and_no_other_thing() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::write(path("one"), "x").unwrap();
        std::fs::write(path("two"), "x").unwrap();
        std::fs::hard_link(path("two"), path("other")).unwrap();
        std::fs::create_dir(path("dir")).unwrap();
        check(&dir, "one", None);
        check(&dir, "two", Some("it has a second name elsewhere (hard link)"));
        check(&dir, "dir", Some("it is a directory"));
        std::fs::remove_file(path("other")).unwrap();
        check(&dir, "two", None);
        assert!(open(&dir, b"other").is_err());
    }
}

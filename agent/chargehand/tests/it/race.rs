//! Edits while somebody swaps what lies under their paths for links that lead outside.
//!
//! `CHARGEHAND_RACES` says how many edits are raced; `bench-scripts/races` asks for a million.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chargehand::env::workspace::Workspace;
use chargehand_core::ports::Environment;

use crate::temp_repo::{TempRepo, rel, sample};

/// What stands in the file outside.
const THEIRS: &str = "theirs";

/// A workspace, and a folder outside with one file.
struct Field {
    work: PathBuf,
    outside: PathBuf,
}

impl Field {
    fn in_(repo: &TempRepo, work: &Path) -> Self {
        let outside = repo.outside("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("x"), THEIRS).unwrap();
        Self { work: work.to_owned(), outside }
    }

    /// Swaps a folder, a file and a second name, round and round. Either of us may find what the other has just made.
    fn swap(&self, stop: &AtomicBool) {
        let (dir, file, name) = (self.work.join("r"), self.work.join("f"), self.work.join("h"));
        while !stop.load(Ordering::Relaxed) {
            drop(symlink(&self.outside, &dir));
            drop(symlink(self.outside.join("x"), &file));
            drop(fs::hard_link(self.outside.join("x"), &name));
            drop(fs::remove_file(&dir));
            drop(fs::remove_file(&file));
            drop(fs::remove_file(&name));
            drop(fs::create_dir(&dir));
            drop(fs::write(&file, "ours"));
            drop(fs::write(&name, "ours"));
            drop(fs::remove_dir_all(&dir));
            drop(fs::remove_file(&file));
            drop(fs::remove_file(&name));
        }
    }

    fn is_untouched(&self) -> bool {
        let names: Vec<_> = fs::read_dir(&self.outside).unwrap().flatten().collect();
        names.len() == 1 && fs::read_to_string(self.outside.join("x")).unwrap() == THEIRS
    }

    /// Calls `edit` with numbers until it says that it is enough, while everything is swapped.
    fn race(&self, mut edit: impl FnMut(u64) -> bool) {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| self.swap(&stop));
            let mut count = 0;
            while edit(count) {
                count += 1;
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn no_race_leads_an_edit_outside() {
    let wanted = std::env::var("CHARGEHAND_RACES").ok().and_then(|text| text.parse().ok());
    let wanted: u64 = wanted.unwrap_or(1000);
    let repo = sample();
    let run = repo.run();
    let mut workspace = Workspace::open(&run).unwrap();
    let field = Field::in_(&repo, &workspace.path());
    let (mut done, mut refused) = (0_u64, 0_u64);
    field.race(|count| {
        let path = ["r/x", "f", "h"][usize::try_from(count / 3 % 3).unwrap()];
        let result = match count % 3 {
            0 => workspace.write(&rel(path), b"x"),
            1 => workspace.delete(&rel(path)),
            _ => workspace.read(&rel(path)).map(|bytes| {
                assert_ne!(bytes, THEIRS.as_bytes(), "{path} was read outside");
            }),
        };
        if result.is_ok() {
            done += 1;
        } else {
            refused += 1;
        }
        count + 1 < wanted
    });
    assert!(field.is_untouched());
    println!("{wanted} raced edits, {done} done, {refused} refused, none outside");
    assert!(done > 0 && refused > 0, "{done} and {refused}: nobody raced");
}

/// The race is one: an edit that trusts its path is led outside, and soon.
#[test]
fn an_edit_by_path_loses_the_race() {
    let repo = sample();
    let run = repo.run();
    let work = Workspace::open(&run).unwrap().path();
    let field = Field::in_(&repo, &work);
    let begin = Instant::now();
    field.race(|_| {
        drop(fs::write(work.join("r/y"), "x"));
        field.is_untouched() && begin.elapsed() < Duration::from_secs(60)
    });
    assert!(!field.is_untouched(), "this race proves nothing");
}

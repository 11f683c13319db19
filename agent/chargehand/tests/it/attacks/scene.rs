//! A repository before a deed, and what must be true of it whatever happened meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use super::{Call, edit_call, finish, fixture, read_call, shell, write_call};
use crate::place::{Outcome, Place};
use crate::power::{Disk, Lost};
use crate::tracer::{Fault, Op, Trace, trace};

/// What is done to a run, each time from the same beginning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deed {
    Run,
    Accept,
    Reject,
}

/// Calls of a worker, and the files that its job may touch as they are behind them; those that are gone have no text.
pub(super) struct Work {
    calls: Vec<Call>,
    files: BTreeMap<String, Option<String>>,
}

impl Work {
    pub(super) fn usual() -> Self {
        let calls = vec![
            read_call("src/a.py"),
            edit_call("src/a.py", "x = 1", "x = 10"),
            write_call("docs/new/one.md", "one\n"),
            edit_call("docs/new/one.md", "", "two"),
            ("delete_file", json!({ "path": "src/b.py" })),
            read_call("src/deep/c.py"),
            finish(),
        ];
        let files = [
            ("src/a.py", Some("x = 10\n")),
            ("docs/new/one.md", Some("one\ntwo\n")),
            ("src/b.py", None),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.map(str::to_owned)));
        Self { calls, files: files.into() }
    }

    /// Returns one of some twenty steps that follow from `seed`.
    pub(super) fn random(seed: u64) -> Self {
        let mut work = Self { calls: vec![read_call("src/a.py")], files: BTreeMap::new() };
        let mut dice = seed;
        let mut last = "x = 1".to_owned();
        for step in 0..16 {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let roll = dice >> 33;
            let next = format!("x = {roll}");
            match roll % 4 {
                0 => {
                    work.calls.push(edit_call("src/a.py", &last, &next));
                    work.files.insert("src/a.py".to_owned(), Some(format!("{next}\n")));
                    last = next;
                }
                1 if !work.files.contains_key("src/b.py") => {
                    work.calls.push(("delete_file", json!({ "path": "src/b.py" })));
                    work.files.insert("src/b.py".to_owned(), None);
                }
                _ => {
                    let path = format!("docs/{}/{step}.md", roll % 3);
                    let text = format!("{next}\n").repeat(1 + usize::try_from(roll % 900).unwrap());
                    work.calls.push(write_call(&path, &text));
                    work.files.insert(path, Some(text));
                }
            }
        }
        work.calls.push(finish());
        work
    }
}

/// A repository before a deed.
pub(super) struct Scene {
    pub(super) place: Place,
    deed: Deed,
    begin: Disk,
    repo: Vec<(PathBuf, Vec<u8>)>,
    script: String,
    files: BTreeMap<String, Option<String>>,
}

impl Scene {
    pub(super) fn before(deed: Deed, work: Work) -> Self {
        let place = fixture();
        place.commit(&[("src/deep/c.py", "x = 3\n")]);
        let script = place.script("s", &work.calls);
        if deed != Deed::Run {
            job(&place, &script).expect(0);
        }
        let begin = Disk::of(place.root());
        let repo = begin.below(&place.repo());
        Self { place, deed, begin, repo, script, files: work.files }
    }

    fn command(&self) -> Command {
        match self.deed {
            Deed::Run => self.place.command(job_args(&self.script)),
            Deed::Accept => self.place.command(["accept", "last"]),
            Deed::Reject => self.place.command(["reject", "last"]),
        }
    }

    pub(super) fn trace(&self, fault: Fault) -> Trace {
        self.begin.cut(&[], 0, Lost::Nothing);
        trace(&self.command(), self.place.root(), fault)
    }

    /// Does the deed and returns the disk before it and what was done to it, in order.
    pub(super) fn watch(&self) -> (Disk, Vec<Op>) {
        self.begin.cut(&[], 0, Lost::Nothing);
        let disk = Disk::of(self.place.root());
        let traced = trace(&self.command(), self.place.root(), Fault::Nothing);
        assert_eq!(traced.code, Some(0), "{traced:?}");
        (disk, traced.ops)
    }

    /// The deed was done and told: so it is.
    pub(super) fn is_done(&self) -> Result<(), String> {
        let place = &self.place;
        let succeeds = |args: &[&str]| expect(place.run(args), &[0], args);
        match self.deed {
            Deed::Run => {
                succeeds(&["report", "last"])?;
                succeeds(&["verify", "last"])?;
                succeeds(&["accept", "last"])?;
                self.has_landed()
            }
            Deed::Accept => {
                self.has_landed()?;
                expect(place.run(&["accept", "last"]), &[3], &["accept again"])
            }
            Deed::Reject => {
                expect(place.run(&["accept", "last"]), &[3], &["accept a rejected run"])
            }
        }
    }

    /// The deed was cut off somewhere: the repository is whole, and what is left can be finished or taken back.
    pub(super) fn is_sound(&self) -> Result<(), String> {
        let place = &self.place;
        self.is_whole()?;
        match self.deed {
            Deed::Run => {
                if place.runs().is_empty() {
                    return expect(job(place, &self.script), &[0], &["run"]);
                }
                let args = ["resume", "last", "--worker", &self.script];
                // One that has its verdict, or of which too little is there, is not gone on with, but goes.
                expect(place.run(&args), &[0, 1, 3, 74], &args)?;
                expect(place.run(&["reject", "last"]), &[0], &["reject"])?;
                self.is_whole()
            }
            Deed::Accept => {
                let again = accept_again(place);
                let told = format!("{again:?}");
                expect(again, &[0, 3], &["accept"])?;
                self.has_landed().map_err(|err| format!("{err}\n{told}"))
            }
            Deed::Reject => {
                expect(place.run(&["reject", "last"]), &[0], &["reject"])?;
                self.is_whole()
            }
        }
    }

    /// HEAD and all below it are there; where nothing is accepted, the checkout and its git folder are as they were, to
    /// the byte.
    fn is_whole(&self) -> Result<(), String> {
        if self.deed == Deed::Accept {
            return fsck(&self.place);
        }
        let now = Disk::of(&self.place.repo()).below(&self.place.repo());
        let differs = now.iter().find(|entry| !self.repo.contains(entry));
        match differs.or_else(|| self.repo.iter().find(|entry| !now.contains(entry))) {
            None => Ok(()),
            Some((path, _)) => Err(format!("{} is not what it was", path.display())),
        }
    }

    fn has_landed(&self) -> Result<(), String> {
        let place = &self.place;
        fsck(place)?;
        let status = git(place, &["status", "--porcelain"])?;
        let files = git(place, &["ls-tree", "-r", "--name-only", "HEAD"])?;
        let text = |path: &str| fs::read_to_string(place.repo().join(path)).ok();
        let is_there = |(path, wanted): (&String, &Option<String>)| {
            text(path) == *wanted && files.lines().any(|file| file == path) == wanted.is_some()
        };
        if status.is_empty() && self.files.iter().all(is_there) {
            return Ok(());
        }
        Err(format!("the result is not there: {files}\n{status}"))
    }
}

fn job_args(script: &str) -> Vec<&str> {
    let scope = ["--write", "src/**", "--create", "docs/**", "--delete", "src/b.py"];
    [&["run", "do it", "--worker", script][..], &scope].concat()
}

fn job(place: &Place, script: &str) -> Outcome {
    place.run(&job_args(script))
}

fn expect(outcome: Outcome, codes: &[i32], what: &[&str]) -> Result<(), String> {
    if codes.contains(&outcome.code) && !outcome.stderr.contains("panicked") {
        return Ok(());
    }
    Err(format!("{what:?}: {outcome:?}"))
}

/// Accepts; a lock of git that the killed process left is removed, as the message says.
fn accept_again(place: &Place) -> Outcome {
    let outcome = place.run(&["accept", "last"]);
    if outcome.code == 0 || !outcome.stderr.contains("lock") {
        return outcome;
    }
    shell(&place.repo(), "find .git -name '*.lock' -delete", &[]);
    place.run(&["accept", "last"])
}

fn git(place: &Place, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    command.current_dir(place.repo()).args(args);
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Err(format!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn fsck(place: &Place) -> Result<(), String> {
    git(place, &["fsck", "--no-dangling", "--connectivity-only"]).map(drop)
}

//! A repository before a deed, and what must be true of it whatever happened meanwhile.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{edit_call, finish, fixture, read_call, shell, write_call};
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

/// A repository before a deed.
pub(super) struct Scene {
    pub(super) place: Place,
    deed: Deed,
    begin: Disk,
    script: String,
    base: String,
}

impl Scene {
    pub(super) fn before(deed: Deed) -> Self {
        let place = fixture();
        place.commit(&[("src/deep/c.py", "x = 3\n")]);
        let calls = [
            read_call("src/a.py"),
            edit_call("src/a.py", "x = 1", "x = 10"),
            write_call("docs/new/one.md", "one\n"),
            edit_call("docs/new/one.md", "", "two"),
            ("delete_file", json!({ "path": "src/b.py" })),
            read_call("src/deep/c.py"),
            finish(),
        ];
        let script = place.script("s", &calls);
        if deed != Deed::Run {
            job(&place, &script).expect(0);
        }
        let base = place.git(&["rev-parse", "HEAD"]);
        let begin = Disk::of(place.root());
        Self { place, deed, begin, script, base }
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

    /// Does the deed and returns the disk before it and what was done to it.
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

    /// HEAD and all below it are there, and the user's files are as they were or as they are to be.
    fn is_whole(&self) -> Result<(), String> {
        let place = &self.place;
        fsck(place)?;
        if self.deed == Deed::Accept {
            return Ok(());
        }
        let head = git(place, &["rev-parse", "HEAD"])?;
        let status = git(place, &["status", "--porcelain"])?;
        if (head.as_str(), status.as_str()) == (&self.base, "") {
            return Ok(());
        }
        Err(format!("HEAD is {head}, and the checkout has {status}"))
    }

    fn has_landed(&self) -> Result<(), String> {
        let place = &self.place;
        fsck(place)?;
        let status = git(place, &["status", "--porcelain"])?;
        let files = git(place, &["ls-tree", "-r", "--name-only", "HEAD"])?;
        let text = |path: &str| fs::read_to_string(place.repo().join(path)).unwrap_or_default();
        let is_there = text("src/a.py") == "x = 10\n"
            && text("docs/new/one.md") == "one\ntwo\n"
            && !place.repo().join("src/b.py").exists();
        if is_there && status.is_empty() && files.contains("docs/new/one.md") {
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

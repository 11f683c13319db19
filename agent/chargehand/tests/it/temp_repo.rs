//! Real repositories in temporary folders, made through libgit2, and runs in them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use chargehand::env::accept::{AcceptError, AcceptOptions, Accepted, accept};
use chargehand::env::repo::Repo;
use chargehand::env::run_dir::{RunDir, Status};
use chargehand::env::workspace::Workspace;
use chargehand_core::contract::Contract;
use chargehand_core::evidence::Evidence;
use chargehand_core::ports::{Environment, Stop, Usage};
use chargehand_core::rel_path::RelPath;
use chargehand_core::report::{Report, SCHEMA};
use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};

/// A repository and a state folder beside it, in a folder with a space and an umlaut in its name.
pub(crate) struct TempRepo {
    folder: tempfile::TempDir,
}

impl TempRepo {
    /// Returns one without a commit.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("chargehand tëst ").tempdir().unwrap();
        let made = Self { folder };
        let mut options = RepositoryInitOptions::new();
        options.external_template(false).initial_head("main");
        let git = Repository::init_opts(made.top(), &options).unwrap();
        let mut config = git.config().unwrap();
        config.set_str("user.name", "A Person").unwrap();
        config.set_str("user.email", "person@example.org").unwrap();
        made
    }

    /// Returns one whose first commit has these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let made = Self::empty();
        for (path, content) in files {
            made.put(path, content);
        }
        made.commit("first");
        made
    }

    pub(crate) fn top(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Returns a path outside of the repository.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn git(&self) -> Repository {
        Repository::open(self.top()).unwrap()
    }

    pub(crate) fn repo(&self) -> Repo {
        Repo::discover(&self.top()).unwrap()
    }

    pub(crate) fn path(&self, path: impl AsRef<[u8]>) -> PathBuf {
        self.top().join(OsStr::from_bytes(path.as_ref()))
    }

    pub(crate) fn put(&self, path: impl AsRef<[u8]>, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).unwrap();
    }

    pub(crate) fn chmod(&self, path: &str, mode: u32) {
        chmod(&self.path(path), mode);
    }

    pub(crate) fn read(&self, path: impl AsRef<[u8]>) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn stage(&self) {
        let git = self.git();
        let mut index = git.index().unwrap();
        index.add_all(["*"], IndexAddOption::FORCE, None).unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
    }

    /// Commits everything that is in the working tree.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.stage();
        let git = self.git();
        let tree = git.find_tree(git.index().unwrap().write_tree().unwrap()).unwrap();
        let parent = git.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        let who = Signature::now("A Person", "person@example.org").unwrap();
        git.commit(Some("HEAD"), &who, &who, message, &tree, &parents).unwrap().to_string()
    }

    /// Returns every path that is not as HEAD has it, with git's two letters for it.
    pub(crate) fn status(&self) -> String {
        let git = self.git();
        let mut options = git2::StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true);
        let statuses = git.statuses(Some(&mut options)).unwrap();
        let lines = statuses.iter().map(|entry| {
            let (index, tree) = (entry.status().bits() & 0x1f, entry.status().bits() >> 7 & 0x1f);
            format!("{index}{tree} {}", String::from_utf8_lossy(entry.path_bytes()))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Begins a run.
    pub(crate) fn run(&self) -> RunDir {
        let repo = self.repo();
        let run = RunDir::create(&self.state(), &repo, "goal = \"x\"\n").unwrap();
        drop(Workspace::create(&run, &repo).unwrap());
        run
    }

    /// Begins a run, lets `work` do something in its workspace, and judges it.
    pub(crate) fn judged(&self, contract: &str, work: impl FnOnce(&mut Workspace<'_>)) -> RunDir {
        let mut run = self.run();
        work(&mut Workspace::open(&run).unwrap());
        judge(&mut run, contract);
        run
    }

    pub(crate) fn accept(&self, run: &mut RunDir) -> Result<Accepted, AcceptError> {
        accept(run, &self.repo(), AcceptOptions::default())
    }

    pub(crate) fn accept_anyway(&self, run: &mut RunDir) -> Result<Accepted, AcceptError> {
        accept(run, &self.repo(), AcceptOptions { anyway: true, message: None })
    }
}

/// A contract that lets everything change.
pub(crate) const ALL: &str =
    "goal = \"do it\"\n[scope]\nwrite = [\"**\"]\ncreate = [\"**\"]\ndelete = [\"**\"]\n";

/// Judges a run as the program does, and writes its report.
pub(crate) fn judge(run: &mut RunDir, contract: &str) {
    let contract = Contract::parse(contract).unwrap();
    let changes = Workspace::open(run).unwrap().changes().unwrap();
    let tree = changes.tree;
    let evidence = Evidence { changes: changes.list, ..Evidence::default() };
    let (verdict, violations) = Report::judge(&contract, &evidence);
    let file = run.file().clone();
    let report = Report {
        tree,
        log_head: "2e".to_owned(),
        schema: SCHEMA,
        run: file.id,
        started: file.started,
        millis: 1,
        base: file.base,
        worker: "test".to_owned(),
        contract: contract.source,
        verdict,
        violations,
        evidence,
        claim: None,
        review: None,
        approvals: Vec::new(),
        stop: Stop::ScriptEnded,
        turns: Vec::new(),
        totals: Usage::default(),
        prompt_tokens: None,
        sandbox: Vec::new(),
    };
    let json = serde_json::to_vec(&report).unwrap();
    fs::write(run.path().join("report.json"), json).unwrap();
    run.set_status(Status::Done).unwrap();
}

pub(crate) fn write(workspace: &mut Workspace<'_>, path: &str, content: &str) {
    workspace.write(&rel(path), content.as_bytes()).unwrap();
}

pub(crate) fn rel(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Makes `path` a script that leaves a sentinel file.
pub(crate) fn booby_trap(path: &Path, sentinel: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\necho ran \"$0\" >> '{}'\ncat\n", sentinel.display()))
        .unwrap();
    chmod(path, 0o755);
}

/// Returns a repository with two files and an ignore file.
pub(crate) fn sample() -> TempRepo {
    TempRepo::with(&[("a", "one\ntwo\n"), ("d/b", "b\n"), (".gitignore", "target/\n*.log\n")])
}

/// Makes traps in a workspace and hands it out with the path of a file outside.
pub(crate) fn trapped(make: impl FnOnce(&Path, &Path)) -> (TempRepo, RunDir, PathBuf) {
    let repo = sample();
    let secret = repo.outside("secret");
    fs::write(&secret, "secret\n").unwrap();
    let run = repo.run();
    make(&run.path().join("work"), &secret);
    (repo, run, secret)
}

/// Makes a pipe.
pub(crate) fn fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o644.into(), 0)
        .unwrap();
}

/// Returns whether the tests may do everything.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Returns a repository with files on two levels.
pub(crate) fn on_two_levels() -> TempRepo {
    TempRepo::with(&[("a", "one\n"), ("d/b", "b\n"), ("d/c", "c\n"), ("e", "e\n")])
}

/// Checks that a run is refused with this message, and that nothing is different afterwards.
#[track_caller]
pub(crate) fn check_refused(repo: &TempRepo, run: &mut RunDir, message: &str) {
    let (head_before, status_before) = (head(repo), repo.status());
    let err = repo.accept(run).unwrap_err().to_string();
    assert!(err.contains(message), "{err}");
    assert_eq!((head(repo), repo.status()), (head_before, status_before));
}

/// Returns the commit of HEAD.
pub(crate) fn head(repo: &TempRepo) -> String {
    repo.repo().head().unwrap().commit.unwrap_or_default()
}

/// Returns a judged run that has changed `a`.
pub(crate) fn edited(repo: &TempRepo) -> RunDir {
    repo.judged(ALL, |workspace| write(workspace, "a", "two\n"))
}

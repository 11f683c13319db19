//! A repository, a state folder and the real program, in a folder that goes away.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Where a test happens.
pub(crate) struct Place {
    root: TempDir,
    name: &'static str,
}

/// What came out of the program.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// Returns a folder that is no repository.
    pub(crate) fn bare() -> Self {
        Self::named("repo")
    }

    /// Returns a folder called `name` that is no repository.
    pub(crate) fn named(name: &'static str) -> Self {
        let place = Self { root: TempDir::with_prefix("chargehand-it-").unwrap(), name };
        fs::create_dir(place.repo()).unwrap();
        place
    }

    /// Returns a repository whose only commit has `files`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let place = Self::bare();
        place.init();
        place.commit(files);
        place
    }

    /// Makes the folder a repository. The program asks it who commits, as git does.
    pub(crate) fn init(&self) {
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["config", "user.name", "Test"]);
        self.git(&["config", "user.email", "test@example.org"]);
    }

    /// Writes `files` and commits everything.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.write(path, text);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "base"]);
    }

    /// Writes a file of the checkout.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Returns the text of a file of the checkout.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.repo().join(path)).unwrap()
    }

    /// Returns the checkout.
    pub(crate) fn repo(&self) -> PathBuf {
        self.root.path().join(self.name)
    }

    /// Returns the folder that holds the checkout and the state.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Returns the state folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Returns the folders of all runs, the oldest first.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let mut runs: Vec<PathBuf> = match fs::read_dir(self.home().join("runs")) {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
            Err(_) => Vec::new(),
        };
        runs.retain(|path| path.join("run.json").exists());
        runs.sort();
        runs
    }

    /// Returns the only run.
    #[track_caller]
    pub(crate) fn run_dir(&self) -> PathBuf {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs[0].clone()
    }

    /// Returns the report of the only run.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.run_dir().join("report.json")).unwrap()).unwrap()
    }

    /// Writes a script of tool calls and returns the value of `--worker`.
    pub(crate) fn script(&self, name: &str, calls: &[(&str, Value)]) -> String {
        let path = self.root.path().join(name);
        let mut file = fs::File::create(&path).unwrap();
        for (tool, args) in calls {
            writeln!(file, "{}", serde_json::json!({ "tool": tool, "args": args })).unwrap();
        }
        format!("script:{}", path.display())
    }

    /// Runs git, untouched by the configuration of the machine.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = self.git_command(args).output().unwrap();
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn git_command(&self, args: &[&str]) -> Command {
        let mut git = Command::new("git");
        let who = [
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.org",
            "-c",
            "protocol.file.allow=always",
        ];
        git.current_dir(self.repo()).args(who).args(args);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z");
        git
    }

    /// Returns the program, to be run in the checkout.
    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chargehand"));
        command.current_dir(self.repo()).args(args).stdin(Stdio::null());
        command.env("CHARGEHAND_HOME", self.home()).env("HOME", self.root.path());
        command.env_remove("NO_COLOR").env_remove("TERM");
        command
    }

    /// Runs the program in the checkout.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.command(args).output().unwrap().into()
    }

    /// Runs a job with the calls of `script`, and `args` besides.
    pub(crate) fn job(&self, script: &str, args: &[&str]) -> Outcome {
        let args = [&["run", "do it", "--worker", script], args].concat();
        self.command(args).output().unwrap().into()
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Outcome {
    /// Compares the exit code, and shows everything if it is another one.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Looks for `part` on stderr.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "`{part}` is missing in:\n{}", self.stderr);
        self
    }

    /// Looks for `part` on stdout.
    #[track_caller]
    pub(crate) fn shows(self, part: &str) -> Self {
        assert!(self.stdout.contains(part), "`{part}` is missing in:\n{}", self.stdout);
        self
    }

    /// Returns the lines of JSON on stdout.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

//! How far an examination is, and how one goes on with it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How much an examination is, and how it was begun. One that an earlier version began does not say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct Course {
    /// How many tasks it has.
    pub(super) tasks: Option<usize>,
    /// The arguments of the program that began it.
    pub(super) args: Vec<String>,
    /// The folder that these arguments are meant in.
    pub(super) folder: PathBuf,
    /// Whether it came to its end, the cards included. The removal of old examinations asks for it.
    pub(super) ended: bool,
}

impl Course {
    /// Returns that of an examination with so many tasks, begun by this very process.
    pub(super) fn begun(tasks: usize) -> Self {
        let args = std::env::args_os().skip(1);
        let args = without_resume(args.map(|arg| arg.to_string_lossy().into_owned()));
        let folder = std::env::current_dir().unwrap_or_default();
        // Its text has to go into JSON.
        let folder = PathBuf::from(folder.to_string_lossy().into_owned());
        Self { tasks: Some(tasks), args, folder, ended: false }
    }

    /// Returns the command that goes on with examination `id`, as a shell in the current folder takes it.
    pub(super) fn way_on(&self, id: &str) -> String {
        // Behind two hyphens stand no flags.
        let at = self.args.iter().position(|arg| arg == "--").unwrap_or(self.args.len());
        let (flags, rest) = self.args.split_at(at);
        let words = flags.iter().map(String::as_str).chain(["--resume", id]);
        let words = words.chain(rest.iter().map(String::as_str));
        let command = shell_words::join(std::iter::once("chargehand").chain(words));
        if std::env::current_dir().is_ok_and(|here| here == self.folder) {
            return command;
        }
        format!("cd {} && {command}", shell_words::quote(&self.folder.to_string_lossy()))
    }
}

/// Returns the arguments without the flag that went on with an examination.
fn without_resume(args: impl Iterator<Item = String>) -> Vec<String> {
    let (mut kept, mut args) = (Vec::new(), args);
    while let Some(arg) = args.next() {
        if arg == "--" {
            kept.push(arg);
            kept.extend(args);
            break;
        }
        match arg.strip_prefix("--resume") {
            Some("") => drop(args.next()),
            Some(id) if id.starts_with('=') => {}
            _ => kept.push(arg),
        }
    }
    kept
}

/// How far an examination is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// A process conducts it.
    Running,
    /// Not all was done, and nobody is at it.
    Interrupted,
    /// All was done.
    Ended,
}

impl Stage {
    /// Returns its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Ended => "ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_one_examination() {
        for (args, expect) in [
            ("eval run --resume 7 -m a", "eval run -m a"),
            ("eval run --resume=last t.toml", "eval run t.toml"),
            ("eval run -- --resume t", "eval run -- --resume t"),
        ] {
            assert_eq!(without_resume(args.split(' ').map(str::to_owned)).join(" "), expect);
        }
    }

    #[test]
    fn the_command_goes_on_from_any_folder() {
        let args = ["eval", "run", "-m", "a b.gguf", "--", "-tasks"].map(str::to_owned).to_vec();
        let here = std::env::current_dir().unwrap();
        let course = Course { args, folder: here, ..Course::default() };
        let command = "chargehand eval run -m 'a b.gguf' --resume 7 -- -tasks";
        assert_eq!(course.way_on("7"), command);
        let elsewhere = Course { folder: PathBuf::from("/else where"), ..course };
        assert_eq!(elsewhere.way_on("7"), format!("cd '/else where' && {command}"));
    }
}

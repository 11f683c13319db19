//! Tasks for `chargehand eval`: held-out words and phrasings, with real checks and the oracle's files as what is right.

use std::time::Duration;

use chargehand_core::contract::Check;
use chargehand_core::eval::{Grader, Suite, Task as SuiteTask, TaskEnd};

use crate::families::{self, FAMILIES};
use crate::words::Words;
use crate::world::Task;

/// So many tasks in a row that cannot be used mean that a family has none.
const MAX_TRIES: usize = 10_000;
const CHECK: &str = "check.sh";

/// Returns `count` tasks of each family.
///
/// # Panics
///
/// When a family has no tasks that can be used, which is a bug.
#[must_use]
pub fn suite(words: &mut Words, count: usize) -> Suite {
    let mut suite = Suite::default();
    for (family, _) in FAMILIES {
        for number in 1..=count {
            let task = (0..MAX_TRIES).find_map(|_| usable(words, family));
            let task = task.unwrap_or_else(|| panic!("BUG: {family} has no tasks"));
            suite.tasks.push(told(&task, format!("{family}-{number:02}")));
        }
    }
    suite
}

/// Returns a task that the oracle can solve, and whose check, if it needs one, is a real command.
fn usable(words: &mut Words, family: &'static str) -> Option<Task> {
    let mut task = families::make(words, family)?;
    if matches!(family, "fix" | "recover") {
        with_script(&mut task)?;
    }
    let is_real = |check: &Check| check.run == ["sh", CHECK];
    let usable = task.contract.checks.iter().all(is_real) && task.play().is_some();
    usable.then_some(task)
}

/// Puts a script in the place of the check: it wants what the oracle's last edit writes.
fn with_script(task: &mut Task) -> Option<()> {
    if task.files.contains_key(CHECK) {
        return None;
    }
    let (_, edit) = task.calls.iter().rfind(|(tool, _)| *tool == "edit_file")?;
    let argument =
        |wanted: &str| edit.iter().find(|(name, _)| *name == wanted).map(|(_, text)| quoted(text));
    let (path, new) = (argument("path")?, argument("new")?);
    let complaint = quoted(&task.complaint.failing);
    let script = format!(
        "#!/bin/sh\nif grep -qF -- {new} {path}; then\n    echo ok\nelse\n    echo {complaint}\n    exit 1\nfi\n"
    );
    let old_name = task.contract.checks.first()?.name.clone();
    let run = ["sh", CHECK].map(str::to_owned).to_vec();
    let timeout = Duration::from_secs(60);
    task.contract.checks = vec![Check { timeout, ..Check::new(&old_name, run) }];
    let files = [Some(&mut task.files), Some(&mut task.expect), task.complaint.wanted.as_mut()];
    for files in files.into_iter().flatten() {
        files.insert(CHECK.to_owned(), script.clone());
    }
    Some(())
}

/// Quotes a text for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn told(task: &Task, id: String) -> SuiteTask {
    let differs = |(path, text): &(&String, &String)| task.files.get(*path) != Some(text);
    let files = task.expect.iter().filter(differs).map(|(path, text)| (path.clone(), text.clone()));
    let asks = task.expect == task.files;
    let first: &[&str] = match task.family {
        "create" | "exact" => &["write_file"],
        "ask" | "refuse" => &["ask"],
        "fix" => &["run_check", "read_file"],
        _ => &["read_file", "search", "list_dir"],
    };
    let grade = Grader {
        end: if asks { TaskEnd::Asked } else { TaskEnd::Finished },
        files: files.collect(),
        first: first.iter().map(|tool| (*tool).to_owned()).collect(),
        ..Grader::default()
    };
    let (family, contract) = (task.family.to_owned(), task.contract.clone());
    SuiteTask { id, family, files: task.files.clone(), contract, grade }
}

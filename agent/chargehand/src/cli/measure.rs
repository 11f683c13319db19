//! After the worker: what really changed, the required commands run by us, and the files that tell of both.

use std::fs;
use std::path::Path;

use chargehand_core::change::Change;
use chargehand_core::contract::{Check, Contract};
use chargehand_core::event::Event;
use chargehand_core::evidence::{CheckEnd, CheckRun, Evidence};
use chargehand_core::ports::{Environment, Watch};
use chargehand_core::report::Report;

use super::watch::Brake;
use crate::config;
use crate::env::dir::write_file;
use crate::env::run_dir::RunDir;
use crate::env::sandbox::Sandbox;
use crate::env::workspace::{Changes, Workspace};
use crate::error::{Error, Kind};
use crate::report::html;

/// How the required commands are run.
pub(super) struct Commands<'a> {
    /// What holds them; nothing without commands.
    pub(super) sandbox: Option<&'a Sandbox>,
    /// The folder that their whole output goes to.
    pub(super) logs: Option<&'a Path>,
    /// When to end; a command that is ended is no evidence.
    pub(super) stop: &'a dyn Fn() -> bool,
}

/// What was measured, and of which files.
pub(super) struct Taken {
    /// All that decides.
    pub(super) evidence: Evidence,
    /// The difference from the base.
    pub(super) changes: Changes,
}

/// Returns what changed and how the required commands ended, with the difference as a patch. Of files that are still
/// those that were measured before, the commands are not run again.
pub(super) fn measure(
    contract: &Contract,
    sandbox: Option<&Sandbox>,
    dir: &RunDir,
    brake: &Brake,
    (before, watch): (Option<Taken>, &mut dyn Watch),
) -> Result<Taken, Error> {
    let mut workspace = Workspace::open(dir)?.keeping_secrets(contract, &config::variables());
    let mut changes = workspace.changes()?;
    changes.shown = workspace.secrets().mask(&changes.shown).into_owned();
    let is_whole = |taken: &Taken| taken.evidence.checks.len() == contract.checks.len();
    let still = before.filter(|taken| taken.changes.tree == changes.tree && is_whole(taken));
    if let Some(Taken { evidence, .. }) = still {
        return Ok(Taken { evidence, changes });
    }
    let logs = dir.path().join("checks");
    let commands = Commands { sandbox, logs: Some(&logs), stop: &|| brake.is_interrupted() };
    let mut seen = |run: &CheckRun| watch.see(&Event::Checked { run: run.clone() });
    let evidence = commands.evidence(contract, &mut workspace, &changes.list, &mut seen)?;
    Ok(Taken { evidence, changes })
}

impl Commands<'_> {
    /// Returns the evidence for a workspace that differs by `changes`.
    ///
    /// Each command runs in a fresh copy that nothing else has touched, with protected files as they were.
    pub(super) fn evidence(
        &self,
        contract: &Contract,
        workspace: &mut Workspace<'_>,
        changes: &[Change],
        seen: &mut dyn FnMut(&CheckRun),
    ) -> Result<Evidence, Error> {
        let guarded = workspace.guarded(&contract.guards, changes)?;
        let changes = changes.to_vec();
        let mut evidence = Evidence { changes, guarded, ..Evidence::default() };
        if let Some(sandbox) = self.sandbox.filter(|_| !(self.stop)()) {
            if let Some(logs) = self.logs {
                fs::create_dir_all(logs).map_err(|err| {
                    Error::new(Kind::Failed, format!("cannot make {}: {err}", logs.display()))
                })?;
            }
            for check in &contract.checks {
                // What one command leaves behind must not decide how the next one ends.
                let copy = workspace.final_copy()?;
                evidence.restored = workspace.restore(&contract.scope, &evidence.changes, &copy)?;
                let Some(mut run) = self.run(check, sandbox, &copy, workspace)? else { break };
                run.output = workspace.secrets().mask(&run.output).into_owned();
                seen(&run);
                evidence.checks.push(run);
            }
        }
        // Whatever a command left there must not cost the verdict; `reject` and `accept` try again.
        drop(workspace.remove_copies());
        Ok(evidence)
    }

    /// Runs `check` as often as the contract wants; nothing when it was ended by `stop`.
    fn run(
        &self,
        check: &Check,
        sandbox: &Sandbox,
        copy: &Path,
        workspace: &Workspace<'_>,
    ) -> Result<Option<CheckRun>, Error> {
        let mut runs = Vec::new();
        for number in 1..=check.repeat {
            let name = match number {
                1 => format!("{}.log", check.name),
                number => format!("{}.{number}.log", check.name),
            };
            let log = self.logs.map(|logs| logs.join(name));
            runs.push(sandbox.run(check, copy, log.as_deref(), self.stop));
            log.map_or(Ok(()), |log| workspace.mask_log(&log))?;
            if (self.stop)() {
                return Ok(None);
            }
        }
        Ok(Some(one_of(runs)))
    }
}

/// Returns the run that tells most, the first that failed; it is flaky when not all ended the same.
fn one_of(mut runs: Vec<CheckRun>) -> CheckRun {
    let passed = runs.iter().filter(|run| run.passed).count();
    let is_flaky = runs.iter().any(|run| run.end != runs[0].end);
    let count = |runs: usize| u32::try_from(runs).unwrap_or(u32::MAX);
    let flaky = CheckEnd::Flaky { passed: count(passed), runs: count(runs.len()) };
    let millis = runs.iter().map(|run| run.millis).sum();
    let at = runs.iter().position(|run| !run.passed).unwrap_or_default();
    let told = runs.swap_remove(at);
    let end = if is_flaky { flaky } else { told.end };
    CheckRun { end, passed: told.passed && !is_flaky, millis, ..told }
}

/// Writes the report in its forms, each as a whole or not at all, and returns the one for programs.
pub(super) fn write_report(
    dir: &Path,
    report: &Report,
    changes: &Changes,
) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_vec_pretty(report).expect("our own types have text keys only");
    let html = html::render(report, &changes.shown);
    let files = [
        ("diff.patch", changes.patch.as_bytes()),
        ("report.html", html.as_bytes()),
        ("report.json", &json),
    ];
    for (name, content) in files {
        write_file(dir, name, content)?;
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ends: &[CheckEnd], expect: (CheckEnd, bool)) {
        let run = |end: &CheckEnd| CheckRun {
            name: "t".to_owned(),
            end: end.clone(),
            passed: *end == CheckEnd::Exit(0),
            millis: 2,
            output: String::new(),
            output_bytes: 0,
        };
        let found = one_of(ends.iter().map(run).collect());
        assert_eq!((found.end, found.passed), expect);
        assert_eq!(found.millis, 2 * ends.len() as u64);
    }

    #[test]
    fn runs_that_do_not_end_the_same_are_flaky() {
        use CheckEnd::{Exit, Flaky, TimedOut};
        check(&[Exit(0)], (Exit(0), true));
        check(&[Exit(0), Exit(0)], (Exit(0), true));
        check(&[Exit(1), Exit(1)], (Exit(1), false));
        check(&[Exit(0), Exit(0), Exit(1)], (Flaky { passed: 2, runs: 3 }, false));
        check(&[TimedOut, Exit(1)], (Flaky { passed: 0, runs: 2 }, false));
    }
}

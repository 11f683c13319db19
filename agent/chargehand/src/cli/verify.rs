//! `chargehand verify`: holds the evidence of a run against what is on the disk, and runs its commands again.

use std::process::ExitCode;

use chargehand_core::contract::Contract;
use chargehand_core::event::Event;
use chargehand_core::evidence::{CheckRun, Evidence};
use chargehand_core::report::{self, Report, Verdict};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::measure::Commands;
use super::record::{self, Record};
use super::{drive, leave, out, which};
use crate::audit::{self, Line};
use crate::config::Places;
use crate::env::dir::hex;
use crate::env::run_dir::RunDir;
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::report::{visible, words};

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or `last`
    run: String,
    /// Prints the findings as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    /// Whether it is as the report says.
    confirmed: bool,
    text: String,
}

/// Verifies. Ends with 0 only where everything is as the report says and the contract holds.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let interrupt = drive::listen()?;
    let places = Places::find()?;
    let dir = which::open(&places, &args.run)?;
    let record = Record::read(&dir)?;
    let mut workspace = Workspace::open(&dir)?;
    let (changes, now) = workspace.measure()?;
    let lines = unbroken(&dir, &record);
    // Only a log that bears the report out may say what the user allowed.
    let said = lines.as_deref().map(record::leave).unwrap_or_default();
    let sandbox = leave::sandbox_again(&record.contract, said).map_err(|err| match &lines {
        Ok(_) => err,
        Err(why) => refused(
            &dir,
            "verified",
            &format!("{why}; and what it says was allowed does not count: {err}"),
        ),
    })?;
    let stop = || interrupt.is_set();
    let commands = Commands { sandbox: sandbox.as_ref(), logs: None, stop: &stop };
    let evidence =
        commands.evidence(&record.contract, &mut workspace, &changes.list, &mut |_| {})?;
    if stop() {
        return Err(Error::new(Kind::Interrupted, "interrupted; nothing was changed"));
    }
    let report = &record.report;
    let moved = now != workspace.judged()? || changes.tree != report.tree;
    let mut findings = vec![
        log(&lines),
        contract(&record),
        finding(
            "tree",
            !moved,
            format!("{}, {}", words::plural(now.entries.len() as u64, "file"), changes.tree),
            "files were changed after the verdict",
        ),
        finding(
            "diff",
            changes.patch == record.patch && changes.list == report.evidence.changes,
            words::plural(changes.list.len() as u64, "change"),
            "the changes are not those of the report",
        ),
    ];
    findings.extend(evidence.checks.iter().map(|run| command(run, report)));
    findings.push(verdict(&record.contract, report, &evidence));
    conclude(args, &dir, report, &findings)
}

fn conclude(
    args: &Args,
    dir: &RunDir,
    report: &Report,
    findings: &[Finding],
) -> Result<ExitCode, Error> {
    let refuted = findings.iter().filter(|finding| !finding.confirmed).count();
    let (id, verdict) = (&dir.file().id, report.verdict);
    if args.json {
        out::json(&json!({
            "type": "verified", "run": id, "confirmed": refuted == 0, "verdict": verdict, "findings": findings,
        }))?;
    } else {
        for Finding { what, confirmed, text } in findings {
            let sign = if *confirmed { "✓" } else { "✗" };
            out::line(&format!("{sign} {what:<8} {}", visible::line(text).text))?;
        }
        out::line(&match (refuted, verdict) {
            (0, Verdict::Holds) => format!("run {id} holds, and its evidence is confirmed"),
            (0, Verdict::Violated) => {
                format!("run {id} is violated, and its evidence is confirmed")
            }
            (count, _) => format!("run {id} is NOT confirmed: {count} of {}", findings.len()),
        })?;
    }
    let good = refuted == 0 && verdict == Verdict::Holds;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(Kind::Violated.code()) })
}

/// The chain, and that it and the report speak of the same run.
fn log(lines: &Result<Vec<Line>, String>) -> Finding {
    match lines {
        Err(why) => finding("log", false, String::new(), why),
        Ok(lines) => {
            let count = words::plural(lines.len() as u64, "line");
            finding("log", true, format!("{count}, unbroken"), "")
        }
    }
}

/// Returns the record of a run whose files are those that were judged.
///
/// # Errors
///
/// [`Kind::Refused`], with `deed` as what cannot be done to it.
pub(super) fn intact(dir: &RunDir, deed: &str) -> Result<Record, Error> {
    let refused = |why: &str| refused(dir, deed, why);
    let record = Record::read(dir).map_err(|err| refused(&err.to_string()))?;
    unbroken(dir, &record).map_err(|why| refused(&why))?;
    let contract = contract(&record);
    if contract.confirmed { Ok(record) } else { Err(refused(&contract.text)) }
}

fn refused(dir: &RunDir, deed: &str, why: &str) -> Error {
    Error::new(Kind::Refused, format!("run {} cannot be {deed}: {why}", dir.file().id))
}

/// Returns the lines of the log, or why it does not bear the report out.
fn unbroken(dir: &RunDir, record: &Record) -> Result<Vec<Line>, String> {
    let lines = audit::read(&dir.path().join("events.jsonl")).map_err(|err| err.to_string())?;
    match disagreement(&lines, record) {
        Some(why) => Err(why.to_owned()),
        None if audit::is_cut(&dir.path().join("events.jsonl")) => {
            Err("somebody has written behind its last line".to_owned())
        }
        None if !record::belongs(dir, &lines) => {
            Err("it tells of another repository, branch or base than run.json".to_owned())
        }
        None => Ok(lines),
    }
}

fn disagreement(lines: &[Line], record: &Record) -> Option<&'static str> {
    let report = &record.report;
    let hash = |bytes: &[u8]| Value::from(hex(&Sha256::digest(bytes)));
    let Some(judged) = lines.last().filter(|line| line.kind == "judged") else {
        return Some("it does not end with a verdict");
    };
    let says = |key: &str| judged.fields.get(key).cloned().unwrap_or_default();
    let events: Vec<Event> = lines.iter().filter_map(Line::event).collect();
    let tests = [
        (says("prev") == report.log_head.as_str(), "the report was not made behind these lines"),
        (says("report_sha256") == hash(&record.json), "report.json is not the one that was judged"),
        (
            says("diff_sha256") == hash(record.patch.as_bytes()),
            "diff.patch is not the one that was judged",
        ),
        (report::turns(&events) == report.turns, "its calls are not those of the report"),
        (
            report::reviewed(&record.contract, &events) == report.review
                && report::approvals(&events) == report.approvals,
            "its reviews and approvals are not those of the report",
        ),
        (
            record::agreed(lines).as_ref() == Some(&report.contract),
            "it tells of another contract than the report",
        ),
    ];
    tests.into_iter().find(|(holds, _)| !holds).map(|(_, why)| why)
}

fn contract(record: &Record) -> Finding {
    let same = record.contract.source == record.report.contract;
    let checks = words::plural(record.contract.checks.len() as u64, "command");
    finding("contract", same, checks, "contract.toml is not the report's")
}

fn command(run: &CheckRun, report: &Report) -> Finding {
    let then = report.evidence.checks.iter().find(|then| then.name == run.name);
    let then = then.map_or("not run".to_owned(), CheckRun::result);
    let now = run.result();
    let text = format!("{}: {now}", run.name);
    let why = format!(
        "{}: {then} then, {now} now; it is flaky, or it hangs on something outside",
        run.name
    );
    finding("command", then == now, text, &why)
}

fn verdict(contract: &Contract, report: &Report, evidence: &Evidence) -> Finding {
    let (verdict, violations) = Report::judge(contract, evidence);
    let key = |violations: &[chargehand_core::check::Violation]| -> Vec<(String, String)> {
        violations.iter().map(|found| (found.rule.clone(), found.subject.clone())).collect()
    };
    let same = verdict == report.verdict && key(&violations) == key(&report.violations);
    let text = words::plural(violations.len() as u64, "violation");
    finding("verdict", same, text, "another verdict follows from this evidence")
}

fn finding(what: &'static str, confirmed: bool, text: String, why: &str) -> Finding {
    Finding { what, confirmed, text: if confirmed { text } else { why.to_owned() } }
}

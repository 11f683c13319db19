//! Attempts to take more than a command may have: time, tasks, memory, and a life after its end.

use std::ffi::OsString;
use std::fs;
use std::hint::black_box;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use chargehand_inside::spec::Limits;
use chargehand_inside::supervise::End;

use super::super::{inside, told};
use super::targets::Scene;
use super::{Finding, Outcome, Sandbox};
use crate::env::command::{Cause, Ended, Watch};

/// What is allowed; what is taken is a few times as much, and no more.
const TASKS: u64 = 24;
const MEMORY: u64 = 96 << 20;
const TIME: Duration = Duration::from_millis(300);
/// An overload stays for so long, if nobody ends it.
const STAY: Duration = Duration::from_secs(5);
/// A daemon does its deed so long after its command has ended.
const LATER: Duration = Duration::from_millis(300);
/// The file that it leaves.
const LATE: &str = "late";

/// What is too much, with its name and in words.
const ALL: &[(&str, &str)] = &[
    ("tasks", "start more processes and threads than allowed"),
    ("memory", "take more memory than allowed"),
    ("time", "go on after its time"),
    ("daemon", "leave something running behind"),
];

/// Makes each of these attempts in a command of its own.
pub(super) fn attack(sandbox: &Sandbox, scene: &Scene) -> io::Result<Vec<Finding>> {
    ALL.iter().map(|(name, what)| one(sandbox, scene, name, what)).collect()
}

fn one(
    sandbox: &Sandbox,
    scene: &Scene,
    name: &'static str,
    what: &'static str,
) -> io::Result<Finding> {
    let limits = Limits { tasks: TASKS, memory: MEMORY, disk_left: 0 };
    let sandbox = sandbox.with_program().with_limits(limits);
    let command = sandbox.program([inside::SUBCOMMAND, inside::OVERLOAD, name].map(OsString::from));
    let timeout = if name == "time" { TIME } else { STAY * 4 };
    let watch = Watch { timeout, stop: &|| false, log: None };
    let ended = sandbox.execute(&command, scene.work(), &watch)?;
    let outcome = match outcome(&ended) {
        // It has begun; what counts is whether it is there afterwards.
        Outcome::Succeeded if name == "daemon" => {
            thread::sleep(LATER * 3);
            let is_late = scene.work().join(LATE).exists();
            if is_late { Outcome::Succeeded } else { Outcome::Stopped("it was ended".to_owned()) }
        }
        outcome => outcome,
    };
    let layer = "supervisor";
    Ok(Finding { name, what, layer, outcome, is_named: false, works_outside: None })
}

/// Whoever came to its end as it wanted got what it wanted.
fn outcome(ended: &Ended) -> Outcome {
    let told = match (ended.cause, told(ended)) {
        (Cause::TimedOut, _) => return Outcome::Stopped("its time was up".to_owned()),
        (Cause::Itself | Cause::Stopped, Ok(told)) => told,
        (Cause::Itself | Cause::Stopped, Err(end)) => return Outcome::NotTried(end.to_string()),
    };
    match (told.ended_for, told.end) {
        (Some(reason), _) => Outcome::Stopped(reason),
        (None, End::Exit(0)) => Outcome::Succeeded,
        (None, End::Exit(_)) => Outcome::Stopped("the kernel refused it".to_owned()),
        (None, End::Signal(signal)) => Outcome::Stopped(format!("signal {signal}")),
        (None, End::NotStarted(why)) => Outcome::NotTried(why),
    }
}

/// Takes what `kind` says.
pub(super) fn overload(kind: &str) -> ExitCode {
    match kind {
        "tasks" => {
            for _ in 0..TASKS * 2 {
                if thread::Builder::new().spawn(|| thread::sleep(STAY)).is_err() {
                    return ExitCode::FAILURE;
                }
            }
        }
        "memory" => {
            // Written to, or it would be a promise of memory and no memory.
            let taken = vec![1_u8; usize::try_from(MEMORY * 2).unwrap_or_default()];
            black_box(&taken);
            thread::sleep(STAY);
            black_box(&taken);
        }
        "daemon" => {
            // Nobody waits for it: it is to stay.
            let daemon = Command::new("sh")
                .args(["-c", &format!("sleep {}; echo x > {LATE}", LATER.as_secs_f32())])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn();
            return ExitCode::from(u8::from(daemon.is_err()));
        }
        _ => {}
    }
    thread::sleep(STAY);
    fs::write("stayed", kind).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

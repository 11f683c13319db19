//! The sandbox attacked by ourselves: an attempt for each thing that the threat model says is stopped.
//!
//! Each is made by our own program in the sandbox, as a command of a contract would. Most of them are made without one
//! too: what does not succeed there proves nothing here.

mod files;
mod kernel;
mod limits;
mod network;
mod processes;
mod targets;

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::targets::{Scene, Targets};
use super::model::confine;
use super::{Sandbox, Tier, inside};
use crate::env::command::{Cause, Watch};

/// All attempts of one process together take some milliseconds; this is for a machine under load.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How an attempt ended.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was refused, and what the system said.
    Stopped(String),
    /// It did what it must not.
    Succeeded,
    /// This machine lacks what it takes, and what that is.
    NotTried(String),
}

/// What came of one attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Its short name.
    pub name: &'static str,
    /// What was attempted, in words.
    pub what: &'static str,
    /// The layer that is there to stop it.
    pub layer: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the layers say that they do not stop this.
    pub is_named: bool,
    /// Whether it succeeds without a sandbox; nothing where that could do harm.
    pub works_outside: Option<bool>,
}

impl Finding {
    /// Returns whether it got through a wall that is said to be there.
    #[must_use]
    pub fn is_breach(&self) -> bool {
        self.outcome == Outcome::Succeeded && !self.is_named
    }

    /// Returns whether it was not made.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.outcome, Outcome::NotTried(_))
    }
}

/// One thing to attempt.
#[derive(Debug)]
struct Attempt {
    name: &'static str,
    what: &'static str,
    /// The layer that stops it: in the first tier, in the second, and around a model; an empty one is not asked.
    layers: [&'static str; 3],
    /// With these words the second tier says that it does not stop this.
    residue: Option<&'static str>,
    /// Whether it does no harm without a sandbox.
    is_harmless: bool,
    deed: fn(&Targets) -> Outcome,
}

/// Where an attempt is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ground {
    Command(Tier),
    Model,
    Outside,
}

impl Attempt {
    fn layer(&self, ground: Ground) -> &'static str {
        let [first, second, model] = self.layers;
        match ground {
            Ground::Command(Tier::Namespaces) => first,
            Ground::Command(Tier::Landlock) => second,
            Ground::Model => model,
            Ground::Outside => "",
        }
    }

    fn concerns(&self, ground: Ground) -> bool {
        match ground {
            Ground::Outside => self.is_harmless,
            Ground::Command(_) | Ground::Model => !self.layer(ground).is_empty(),
        }
    }
}

fn all() -> impl Iterator<Item = &'static Attempt> {
    [files::ALL, network::ALL, processes::ALL, kernel::ALL].into_iter().flatten()
}

impl Sandbox {
    /// Attacks the sandbox of commands, and its limits.
    ///
    /// # Errors
    ///
    /// When an attempt cannot even be set up.
    pub fn attack(&self) -> io::Result<Vec<Finding>> {
        let scene = Scene::create(&self.machine)?;
        let ground = Ground::Command(self.tier);
        let outside = outcomes(&self.outside(&scene)?, Ground::Outside);
        let inside = outcomes(&self.inside(&scene)?, ground);
        let mut found: Vec<Finding> = all()
            .filter(|attempt| attempt.concerns(ground))
            .map(|attempt| self.finding(attempt, ground, &inside, &outside))
            .collect();
        found.extend(limits::attack(self, &scene)?);
        Ok(found)
    }

    /// Attacks what is around a process that holds a model.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::attack`].
    pub fn attack_model(&self) -> io::Result<Vec<Finding>> {
        let scene = Scene::create(&self.machine)?;
        let outside = outcomes(&self.outside(&scene)?, Ground::Outside);
        let inside = outcomes(&self.alone(&scene, inside::ATTACK_MODEL)?, Ground::Model);
        let attempts = all().filter(|attempt| attempt.concerns(Ground::Model));
        Ok(attempts.map(|one| self.finding(one, Ground::Model, &inside, &outside)).collect())
    }

    fn finding(
        &self,
        attempt: &Attempt,
        ground: Ground,
        inside: &[Told],
        outside: &[Told],
    ) -> Finding {
        let told = |all: &[Told]| {
            all.iter().find(|told| told.name == attempt.name).map(|told| told.outcome.clone())
        };
        let silent = || Outcome::NotTried("the process that makes it ended before".to_owned());
        let says = |words: &str| self.layers.iter().any(|line| line.contains(words));
        Finding {
            name: attempt.name,
            what: attempt.what,
            layer: attempt.layer(ground),
            outcome: told(inside).unwrap_or_else(silent),
            is_named: ground != Ground::Model && attempt.residue.is_some_and(says),
            works_outside: told(outside).map(|outcome| outcome == Outcome::Succeeded),
        }
    }

    /// Returns what the attempts say in the sandbox.
    fn inside(&self, scene: &Scene) -> io::Result<String> {
        let mut own = self.with_program();
        own.machine.variables.insert(targets::VARIABLE.into(), scene.targets.marker.clone().into());
        let args = [inside::SUBCOMMAND.into(), inside::ATTACK.into(), scene.targets.to_arg()?];
        let command = own.program(args);
        let watch = Watch { timeout: TIMEOUT, stop: &|| false, log: None };
        let ended = own.execute(&command, scene.work(), &watch)?;
        if ended.cause == Cause::Itself { Ok(ended.output) } else { Ok(String::new()) }
    }

    fn outside(&self, scene: &Scene) -> io::Result<String> {
        self.alone(scene, inside::ATTACK_OUTSIDE)
    }

    /// Returns what the attempts say in a process of ours that no sandbox holds at its start.
    fn alone(&self, scene: &Scene, mode: &str) -> io::Result<String> {
        let mut command = Command::new(&self.machine.helper);
        command.args([inside::SUBCOMMAND, mode]).arg(scene.targets.to_arg()?);
        command.env(targets::VARIABLE, &scene.targets.marker);
        command.current_dir(scene.work()).stdin(Stdio::null()).stderr(Stdio::null());
        Ok(String::from_utf8_lossy(&command.output()?.stdout).into_owned())
    }

    /// Returns the same sandbox with our own program in it, which makes the attempts.
    fn with_program(&self) -> Self {
        let mut own = self.clone();
        own.view.add(&self.machine.helper);
        own
    }

    /// Returns the command that is our own program with `args`.
    fn program(&self, args: [OsString; 3]) -> Vec<OsString> {
        [self.machine.helper.clone().into()].into_iter().chain(args).collect()
    }
}

/// A line that an attempt prints.
#[derive(Debug, Deserialize, Serialize)]
struct Told {
    name: String,
    outcome: Outcome,
}

/// Reads the lines of the attempts. One that is none is of a library that has something to say.
fn outcomes(text: &str, ground: Ground) -> Vec<Told> {
    let told = text.lines().filter_map(|line| serde_json::from_str::<Told>(line).ok());
    told.filter(|told| all().any(|one| one.name == told.name && one.concerns(ground))).collect()
}

/// Makes the attempts that the mode is for, and prints how each ended.
pub(super) fn run(mode: &str, mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(targets) = args.next().and_then(|text| Targets::from_arg(&text)) else {
        return ExitCode::FAILURE;
    };
    let concerns: fn(&Attempt) -> bool = match mode {
        inside::ATTACK_OUTSIDE => |attempt| attempt.concerns(Ground::Outside),
        inside::ATTACK_MODEL => |attempt| attempt.concerns(Ground::Model),
        // In a sandbox there is no harm in one that belongs to the other tier.
        _ => |attempt| !attempt.layers[0].is_empty() || !attempt.layers[1].is_empty(),
    };
    if mode == inside::ATTACK_MODEL && confine(&[targets.model()], &[]).is_err() {
        return ExitCode::FAILURE;
    }
    for attempt in all().filter(|attempt| concerns(attempt)) {
        let told = Told { name: attempt.name.to_owned(), outcome: (attempt.deed)(&targets) };
        let line = serde_json::to_string(&told).unwrap_or_default() + "\n";
        // Whoever does not hear of it knows that it is missing.
        io::Write::write_all(&mut io::stdout(), line.as_bytes()).unwrap_or_default();
    }
    ExitCode::SUCCESS
}

/// Takes an overload on purpose: what a command takes that knows no measure. Only a limit ends it in time.
pub(super) fn overload(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    limits::overload(args.next().as_ref().and_then(|kind| kind.to_str()).unwrap_or_default())
}

/// Waits until stdin ends: somebody for the attempts to reach.
pub(super) fn victim() -> ExitCode {
    io::copy(&mut io::stdin(), &mut io::sink()).map_or(ExitCode::FAILURE, |_| ExitCode::SUCCESS)
}

/// Returns the outcome of something that must fail.
fn must_fail<T, E: std::fmt::Display>(result: Result<T, E>) -> Outcome {
    match result {
        Ok(_) => Outcome::Succeeded,
        Err(err) => Outcome::Stopped(err.to_string()),
    }
}

/// Returns the outcome of reading something that must not be read; only the real content counts.
fn must_not_hold(result: io::Result<Vec<u8>>, marker: &str) -> Outcome {
    match result {
        Ok(bytes) if bytes.windows(marker.len()).any(|part| part == marker.as_bytes()) => {
            Outcome::Succeeded
        }
        Ok(_) => Outcome::Stopped("something else is there".to_owned()),
        Err(err) => Outcome::Stopped(err.to_string()),
    }
}

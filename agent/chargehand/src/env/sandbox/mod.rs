//! Runs the contract's commands so that they can do no harm: in layers, each named, none silently missing.
//!
//! It does not decide whether a command passed, and it never runs one without a sandbox. What the layers do not
//! stop is said by [`Sandbox::layers`].

pub mod attack;
mod bwrap;
mod cargo_config;
mod detect;
mod etc;
mod folders;
pub mod inside;
pub mod model;
mod spare;
mod supervisor;
mod view;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use chargehand_core::contract::Check;
use chargehand_core::evidence::{CheckEnd, CheckRun};
use chargehand_inside::spec::{Spec, Tier, put_aside};
use chargehand_inside::supervise::{End, Told};
use chargehand_inside::{SUBCOMMAND, SUPERVISE};
use thiserror::Error;

pub(crate) use self::folders::COMMANDS;
pub use chargehand_inside::spec::Limits;
pub(crate) use chargehand_inside::supervise::kill_descendants;

use self::etc::Etc;
use self::folders::Folders;
use self::supervisor::Supervisor;
use self::view::View;
use crate::config;
use crate::env::command::{self, Cause, Ended, Watch};

/// SIGKILL, the signal that we end commands with.
const KILLED: i32 = 9;

/// What a sandbox is built from.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Our own program, which knows the hidden subcommand `sandbox-exec`.
    pub helper: PathBuf,
    /// Bubblewrap.
    pub bwrap: PathBuf,
    /// The environment; of it, commands see what is on a list.
    pub variables: BTreeMap<OsString, OsString>,
}

impl Machine {
    /// Returns this machine.
    ///
    /// # Errors
    ///
    /// When the running program cannot be found.
    pub fn this() -> io::Result<Self> {
        let helper = std::env::current_exe()?;
        Ok(Self { helper, bwrap: bwrap::PATH.into(), variables: config::variables() })
    }
}

/// A sandbox that was tried and held.
#[derive(Clone, Debug)]
pub struct Sandbox {
    tier: Tier,
    machine: Machine,
    supervisor: Supervisor,
    view: View,
    /// What stands for `/etc`.
    etc: Arc<Etc>,
    layers: Vec<String>,
    limits: Option<Limits>,
    /// Whether checks that ask for the network get it.
    network: bool,
}

/// Why there is no sandbox. Without one no command runs.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// Neither tier holds on this machine.
    #[error(
        "no sandbox for the contract's commands: bubblewrap: {bubblewrap}; Landlock alone: {landlock}"
    )]
    Unusable {
        /// What is wrong with the first.
        bubblewrap: String,
        /// What is wrong with the second.
        landlock: String,
    },
    /// It could not even be tried.
    #[error("cannot try a sandbox: {0}")]
    Io(#[from] io::Error),
}

impl SandboxError {
    /// Returns what to do about it, in one line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unusable { bubblewrap, .. } if bubblewrap.contains("not installed") => {
                "install bubblewrap, such as with `apt-get install bubblewrap`"
            }
            Self::Unusable { bubblewrap, .. } if bubblewrap.contains("bwrap: ") => {
                "allow user namespaces to /usr/bin/bwrap: on Ubuntu, install `apparmor-profiles` and load \
                 `bwrap-userns-restrict`; in a container, run it with user namespaces or as another user"
            }
            Self::Unusable { .. } | Self::Io(_) => "run `chargehand doctor` for the details",
        }
    }
}

impl Sandbox {
    /// Returns the best sandbox of this machine. A command of ours has tried its walls.
    ///
    /// This starts processes and takes some 50 ms: keep what it returns.
    ///
    /// # Errors
    ///
    /// [`SandboxError`], with what is wrong with every tier.
    pub fn detect() -> Result<Self, SandboxError> {
        Self::detect_on(Machine::this()?)
    }

    /// Returns the best sandbox that can be built from `machine`.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::detect`].
    pub fn detect_on(machine: Machine) -> Result<Self, SandboxError> {
        detect::best(machine)
    }

    /// Returns the number of its tier: 1 for namespaces of its own, 2 for Landlock and seccomp alone.
    #[must_use]
    pub fn tier(&self) -> u8 {
        match self.tier {
            Tier::Namespaces => 1,
            Tier::Landlock => 2,
        }
    }

    /// Returns in words what holds a command, and what is not stopped. One line each, for the report.
    #[must_use]
    pub fn layers(&self) -> Vec<String> {
        self.layers.clone()
    }

    /// Returns the program that supervises commands.
    #[must_use]
    pub fn supervisor(&self) -> &Path {
        self.supervisor.path()
    }

    /// Lets commands take so much, instead of what the machine can spare when each of them begins.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Lets checks reach the network that ask for it; without this they are not started.
    #[must_use]
    pub fn with_network(self) -> Self {
        Self { network: true, ..self }
    }

    /// Runs `check` in the workspace `work`, until it ends, its time is up or `stop` says so. Its whole output, up
    /// to 16 MiB, goes to `log`.
    pub fn run(
        &self,
        check: &Check,
        work: &Path,
        log: Option<&Path>,
        stop: &dyn Fn() -> bool,
    ) -> CheckRun {
        if check.network && !(self.network && self.tier == Tier::Namespaces) {
            let why = "it asks for the network, which this sandbox does not give";
            return CheckRun::not_started(&check.name, why);
        }
        let watch = Watch { timeout: check.timeout, stop, log };
        let command: Vec<OsString> = check.run.iter().map(OsString::from).collect();
        let (end, ended) =
            match self.made_for(check).and_then(|own| own.execute(&command, work, &watch)) {
                Ok(ended) => check_end(ended),
                Err(err) => (CheckEnd::NotStarted(err.to_string()), Ended::nothing()),
            };
        CheckRun {
            name: check.name.clone(),
            passed: end.satisfies(check),
            end,
            millis: u64::try_from(ended.time.as_millis()).unwrap_or(u64::MAX),
            output: ended.output,
            output_bytes: ended.bytes,
        }
    }

    /// Returns the same sandbox with what `check` sees besides that which every command sees.
    fn made_for(&self, check: &Check) -> io::Result<Self> {
        let mut own = self.clone();
        own.network = check.network;
        if check.network {
            own.view.open();
            own.etc = Arc::default();
        }
        let passed = check.pass_env.iter().filter_map(|name| {
            let value = self.machine.variables.get(OsStr::new(name))?;
            Some((OsString::from(name), value.clone()))
        });
        let set = check.env.iter().map(|(name, value)| (name.into(), value.into()));
        own.view.env.extend(passed.chain(set));
        Ok(own)
    }

    fn execute(&self, command: &[OsString], work: &Path, watch: &Watch<'_>) -> io::Result<Ended> {
        let work = work.canonicalize()?;
        let folders = Folders::create(&work, &self.view, self.tier)?;
        let outer = self.command(command, &folders)?;
        let ended = command::run(outer, watch);
        folders.remove()?;
        ended
    }

    /// Returns the process that supervises `command`.
    fn command(&self, command: &[OsString], folders: &Folders<'_>) -> io::Result<Command> {
        let helper = self.supervisor();
        let (mut outer, home, temporary) = match self.tier {
            Tier::Namespaces => {
                let etc = self.etc.beside(&folders.place(), &self.view)?;
                let mut outer = bwrap::command(helper, self, folders, &etc);
                // Ctrl-C on the terminal reaches us and not what we supervise.
                outer.process_group(0);
                (outer, &*self.view.home, Path::new("/tmp"))
            }
            Tier::Landlock => {
                // It begins a session of its own, which the first of a group cannot.
                let mut outer = Command::new(helper);
                outer.current_dir(folders.work);
                (outer, &*folders.home, &*folders.temporary)
            }
        };
        let env = self.view.env.iter().cloned().chain(view::home_variables(home, temporary));
        outer
            .env_clear()
            .envs(env.map(|(name, value)| (put_aside(&name), value)))
            .args([SUBCOMMAND, SUPERVISE])
            .args(self.spec(folders).to_args())
            .args(command);
        Ok(outer)
    }

    fn spec(&self, folders: &Folders<'_>) -> Spec {
        let View { home, read, links, cargo, .. } = &self.view;
        let work = folders.work.to_owned();
        let (read, write) = match self.tier {
            // What is not to be read was not mounted.
            Tier::Namespaces => (vec!["/".into()], vec![work, home.clone(), "/tmp".into()]),
            Tier::Landlock => {
                let mut read = read.clone();
                read.extend(links.iter().map(|(_, link)| link.clone()));
                read.extend(cargo.iter().cloned());
                read.extend([PathBuf::from("/proc"), self.supervisor().to_owned()]);
                (read, vec![work, folders.home.clone(), folders.temporary.clone()])
            }
        };
        let limits = self.limits.unwrap_or_else(|| spare::limits(folders.work));
        let max_tasks = spare::tasks(limits.tasks);
        // The supervisor adds itself and, in the tier where it can be seen, whoever started it.
        let (tier, network) = (self.tier, self.network);
        Spec { tier, network, max_tasks, limits, protect: vec![], read, write }
    }
}

impl Ended {
    fn nothing() -> Self {
        Self {
            cause: Cause::Itself,
            told: String::new(),
            status: None,
            output: String::new(),
            bytes: 0,
            time: Duration::ZERO,
        }
    }
}

/// Returns how the command ended; when it was ended, the output says why.
fn check_end(mut ended: Ended) -> (CheckEnd, Ended) {
    let end = match (ended.cause, told(&ended)) {
        (Cause::TimedOut, _) => CheckEnd::TimedOut,
        (Cause::Stopped, _) => {
            ended.output.push_str("\n[ended: the run was stopped]\n");
            CheckEnd::Signal(KILLED)
        }
        (Cause::Itself, Ok(Told { ended_for: Some(reason), .. })) => {
            ended.output.push_str(&format!("\n[ended: {reason}]\n"));
            CheckEnd::Signal(KILLED)
        }
        (Cause::Itself, Ok(told)) => match told.end {
            End::Exit(code) => CheckEnd::Exit(code),
            End::Signal(signal) => CheckEnd::Signal(signal),
            End::NotStarted(reason) => CheckEnd::NotStarted(reason),
        },
        (Cause::Itself, Err(end)) => end,
    };
    (end, ended)
}

/// Returns what the supervisor told; if it told nothing, how that looks from outside. That is never a pass.
fn told(ended: &Ended) -> Result<Told, CheckEnd> {
    serde_json::from_str(&ended.told).map_err(|_| match ended.status.and_then(signal) {
        Some(signal) => CheckEnd::Signal(signal),
        None => {
            let last = ended.output.lines().rfind(|line| !line.trim().is_empty());
            CheckEnd::NotStarted(last.unwrap_or("the supervisor ended without a word").to_owned())
        }
    })
}

/// Returns the signal that ended the supervisor. Bubblewrap makes 128 and more of it, as shells do.
fn signal(status: ExitStatus) -> Option<i32> {
    status.signal().or_else(|| status.code().filter(|code| *code > 128).map(|code| code - 128))
}

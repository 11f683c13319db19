//! Whoever proposes the calls of a run: a model, or a script. The log keeps it, so that a run can be resumed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chargehand_core::contract::Contract;
use chargehand_core::memory::beside::Beside;
use chargehand_core::memory::{Footprint, LoadOptions, Plan};
use chargehand_core::ports::{Model, Watch};
use chargehand_core::roles::{Carried, Role};
use chargehand_core::script::Script;
use chargehand_core::seal;
use chargehand_engine::gguf;
use chargehand_engine::sampler::Sampling;
use serde::{Deserialize, Serialize};

use super::bounds;
use super::crew::Reviewer;
use super::held::{Asking, HeldMemory};
use super::model::{self, Choice, ModelArgs};
use crate::config::{Places, UserConfig};
use crate::env::digest;
use crate::env::parking::Parking;
use crate::env::worker::{ModelWorker, PATIENCE, WorkerError};
use crate::error::{Error, Kind};

/// What stands before the file of a script.
const SCRIPT: &str = "script:";

/// Who works.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Plays tool calls from a file instead of asking a model
    #[arg(long, value_name = "script:FILE", conflicts_with_all = ["model", "ctx", "draft", "temperature", "seed", "reasoning"])]
    worker: Option<String>,
    /// Lets another model, or a script, review what the worker did; without it the judge of `[roles]`, or the worker itself
    #[arg(long, value_name = "MODEL|script:FILE")]
    reviewer: Option<String>,
}

/// A worker as the log has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum WorkerSpec {
    /// Calls from a file.
    Script {
        /// The file.
        path: PathBuf,
    },
    /// A model.
    Model {
        /// The footprint it was planned with, which says how it is loaded.
        footprint: Box<Footprint>,
        /// What tells its file from others.
        identity: String,
        /// How tokens are picked.
        sampling: Sampling,
    },
}

/// A worker that can be started: everything about it was checked.
pub(super) enum Ready {
    /// Its calls were read.
    Script(Script),
    /// It fits, and its memory is reserved. A worker may be silent for so long.
    Model(Box<HeldMemory>, Sampling, Duration),
}

/// Who works, as the log has it and in person.
pub(super) struct Hired {
    /// Who.
    pub(super) spec: WorkerSpec,
    /// The same in person.
    pub(super) ready: Ready,
}

impl WorkerArgs {
    /// Returns the flags `-m` and `--config`.
    pub(super) fn of_model(model: Option<PathBuf>, config: Vec<String>) -> Self {
        Self { model: ModelArgs::of(model, config), worker: None, reviewer: None }
    }

    /// Returns whether any of the flags was given.
    pub(super) fn is_given(&self) -> bool {
        self.worker.is_some() || self.model.model.is_some()
    }

    /// Refuses a reviewer who would have nothing to say.
    pub(super) fn may_review(&self, contract: &Contract) -> Result<(), Error> {
        if contract.review.is_some() || self.reviewer.is_none() {
            return Ok(());
        }
        let message = "--reviewer goes with criteria, and the contract has none";
        Err(Error::new(Kind::Usage, message)
            .hint("give --criterion, or `[review]` in the contract"))
    }

    /// Returns whether a flag says how a model is to be used.
    pub(super) fn sets_model(&self) -> bool {
        self.model.is_tuned()
    }

    /// Returns what the user has set.
    pub(super) fn config(&self, places: &Places) -> Result<UserConfig, Error> {
        let config = UserConfig::read(places.config.as_deref(), &self.model.config)?;
        bounds::check(&config)?;
        Ok(config)
    }

    /// Returns how the model that is asked for would be loaded, if it lies there, can be read and is what was pinned.
    pub(super) fn loads(&self, config: &UserConfig, places: &Places) -> Result<LoadOptions, Error> {
        let Choice { name: model, options, .. } = self.model.choose(config, places)?;
        let footprint = Footprint { model, options, rows: Vec::new() };
        model::pinned::check(&footprint, places)?;
        Ok(footprint.options)
    }

    /// Returns the worker that is asked for, and what starts it.
    pub(super) fn choose(&self, asking: Asking<'_>) -> Result<Hired, Error> {
        if let Some(worker) = &self.worker {
            let path = script_path(worker)?;
            let script = read_script(&path)?;
            return Ok(Hired { spec: WorkerSpec::Script { path }, ready: Ready::Script(script) });
        }
        let choice = self.model.choose(asking.config, asking.places)?;
        let spec = asked_for(&self.model, &choice, asking)?;
        let ready = spec.ready(asking)?;
        Ok(Hired { spec, ready })
    }

    /// Returns who reviews in place of `worker`: who was named, or reviewed `earlier`, or the judge of the configuration;
    /// nobody where that is the same model.
    pub(super) fn choose_reviewer(
        &self,
        worker: &Hired,
        earlier: Option<WorkerSpec>,
        asking: Asking<'_>,
    ) -> Result<Option<Reviewer>, Error> {
        let Hired { spec: worker, ready } = worker;
        if let Some(path) = self.reviewer.as_deref().and_then(|text| text.strip_prefix(SCRIPT)) {
            let spec = WorkerSpec::Script { path: from_here(path)? };
            return Reviewer::beside(ready, spec, asking).map(Some);
        }
        let judge = match worker {
            WorkerSpec::Script { .. } => None,
            WorkerSpec::Model { .. } => asking.config.roles.get(&Role::Judge),
        };
        let earlier = earlier.filter(|_| self.reviewer.is_none());
        let spec = match (earlier, self.reviewer.as_ref().or(judge)) {
            (None, None) => return Ok(None),
            (Some(earlier), _) if worker.is_model(earlier.path()) => return Ok(None),
            (Some(earlier), _) => {
                let hint = "let another one review with --reviewer";
                earlier.as_it_was().map_err(|err| err.hint(hint))?
            }
            (None, Some(named)) => {
                let model = ModelArgs::of(Some(named.into()), self.model.config.clone());
                let choice = model.choose(asking.config, asking.places)?;
                if worker.is_model(Path::new(&choice.options.path)) {
                    return Ok(None);
                }
                asked_for(&model, &choice, asking)?
            }
        };
        Reviewer::beside(ready, spec, asking).map(Some)
    }
}

/// Returns a worker that nothing is reserved for yet.
fn asked_for(args: &ModelArgs, choice: &Choice, asking: Asking<'_>) -> Result<WorkerSpec, Error> {
    let footprint = Box::new(model::known(choice, asking.config, asking.places)?);
    let identity = identify(Path::new(&choice.options.path))?;
    Ok(WorkerSpec::Model { footprint, identity, sampling: args.sampling(asking.config) })
}

impl WorkerSpec {
    /// Returns whoever worked before, with its files as they lie now, if they are what they were. Of one that guesses
    /// nothing is known but how it lay.
    pub(super) fn as_it_was(&self) -> Result<Self, Error> {
        let mut spec = self.clone();
        let Self::Model { footprint, identity, .. } = &mut spec else { return Ok(spec) };
        let path = Path::new(&footprint.options.path);
        // It may lie elsewhere by now, and be the same.
        let seals = gguf::seals(path)?;
        let found = identify(path)?;
        if found != *identity {
            let message = format!("{} is not the file it was: its {found}", path.display());
            return Err(Error::new(Kind::Refused, message));
        }
        footprint.options.seals = seals;
        for beside in &mut footprint.options.beside {
            match beside {
                Beside::Projector { .. } | Beside::Mtp => {}
                Beside::Draft { path, seals } => {
                    let found = gguf::seals(Path::new(path))?;
                    if !seal::are_untouched(&found, seals) {
                        let message = format!("{path} was changed after it was planned");
                        return Err(Error::new(Kind::Refused, message));
                    }
                    *seals = found;
                }
            }
        }
        Ok(spec)
    }

    /// Makes it ready: its calls are read, or its memory is reserved.
    pub(super) fn ready(&self, asking: Asking<'_>) -> Result<Ready, Error> {
        match self {
            Self::Script { path } => Ok(Ready::Script(read_script(path)?)),
            Self::Model { footprint, sampling, .. } => {
                let held = HeldMemory::of(footprint.as_ref().clone(), asking)?;
                Ok(Ready::Model(Box::new(held), *sampling, patience(asking.config)))
            }
        }
    }

    /// Makes it ready beside `first`. Of two models that do not fit side by side each has its turn; why is returned too.
    pub(super) fn ready_beside(
        &self,
        first: &Ready,
        asking: Asking<'_>,
    ) -> Result<(Ready, Option<String>), Error> {
        match (self, first) {
            (Self::Model { footprint, sampling, .. }, Ready::Model(first, ..)) => {
                let footprint = footprint.as_ref().clone();
                let (held, turns) = first.beside(footprint, asking)?;
                Ok((Ready::Model(Box::new(held), *sampling, patience(asking.config)), turns))
            }
            (Self::Script { .. }, _) | (_, Ready::Script(_)) => Ok((self.ready(asking)?, None)),
        }
    }

    /// Returns whether it is the model in `file`.
    fn is_model(&self, file: &Path) -> bool {
        match self {
            Self::Script { .. } => false,
            Self::Model { .. } => self.path() == file,
        }
    }

    /// Returns the file of a model, or of a script.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Script { path } => path,
            Self::Model { footprint, .. } => Path::new(&footprint.options.path),
        }
    }

    /// Returns what the report calls it.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Script { path } => format!("script {}", path.display()),
            Self::Model { footprint, identity, .. } => format!("{} ({identity})", footprint.model),
        }
    }
}

impl Ready {
    /// Returns the memory plan of a model.
    pub(super) fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Script(_) => None,
            Self::Model(held, ..) => Some(held.plan()),
        }
    }

    /// Lets a model leave what it remembers in the folder of its run, where it takes turns as `role`.
    pub(super) fn parking(self, run: &Path, role: Role) -> Result<Self, Error> {
        match self {
            Self::Script(_) => Ok(self),
            Self::Model(held, sampling, patience) => {
                let parking = Parking::of(run, role).map_err(|err| {
                    Error::new(Kind::Failed, format!("there is no place to park the {role}: {err}"))
                })?;
                Ok(Self::Model(Box::new(held.parking(parking)), sampling, patience))
            }
        }
    }

    /// Starts it. `stop` is asked on the way.
    pub(super) fn start(self, stop: &dyn Fn() -> bool) -> Result<Started, Error> {
        match self {
            Self::Script(script) => Ok(Started::Script(script)),
            Self::Model(held, sampling, patience) => {
                Ok(Started::Model(Box::new(held.start(sampling, patience, stop)?)))
            }
        }
    }
}

/// A worker at work.
pub(super) enum Started {
    /// A script.
    Script(Script),
    /// A process with a model.
    Model(Box<ModelWorker>),
}

impl Started {
    /// Returns it as the loop needs it.
    pub(super) fn model(&mut self) -> &mut dyn Model {
        match self {
            Self::Script(script) => script,
            Self::Model(worker) => worker.as_mut(),
        }
    }

    /// Has a model make room for another one.
    pub(super) fn park(&mut self, watch: &mut dyn Watch) -> Carried {
        match self {
            Self::Script(_) => Carried::default(),
            Self::Model(worker) => worker.park(watch),
        }
    }

    /// Has a model come back that made room.
    pub(super) fn wake(&mut self, watch: &mut dyn Watch) -> Result<Carried, WorkerError> {
        match self {
            Self::Script(_) => Ok(Carried::default()),
            Self::Model(worker) => worker.wake(watch),
        }
    }

    /// Lets a model begin another job, with its own seed.
    pub(super) fn begin(&mut self, seed: u32) {
        match self {
            Self::Script(_) => {}
            Self::Model(worker) => worker.begin(seed),
        }
    }

    /// Returns the tokens of the system prompt and the tools.
    pub(super) fn prompt_tokens(&self) -> Option<u64> {
        match self {
            Self::Script(_) => None,
            Self::Model(worker) => worker.prompt_tokens(),
        }
    }
}

fn patience(config: &UserConfig) -> Duration {
    config.silence.unwrap_or(PATIENCE)
}

/// Returns the file behind `script:`.
pub(super) fn script_path(worker: &str) -> Result<PathBuf, Error> {
    let path = worker.strip_prefix(SCRIPT).filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| {
        Error::new(Kind::Usage, format!("`{worker}` is no worker"))
            .hint("write --worker script:FILE, or -m MODEL.gguf")
    })?;
    from_here(path)
}

fn from_here(path: &str) -> Result<PathBuf, Error> {
    std::path::absolute(path)
        .map_err(|err| Error::new(Kind::Usage, format!("cannot find {path}: {err}")))
}

/// Reads the calls of a script.
pub(super) fn read_script(path: &Path) -> Result<Script, Error> {
    let text = fs::read_to_string(path).map_err(|err| {
        Error::new(Kind::Usage, format!("cannot read the script {}: {err}", path.display()))
    })?;
    Script::parse(&text)
        .map_err(|err| Error::new(Kind::Usage, format!("{}: {err}", path.display())))
}

/// Returns what tells a model from others: of a split one, all its files.
pub(super) fn identify(path: &Path) -> Result<String, Error> {
    digest::identity(&gguf::paths(path)?).map_err(|err| {
        Error::new(Kind::Refused, format!("cannot read the model {}: {err}", path.display()))
    })
}

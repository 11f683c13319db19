//! Who is examined: models, each with its settings.

use std::path::PathBuf;

use chargehand_core::contract::{Gates, parse_switch};
use serde::{Deserialize, Serialize};

use crate::cli::worker::WorkerArgs;
use crate::error::{Error, Kind};

/// A model with settings, as the record of an examination has it.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub(super) struct Subject {
    /// The model as it was named; the built-in one otherwise.
    pub(super) model: Option<PathBuf>,
    /// Keys of the configuration, as `key=value`.
    pub(super) config: Vec<String>,
    /// Gates that are switched, as `name=on` or `name=off`.
    pub(super) gates: Vec<String>,
    /// What its figures stand under.
    pub(super) label: String,
    /// What the report of a run calls the worker; known once it was chosen.
    pub(super) worker: String,
}

/// Which models, and what is varied.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct SubjectArgs {
    /// A GGUF model; several are examined side by side. The built-in one is called `apprentice`
    #[arg(short, long, value_name = "MODEL.gguf")]
    model: Vec<PathBuf>,
    /// Sets a key of config.toml for all, with the value in TOML
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<String>,
    /// Examines each model once with each value of a key, such as sampling.forced=true,false or gate.NAME=on,off
    #[arg(long, value_name = "KEY=VALUE,VALUE")]
    vary: Option<String>,
    /// Switches a gate off or on for all; docs/contract.md lists them
    #[arg(long, value_name = "NAME=on|off")]
    gate: Vec<String>,
}

impl SubjectArgs {
    /// Returns everybody who is examined.
    pub(super) fn subjects(&self) -> Result<Vec<Subject>, Error> {
        let models: Vec<Option<PathBuf>> = match self.model.is_empty() {
            true => vec![None],
            false => self.model.iter().cloned().map(Some).collect(),
        };
        let settings = self.settings()?;
        let mut subjects = Vec::new();
        for model in &models {
            for setting in &settings {
                subjects.push(self.subject(model.clone(), setting.as_deref()));
            }
        }
        Ok(subjects)
    }

    fn settings(&self) -> Result<Vec<Option<String>>, Error> {
        let Some(vary) = &self.vary else { return Ok(vec![None]) };
        let (key, values) =
            vary.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                Error::new(Kind::Usage, format!("--vary {vary}: write it as key=value,value"))
            })?;
        Ok(values.split(',').map(|value| Some(format!("{key}={value}"))).collect())
    }

    fn subject(&self, model: Option<PathBuf>, setting: Option<&str>) -> Subject {
        let name = model.as_ref().and_then(|path| path.file_stem());
        let name = name
            .map_or_else(|| "apprentice".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let label = setting.map_or_else(|| name.clone(), |setting| format!("{name} {setting}"));
        let (mut config, mut gates) = (self.config.clone(), self.gate.clone());
        match setting.map(|setting| (setting, setting.strip_prefix("gate."))) {
            Some((_, Some(switch))) => gates.push(switch.to_owned()),
            Some((setting, None)) => config.push(setting.to_owned()),
            None => {}
        }
        Subject { model, config, gates, label, worker: String::new() }
    }
}

impl Subject {
    /// Switches the gates of a contract as this subject has them.
    pub(super) fn switch(&self, gates: &mut Gates) -> Result<(), Error> {
        for switch in &self.gates {
            let (gate, on) = parse_switch(switch)
                .map_err(|why| Error::new(Kind::Usage, format!("--gate {switch}: {why}")))?;
            if on { gates.switch_on(gate) } else { gates.switch_off(gate) }
        }
        Ok(())
    }

    /// Returns the flags of `run` that mean the same.
    pub(super) fn worker_args(&self) -> WorkerArgs {
        WorkerArgs::of_model(self.model.clone(), self.config.clone())
    }
}

//! Who is examined: models, each with its settings.

use std::path::PathBuf;

use chargehand_core::contract::{Gate, Gates, parse_switch};
use chargehand_core::eval::Fingerprint;
use serde::{Deserialize, Serialize};

use super::ablation::{self, Ablation, Question, Setting};
use crate::cli::worker::{WorkerArgs, script_path};
use crate::error::{Error, Kind};

/// A model with settings, as the record of an examination has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct Subject {
    /// The model as it was named; the built-in one otherwise.
    pub(super) model: Option<PathBuf>,
    /// Keys of the configuration, as `key=value`.
    pub(super) config: Vec<String>,
    /// Gates that are switched, as `name=on` or `name=off`.
    pub(super) gates: Vec<String>,
    /// What it is hampered by.
    #[serde(default)]
    pub(super) ablation: Ablation,
    /// A folder with a script for each task, that is played instead of asking a model.
    #[serde(default)]
    pub(super) scripts: Option<PathBuf>,
    /// What its figures stand under.
    pub(super) label: String,
    /// What the report of a run calls the worker; known once it was chosen.
    pub(super) worker: String,
    /// What a scorecard would be about; likewise, of a model.
    #[serde(default)]
    pub(super) of: Option<Fingerprint>,
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
    /// Examines each model once with each value of a key, such as sampling.forced=true,false, gate.NAME=on,off,
    /// grammar=off,json,gated,bound, prompt=short,lines,ceremony or filled=0,50,90
    #[arg(long, value_name = "KEY=VALUE,VALUE", conflicts_with = "ablate")]
    vary: Option<String>,
    /// Varies what is often asked about, all values of it
    #[arg(long, value_name = "QUESTION")]
    ablate: Option<Question>,
    /// Plays DIR/TASK.jsonl for each task instead of asking a model; a task without such a file gets nothing done
    #[arg(long, value_name = "script:DIR", conflicts_with_all = ["model", "config", "vary", "ablate"])]
    worker: Option<String>,
    /// Switches a gate off or on for all; docs/contract.md lists them
    #[arg(long, value_name = "NAME=on|off")]
    gate: Vec<String>,
}

impl SubjectArgs {
    /// Returns everybody who is examined.
    pub(super) fn subjects(&self) -> Result<Vec<Subject>, Error> {
        if let Some(worker) = &self.worker {
            let scripts = Some(script_path(worker)?);
            let label = "script".to_owned();
            return Ok(vec![Subject {
                scripts,
                label,
                gates: self.gate.clone(),
                ..Subject::default()
            }]);
        }
        let models: Vec<Option<PathBuf>> = match self.model.is_empty() {
            true => vec![None],
            false => self.model.iter().cloned().map(Some).collect(),
        };
        let settings = self.settings()?;
        let mut subjects = Vec::new();
        for model in &models {
            for setting in &settings {
                subjects.push(self.subject(model.clone(), setting.as_deref())?);
            }
        }
        Ok(subjects)
    }

    fn settings(&self) -> Result<Vec<Option<String>>, Error> {
        let asked = self.ablate.map(|question| question.vary().to_owned());
        let Some(vary) = asked.or_else(|| self.vary.clone()) else { return Ok(vec![None]) };
        let (key, values) =
            vary.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                Error::new(Kind::Usage, format!("--vary {vary}: write it as key=value,value"))
            })?;
        Ok(values.split(',').map(|value| Some(format!("{key}={value}"))).collect())
    }

    fn subject(&self, model: Option<PathBuf>, setting: Option<&str>) -> Result<Subject, Error> {
        let name = model.as_ref().and_then(|path| path.file_stem());
        let name = name
            .map_or_else(|| "apprentice".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let label = setting.map_or_else(|| name.clone(), |setting| format!("{name} {setting}"));
        let (mut config, mut gates) = (self.config.clone(), self.gate.clone());
        let mut ablation = Ablation::default();
        match setting.map(|setting| (setting, setting.strip_prefix("gate."))) {
            Some((_, Some(switch))) => gates.push(switch.to_owned()),
            Some((setting, None)) => {
                let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
                match ablation::setting(key, value)? {
                    Setting::Ablation(own) => ablation = own,
                    Setting::Gates(off) => {
                        gates.extend(
                            off.into_iter().map(|gate: Gate| format!("{}=off", gate.name())),
                        );
                    }
                    Setting::Config => config.push(setting.to_owned()),
                }
            }
            None => {}
        }
        Ok(Subject { model, config, gates, ablation, label, ..Subject::default() })
    }
}

impl Subject {
    /// Returns what was asked for, without what came of it.
    pub(super) fn asked(&self) -> Self {
        Self { label: String::new(), worker: String::new(), of: None, ..self.clone() }
    }

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

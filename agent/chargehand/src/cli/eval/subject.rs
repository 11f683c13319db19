//! Who is examined: models, each with its settings.

use std::path::{Path, PathBuf};

use chargehand_core::contract::{Gate, Gates, parse_switch};
use chargehand_core::eval::{Fingerprint, Suite, Task};
use chargehand_core::memory::LoadOptions;
use chargehand_core::script::Script;
use serde::{Deserialize, Serialize};

use super::ablation::{self, Ablation, Question, Setting};
use crate::cli::embedded;
use crate::cli::worker::{WorkerArgs, identify, read_script, script_path};
use crate::config::{Places, UserConfig, is_path};
use crate::error::{Error, Kind};

/// A model with settings, as the record of an examination has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct Subject {
    /// The model as it was named, a file from the root on; the usual one otherwise.
    pub(super) model: Option<PathBuf>,
    /// What told its file from others when the examination began.
    #[serde(default)]
    pub(super) identity: Option<String>,
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
            let folder = script_path(worker)?;
            if !folder.is_dir() {
                let message = format!("--worker {worker}: {} is no folder", folder.display());
                return Err(Error::new(Kind::Usage, message).hint(
                    "write --worker script:DIR, and the calls of a task into DIR/TASK.jsonl",
                ));
            }
            let scripts = Some(folder);
            let label = "script".to_owned();
            return Ok(vec![Subject {
                scripts,
                label,
                gates: self.gate.clone(),
                ..Subject::default()
            }]);
        }
        let mut models = vec![(None, embedded::NAME.to_owned())];
        if !self.model.is_empty() {
            models = Vec::new();
            for (model, name) in self.model.iter().zip(names(&self.model)) {
                models.push((Some(from_root(model)?), name));
            }
        }
        let settings = self.settings()?;
        let mut subjects = Vec::new();
        for (model, name) in &models {
            for setting in &settings {
                subjects.push(self.subject(model.clone(), name, setting.as_deref())?);
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

    fn subject(
        &self,
        model: Option<PathBuf>,
        name: &str,
        setting: Option<&str>,
    ) -> Result<Subject, Error> {
        let label = setting.map_or_else(|| name.to_owned(), |setting| format!("{name} {setting}"));
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

/// Returns the path of a model from the root on; a name of one stays as it is.
fn from_root(model: &Path) -> Result<PathBuf, Error> {
    if !model.to_str().is_none_or(is_path) {
        return Ok(model.to_owned());
    }
    whole_path(model)
}

/// Returns a path from the root on, so that it can be found from any folder; as it was typed, where a folder above it is no
/// text, which no examination could write down.
pub(super) fn whole_path(path: &Path) -> Result<PathBuf, Error> {
    let shown = path.display();
    if path.to_str().is_none() {
        let message = format!("{shown}: the name is no UTF-8, and an examination writes it down");
        return Err(Error::new(Kind::Usage, message).hint("rename it, or link to it"));
    }
    let whole = std::path::absolute(path)
        .map_err(|err| Error::new(Kind::Usage, format!("cannot find {shown}: {err}")))?;
    Ok(if whole.to_str().is_some() { whole } else { path.to_owned() })
}

/// Returns what the figures of each model stand under: its file without the ending, and of those that are called alike as
/// much of the folder as tells them apart.
fn names(models: &[PathBuf]) -> Vec<String> {
    let parts = |model: &PathBuf| model.components().count();
    let longest = models.iter().map(parts).max().unwrap_or(1);
    let mut names: Vec<String> = models.iter().map(|model| name(model, 1)).collect();
    for count in 2..=longest {
        let alike = alike(&names);
        for at in alike {
            names[at] = name(&models[at], count);
        }
    }
    // With another ending in the same folder.
    for at in alike(&names) {
        names[at] = models[at].display().to_string();
    }
    names
}

/// Returns which names others have too.
fn alike(names: &[String]) -> Vec<usize> {
    let is_alike = |at: &usize| names.iter().filter(|name| **name == names[*at]).count() > 1;
    (0..names.len()).filter(is_alike).collect()
}

/// Returns the last `count` parts of a path without the ending of models.
fn name(model: &Path, count: usize) -> String {
    let is_gguf = model.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
    let stem = if is_gguf { model.with_extension("") } else { model.to_owned() };
    let parts: Vec<_> = stem.components().collect();
    let last = &parts[parts.len().saturating_sub(count)..];
    last.iter().collect::<PathBuf>().display().to_string()
}

/// What a subject is, whatever it is called: two of which all of it is the same are one.
#[derive(Debug, PartialEq)]
pub(super) struct Likeness {
    options: Option<LoadOptions>,
    config: UserConfig,
    gates: Gates,
    ablation: Ablation,
}

impl Subject {
    /// Says now what would be found wrong only when its turn comes, after hours perhaps: a model that is no model, a
    /// setting that is none, a script that cannot be read.
    pub(super) fn check(&mut self, suite: &Suite, places: &Places) -> Result<Likeness, Error> {
        let (mut gates, ablation) = (Gates::default(), self.ablation.clone());
        self.switch(&mut gates)?;
        if let Some(folder) = &self.scripts {
            suite.tasks.iter().try_for_each(|task| script_of(folder, task).map(drop))?;
            return Ok(Likeness { options: None, config: UserConfig::default(), gates, ablation });
        }
        let args = self.worker_args();
        let config = args.config(places)?;
        let mut options = args.loads(&config, places)?;
        let path = PathBuf::from(std::mem::take(&mut options.path));
        self.identity = Some(identify(&path)?);
        self.ablation.check(|| Ok(path))?;
        // Whatever the file is called, it lies where it lies.
        Ok(Likeness { options: Some(options), config, gates, ablation })
    }

    /// Notes what tells the file of its model from others, where there is one to look at.
    pub(super) fn identify(&mut self, places: &Places) {
        let args = self.worker_args();
        let file = args.config(places).and_then(|config| args.loads(&config, places));
        self.identity = file.and_then(|options| identify(Path::new(&options.path))).ok();
    }

    /// Returns in what it is another one than `then`, in words. The same file may lie elsewhere by now; and of one that
    /// lies where it lay it is found out when it is loaded whether it is the same.
    pub(super) fn changes_since(&self, then: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let mut note = |what: &str, now: String, then: String| {
            if now != then {
                let text = |text: String| if text.is_empty() { "none".to_owned() } else { text };
                changes.push(format!("{what} is {}, it was {}", text(now), text(then)));
            }
        };
        let shown = |path: &Option<PathBuf>| {
            path.as_ref().map_or_else(String::new, |path| path.display().to_string())
        };
        if self.identity.is_none() || self.identity != then.identity {
            // An earlier version wrote it down as it was typed.
            let model =
                then.model.as_deref().map(|path| from_root(path).unwrap_or(path.to_owned()));
            note("-m", shown(&self.model), shown(&model));
        }
        note("--config or --vary", self.config.join(" "), then.config.join(" "));
        note("--gate or --vary", self.gates.join(" "), then.gates.join(" "));
        note("the folder of scripts", shown(&self.scripts), shown(&then.scripts));
        if self.ablation != then.ablation {
            note("--vary", self.label.clone(), then.label.clone());
        }
        changes
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

/// Returns the calls for a task; none, where nothing was written down for it.
pub(super) fn script_of(folder: &Path, task: &Task) -> Result<Script, Error> {
    let path = folder.join(format!("{}.jsonl", task.id));
    if path.exists() { read_script(&path) } else { Ok(Script::of(Vec::new())) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// A path that is no text could not be written down, and the program would end in the middle.
    #[test]
    fn a_path_that_is_no_text_is_refused() {
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"t\xff.toml"));
        let refused = whole_path(odd).unwrap_err().to_string();
        assert!(refused.contains("no UTF-8"), "{refused}");
        assert!(whole_path(Path::new("t.toml")).unwrap().ends_with("t.toml"));
    }

    #[track_caller]
    fn check(models: &[&str], expect: &[&str]) {
        let models: Vec<PathBuf> = models.iter().map(PathBuf::from).collect();
        assert_eq!(names(&models), expect);
    }

    #[test]
    fn names_have_as_much_of_the_folder_as_tells_them_apart() {
        check(&["d1/a.gguf", "/d2/b.Q4.gguf", "apprentice"], &["a", "b.Q4", "apprentice"]);
        check(&["d1/m.gguf", "d2/m.gguf", "d2/n.gguf"], &["d1/m", "d2/m", "n"]);
        check(&["/x/1/m.gguf", "/y/1/m.gguf", "/y/2/m.gguf"], &["x/1/m", "y/1/m", "2/m"]);
        check(&["m.gguf", "d/m.gguf"], &["m", "d/m"]);
        check(&["/m.gguf", "/d/m.gguf"], &["/m", "d/m"]);
        check(&["d/m.gguf", "d/m.GGUF", "d/m.bin"], &["d/m.gguf", "d/m.GGUF", "m.bin"]);
    }
}

//! A workspace that is a map, and a watch that remembers.

use std::collections::BTreeMap;

use chargehand_core::contract::{Check, Contract};
use chargehand_core::event::Event;
use chargehand_core::evidence::{CheckEnd, CheckRun};
use chargehand_core::mask::Secrets;
use chargehand_core::ports::{EnvError, Environment, Stop, Watch};
use chargehand_core::rel_path::RelPath;

/// A workspace in memory. A check passes when the file it names is there.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// What a check writes, if not which file it looked for.
    pub(crate) output: Option<String>,
    pub(crate) secrets: Secrets,
    /// Whether nothing more can be written.
    pub(crate) full: bool,
    /// Whether nothing can be read.
    pub(crate) broken: bool,
}

impl World {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
        Self { files: files.iter().map(own).collect(), ..Self::default() }
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.files[path].clone()).unwrap()
    }
}

impl Environment for World {
    fn files(&self) -> Result<Vec<RelPath>, EnvError> {
        Ok(self.files.keys().map(|path| RelPath::parse(path).unwrap()).collect())
    }

    fn read(&self, path: &RelPath) -> Result<Vec<u8>, EnvError> {
        if self.broken {
            let source = std::io::ErrorKind::Other.into();
            return Err(EnvError::Io { what: format!("cannot read {path}"), source });
        }
        self.files.get(path.as_str()).cloned().ok_or_else(|| EnvError::NotFound(path.clone()))
    }

    fn write(&mut self, path: &RelPath, content: &[u8]) -> Result<(), EnvError> {
        if self.full {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(EnvError::Io { what: format!("cannot write {path}"), source });
        }
        self.files.insert(path.to_string(), content.to_vec());
        Ok(())
    }

    fn delete(&mut self, path: &RelPath) -> Result<(), EnvError> {
        let gone = self.files.remove(path.as_str());
        gone.map(drop).ok_or_else(|| EnvError::NotFound(path.clone()))
    }

    fn run_check(&mut self, check: &Check) -> Result<CheckRun, EnvError> {
        let code = i32::from(!self.files.contains_key(&check.run[0]));
        let looked = || format!("looked for {}\n", check.run[0]);
        let output = self.output.clone().unwrap_or_else(looked);
        let output_bytes = output.len() as u64;
        Ok(CheckRun {
            name: check.name.clone(),
            end: CheckEnd::Exit(code),
            passed: code == 0,
            millis: 1,
            output,
            output_bytes,
        })
    }

    fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}

/// Remembers what it saw, and says stop when told to.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    pub(crate) stop: Option<Stop>,
}

impl Watch for Seen {
    fn see(&mut self, event: &Event) {
        self.events.push(event.clone());
    }

    fn stop(&mut self) -> Option<Stop> {
        self.stop.clone()
    }
}

/// Returns the contract of `toml`, with a goal.
pub(crate) fn contract(toml: &str) -> Contract {
    Contract::parse(&format!("goal = \"g\"\n{toml}")).unwrap()
}

//! A workspace in memory, and nobody who looks on.

use std::collections::BTreeMap;

use chargehand_core::contract::Check;
use chargehand_core::event::Event;
use chargehand_core::evidence::CheckRun;
use chargehand_core::ports::{EnvError, Environment, Stop, Watch};
use chargehand_core::rel_path::RelPath;
use serde_json::{Map, Value};

/// The files of a trace.
#[derive(Debug)]
pub(crate) struct World(BTreeMap<RelPath, Vec<u8>>);

impl World {
    /// Returns the workspace of these paths and texts.
    pub(crate) fn new(files: &Map<String, Value>) -> Self {
        let file = |(path, text): (&String, &Value)| {
            Some((RelPath::parse(path).ok()?, text.as_str()?.as_bytes().to_vec()))
        };
        Self(files.iter().filter_map(file).collect())
    }
}

impl Environment for World {
    fn files(&self) -> Result<Vec<RelPath>, EnvError> {
        Ok(self.0.keys().cloned().collect())
    }

    fn read(&self, path: &RelPath) -> Result<Vec<u8>, EnvError> {
        self.0.get(path).cloned().ok_or_else(|| EnvError::NotFound(path.clone()))
    }

    fn write(&mut self, path: &RelPath, content: &[u8]) -> Result<(), EnvError> {
        self.0.insert(path.clone(), content.to_vec());
        Ok(())
    }

    fn delete(&mut self, path: &RelPath) -> Result<(), EnvError> {
        self.0.remove(path).map(drop).ok_or_else(|| EnvError::NotFound(path.clone()))
    }

    fn run_check(&mut self, check: &Check) -> Result<CheckRun, EnvError> {
        let source = std::io::Error::other("a trace has no checks");
        Err(EnvError::Io { what: check.name.clone(), source })
    }
}

/// Never says stop.
#[derive(Debug)]
pub(crate) struct Patience;

impl Watch for Patience {
    fn see(&mut self, _: &Event) {}

    fn stop(&mut self) -> Option<Stop> {
        None
    }
}

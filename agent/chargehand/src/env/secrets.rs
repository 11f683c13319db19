//! Which values a run must not tell: those of the user's environment, and those in the repository's files of secrets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use chargehand_core::contract::Contract;
use chargehand_core::mask::{Secrets, is_secret_name, values_in};
use chargehand_core::ports::Environment;
use chargehand_core::rel_path::RelPath;

use super::dir::{DiskError, Tried};
use super::workspace::Workspace;

/// A larger file holds more than secrets.
const MAX_FILE: usize = 64 << 10;

impl Workspace<'_> {
    /// Lets the workspace know what is secret: variables whose name says so or that `contract` passes on, and what
    /// stands in files of secrets that it does not spell out.
    #[must_use]
    pub fn keeping_secrets(
        mut self,
        contract: &Contract,
        variables: &BTreeMap<OsString, OsString>,
    ) -> Self {
        let is_passed = |name: &str| {
            contract.checks.iter().any(|check| check.pass_env.iter().any(|own| own == name))
        };
        let text = |(name, value): (&OsString, &OsString)| {
            Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))
        };
        let variables = variables.iter().filter_map(text);
        let variables = variables.filter(|(name, _)| is_secret_name(name) || is_passed(name));
        // A part of a file, or a diff, has lines of a value and never the whole.
        let variables = variables.flat_map(|(name, value)| {
            let is_long = value.contains('\n');
            let lines = if is_long { values_in(&name, &value) } else { Vec::new() };
            std::iter::once((name, value)).chain(lines)
        });
        let paths = self.base().entries.keys().filter_map(|path| str::from_utf8(path).ok());
        let hidden = paths.filter(|path| contract.scope.hides(path));
        let values: Vec<_> =
            variables.chain(hidden.flat_map(|path| self.values_of(path))).collect();
        self.secrets = Secrets::new(values);
        self
    }

    /// Takes what is secret out of the log of a command.
    pub(crate) fn mask_log(&self, path: &Path) -> Result<(), DiskError> {
        let mask = || -> io::Result<()> {
            let bytes = match fs::read(path) {
                // A command that could not be started has none.
                Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
                read => read?,
            };
            let text = String::from_utf8_lossy(&bytes);
            let masked = self.secrets().mask(&text);
            if masked != text { fs::write(path, masked.as_bytes()) } else { Ok(()) }
        };
        mask().tried(|| format!("cannot take secrets out of {}", path.display()))
    }

    /// Returns what is secret in a file; one that cannot be read as text has no value to look for.
    fn values_of(&self, path: &str) -> Vec<(String, String)> {
        let bytes = RelPath::parse(path).ok().and_then(|path| self.read(&path).ok());
        let bytes = bytes.filter(|bytes| bytes.len() <= MAX_FILE);
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.map(|text| values_in(path, &text)).unwrap_or_default()
    }
}

//! Where things lie.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{ConfigError, variable};

/// The lock file of models, beside the configuration.
const PINS: &str = "models.lock";

/// The folders and files that belong to the user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Places {
    /// Runs and unpacked models.
    pub state: PathBuf,
    /// The user's configuration; it need not exist.
    pub config: Option<PathBuf>,
    /// Who holds how much memory; gone after a restart of the machine, where it has a place for such things.
    pub ledger: PathBuf,
    /// What models were when they were pinned; it need not exist.
    pub pins: PathBuf,
}

impl Places {
    /// Finds them: all under `CHARGEHAND_HOME` where that is set, otherwise by the XDG rules.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoHome`], [`ConfigError::Invalid`] for a relative `CHARGEHAND_HOME`.
    pub fn find() -> Result<Self, ConfigError> {
        Self::from_variables(&variable)
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        if let Some(home) = variable("CHARGEHAND_HOME") {
            let state = PathBuf::from(home);
            // From the current folder on it would be another one in each, and lie in repositories.
            if !state.is_absolute() {
                let message = format!("it is {}: write the path from the root on", state.display());
                return Err(ConfigError::Invalid { origin: "CHARGEHAND_HOME".to_owned(), message });
            }
            let ledger = state.join("ledger");
            let (config, pins) = (Some(state.join("config.toml")), state.join(PINS));
            return Ok(Self { config, state, ledger, pins });
        }
        // The XDG rules: a relative path is as good as none.
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let below_home = |path| home.as_ref().map(|home| home.join(path));
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| below_home(".local/state"))
            .ok_or(ConfigError::NoHome)?;
        let config = absolute("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
        let runtime = absolute("XDG_RUNTIME_DIR").unwrap_or_else(|| state.clone());
        Ok(Self {
            ledger: runtime.join("chargehand/ledger"),
            pins: config.as_ref().unwrap_or(&state).join("chargehand").join(PINS),
            state: state.join("chargehand"),
            config: config.map(|config| config.join("chargehand/config.toml")),
        })
    }

    /// Returns the folder of models that were unpacked, named or fetched.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.state.join("models")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn places(variables: &[(&str, &str)], state: &str, config: &str) {
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        };
        let found = Places::from_variables(&variable).unwrap();
        assert_eq!((found.state, found.config), (state.into(), Some(config.into())));
    }

    #[test]
    fn places_follow_the_variables() {
        places(&[("CHARGEHAND_HOME", "/c"), ("HOME", "/h")], "/c", "/c/config.toml");
        let relative = |name: &str| (name == "CHARGEHAND_HOME").then(|| OsString::from("c"));
        let refused = Places::from_variables(&relative).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "CHARGEHAND_HOME: it is c: write the path from the root on"
        );
        let default = ("/h/.local/state/chargehand", "/h/.config/chargehand/config.toml");
        places(&[("HOME", "/h")], default.0, default.1);
        places(&[("HOME", "/h"), ("XDG_STATE_HOME", "relative")], default.0, default.1);
        let xdg = [("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("XDG_CONFIG_HOME", "/x")];
        places(&xdg, "/s/chargehand", "/x/chargehand/config.toml");
        assert!(matches!(Places::from_variables(&|_| None), Err(ConfigError::NoHome)));
        let run = |name: &str| match name {
            "HOME" => Some(OsString::from("/h")),
            "XDG_RUNTIME_DIR" => Some(OsString::from("/run/u")),
            _ => None,
        };
        let found = Places::from_variables(&run).unwrap();
        assert_eq!(found.ledger, PathBuf::from("/run/u/chargehand/ledger"));
        assert_eq!(found.pins, PathBuf::from("/h/.config/chargehand/models.lock"));
    }
}

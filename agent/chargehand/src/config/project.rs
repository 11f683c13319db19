//! What a repository says of the runs in it. It is not trusted: all it can do is to tighten.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use chargehand_core::contract::{Class, ContractFile, Gate, GuardFile};
use serde::{Deserialize, Deserializer};

use super::{ConfigError, duration, open_beneath, parse, read_small};

/// Where a project keeps its file.
const PROJECT: &str = ".chargehand/config.toml";

/// What `.chargehand/config.toml` of a repository may say.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectConfig {
    /// Globs that no run may touch.
    pub forbid: Vec<String>,
    /// Classes of files that no run may touch.
    pub frozen: Vec<Class>,
    /// Globs and classes of files that commands see as they were at the base.
    pub protect: Vec<String>,
    /// Guards that every run has to keep.
    #[serde(rename = "guard")]
    pub guards: Vec<GuardFile>,
    /// What must hold commands at least.
    pub sandbox: ProjectSandbox,
    /// Upper bounds for the limits of a contract.
    pub limits: ProjectLimits,
    /// Gates that no run may switch off.
    #[serde(deserialize_with = "gates_on")]
    pub gates: BTreeSet<Gate>,
}

/// The `[sandbox]` table of a project.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectSandbox {
    /// The weakest tier that a contract may ask for.
    pub tier: Option<u8>,
}

/// The `[limits]` table of a project.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectLimits {
    /// Calls of the worker.
    pub turns: Option<u32>,
    /// Generated tokens of a run.
    pub tokens: Option<u64>,
    /// Generated tokens of a turn.
    pub turn_tokens: Option<u32>,
    /// Reading calls in a row that change nothing.
    pub reads: Option<u32>,
    /// Wall-clock time of a run.
    #[serde(deserialize_with = "duration")]
    pub time: Option<Duration>,
    /// Added and removed lines together.
    pub max_changed_lines: Option<u32>,
    /// The bytes of these lines.
    pub max_changed_bytes: Option<u64>,
    /// Files that differ.
    pub max_changed_files: Option<u32>,
    /// Files that appear.
    pub max_new_files: Option<u32>,
    /// Files that go.
    pub max_deleted_files: Option<u32>,
}

impl ProjectConfig {
    /// Reads the file of the repository at `top`, when it is there.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the file and the key.
    pub fn read(top: &Path) -> Result<Self, ConfigError> {
        let path = top.join(PROJECT);
        parse(&path, &read_small(&path, open_beneath(top, PROJECT))?)
    }

    /// Tightens `contract`: what is forbidden, frozen, protected or guarded is added, a limit can only become lower,
    /// a gate only be switched on.
    pub fn tighten(&self, contract: &mut ContractFile) {
        let scope = &mut contract.scope;
        add(&mut scope.forbid, &self.forbid);
        add(&mut scope.frozen, &self.frozen);
        add(&mut scope.protect, &self.protect);
        add(&mut contract.guards, &self.guards);
        let (limits, bounds) = (&mut contract.limits, &self.limits);
        limits.turns = lower(limits.turns, bounds.turns);
        limits.tokens = lower(limits.tokens, bounds.tokens);
        limits.turn_tokens = lower(limits.turn_tokens, bounds.turn_tokens);
        limits.reads = lower(limits.reads, bounds.reads);
        limits.time = lower(limits.time, bounds.time);
        // Where a contract says nothing, the second would be the weaker one.
        lower_if_any(&mut contract.sandbox.tier, self.sandbox.tier.filter(|tier| *tier < 2));
        for gate in &self.gates {
            contract.gates.switch_on(*gate);
        }
        lower_if_any(&mut scope.max_changed_lines, bounds.max_changed_lines);
        lower_if_any(&mut scope.max_changed_bytes, bounds.max_changed_bytes);
        lower_if_any(&mut scope.max_changed_files, bounds.max_changed_files);
        lower_if_any(&mut scope.max_new_files, bounds.max_new_files);
        lower_if_any(&mut scope.max_deleted_files, bounds.max_deleted_files);
    }
}

/// Adds what is not there yet.
fn add<T: Clone + PartialEq>(own: &mut Vec<T>, more: &[T]) {
    for item in more {
        if !own.contains(item) {
            own.push(item.clone());
        }
    }
}

fn lower_if_any<T: Ord + Copy>(own: &mut Option<T>, bound: Option<T>) {
    *own = own.map(|own| lower(own, bound)).or(bound);
}

fn lower<T: Ord>(own: T, bound: Option<T>) -> T {
    match bound {
        Some(bound) => own.min(bound),
        None => own,
    }
}

/// Reads `[gates]` of a project, which a repository that is not trusted has written.
fn gates_on<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<Gate>, D::Error> {
    let switches = BTreeMap::<Gate, bool>::deserialize(from)?;
    match switches.iter().find(|(_, on)| !**on) {
        Some((gate, _)) => Err(serde::de::Error::custom(format!(
            "gate `{}` cannot be switched off here: a repository can only tighten",
            gate.name()
        ))),
        None => Ok(switches.into_keys().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_only_tightens() {
        let project: ProjectConfig = toml::from_str(
            "forbid = ['Cargo.toml', 'a']\n[limits]\nturns = 10\ntokens = 1000000\ntime = '5m'\nmax_changed_lines = 9\nreads = 5\n[gates]\nno_repeat = true",
        )
        .unwrap();
        let mut contract = ContractFile::default();
        contract.scope.forbid = vec!["a".to_owned()];
        contract.limits.turns = 9;
        contract.gates.switch_off(Gate::NoRepeat);
        contract.gates.switch_off(Gate::ReadBeforeEdit);
        project.tighten(&mut contract);
        assert_eq!(contract.gates.off().collect::<Vec<_>>(), [Gate::ReadBeforeEdit]);
        assert_eq!(contract.limits.reads, 5);
        assert_eq!(contract.scope.forbid, ["a", "Cargo.toml"]);
        assert_eq!((contract.limits.turns, contract.limits.tokens), (9, 200_000));
        assert_eq!(contract.limits.time, Duration::from_secs(300));
        assert_eq!(contract.scope.max_changed_lines, Some(9));
        contract.limits.turns = 11;
        contract.scope.max_changed_lines = Some(8);
        project.tighten(&mut contract);
        assert_eq!((contract.limits.turns, contract.scope.max_changed_lines), (10, Some(8)));
    }

    #[track_caller]
    fn tier(own: Option<u8>, bound: Option<u8>, expect: Option<u8>) {
        let sandbox = ProjectSandbox { tier: bound };
        let mut contract = ContractFile::default();
        contract.sandbox.tier = own;
        ProjectConfig { sandbox, ..ProjectConfig::default() }.tighten(&mut contract);
        assert_eq!(contract.sandbox.tier, expect);
    }

    #[test]
    fn a_project_asks_for_the_stronger_sandbox_and_never_for_the_weaker() {
        tier(None, None, None);
        tier(None, Some(1), Some(1));
        tier(None, Some(2), None);
        tier(Some(2), Some(1), Some(1));
        tier(Some(1), Some(2), Some(1));
        tier(Some(2), Some(2), Some(2));
    }

    #[track_caller]
    fn project(text: &str, expect: &str) {
        let err = parse::<ProjectConfig>(Path::new("p.toml"), text).unwrap_err();
        assert!(err.to_string().starts_with(expect), "{err}");
    }

    #[test]
    fn a_project_cannot_set_what_is_the_users() {
        project("forbid = []\nmodel = 'x'", "p.toml, line 2: unknown field `model`");
        let off = "gate `no_repeat` cannot be switched off here: a repository can only tighten";
        project("[gates]\nno_repeat = false", &format!("p.toml, line 1: {off}"));
        project("[gates]\nx = true", "p.toml, line 2: there is no gate `x`; there are job_tools, ");
    }
}

//! A repository in memory, and trajectories through the real tools and the real loop state.

use std::collections::BTreeMap;

use chargehand_core::contract::{Check, Contract, ContractFile};
use chargehand_core::event::Event;
use chargehand_core::evidence::{CheckEnd, CheckRun};
use chargehand_core::menu::Values;
use chargehand_core::ports::{EnvError, Environment, Stop, Watch};
use chargehand_core::prompt;
use chargehand_core::rel_path::RelPath;
use chargehand_core::state::State;
use chargehand_core::tool::ToolCall;
use chargehand_core::tools::{self, Outcome};
use chargehand_core::transcript::Message;
use serde_json::{Map, Value};

/// Files as path and content.
pub type Files = BTreeMap<String, String>;

/// What a check says until the files are as they should be.
#[derive(Clone, Debug, Default)]
pub struct Complaint {
    /// The files that satisfy it; nothing satisfies any state.
    pub wanted: Option<Files>,
    /// Its output while it fails.
    pub failing: String,
    /// Its output when it passes.
    pub passing: String,
}

/// A workspace that is a map.
#[derive(Debug)]
struct MapWorkspace {
    files: Files,
    complaint: Complaint,
}

impl Environment for MapWorkspace {
    fn files(&self) -> Result<Vec<RelPath>, EnvError> {
        Ok(self
            .files
            .keys()
            .map(|path| RelPath::parse(path).expect("generated paths are plain"))
            .collect())
    }

    fn read(&self, path: &RelPath) -> Result<Vec<u8>, EnvError> {
        let text = self.files.get(path.as_str()).ok_or_else(|| EnvError::NotFound(path.clone()))?;
        Ok(text.clone().into_bytes())
    }

    fn write(&mut self, path: &RelPath, content: &[u8]) -> Result<(), EnvError> {
        let text = String::from_utf8(content.to_vec()).expect("tools write text");
        self.files.insert(path.to_string(), text);
        Ok(())
    }

    fn delete(&mut self, path: &RelPath) -> Result<(), EnvError> {
        let gone = self.files.remove(path.as_str());
        gone.map(drop).ok_or_else(|| EnvError::NotFound(path.clone()))
    }

    fn run_check(&mut self, check: &Check) -> Result<CheckRun, EnvError> {
        let passes = self.complaint.wanted.as_ref().is_none_or(|wanted| *wanted == self.files);
        let output = if passes { &self.complaint.passing } else { &self.complaint.failing };
        let end = CheckEnd::Exit(i32::from(!passes));
        let output_bytes = output.len() as u64;
        Ok(CheckRun {
            name: check.name.clone(),
            end,
            passed: passes,
            millis: 0,
            output: output.clone(),
            output_bytes,
        })
    }
}

/// Looks away.
struct Blind;

impl Watch for Blind {
    fn see(&mut self, _: &Event) {}

    fn stop(&mut self) -> Option<Stop> {
        None
    }
}

/// A task with the way that solves it.
#[derive(Debug)]
pub struct Task {
    /// What kind of task it is.
    pub family: &'static str,
    /// What the worker is told and bound by.
    pub contract: ContractFile,
    /// The repository before.
    pub files: Files,
    /// What its checks say.
    pub complaint: Complaint,
    /// The files when it is solved, the others as they were.
    pub expect: Files,
    /// The calls, as tool and arguments.
    pub calls: Vec<(&'static str, Vec<(&'static str, String)>)>,
    /// The call that is wrong on purpose and is not to be learnt.
    pub slip: Option<usize>,
}

impl Task {
    /// Acts out the calls through the real tools, and returns what was said. A task that cannot be acted out
    /// as planned (a text that occurs twice, say) returns nothing.
    #[must_use]
    pub fn play(&self) -> Option<Vec<Message>> {
        let contract = Contract::from_file(self.contract.clone()).ok()?;
        let mut env = MapWorkspace { files: self.files.clone(), complaint: self.complaint.clone() };
        let files = env.files().ok()?;
        let mut messages = prompt::opening(&contract, &files, None);
        let mut state = State::new(&contract, files, &[]);
        for (at, (tool, arguments)) in self.calls.iter().enumerate() {
            let call = call(tool, arguments);
            // A glob does not cover a file that runs later.
            if is_outside(&contract, &call) {
                return None;
            }
            assert_on_menu(&state, &call);
            match tools::run(&call, &mut state, &mut env, &mut Blind).ok()? {
                Outcome::Observed(observation) => {
                    // Whether a check failed where it should pass shows in the files at the end.
                    let may_fail = *tool == "run_check" || self.slip == Some(at);
                    if !observation.ok && !may_fail {
                        return None;
                    }
                    messages.push(Message::Call(call));
                    messages.push(Message::Observed(observation));
                }
                Outcome::Stopped(_) => messages.push(Message::Call(call)),
            }
        }
        (env.files == self.expect).then_some(messages)
    }
}

fn call(tool: &str, arguments: &[(&'static str, String)]) -> ToolCall {
    let pairs =
        arguments.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
    let written = Value::Object(pairs.collect::<Map<_, _>>()).to_string();
    ToolCall::new(tool, &written).expect("an object was written")
}

fn is_outside(contract: &Contract, call: &ToolCall) -> bool {
    let path = call.arguments.get("path").and_then(Value::as_str).unwrap_or_default();
    let scope = &contract.scope;
    match call.name.as_str() {
        "write_file" => !scope.may_create(path),
        "edit_file" => !scope.may_write(path),
        _ => false,
    }
}

/// What the oracle does must be sayable under the grammar of that turn.
fn assert_on_menu(state: &State<'_>, call: &ToolCall) {
    let menu = tools::menu(state);
    let sayable = menu.entries_of(&call.name).any(|entry| {
        entry.arguments.iter().all(|argument| {
            let said = call.arguments.get(argument.name).and_then(Value::as_str);
            said.map_or(argument.optional, |said| match &argument.values {
                Values::OneOf(choices) => choices.iter().any(|choice| choice == said),
                Values::PieceOf(text) => said.is_empty() || text.matches(said).count() == 1,
                Values::PieceIn(parts) => said.is_empty() || parts.shows(said),
                Values::Text | Values::Natural | Values::Within(_) | Values::OtherThan(_) => true,
            })
        })
    });
    assert!(sayable, "BUG: {call:?} is not on the menu; {:?}", menu.gates);
}

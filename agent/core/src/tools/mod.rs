//! The tools: what a worker can do. Prompt, grammar and dispatch are made from the one list below.

mod ask;
mod delete_file;
mod edit_file;
mod finish;
mod list_dir;
mod read_file;
mod run_check;
mod search;
mod write_file;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::contract::Contract;
use crate::menu::{Argument, Entry, Menu, schema};
use crate::ports::{EnvError, Environment, Stop, Watch};
use crate::rel_path::{PathError, RelPath};
use crate::state::State;
use crate::tool::{Observation, ToolCall, ToolSpec};

/// Every tool there is, in the order in which a model reads of them.
const TOOLS: &[Tool] = &[
    list_dir::TOOL,
    read_file::TOOL,
    search::TOOL,
    write_file::TOOL,
    edit_file::TOOL,
    delete_file::TOOL,
    run_check::TOOL,
    finish::TOOL,
    ask::TOOL,
];

/// An observation is cut after this many bytes, at a line's end.
pub const MAX_OBSERVATION: usize = 12 * 1024;

/// One tool: what is told of it, when it is open, and what it does.
struct Tool {
    name: &'static str,
    description: &'static str,
    /// Name, JSON type and whether it is required.
    parameters: &'static [(&'static str, &'static str, bool)],
    /// Returns the ways in which it may be called now, each as its arguments, or why it cannot be called.
    open: fn(&State<'_>) -> Result<Vec<Vec<Argument>>, String>,
    run: fn(&mut Desk<'_, '_>, &Arguments<'_>) -> Result<Effect, ToolError>,
}

/// What a running tool has at hand.
struct Desk<'d, 'c> {
    env: &'d mut dyn Environment,
    state: &'d mut State<'c>,
    watch: &'d mut dyn Watch,
}

/// What a tool did.
enum Effect {
    /// It answers this, and the same call would answer the same again.
    Answer(String),
    /// It answers this after something has changed or was run.
    Did(String),
    /// It ended the run.
    Stop(Stop),
}

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    /// The worker reads this and goes on.
    Observed(Observation),
    /// The run ends.
    Stopped(Stop),
}

/// Why a tool did not do it; the worker reads this.
#[derive(Debug, Error)]
enum ToolError {
    #[error("{0}")]
    Path(#[from] PathError),
    #[error("{0}")]
    Env(#[from] EnvError),
    #[error("{0}")]
    Refused(String),
}

/// Returns what may be called in `state`.
#[must_use]
pub fn menu(state: &State<'_>) -> Menu {
    let mut menu = Menu { specs: specs(state.contract), ..Menu::default() };
    for tool in offered(state.contract) {
        match (tool.open)(state) {
            Ok(ways) => {
                let entry = |arguments| Entry { tool: tool.name, arguments };
                menu.entries.extend(ways.into_iter().map(entry));
            }
            Err(reason) => menu.gates.push(format!("{}: {reason}", tool.name)),
        }
    }
    menu
}

/// Returns what a model is told of the tools of a run.
#[must_use]
pub fn specs(contract: &Contract) -> Vec<ToolSpec> {
    let spec = |tool: &Tool| ToolSpec {
        name: tool.name.to_owned(),
        description: tool.description.to_owned(),
        parameters: schema(tool.parameters),
    };
    offered(contract).map(spec).collect()
}

/// A contract without checks has no tool to run them, and one that lets nothing go has none to delete with.
fn offered(contract: &Contract) -> impl Iterator<Item = &'static Tool> {
    let checks = !contract.checks.is_empty();
    let deletes = !contract.scope.delete_patterns().is_empty();
    TOOLS.iter().filter(move |tool| {
        (checks || tool.name != run_check::TOOL.name)
            && (deletes || tool.name != delete_file::TOOL.name)
    })
}

/// Runs `call`. The contract is asked here too, whoever proposed the call and under whatever grammar.
pub fn run(
    call: &ToolCall,
    state: &mut State<'_>,
    env: &mut dyn Environment,
    watch: &mut dyn Watch,
) -> Outcome {
    let failed = |err: &dyn std::fmt::Display| Outcome::Observed(Observation::failed(err));
    let Some(tool) = offered(state.contract).find(|tool| tool.name == call.name) else {
        let names: Vec<&str> = offered(state.contract).map(|tool| tool.name).collect();
        let name = call.name.escape_debug();
        return failed(&format!("there is no tool `{name}`; there are {}", names.join(", ")));
    };
    let arguments = match Arguments::new(&call.arguments, tool.parameters) {
        Ok(arguments) => arguments,
        Err(err) => return failed(&err),
    };
    if let Err(reason) = (tool.open)(state) {
        return failed(&format!("{} is not possible now: {reason}", tool.name));
    }
    let asked = (call.name.clone(), call.written.clone());
    if state.answered.contains(&asked) {
        return failed(&"you asked exactly this before, and the answer is still the same");
    }
    match (tool.run)(&mut Desk { env, state, watch }, &arguments) {
        Ok(Effect::Answer(text)) => {
            state.answered.insert(asked);
            Outcome::Observed(Observation::done(clip(text)))
        }
        Ok(Effect::Did(text)) => Outcome::Observed(Observation::done(clip(text))),
        Ok(Effect::Stop(stop)) => Outcome::Stopped(stop),
        Err(err) => failed(&err),
    }
}

/// Cuts `text` to [`MAX_OBSERVATION`] and says so.
fn clip(mut text: String) -> String {
    if text.len() <= MAX_OBSERVATION {
        return text;
    }
    let all = text.len();
    let end = text.floor_char_boundary(MAX_OBSERVATION);
    let end = text[..end].rfind('\n').unwrap_or(end);
    text.truncate(end);
    text.push_str(&format!("\n[cut: {end} of {all} bytes]"));
    text
}

/// The arguments of a call, after their names and types were checked.
struct Arguments<'a>(&'a Map<String, Value>);

impl<'a> Arguments<'a> {
    fn new(map: &'a Map<String, Value>, parameters: &[(&str, &str, bool)]) -> Result<Self, String> {
        for (name, value) in map {
            let Some((_, kind, _)) = parameters.iter().find(|(known, ..)| known == name) else {
                return Err(format!("there is no argument `{}`", name.escape_debug()));
            };
            let right = match *kind {
                "string" => value.is_string(),
                "integer" => value.is_u64(),
                other => unreachable!("BUG: no tool has an argument of type {other}"),
            };
            if !right {
                return Err(format!("argument `{name}` must be a {kind}"));
            }
        }
        match parameters.iter().find(|(name, _, required)| *required && !map.contains_key(*name)) {
            Some((name, ..)) => Err(format!("argument `{name}` is missing")),
            None => Ok(Self(map)),
        }
    }

    /// Returns a required text.
    fn text(&self, name: &str) -> &'a str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns an optional number.
    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    /// Returns the required argument `path`.
    fn path(&self) -> Result<RelPath, PathError> {
        RelPath::parse(self.text("path"))
    }
}

/// Returns the text of a file, which the worker is to read or to edit.
fn read_text(desk: &Desk<'_, '_>, path: &RelPath) -> Result<String, ToolError> {
    let bytes = desk.env.read(path)?;
    String::from_utf8(bytes).map_err(|_| ToolError::Refused(format!("{path} is no UTF-8 text")))
}

/// Refuses a file that the contract does not let change, or appear.
fn check_scope(desk: &Desk<'_, '_>, path: &RelPath) -> Result<(), ToolError> {
    let scope = &desk.state.contract.scope;
    let (allowed, deed) = if desk.state.exists(path) {
        (desk.state.may_change(path), "change")
    } else {
        (scope.may_create(path.as_str()), "be created")
    };
    if allowed {
        return Ok(());
    }
    Err(ToolError::Refused(format!("the contract does not let {path} {deed}")))
}

/// Refuses a file that is there and that the worker does not know.
fn check_known(desk: &Desk<'_, '_>, path: &RelPath) -> Result<(), ToolError> {
    if desk.state.exists(path) && !desk.state.known.contains_key(path) {
        return Err(ToolError::Refused(format!("{path} exists; read it before you replace it")));
    }
    Ok(())
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

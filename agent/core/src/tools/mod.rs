//! The tools: what a worker can do. Prompt, grammar and dispatch are made from the one list below.

mod answer;
mod ask;
mod delete_file;
mod edit_file;
mod end_review;
mod finish;
mod hidden;
mod list_dir;
mod open;
mod read_file;
mod request_change;
mod run_check;
mod run_command;
mod search;
mod write_file;

use std::borrow::Cow;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::contract::{Contract, Deed, Objection};
use crate::gates::{self, Ask, Gates, READING};
use crate::menu::{Argument, Values, canonical, schema};
use crate::phase::{Phase, Seat};
use crate::ports::{EnvError, Environment, Stop, Watch};
use crate::rel_path::{PathError, RelPath};
use crate::state::{File, Past, State};
use crate::tool::{Observation, ToolCall, ToolSpec};

pub(crate) use hidden::spelt_out;
pub use open::{MAX_NOT, menu};

/// Every tool there is, in the order in which a model reads of them.
const TOOLS: &[Tool] = &[
    list_dir::TOOL,
    read_file::TOOL,
    search::TOOL,
    write_file::TOOL,
    edit_file::TOOL,
    delete_file::TOOL,
    run_check::TOOL,
    run_command::TOOL,
    finish::TOOL,
    ask::TOOL,
    answer::TOOL,
    request_change::TOOL,
    end_review::TOOL,
];

/// Where something may be changed.
const WORK: &[Phase] = &[Phase::Implement, Phase::Fix];
/// Wherever a worker sits.
const ANY: &[Phase] = &[Phase::Implement, Phase::Fix, Phase::Review];

/// An observation is cut after this many bytes, at a line's end.
pub const MAX_OBSERVATION: usize = 12 * 1024;

/// One tool: what is told of it, what it can be called with, and what it does. When it is open, the gates say.
struct Tool {
    name: &'static str,
    description: &'static str,
    /// Name, JSON type and whether it is required. Optional ones come last.
    parameters: &'static [(&'static str, &'static str, bool)],
    /// Where it is at hand.
    phases: &'static [Phase],
    /// Returns what it can be about, which its first argument says.
    subjects: for<'s> fn(&'s State<'s>) -> Subjects<'s>,
    /// Why it cannot be called, when there is nothing that it can be about.
    nothing: &'static str,
    /// Returns the ways in which it can be called about what is open, each as its arguments.
    ways: fn(&Tool, &State<'_>, Values) -> Vec<Vec<Argument>>,
    run: fn(&mut Desk<'_, '_>, &Arguments<'_>) -> Result<Effect, ToolError>,
}

/// What a tool can be about.
enum Subjects<'s> {
    /// Whatever the worker writes.
    Any,
    /// One of these.
    These(Vec<Subject<'s>>),
}

/// One thing that a tool can be about.
struct Subject<'s> {
    text: Cow<'s, str>,
    /// The file of that path.
    file: Option<&'s File>,
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
    /// It answers this, and the same call would do nothing more.
    Done(String),
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

/// Returns what a model is told of the tools of its seat.
#[must_use]
pub fn specs(contract: &Contract, seat: Seat) -> Vec<ToolSpec> {
    let spec = |tool: &Tool| ToolSpec {
        name: tool.name.to_owned(),
        description: tool.description.to_owned(),
        parameters: schema(tool.parameters),
    };
    offered(contract, seat).map(spec).collect()
}

/// Returns the tools of a seat: they follow from the contract and stay the same from turn to turn.
fn offered(contract: &Contract, seat: Seat) -> impl Iterator<Item = &'static Tool> {
    let at_hand = seated(seat);
    at_hand.filter(|tool| gates::unoffered(contract, tool.name).is_none())
}

/// Returns the tools that a seat has, whatever the contract says. Where nobody looks on, nobody can be asked.
fn seated(seat: Seat) -> impl Iterator<Item = &'static Tool> {
    let is_at_hand = move |tool: &&Tool| {
        tool.phases.contains(&seat.phase) && (seat.attended || tool.name != run_command::TOOL.name)
    };
    TOOLS.iter().filter(is_at_hand)
}

/// Runs `call`. Gates and contract are asked here too, whoever proposed the call and under whatever grammar.
///
/// # Errors
///
/// [`EnvError::Io`]: no worker can mend the machine it runs on, and one that is told goes on with less done than was
/// asked.
pub fn run(
    call: &ToolCall,
    state: &mut State<'_>,
    env: &mut dyn Environment,
    watch: &mut dyn Watch,
) -> Result<Outcome, EnvError> {
    let failed = |err: &dyn std::fmt::Display| Ok(Outcome::Observed(Observation::failed(err)));
    let Some(tool) = offered(state.contract, state.seat).find(|tool| tool.name == call.name) else {
        let names: Vec<&str> = offered(state.contract, state.seat).map(|tool| tool.name).collect();
        let name = call.name.escape_debug();
        return failed(&format!("there is no tool `{name}`; there are {}", names.join(", ")));
    };
    let arguments = match Arguments::new(&call.arguments, tool.parameters) {
        Ok(arguments) => arguments,
        Err(err) => return failed(&err),
    };
    let asked = tool.canonical(&call.arguments);
    let gates = Gates::of(state.contract, tool.name);
    if let Some((_, reason)) = gates.refusals(state, &Ask::of(tool.name)).next() {
        return failed(&format!("{} is not possible now: {reason}", tool.name));
    }
    let whole = Ask {
        arguments: Some(&asked),
        ..Ask::whole(tool.name, tool.subject(), &call.arguments, state)
    };
    if let Some((_, reason)) = gates.refusals(state, &whole).next() {
        return failed(&reason);
    }
    let effect = match (tool.run)(&mut Desk { env: &mut *env, state, watch }, &arguments) {
        Err(ToolError::Env(err @ EnvError::Io { .. })) => return Err(err),
        effect => effect,
    };
    // What is cut before it is masked may end with half a secret.
    let readable = |text: String| clip(spelt_out(env.secrets().mask(&text).into_owned()));
    state.reads = state.reads.saturating_add(u32::from(READING.contains(&tool.name)));
    if let Some(past) = past(&effect) {
        state.past.entry(tool.name).or_default().insert(asked, past);
    }
    match effect {
        Ok(Effect::Answer(text) | Effect::Done(text) | Effect::Did(text)) => {
            Ok(Outcome::Observed(Observation::done(readable(text))))
        }
        Ok(Effect::Stop(stop)) => Ok(Outcome::Stopped(stop)),
        // A reason may quote a line of the file.
        Err(err) => failed(&readable(err.to_string())),
    }
}

/// Returns what came of a call, when it would come to the same again while nothing changes.
fn past(effect: &Result<Effect, ToolError>) -> Option<Past> {
    match effect {
        Ok(Effect::Answer(_)) => Some(Past::Answered),
        Ok(Effect::Done(_)) => Some(Past::Done),
        Ok(Effect::Did(_) | Effect::Stop(_)) => None,
        Err(_) => Some(Past::Failed),
    }
}

impl Tool {
    /// Writes arguments so that two calls which say the same look the same.
    fn canonical(&self, arguments: &Map<String, Value>) -> String {
        canonical(self.parameters.iter().map(|(name, ..)| *name), arguments)
    }

    /// Returns the name of its first argument, which says what it is about.
    fn subject(&self) -> Option<&'static str> {
        self.parameters.first().map(|(name, ..)| *name)
    }
}

impl<'s> Subjects<'s> {
    fn files(files: impl Iterator<Item = &'s File>) -> Self {
        Self::These(files.map(Subject::of).collect())
    }

    fn names(names: impl IntoIterator<Item = impl Into<Cow<'s, str>>>) -> Self {
        Self::These(names.into_iter().map(Subject::name).collect())
    }
}

impl<'s> Subject<'s> {
    fn of(file: &'s File) -> Self {
        Self { text: file.path.as_str().into(), file: Some(file) }
    }

    fn name(name: impl Into<Cow<'s, str>>) -> Self {
        Self { text: name.into(), file: None }
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
    if desk.state.contract.scope.hides(path.as_str()) {
        let reason = "holds secrets, and the contract does not spell it out";
        return Err(ToolError::Refused(format!("{path} {reason}")));
    }
    let bytes = desk.env.read(path)?;
    String::from_utf8(bytes).map_err(|_| ToolError::Refused(format!("{path} is no UTF-8 text")))
}

/// Refuses a file that the contract does not let change, or appear.
fn check_scope(desk: &Desk<'_, '_>, path: &RelPath) -> Result<(), ToolError> {
    let scope = &desk.state.contract.scope;
    let (allowed, deed, list) = match desk.state.file(path.as_str()) {
        Some(file) => (file.may_change, "change", Deed::Write),
        None => (desk.state.may_appear(path.as_str()), "be created", Deed::Create),
    };
    if allowed {
        return Ok(());
    }
    let objection = scope.objection(list, path.as_str()).unwrap_or(Objection::Unlisted);
    Err(refusal(path, deed, objection))
}

/// What may simply not be touched needs no reason; a rule that says so is named.
fn refusal(path: &RelPath, deed: &str, objection: Objection) -> ToolError {
    let reason = match objection {
        Objection::Unlisted | Objection::Forbidden => String::new(),
        Objection::Frozen(_) | Objection::Outside | Objection::Disguised | Objection::Later(..) => {
            format!(": it may be listed, {objection}")
        }
    };
    ToolError::Refused(format!("the contract does not let {path} {deed}{reason}"))
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

//! The gates: which calls are shut in which state, and why. Menu, loop, log and reference read the one list below.
//!
//! A gate never allows what the contract does not: the tools ask the contract themselves, whatever is switched off.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::contract::{Contract, Deed, Gate};
use crate::known::Known;
use crate::menu::{Shut, Values};
use crate::state::{File, Past, State};

/// The tools that look and change nothing.
pub const READING: &[&str] = &["list_dir", "read_file", "search"];

/// Every gate, in the order in which they are asked. `ask` stands in no row, so there is always a call that is open.
pub const GATES: &[Row] = &[
    Row {
        gate: Gate::JobTools,
        tools: &["delete_file", "run_check"],
        demand: "a tool that the contract leaves nothing to do for is neither described nor open",
        rule: Rule::Tool(job_tools),
    },
    Row {
        gate: Gate::ListedValues,
        tools: &["list_dir", "read_file", "write_file", "edit_file", "delete_file", "run_check"],
        demand: "a path or a name is one that is there and that the contract allows",
        rule: Rule::Values(|values| matches!(values, Values::OneOf(_))),
    },
    Row {
        gate: Gate::UniquePiece,
        tools: &["edit_file"],
        demand: "`old` is nothing, or a piece that occurs in the file exactly once",
        rule: Rule::Values(|values| matches!(values, Values::PieceOf(_) | Values::PieceIn(_))),
    },
    Row {
        gate: Gate::ReadBeforeEdit,
        tools: &["write_file", "edit_file"],
        demand: "what is changed of a file was read before; what is replaced as a whole, as a whole",
        rule: Rule::Call(read_before_edit),
    },
    Row {
        gate: Gate::FinishAfterChange,
        tools: &["finish"],
        demand: "something was changed",
        rule: Rule::Call(finish_after_change),
    },
    Row {
        gate: Gate::FinishAfterChecks,
        tools: &["finish"],
        demand: "every check of the contract passed since the last change",
        rule: Rule::Call(finish_after_checks),
    },
    Row {
        gate: Gate::ReadingBudget,
        tools: READING,
        demand: "after `limits.reads` reading calls without a change, all that can be read is what may change and was not read",
        rule: Rule::Call(reading_budget),
    },
    Row {
        gate: Gate::NoRepeat,
        tools: &[
            "list_dir",
            "read_file",
            "search",
            "write_file",
            "edit_file",
            "delete_file",
            "run_check",
            "run_command",
            "request_change",
        ],
        demand: "no call is repeated that would come to the same again, because nothing has changed since",
        rule: Rule::Call(no_repeat),
    },
];

/// One gate.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub gate: Gate,
    /// The tools of which it may shut calls.
    pub tools: &'static [&'static str],
    /// What it demands, for people.
    pub demand: &'static str,
    rule: Rule,
}

/// How a gate shuts calls: each returns why, where it does.
#[derive(Debug)]
enum Rule {
    /// It takes a tool out of a whole run.
    Tool(fn(&Contract, &str) -> Option<Reason<'static>>),
    /// It has these values spelt out, so that no others can be said.
    Values(fn(&Values) -> bool),
    /// It shuts calls, by what is known of them.
    Call(for<'s> fn(&'s State<'s>, &Ask<'s>) -> Option<Reason<'s>>),
}

/// Why a gate shuts a call, for the worker and for people.
#[derive(Clone, Copy, Debug, Error)]
pub enum Reason<'s> {
    /// There is nothing to run.
    #[error("the contract has no check")]
    NoCheck,
    /// There is nothing to delete.
    #[error("the contract lets nothing go")]
    NothingGoes,
    /// The file was not looked at.
    #[error("{0} exists; read it before you replace it")]
    Unread(&'s str),
    /// Not all of it was.
    #[error("you have not read all of {0}; edit a piece that you have read")]
    UnreadRest(&'s str),
    /// The piece stands where it was not.
    #[error("you have not read this part of {0}")]
    UnreadPart(&'s str),
    /// The workspace is the base.
    #[error("nothing was changed")]
    Unchanged,
    /// A check has not passed.
    #[error("check `{0}` has not passed since the last change")]
    Unchecked(&'s str),
    /// There was enough reading.
    #[error("{0} reading calls in a row changed nothing; read what may change, or act")]
    Reads(u32),
    /// The call has an answer.
    #[error("you asked exactly this before, and the answer is still the same")]
    Answered,
    /// The call did what it does.
    #[error("you did exactly this before, and nothing has changed since")]
    Done,
    /// The call failed.
    #[error("exactly this failed before, and nothing has changed since")]
    Failed,
    /// The file was read.
    #[error("you know all of {0}")]
    Known(&'s str),
    /// The line was.
    #[error("you have read line {0} of {1}")]
    Read(u64, &'s str),
    /// The check was run.
    #[error("check `{0}` was run since the last change")]
    Ran(&'s str),
}

/// A call, as far as it is known. What a gate shuts when little is known, it shuts however the call goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The tool.
    pub tool: &'a str,
    /// The value of its first argument: what the call is about.
    pub subject: Option<&'a str>,
    /// The file of that path.
    pub file: Option<&'a File>,
    /// The line from which a file is read.
    pub start: Option<u64>,
    /// The piece of a file that is replaced.
    pub old: Option<&'a str>,
    /// All arguments, as [`canonical`](crate::menu::canonical) writes them.
    pub arguments: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// Returns a call of which only the tool is known.
    #[must_use]
    pub fn of(tool: &'a str) -> Self {
        Self { tool, ..Self::default() }
    }

    /// Returns a call about this.
    #[must_use]
    pub fn about(tool: &'a str, subject: &'a str, file: Option<&'a File>) -> Self {
        Self { subject: Some(subject), file, ..Self::of(tool) }
    }

    /// Returns a whole call, of which `first` is the argument that says what it is about.
    #[must_use]
    pub fn whole(
        tool: &'a str,
        first: Option<&str>,
        arguments: &'a Map<String, Value>,
        state: &'a State<'_>,
    ) -> Self {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let subject = first.and_then(text);
        Self {
            subject,
            file: subject.and_then(|path| state.file(path)),
            start: Some(arguments.get("start").and_then(Value::as_u64).unwrap_or(1)),
            old: text("old"),
            ..Self::of(tool)
        }
    }
}

/// The gates of one tool that are on.
#[derive(Debug)]
pub struct Gates(Vec<&'static Row>);

impl Gates {
    /// Returns the gates of `tool` that `contract` leaves on.
    #[must_use]
    pub fn of(contract: &Contract, tool: &str) -> Self {
        let is_on = |row: &&Row| contract.gates.is_on(row.gate) && row.tools.contains(&tool);
        Self(GATES.iter().filter(is_on).collect())
    }

    /// Returns every reason why a call is shut; a call without any is open.
    pub fn refusals<'s>(
        &self,
        state: &'s State<'s>,
        ask: &Ask<'s>,
    ) -> impl Iterator<Item = (Gate, Reason<'s>)> {
        self.0.iter().filter_map(move |row| match row.rule {
            Rule::Call(rule) => rule(state, ask).map(|reason| (row.gate, reason)),
            Rule::Tool(_) | Rule::Values(_) => None,
        })
    }

    /// Returns whether a call is open.
    #[must_use]
    pub fn let_pass<'s>(&self, state: &'s State<'s>, ask: &Ask<'s>) -> bool {
        self.refusals(state, ask).next().is_none()
    }
}

/// Returns why `contract` leaves nothing to do for `tool`.
#[must_use]
pub fn unoffered(contract: &Contract, tool: &str) -> Option<Shut> {
    Gates::of(contract, tool).0.into_iter().find_map(|row| match row.rule {
        Rule::Tool(rule) => {
            rule(contract, tool).map(|reason| shut(row.gate, tool, reason.to_string()))
        }
        Rule::Values(_) | Rule::Call(_) => None,
    })
}

/// Returns what an argument may be: any text, where no gate has its values spelt out.
#[must_use]
pub fn spelt_out(contract: &Contract, values: Values) -> Values {
    let concerns = |row: &&Row| match row.rule {
        Rule::Values(concerns) => concerns(&values),
        Rule::Tool(_) | Rule::Call(_) => false,
    };
    match GATES.iter().find(concerns) {
        Some(row) if !contract.gates.is_on(row.gate) => Values::Text,
        Some(_) | None => values,
    }
}

/// Returns what `gate` shuts of `tool`.
pub(crate) fn shut(gate: Gate, tool: &str, reason: String) -> Shut {
    Shut { gate, tool: tool.to_owned(), reason }
}

fn job_tools(contract: &Contract, tool: &str) -> Option<Reason<'static>> {
    match tool {
        "run_check" if contract.checks.is_empty() => Some(Reason::NoCheck),
        "delete_file" if contract.scope.patterns(Deed::Delete).is_empty() => {
            Some(Reason::NothingGoes)
        }
        _ => None,
    }
}

/// A file that the contract does not let change is left to the tool, which says so.
fn read_before_edit<'s>(_: &'s State<'s>, ask: &Ask<'s>) -> Option<Reason<'s>> {
    let file = ask.file.filter(|file| file.may_change)?;
    let path = file.path.as_str();
    match &file.known {
        Known::All(_) => None,
        Known::Nothing | Known::Lines(_) => Some(Reason::Unread(path)),
        Known::Parts(_) if ask.tool == "write_file" => Some(Reason::UnreadRest(path)),
        Known::Parts(parts) => {
            let is_hidden = ask.old.is_some_and(|old| parts.hides(old));
            is_hidden.then_some(Reason::UnreadPart(path))
        }
    }
}

fn finish_after_change<'s>(state: &'s State<'s>, _: &Ask<'s>) -> Option<Reason<'s>> {
    (!state.has_changes()).then_some(Reason::Unchanged)
}

fn finish_after_checks<'s>(state: &'s State<'s>, _: &Ask<'s>) -> Option<Reason<'s>> {
    let passed = |name: &String| state.checked.get(name).copied().unwrap_or(false);
    let check = state.contract.checks.iter().find(|check| !passed(&check.name))?;
    Some(Reason::Unchecked(&check.name))
}

/// Reading a file that may change stays open: without it a worker could do nothing any more but ask.
fn reading_budget<'s>(state: &'s State<'s>, ask: &Ask<'s>) -> Option<Reason<'s>> {
    if state.reads < state.contract.limits.reads {
        return None;
    }
    let serves_a_change = |file: &File| {
        file.may_change
            && match file.known {
                Known::Nothing => ask.start.is_none_or(|start| start == 1),
                Known::Lines(_) | Known::Parts(_) => true,
                Known::All(_) => false,
            }
    };
    let is_open =
        ask.tool == "read_file" && (ask.subject.is_none() || ask.file.is_some_and(serves_a_change));
    (!is_open).then_some(Reason::Reads(state.reads))
}

fn no_repeat<'s>(state: &'s State<'s>, ask: &Ask<'s>) -> Option<Reason<'s>> {
    match ask.arguments.and_then(|arguments| state.past_of(ask.tool, arguments)) {
        Some(Past::Answered) => return Some(Reason::Answered),
        Some(Past::Done) => return Some(Reason::Done),
        Some(Past::Failed) => return Some(Reason::Failed),
        None => {}
    }
    let subject = ask.subject?;
    match (ask.tool, ask.file.map(|file| &file.known)) {
        ("read_file", Some(Known::All(_))) => Some(Reason::Known(subject)),
        ("read_file", Some(known)) => {
            let line = ask.start.filter(|line| known.has_line(*line))?;
            Some(Reason::Read(line, subject))
        }
        ("run_check", _) if state.checked.contains_key(subject) => Some(Reason::Ran(subject)),
        _ => None,
    }
}

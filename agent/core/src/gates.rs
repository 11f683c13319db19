//! The gates: which calls are shut in which state, and why. Menu, loop, log and reference read the one list below.
//!
//! A gate never allows what the contract does not: the tools ask the contract themselves, whatever is switched off.

use crate::contract::{Contract, Gate};
use crate::menu::{Shut, Values};
use crate::rel_path::RelPath;
use crate::state::{Past, State};

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
        rule: Rule::Values(|values| matches!(values, Values::PieceOf(_))),
    },
    Row {
        gate: Gate::ReadBeforeEdit,
        tools: &["write_file", "edit_file"],
        demand: "a file that is there is read as a whole before it is changed",
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
    Tool(fn(&Contract, &str) -> Option<String>),
    /// It has these values spelt out, so that no others can be said.
    Values(fn(&Values) -> bool),
    /// It shuts calls, by what is known of them.
    Call(fn(&State<'_>, &Ask<'_>) -> Option<String>),
}

/// A call, as far as it is known. What a gate shuts when little is known, it shuts however the call goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The tool.
    pub tool: &'a str,
    /// The value of its first argument: what the call is about.
    pub subject: Option<&'a str>,
    /// An optional argument that is given.
    pub option: Option<&'a str>,
    /// All arguments, as [`canonical`](crate::menu::canonical) writes them.
    pub arguments: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// Returns a call of which only the tool is known.
    #[must_use]
    pub fn of(tool: &'a str) -> Self {
        Self { tool, ..Self::default() }
    }
}

/// Returns why `contract` leaves nothing to do for `tool`.
#[must_use]
pub fn unoffered(contract: &Contract, tool: &str) -> Option<Shut> {
    rows(contract, tool).find_map(|row| match row.rule {
        Rule::Tool(rule) => rule(contract, tool).map(|reason| shut(row.gate, tool, reason)),
        Rule::Values(_) | Rule::Call(_) => None,
    })
}

/// Returns every reason why a call is shut; a call without any is open.
pub fn refusals<'s>(state: &'s State<'s>, ask: &'s Ask<'s>) -> impl Iterator<Item = Shut> + 's {
    rows(state.contract, ask.tool).filter_map(|row| match row.rule {
        Rule::Call(rule) => rule(state, ask).map(|reason| shut(row.gate, ask.tool, reason)),
        Rule::Tool(_) | Rule::Values(_) => None,
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

fn rows<'c>(contract: &'c Contract, tool: &'c str) -> impl Iterator<Item = &'static Row> + 'c {
    GATES.iter().filter(move |row| contract.gates.is_on(row.gate) && row.tools.contains(&tool))
}

fn job_tools(contract: &Contract, tool: &str) -> Option<String> {
    match tool {
        "run_check" if contract.checks.is_empty() => Some("the contract has no check".to_owned()),
        "delete_file" if contract.scope.delete_patterns().is_empty() => {
            Some("the contract lets nothing go".to_owned())
        }
        _ => None,
    }
}

/// A file that the contract does not let change is left to the tool, which says so.
fn read_before_edit(state: &State<'_>, ask: &Ask<'_>) -> Option<String> {
    let path = RelPath::parse(ask.subject?).ok()?;
    let unread = state.exists(&path) && state.may_change(&path) && !state.known.contains_key(&path);
    unread.then(|| format!("{path} exists; read it before you replace it"))
}

fn finish_after_change(state: &State<'_>, _: &Ask<'_>) -> Option<String> {
    (!state.changed).then(|| "nothing was changed".to_owned())
}

fn finish_after_checks(state: &State<'_>, _: &Ask<'_>) -> Option<String> {
    let passed = |name: &String| state.checked.get(name).copied().unwrap_or(false);
    let check = state.contract.checks.iter().find(|check| !passed(&check.name))?;
    Some(format!("check `{}` has not passed since the last change", check.name))
}

/// Reading a file that may change stays open: without it a worker could do nothing any more but ask.
fn reading_budget(state: &State<'_>, ask: &Ask<'_>) -> Option<String> {
    let serves_a_change = |path: &str| {
        let is_unread = |path: &RelPath| state.exists(path) && !state.known.contains_key(path);
        RelPath::parse(path).is_ok_and(|path| is_unread(&path) && state.may_change(&path))
    };
    let whole_file = ask.tool == "read_file" && ask.option.is_none();
    if state.reads < state.contract.limits.reads
        || whole_file && ask.subject.is_none_or(serves_a_change)
    {
        return None;
    }
    let reads = state.reads;
    Some(format!("{reads} reading calls in a row changed nothing; read what may change, or act"))
}

fn no_repeat(state: &State<'_>, ask: &Ask<'_>) -> Option<String> {
    let past = ask.arguments.and_then(|arguments| state.past_of(ask.tool, arguments));
    if let Some(past) = past {
        let reason = match past {
            Past::Answered => "you asked exactly this before, and the answer is still the same",
            Past::Done => "you did exactly this before, and nothing has changed since",
            Past::Failed => "exactly this failed before, and nothing has changed since",
        };
        return Some(reason.to_owned());
    }
    let subject = ask.subject?;
    match ask.tool {
        "read_file" if state.known.contains_key(subject) => {
            Some(format!("you know all of {subject}"))
        }
        "run_check" if state.checked.contains_key(subject) => {
            Some(format!("check `{subject}` was run since the last change"))
        }
        _ => None,
    }
}

//! What may be called in a state: all that a tool could be called with, less what the gates shut.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Subject, Subjects, Tool, seated, specs};
use crate::contract::Gate;
use crate::gates::{self, Ask, Gates, Reason};
use crate::menu::{Argument, Entry, Menu, Shut, Values};
use crate::state::State;

/// The bytes of all calls that an entry excludes. Beyond them, the longest ones are left to the tool, which refuses
/// them too: what a grammar excludes costs time each turn, and a worker can fail very often.
pub const MAX_NOT: usize = 64 * 1024;

/// Returns what may be called in `state`.
#[must_use]
pub fn menu(state: &State<'_>) -> Menu {
    let mut menu = Menu { specs: specs(state.contract, state.seat), ..Menu::default() };
    for tool in seated(state.seat) {
        match gates::unoffered(state.contract, tool.name) {
            Some(shut) => menu.gates.push(shut),
            None => tool.put_on(&mut menu, state),
        }
    }
    menu
}

/// What the gates shut of one tool: a reason, and how many more there are like it.
#[derive(Default)]
struct Reasons(BTreeMap<Gate, (String, usize)>);

impl Reasons {
    fn note(&mut self, gate: Gate, reason: impl ToString) {
        let first = || (reason.to_string(), 0);
        self.0.entry(gate).and_modify(|(_, more)| *more += 1).or_insert_with(first);
    }

    fn told(self, tool: &str) -> impl Iterator<Item = Shut> {
        self.0.into_iter().map(move |(gate, (first, more))| {
            let reason = if more == 0 { first } else { format!("{first} (and {more} more)") };
            gates::shut(gate, tool, reason)
        })
    }
}

impl Tool {
    fn put_on(&self, menu: &mut Menu, state: &State<'_>) {
        let gates = Gates::of(state.contract, self.name);
        let mut reasons = Reasons::default();
        let mut lets = |ask: &Ask<'_>| {
            let refusals = gates.refusals(state, ask);
            let shut = |(gate, reason): (Gate, Reason<'_>)| reasons.note(gate, reason);
            refusals.map(shut).count() == 0
        };
        if lets(&Ask::of(self.name)) {
            let all = (self.subjects)(state);
            let is_empty = matches!(&all, Subjects::These(all) if all.is_empty())
                && state.contract.gates.is_on(Gate::ListedValues);
            let ways = (self.ways)(self, state, self.open_subjects(state, all, lets));
            menu.entries.extend(ways.into_iter().map(|way| self.entry(state, way)));
            if is_empty {
                reasons.note(Gate::ListedValues, self.nothing);
            }
        }
        menu.gates.extend(reasons.told(self.name));
    }

    /// Returns what the tool may be about: of what it could be about, what the gates let pass.
    fn open_subjects(
        &self,
        state: &State<'_>,
        all: Subjects<'_>,
        mut lets: impl FnMut(&Ask<'_>) -> bool,
    ) -> Values {
        let listed = gates::spelt_out(state.contract, Values::OneOf(Vec::new()));
        let (Subjects::These(all), Values::OneOf(mut open)) = (all, listed) else {
            return Values::Text;
        };
        let said = self.said_alone(state);
        for Subject { text, file } in &all {
            let whole = said.contains(&**text).then(|| self.about(text));
            let ask = Ask {
                start: Some(1),
                arguments: whole.as_deref(),
                ..Ask::about(self.name, text, *file)
            };
            if lets(&ask) {
                open.push(text.to_string());
            }
        }
        Values::OneOf(open)
    }

    /// Returns what calls were about that said nothing else, and that would come to the same again.
    fn said_alone(&self, state: &State<'_>) -> BTreeSet<String> {
        let alone = |arguments: &String| {
            let parsed: Map<String, Value> = serde_json::from_str(arguments).ok()?;
            let subject = parsed.get(self.subject()?).filter(|_| parsed.len() == 1)?;
            subject.as_str().map(str::to_owned)
        };
        let said = state.past.get(self.name).into_iter().flat_map(BTreeMap::keys);
        said.filter_map(alone).collect()
    }

    /// Writes the call that has no argument but what it is about.
    fn about(&self, subject: &str) -> String {
        let name = self.subject().map(str::to_owned);
        self.canonical(&name.map(|name| (name, Value::from(subject))).into_iter().collect())
    }

    /// Returns the one way in which most tools are called.
    pub(super) fn one_way(&self, _: &State<'_>, subjects: Values) -> Vec<Vec<Argument>> {
        match &subjects {
            Values::OneOf(open) if open.is_empty() => Vec::new(),
            Values::OneOf(_)
            | Values::Text
            | Values::Natural
            | Values::Within(_)
            | Values::PieceOf(_)
            | Values::PieceIn(_)
            | Values::OtherThan(_) => vec![self.arguments(subjects)],
        }
    }

    /// Returns the arguments of a call about one of `subjects`, the others being anything of their type.
    pub(super) fn arguments(&self, subjects: Values) -> Vec<Argument> {
        let mut first = Some(subjects);
        let argument = |(name, kind, required): &(&'static str, &str, bool)| {
            let by_type = if *kind == "integer" { Values::Natural } else { Values::Text };
            Argument { name, values: first.take().unwrap_or(by_type), optional: !required }
        };
        self.parameters.iter().map(argument).collect()
    }

    /// Returns an entry, with what the gates shut of it although its values would do.
    fn entry(&self, state: &State<'_>, mut arguments: Vec<Argument>) -> Entry {
        for argument in &mut arguments {
            let values = std::mem::replace(&mut argument.values, Values::Text);
            argument.values = gates::spelt_out(state.contract, values);
        }
        let mut entry = Entry { tool: self.name, arguments, not: Vec::new() };
        let gates = Gates::of(state.contract, self.name);
        let said = state.past.get(self.name).into_iter().flat_map(BTreeMap::keys);
        let shut = said.filter(|arguments| {
            let ask = Ask { arguments: Some(arguments), ..Ask::of(self.name) };
            let parsed: Map<String, Value> = serde_json::from_str(arguments).unwrap_or_default();
            !gates.let_pass(state, &ask) && entry.admits(&parsed)
        });
        entry.not = shortest(shut.cloned().collect());
        entry
    }
}

/// Returns as many of these as [`MAX_NOT`] has room for, the shortest first.
fn shortest(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_by_key(String::len);
    let mut room = MAX_NOT;
    let fits = |text: &String| match room.checked_sub(text.len()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    texts.into_iter().take_while(fits).collect()
}

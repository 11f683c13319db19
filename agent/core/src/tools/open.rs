//! What may be called in a state: all that a tool could be called with, less what the gates shut.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Subjects, TOOLS, Tool, specs};
use crate::contract::Gate;
use crate::gates::{self, Ask};
use crate::menu::{Argument, Entry, Menu, Shut, Values};
use crate::state::State;

/// Returns what may be called in `state`.
#[must_use]
pub fn menu(state: &State<'_>) -> Menu {
    let mut menu = Menu { specs: specs(state.contract), ..Menu::default() };
    for tool in TOOLS {
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
    /// Returns whether the call is open, and takes note of the reasons otherwise.
    fn lets(&mut self, state: &State<'_>, ask: &Ask<'_>) -> bool {
        let mut open = true;
        for shut in gates::refusals(state, ask) {
            self.note(shut.gate, shut.reason);
            open = false;
        }
        open
    }

    fn note(&mut self, gate: Gate, reason: String) {
        self.0.entry(gate).and_modify(|(_, more)| *more += 1).or_insert((reason, 0));
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
        let mut reasons = Reasons::default();
        if reasons.lets(state, &Ask::of(self.name)) {
            let options = self.options(state, &mut reasons);
            let subjects = self.open_subjects(state, &options, &mut reasons);
            let ways = subjects.map(|subjects| (self.ways)(self, state, subjects));
            let entries = ways.unwrap_or_default().into_iter().map(|mut arguments| {
                arguments.retain(|argument| !argument.optional || options.contains(&argument.name));
                self.entry(state, arguments)
            });
            menu.entries.extend(entries);
        }
        menu.gates.extend(reasons.told(self.name));
    }

    /// Returns the optional arguments that may be given.
    fn options(&self, state: &State<'_>, reasons: &mut Reasons) -> Vec<&'static str> {
        let optional = self.parameters.iter().filter(|(.., required)| !required);
        let names = optional.map(|(name, ..)| *name);
        names
            .filter(|name| reasons.lets(state, &Ask { option: Some(name), ..Ask::of(self.name) }))
            .collect()
    }

    /// Returns what the tool may be about, nothing when it may be about nothing.
    fn open_subjects(
        &self,
        state: &State<'_>,
        options: &[&str],
        reasons: &mut Reasons,
    ) -> Option<Values> {
        let all = match (self.subjects)(state) {
            Subjects::These(all) => gates::spelt_out(state.contract, Values::OneOf(all)),
            Subjects::Any => Values::Text,
        };
        let Values::OneOf(all) = all else { return Some(all) };
        if all.is_empty() {
            reasons.note(Gate::ListedValues, self.nothing.to_owned());
        }
        let required = self.parameters.iter().filter(|(.., required)| *required).count();
        let is_whole = required == 1 && options.is_empty();
        let open = |subject: &String| {
            let whole = is_whole.then(|| self.about(subject));
            let ask =
                Ask { subject: Some(subject), arguments: whole.as_deref(), ..Ask::of(self.name) };
            reasons.lets(state, &ask)
        };
        let open: Vec<String> = all.into_iter().filter(open).collect();
        (!open.is_empty()).then_some(Values::OneOf(open))
    }

    /// Writes the call that has no argument but what it is about.
    fn about(&self, subject: &str) -> String {
        let name = self.parameters.first().map(|(name, ..)| (*name).to_owned());
        self.canonical(&name.map(|name| (name, Value::from(subject))).into_iter().collect())
    }

    /// Returns the one way in which most tools are called.
    pub(super) fn one_way(&self, _: &State<'_>, subjects: Values) -> Vec<Vec<Argument>> {
        vec![self.arguments(subjects)]
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
        let said = state.past.get(self.name).into_iter().flat_map(BTreeMap::keys);
        let shut = said.filter(|arguments| {
            let parsed: Map<String, Value> = serde_json::from_str(arguments).unwrap_or_default();
            let ask = Ask { arguments: Some(arguments), ..Ask::of(self.name) };
            entry.admits(&parsed) && gates::refusals(state, &ask).next().is_some()
        });
        entry.not = shut.cloned().collect();
        entry
    }
}

//! Members of an object of which it matters how many there are, or which of those without a place: a rule for each
//! state.

use std::collections::HashMap;

use crate::gbnf::Expr;

use super::emit::Emitter;
use super::emit_object::{Plan, Set};
use super::rules::{any, seq};

/// What stays known while counted members are written.
struct Counting<'a> {
    plan: &'a Plan,
    /// Any other member, and the rule for a comma and one more of them.
    more: Option<(&'a Expr, String)>,
    known: HashMap<State, Expr>,
    /// The states whose rule has no body yet.
    open: Vec<(State, String)>,
}

/// How far the members of an object have been written.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
struct State {
    at: usize,
    /// How many members there are, as far as that matters.
    count: usize,
    /// Which of the members that must exist there are.
    found: Set,
}

impl State {
    /// Returns the state after a member that stands for `set`, if one more may be there.
    fn after(self, plan: &Plan, set: Set) -> Option<Self> {
        if plan.max.is_some_and(|max| self.count >= max) || self.found & set != 0 {
            return None;
        }
        // Without an upper bound, more than enough is enough.
        let count =
            if plan.max.is_none() { (self.count + 1).min(plan.min.max(1)) } else { self.count + 1 };
        Some(Self { at: self.at, count, found: self.found | set })
    }

    fn comma(self, plan: &Plan) -> Option<Expr> {
        (self.count > 0).then(|| plan.comma.clone())
    }
}

impl Emitter<'_> {
    /// Returns the members, counted.
    pub(super) fn counted(&mut self, plan: &Plan) -> Expr {
        let mut counting = self.counting(plan);
        let start = self.counted_from(&mut counting, State::default());
        self.write_states(counting);
        start
    }

    /// Returns the members without a place: after at least one member, and where there is no other.
    pub(super) fn counted_ends(&mut self, plan: &Plan) -> (Expr, Expr) {
        let mut counting = self.counting(plan);
        let end = |count| State { at: plan.entries.len(), count, found: 0 };
        let after = self.counted_from(&mut counting, end(1));
        let alone = self.counted_from(&mut counting, end(0));
        self.write_states(counting);
        (after, alone)
    }

    fn counting<'a>(&mut self, plan: &'a Plan) -> Counting<'a> {
        let others = plan.others.first().filter(|(set, _)| *set == 0);
        let more = others.map(|(_, other)| {
            let name = self.rules.name(&format!("{}-more", plan.hint));
            self.rules.set(&name, seq([plan.comma.clone(), other.clone()]));
            (other, name)
        });
        Counting { plan, more, known: HashMap::new(), open: Vec::new() }
    }

    /// Writes the rules of all states that are reached. They wait in a list, as there are thousands.
    fn write_states(&mut self, mut counting: Counting<'_>) {
        let plan = counting.plan;
        while let Some((state, name)) = counting.open.pop() {
            let (texts, step, required) = match plan.entries.get(state.at) {
                Some(entry) => (&entry.texts, 1, entry.required),
                None => (&plan.others, 0, true),
            };
            let mut choices = Vec::new();
            for (set, text) in texts {
                if let Some(next) = state.after(plan, *set) {
                    let next = State { at: state.at + step, ..next };
                    let rest = self.counted_from(&mut counting, next);
                    choices.push(seq(state.comma(plan).into_iter().chain([text.clone(), rest])));
                }
            }
            if !required {
                let next = State { at: state.at + 1, ..state };
                choices.push(self.counted_from(&mut counting, next));
            }
            self.rules.set(&name, any(choices));
        }
    }

    /// Returns the members from a state on: its rule, or nothing but others where all that must exist does.
    fn counted_from(&mut self, counting: &mut Counting<'_>, state: State) -> Expr {
        if let Some(known) = counting.known.get(&state) {
            return known.clone();
        }
        let plan = counting.plan;
        let expr = if state.at == plan.entries.len() && state.found == plan.must {
            self.repeated_others(counting, state.count)
        } else {
            let name = self.rules.name(&format!("{}-rest", plan.hint));
            counting.open.push((state, name.clone()));
            Expr::rule(name)
        };
        counting.known.insert(state, expr.clone());
        expr
    }

    /// Returns any members without a name of their own, after `count` members.
    fn repeated_others(&mut self, counting: &Counting<'_>, count: usize) -> Expr {
        let Counting { plan, more, .. } = counting;
        let min = plan.min.saturating_sub(count) as u64;
        let max = plan.max.map(|max| max.saturating_sub(count) as u64);
        let Some((other, more)) = more.as_ref().filter(|_| max != Some(0)) else {
            return if min == 0 { Expr::Seq(Vec::new()) } else { any([]) };
        };
        if count > 0 {
            return self.rules.repeat(more, min, max);
        }
        let rest = self.rules.repeat(more, min.saturating_sub(1), max.map(|max| max - 1));
        let some = seq([(*other).clone(), rest]);
        if min == 0 { Expr::Optional(Box::new(some)) } else { some }
    }
}

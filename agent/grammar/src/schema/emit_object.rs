//! Objects as rules: the members that have a name in their declared order, then all others.
//!
//! A member that may be left out is left out in place. The order is a limit on texts, not on values.

use std::collections::{HashMap, HashSet};

use crate::gbnf::Expr;
use crate::json;

use super::emit::Emitter;
use super::error::SchemaError;
use super::names::{self, Others};
use super::nodes::NodeId;
use super::options::Objects;
use super::rules::{any, seq};
use super::shape::{Exists, Object};

/// A member with a name of its own.
struct Entry {
    /// The name, the colon and the value, for each set of members that must exist which it can stand for: the empty
    /// set first.
    texts: Vec<(Set, Expr)>,
    required: bool,
}

/// Some of the members that must exist, as bits.
type Set = u32;

/// The members of one object, in order.
struct Plan {
    entries: Vec<Entry>,
    /// The rule of any other member, for each set of members that must exist which it can stand for.
    others: Vec<(Set, Expr)>,
    /// All members that must exist.
    must: Set,
    min: usize,
    max: Option<usize>,
    comma: Expr,
    hint: String,
}

/// The most members that must exist without a name.
const MAX_MUST: usize = 4;

/// What a member costs to write, in steps.
const MEMBER: usize = 60;

/// The most rules that an object whose members are counted may have.
const MAX_COUNTED: usize = 20_000;

impl Emitter<'_> {
    /// Writes an object.
    pub(super) fn object(
        &mut self,
        node: NodeId,
        object: &Object,
        hint: &str,
    ) -> Result<Expr, SchemaError> {
        if object.exists.len() > MAX_MUST {
            return Err(self.too_large(node, "members that must exist without a name", MAX_MUST));
        }
        let Some(plan) = self.plan(node, object, hint)? else { return Ok(any([])) };
        let inner = self.sequence(node, &plan)?;
        Ok(self.enclosed("{", inner, "}"))
    }

    /// Returns the members in order, or nothing when one that is required is impossible.
    fn plan(
        &mut self,
        node: NodeId,
        object: &Object,
        hint: &str,
    ) -> Result<Option<Plan>, SchemaError> {
        let names = names_of(object);
        let all_required: HashSet<&String> = object.required.iter().collect();
        let mut allowed = Vec::new();
        for node in &object.names {
            allowed.push(names::allowed(&mut self.compiler, *node)?);
        }
        let mut entries = Vec::new();
        for name in &names {
            let required = all_required.contains(name);
            let is_allowed =
                !object.forbidden.contains(name) && allowed.iter().all(|dfa| dfa.accepts(name));
            let texts = if is_allowed { self.member(node, object, name)? } else { Vec::new() };
            if !texts.is_empty() {
                entries.push(Entry { texts, required });
            } else if required {
                return Ok(None);
            }
        }
        let place = self.compiler.place(node);
        let mut found = names::others(&mut self.compiler, object, &names, &place)?;
        // An object of which nothing is known is no object without members.
        let is_known = !object.layers.is_empty();
        if is_known && self.compiler.options.objects == Objects::Closed {
            let anything = self.compiler.anything();
            found.retain(|other| other.value != anything);
        }
        let mut others = Vec::new();
        for set in 0..1 << object.exists.len() {
            let chosen = self.narrowed(node, &found, object, set)?;
            others.extend(self.others(chosen, hint)?.map(|rule| (set, rule)));
        }
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let (min, max) = (count(object.count.min), object.count.max.map(count));
        let (comma, hint) = (self.mark(","), hint.to_owned());
        let must = (1 << object.exists.len()) - 1;
        Ok(Some(Plan { entries, others, must, min, max, comma, hint }))
    }

    /// Returns the texts of a member with a name of its own; none where its value is impossible.
    fn member(
        &mut self,
        node: NodeId,
        object: &Object,
        name: &str,
    ) -> Result<Vec<(Set, Expr)>, SchemaError> {
        let steps =
            MEMBER + object.layers.iter().map(|layer| 1 + layer.patterns.len()).sum::<usize>();
        self.compiler.budget.spend(steps).map_err(|error| self.exceeded(node, error))?;
        let nodes = object.member(name);
        let mut texts = Vec::new();
        for set in 0..1 << object.exists.len() {
            let chosen: Vec<&Exists> = chosen(object, set).collect();
            if !chosen.iter().all(|exists| exists.names.accepts(name)) {
                continue;
            }
            let values = nodes.iter().copied().chain(chosen.iter().map(|exists| exists.value));
            let value = self.compiler.nodes.all(&values.collect::<Vec<_>>());
            if !self.compiler.is_empty(value, 2) {
                let value = self.value(value, name)?;
                texts.push((set, seq([Expr::literal(json::quote(name)), self.mark(":"), value])));
            }
        }
        Ok(texts)
    }

    /// Returns the members without a name of their own that stand for a set of members that must exist.
    fn narrowed(
        &mut self,
        node: NodeId,
        others: &[Others],
        object: &Object,
        set: Set,
    ) -> Result<Vec<Others>, SchemaError> {
        let budget = self.compiler.budget.clone();
        let mut found = Vec::new();
        for Others { names, value } in others {
            let (mut names, mut values) = (names.clone(), vec![*value]);
            for exists in chosen(object, set) {
                let both = names.and(&exists.names, &budget);
                names = both.map_err(|error| self.exceeded(node, error))?.minimal(&budget);
                values.push(exists.value);
            }
            let value = self.compiler.nodes.all(&values);
            if !names.is_empty() && !self.compiler.is_empty(value, 2) {
                found.push(Others { names, value });
            }
        }
        Ok(found)
    }

    /// Returns the rule of members that have no name of their own.
    fn others(&mut self, others: Vec<Others>, hint: &str) -> Result<Option<Expr>, SchemaError> {
        let mut all = Vec::new();
        for Others { names, value } in others {
            if names.is_empty() {
                continue;
            }
            let value = self.value(value, &format!("{hint}-value"))?;
            let is_all = names.is_all();
            let key = if is_all {
                self.shared("string")
            } else {
                self.string(&names, &format!("{hint}-key"))
            };
            all.push(seq([key, self.mark(":"), value]));
        }
        Ok((!all.is_empty()).then(|| self.rules.add(&format!("{hint}-other"), any(all))))
    }

    /// Returns the members between the braces.
    fn sequence(&mut self, node: NodeId, plan: &Plan) -> Result<Expr, SchemaError> {
        let required = plan.entries.iter().filter(|entry| entry.required).count();
        let most = plan.others.is_empty().then_some(plan.entries.len());
        let max_matters = plan.max.is_some_and(|max| most.is_none_or(|most| most > max));
        if plan.must == 0 && plan.min <= required && !max_matters {
            return Ok(self.uncounted(plan));
        }
        // A rule for each place, each count that matters, and each set of those that must exist.
        let counts = plan.max.unwrap_or(plan.min);
        let sets = plan.must as usize + 1;
        let ends = if sets > 1 { counts } else { 0 };
        let size = (plan.entries.len().saturating_mul(counts.min(plan.entries.len()) + 1))
            .saturating_add(ends)
            .saturating_mul(sets);
        if size > MAX_COUNTED {
            return Err(self.too_large(node, "members that are counted", MAX_COUNTED));
        }
        Ok(self.counted(plan))
    }

    /// Returns the members where neither their number matters nor which of the others exist.
    fn uncounted(&mut self, plan: &Plan) -> Expr {
        let end = other_members(plan);
        let first_required = plan.entries.iter().position(|entry| entry.required);
        let starts = first_required.map_or(plan.entries.len(), |at| at + 1);
        // What follows after each member that may be the first one.
        let after = plan.entries[starts..].iter().map(|entry| following(plan, entry));
        let mut rest = seq(after.chain([end]));
        let mut choices = Vec::new();
        for (at, entry) in plan.entries[..starts].iter().enumerate().rev() {
            if at + 1 < starts && !matches!(&rest, Expr::Rule(_)) {
                rest = self.rules.add(&format!("{}-rest", plan.hint), rest);
            }
            choices.push(seq([text_of(entry), rest.clone()]));
            rest = seq([following(plan, entry), rest]);
        }
        choices.reverse();
        if first_required.is_some() {
            return any(choices);
        }
        choices.extend(
            plan.others.first().map(|(_, other)| seq([other.clone(), other_members(plan)])),
        );
        if choices.is_empty() {
            return Expr::Seq(choices);
        }
        Expr::Optional(Box::new(any(choices)))
    }

    /// Returns the members, counted: a rule for each state. The states wait in a list, as there are thousands.
    fn counted(&mut self, plan: &Plan) -> Expr {
        let others = plan.others.first().filter(|(set, _)| *set == 0);
        let more = others.map(|(_, other)| {
            let name = self.rules.name(&format!("{}-more", plan.hint));
            self.rules.set(&name, seq([plan.comma.clone(), other.clone()]));
            (other, name)
        });
        let mut counting = Counting { plan, more, known: HashMap::new(), open: Vec::new() };
        let start = self.counted_from(&mut counting, State::default());
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
        start
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

/// Returns the members that must exist which `set` stands for.
fn chosen(object: &Object, set: Set) -> impl Iterator<Item = &Exists> {
    object
        .exists
        .iter()
        .enumerate()
        .filter(move |(bit, _)| set & (1 << bit) != 0)
        .map(|(_, exists)| exists)
}

/// Returns the text of a member where no member without a name must exist.
fn text_of(entry: &Entry) -> Expr {
    entry.texts.first().map_or(any([]), |(_, text)| text.clone())
}

/// Returns the members without a name of their own, after at least one member.
fn other_members(plan: &Plan) -> Expr {
    let more =
        |(_, other): &(Set, Expr)| Expr::Many(Box::new(seq([plan.comma.clone(), other.clone()])));
    plan.others.first().map_or(Expr::Seq(Vec::new()), more)
}

/// Returns a member after another one.
fn following(plan: &Plan, entry: &Entry) -> Expr {
    let text = seq([plan.comma.clone(), text_of(entry)]);
    if entry.required { text } else { Expr::Optional(Box::new(text)) }
}

/// Returns the names that an object knows one by one, in declared order; those only required stand last.
fn names_of(object: &Object) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let declared = object.layers.iter().flat_map(|layer| layer.named.iter().map(|(name, _)| name));
    for name in declared.chain(&object.required) {
        if seen.insert(name) {
            names.push(name.clone());
        }
    }
    names
}

//! Objects as rules: the declared members in their order, then all others.
//!
//! A member that may be left out is left out in place. The order is a limit on texts, not on values. Names that are
//! required and not declared have no order; a few of them may stand anywhere among the others.

use std::collections::HashSet;

use crate::gbnf::Expr;
use crate::json;

use super::emit::Emitter;
use super::error::SchemaError;
use super::names::{self, Others};
use super::nodes::NodeId;
use super::options::Objects;
use super::rules::{any, seq};
use super::shape::{Exists, Object};

/// A member with a place of its own.
pub(super) struct Entry {
    /// The name, the colon and the value, for each set of members that must exist which it can stand for: the empty
    /// set first.
    pub(super) texts: Vec<(Set, Expr)>,
    pub(super) required: bool,
}

/// Some of the members that must exist, as bits.
pub(super) type Set = u32;

/// The members of one object.
pub(super) struct Plan {
    /// Those in order.
    pub(super) entries: Vec<Entry>,
    /// Any member after them, for each set of members that must exist which it can stand for.
    pub(super) others: Vec<(Set, Expr)>,
    /// All members that must exist and have no place: those without a name, then those that are only required.
    pub(super) must: Set,
    /// How many of `must` have no name.
    pub(super) unnamed: usize,
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    pub(super) comma: Expr,
    pub(super) hint: String,
}

/// The most members that must exist without a name.
const MAX_MUST: usize = 4;

/// The most members without a place of their own that may stand in any order.
pub(super) const MAX_LOOSE: usize = 5;

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
        let inner = self.sequence(node, plan)?;
        Ok(self.enclosed("{", inner, "}"))
    }

    /// Returns the members, or nothing when one that is required is impossible.
    fn plan(
        &mut self,
        node: NodeId,
        object: &Object,
        hint: &str,
    ) -> Result<Option<Plan>, SchemaError> {
        let (names, declared) = names_of(object);
        let all_required: HashSet<&String> = object.required.iter().collect();
        let mut allowed = Vec::new();
        for node in &object.names {
            allowed.push(names::allowed(&mut self.compiler, *node)?);
        }
        let (mut entries, mut loose) = (Vec::new(), Vec::new());
        for (place, name) in names.iter().enumerate() {
            let required = all_required.contains(name);
            let is_allowed =
                !object.forbidden.contains(name) && allowed.iter().all(|dfa| dfa.accepts(name));
            let texts = if is_allowed { self.member(node, object, name)? } else { Vec::new() };
            if texts.is_empty() && required {
                return Ok(None);
            }
            if place >= declared {
                loose.push(texts);
            } else if !texts.is_empty() {
                entries.push(Entry { texts, required });
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
        let unnamed = object.exists.len();
        for (place, texts) in loose.iter().enumerate() {
            let bit = 1 << (unnamed + place);
            others.extend(texts.iter().map(|(set, text)| (set | bit, text.clone())));
        }
        let must = (1 << (unnamed + loose.len())) - 1;
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let (min, max) = (count(object.count.min), object.count.max.map(count));
        let (comma, hint) = (self.mark(","), hint.to_owned());
        Ok(Some(Plan { entries, others, must, unnamed, min, max, comma, hint }))
    }

    /// Returns the texts of a member whose name is known; none where its value is impossible.
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
    fn sequence(&mut self, node: NodeId, mut plan: Plan) -> Result<Expr, SchemaError> {
        let loose = plan.must.count_ones() as usize - plan.unnamed;
        let required = loose + plan.entries.iter().filter(|entry| entry.required).count();
        let has_others = plan.others.first().is_some_and(|(set, _)| *set == 0);
        let most = plan.entries.len() + loose;
        let max_matters = plan.max.is_some_and(|max| has_others || most > max);
        if plan.unnamed == 0 && plan.min <= required && !max_matters {
            (plan.min, plan.max) = (0, None);
            return Ok(self.uncounted(&plan));
        }
        // A rule for each place, each count that matters, and each set of those that must exist.
        let counts = plan.max.unwrap_or(plan.min);
        let within = plan.entries.len().saturating_mul(counts.min(plan.entries.len()) + 1);
        let beyond = if plan.must == 0 { 0 } else { counts };
        let size = within
            .saturating_mul(1 << plan.unnamed)
            .saturating_add(beyond.saturating_mul(1 << plan.must.count_ones()));
        if size > MAX_COUNTED {
            return Err(self.too_large(node, "members that are counted", MAX_COUNTED));
        }
        Ok(self.counted(&plan))
    }

    /// Returns the members where neither their number matters nor which of those without a name exist.
    fn uncounted(&mut self, plan: &Plan) -> Expr {
        let (after, alone) = self.ends(plan);
        let first_required = plan.entries.iter().position(|entry| entry.required);
        let starts = first_required.map_or(plan.entries.len(), |at| at + 1);
        // What follows after each member that may be the first one.
        let rest = plan.entries[starts..].iter().map(|entry| following(plan, entry));
        let mut rest = seq(rest.chain([after]));
        let mut choices = Vec::new();
        for (at, entry) in plan.entries[..starts].iter().enumerate().rev() {
            if at + 1 < starts && !matches!(&rest, Expr::Rule(_)) {
                rest = self.rules.add(&format!("{}-rest", plan.hint), rest);
            }
            choices.push(seq([text_of(entry), rest.clone()]));
            rest = seq([following(plan, entry), rest]);
        }
        choices.reverse();
        if first_required.is_none() {
            choices.extend(alone);
            if choices.is_empty() {
                return Expr::Seq(choices);
            }
            if plan.must == 0 {
                return Expr::Optional(Box::new(any(choices)));
            }
        }
        any(choices)
    }

    /// Returns the members without a place: after at least one member, and where there is no other.
    fn ends(&mut self, plan: &Plan) -> (Expr, Option<Expr>) {
        if plan.must != 0 {
            let (after, alone) = self.counted_ends(plan);
            return (after, Some(alone));
        }
        let Some((_, other)) = plan.others.first() else { return (Expr::Seq(Vec::new()), None) };
        let more = Expr::Many(Box::new(seq([plan.comma.clone(), other.clone()])));
        (more.clone(), Some(seq([other.clone(), more])))
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

/// Returns a member after another one.
fn following(plan: &Plan, entry: &Entry) -> Expr {
    let text = seq([plan.comma.clone(), text_of(entry)]);
    if entry.required { text } else { Expr::Optional(Box::new(text)) }
}

/// Returns the names that an object knows one by one, and how many of them have a place: those that are declared, in
/// their order. Those only required have none, as long as they are few.
fn names_of(object: &Object) -> (Vec<String>, usize) {
    let mut names: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let declared = object.layers.iter().flat_map(|layer| layer.named.iter().map(|(name, _)| name));
    names.extend(declared.filter(|name| seen.insert(*name)).cloned());
    let declared = names.len();
    names.extend(object.required.iter().filter(|name| seen.insert(*name)).cloned());
    let loose = names.len() - declared;
    (names, if loose > MAX_LOOSE { declared + loose } else { declared })
}

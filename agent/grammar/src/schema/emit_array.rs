//! Arrays as rules: the first items each with its own schema, then the others, within the bounds of their number.

use std::collections::HashMap;

use crate::gbnf::Expr;
use crate::json;

use super::emit::Emitter;
use super::error::SchemaError;
use super::nodes::NodeId;
use super::rules::{any, seq};
use super::shape::{Array, Contains, Kinds, Range, Shape};

/// The most values that `uniqueItems` can tell apart: each set of values used so far is a rule.
const MAX_VALUES: usize = 8;

/// The most places and counts that `contains` can keep apart.
const MAX_COUNTED: usize = 2_000;

impl Emitter<'_> {
    /// Writes an array.
    pub(super) fn array(
        &mut self,
        node: NodeId,
        array: &Array,
        hint: &str,
    ) -> Result<Expr, SchemaError> {
        let repeats = array.length.max.is_none_or(|max| max > 1);
        let inner = match array.unique {
            Some(at) if repeats => {
                let found = self.unique_items(array, hint)?;
                found.ok_or_else(|| {
                    let hint = format!("it needs `maxItems` 1, or items of at most {MAX_VALUES} given scalar values and no `contains`");
                    self.compiler.unsupported(at, "uniqueItems", hint)
                })?
            }
            Some(_) | None if array.contains.is_empty() => self.plain_items(array, hint)?,
            Some(_) | None => self.counted_items(node, array, hint)?,
        };
        Ok(self.enclosed("[", inner, "]"))
    }

    fn item(&mut self, array: &Array, at: usize, hint: &str) -> Result<Expr, SchemaError> {
        let nodes = array.item(at);
        let node = self.compiler.nodes.all(&nodes);
        self.value(node, &format!("{hint}-item"))
    }

    fn plain_items(&mut self, array: &Array, hint: &str) -> Result<Expr, SchemaError> {
        let alike = array.first_alike();
        let Range { min, max } = array.length;
        if max == Some(0) {
            return Ok(Expr::Seq(Vec::new()));
        }
        let first = self.item(array, 0, hint)?;
        // From the end to the start: what follows after the item before `at`.
        let start = alike.max(1);
        let item = self.item(array, start, hint)?;
        let more = seq([self.mark(","), item]);
        let more = self.rules.add(&format!("{hint}-more"), more);
        let Expr::Rule(more) = more else { return Ok(any([])) };
        let left = |at: usize, count: u64| count.saturating_sub(at as u64);
        let mut rest = match max {
            Some(max) if max <= start as u64 => Expr::Seq(Vec::new()),
            max => self.rules.repeat(&more, left(start, min), max.map(|max| left(start, max))),
        };
        for at in (1..start).rev() {
            if max.is_some_and(|max| at as u64 >= max) {
                continue;
            }
            let item = self.item(array, at, hint)?;
            rest = seq([self.mark(","), item, rest]);
            if at as u64 >= min {
                rest = Expr::Optional(Box::new(rest));
                rest = self.rules.add(&format!("{hint}-rest"), rest);
            }
        }
        let all = seq([first, rest]);
        Ok(if min == 0 { Expr::Optional(Box::new(all)) } else { all })
    }

    /// Writes items of which some are counted: a rule for each place and each count so far.
    fn counted_items(
        &mut self,
        node: NodeId,
        array: &Array,
        hint: &str,
    ) -> Result<Expr, SchemaError> {
        let bound = |range: Range| range.max.unwrap_or(range.min);
        let mut places = (array.first_alike() as u64).max(bound(array.length));
        let mut size = 1_u64;
        for contains in &array.contains {
            places = places.max(contains.from);
            size = size.saturating_mul(bound(contains.count).saturating_add(2));
        }
        if size.saturating_mul(places.saturating_add(2)) > MAX_COUNTED as u64 {
            return Err(self.too_large(node, "items that are counted", MAX_COUNTED));
        }
        let places = usize::try_from(places).unwrap_or(usize::MAX);
        let start = (0, vec![0; array.contains.len()]);
        let mut names = HashMap::from([(start.clone(), self.rules.name(&format!("{hint}-items")))]);
        let mut open = vec![start.clone()];
        while let Some(state) = open.pop() {
            let (at, counts) = &state;
            let mut choices = Vec::new();
            if may_end(array, *at, counts) {
                choices.push(Expr::Seq(Vec::new()));
            }
            let is_full = array.length.max.is_some_and(|max| *at as u64 >= max);
            let ways = if is_full { Vec::new() } else { self.ways(array, *at, counts) };
            for (item, counts) in ways {
                // Places beyond the last one that matters are alike, as long as the array is not bounded.
                let next = ((at + 1).min(places + 1), counts);
                let rest = names.entry(next.clone()).or_insert_with(|| {
                    open.push(next);
                    self.rules.name(&format!("{hint}-items"))
                });
                let rest = Expr::rule(rest.as_str());
                let comma = (*at > 0).then(|| self.mark(","));
                let item = self.value(item, &format!("{hint}-item"))?;
                choices.push(seq(comma.into_iter().chain([item, rest])));
            }
            let name = names[&state].clone();
            let has_end = choices.first() == Some(&Expr::Seq(Vec::new()));
            let body = if has_end {
                let more = any(choices.split_off(1));
                Expr::Optional(Box::new(more))
            } else {
                any(choices)
            };
            self.rules.set(&name, body);
        }
        Ok(Expr::rule(names[&start].as_str()))
    }

    /// Returns what the item `at` may be and how the counts are after it.
    fn ways(&mut self, array: &Array, at: usize, counts: &[u64]) -> Vec<(NodeId, Vec<u64>)> {
        let mut ways = vec![(array.item(at), Vec::new())];
        for (contains, count) in array.contains.iter().zip(counts) {
            let mut next = Vec::new();
            for (nodes, counts) in ways {
                let with = |node: Option<NodeId>, count: u64| {
                    let nodes: Vec<NodeId> = nodes.iter().copied().chain(node).collect();
                    let counts: Vec<u64> = counts.iter().copied().chain([count]).collect();
                    (nodes, counts)
                };
                let Contains { item, not_item, count: range, from } = *contains;
                if (at as u64) < from {
                    next.push(with(None, *count));
                    continue;
                }
                // Without an upper bound nobody asks whether more items satisfy it.
                let is_enough = range.max.is_none() && *count >= range.min;
                if is_enough {
                    next.push(with(None, *count));
                    continue;
                }
                if range.max.is_none_or(|max| *count < max) {
                    next.push(with(Some(item), count + 1));
                }
                next.push(with(range.max.map(|_| not_item), *count));
            }
            ways = next;
        }
        ways.into_iter().map(|(nodes, counts)| (self.compiler.nodes.all(&nodes), counts)).collect()
    }

    /// Writes items of which no two are equal, where each is one of a few values.
    fn unique_items(&mut self, array: &Array, hint: &str) -> Result<Option<Expr>, SchemaError> {
        if !array.contains.is_empty() {
            return Ok(None);
        }
        let mut texts: Vec<String> = Vec::new();
        let mut places = Vec::new();
        let bounded =
            array.length.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        for at in 0..(array.first_alike() + 1).min(bounded) {
            let nodes = array.item(at);
            let item = self.compiler.nodes.all(&nodes);
            let choices = self.compiler.choices(item)?;
            let Some(values) = given(&choices) else { return Ok(None) };
            texts.extend(
                values.iter().filter(|value| !texts.contains(value)).cloned().collect::<Vec<_>>(),
            );
            places.push(values);
        }
        if texts.len() > MAX_VALUES || places.len() > MAX_COUNTED {
            return Ok(None);
        }
        let mut known = HashMap::new();
        let state = UniqueState { array, texts: &texts, places: &places, hint };
        Ok(Some(self.unique_rest(&state, 0, 0, &mut known)))
    }

    /// Returns the items from `at` on, after the set of values `used`.
    fn unique_rest(
        &mut self,
        state: &UniqueState<'_>,
        at: usize,
        used: u32,
        known: &mut HashMap<u32, Expr>,
    ) -> Expr {
        // The number of values used is the place.
        if let Some(known) = known.get(&used) {
            return known.clone();
        }
        let Range { min, max } = state.array.length;
        let mut choices = Vec::new();
        let last = state.places.len() - 1;
        if max.is_none_or(|max| (at as u64) < max) {
            for text in &state.places[at.min(last)] {
                let Some(bit) = state.texts.iter().position(|known| known == text) else {
                    continue;
                };
                if used & (1 << bit) == 0 {
                    let rest = self.unique_rest(state, at + 1, used | 1 << bit, known);
                    let comma = (at > 0).then(|| self.mark(","));
                    choices
                        .push(seq(comma.into_iter().chain([Expr::literal(text.as_str()), rest])));
                }
            }
        }
        let all = any(choices);
        let may_end = at as u64 >= min;
        let body = if may_end { Expr::Optional(Box::new(all)) } else { all };
        let rule = self.rules.add(&format!("{}-items", state.hint), body);
        known.insert(used, rule.clone());
        rule
    }
}

/// What stays the same while the items of an array without equal ones are written.
struct UniqueState<'a> {
    array: &'a Array,
    /// The JSON texts of all values.
    texts: &'a [String],
    /// Those that are possible at each place; the last place stands for all further ones.
    places: &'a [Vec<String>],
    hint: &'a str,
}

fn may_end(array: &Array, at: usize, counts: &[u64]) -> bool {
    let in_range =
        |range: Range, count: u64| count >= range.min && range.max.is_none_or(|max| count <= max);
    let counted = array.contains.iter().zip(counts);
    at as u64 >= array.length.min
        && counted.into_iter().all(|(contains, count)| in_range(contains.count, *count))
}

/// Returns the JSON texts of the values that a node has, when these are scalars given one by one.
fn given(choices: &[Shape]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for shape in choices {
        let kinds = shape.kinds;
        if kinds.has(Kinds::ARRAY.or(Kinds::OBJECT)) {
            return None;
        }
        let literals = [(Kinds::TRUE, "true"), (Kinds::FALSE, "false"), (Kinds::NULL, "null")];
        let literals = literals.into_iter().filter(|(kind, _)| kinds.has(*kind));
        texts.extend(literals.map(|(_, text)| text.to_owned()));
        if kinds.has(Kinds::STRING) {
            texts.extend(shape.string.words.as_ref()?.iter().map(|word| json::quote(word)));
        }
        if kinds.has(Kinds::NUMBER) {
            texts.extend(shape.number.words.as_ref()?.iter().cloned());
        }
    }
    texts.sort();
    texts.dedup();
    Some(texts)
}

//! The names that members of an object may have, as automata.

use std::rc::Rc;

use super::budget::{Budget, Exceeded};
use super::compiler::Compiler;
use super::dfa::Dfa;
use super::error::SchemaError;
use super::nodes::NodeId;
use super::shape::{Kinds, Object, Range, Shape};

/// Members whose names are not given one by one, but are all treated alike.
#[derive(Debug)]
pub(super) struct Others {
    pub(super) names: Dfa,
    pub(super) value: NodeId,
}

/// Returns the strings that satisfy a node, which `propertyNames` is.
pub(super) fn allowed(compiler: &mut Compiler<'_>, node: NodeId) -> Result<Dfa, SchemaError> {
    let choices = compiler.choices(node)?;
    let found = strings_of_any(&choices, &compiler.budget);
    found.map_err(|error| error.at(compiler.place(node)))
}

fn strings_of_any(choices: &[Shape], budget: &Budget) -> Result<Dfa, Exceeded> {
    let mut all = Dfa::all().not();
    for shape in choices.iter().filter(|shape| shape.kinds.has(Kinds::STRING)) {
        all = all.or(&*strings_of(shape, budget)?, budget)?;
    }
    Ok(all)
}

/// Returns the strings of a shape, their length included.
pub(super) fn strings_of(shape: &Shape, budget: &Budget) -> Result<Rc<Dfa>, Exceeded> {
    let dfa = shape.string.automaton();
    if shape.length == Range::default() {
        return Ok(dfa);
    }
    // A bound that the texts keep anyway would only cost states.
    let longest = dfa.longest()[0];
    let keeps_max = |max: u64| longest.is_some_and(|longest| longest as u64 <= max);
    let range = Range {
        min: if dfa.shortest()[0] as u64 >= shape.length.min { 0 } else { shape.length.min },
        max: shape.length.max.filter(|max| !keeps_max(*max)),
    };
    if range == Range::default() {
        return Ok(dfa);
    }
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let (min, max) = (count(range.min), range.max.map(count));
    budget.allows_states(max.unwrap_or(min))?;
    Ok(dfa.and(&Dfa::lengths(min, max), budget)?.shared(budget))
}

/// Returns the members of an object that have no name of their own, sorted by the schemas they satisfy.
pub(super) fn others(
    compiler: &mut Compiler<'_>,
    object: &Object,
    named: &[String],
    pointer: &str,
) -> Result<Vec<Others>, SchemaError> {
    let budget = compiler.budget.clone();
    let large = |error: Exceeded| error.at(pointer);
    let taken = named.iter().chain(&object.forbidden);
    budget.spend(named.len() + object.forbidden.len()).map_err(large)?;
    let mut start = Dfa::words(taken.map(String::as_str)).not();
    for node in &object.names {
        let allowed = allowed(compiler, *node)?;
        start = start.and(&allowed, &budget).map_err(large)?;
    }
    let mut sets = vec![(start.minimal(&budget), Vec::new())];
    for layer in &object.layers {
        let patterns: Vec<_> = layer.patterns.iter().map(|(dfa, node)| (dfa, *node)).collect();
        sets = split(sets, &patterns, layer.rest, &budget).map_err(large)?;
    }
    let mut found = Vec::new();
    for (names, nodes) in sets {
        let value = compiler.nodes.all(&nodes);
        if !compiler.is_empty(value, 1) {
            found.push(Others { names, value });
        }
    }
    Ok(found)
}

type Sets = Vec<(Dfa, Vec<NodeId>)>;

/// Splits sets of names by which patterns they match; those that match none satisfy `rest`.
fn split(
    sets: Sets,
    patterns: &[(&Rc<Dfa>, NodeId)],
    rest: Option<NodeId>,
    budget: &Budget,
) -> Result<Sets, Exceeded> {
    let mut split: Vec<(Dfa, Vec<NodeId>, bool)> =
        sets.into_iter().map(|(names, nodes)| (names, nodes, false)).collect();
    for (pattern, node) in patterns {
        let mut finer = Vec::new();
        for (names, nodes, matched) in split {
            let inside = names.and(pattern, budget)?;
            if inside.is_empty() {
                finer.push((names, nodes, matched));
                continue;
            }
            let outside = names.minus(pattern, budget)?;
            if !outside.is_empty() {
                finer.push((outside.minimal(budget), nodes.clone(), matched));
            }
            let nodes = nodes.iter().copied().chain([*node]).collect();
            finer.push((inside.minimal(budget), nodes, true));
        }
        split = finer;
    }
    let with_rest = |(names, mut nodes, matched): (Dfa, Vec<NodeId>, bool)| {
        nodes.extend(rest.filter(|_| !matched));
        (names, nodes)
    };
    Ok(split.into_iter().map(with_rest).collect())
}

//! The names that members of an object may have, as automata.

use std::rc::Rc;

use super::compiler::Compiler;
use super::dfa::{Dfa, TooManyStates};
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
    let limit = compiler.options.limits.states;
    let pointer = compiler.place(node);
    let choices = compiler.choices(node)?;
    let strings = choices.iter().filter(|shape| shape.kinds.has(Kinds::STRING));
    let mut all: Option<Dfa> = None;
    for shape in strings {
        let dfa = strings_of(shape, limit).map_err(|error| large(&pointer, error))?;
        all = Some(match all {
            Some(all) => all.or(&dfa, limit).map_err(|error| large(&pointer, error))?,
            None => (*dfa).clone(),
        });
    }
    Ok(all.unwrap_or_else(|| Dfa::all().not()))
}

/// Returns the strings of a shape, their length included.
pub(super) fn strings_of(shape: &Shape, limit: usize) -> Result<Rc<Dfa>, TooManyStates> {
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
    let count = |count: u64| usize::try_from(count).ok().filter(|count| *count <= limit);
    let min = count(range.min).ok_or(TooManyStates(limit))?;
    let max = match range.max {
        Some(max) => Some(count(max).ok_or(TooManyStates(limit))?),
        None => None,
    };
    Ok(dfa.and(&Dfa::lengths(min, max), limit)?.shared())
}

/// Returns the members of an object that have no name of their own, sorted by the schemas they satisfy.
pub(super) fn others(
    compiler: &mut Compiler<'_>,
    object: &Object,
    named: &[String],
    pointer: &str,
) -> Result<Vec<Others>, SchemaError> {
    let limit = compiler.options.limits.states;
    let mut start = Dfa::words(named.iter().map(String::as_str)).not();
    if !object.forbidden.is_empty() {
        let forbidden = Dfa::words(object.forbidden.iter().map(String::as_str));
        start = start.minus(&forbidden, limit).map_err(|error| large(pointer, error))?;
    }
    for node in &object.names {
        let allowed = allowed(compiler, *node)?;
        start = start.and(&allowed, limit).map_err(|error| large(pointer, error))?;
    }
    let mut sets = vec![(start.minimal(), Vec::new())];
    for layer in &object.layers {
        let patterns: Vec<_> = layer.patterns.iter().map(|(dfa, node)| (dfa, *node)).collect();
        sets = split(sets, &patterns, layer.rest, limit).map_err(|error| large(pointer, error))?;
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
    limit: usize,
) -> Result<Sets, TooManyStates> {
    let mut split: Vec<(Dfa, Vec<NodeId>, bool)> =
        sets.into_iter().map(|(names, nodes)| (names, nodes, false)).collect();
    for (pattern, node) in patterns {
        let mut finer = Vec::new();
        for (names, nodes, matched) in split {
            let inside = names.and(pattern, limit)?;
            if inside.is_empty() {
                finer.push((names, nodes, matched));
                continue;
            }
            let outside = names.minus(pattern, limit)?;
            if !outside.is_empty() {
                finer.push((outside.minimal(), nodes.clone(), matched));
            }
            let nodes = nodes.iter().copied().chain([*node]).collect();
            finer.push((inside.minimal(), nodes, true));
        }
        split = finer;
    }
    let with_rest = |(names, mut nodes, matched): (Dfa, Vec<NodeId>, bool)| {
        nodes.extend(rest.filter(|_| !matched));
        (names, nodes)
    };
    Ok(split.into_iter().map(with_rest).collect())
}

fn large(pointer: &str, TooManyStates(limit): TooManyStates) -> SchemaError {
    SchemaError::TooLarge {
        pointer: pointer.to_owned(),
        keyword: "patternProperties".to_owned(),
        what: "states of an automaton".to_owned(),
        limit,
    }
}

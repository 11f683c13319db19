//! Parts of the schema that hold at once, numbered: what one value in the output has to satisfy.

use std::collections::HashMap;

use serde_json::Value;

use super::document::SchemaId;

/// What one value satisfies, by its place in a list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct NodeId(usize);

/// One demand.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Term {
    /// The part of the schema holds.
    Holds(SchemaId),
    /// The part of the schema does not hold.
    Fails(SchemaId),
    /// The value is equal to the value of this number.
    Equals(usize),
    /// The value is not equal to it.
    Differs(usize),
    /// The value satisfies one demand of the list with this number.
    Either(usize),
    /// No value satisfies it.
    Never,
}

/// All nodes so far; equal demands are one node.
#[derive(Debug, Default)]
pub(super) struct Nodes<'a> {
    terms: Vec<Vec<Term>>,
    known: HashMap<Vec<Term>, NodeId>,
    values: Vec<&'a Value>,
    eithers: Vec<Vec<Term>>,
    known_eithers: HashMap<Vec<Term>, usize>,
    /// The number of each value, by where it stands in memory.
    numbers: HashMap<*const Value, usize>,
}

impl<'a> Nodes<'a> {
    /// Returns the node of these demands.
    pub(super) fn node(&mut self, terms: impl IntoIterator<Item = Term>) -> NodeId {
        let mut terms: Vec<Term> = terms.into_iter().collect();
        terms.sort_unstable();
        terms.dedup();
        let fresh = NodeId(self.terms.len());
        let node = *self.known.entry(terms.clone()).or_insert(fresh);
        if node == fresh {
            self.terms.push(terms);
        }
        node
    }

    /// Returns the node of all these nodes' demands.
    pub(super) fn all(&mut self, nodes: &[NodeId]) -> NodeId {
        if let [only] = nodes {
            return *only;
        }
        let terms: Vec<Term> = nodes.iter().flat_map(|node| self.terms(*node).to_vec()).collect();
        self.node(terms)
    }

    /// Returns the demands of a node.
    pub(super) fn terms(&self, node: NodeId) -> &[Term] {
        &self.terms[node.0]
    }

    /// Returns the demand that one of these holds.
    pub(super) fn either(&mut self, terms: impl IntoIterator<Item = Term>) -> Term {
        let mut terms: Vec<Term> = terms.into_iter().collect();
        terms.sort_unstable();
        terms.dedup();
        if let [only] = terms.as_slice() {
            return *only;
        }
        let fresh = self.eithers.len();
        let list = *self.known_eithers.entry(terms.clone()).or_insert(fresh);
        if list == fresh {
            self.eithers.push(terms);
        }
        Term::Either(list)
    }

    /// Returns the demands of a list of which one holds.
    pub(super) fn one_of(&self, list: usize) -> &[Term] {
        &self.eithers[list]
    }

    /// Returns the number of `value`.
    pub(super) fn number(&mut self, value: &'a Value) -> usize {
        let fresh = self.values.len();
        let number = *self.numbers.entry(std::ptr::from_ref(value)).or_insert(fresh);
        if number == fresh {
            self.values.push(value);
        }
        number
    }

    /// Returns the value of this number.
    pub(super) fn value(&self, number: usize) -> &'a Value {
        self.values[number]
    }

    /// Returns how many nodes there are.
    pub(super) fn count(&self) -> usize {
        self.terms.len()
    }
}

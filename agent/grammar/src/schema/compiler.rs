//! From a node, which is parts of the schema that hold at once, to its alternatives.
//!
//! Every "or" of a schema (`anyOf`, `oneOf`, `not`, `if`, ...) is multiplied out here, so that what comes after
//! only knows alternatives without one. References are followed, and a part of the schema is read once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value;

use super::budget::{Budget, Exceeded};
use super::decimal::Decimal;
use super::dfa::Dfa;
use super::distinct::Distinct;
use super::document::{Document, SchemaId};
use super::error::SchemaError;
use super::keywords;
use super::nodes::{NodeId, Nodes, Term};
use super::options::Options;
use super::shape::{Kinds, Shape};

/// How deep an alternative is looked into for a contradiction.
const DEPTH: usize = 4;

/// How often looking for a contradiction may lead to looking for another one.
const MAX_LOOKING: usize = 12;

/// As many alternatives are multiplied out before those that contradict themselves are looked for.
const MANY: usize = 8;

/// What it costs to combine two alternatives, in steps.
const PAIR: usize = 8;

/// Alternatives; a value satisfies at least one of them.
pub(super) type Choices = Vec<Shape>;

/// Whether a part of the schema is to hold or to fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    Holds,
    Fails,
}

/// What is known while a schema is read.
#[derive(Debug)]
pub(super) struct Compiler<'a> {
    pub(super) document: Document<'a>,
    pub(super) nodes: Nodes<'a>,
    pub(super) options: Options,
    pub(super) budget: Rc<Budget>,
    /// The automata of patterns so far: many members have the same format.
    pub(super) automata: HashMap<String, Dfa>,
    terms: HashMap<Term, Rc<Choices>>,
    node_choices: HashMap<NodeId, Rc<Choices>>,
    empty: HashMap<NodeId, bool>,
    /// The demands that are being read; one that needs itself has no meaning.
    open: HashSet<Term>,
    /// How many nodes are being looked into for a contradiction.
    looking: usize,
}

impl<'a> Compiler<'a> {
    /// Returns a compiler of `root`, which may refer to `others` by their URI.
    pub(super) fn new(
        root: &'a Value,
        others: &'a BTreeMap<String, Value>,
        options: Options,
    ) -> Result<Self, SchemaError> {
        let document = Document::new(root, others, options.draft)?;
        Ok(Self {
            document,
            nodes: Nodes::default(),
            budget: Rc::new(Budget::new(&options.limits)),
            options,
            automata: HashMap::new(),
            terms: HashMap::new(),
            node_choices: HashMap::new(),
            empty: HashMap::new(),
            open: HashSet::new(),
            looking: 0,
        })
    }

    /// Returns the node of the whole schema.
    pub(super) fn root(&mut self) -> NodeId {
        let root = self.document.whole();
        self.nodes.node([Term::Holds(root)])
    }

    /// Returns the alternatives of a node.
    pub(super) fn choices(&mut self, node: NodeId) -> Result<Rc<Choices>, SchemaError> {
        if let Some(known) = self.node_choices.get(&node) {
            return Ok(known.clone());
        }
        let limit = self.options.limits.parts;
        if self.nodes.count() > limit {
            return Err(Exceeded { what: "parts of the schema", limit }.at(self.place(node)));
        }
        let terms = self.nodes.terms(node).to_vec();
        let mut all = vec![Shape::any()];
        for term in &terms {
            let choices = self.term(*term)?;
            all = self.both(&all, &choices).map_err(|error| error.at(self.place_of(*term)))?;
        }
        let all = Rc::new(all);
        self.node_choices.insert(node, all.clone());
        Ok(all)
    }

    /// Returns the alternatives of one demand.
    pub(super) fn term(&mut self, term: Term) -> Result<Rc<Choices>, SchemaError> {
        if let Some(known) = self.terms.get(&term) {
            return Ok(known.clone());
        }
        let limit = self.options.limits.depth;
        if self.open.len() >= limit {
            let what = "references and combinations inside each other";
            return Err(Exceeded { what, limit }.at(self.place_of(term)));
        }
        if self.open.contains(&term) {
            return Err(SchemaError::Malformed {
                pointer: self.place_of(term),
                keyword: "$ref".to_owned(),
                hint: "the schema refers to itself without an object or array between".to_owned(),
            });
        }
        self.open.insert(term);
        let choices = match term {
            Term::Holds(at) => keywords::read(self, at, Wanted::Holds),
            Term::Fails(at) => keywords::read(self, at, Wanted::Fails),
            Term::Equals(value) => super::values::equals(self, &[self.nodes.value(value)], ""),
            Term::Differs(value) => super::values::differs(self, &[self.nodes.value(value)], ""),
            Term::Either(list) => self.either(list),
            Term::Never => Ok(Vec::new()),
        };
        self.open.remove(&term);
        let choices = Rc::new(choices?);
        self.terms.insert(term, choices.clone());
        Ok(choices)
    }

    fn either(&mut self, list: usize) -> Result<Choices, SchemaError> {
        let mut all = Distinct::default();
        for term in self.nodes.one_of(list).to_vec() {
            let found = self.term(term)?;
            found.iter().for_each(|shape| all.add(shape.clone()));
        }
        Ok(all.into_shapes())
    }

    /// Returns the alternatives of the part `at`.
    pub(super) fn part(
        &mut self,
        at: SchemaId,
        wanted: Wanted,
    ) -> Result<Rc<Choices>, SchemaError> {
        self.term(demand(at, wanted))
    }

    /// Returns the alternatives that satisfy one of `a` and one of `b`.
    pub(super) fn both(&mut self, a: &[Shape], b: &[Shape]) -> Result<Choices, Exceeded> {
        if let [only] = b
            && *only == Shape::any()
        {
            return Ok(a.to_vec());
        }
        if let [only] = a
            && *only == Shape::any()
        {
            return Ok(b.to_vec());
        }
        let limit = self.options.limits.alternatives;
        let mut all = Distinct::default();
        for left in a {
            for right in b {
                self.budget.spend(PAIR + left.weight() + right.weight())?;
                left.and(right, &self.budget)?.into_iter().for_each(|both| all.add(both));
                if all.count() > limit {
                    all = self.possible(all.into_shapes()).into_iter().collect();
                }
                if all.count() > limit {
                    return Err(Exceeded { what: "alternatives", limit });
                }
            }
        }
        let all = all.into_shapes();
        Ok(if all.len() > MANY { self.possible(all) } else { all })
    }

    /// Returns whether no value satisfies a node. "No" may only mean that none was found to contradict: what is
    /// deeper than `depth`, what is being read just now, and what cannot be read at all counts as possible.
    pub(super) fn is_empty(&mut self, node: NodeId, depth: usize) -> bool {
        if let Some(known) = self.empty.get(&node) {
            return *known;
        }
        if self.looking >= MAX_LOOKING || self.budget.spend(PAIR).is_err() {
            return false;
        }
        self.looking += 1;
        let choices = self.choices(node);
        let is_empty = choices
            .is_ok_and(|choices| choices.iter().all(|shape| self.is_impossible(shape, depth)));
        self.looking -= 1;
        // With a small depth an alternative may pass for possible only because nobody looked.
        if is_empty || depth >= DEPTH {
            self.empty.insert(node, is_empty);
        }
        is_empty
    }

    /// Returns whether a shape contradicts itself in what must be inside of it.
    pub(super) fn is_impossible(&mut self, shape: &Shape, depth: usize) -> bool {
        let inner = Kinds::ARRAY.or(Kinds::OBJECT);
        if depth == 0 || shape.kinds.has(inner.not()) {
            return false;
        }
        let object = !shape.kinds.has(Kinds::OBJECT)
            || shape.object.required.iter().any(|name| {
                let node = self.nodes.all(&shape.object.member(name));
                self.is_empty(node, depth - 1)
            });
        let items = usize::try_from(shape.array.length.min).unwrap_or(usize::MAX);
        let items = items.min(shape.array.first_alike() + 1);
        object
            && (!shape.kinds.has(Kinds::ARRAY)
                || (0..items).any(|at| {
                    let node = self.nodes.all(&shape.array.item(at));
                    self.is_empty(node, depth - 1)
                }))
    }

    /// Returns the shapes without those that contradict themselves.
    pub(super) fn possible(&mut self, shapes: Choices) -> Choices {
        shapes.into_iter().filter(|shape| !self.is_impossible(shape, DEPTH)).collect()
    }

    fn schema_of(&self, term: Term) -> Option<SchemaId> {
        match term {
            Term::Holds(at) | Term::Fails(at) => Some(at),
            Term::Equals(_) | Term::Differs(_) | Term::Either(_) | Term::Never => None,
        }
    }

    /// Returns the pointer of the part of the schema that a demand comes from.
    fn place_of(&self, term: Term) -> String {
        self.schema_of(term).map(|at| self.document.pointer(at).to_owned()).unwrap_or_default()
    }

    /// Returns the pointer of the first part of the schema that a node stands for.
    pub(super) fn place(&self, node: NodeId) -> String {
        let part = self.nodes.terms(node).iter().find_map(|term| self.schema_of(*term));
        part.map(|at| self.document.pointer(at).to_owned()).unwrap_or_default()
    }

    /// Returns the node of the part `at` below which `names` lead.
    pub(super) fn below(&mut self, at: SchemaId, names: &[&str], wanted: Wanted) -> NodeId {
        let part = self.document.below(at, names);
        self.nodes.node([demand(part, wanted)])
    }

    /// Returns the node that nothing satisfies.
    pub(super) fn never(&mut self) -> NodeId {
        self.nodes.node([Term::Never])
    }

    /// Returns the node that everything satisfies.
    pub(super) fn anything(&mut self) -> NodeId {
        self.nodes.node([])
    }

    /// Returns the error that the keyword `key` of `at` is malformed.
    pub(super) fn malformed(&self, at: SchemaId, key: &str, hint: &str) -> SchemaError {
        SchemaError::Malformed {
            pointer: self.key_pointer(at, key),
            keyword: key.to_owned(),
            hint: hint.to_owned(),
        }
    }

    /// Returns the error that the keyword `key` of `at` cannot be enforced.
    pub(super) fn unsupported(
        &self,
        at: SchemaId,
        key: &str,
        hint: impl Into<String>,
    ) -> SchemaError {
        SchemaError::Unsupported {
            pointer: self.key_pointer(at, key),
            keyword: key.to_owned(),
            hint: hint.into(),
        }
    }

    /// Returns the error that the keyword `key` of `at` costs more than it may.
    pub(super) fn exceeded(&self, at: SchemaId, key: &str, exceeded: Exceeded) -> SchemaError {
        exceeded.at(self.key_pointer(at, key))
    }

    /// Returns whether the part `at` is being read.
    pub(super) fn is_open(&self, at: SchemaId, wanted: Wanted) -> bool {
        self.open.contains(&demand(at, wanted))
    }

    fn key_pointer(&self, at: SchemaId, key: &str) -> String {
        format!("{}/{}", self.document.pointer(at), super::document::escaped(key))
    }

    /// Returns the natural number of the keyword `key`.
    pub(super) fn natural(&self, at: SchemaId, key: &str) -> Result<u64, SchemaError> {
        let number = self.decimal(at, key)?;
        number.natural().ok_or_else(|| self.malformed(at, key, "a natural number is expected"))
    }

    /// Returns the number of the keyword `key`.
    pub(super) fn decimal(&self, at: SchemaId, key: &str) -> Result<Decimal, SchemaError> {
        let number = self.document.get(at, key).and_then(Value::as_number);
        let number = number.ok_or_else(|| self.malformed(at, key, "a number is expected"))?;
        Decimal::new(number).ok_or_else(|| {
            self.unsupported(at, key, format!("the exponent of {number} is too large"))
        })
    }

    /// Returns the text of the keyword `key`.
    pub(super) fn text(&self, at: SchemaId, key: &str) -> Result<&'a str, SchemaError> {
        let text = self.document.get(at, key).and_then(Value::as_str);
        text.ok_or_else(|| self.malformed(at, key, "a string is expected"))
    }

    /// Returns the list of the keyword `key`.
    pub(super) fn list(&self, at: SchemaId, key: &str) -> Result<&'a [Value], SchemaError> {
        let list = self.document.get(at, key).and_then(Value::as_array);
        list.map(Vec::as_slice).ok_or_else(|| self.malformed(at, key, "an array is expected"))
    }

    /// Returns the members of the keyword `key`; none where it is missing.
    pub(super) fn members(&self, at: SchemaId, key: &str) -> Result<Vec<&'a String>, SchemaError> {
        match self.document.get(at, key) {
            None => Ok(Vec::new()),
            Some(Value::Object(members)) => Ok(members.keys().collect()),
            Some(_) => Err(self.malformed(at, key, "an object is expected")),
        }
    }
}

fn demand(at: SchemaId, wanted: Wanted) -> Term {
    match wanted {
        Wanted::Holds => Term::Holds(at),
        Wanted::Fails => Term::Fails(at),
    }
}

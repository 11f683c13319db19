//! One alternative of a schema: what is demanded of a value, kind by kind, without any "or".

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::budget::{Budget, Exceeded};
use super::dfa::Dfa;
use super::document::SchemaId;
use super::lang::Lang;
use super::nodes::NodeId;

/// Which kinds of JSON values are possible, as bits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NULL: Self = Self(1);
    pub(super) const FALSE: Self = Self(2);
    pub(super) const TRUE: Self = Self(4);
    pub(super) const NUMBER: Self = Self(8);
    pub(super) const STRING: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    pub(super) const BOOLEAN: Self = Self(6);
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(127);

    /// Returns whether one of `other` is possible.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the kinds in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns the kinds in either.
    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the other kinds.
    pub(super) fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }
}

/// A conjunction of demands. Demands on one kind say nothing about the others, as in JSON Schema.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Shape {
    pub(super) kinds: Kinds,
    /// Plain texts of numbers (see `number`).
    pub(super) number: Lang,
    /// Whether numbers are written without a point, however whole they are.
    pub(super) is_pointless: bool,
    pub(super) string: Lang,
    /// How many characters a string has.
    pub(super) length: Range,
    pub(super) array: Array,
    pub(super) object: Object,
}

/// From how many to how many.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Range {
    pub(super) min: u64,
    pub(super) max: Option<u64>,
}

impl Range {
    /// Returns the range from `min` on.
    pub(super) fn from(min: u64) -> Self {
        Self { min, max: None }
    }

    /// Returns the range up to `max`.
    pub(super) fn to(max: u64) -> Self {
        Self { min: 0, max: Some(max) }
    }

    /// Returns what is in both.
    pub(super) fn and(self, other: Self) -> Self {
        let max = match (self.max, other.max) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { min: self.min.max(other.min), max }
    }

    /// Returns whether nothing is in it.
    pub(super) fn is_empty(self) -> bool {
        self.max.is_some_and(|max| max < self.min)
    }
}

/// What is demanded of an array.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Array {
    pub(super) layers: Vec<Rc<Items>>,
    pub(super) length: Range,
    pub(super) contains: Vec<Contains>,
    /// The part of the schema that wants no two items equal.
    pub(super) unique: Option<SchemaId>,
}

/// The items that one schema knows: the first ones each, then the others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Items {
    pub(super) first: Vec<NodeId>,
    pub(super) rest: Option<NodeId>,
}

/// How many items satisfy `item`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Contains {
    pub(super) item: NodeId,
    pub(super) not_item: NodeId,
    pub(super) count: Range,
    /// From which item on they are counted.
    pub(super) from: u64,
}

/// What is demanded of an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Object {
    pub(super) layers: Vec<Rc<Members>>,
    pub(super) required: Vec<String>,
    pub(super) forbidden: BTreeSet<String>,
    /// What each name satisfies.
    pub(super) names: Vec<NodeId>,
    pub(super) count: Range,
    /// Members that must be there, by a set of names and what one of them holds.
    pub(super) exists: Vec<Exists>,
}

/// There is a member with one of these names that satisfies `value`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Exists {
    pub(super) names: Rc<Dfa>,
    pub(super) value: NodeId,
}

/// The members that one schema knows: by name, by pattern of the name, and the others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Members {
    pub(super) named: Named,
    pub(super) patterns: Vec<(Rc<Dfa>, NodeId)>,
    pub(super) rest: Option<NodeId>,
}

/// Members by name, in the order in which they were declared, each name once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Named {
    order: Vec<(String, NodeId)>,
    /// Where each name stands. Some objects have thousands, and each is looked up.
    places: HashMap<String, usize>,
}

impl Named {
    /// Returns the members in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, NodeId)> {
        self.order.iter().map(|(name, node)| (name, *node))
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> usize {
        self.order.len()
    }

    fn get(&self, name: &str) -> Option<NodeId> {
        self.places.get(name).map(|place| self.order[*place].1)
    }
}

impl FromIterator<(String, NodeId)> for Named {
    fn from_iter<I: IntoIterator<Item = (String, NodeId)>>(members: I) -> Self {
        let mut named = Self::default();
        for (name, node) in members {
            if let Entry::Vacant(place) = named.places.entry(name.clone()) {
                place.insert(named.order.len());
                named.order.push((name, node));
            }
        }
        named
    }
}

impl Members {
    /// Returns what the member `name` satisfies as far as this schema is concerned.
    pub(super) fn of(&self, name: &str) -> Vec<NodeId> {
        let named = self.named.get(name).into_iter();
        let patterns = self.patterns.iter().filter(|(dfa, _)| dfa.accepts(name));
        let mut found: Vec<NodeId> = named.chain(patterns.map(|(_, node)| *node)).collect();
        if found.is_empty() {
            found.extend(self.rest);
        }
        found
    }
}

impl Shape {
    /// Returns the shape of these kinds, with nothing else demanded.
    pub(super) fn of(kinds: Kinds) -> Self {
        Self {
            kinds,
            number: Lang::default(),
            is_pointless: false,
            string: Lang::default(),
            length: Range::default(),
            array: Array::default(),
            object: Object::default(),
        }
    }

    /// Returns the shape of every value.
    pub(super) fn any() -> Self {
        Self::of(Kinds::ALL)
    }

    /// Returns what both demand, or nothing when no value satisfies both.
    pub(super) fn and(&self, other: &Self, budget: &Budget) -> Result<Option<Self>, Exceeded> {
        let mut both = Self::of(self.kinds.and(other.kinds));
        if both.kinds.has(Kinds::NUMBER) {
            both.number = self.number.and(&other.number, budget)?;
            both.is_pointless = self.is_pointless || other.is_pointless;
        }
        if both.kinds.has(Kinds::STRING) {
            both.string = self.string.and(&other.string, budget)?;
            both.length = self.length.and(other.length);
        }
        if both.kinds.has(Kinds::ARRAY) {
            both.array = self.array.and(&other.array);
        }
        if both.kinds.has(Kinds::OBJECT) {
            both.object = self.object.and(&other.object);
        }
        Ok(both.settled())
    }

    /// Returns how much there is to copy, in steps.
    pub(super) fn weight(&self) -> usize {
        let (object, array) = (&self.object, &self.array);
        let names = object.required.len() + object.forbidden.len() + object.exists.len();
        let layers = object.layers.len() + array.layers.len() + array.contains.len();
        names + layers
    }

    /// Returns the shape without the kinds that are impossible, or nothing when none is left.
    pub(super) fn settled(mut self) -> Option<Self> {
        let without = |kinds: Kinds, kind: Kinds, is_empty: bool| {
            if is_empty { kinds.and(kind.not()) } else { kinds }
        };
        if let (Some(words), range) = (&self.string.words, self.length)
            && range != Range::default()
        {
            let fits = |word: &&String| {
                let count = word.chars().count() as u64;
                count >= range.min && range.max.is_none_or(|max| count <= max)
            };
            self.string = Lang::words(words.iter().filter(fits).cloned().collect());
            self.length = Range::default();
        }
        let no_string = self.string.is_empty() || self.length.is_empty();
        self.kinds = without(self.kinds, Kinds::NUMBER, self.number.is_empty());
        self.kinds = without(self.kinds, Kinds::STRING, no_string);
        self.kinds = without(self.kinds, Kinds::ARRAY, self.array.length.is_empty());
        self.kinds = without(self.kinds, Kinds::OBJECT, self.object.is_empty());
        if self.kinds == Kinds::NONE {
            return None;
        }
        // What is demanded of an impossible kind would make equal shapes differ.
        if !self.kinds.has(Kinds::NUMBER) {
            self.number = Lang::default();
            self.is_pointless = false;
        }
        if !self.kinds.has(Kinds::STRING) {
            self.string = Lang::default();
            self.length = Range::default();
        }
        if !self.kinds.has(Kinds::ARRAY) {
            self.array = Array::default();
        }
        if !self.kinds.has(Kinds::OBJECT) {
            self.object = Object::default();
        }
        Some(self)
    }
}

impl Array {
    fn and(&self, other: &Self) -> Self {
        Self {
            layers: union(&self.layers, &other.layers),
            length: self.length.and(other.length),
            contains: union(&self.contains, &other.contains),
            unique: self.unique.or(other.unique),
        }
    }

    /// Returns what the item `at` satisfies.
    pub(super) fn item(&self, at: usize) -> Vec<NodeId> {
        self.layers.iter().filter_map(|layer| layer.first.get(at).copied().or(layer.rest)).collect()
    }

    /// Returns from which place on all items are alike.
    pub(super) fn first_alike(&self) -> usize {
        self.layers.iter().map(|layer| layer.first.len()).max().unwrap_or(0)
    }
}

impl Object {
    fn and(&self, other: &Self) -> Self {
        Self {
            layers: union(&self.layers, &other.layers),
            required: union_of_names(&self.required, &other.required),
            forbidden: self.forbidden.union(&other.forbidden).cloned().collect(),
            names: union(&self.names, &other.names),
            count: self.count.and(other.count),
            exists: union(&self.exists, &other.exists),
        }
    }

    fn is_empty(&self) -> bool {
        self.count.is_empty()
            || self.required.iter().any(|name| self.forbidden.contains(name))
            || self.count.max.is_some_and(|max| max < self.required.len() as u64)
    }

    /// Returns what the member `name` satisfies.
    pub(super) fn member(&self, name: &str) -> Vec<NodeId> {
        self.layers.iter().flat_map(|layer| layer.of(name)).collect()
    }
}

fn union_of_names(a: &[String], b: &[String]) -> Vec<String> {
    let known: HashSet<&String> = a.iter().collect();
    a.iter().chain(b.iter().filter(|name| !known.contains(name))).cloned().collect()
}

fn union<T: Clone + PartialEq>(a: &[T], b: &[T]) -> Vec<T> {
    let mut all = a.to_vec();
    all.extend(b.iter().filter(|item| !a.contains(item)).cloned());
    all
}

//! What was said earlier that still matters: values that later rules depend on, and texts that must not come out.
//!
//! A context is a set of such facts, hash-consed like everything else: a place has the number of one, and nearly
//! always that of the empty one, which costs nothing.

use std::collections::HashMap;

use super::table::Mixing;

/// The number of a context. None of the facts matters in context 0.
pub(super) type ContextId = u32;
/// Where a value is kept, for the rules that depend on it.
pub(super) type Slot = u32;

/// The context in which nothing matters.
pub(super) const NOTHING: ContextId = 0;

/// What a rule said.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Value {
    /// A name, by its number.
    Name(u32),
    /// The piece of a native automaton that ends here, and the length of its spelling.
    Piece(u32, usize, usize),
}

/// One fact.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Fact {
    /// A piece is being said; so many bytes of its spelling were.
    Saying(Slot, usize),
    /// This was said.
    Said(Slot, Value),
    /// What was said since rule `key` began is the beginning of these texts of a list: `low` to `high`, up to
    /// `offset`.
    Watch { key: u32, list: u32, low: u32, high: u32, offset: u32 },
}

/// All contexts that were met.
#[derive(Debug)]
pub(super) struct Contexts {
    facts: Vec<Box<[Fact]>>,
    watched: Vec<bool>,
    known: HashMap<Box<[Fact]>, ContextId, Mixing>,
    /// Sorted texts that must not come out as they are.
    lists: Vec<Vec<Box<[u8]>>>,
    /// The lists of values that were said, by the number of their ends too.
    list_of: HashMap<(Value, u32), u32, Mixing>,
    bytes: usize,
}

impl Contexts {
    /// Returns the empty context, and the lists of texts that a program names.
    pub(super) fn new(lists: Vec<Vec<Box<[u8]>>>) -> Self {
        let mut contexts = Self {
            facts: Vec::new(),
            watched: Vec::new(),
            known: HashMap::default(),
            lists,
            list_of: HashMap::default(),
            bytes: 0,
        };
        contexts.intern(Vec::new());
        contexts
    }

    /// Returns whether texts are watched that must not come out.
    #[inline]
    pub(super) fn is_watched(&self, context: ContextId) -> bool {
        context != NOTHING && self.watched[context as usize]
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the context after a byte.
    pub(super) fn step(&mut self, context: ContextId, byte: u8) -> ContextId {
        let facts = self.facts[context as usize].to_vec();
        let after = facts.into_iter().filter_map(|fact| match fact {
            Fact::Saying(slot, spelt) => Some(Fact::Saying(slot, spelt + 1)),
            Fact::Said(..) => Some(fact),
            Fact::Watch { key, list, low, high, offset } => {
                let texts = &self.lists[list as usize];
                let (low, high) = narrowed(texts, (low, high), offset, byte);
                (low < high).then_some(Fact::Watch { key, list, low, high, offset: offset + 1 })
            }
        });
        let after = after.collect();
        self.intern(after)
    }

    /// Returns the bytes after which a watched text can still come out, in ascending order.
    pub(super) fn watched_bytes(&self, context: ContextId) -> Vec<u8> {
        let mut bytes = Vec::new();
        for fact in &self.facts[context as usize] {
            if let Fact::Watch { list, low, high, offset, .. } = *fact {
                let texts = &self.lists[list as usize][low as usize..high as usize];
                bytes.extend(texts.iter().filter_map(|text| text.get(offset as usize)));
            }
        }
        bytes.sort_unstable();
        bytes.dedup();
        bytes
    }

    /// Returns the context without any watched text.
    pub(super) fn unwatched(&mut self, context: ContextId) -> ContextId {
        self.without(context, |fact| matches!(fact, Fact::Watch { .. }))
    }

    /// Returns the context in which a piece begins to be said.
    pub(super) fn saying(&mut self, context: ContextId, slot: Slot) -> ContextId {
        self.put(context, slot, Fact::Saying(slot, 0))
    }

    /// Returns the context in which this was said.
    pub(super) fn said(&mut self, context: ContextId, slot: Slot, value: Value) -> ContextId {
        self.put(context, slot, Fact::Said(slot, value))
    }

    /// Returns the context in which the piece is whole that was being said, if one was. `spelt` bytes of its
    /// spelling are not counted yet.
    pub(super) fn said_piece(
        &mut self,
        context: ContextId,
        native: u32,
        end: usize,
        spelt: usize,
    ) -> ContextId {
        match self.being_said(context) {
            None => context,
            Some((slot, before)) => {
                self.said(context, slot, Value::Piece(native, end, before + spelt))
            }
        }
    }

    /// Returns whether a piece is being said that a later rule depends on.
    pub(super) fn is_saying(&self, context: ContextId) -> bool {
        context != NOTHING && self.being_said(context).is_some()
    }

    /// Returns the context without what a rule said.
    pub(super) fn forget(&mut self, context: ContextId, slot: Slot) -> ContextId {
        self.without(context, |fact| slot_of(fact) == Some(slot))
    }

    /// Returns what a rule said.
    pub(super) fn value(&self, context: ContextId, slot: Slot) -> Option<Value> {
        self.facts[context as usize].iter().find_map(|fact| match fact {
            Fact::Said(at, value) if *at == slot => Some(*value),
            Fact::Said(..) | Fact::Saying(..) | Fact::Watch { .. } => None,
        })
    }

    /// Returns the context in which the texts of a list are watched.
    pub(super) fn watch(&mut self, context: ContextId, key: u32, list: u32) -> ContextId {
        let high = u32::try_from(self.lists[list as usize].len()).unwrap_or(u32::MAX);
        if high == 0 {
            return context;
        }
        let mut facts = self.facts[context as usize].to_vec();
        facts.push(Fact::Watch { key, list, low: 0, high, offset: 0 });
        self.intern(facts)
    }

    /// Returns the context at the end of what was watched; nothing when a watched text came out.
    pub(super) fn leave(&mut self, context: ContextId, key: u32) -> Option<ContextId> {
        if context == NOTHING {
            return Some(context);
        }
        let is_out = |fact: &Fact| match *fact {
            Fact::Watch { key: own, list, low, offset, .. } => {
                // The list is sorted: the shortest of those with one beginning comes first.
                let first = &self.lists[list as usize][low as usize];
                own == key && first.len() == offset as usize
            }
            Fact::Saying(..) | Fact::Said(..) => false,
        };
        if self.facts[context as usize].iter().any(is_out) {
            return None;
        }
        let own = |fact: &Fact| matches!(fact, Fact::Watch { key: of, .. } if *of == key);
        Some(self.without(context, own))
    }

    /// Returns the list of one text for a value, which is made by `spell` if it is not there.
    pub(super) fn list_of(&mut self, value: (Value, u32), spell: impl FnOnce() -> Vec<u8>) -> u32 {
        if let Some(list) = self.list_of.get(&value) {
            return *list;
        }
        let text = spell();
        self.bytes += text.len();
        self.lists.push(vec![text.into()]);
        let list = u32::try_from(self.lists.len() - 1).unwrap_or(u32::MAX);
        self.list_of.insert(value, list);
        list
    }

    fn being_said(&self, context: ContextId) -> Option<(Slot, usize)> {
        self.facts[context as usize].iter().find_map(|fact| match fact {
            Fact::Saying(slot, spelt) => Some((*slot, *spelt)),
            Fact::Said(..) | Fact::Watch { .. } => None,
        })
    }

    fn put(&mut self, context: ContextId, slot: Slot, fact: Fact) -> ContextId {
        let mut facts = self.facts[context as usize].to_vec();
        facts.retain(|fact| slot_of(fact) != Some(slot));
        // One order for one set: values by their slots, then what is watched, the outer rules first.
        let at = facts.partition_point(|fact| slot_of(fact).is_some_and(|other| other < slot));
        facts.insert(at, fact);
        self.intern(facts)
    }

    fn without(&mut self, context: ContextId, drops: impl Fn(&Fact) -> bool) -> ContextId {
        if context == NOTHING {
            return context;
        }
        let mut facts = self.facts[context as usize].to_vec();
        facts.retain(|fact| !drops(fact));
        self.intern(facts)
    }

    fn intern(&mut self, facts: Vec<Fact>) -> ContextId {
        if let Some(known) = self.known.get(facts.as_slice()) {
            return *known;
        }
        let id = u32::try_from(self.facts.len()).unwrap_or(u32::MAX);
        let facts: Box<[Fact]> = facts.into();
        // The facts themselves, twice, and what the table needs for them.
        self.bytes += 2 * size_of_val(&*facts) + 64;
        self.watched.push(facts.iter().any(|fact| matches!(fact, Fact::Watch { .. })));
        self.known.insert(facts.clone(), id);
        self.facts.push(facts);
        id
    }
}

fn slot_of(fact: &Fact) -> Option<Slot> {
    match fact {
        Fact::Saying(slot, _) | Fact::Said(slot, _) => Some(*slot),
        Fact::Watch { .. } => None,
    }
}

/// Returns those of `texts[low..high]` that have `byte` at `offset`. They are sorted and agree before that.
fn narrowed(texts: &[Box<[u8]>], (low, high): (u32, u32), offset: u32, byte: u8) -> (u32, u32) {
    let range = &texts[low as usize..high as usize];
    let at = |text: &[u8]| text.get(offset as usize).copied();
    let from = range.partition_point(|text| at(text) < Some(byte));
    let to = range.partition_point(|text| at(text) <= Some(byte));
    let place = |at: usize| low + u32::try_from(at).unwrap_or(u32::MAX);
    (place(from), place(to))
}

//! The states of the matcher: sets of places, found out byte by byte and kept.

use super::bound::Bound;
use super::closure::{Closure, Fuel};
use super::contexts::NOTHING;
use super::error::MatchError;
use super::places::{self, Place, PlaceSets, WHOLE};
use super::program::{Op, Program};
use super::table::IdTable;
use crate::limits::Limits;

/// The number of a state.
pub(super) type StateId = u32;

/// Where bytes lead.
///
/// One place that can only take a byte is its own description: inside fixed text, in a tree of names and in the
/// automaton of a file no state is made until a token ends there.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Cursor {
    /// At this place only, which takes bytes.
    One(Place),
    /// At the places of a state.
    State(StateId),
}

/// Some bytes that lead to the same cursor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) low: u8,
    pub(super) high: u8,
    pub(super) to: Cursor,
}

/// Where the bytes lead from a state, once that is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row {
    Unknown,
    /// These steps, in ascending order: first and last.
    Few(u32, u32),
    /// A whole table of states.
    Wide(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct StateFacts {
    /// The text may end here.
    pub(super) accepting: bool,
    /// A token may be named here.
    pub(super) takes_token: bool,
    /// A token may end here.
    pub(super) may_rest: bool,
    pub(super) row: Row,
    /// Where all safe characters lead.
    pub(super) safe: Safe,
    /// Where the mask lies, when there is one.
    pub(super) mask: Option<u32>,
}

/// Where all characters that every string may hold lead from a state.
#[derive(Clone, Copy, Debug)]
pub(super) enum Safe {
    Unknown,
    /// To one state.
    To(StateId),
    /// None of them may come.
    Nowhere,
    /// Not all the same way.
    Mixed,
}

/// Where no place is left: as after the end of a text.
pub(super) const DEAD: Cursor = Cursor::State(0);

/// In a [`Row::Wide`], a byte that leads nowhere.
pub(super) const NOWHERE: StateId = StateId::MAX;

/// All states that were met.
#[derive(Debug)]
pub(super) struct States {
    pub(super) program: Program,
    pub(super) stacks: PlaceSets,
    pub(super) sets: PlaceSets,
    pub(super) facts: Vec<StateFacts>,
    pub(super) steps: Vec<Step>,
    pub(super) wide: Vec<[StateId; 256]>,
    /// Where single places lead that are not at a byte, by place.
    closed: Vec<(Place, Cursor)>,
    closed_at: IdTable,
    closure: Closure,
    /// Room for another closure while the places of one are looked at.
    pub(super) ahead: Closure,
    pub(super) bound: Bound,
    pub(super) fuel: Fuel,
    memory_limit: usize,
    /// What others keep for these states, in bytes.
    pub(super) kept_outside: usize,
}

impl States {
    /// Returns the states of a program, without any yet but the one after the end.
    pub(super) fn new(mut program: Program, limits: &Limits) -> Self {
        let fuel = Fuel { left: limits.work, work: limits.work, width: limits.width };
        let bound = Bound::new(&mut program);
        let mut states = Self {
            program,
            bound,
            ahead: Closure::default(),
            stacks: PlaceSets::default(),
            sets: PlaceSets::default(),
            facts: Vec::new(),
            steps: Vec::new(),
            wide: Vec::new(),
            closed: Vec::new(),
            closed_at: IdTable::default(),
            closure: Closure::default(),
            fuel,
            memory_limit: limits.memory_bytes,
            kept_outside: 0,
        };
        states.stacks.intern(&[WHOLE]);
        states.intern_set(&[]);
        states
    }

    /// Returns the state before any text.
    pub(super) fn start(&mut self) -> Result<StateId, MatchError> {
        let root = self.program.routines[self.program.root as usize].start;
        let cursor = self.close(&[Place { at: root, stack: 0, context: NOTHING }])?;
        self.settle(cursor)
    }

    /// Allows the next call its full work.
    pub(super) fn refuel(&mut self) {
        self.fuel.left = self.fuel.work;
    }

    /// Returns the bytes in use.
    pub(super) fn bytes(&self) -> usize {
        self.fixed_bytes() + self.row_bytes() + self.kept_outside
    }

    /// Returns the bytes of what is never forgotten.
    fn fixed_bytes(&self) -> usize {
        self.program.bytes()
            + self.bound.bytes()
            + self.stacks.bytes()
            + self.sets.bytes()
            + size_of_val(&*self.facts)
    }

    /// Returns the bytes of what can be forgotten.
    fn row_bytes(&self) -> usize {
        size_of_val(&*self.steps)
            + self.wide.len() * size_of::<[StateId; 256]>()
            + size_of_val(&*self.closed)
            + self.closed_at.bytes()
    }

    /// Forgets where the bytes lead; that is found out again.
    pub(super) fn forget_rows(&mut self) {
        self.steps.clear();
        self.wide.clear();
        self.closed.clear();
        self.closed_at = IdTable::default();
        for facts in &mut self.facts {
            facts.row = Row::Unknown;
        }
    }

    /// Returns where a single place leads before the next byte.
    #[inline]
    pub(super) fn follow(&mut self, place: Place) -> Result<Cursor, MatchError> {
        let place = Place { at: self.program.settled(place.at), ..place };
        if takes_bytes(self.program.op(place.at)) && !self.is_watched(place) {
            return Ok(Cursor::One(place));
        }
        let known = |id: u32| self.closed[id as usize].0 == place;
        if let Some(id) = self.closed_at.find(hash(place), known) {
            return Ok(self.closed[id as usize].1);
        }
        let cursor = self.close(&[place])?;
        let id = u32::try_from(self.closed.len()).unwrap_or(u32::MAX);
        self.closed.push((place, cursor));
        let closed = &self.closed;
        self.closed_at.insert(id, |id| hash(closed[id as usize].0));
        Ok(cursor)
    }

    /// Returns where some places lead before the next byte.
    pub(super) fn close(&mut self, seeds: &[Place]) -> Result<Cursor, MatchError> {
        let seeds = seeds.iter().copied();
        self.closure.run(
            &self.program,
            &mut self.stacks,
            &mut self.bound,
            seeds,
            &mut self.fuel,
        )?;
        if self.closure.found.iter().any(|place| self.is_watched(*place)) {
            self.drop_dead()?;
        }
        if self.closure.whole {
            self.closure.found.push(WHOLE);
        }
        if let [only] = self.closure.found.as_slice()
            && *only != WHOLE
            && takes_bytes(self.program.op(only.at))
        {
            return Ok(Cursor::One(*only));
        }
        let found = std::mem::take(&mut self.closure.found);
        let state = self.intern_set(&found);
        self.closure.found = found;
        self.check_memory()?;
        Ok(Cursor::State(state))
    }

    /// Drops the places from which only texts can come that must not come out.
    fn drop_dead(&mut self) -> Result<(), MatchError> {
        let mut found = std::mem::take(&mut self.closure.found);
        let mut living = Vec::with_capacity(found.len());
        for place in &found {
            if self.is_alive(*place)? {
                living.push(*place);
            }
        }
        std::mem::swap(&mut found, &mut living);
        self.closure.found = found;
        Ok(())
    }

    /// Returns whether texts are watched at a place that must not come out.
    #[inline]
    pub(super) fn is_watched(&self, place: Place) -> bool {
        self.bound.contexts.is_watched(place.context)
    }

    /// Returns the state for a cursor.
    pub(super) fn settle(&mut self, cursor: Cursor) -> Result<StateId, MatchError> {
        match cursor {
            Cursor::State(state) => Ok(state),
            Cursor::One(place) => {
                let state = self.intern_set(&[place]);
                self.check_memory()?;
                Ok(state)
            }
        }
    }

    /// Returns whether a token may end at a cursor.
    #[inline]
    pub(super) fn may_rest(&self, cursor: Cursor) -> bool {
        match cursor {
            Cursor::One(place) => self.program.may_rest(place.at),
            Cursor::State(state) => self.facts[state as usize].may_rest,
        }
    }

    /// Returns the shortest description of where a state stands.
    #[inline]
    pub(super) fn cursor(&self, state: StateId) -> Cursor {
        match self.sets.get(state) {
            [only] if *only != WHOLE && takes_bytes(self.program.op(only.at)) => Cursor::One(*only),
            _ => Cursor::State(state),
        }
    }

    pub(super) fn intern_set(&mut self, set: &[Place]) -> StateId {
        let (id, is_new) = self.sets.intern(set);
        if is_new {
            let token = |place: &Place| {
                *place != WHOLE && matches!(self.program.op(place.at), Op::Token(_))
            };
            self.facts.push(StateFacts {
                accepting: set.last() == Some(&WHOLE),
                takes_token: set.iter().any(token),
                may_rest: set.is_empty() || set.iter().any(|place| self.program.may_rest(place.at)),
                row: Row::Unknown,
                safe: Safe::Unknown,
                mask: None,
            });
        }
        id
    }

    pub(super) fn check_memory(&self) -> Result<(), MatchError> {
        let needed = self.bytes();
        if needed > self.memory_limit {
            return Err(MatchError::Memory { needed, limit: self.memory_limit });
        }
        Ok(())
    }

    /// Returns whether more is kept than may be carried into the next call: half of what the states leave.
    pub(super) fn is_crowded(&self) -> bool {
        let left = self.memory_limit.saturating_sub(self.fixed_bytes());
        self.row_bytes() + self.kept_outside > left / 2
    }
}

fn takes_bytes(op: Op) -> bool {
    match op {
        Op::Byte(_) | Op::Table(_) | Op::Native => true,
        Op::Token(_)
        | Op::Jump(_)
        | Op::Split(_)
        | Op::Call(_)
        | Op::Last(_)
        | Op::End
        | Op::Bind(_) => false,
    }
}

fn hash(place: Place) -> u64 {
    places::hash(&[place])
}

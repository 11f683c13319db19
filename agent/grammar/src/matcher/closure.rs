//! All places that can be reached without taking a byte.
//!
//! Two passes. First from where the text led: ends of routines go back to all their callers, and calls are
//! gathered. Then the routines that were called, those first that begin with others: by then all callers of a
//! routine are known, and become one stack. That order exists because no routine begins with itself.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use super::bound::Bound;
use super::contexts::{ContextId, NOTHING};
use super::error::MatchError;
use super::places::{Place, PlaceSets, WHOLE};
use super::program::{Op, Program, RuleId};
use super::table::Mixing;

/// Up to this many places are looked through one by one, which is faster than a table.
const FEW: usize = 24;

/// Room for one closure, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Closure {
    /// Places at steps that take something, sorted when the closure is done.
    pub(super) found: Vec<Place>,
    /// Whether the text may end here.
    pub(super) whole: bool,
    open: Vec<Place>,
    seen: Vec<Place>,
    seen_many: HashSet<Place, Mixing>,
    /// Calls by the rank of the routine: where each goes on.
    calls: BinaryHeap<Reverse<Call>>,
    callers: Vec<Place>,
}

/// The rank of a routine, the routine, what was said before, and where a caller goes on.
type Call = (u32, RuleId, ContextId, Place);

/// What a closure may use up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fuel {
    pub(super) left: usize,
    pub(super) work: usize,
    pub(super) width: usize,
}

impl Fuel {
    pub(super) fn take(&mut self, steps: usize) -> Result<(), MatchError> {
        self.left = self.left.checked_sub(steps).ok_or(MatchError::Work(self.work))?;
        Ok(())
    }
}

impl Closure {
    /// Finds all places that can be reached from `seeds`; [`WHOLE`] is one of them where the text may end.
    pub(super) fn run(
        &mut self,
        program: &Program,
        stacks: &mut PlaceSets,
        bound: &mut Bound,
        seeds: impl IntoIterator<Item = Place>,
        fuel: &mut Fuel,
    ) -> Result<(), MatchError> {
        self.clear();
        self.open.extend(seeds);
        while let Some(place) = self.open.pop() {
            self.step(program, stacks, bound, place, Entered::Before, fuel)?;
        }
        while let Some(Reverse((_, routine, context, first))) = self.calls.pop() {
            self.callers.clear();
            self.callers.push(first);
            while let Some(Reverse((_, same, with, caller))) = self.calls.peek()
                && (*same, *with) == (routine, context)
            {
                if self.callers.last() != Some(caller) {
                    self.callers.push(*caller);
                }
                self.calls.pop();
            }
            let (stack, _) = stacks.intern(&self.callers);
            let start = program.routines[routine as usize].start;
            self.open.push(Place { at: start, stack, context });
            while let Some(place) = self.open.pop() {
                self.step(program, stacks, bound, place, Entered::Now, fuel)?;
            }
        }
        self.found.sort_unstable();
        self.found.dedup();
        Ok(())
    }

    fn clear(&mut self) {
        self.found.clear();
        self.whole = false;
        self.open.clear();
        self.seen.clear();
        if !self.seen_many.is_empty() {
            self.seen_many = HashSet::default();
        }
        self.calls.clear();
    }

    /// Goes on from one place.
    fn step(
        &mut self,
        program: &Program,
        stacks: &PlaceSets,
        bound: &mut Bound,
        place: Place,
        entered: Entered,
        fuel: &mut Fuel,
    ) -> Result<(), MatchError> {
        fuel.take(1)?;
        if place == WHOLE {
            self.whole = true;
            return Ok(());
        }
        let Place { at, stack, context } = place;
        let op = program.op(at);
        if let Op::Byte(_) | Op::Table(_) | Op::Token(_) | Op::Native = op {
            self.found.push(place);
            return if self.found.len() > fuel.width {
                Err(MatchError::Width(fuel.width))
            } else {
                Ok(())
            };
        }
        if self.is_seen(place) {
            return Ok(());
        }
        let back = Place { at: at + 1, ..place };
        match op {
            Op::Byte(_) | Op::Table(_) | Op::Token(_) | Op::Native => {}
            Op::Jump(target) => self.open.push(Place { at: target, ..place }),
            Op::Split(target) => self.open.extend([Place { at: target, ..place }, back]),
            Op::Bind(bind) => self.open.extend(bound.enter(program, bind, place)?),
            Op::Call(routine) => {
                self.call(program, routine, &[Place { context: NOTHING, ..back }], back);
            }
            Op::Last(routine) => {
                let callers = stacks.get(stack);
                fuel.take(callers.len())?;
                self.call(program, routine, callers, back);
            }
            Op::End if entered == Entered::Before => {
                let callers = stacks.get(stack).iter().copied();
                self.open.extend(callers.map(|caller| match caller {
                    WHOLE => WHOLE,
                    caller => Place { context, ..caller },
                }));
            }
            // Whoever calls a routine that can be empty goes on at once.
            Op::End => {}
        }
        Ok(())
    }

    fn call(&mut self, program: &Program, routine: RuleId, callers: &[Place], next: Place) {
        let rank = program.ranks[routine as usize];
        let call = |caller: &Place| Reverse((rank, routine, next.context, *caller));
        self.calls.extend(callers.iter().map(call));
        if program.nullable[routine as usize] {
            self.open.push(next);
        }
    }

    fn is_seen(&mut self, place: Place) -> bool {
        if self.seen.len() < FEW {
            let seen = self.seen.contains(&place);
            if !seen {
                self.seen.push(place);
            }
            return seen;
        }
        if self.seen_many.is_empty() {
            self.seen_many.extend(self.seen.iter().copied());
        }
        !self.seen_many.insert(place)
    }
}

/// When the routine was entered in which a place lies.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Entered {
    /// Before: a byte of it was taken, or it is the one that a text begins in.
    Before,
    /// In this closure.
    Now,
}

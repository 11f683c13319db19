//! What the steps of bindings do: they enter native automata, and keep what matters later.

use std::collections::HashMap;

use super::contexts::{Contexts, Slot, Value};
use super::error::MatchError;
use super::native::{Natives, Next};
use super::places::Place;
use super::program::{Op, Program, Routine, RuleId};
use super::states::States;

/// A step that takes nothing and that a binding asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bind {
    /// Goes on in a native automaton, and behind this step when that is left.
    Native(u32),
    /// Expands the rule that what was said decides, from this list of branches; this one ends with it.
    By(Slot, u32),
    /// A piece is said from here on, and kept.
    Saying(Slot),
    /// This name was said, and is kept.
    Said(Slot, u32),
    /// What was kept matters no more.
    Forget(Slot),
    /// From here on, none of the texts of a list may come out.
    Watch(u32, u32),
    /// From here on, what was kept may not come out with this end.
    WatchSaid(u32, Slot, u32),
    /// Up to here.
    Leave(u32),
}

/// Which rule a name leads to.
pub(super) type Branches = HashMap<u32, RuleId>;

/// What bindings are run with.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) natives: Natives,
    pub(super) contexts: Contexts,
}

impl Bound {
    /// Returns what the bindings of a program are run with; its data are taken over.
    pub(super) fn new(program: &mut Program) -> Self {
        Self {
            natives: Natives::new(std::mem::take(&mut program.recipes)),
            contexts: Contexts::new(std::mem::take(&mut program.lists)),
        }
    }

    /// Returns where a step leads from its place; nothing where a binding forbids to go on.
    pub(super) fn enter(
        &mut self,
        program: &Program,
        bind: u32,
        place: Place,
    ) -> Result<Option<Place>, MatchError> {
        let contexts = &mut self.contexts;
        let next = |context| Some(Place { at: place.at + 1, context, ..place });
        Ok(match program.binds[bind as usize] {
            Bind::Native(native) => {
                let at = self.natives.enter(native).ok_or(MatchError::Positions)?;
                Some(Place { at, ..place })
            }
            Bind::By(slot, branches) => {
                let branches = &program.branches[branches as usize];
                let rule = match contexts.value(place.context, slot) {
                    Some(Value::Name(name)) => branches.get(&name),
                    Some(Value::Piece(..)) | None => None,
                };
                rule.map(|rule| Place { at: program.routines[*rule as usize].start, ..place })
            }
            Bind::Saying(slot) => next(contexts.saying(place.context, slot)),
            Bind::Said(slot, name) => next(contexts.said(place.context, slot, Value::Name(name))),
            Bind::Forget(slot) => next(contexts.forget(place.context, slot)),
            Bind::Watch(key, list) => next(contexts.watch(place.context, key, list)),
            Bind::WatchSaid(key, slot, end) => match contexts.value(place.context, slot) {
                None => None,
                Some(value) => {
                    let natives = &self.natives;
                    let spell = || spelt(program, natives, value, end);
                    let list = contexts.list_of((value, end), spell);
                    next(contexts.watch(place.context, key, list))
                }
            },
            Bind::Leave(key) => contexts.leave(place.context, key).and_then(next),
        })
    }

    /// Makes the native automata that no branch decides about: those of branches are made when they are come to.
    fn make(&mut self, program: &Program) -> Result<(), MatchError> {
        let late = program.branches.iter().flat_map(Branches::values);
        let late: Vec<&Routine> = late.map(|rule| &program.routines[*rule as usize]).collect();
        for (at, op) in (0..).zip(&program.ops) {
            let Op::Bind(bind) = *op else { continue };
            let Bind::Native(native) = program.binds[bind as usize] else { continue };
            let own = program.routine_at(at);
            if late.iter().all(|routine| routine.start != own.start) {
                self.natives.enter(native).ok_or(MatchError::Positions)?;
            }
        }
        Ok(())
    }

    /// Returns where `byte` leads from a place in a native automaton.
    pub(super) fn step(&mut self, place: Place, byte: u8) -> Option<Place> {
        let made = self.natives.at(place.at);
        Some(match made.next(place.at, byte)? {
            Next::At(at) => self.moved(place, byte, at),
            Next::Exit(end) => {
                let (native, exit) = (made.native, made.exit);
                let context = match end {
                    Some(end) => self.contexts.said_piece(place.context, native, end, 0),
                    None => place.context,
                };
                self.moved(Place { context, ..place }, byte, exit)
            }
        })
    }

    /// Returns the place to which `byte` leads.
    pub(super) fn moved(&mut self, place: Place, byte: u8, at: u32) -> Place {
        let contexts = &mut self.contexts;
        let moves = contexts.is_watched(place.context) || contexts.is_saying(place.context);
        let context = if moves { contexts.step(place.context, byte) } else { place.context };
        Place { at, context, ..place }
    }

    pub(super) fn bytes(&self) -> usize {
        self.natives.bytes() + self.contexts.bytes()
    }
}

impl States {
    /// Makes the native automata that will be needed whatever is said, so that no mask has to wait for them.
    pub(super) fn make_natives(&mut self) -> Result<(), MatchError> {
        self.bound.make(&self.program)?;
        self.check_memory()
    }
}

/// Returns a value as a text says it that ends so.
fn spelt(program: &Program, natives: &Natives, value: Value, end: u32) -> Vec<u8> {
    let value = match value {
        Value::Name(name) => &program.names[name as usize],
        Value::Piece(native, end, spelt) => natives.value(native, end, spelt),
    };
    match &*program.ends[end as usize] {
        [] => crate::json::quote(value).into_bytes(),
        end => [value.as_bytes(), end].concat(),
    }
}

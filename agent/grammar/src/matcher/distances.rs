//! How far the end of a text is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::bound::Bind;
use super::places::{Place, PlaceSets, StackId, WHOLE};
use super::program::{Op, Position, Program};
use super::states::{StateId, States};
use super::table::Mixing;

/// No way to the end is known.
pub(super) const FAR: u32 = u32::MAX;
/// A piece of a character after which no token may end counts as so many bytes: a way with one is taken only where
/// there is no other, and is found to be impossible when its tokens are tried.
const DETOUR: u32 = 1 << 20;

/// How many bytes and named tokens the end is away.
#[derive(Debug)]
pub(super) struct Distances {
    /// From each position to the end of its routine.
    positions: Vec<u32>,
    /// From the end of a routine with these callers to the end of the text.
    stacks: Vec<u32>,
    /// Of states under bindings, which are looked for one by one.
    pub(super) known: HashMap<StateId, u32, Mixing>,
}

impl Distances {
    /// Finds all distances inside routines: Dijkstra's algorithm, as Knuth (1977) has it for grammars.
    pub(super) fn of(states: &States) -> Self {
        let mut search = Search::new(states);
        search.run(&states.program);
        Self { positions: search.found, stacks: Vec::new(), known: HashMap::default() }
    }

    /// Returns the bytes in use.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.positions)
            + size_of_val(&*self.stacks)
            + self.known.len() * 2 * size_of::<(StateId, u32)>()
    }

    /// Returns the distance of a place; under bindings, it is at least so much.
    pub(super) fn of_place(&mut self, states: &States, place: Place) -> u32 {
        if place == WHOLE {
            return 0;
        }
        let here = match self.positions.get(place.at as usize) {
            Some(known) => *known,
            None => {
                let made = states.bound.natives.at(place.at);
                made.distance(place.at).saturating_add(self.positions[made.exit as usize])
            }
        };
        here.saturating_add(self.of_stack(&states.stacks, place.stack))
    }

    /// Returns the distance of a position to the end of its routine.
    pub(super) fn of_position(&self, at: Position) -> u32 {
        self.positions[at as usize]
    }

    fn of_stack(&mut self, stacks: &PlaceSets, stack: StackId) -> u32 {
        // A stack is made of older ones.
        while self.stacks.len() <= stack as usize {
            let id = StackId::try_from(self.stacks.len()).unwrap_or(StackId::MAX);
            let known = |caller: &Place| match *caller == WHOLE {
                true => 0,
                false => self.positions[caller.at as usize]
                    .saturating_add(self.stacks[caller.stack as usize]),
            };
            let nearest = stacks.get(id).iter().map(known).min().unwrap_or(FAR);
            self.stacks.push(nearest);
        }
        self.stacks[stack as usize]
    }
}

/// The search for the distances of all positions, from the ends of the routines backwards.
struct Search {
    found: Vec<u32>,
    /// Who goes on at a position, by position: where each list begins, and the lists.
    starts: Vec<u32>,
    before: Vec<Position>,
    open: BinaryHeap<Reverse<(u32, Position)>>,
    /// The least that native automata need.
    natives: Vec<u32>,
}

impl Search {
    fn new(states: &States) -> Self {
        let program = &states.program;
        let mut starts = vec![0_u32; program.ops.len() + 1];
        each_edge(program, |_, to| starts[to as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut free = starts.clone();
        let mut before = vec![0; *starts.last().unwrap_or(&0) as usize];
        each_edge(program, |from, to| {
            before[free[to as usize] as usize] = from;
            free[to as usize] += 1;
        });
        let natives = states.bound.natives.least_distances();
        let found = vec![FAR; program.ops.len()];
        Self { found, starts, before, open: BinaryHeap::new(), natives }
    }

    fn run(&mut self, program: &Program) {
        for (at, op) in (0..).zip(&program.ops) {
            if *op == Op::End {
                self.reach(at, 0);
            }
        }
        while let Some(Reverse((distance, at))) = self.open.pop() {
            if distance > self.found[at as usize] {
                continue;
            }
            let span = self.starts[at as usize] as usize..self.starts[at as usize + 1] as usize;
            for index in span {
                let from = self.before[index];
                // The nearest of thousands of branches is found first.
                if self.found[from as usize] != FAR && is_branching(program, from) {
                    continue;
                }
                self.reach(from, self.through(program, from));
            }
        }
    }

    fn reach(&mut self, at: Position, distance: u32) {
        if distance < self.found[at as usize] {
            self.found[at as usize] = distance;
            self.open.push(Reverse((distance, at)));
        }
    }

    /// Returns the distance of a position by way of those that are known so far.
    fn through(&self, program: &Program, at: Position) -> u32 {
        let of = |at: Position| self.found[at as usize];
        let then = |at: Position| of(at).saturating_add(1 + detour(program, at));
        let routine = |id: u32| of(program.routines[id as usize].start);
        match program.op(at) {
            Op::Byte(_) | Op::Token(_) => then(at + 1),
            Op::Table(table) => {
                let spans = program.spans_of(table).iter();
                spans.map(|span| then(span.target)).min().unwrap_or(FAR)
            }
            Op::Jump(target) => of(target),
            Op::Split(target) => of(target).min(of(at + 1)),
            Op::Call(id) => routine(id).saturating_add(of(at + 1)),
            Op::Last(id) => routine(id),
            Op::End => 0,
            Op::Bind(bind) => match program.binds[bind as usize] {
                Bind::Native(native) => of(at + 1).saturating_add(self.natives[native as usize]),
                Bind::By(_, branches) => {
                    let branches = program.branches[branches as usize].values();
                    branches.map(|id| routine(*id)).min().unwrap_or(FAR)
                }
                Bind::Saying(_)
                | Bind::Said(..)
                | Bind::Forget(_)
                | Bind::Watch(..)
                | Bind::WatchSaid(..)
                | Bind::Leave(_) => of(at + 1),
            },
            Op::Native => FAR,
        }
    }
}

/// Returns whether a position goes on in one of the branches of a binding.
fn is_branching(program: &Program, at: Position) -> bool {
    match program.op(at) {
        Op::Bind(bind) => matches!(program.binds[bind as usize], Bind::By(..)),
        Op::Byte(_)
        | Op::Table(_)
        | Op::Token(_)
        | Op::Jump(_)
        | Op::Split(_)
        | Op::Call(_)
        | Op::Last(_)
        | Op::End
        | Op::Native => false,
    }
}

/// Calls `each` with every position and each one whose distance its own depends on.
fn each_edge(program: &Program, mut each: impl FnMut(Position, Position)) {
    for (at, op) in (0..).zip(&program.ops) {
        match *op {
            Op::Byte(_) | Op::Token(_) => each(at, at + 1),
            Op::Table(table) => {
                program.spans_of(table).iter().for_each(|span| each(at, span.target));
            }
            Op::Jump(target) => each(at, target),
            Op::Split(target) => {
                each(at, target);
                each(at, at + 1);
            }
            Op::Call(id) => {
                each(at, program.routines[id as usize].start);
                each(at, at + 1);
            }
            Op::Last(id) => each(at, program.routines[id as usize].start),
            Op::Bind(bind) => match &program.binds[bind as usize] {
                Bind::By(_, branches) => {
                    let branches = program.branches[*branches as usize].values();
                    branches.for_each(|id| each(at, program.routines[*id as usize].start));
                }
                Bind::Native(_)
                | Bind::Saying(_)
                | Bind::Said(..)
                | Bind::Forget(_)
                | Bind::Watch(..)
                | Bind::WatchSaid(..)
                | Bind::Leave(_) => each(at, at + 1),
            },
            Op::End | Op::Native => {}
        }
    }
}

/// Returns what it costs beyond its byte to stand at a position.
pub(super) fn detour(program: &Program, at: Position) -> u32 {
    if program.may_rest(at) { 0 } else { DETOUR }
}

//! How a text can end soon, and how to bring it to its end within a number of tokens.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::constraint::{Constraint, State};
use super::error::MatchError;
use super::places::{Place, PlaceSets, StackId, WHOLE};
use super::program::{Op, Position, Program, TokenSet};
use crate::vocabulary::{TokenId, Vocabulary};

/// No way to the end is known.
const FAR: u32 = u32::MAX;

/// How many bytes and named tokens the end is away.
#[derive(Debug)]
pub(super) struct Distances {
    /// From each position to the end of its routine.
    positions: Vec<u32>,
    /// From the end of a routine with these callers to the end of the text.
    stacks: Vec<u32>,
}

/// What a shortest way to the end begins with.
enum Part {
    Byte(u8),
    Token(TokenId),
}

impl Distances {
    /// Finds all distances inside routines: Dijkstra's algorithm, as Knuth (1977) has it for grammars.
    pub(super) fn of(program: &Program) -> Self {
        let mut search = Search::new(program);
        search.run(program);
        Self { positions: search.found, stacks: Vec::new() }
    }

    /// Returns the bytes in use.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.positions) + size_of_val(&*self.stacks)
    }

    fn of_place(&mut self, stacks: &PlaceSets, place: Place) -> u32 {
        if place == WHOLE {
            return 0;
        }
        self.positions[place.at as usize].saturating_add(self.of_stack(stacks, place.stack))
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
}

impl Search {
    fn new(program: &Program) -> Self {
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
        Self { found: vec![FAR; program.ops.len()], starts, before, open: BinaryHeap::new() }
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
        let routine = |id: u32| of(program.routines[id as usize].start);
        match program.op(at) {
            Op::Byte(_) | Op::Token(_) => of(at + 1).saturating_add(1),
            Op::Table(table) => {
                let spans = program.spans_of(table).iter();
                spans.map(|span| of(span.target)).min().unwrap_or(FAR).saturating_add(1)
            }
            Op::Jump(target) => of(target),
            Op::Split(target) => of(target).min(of(at + 1)),
            Op::Call(id) => routine(id).saturating_add(of(at + 1)),
            Op::Last(id) => routine(id),
            Op::End => 0,
        }
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
            Op::End => {}
        }
    }
}

impl Constraint {
    /// Returns how many bytes and named tokens a text needs at least to be whole, from here.
    pub fn distance(&mut self, state: State) -> usize {
        let Self { states, distances, .. } = self;
        let distances = distances.get_or_insert_with(|| Distances::of(&states.program));
        let places = states.sets.get(state.id()).iter();
        let nearest = places.map(|place| distances.of_place(&states.stacks, *place)).min();
        // After the end there is no place, and nothing to add.
        nearest.map_or(0, |nearest| nearest as usize)
    }

    /// Returns the tokens of a text that is as short as can be and makes the text whole from here, the longest
    /// tokens first; nothing when this vocabulary cannot spell it.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn completion(&mut self, state: State) -> Result<Option<Vec<TokenId>>, MatchError> {
        let mut tokens = Vec::new();
        let mut bytes = Vec::new();
        let mut state = state;
        while self.distance(state) > 0 {
            let Some(part) = self.nearest(state) else { return Ok(None) };
            let next = match part {
                Part::Byte(byte) => {
                    bytes.push(byte);
                    self.advance_byte(state, byte)?
                }
                Part::Token(token) => {
                    let spelt = spell(&self.vocabulary, &bytes, &mut tokens);
                    bytes.clear();
                    tokens.push(token);
                    if spelt { self.advance(state, token)? } else { None }
                }
            };
            match next {
                Some(next) => state = next,
                None => return Ok(None),
            }
        }
        Ok(spell(&self.vocabulary, &bytes, &mut tokens).then_some(tokens))
    }

    /// Returns whether a text can be made whole from here with `left` more tokens.
    fn can_land(&mut self, state: State, left: usize) -> Result<bool, MatchError> {
        if self.vocabulary.spells_every_byte() && self.distance(state) <= left {
            return Ok(true);
        }
        Ok(self.completion(state)?.is_some_and(|tokens| tokens.len() <= left))
    }

    /// Returns what a shortest way to the end begins with.
    fn nearest(&mut self, state: State) -> Option<Part> {
        let Self { states, distances, vocabulary, .. } = self;
        let distances = distances.get_or_insert_with(|| Distances::of(&states.program));
        let places = states.sets.get(state.id()).iter().filter(|place| **place != WHOLE);
        let place = *places.min_by_key(|place| distances.of_place(&states.stacks, **place))?;
        match states.program.op(place.at) {
            Op::Byte(byte) => Some(Part::Byte(byte)),
            Op::Table(table) => {
                let spans = states.program.spans_of(table).iter();
                let span = spans.min_by_key(|span| distances.positions[span.target as usize])?;
                // No NUL, which no token spells, where there is another.
                Some(Part::Byte(b' '.clamp(span.low, span.high)))
            }
            Op::Token(set) => match states.program.tokens[set as usize] {
                TokenSet::One(token) => Some(Part::Token(token)),
                TokenSet::Except(not) => {
                    let mut tokens = (0..).take(vocabulary.len());
                    let any = |token: &TokenId| *token != not && vocabulary.is_whole(*token);
                    tokens.find(any).map(Part::Token)
                }
            },
            Op::Jump(_) | Op::Split(_) | Op::Call(_) | Op::Last(_) | Op::End => None,
        }
    }
}

/// Appends the tokens of `bytes`, the longest first; returns whether there are some.
fn spell(vocabulary: &Vocabulary, bytes: &[u8], tokens: &mut Vec<TokenId>) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((token, length)) = vocabulary.trie().longest(rest) else { return false };
        tokens.push(token);
        rest = &rest[length..];
    }
    true
}

/// Brings a text to its end within a number of tokens, whatever the model would say.
///
/// While there is room it changes nothing. A token after which the text could not be made whole any more is
/// replaced by the next one of a shortest completion.
///
/// ```
/// use std::sync::Arc;
/// use chargehand_grammar::{Constraint, Limits, matcher::Landing, vocabulary::{Kind, Vocabulary}};
///
/// let tokens = [(Kind::Text, "\""), (Kind::Text, "a"), (Kind::End, "</s>")];
/// let vocabulary = Arc::new(Vocabulary::new(tokens)?);
/// let mut constraint = Constraint::from_text(r#"root ::= "\"" "a"* "\"""#, vocabulary, &Limits::default())?;
/// let mut landing = Landing::new(&mut constraint, 4)?.expect("two tokens are enough");
/// let (mut state, mut said) = (constraint.start(), Vec::new());
/// for left in (1..=4).rev() {
///     // A model that never stops of itself.
///     let wanted = if said.is_empty() { 0 } else { 1 };
///     let Some(token) = landing.steer(&mut constraint, state, wanted, left)? else { break };
///     state = constraint.advance(state, token)?.expect("it is allowed");
///     said.push(token);
/// }
/// assert_eq!(said, [0, 1, 1, 0]);
/// assert!(constraint.accepting(state));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Landing {
    /// A completion that was begun: where it goes on, and with what, backwards.
    begun: Option<(State, Vec<TokenId>)>,
}

impl Landing {
    /// Returns a landing for a text of at most `left` tokens; nothing when no text is so short.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn new(constraint: &mut Constraint, left: usize) -> Result<Option<Self>, MatchError> {
        Ok(constraint.can_land(constraint.start(), left)?.then(Self::default))
    }

    /// Returns `token`, which is allowed in `state`, or what must be said instead where `left` tokens may still be
    /// said, this one included; nothing where the text is whole and must end now.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn steer(
        &mut self,
        constraint: &mut Constraint,
        state: State,
        token: TokenId,
        left: usize,
    ) -> Result<Option<TokenId>, MatchError> {
        if left > 0
            && let Some(next) = constraint.advance(state, token)?
            && constraint.can_land(next, left - 1)?
        {
            return Ok(Some(token));
        }
        let mut rest = constraint.completion(state)?.unwrap_or_default();
        rest.reverse();
        // What was begun may be shorter in tokens than what is shortest in bytes.
        if let Some((at, begun)) = self.begun.take()
            && at == state
            && begun.len() < rest.len()
        {
            rest = begun;
        }
        let Some(token) = rest.pop() else { return Ok(None) };
        self.begun = constraint.advance(state, token)?.map(|next| (next, rest));
        Ok(Some(token))
    }
}

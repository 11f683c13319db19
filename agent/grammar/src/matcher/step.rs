//! One byte further.

use super::error::MatchError;
use super::places::{Place, WHOLE};
use super::program::{Op, Span};
use super::states::{Cursor, NOWHERE, Row, StateId, States, Step};

/// From this many bytes on that lead somewhere, a row is a table.
const WIDE: usize = 64;

/// Some bytes that a place takes, and where it goes on.
type Edge = (u8, u8, Place);

impl States {
    /// Returns where `byte` leads; nothing when it leads nowhere.
    pub(super) fn step(&mut self, from: Cursor, byte: u8) -> Result<Option<Cursor>, MatchError> {
        match from {
            Cursor::One(place) => match self.program.op(place.at) {
                Op::Byte(expected) if byte == expected => {
                    self.follow(place.at + 1, place.stack).map(Some)
                }
                Op::Table(table) => {
                    let spans = self.program.spans_of(table);
                    match find(spans, byte) {
                        Some(span) => self.follow(span.target, place.stack).map(Some),
                        None => Ok(None),
                    }
                }
                Op::Byte(_)
                | Op::Token(_)
                | Op::Jump(_)
                | Op::Split(_)
                | Op::Call(_)
                | Op::Last(_)
                | Op::End => Ok(None),
            },
            Cursor::State(state) => Ok(match self.row(state)? {
                Row::Unknown => None,
                Row::Few(start, end) => {
                    let steps = &self.steps[start as usize..end as usize];
                    let step = steps.iter().find(|step| byte <= step.high);
                    step.filter(|step| step.low <= byte).map(|step| step.to)
                }
                Row::Wide(row) => match self.wide[row as usize][usize::from(byte)] {
                    NOWHERE => None,
                    to => Some(Cursor::State(to)),
                },
            }),
        }
    }

    /// Returns where all bytes of a span lead, if that is known to be one place.
    pub(super) fn across(
        &mut self,
        from: Cursor,
        low: u8,
        high: u8,
    ) -> Result<Option<Cursor>, MatchError> {
        let is_one = match from {
            Cursor::One(place) => match self.program.op(place.at) {
                Op::Table(table) => {
                    find(self.program.spans_of(table), low).is_some_and(|span| high <= span.high)
                }
                Op::Byte(_) => low == high,
                Op::Token(_) | Op::Jump(_) | Op::Split(_) | Op::Call(_) | Op::Last(_) | Op::End => {
                    false
                }
            },
            Cursor::State(state) => match self.row(state)? {
                Row::Unknown => false,
                Row::Few(start, end) => {
                    let steps = &self.steps[start as usize..end as usize];
                    steps.iter().any(|step| step.low <= low && high <= step.high)
                }
                Row::Wide(row) => {
                    let row = &self.wide[row as usize];
                    (low..=high).all(|byte| row[usize::from(byte)] == row[usize::from(low)])
                }
            },
        };
        if is_one { self.step(from, low) } else { Ok(None) }
    }

    /// Returns where bytes lead from a state.
    pub(super) fn row(&mut self, state: StateId) -> Result<Row, MatchError> {
        if let Row::Unknown = self.facts[state as usize].row {
            let row = self.new_row(state)?;
            self.facts[state as usize].row = row;
            self.check_memory()?;
        }
        Ok(self.facts[state as usize].row)
    }

    fn new_row(&mut self, state: StateId) -> Result<Row, MatchError> {
        let mut edges = self.edges(state);
        edges.sort_unstable();
        let mut steps = Vec::with_capacity(edges.len());
        if edges.windows(2).all(|pair| pair[0].1 < pair[1].0) {
            for (low, high, place) in edges {
                let to = self.follow(place.at, place.stack)?;
                append(&mut steps, Step { low, high, to });
            }
        } else {
            self.overlapping(&edges, &mut steps)?;
        }
        let covered: usize = steps.iter().map(|step| usize::from(step.high - step.low) + 1).sum();
        if covered >= WIDE {
            return self.wide_row(&steps);
        }
        let start = self.steps.len();
        self.steps.extend(steps);
        let id = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Ok(Row::Few(id(start), id(self.steps.len())))
    }

    fn wide_row(&mut self, steps: &[Step]) -> Result<Row, MatchError> {
        let mut row = [NOWHERE; 256];
        for step in steps {
            let to = self.settle(step.to)?;
            row[usize::from(step.low)..=usize::from(step.high)].fill(to);
        }
        self.wide.push(row);
        Ok(Row::Wide(u32::try_from(self.wide.len() - 1).unwrap_or(u32::MAX)))
    }

    /// Returns all bytes that the places of a state take.
    fn edges(&self, state: StateId) -> Vec<Edge> {
        let mut edges = Vec::new();
        for place in self.sets.get(state).iter().filter(|place| **place != WHOLE) {
            let to = |at| Place { at, stack: place.stack };
            match self.program.op(place.at) {
                Op::Byte(byte) => edges.push((byte, byte, to(place.at + 1))),
                Op::Table(table) => {
                    let spans = self.program.spans_of(table);
                    edges.extend(spans.iter().map(|span| (span.low, span.high, to(span.target))));
                }
                Op::Token(_) | Op::Jump(_) | Op::Split(_) | Op::Call(_) | Op::Last(_) | Op::End => {
                }
            }
        }
        edges
    }

    /// Finds the steps where several places take the same byte. `edges` are sorted.
    fn overlapping(&mut self, edges: &[Edge], steps: &mut Vec<Step>) -> Result<(), MatchError> {
        let mut cuts: Vec<u16> = Vec::with_capacity(2 * edges.len());
        for (low, high, _) in edges {
            cuts.extend([u16::from(*low), u16::from(*high) + 1]);
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut active: Vec<Edge> = Vec::new();
        let mut next = 0;
        for pair in cuts.windows(2) {
            let (Ok(low), Ok(high)) = (u8::try_from(pair[0]), u8::try_from(pair[1] - 1)) else {
                continue;
            };
            active.retain(|edge| edge.1 >= low);
            while let Some(edge) = edges.get(next).filter(|edge| edge.0 <= low) {
                active.push(*edge);
                next += 1;
            }
            if active.is_empty() {
                continue;
            }
            let mut seeds: Vec<Place> = active.iter().map(|edge| edge.2).collect();
            seeds.sort_unstable();
            seeds.dedup();
            let to = match seeds.as_slice() {
                [only] => self.follow(only.at, only.stack)?,
                several => self.close(several)?,
            };
            append(steps, Step { low, high, to });
        }
        Ok(())
    }
}

/// Appends a step; one that goes on with the step before it is part of that.
fn append(steps: &mut Vec<Step>, step: Step) {
    match steps.last_mut() {
        Some(last) if last.to == step.to && u16::from(last.high) + 1 == u16::from(step.low) => {
            last.high = step.high;
        }
        Some(_) | None => steps.push(step),
    }
}

fn find(spans: &[Span], byte: u8) -> Option<Span> {
    // Most tables have a handful of spans, those of a prefix tree up to 256.
    let at = spans.partition_point(|span| span.high < byte);
    spans.get(at).filter(|span| span.low <= byte).copied()
}

//! One byte further.

use super::contexts::NOTHING;
use super::error::MatchError;
use super::places::{Place, WHOLE};
use super::program::{Op, Span};
use super::states::{Cursor, DEAD, NOWHERE, Row, StateId, States, Step};

/// From this many bytes on that lead somewhere, a row is a table.
const WIDE: usize = 64;

/// Some bytes that a place takes, and where it goes on.
pub(super) type Edge = (u8, u8, Place);

impl States {
    /// Returns where `byte` leads; nothing when it leads nowhere.
    pub(super) fn step(&mut self, from: Cursor, byte: u8) -> Result<Option<Cursor>, MatchError> {
        match from {
            Cursor::One(place) => match self.target(place, byte) {
                Some(target) => Ok(Some(self.follow(target)?).filter(|to| *to != DEAD)),
                None => Ok(None),
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

    /// Returns the place to which `byte` leads.
    fn target(&mut self, place: Place, byte: u8) -> Option<Place> {
        let at = match self.program.op(place.at) {
            Op::Byte(expected) if byte == expected => place.at + 1,
            Op::Table(table) => find(self.program.spans_of(table), byte)?.target,
            Op::Native => return self.bound.step(place, byte),
            Op::Byte(_)
            | Op::Token(_)
            | Op::Jump(_)
            | Op::Split(_)
            | Op::Call(_)
            | Op::Last(_)
            | Op::End
            | Op::Bind(_) => return None,
        };
        match place.context {
            NOTHING => Some(Place { at, ..place }),
            _ => Some(self.bound.moved(place, byte, at)),
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
            Cursor::One(place) if self.is_watched(place) => low == high,
            Cursor::One(place) => match self.program.op(place.at) {
                Op::Table(table) => {
                    find(self.program.spans_of(table), low).is_some_and(|span| high <= span.high)
                }
                Op::Byte(_) | Op::Native => low == high,
                Op::Token(_)
                | Op::Jump(_)
                | Op::Split(_)
                | Op::Call(_)
                | Op::Last(_)
                | Op::End
                | Op::Bind(_) => false,
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
        self.fuel.take(edges.len())?;
        edges.sort_unstable();
        let mut steps = Vec::with_capacity(edges.len());
        if edges.windows(2).all(|pair| pair[0].1 < pair[1].0) {
            for (low, high, place) in edges {
                let to = self.follow(place)?;
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
    fn edges(&mut self, state: StateId) -> Vec<Edge> {
        let mut edges = Vec::new();
        for at in 0..self.sets.get(state).len() {
            let place = self.sets.get(state)[at];
            if place != WHOLE {
                self.edges_of(place, &mut edges);
            }
        }
        edges
    }

    /// Appends all bytes that a place takes.
    pub(super) fn edges_of(&mut self, place: Place, edges: &mut Vec<Edge>) {
        let start = edges.len();
        match self.program.op(place.at) {
            Op::Byte(byte) => edges.push((byte, byte, Place { at: place.at + 1, ..place })),
            Op::Table(table) => {
                let spans = self.program.spans_of(table).iter();
                let to = |span: &Span| Place { at: span.target, ..place };
                edges.extend(spans.map(|span| (span.low, span.high, to(span))));
            }
            Op::Native => {
                let bytes = 0..=u8::MAX;
                let to = |byte| Some((byte, byte, self.bound.step(place, byte)?));
                edges.extend(bytes.filter_map(to));
                return;
            }
            Op::Token(_)
            | Op::Jump(_)
            | Op::Split(_)
            | Op::Call(_)
            | Op::Last(_)
            | Op::End
            | Op::Bind(_) => {}
        }
        if self.is_watched(place) {
            let whole: Vec<Edge> = edges.drain(start..).collect();
            let watched = self.bound.contexts.watched_bytes(place.context);
            for edge in whole {
                self.cut(edge, &watched, edges);
            }
        }
    }

    /// Appends an edge in pieces: each watched byte is one of its own.
    fn cut(&mut self, (low, high, to): Edge, watched: &[u8], edges: &mut Vec<Edge>) {
        let mut next = u16::from(low);
        let inside = watched.iter().filter(|byte| (low..=high).contains(byte));
        let pieces = inside.map(|byte| (u16::from(*byte), *byte)).chain([(u16::from(high) + 1, 0)]);
        for (end, byte) in pieces {
            let before = (u8::try_from(next), u8::try_from(end.saturating_sub(1)));
            if let (Ok(first), Ok(last)) = before
                && next < end
            {
                edges.push((first, last, self.bound.moved(to, first, to.at)));
            }
            if end <= u16::from(high) {
                edges.push((byte, byte, self.bound.moved(to, byte, to.at)));
            }
            next = end + 1;
        }
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
                [only] => self.follow(*only)?,
                several => self.close(several)?,
            };
            append(steps, Step { low, high, to });
        }
        Ok(())
    }
}

/// Appends a step; one that goes on with the step before it is part of that.
fn append(steps: &mut Vec<Step>, step: Step) {
    if step.to == DEAD {
        return;
    }
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

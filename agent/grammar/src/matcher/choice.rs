//! A choice, with the beginnings that its alternatives share written once.
//!
//! 5,000 texts in a row become a tree, and where it branches, a table looks at the next byte: the matcher stands
//! in one place and not in 5,000. The order of alternatives means nothing to a grammar.

use super::emit::Emitter;
use super::error::CompileError;
use super::program::{Op, Position, Span};
use crate::gbnf::Expr;

/// Beginnings that are nested deeper than this, those of the groups around included, are not shared any more:
/// this calls itself for each.
const MAX_DEPTH: usize = 100;

/// An alternative: the text it begins with, and what follows.
#[derive(Clone, Copy)]
pub(super) struct Alternative<'g> {
    pub(super) head: &'g [u8],
    pub(super) rest: &'g [Expr],
    /// What a binding asks for at the end.
    pub(super) last: Option<u32>,
}

impl<'g> Emitter<'g> {
    /// Writes a choice between expressions, nested `depth` deep.
    pub(super) fn choice(&mut self, parts: &'g [Expr], depth: usize) -> Result<(), CompileError> {
        let mut alternatives = Vec::with_capacity(parts.len());
        flatten(parts, &mut alternatives);
        if alternatives.is_empty() {
            // Nothing matches: a table without a byte, so that the rule is found to be endless.
            return self.table(&[]).map(drop);
        }
        alternatives.sort_by_key(|alternative| alternative.head);
        self.alternatives(&alternatives, depth)
    }

    /// Writes alternatives whose heads are sorted, those without a head first.
    pub(super) fn alternatives(
        &mut self,
        alternatives: &[Alternative<'g>],
        depth: usize,
    ) -> Result<(), CompileError> {
        let mut exits = Vec::new();
        let headless = if self.shared < MAX_DEPTH {
            alternatives.partition_point(|alternative| alternative.head.is_empty())
        } else {
            alternatives.len()
        };
        for (at, alternative) in alternatives[..headless].iter().enumerate() {
            let more = at + 1 < alternatives.len();
            let split = if more { Some(self.push(Op::Split(0))?) } else { None };
            for byte in alternative.head {
                self.push(Op::Byte(*byte))?;
            }
            self.rest(alternative, depth)?;
            if let Some(split) = split {
                exits.push(self.push(Op::Jump(0))?);
                self.land(&[split]);
            }
        }
        if headless < alternatives.len() {
            self.branches(&alternatives[headless..], depth, &mut exits)?;
        }
        self.land(&exits);
        Ok(())
    }

    /// Writes alternatives that all begin with a byte.
    fn branches(
        &mut self,
        alternatives: &[Alternative<'g>],
        depth: usize,
        exits: &mut Vec<Position>,
    ) -> Result<(), CompileError> {
        let mut groups = alternatives.chunk_by(|a, b| a.head[0] == b.head[0]).peekable();
        let spans = groups.clone().map(|group| Span {
            low: group[0].head[0],
            high: group[0].head[0],
            target: 0,
        });
        let spans: Vec<Span> = spans.collect();
        let table = match spans.as_slice() {
            [only] => {
                self.push(Op::Byte(only.low))?;
                None
            }
            _ => Some(self.table(&spans)?),
        };
        let mut place = 0;
        while let Some(group) = groups.next() {
            if let Some(table) = table {
                self.land_span(table, place);
            }
            self.group(group, depth)?;
            if groups.peek().is_some() {
                exits.push(self.push(Op::Jump(0))?);
            }
            place += 1;
        }
        Ok(())
    }

    /// Writes what follows the head of an alternative.
    fn rest(&mut self, alternative: &Alternative<'g>, depth: usize) -> Result<(), CompileError> {
        alternative.rest.iter().try_for_each(|part| self.expr(part, depth + 1))?;
        match alternative.last {
            Some(bind) => self.push(Op::Bind(bind)).map(drop),
            None => Ok(()),
        }
    }

    /// Writes alternatives that begin with the same byte, after that byte.
    fn group(&mut self, group: &[Alternative<'g>], depth: usize) -> Result<(), CompileError> {
        let (first, last) = (group[0].head, group[group.len() - 1].head);
        // The heads are sorted: what the first and the last share, all share.
        let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        for byte in &first[1..common] {
            self.push(Op::Byte(*byte))?;
        }
        if let [only] = group {
            return self.rest(only, depth);
        }
        let cut = |alternative: &Alternative<'g>| Alternative {
            head: &alternative.head[common..],
            ..*alternative
        };
        let cut: Vec<Alternative<'g>> = group.iter().map(cut).collect();
        self.shared += 1;
        self.alternatives(&cut, depth)?;
        self.shared -= 1;
        Ok(())
    }
}

/// Appends the alternatives in `parts`; a choice inside a choice is part of it.
fn flatten<'g>(parts: &'g [Expr], alternatives: &mut Vec<Alternative<'g>>) {
    let mut open: Vec<std::slice::Iter<'g, Expr>> = vec![parts.iter()];
    while let Some(level) = open.last_mut() {
        match level.next() {
            None => drop(open.pop()),
            Some(Expr::Any(inner)) => open.push(inner.iter()),
            Some(Expr::Literal(text)) => {
                alternatives.push(Alternative { head: text.as_bytes(), rest: &[], last: None });
            }
            Some(Expr::Seq(parts)) => alternatives.push(match parts.split_first() {
                Some((Expr::Literal(text), rest)) => {
                    Alternative { head: text.as_bytes(), rest, last: None }
                }
                Some(_) | None => Alternative { head: &[], rest: parts, last: None },
            }),
            Some(other) => {
                let rest = std::slice::from_ref(other);
                alternatives.push(Alternative { head: &[], rest, last: None });
            }
        }
    }
}

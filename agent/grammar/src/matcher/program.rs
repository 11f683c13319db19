//! A grammar as a list of byte-level steps: what the matcher runs.

use super::bind::End;
use super::bound::{Bind, Branches};
use super::native::Recipe;
use crate::vocabulary::TokenId;

/// A place in a [`Program`].
pub(super) type Position = u32;
/// A rule of a [`Program`].
pub(super) type RuleId = u32;

/// One step. Where nothing else is said, the next step follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Op {
    /// Takes this byte.
    Byte(u8),
    /// Takes a byte as a list of spans says, which also say where it goes on.
    Table(u32),
    /// Takes a token.
    Token(u32),
    /// Goes on elsewhere.
    Jump(Position),
    /// Goes on here and elsewhere.
    Split(Position),
    /// Expands a rule.
    Call(RuleId),
    /// Expands a rule, after which this one is at its end too: nothing to come back for.
    Last(RuleId),
    /// The rule is at its end.
    End,
    /// Does what a binding asks for, and takes nothing.
    Bind(u32),
    /// Takes a byte as a native automaton says. Such positions lie beyond the program.
    Native,
}

/// Bytes that lead to the same place.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Span {
    pub(super) low: u8,
    pub(super) high: u8,
    pub(super) target: Position,
}

/// Tokens that a step takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenSet {
    /// This one, whatever it is for.
    One(TokenId),
    /// All tokens of whole characters but this one.
    Except(TokenId),
}

/// A rule, or the body of a repetition, which is called like one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routine {
    pub(super) start: Position,
    /// Where the rule that is written stands in the grammar.
    pub(super) rule: usize,
}

/// A compiled grammar.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) ops: Vec<Op>,
    /// First and last span of each table, which are in ascending order and lie apart.
    pub(super) tables: Vec<(u32, u32)>,
    pub(super) spans: Vec<Span>,
    pub(super) tokens: Vec<TokenSet>,
    /// In the order of their positions, the first ones being the rules of the grammar in its order.
    pub(super) routines: Vec<Routine>,
    /// The positions inside a character where no token may end, in ascending order.
    pub(super) no_rest: Vec<Position>,
    /// Whether a routine can be empty.
    pub(super) nullable: Vec<bool>,
    /// The rank of each routine; one that another can begin with has a higher rank.
    pub(super) ranks: Vec<u32>,
    pub(super) root: RuleId,
    pub(super) binds: Vec<Bind>,
    /// What native automata are made of, and where each is left to.
    pub(super) recipes: Vec<(Recipe, Position)>,
    /// Texts that must not come out, sorted.
    pub(super) lists: Vec<Vec<Box<[u8]>>>,
    /// Names that later rules depend on.
    pub(super) names: Vec<Box<str>>,
    /// What ends texts that may not be what was said; empty for JSON strings.
    pub(super) ends: Vec<End>,
    pub(super) branches: Vec<Branches>,
}

impl Program {
    #[inline]
    pub(super) fn op(&self, at: Position) -> Op {
        self.ops.get(at as usize).copied().unwrap_or(Op::Native)
    }

    /// Returns whether the empty text is among those that must not have come out at a [`Bind::Leave`].
    pub(super) fn is_empty_excluded(&self, bind: u32) -> bool {
        let Bind::Leave(key) = self.binds[bind as usize] else { return false };
        let mut lists = self.binds.iter().filter_map(|bind| match bind {
            Bind::Watch(own, list) if *own == key => self.lists.get(*list as usize),
            Bind::Watch(..)
            | Bind::Native(_)
            | Bind::By(..)
            | Bind::Saying(_)
            | Bind::Said(..)
            | Bind::Forget(_)
            | Bind::WatchSaid(..)
            | Bind::Leave(_) => None,
        });
        lists.any(|list| list.iter().any(|text| text.is_empty()))
    }

    /// Returns where the spans of a table lie.
    #[inline]
    pub(super) fn table(&self, table: u32) -> std::ops::Range<usize> {
        let (start, end) = self.tables[table as usize];
        start as usize..end as usize
    }

    /// Returns the spans of a table.
    #[inline]
    pub(super) fn spans_of(&self, table: u32) -> &[Span] {
        &self.spans[self.table(table)]
    }

    /// Returns whether a token may end at a position.
    #[inline]
    pub(super) fn may_rest(&self, at: Position) -> bool {
        self.no_rest.is_empty() || self.no_rest.binary_search(&at).is_err()
    }

    /// Returns where a position stands after all jumps.
    #[inline]
    pub(super) fn settled(&self, mut at: Position) -> Position {
        // Jumps lead to the end of a choice or back to a repetition, which is no jump: no circle.
        while let Op::Jump(target) = self.op(at) {
            at = target;
        }
        at
    }

    /// Returns the routine that a position belongs to.
    pub(super) fn routine_at(&self, at: Position) -> Routine {
        let after = self.routines.partition_point(|routine| routine.start <= at);
        self.routines[after.saturating_sub(1)]
    }

    /// Returns the bytes that the program takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.ops)
            + size_of_val(&*self.tables)
            + size_of_val(&*self.spans)
            + size_of_val(&*self.no_rest)
            + size_of_val(&*self.routines)
    }
}

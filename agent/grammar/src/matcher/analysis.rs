//! What must hold of a program before it runs: no rule begins with itself, and each can end.
//!
//! Nothing here calls itself, and each step is looked at once a question: a chain of 100,000 rules is no danger.

use super::bound::Bind;
use super::emit::place_of;
use super::error::CompileError;
use super::program::{Op, Position, Program, RuleId};
use crate::gbnf::Grammar;

/// Of a longer way round than this only the first rules are named.
const MAX_NAMED: usize = 10;

/// Which steps are walked through.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Through {
    /// Those that take nothing: what can a routine begin with, and can it be empty?
    Nothing,
    /// All: can a routine end?
    Everything,
}

/// What a walk through all routines found.
struct Walk {
    /// Whether the walk came to the end of a routine.
    ends: Vec<bool>,
    /// Which routine was met in which, in this order: outer, inner.
    calls: Vec<(RuleId, RuleId)>,
}

/// Why a program does not run.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Flaw {
    /// These routines begin with each other.
    Circle(Vec<RuleId>),
    /// This routine never ends.
    Endless(RuleId),
}

/// Finds out what the matcher must know of a program, or why it cannot run.
pub(super) fn complete(program: &mut Program) -> Result<(), Flaw> {
    let all = walk(program, Through::Everything);
    if let Some(endless) = (0..).zip(&all.ends).find(|(_, ends)| !**ends) {
        return Err(Flaw::Endless(endless.0));
    }
    let first = walk(program, Through::Nothing);
    program.nullable = first.ends;
    program.ranks = ranks(program.routines.len(), first.calls)?;
    Ok(())
}

/// Walks through all routines. One that is called is gone through only when it is known to end, and whoever
/// waits for that goes on then: that finds empty rules behind empty rules, however they are nested.
fn walk(program: &Program, through: Through) -> Walk {
    let routines = program.routines.len();
    let mut walk = Walk { ends: vec![false; routines], calls: Vec::new() };
    let mut seen = vec![false; program.ops.len()];
    let mut waiting: Vec<Vec<(Position, RuleId)>> = vec![Vec::new(); routines];
    let starts = program.routines.iter().map(|routine| routine.start);
    let mut open: Vec<(Position, RuleId)> = starts.zip(0..).collect();
    let takes = through == Through::Everything;
    while let Some((at, routine)) = open.pop() {
        if std::mem::replace(&mut seen[at as usize], true) {
            continue;
        }
        match program.op(at) {
            Op::Byte(_) | Op::Token(_) if takes => open.push((at + 1, routine)),
            Op::Table(table) if takes => {
                open.extend(program.spans_of(table).iter().map(|span| (span.target, routine)));
            }
            Op::Byte(_) | Op::Token(_) | Op::Table(_) | Op::Native => {}
            Op::Bind(bind) => match program.binds[bind as usize] {
                // A native automaton takes bytes.
                Bind::Native(_) if !takes => {}
                Bind::By(_, branches) => {
                    for called in program.branches[branches as usize].values() {
                        walk.meet(*called, (at + 1, routine), takes, &mut waiting, &mut open);
                    }
                }
                Bind::Leave(_) if !takes && program.is_empty_excluded(bind) => {}
                Bind::Native(_)
                | Bind::Saying(_)
                | Bind::Said(..)
                | Bind::Forget(_)
                | Bind::Watch(..)
                | Bind::WatchSaid(..)
                | Bind::Leave(_) => open.push((at + 1, routine)),
            },
            Op::Jump(target) => open.push((target, routine)),
            Op::Split(target) => open.extend([(at + 1, routine), (target, routine)]),
            Op::Call(called) | Op::Last(called) => {
                walk.meet(called, (at + 1, routine), takes, &mut waiting, &mut open);
            }
            Op::End => {
                walk.ends[routine as usize] = true;
                open.append(&mut waiting[routine as usize]);
            }
        }
    }
    walk
}

impl Walk {
    /// Notes a call, and goes on behind it at once or when the routine is known to end.
    fn meet(
        &mut self,
        called: RuleId,
        behind: (Position, RuleId),
        takes: bool,
        waiting: &mut [Vec<(Position, RuleId)>],
        open: &mut Vec<(Position, RuleId)>,
    ) {
        if !takes {
            self.calls.push((behind.1, called));
        }
        if self.ends[called as usize] {
            open.push(behind);
        } else {
            waiting[called as usize].push(behind);
        }
    }
}

/// Returns a rank for each routine, so that a call leads to a higher one; or a circle of calls.
fn ranks(routines: usize, mut calls: Vec<(RuleId, RuleId)>) -> Result<Vec<u32>, Flaw> {
    calls.sort_unstable();
    calls.dedup();
    let from = |routine: usize| calls.partition_point(|(outer, _)| (*outer as usize) < routine);
    let firsts: Vec<usize> = (0..=routines).map(from).collect();
    let mut ranks = vec![0; routines];
    let mut state = vec![Visit::Never; routines];
    let mut next_rank = u32::try_from(routines).unwrap_or(u32::MAX);
    for start in 0..routines {
        if state[start] != Visit::Never {
            continue;
        }
        state[start] = Visit::Open;
        let mut open = vec![(start, firsts[start])];
        while let Some((routine, call)) = open.last_mut() {
            if *call == firsts[*routine + 1] {
                // All it can begin with has a higher rank by now.
                next_rank -= 1;
                ranks[*routine] = next_rank;
                state[*routine] = Visit::Done;
                open.pop();
                continue;
            }
            let called = calls[*call].1 as usize;
            *call += 1;
            match state[called] {
                Visit::Done => {}
                Visit::Never => {
                    state[called] = Visit::Open;
                    open.push((called, firsts[called]));
                }
                Visit::Open => {
                    let circle = open.iter().map(|(routine, _)| *routine);
                    let circle = circle.skip_while(|routine| *routine != called);
                    let circle = circle.filter_map(|routine| RuleId::try_from(routine).ok());
                    return Err(Flaw::Circle(circle.collect()));
                }
            }
        }
    }
    Ok(ranks)
}

/// How far the search for circles is with a routine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Visit {
    Never,
    Open,
    Done,
}

/// Says in the words of the grammar why it does not run.
pub(super) fn named(flaw: Flaw, grammar: &Grammar, program: &Program) -> CompileError {
    let rule = |routine: RuleId| program.routines[routine as usize].rule;
    match flaw {
        Flaw::Endless(routine) => CompileError::Endless(place_of(grammar, rule(routine))),
        Flaw::Circle(circle) => {
            let mut rules: Vec<usize> = circle.into_iter().map(rule).collect();
            rules.dedup();
            let first = rules.first().copied().unwrap_or_default();
            let names = rules.iter().map(|rule| &*grammar.rules[*rule].name);
            let mut way: Vec<&str> = names.take(MAX_NAMED).collect();
            if rules.len() > MAX_NAMED {
                way.push("...");
            }
            way.push(&grammar.rules[first].name);
            CompileError::LeftRecursion { place: place_of(grammar, first), way: way.join(" -> ") }
        }
    }
}

//! What a grammar asks for and what is given: bindings, made ready for a program and checked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::contexts::{NOTHING, Slot};
use super::emit::place_of;
use super::error::{BindingProblem, CompileError, MatchError};
use super::making::Making;
use super::native::{Pieces, Words};
use super::order;
use super::places::Place;
use super::program::RuleId;
use super::states::{Cursor, DEAD, States};
use crate::bindings::{Binding, Bindings};
use crate::gbnf::{Expr, Grammar};
use crate::json;

/// A binding as it is written into a program.
#[derive(Debug)]
pub(super) enum Ready {
    /// A text of which a piece is said, and what ends the piece.
    Piece(Arc<Pieces>, End),
    Without(Words),
    /// Names as they are said, sorted, each with its number, and what ends them.
    Names(Vec<(String, u32)>, End),
    /// The rule's own text, but none of these.
    Not(Vec<Box<[u8]>>),
    /// Any string but this one, as a JSON string.
    OtherThan(Box<[u8]>),
    /// Any string but what was said; where it is no JSON string, the rule's own text but that.
    OtherThanSaid(Slot, End),
    /// By the numbers of names.
    By(Slot, Vec<(u32, Ready)>),
}

/// The text behind a value that stands as it is; empty for a JSON string.
pub(super) type End = Box<[u8]>;

impl Ready {
    /// Returns what ends the values that this says of itself, and not by the text of its rule.
    fn ends(&self) -> Vec<&[u8]> {
        match self {
            Self::Piece(.., end) | Self::Names(_, end) => vec![end],
            Self::OtherThanSaid(_, end) if !end.is_empty() => Vec::new(),
            Self::Without(_) | Self::OtherThan(_) | Self::OtherThanSaid(..) => vec![&[]],
            Self::Not(_) => Vec::new(),
            Self::By(_, each) => {
                let mut ends: Vec<&[u8]> =
                    each.iter().flat_map(|(_, ready)| ready.ends()).collect();
                ends.sort_unstable();
                ends.dedup();
                ends
            }
        }
    }
}

/// The bindings of a grammar.
#[derive(Debug)]
pub(super) struct Given {
    /// By rule.
    pub(super) rules: HashMap<usize, Ready>,
    /// Where what a rule says is kept, by rule.
    pub(super) slots: HashMap<usize, Slot>,
    /// Names whose numbers matter.
    pub(super) names: Vec<Box<str>>,
    /// Any JSON string.
    pub(super) string: Expr,
}

impl Given {
    /// Returns the bindings that the rules of `grammar` ask for.
    pub(super) fn new(grammar: &Grammar, bindings: &Bindings) -> Result<Self, CompileError> {
        let mut given = Self {
            rules: HashMap::new(),
            slots: HashMap::new(),
            names: Vec::new(),
            string: json::quoted(),
        };
        let bound = bound_rules(grammar, bindings)?;
        let by_rule: HashMap<usize, &Binding> = bound.iter().copied().collect();
        let mut numbers: HashMap<usize, HashMap<&str, u32>> = HashMap::new();
        let mut needs: HashMap<usize, Vec<usize>> = HashMap::new();
        for (rule, binding) in &bound {
            for name in needed(binding) {
                let fail = |problem| Err(failed(grammar, *rule, problem));
                let Some(earlier) = grammar.place(name) else {
                    return fail(BindingProblem::NoRule(name.to_owned()));
                };
                let Some(kept) = by_rule.get(&earlier).filter(|kept| can_be_kept(kept)) else {
                    return fail(BindingProblem::Unsayable(name.to_owned()));
                };
                needs.entry(*rule).or_default().push(earlier);
                let next = number(given.slots.len());
                given.slots.entry(earlier).or_insert(next);
                if let (Binding::OneOf(names), _) = kept.spelt() {
                    numbers.entry(earlier).or_insert_with(|| given.number(names));
                }
            }
        }
        order::check(grammar, &needs).map_err(|early| {
            let name = |rule: usize| grammar.rules[rule].name.clone();
            let problem =
                BindingProblem::Early { of: name(early.inside), needs: name(early.needs) };
            failed(grammar, early.rule, problem)
        })?;
        for (rule, binding) in bound {
            let making = Making { grammar, given: &given, numbers: &numbers, rule };
            let ready = making.ready(binding)?;
            given.rules.insert(rule, ready);
        }
        Ok(given)
    }

    /// Returns where what a rule says is kept that `body` names.
    pub(super) fn kept_in(&self, grammar: &Grammar, body: &Expr) -> Vec<Slot> {
        if self.slots.is_empty() {
            return Vec::new();
        }
        let rules = order::named(body).into_iter().filter_map(|name| grammar.place(name));
        let mut slots: Vec<Slot> =
            rules.filter_map(|rule| self.slots.get(&rule).copied()).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Checks that no binding says more than the text of its rule, of which `bodies` are the routines.
    pub(super) fn check(
        &self,
        grammar: &Grammar,
        states: &mut States,
        bodies: &[(usize, RuleId)],
    ) -> Result<(), CompileError> {
        // Many rules have the same text, which is looked at once.
        let mut whole = HashSet::new();
        for (rule, routine) in bodies {
            let Some(ready) = self.rules.get(rule) else { continue };
            states.refuel();
            let at = states.program.routines[*routine as usize].start;
            let start = states
                .close(&[Place { at, stack: 0, context: NOTHING }])
                .map_err(CompileError::Start)?;
            if let Ready::Not(_) = ready {
                if start == DEAD {
                    return Err(failed(grammar, *rule, BindingProblem::NothingLeft));
                }
                continue;
            }
            for end in ready.ends() {
                if whole.contains(&(start, end)) {
                    continue;
                }
                let missing = states.missing(start, end).map_err(CompileError::Start)?;
                let Some(missing) = missing else {
                    whole.insert((start, end));
                    continue;
                };
                let wrong = match ready {
                    Ready::Names(names, _) => {
                        wider_name(states, start, names).map_err(CompileError::Start)?
                    }
                    Ready::Piece(..)
                    | Ready::Without(_)
                    | Ready::OtherThan(_)
                    | Ready::OtherThanSaid(..)
                    | Ready::By(..)
                    | Ready::Not(_) => Some(String::from_utf8_lossy(&missing).into_owned()),
                };
                if let Some(text) = wrong {
                    return Err(failed(grammar, *rule, BindingProblem::Wider(text)));
                }
            }
        }
        Ok(())
    }

    /// Gives each name a number.
    fn number<'b>(&mut self, names: &'b [String]) -> HashMap<&'b str, u32> {
        let mut numbers = HashMap::new();
        for name in names {
            numbers.entry(name.as_str()).or_insert_with(|| {
                self.names.push(name.as_str().into());
                number(self.names.len() - 1)
            });
        }
        numbers
    }
}

/// Returns the rules that are bound, with what they are bound to.
fn bound_rules<'b>(
    grammar: &Grammar,
    bindings: &'b Bindings,
) -> Result<Vec<(usize, &'b Binding)>, CompileError> {
    let mut bound = Vec::new();
    let mut used = HashSet::new();
    for (rule, written) in grammar.rules.iter().enumerate() {
        let Some(asked) = &written.bound else { continue };
        let Some(binding) = bindings.get(asked.name()) else {
            return Err(failed(grammar, rule, BindingProblem::Missing));
        };
        if let Some(digest) = asked.digest()
            && digest != binding.digest()
        {
            return Err(failed(grammar, rule, BindingProblem::Digest(binding.digest())));
        }
        used.insert(asked.name());
        bound.push((rule, binding));
    }
    match bindings.iter().find(|(name, _)| !used.contains(name)) {
        Some((unused, _)) => Err(CompileError::UnusedBinding(unused.to_owned())),
        None => Ok(bound),
    }
}

/// Returns the rules whose values a binding needs.
fn needed(binding: &Binding) -> Vec<&str> {
    let mut rules = Vec::new();
    let mut open = vec![binding];
    while let Some(binding) = open.pop() {
        rules.extend(binding.needs());
        if let Binding::By { each, .. } = binding {
            open.extend(each.iter().map(|(_, inner)| inner));
        }
    }
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Returns the first name that is not allowed from `start` on.
fn wider_name(
    states: &mut States,
    start: Cursor,
    names: &[(String, u32)],
) -> Result<Option<String>, MatchError> {
    for (name, _) in names {
        if !states.allows(start, name.as_bytes())? {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

/// Returns whether what a binding says can be kept for later rules.
fn can_be_kept(binding: &Binding) -> bool {
    match binding.spelt().0 {
        Binding::OneOf(_)
        | Binding::Piece(_)
        | Binding::PieceOrEmpty(_)
        | Binding::PieceIn { .. } => true,
        Binding::By { each, .. } => each.iter().all(|(_, binding)| match binding.spelt().0 {
            Binding::Piece(_) | Binding::PieceOrEmpty(_) | Binding::PieceIn { .. } => true,
            Binding::Raw { .. }
            | Binding::OneOf(_)
            | Binding::By { .. }
            | Binding::Without(_)
            | Binding::WithoutInAnyCase(_)
            | Binding::OtherThan(_)
            | Binding::Not(_)
            | Binding::OtherThanSaid { .. } => false,
        }),
        Binding::Raw { .. }
        | Binding::Without(_)
        | Binding::WithoutInAnyCase(_)
        | Binding::OtherThan(_)
        | Binding::Not(_)
        | Binding::OtherThanSaid { .. } => false,
    }
}

pub(super) fn failed(grammar: &Grammar, rule: usize, problem: BindingProblem) -> CompileError {
    let name = grammar.rules[rule].bound.as_ref().map(|bound| bound.name().to_owned());
    CompileError::Binding {
        place: place_of(grammar, rule),
        name: name.unwrap_or_default(),
        problem,
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

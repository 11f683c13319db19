//! What a grammar asks for and what is given: bindings, made ready for a program and checked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::contexts::{NOTHING, Slot};
use super::emit::place_of;
use super::error::{BindingProblem, CompileError};
use super::native::{Pieces, Words};
use super::order;
use super::places::Place;
use super::program::RuleId;
use super::states::{DEAD, States};
use crate::bindings::{Binding, Bindings, MAX_NAMES, MAX_TEXT, MAX_WORDS, words};
use crate::gbnf::{Expr, Grammar};
use crate::json;

/// A binding as it is written into a program.
#[derive(Debug)]
pub(super) enum Ready {
    Piece(Arc<Pieces>),
    Without(Words),
    /// Names as JSON strings, sorted, each with its number.
    Names(Vec<(String, u32)>),
    /// The rule's own text, but none of these.
    Not(Vec<Box<[u8]>>),
    /// Any string but this one, as a JSON string.
    OtherThan(Box<[u8]>),
    OtherThanSaid(Slot),
    /// By the numbers of names.
    By(Slot, Vec<(u32, Ready)>),
}

/// The bindings of a grammar.
#[derive(Debug)]
pub(super) struct Given {
    /// By rule.
    pub(super) rules: HashMap<usize, Ready>,
    /// Where what a rule says is kept, by rule.
    pub(super) slots: HashMap<usize, Slot>,
    /// Names whose numbers matter, as JSON strings.
    pub(super) names: Vec<Box<[u8]>>,
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
                if let Binding::OneOf(names) = kept {
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
            if whole.contains(&start) {
                continue;
            }
            let Some(missing) = states.missing_string(start).map_err(CompileError::Start)? else {
                whole.insert(start);
                continue;
            };
            let wrong = match ready {
                Ready::Names(names) => {
                    let mut wrong = None;
                    for (name, _) in names {
                        if !states.allows(start, name.as_bytes()).map_err(CompileError::Start)? {
                            wrong = Some(name.clone());
                            break;
                        }
                    }
                    wrong
                }
                Ready::Piece(..)
                | Ready::Without(_)
                | Ready::OtherThan(_)
                | Ready::OtherThanSaid(_)
                | Ready::By(..)
                | Ready::Not(_) => Some(String::from_utf8_lossy(&missing).into_owned()),
            };
            if let Some(text) = wrong {
                return Err(failed(grammar, *rule, BindingProblem::Wider(text)));
            }
        }
        Ok(())
    }

    /// Gives each name a number.
    fn number<'b>(&mut self, names: &'b [String]) -> HashMap<&'b str, u32> {
        let mut numbers = HashMap::new();
        for name in names {
            numbers.entry(name.as_str()).or_insert_with(|| {
                self.names.push(json::quote(name).into_bytes().into());
                number(self.names.len() - 1)
            });
        }
        numbers
    }
}

/// Making one rule's binding ready.
struct Making<'b> {
    grammar: &'b Grammar,
    given: &'b Given,
    /// The numbers of the names of rules that others need.
    numbers: &'b HashMap<usize, HashMap<&'b str, u32>>,
    rule: usize,
}

impl Making<'_> {
    fn ready(&self, binding: &Binding) -> Result<Ready, CompileError> {
        Ok(match binding {
            Binding::Piece(text) if text.is_empty() => return self.fail(BindingProblem::Empty),
            Binding::Piece(text) => self.piece(text, false, None)?,
            Binding::PieceOrEmpty(text) => self.piece(text, true, None)?,
            Binding::PieceIn { text, parts } => self.piece(text, true, Some(parts))?,
            Binding::OneOf(names) => self.names(names)?,
            Binding::Without(words) => self.without(Words::AsTheyAre(words::as_they_are(words)))?,
            Binding::WithoutInAnyCase(words) => match words::in_any_case(words) {
                Some(words) => self.without(Words::InAnyCase(words))?,
                None => return self.fail(BindingProblem::Cases),
            },
            Binding::OtherThan(text) => Ready::OtherThan(json::quote(text).into_bytes().into()),
            Binding::Not(texts) => self.not(texts)?,
            Binding::OtherThanSaid { rule } => Ready::OtherThanSaid(self.slot(rule)?.1),
            Binding::By { rule, each } => self.by(rule, each)?,
        })
    }

    fn piece(
        &self,
        text: &Arc<str>,
        or_empty: bool,
        parts: Option<&Vec<(usize, usize)>>,
    ) -> Result<Ready, CompileError> {
        self.at_most("bytes of text", text.len(), MAX_TEXT)?;
        let mut behind = 0;
        for (at, (from, to)) in parts.into_iter().flatten().copied().enumerate() {
            let is_next = (at == 0 || behind < from) && from < to;
            if !is_next || text.get(from..to).is_none() {
                return self.fail(BindingProblem::Part { from, to });
            }
            behind = to;
        }
        let (text, parts) = (Arc::clone(text), parts.cloned());
        Ok(Ready::Piece(Arc::new(Pieces { text, or_empty, parts })))
    }

    fn names(&self, names: &[String]) -> Result<Ready, CompileError> {
        self.at_most("names", names.len(), MAX_NAMES)?;
        if names.is_empty() {
            return self.fail(BindingProblem::Empty);
        }
        let numbers = self.numbers.get(&self.rule);
        let number = |name: &str| numbers.and_then(|numbers| numbers.get(name)).copied();
        let quoted = names.iter().map(|name| (json::quote(name), number(name).unwrap_or(0)));
        let mut quoted: Vec<(String, u32)> = quoted.collect();
        quoted.sort_unstable();
        quoted.dedup();
        Ok(Ready::Names(quoted))
    }

    fn without(&self, words: Words) -> Result<Ready, CompileError> {
        let all = words.all();
        self.at_most("bytes of words", all.iter().map(Vec::len).sum(), MAX_WORDS)?;
        if all.is_empty() || all.iter().any(Vec::is_empty) {
            return self.fail(BindingProblem::Empty);
        }
        Ok(Ready::Without(words))
    }

    fn not(&self, texts: &[Vec<u8>]) -> Result<Ready, CompileError> {
        self.at_most("bytes of texts", texts.iter().map(Vec::len).sum(), MAX_TEXT)?;
        if order::reaching(&order::callers(self.grammar), self.rule).contains(&self.rule) {
            return self.fail(BindingProblem::InsideItself);
        }
        let mut texts: Vec<Box<[u8]>> = texts.iter().map(|text| text.as_slice().into()).collect();
        texts.sort_unstable();
        texts.dedup();
        Ok(Ready::Not(texts))
    }

    fn by(&self, rule: &str, each: &[(String, Binding)]) -> Result<Ready, CompileError> {
        let (earlier, slot) = self.slot(rule)?;
        let Some(numbers) = self.numbers.get(&earlier) else {
            return self.fail(BindingProblem::Unsayable(rule.to_owned()));
        };
        let mut seen = HashSet::new();
        if let Some((twice, _)) = each.iter().find(|(name, _)| !seen.insert(name)) {
            return self.fail(BindingProblem::Twice(twice.clone()));
        }
        if let Some(missing) = numbers.keys().find(|name| !seen.contains(&(**name).to_owned())) {
            return self.fail(BindingProblem::NoBranch((*missing).to_owned()));
        }
        let mut branches = Vec::with_capacity(each.len());
        for (name, binding) in each {
            if let Binding::Not(_) = binding {
                return self.fail(BindingProblem::NotInside);
            }
            // What no name leads to is never said.
            if let Some(number) = numbers.get(name.as_str()) {
                branches.push((*number, self.ready(binding)?));
            }
        }
        Ok(Ready::By(slot, branches))
    }

    fn slot(&self, rule: &str) -> Result<(usize, Slot), CompileError> {
        let earlier = self.grammar.place(rule);
        let slot = earlier.and_then(|rule| Some((rule, *self.given.slots.get(&rule)?)));
        slot.map_or_else(|| self.fail(BindingProblem::NoRule(rule.to_owned())), Ok)
    }

    fn at_most(&self, what: &'static str, found: usize, limit: usize) -> Result<(), CompileError> {
        if found > limit {
            return self.fail(BindingProblem::TooLarge { what, found, limit });
        }
        Ok(())
    }

    fn fail<T>(&self, problem: BindingProblem) -> Result<T, CompileError> {
        Err(failed(self.grammar, self.rule, problem))
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

/// Returns whether what a binding says can be kept for later rules.
fn can_be_kept(binding: &Binding) -> bool {
    match binding {
        Binding::OneOf(_)
        | Binding::Piece(_)
        | Binding::PieceOrEmpty(_)
        | Binding::PieceIn { .. } => true,
        Binding::By { each, .. } => each.iter().all(|(_, binding)| match binding {
            Binding::Piece(_) | Binding::PieceOrEmpty(_) | Binding::PieceIn { .. } => true,
            Binding::OneOf(_)
            | Binding::By { .. }
            | Binding::Without(_)
            | Binding::WithoutInAnyCase(_)
            | Binding::OtherThan(_)
            | Binding::Not(_)
            | Binding::OtherThanSaid { .. } => false,
        }),
        Binding::Without(_)
        | Binding::WithoutInAnyCase(_)
        | Binding::OtherThan(_)
        | Binding::Not(_)
        | Binding::OtherThanSaid { .. } => false,
    }
}

fn failed(grammar: &Grammar, rule: usize, problem: BindingProblem) -> CompileError {
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

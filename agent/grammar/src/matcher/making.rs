//! One binding, checked and made ready for a program.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::bind::{self, End, Given, Ready};
use super::contexts::Slot;
use super::error::{BindingProblem, CompileError};
use super::native::{Pieces, Words};
use super::order;
use crate::bindings::{Binding, MAX_NAMES, MAX_TEXT, MAX_WORDS, Spelling, words};
use crate::gbnf::Grammar;
use crate::{json, raw};

/// Making one rule's binding ready.
pub(super) struct Making<'b> {
    pub(super) grammar: &'b Grammar,
    pub(super) given: &'b Given,
    /// The numbers of the names of rules that others need.
    pub(super) numbers: &'b HashMap<usize, HashMap<&'b str, u32>>,
    pub(super) rule: usize,
}

impl Making<'_> {
    /// Returns `binding` as it is written into a program.
    pub(super) fn ready(&self, binding: &Binding) -> Result<Ready, CompileError> {
        Ok(match binding {
            Binding::Piece(text) if text.is_empty() => return self.fail(BindingProblem::Empty),
            Binding::Piece(_) | Binding::PieceOrEmpty(_) | Binding::PieceIn { .. } => {
                self.piece(binding, End::default())?
            }
            Binding::OneOf(names) => self.names(names, Spelling::Json)?,
            Binding::Without(words) => self.without(Words::AsTheyAre(words::as_they_are(words)))?,
            Binding::WithoutInAnyCase(words) => match words::in_any_case(words) {
                Some(words) => self.without(Words::InAnyCase(words))?,
                None => return self.fail(BindingProblem::Cases),
            },
            Binding::OtherThan(text) => Ready::OtherThan(json::quote(text).into_bytes().into()),
            Binding::Not(texts) => self.not(texts)?,
            Binding::OtherThanSaid { rule } => {
                Ready::OtherThanSaid(self.slot(rule)?.1, End::default())
            }
            Binding::By { rule, each } => self.by(rule, each)?,
            Binding::Raw { end, of } => self.raw(end, of)?,
        })
    }

    /// Makes a binding of values ready that stand as they are.
    fn raw(&self, end: &str, of: &Binding) -> Result<Ready, CompileError> {
        if end.is_empty() || end.contains('\0') {
            return self.fail(BindingProblem::Empty);
        }
        let ends_early = || self.fail(BindingProblem::EndsEarly(end.to_owned()));
        let own = || End::from(end.as_bytes());
        match of {
            Binding::Piece(text) | Binding::PieceOrEmpty(text) | Binding::PieceIn { text, .. }
                if !raw::pieces_fit(text, end) =>
            {
                ends_early()
            }
            Binding::OneOf(names) if names.iter().any(|name| !raw::fits(name, end)) => ends_early(),
            Binding::OtherThan(text) => self.not(&[[text, end].concat().into_bytes()]),
            Binding::Piece(text) if text.is_empty() => self.fail(BindingProblem::Empty),
            Binding::Piece(_) | Binding::PieceOrEmpty(_) | Binding::PieceIn { .. } => {
                self.piece(of, own())
            }
            Binding::OneOf(names) => self.names(names, Spelling::Raw(end)),
            Binding::OtherThanSaid { rule } => {
                self.check_no_part_of_itself()?;
                Ok(Ready::OtherThanSaid(self.slot(rule)?.1, own()))
            }
            Binding::Without(_)
            | Binding::WithoutInAnyCase(_)
            | Binding::Not(_)
            | Binding::By { .. }
            | Binding::Raw { .. } => self.fail(BindingProblem::NotRaw),
        }
    }

    /// Makes the binding of a piece ready.
    fn piece(&self, binding: &Binding, end: End) -> Result<Ready, CompileError> {
        let (text, or_empty, parts) = match binding {
            Binding::Piece(text) => (text, false, None),
            Binding::PieceOrEmpty(text) => (text, true, None),
            Binding::PieceIn { text, parts } => (text, true, Some(parts)),
            Binding::OneOf(_)
            | Binding::Without(_)
            | Binding::WithoutInAnyCase(_)
            | Binding::OtherThan(_)
            | Binding::Not(_)
            | Binding::By { .. }
            | Binding::OtherThanSaid { .. }
            | Binding::Raw { .. } => unreachable!("BUG: {binding:?} is no piece"),
        };
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
        Ok(Ready::Piece(Arc::new(Pieces { text, or_empty, parts }), end))
    }

    fn names(&self, names: &[String], spelling: Spelling<'_>) -> Result<Ready, CompileError> {
        self.at_most("names", names.len(), MAX_NAMES)?;
        if names.is_empty() {
            return self.fail(BindingProblem::Empty);
        }
        let numbers = self.numbers.get(&self.rule);
        let number = |name: &str| numbers.and_then(|numbers| numbers.get(name)).copied();
        let said = names.iter().map(|name| (spelling.of(name), number(name).unwrap_or(0)));
        let mut said: Vec<(String, u32)> = said.collect();
        said.sort_unstable();
        said.dedup();
        let end = match spelling {
            Spelling::Json => End::default(),
            Spelling::Raw(end) => end.as_bytes().into(),
        };
        Ok(Ready::Names(said, end))
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
        self.check_no_part_of_itself()?;
        let mut texts: Vec<Box<[u8]>> = texts.iter().map(|text| text.as_slice().into()).collect();
        texts.sort_unstable();
        texts.dedup();
        Ok(Ready::Not(texts))
    }

    /// What is watched ends with the rule: an inner one would end it for the outer one.
    fn check_no_part_of_itself(&self) -> Result<(), CompileError> {
        if order::reaching(&order::callers(self.grammar), self.rule).contains(&self.rule) {
            return self.fail(BindingProblem::InsideItself);
        }
        Ok(())
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
        Err(bind::failed(self.grammar, self.rule, problem))
    }
}

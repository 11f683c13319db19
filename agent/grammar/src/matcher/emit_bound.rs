//! Bindings as steps of a program.

use std::sync::Arc;

use super::bind::Ready;
use super::bound::{Bind, Branches};
use super::choice::Alternative;
use super::contexts::Slot;
use super::emit::{Emitter, Part, position};
use super::error::CompileError;
use super::native::Recipe;
use super::program::{Op, RuleId};
use crate::gbnf::Expr;

impl<'g> Emitter<'g> {
    /// Writes a rule, by its binding if it has one, and forgets at its end what it kept.
    pub(super) fn rule(&mut self, rule: usize) -> Result<(), CompileError> {
        let (given, grammar) = (self.given, self.grammar);
        let body = &grammar.rules[rule].body;
        match given.rules.get(&rule) {
            None => self.expr(body, 0)?,
            Some(ready) => {
                self.ready(ready, given.slots.get(&rule).copied(), body)?;
                let checked = match ready {
                    Ready::Not(_) => RuleId::try_from(rule).unwrap_or(RuleId::MAX),
                    Ready::Piece(..)
                    | Ready::Without(_)
                    | Ready::Names(..)
                    | Ready::OtherThan(_)
                    | Ready::OtherThanSaid(..)
                    | Ready::By(..) => self.defer(Part::Body(body)),
                };
                self.bodies.push((rule, checked));
            }
        }
        self.forget(&given.kept_in(grammar, body))
    }

    /// Writes a bound rule; what it says is kept in `slot`.
    pub(super) fn ready(
        &mut self,
        ready: &'g Ready,
        slot: Option<Slot>,
        body: &'g Expr,
    ) -> Result<(), CompileError> {
        match ready {
            Ready::Piece(pieces, end) => {
                if end.is_empty() {
                    self.push(Op::Byte(b'"'))?;
                }
                if let Some(slot) = slot {
                    self.bind(Bind::Saying(slot))?;
                }
                self.native(match &**end {
                    [] => Recipe::Piece(Arc::clone(pieces)),
                    end => Recipe::Raw(Arc::clone(pieces), end.into()),
                })
            }
            Ready::Without(words) => {
                self.push(Op::Byte(b'"'))?;
                // Any string, for masks that are nearly those of any string: nothing leads there.
                let inside = self.here() + 2;
                self.native(Recipe::Without(words.clone(), inside))?;
                let jump = self.push(Op::Jump(0))?;
                if let Expr::Seq(parts) = self.string() {
                    parts.iter().skip(1).try_for_each(|part| self.expr(part, 0))?;
                }
                self.land(&[jump]);
                Ok(())
            }
            Ready::Names(names, _) => self.names(names, slot),
            Ready::Not(texts) => {
                let (key, list) = self.list(texts.clone());
                self.bind(Bind::Watch(key, list))?;
                self.expr(body, 0)?;
                self.bind(Bind::Leave(key))
            }
            Ready::OtherThan(text) => {
                let (key, list) = self.list(vec![text.clone()]);
                self.bind(Bind::Watch(key, list))?;
                self.expr(self.string(), 0)?;
                self.bind(Bind::Leave(key))
            }
            Ready::OtherThanSaid(said, end) => {
                let key = self.key();
                self.program.ends.push(end.clone());
                let number = position(self.program.ends.len() - 1);
                self.bind(Bind::WatchSaid(key, *said, number))?;
                self.expr(if end.is_empty() { self.string() } else { body }, 0)?;
                self.bind(Bind::Leave(key))
            }
            Ready::By(said, each) => {
                let part = |ready| Part::Bound(ready, slot, body);
                let branches = each.iter().map(|(name, ready)| (*name, self.defer(part(ready))));
                let branches: Branches = branches.collect();
                let branches = self.add_branches(branches);
                self.bind(Bind::By(*said, branches))
            }
        }
    }

    /// Forgets what was kept in these slots.
    fn forget(&mut self, slots: &[Slot]) -> Result<(), CompileError> {
        slots.iter().try_for_each(|slot| self.bind(Bind::Forget(*slot)))
    }

    fn names(
        &mut self,
        names: &'g [(String, u32)],
        slot: Option<Slot>,
    ) -> Result<(), CompileError> {
        let mut alternatives = Vec::with_capacity(names.len());
        for (name, number) in names {
            let last = slot.map(|slot| self.add_bind(Bind::Said(slot, *number)));
            alternatives.push(Alternative { head: name.as_bytes(), rest: &[], last });
        }
        self.alternatives(&alternatives, 0)
    }

    /// Returns the number of a step that a binding asks for.
    fn add_bind(&mut self, bind: Bind) -> u32 {
        self.program.binds.push(bind);
        position(self.program.binds.len() - 1)
    }

    /// Returns the number of a native automaton that is left to the position after the next one.
    fn add_recipe(&mut self, recipe: Recipe) -> u32 {
        self.program.recipes.push((recipe, self.here() + 1));
        position(self.program.recipes.len() - 1)
    }

    /// Returns a mark and a number for texts that must not come out, which are sorted.
    fn list(&mut self, texts: Vec<Box<[u8]>>) -> (u32, u32) {
        self.program.lists.push(texts);
        (self.key(), position(self.program.lists.len() - 1))
    }

    /// Returns a mark that no other binding has.
    fn key(&self) -> u32 {
        self.here()
    }

    fn add_branches(&mut self, branches: Branches) -> u32 {
        self.program.branches.push(branches);
        position(self.program.branches.len() - 1)
    }

    /// Returns the expression for any JSON string.
    fn string(&self) -> &'g Expr {
        &self.given.string
    }

    fn native(&mut self, recipe: Recipe) -> Result<(), CompileError> {
        let native = self.add_recipe(recipe);
        self.bind(Bind::Native(native))
    }

    fn bind(&mut self, bind: Bind) -> Result<(), CompileError> {
        let bind = self.add_bind(bind);
        self.push(Op::Bind(bind)).map(drop)
    }
}

/// The routines of rules' own texts that bindings stand for, by rule.
pub(super) type Bodies = Vec<(usize, RuleId)>;

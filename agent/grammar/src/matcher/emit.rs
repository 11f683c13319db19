//! From a grammar to a program.

use std::collections::{HashMap, VecDeque};

use super::analysis;
use super::bind::{Given, Ready};
use super::contexts::Slot;
use super::emit_bound::Bodies;
use super::error::{CompileError, Place, TokenProblem};
use super::program::{Op, Position, Program, Routine, RuleId, Span, TokenSet};
use super::utf8::{CharMachine, Next};
use crate::gbnf::{CharSet, Expr, Grammar, TokenName};
use crate::limits::Limits;
use crate::vocabulary::{Kind, Vocabulary};

/// Parentheses give up to four levels of the tree: a choice, a sequence, and repetitions in a row.
const LEVELS_PER_PARENTHESIS: usize = 8;

/// Returns the program of a grammar, and the routines of its rules' own texts that bindings stand for.
pub(super) fn program(
    grammar: &Grammar,
    given: &Given,
    vocabulary: &Vocabulary,
    limits: &Limits,
) -> Result<(Program, Bodies), CompileError> {
    let root = grammar.place("root").ok_or(CompileError::NoRoot(grammar.rules.len()))?;
    let mut emitter = Emitter {
        grammar,
        given,
        vocabulary,
        limits,
        program: Program::default(),
        bodies: Vec::new(),
        queue: VecDeque::new(),
        routines: grammar.rules.len(),
        classes: HashMap::new(),
        tokens: HashMap::new(),
        rule: 0,
        shared: 0,
    };
    if grammar.rules.len() > limits.rules {
        return Err(emitter.too_large("rules", limits.rules));
    }
    for rule in 0..grammar.rules.len() {
        emitter.routine(rule, Part::Rule)?;
    }
    while let Some((rule, part)) = emitter.queue.pop_front() {
        emitter.routine(rule, part)?;
    }
    let (mut program, bodies) = (emitter.program, emitter.bodies);
    program.names.clone_from(&given.names);
    program.root = RuleId::try_from(root).unwrap_or(RuleId::MAX);
    name_last_calls(&mut program);
    analysis::complete(&mut program).map_err(|flaw| analysis::named(flaw, grammar, &program))?;
    Ok((program, bodies))
}

/// What a routine is written from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'g> {
    /// From a rule.
    Rule,
    /// From the body of a repetition, or from a rule's own text.
    Body(&'g Expr),
    /// From a binding, what is said being kept in the slot.
    Bound(&'g Ready, Option<Slot>, &'g Expr),
}

/// What is on the way from a grammar to a program.
pub(super) struct Emitter<'g> {
    pub(super) grammar: &'g Grammar,
    pub(super) given: &'g Given,
    vocabulary: &'g Vocabulary,
    limits: &'g Limits,
    pub(super) program: Program,
    pub(super) bodies: Bodies,
    /// Routines to be written, with the rules that they belong to.
    queue: VecDeque<(usize, Part<'g>)>,
    /// How many routines there are, those in the queue too.
    routines: usize,
    classes: HashMap<CharSet, CharMachine>,
    tokens: HashMap<(bool, &'g TokenName), u32>,
    /// The rule that is being written.
    rule: usize,
    /// How many shared beginnings of alternatives are open inside each other.
    pub(super) shared: usize,
}

impl<'g> Emitter<'g> {
    fn routine(&mut self, rule: usize, part: Part<'g>) -> Result<(), CompileError> {
        self.rule = rule;
        let start = self.here();
        self.program.routines.push(Routine { start, rule });
        match part {
            Part::Body(body) => self.expr(body, 0)?,
            Part::Bound(ready, slot, body) => self.ready(ready, slot, body)?,
            Part::Rule => self.rule(rule)?,
        }
        self.push(Op::End)?;
        Ok(())
    }

    /// Writes `expr`, which is nested `depth` deep.
    pub(super) fn expr(&mut self, expr: &'g Expr, depth: usize) -> Result<(), CompileError> {
        if depth > self.limits.nesting.saturating_mul(LEVELS_PER_PARENTHESIS) {
            return Err(self.too_large("levels of parentheses", self.limits.nesting));
        }
        match expr {
            Expr::Literal(text) => {
                text.bytes().try_for_each(|byte| self.push(Op::Byte(byte)).map(drop))
            }
            Expr::Class(notation) => {
                let set = CharSet::parse(notation).map_err(|error| CompileError::Class {
                    place: self.place(),
                    notation: (*notation).to_owned(),
                    error: error.to_string(),
                })?;
                self.class(&set)
            }
            Expr::Chars(set) => self.class(set),
            Expr::Token(name) => self.token(name, false),
            Expr::NotToken(name) => self.token(name, true),
            Expr::Rule(name) => self.call(name),
            Expr::Seq(parts) => parts.iter().try_for_each(|part| self.expr(part, depth + 1)),
            Expr::Any(parts) => self.choice(parts, depth),
            Expr::Optional(inner) => self.repeat(inner, 0, Some(1), depth),
            Expr::Many(inner) => self.repeat(inner, 0, None, depth),
            Expr::Times(inner, count) => {
                self.repeat(inner, u32::from(*count), Some(u32::from(*count)), depth)
            }
            Expr::Repeat(inner, min, max) => self.repeat(inner, *min, *max, depth),
        }
    }

    fn call(&mut self, name: &str) -> Result<(), CompileError> {
        let Some(rule) = self.grammar.place(name) else {
            return Err(CompileError::Undefined { place: self.place(), name: name.to_owned() });
        };
        self.push(Op::Call(RuleId::try_from(rule).unwrap_or(RuleId::MAX))).map(drop)
    }

    fn repeat(
        &mut self,
        inner: &'g Expr,
        min: u32,
        max: Option<u32>,
        depth: usize,
    ) -> Result<(), CompileError> {
        if let Some(max) = max.filter(|max| *max < min) {
            return Err(CompileError::Repetition { place: self.place(), min, max });
        }
        let copies = max.unwrap_or(min.max(1));
        // What is repeated often is written once and called: a copy is then one step or two.
        let called = (copies > 1 && !is_one_step(inner)).then(|| self.defer(Part::Body(inner)));
        let copy = |emitter: &mut Self| match called {
            Some(routine) => emitter.push(Op::Call(routine)).map(drop),
            None => emitter.expr(inner, depth + 1),
        };
        let last = if max.is_none() { min.saturating_sub(1) } else { min };
        for _ in 0..last {
            copy(self)?;
        }
        match max {
            Some(max) => {
                let mut exits = Vec::new();
                for _ in min..max {
                    exits.push(self.push(Op::Split(0))?);
                    copy(self)?;
                }
                self.land(&exits);
            }
            None if min == 0 => {
                let start = self.push(Op::Split(0))?;
                copy(self)?;
                self.push(Op::Jump(start))?;
                self.land(&[start]);
            }
            None => {
                let start = self.here();
                copy(self)?;
                let split = self.push(Op::Split(0))?;
                self.push(Op::Jump(start))?;
                self.land(&[split]);
            }
        }
        Ok(())
    }

    pub(super) fn defer(&mut self, part: Part<'g>) -> RuleId {
        let routine = self.routines;
        self.routines += 1;
        self.queue.push_back((self.rule, part));
        RuleId::try_from(routine).unwrap_or(RuleId::MAX)
    }

    fn class(&mut self, set: &CharSet) -> Result<(), CompileError> {
        let (set, machine) = match self.classes.remove_entry(set) {
            Some(known) => known,
            None => (set.clone(), CharMachine::new(set)),
        };
        let result = self.char_machine(&machine);
        self.classes.insert(set, machine);
        result
    }

    /// Writes a machine, its start first and the end of the character behind it.
    fn char_machine(&mut self, machine: &CharMachine) -> Result<(), CompileError> {
        let start = self.here();
        let count = position(machine.nodes.len());
        // The nodes are written backwards: the start is the last one.
        let place = |node: usize| start + count - 1 - position(node);
        for node in machine.nodes.iter().rev() {
            if !node.may_rest {
                let here = self.here();
                self.program.no_rest.push(here);
            }
            let target = |next| match next {
                Next::Done => start + count,
                Next::Node(node) => place(node),
            };
            let spans = node.edges.iter().map(|(low, high, next)| Span {
                low: *low,
                high: *high,
                target: target(*next),
            });
            let spans: Vec<Span> = spans.collect();
            self.table(&spans)?;
        }
        Ok(())
    }

    fn token(&mut self, name: &'g TokenName, except: bool) -> Result<(), CompileError> {
        let set = match self.tokens.get(&(except, name)) {
            Some(known) => *known,
            None => {
                let set = self.token_set(name, except)?;
                self.program.tokens.push(set);
                let id = position(self.program.tokens.len() - 1);
                self.tokens.insert((except, name), id);
                id
            }
        };
        self.push(Op::Token(set)).map(drop)
    }

    fn token_set(&self, name: &TokenName, except: bool) -> Result<TokenSet, CompileError> {
        let vocabulary = self.vocabulary;
        let fail = |problem| {
            Err(CompileError::Token { place: self.place(), token: name.to_string(), problem })
        };
        let token = match name {
            TokenName::Id(id) => *id,
            TokenName::Text(text) if !is_token_text(text) => return fail(TokenProblem::Notation),
            TokenName::Text(text) => {
                let all: Vec<_> = vocabulary.spelling(text.as_bytes()).collect();
                let is_text = |token: &u32| vocabulary.kind(*token) == Some(Kind::Text);
                let control: Vec<_> = all.iter().copied().filter(|token| !is_text(token)).collect();
                match (control.as_slice(), all.as_slice()) {
                    ([only], _) | ([], [only]) => *only,
                    _ => return fail(TokenProblem::Ambiguous(all.len())),
                }
            }
        };
        match vocabulary.kind(token) {
            None => return fail(TokenProblem::Missing(vocabulary.len())),
            Some(Kind::End) => return fail(TokenProblem::Ends(token)),
            Some(Kind::Text | Kind::Control) => {}
        }
        if !except {
            let is_whole = vocabulary.bytes(token).is_some_and(is_whole_text);
            return if is_whole {
                Ok(TokenSet::One(token))
            } else {
                fail(TokenProblem::NoText(token))
            };
        }
        let whole: u32 = vocabulary.whole().iter().map(|word| word.count_ones()).sum();
        if whole == u32::from(vocabulary.is_whole(token)) {
            return fail(TokenProblem::Alone);
        }
        Ok(TokenSet::Except(token))
    }

    pub(super) fn here(&self) -> Position {
        position(self.program.ops.len())
    }

    pub(super) fn push(&mut self, op: Op) -> Result<Position, CompileError> {
        if self.program.ops.len() + self.program.spans.len() >= self.limits.positions {
            return Err(self.too_large("positions", self.limits.positions));
        }
        self.program.ops.push(op);
        Ok(self.here() - 1)
    }

    /// Writes a table, or one byte where the table says no more than that.
    pub(super) fn table(&mut self, spans: &[Span]) -> Result<u32, CompileError> {
        let next = self.here() + 1;
        if let [Span { low, high, target }] = spans
            && low == high
            && *target == next
        {
            self.push(Op::Byte(*low))?;
            return Ok(u32::MAX);
        }
        let table = position(self.program.tables.len());
        self.push(Op::Table(table))?;
        let start = position(self.program.spans.len());
        self.program.spans.extend_from_slice(spans);
        self.program.tables.push((start, position(self.program.spans.len())));
        Ok(table)
    }

    /// Lets a span of a table lead here.
    pub(super) fn land_span(&mut self, table: u32, span: usize) {
        let here = self.here();
        let range = self.program.table(table);
        self.program.spans[range.start + span].target = here;
    }

    /// Lets the jumps and splits at these positions lead here.
    pub(super) fn land(&mut self, at: &[Position]) {
        let here = self.here();
        for place in at {
            match &mut self.program.ops[*place as usize] {
                Op::Jump(target) | Op::Split(target) => *target = here,
                other => unreachable!("BUG: {other:?} leads nowhere"),
            }
        }
    }

    fn place(&self) -> Place {
        place_of(self.grammar, self.rule)
    }

    fn too_large(&self, what: &'static str, limit: usize) -> CompileError {
        CompileError::TooLarge { place: self.place(), what, limit }
    }
}

/// Returns whether an expression is one step of a program.
fn is_one_step(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(text) => text.len() <= 1,
        Expr::Token(_) | Expr::NotToken(_) | Expr::Rule(_) => true,
        Expr::Chars(set) => is_ascii(set),
        Expr::Class(notation) => CharSet::parse(notation).is_ok_and(|set| is_ascii(&set)),
        Expr::Seq(_)
        | Expr::Any(_)
        | Expr::Optional(_)
        | Expr::Many(_)
        | Expr::Times(..)
        | Expr::Repeat(..) => false,
    }
}

fn is_ascii(set: &CharSet) -> bool {
    set.resolved().last().is_some_and(|(_, high)| high.is_ascii())
}

/// Returns whether a token is one that llama.cpp takes by name and after which it goes on with the next character.
fn is_whole_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes.contains(&0) && str::from_utf8(bytes).is_ok()
}

/// Returns whether a grammar can name a token by this text.
fn is_token_text(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inner.is_some_and(|inner| !inner.starts_with('[') && !inner.contains(['>', '\n', '\r', '\0']))
}

/// Marks the calls after which a routine ends.
fn name_last_calls(program: &mut Program) {
    for at in 0..program.ops.len() {
        if let Op::Call(routine) = program.ops[at]
            && program.op(program.settled(position(at + 1))) == Op::End
        {
            program.ops[at] = Op::Last(routine);
        }
    }
}

pub(super) fn place_of(grammar: &Grammar, rule: usize) -> Place {
    let rule = grammar.rules.get(rule).or(grammar.rules.first());
    Place {
        rule: rule.map_or_else(String::new, |rule| rule.name.clone()),
        line: rule.and_then(|rule| rule.line),
    }
}

pub(super) fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

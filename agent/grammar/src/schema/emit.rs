//! From alternatives to rules: one rule for each object or array that the schema describes.
//!
//! Nodes wait in a list until their turn, so that the depth of a schema costs no stack here.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::gbnf::{Expr, Grammar};

use super::budget::Exceeded;
use super::compiler::Compiler;
use super::dfa::Dfa;
use super::error::SchemaError;
use super::lang::Lang;
use super::names::strings_of;
use super::nodes::NodeId;
use super::number;
use super::options::{Numbers, Space};
use super::rules::{Rules, any, class, seq};
use super::shape::{Array, Kinds, Object, Range, Shape};
use super::text::{self, Alphabet, CHAR, ESCAPE};

/// Writes the rules of nodes.
#[derive(Debug)]
pub(super) struct Emitter<'a> {
    pub(super) compiler: Compiler<'a>,
    pub(super) rules: Rules,
    known: HashMap<NodeId, Expr>,
    /// The nodes whose rule has no body yet.
    open: Vec<(NodeId, String)>,
    shared: HashMap<&'static str, Expr>,
    /// How many bytes of the rules were paid for.
    paid: usize,
}

impl<'a> Emitter<'a> {
    /// Returns an emitter without rules.
    pub(super) fn new(compiler: Compiler<'a>) -> Self {
        let mut rules = Rules::default();
        for name in ["root", CHAR, ESCAPE] {
            rules.name(name);
        }
        Self {
            compiler,
            rules,
            known: HashMap::new(),
            open: Vec::new(),
            shared: HashMap::new(),
            paid: 0,
        }
    }

    /// Writes the whole grammar.
    pub(super) fn grammar(mut self) -> Result<Grammar, SchemaError> {
        let root = self.compiler.root();
        self.known.insert(root, Expr::rule("root"));
        self.open.push((root, "root".to_owned()));
        while let Some((node, name)) = self.open.pop() {
            let choices = self.compiler.choices(node)?;
            let body = self.body(node, &choices, &name)?;
            self.rules.set(&name, body);
            self.check_size(node)?;
        }
        self.rules.set(CHAR, text::char_body());
        self.rules.set(ESCAPE, text::escape_body());
        self.rules.grammar().ok_or_else(|| SchemaError::Unsatisfiable {
            pointer: String::new(),
            hint: "its keywords contradict each other, or it needs itself without an end"
                .to_owned(),
        })
    }

    /// Returns the error that a node has too many of something.
    pub(super) fn too_large(&self, node: NodeId, what: &'static str, limit: usize) -> SchemaError {
        self.exceeded(node, Exceeded { what, limit })
    }

    /// Returns the error that a node costs more than it may.
    pub(super) fn exceeded(&self, node: NodeId, exceeded: Exceeded) -> SchemaError {
        exceeded.at(self.compiler.place(node))
    }

    /// Refuses rules that have become too many or too long. Writing takes time too, about a step for four bytes.
    fn check_size(&mut self, node: NodeId) -> Result<(), SchemaError> {
        let limits = self.compiler.options.limits;
        if self.rules.count() > limits.rules {
            return Err(self.too_large(node, "rules", limits.rules));
        }
        if self.rules.bytes() > limits.text_bytes {
            return Err(self.too_large(node, "bytes of GBNF", limits.text_bytes));
        }
        let written = self.rules.bytes() - std::mem::replace(&mut self.paid, self.rules.bytes());
        self.compiler.budget.spend(written / 4).map_err(|error| self.exceeded(node, error))
    }

    /// Returns an expression for a value that satisfies `node`. Names of new rules begin with `hint`.
    pub(super) fn value(&mut self, node: NodeId, hint: &str) -> Result<Expr, SchemaError> {
        if let Some(known) = self.known.get(&node) {
            return Ok(known.clone());
        }
        let choices = self.compiler.choices(node)?;
        let inner = Kinds::ARRAY.or(Kinds::OBJECT);
        let is_any = matches!(choices.as_slice(), [only] if *only == Shape::any());
        let expr = if is_any {
            self.shared("value")
        } else if choices.iter().any(|shape| shape.kinds.has(inner)) {
            let name = self.rules.name(hint);
            self.open.push((node, name.clone()));
            Expr::rule(name)
        } else {
            let body = self.body(node, &choices, hint)?;
            self.check_size(node)?;
            if is_short(&body) { body } else { self.rules.add(hint, body) }
        };
        self.known.insert(node, expr.clone());
        Ok(expr)
    }

    /// Returns the choice between the alternatives of a node.
    fn body(
        &mut self,
        node: NodeId,
        choices: &Rc<Vec<Shape>>,
        hint: &str,
    ) -> Result<Expr, SchemaError> {
        if matches!(choices.as_slice(), [only] if *only == Shape::any()) {
            return Ok(self.shared("value"));
        }
        let mut all = Vec::new();
        let kinds = choices.iter().fold(Kinds::NONE, |kinds, shape| kinds.or(shape.kinds));
        for shape in choices.iter().filter(|shape| shape.kinds.has(Kinds::OBJECT)) {
            all.push(self.object_of(node, &shape.object, hint)?);
            self.check_size(node)?;
        }
        for shape in choices.iter().filter(|shape| shape.kinds.has(Kinds::ARRAY)) {
            all.push(self.array_of(node, &shape.array, hint)?);
            self.check_size(node)?;
        }
        if kinds.has(Kinds::STRING) {
            all.push(self.strings(node, choices, hint)?);
        }
        if kinds.has(Kinds::NUMBER) {
            all.push(self.numbers(node, choices, hint)?);
        }
        let literals = [(Kinds::TRUE, "true"), (Kinds::FALSE, "false"), (Kinds::NULL, "null")];
        let literals = literals.into_iter().filter(|(kind, _)| kinds.has(*kind));
        all.extend(literals.map(|(_, text)| Expr::literal(text)));
        Ok(any(all))
    }

    fn object_of(
        &mut self,
        node: NodeId,
        object: &Object,
        hint: &str,
    ) -> Result<Expr, SchemaError> {
        if *object == Object::default() {
            return Ok(self.shared("object"));
        }
        self.object(node, object, hint)
    }

    fn array_of(&mut self, node: NodeId, array: &Array, hint: &str) -> Result<Expr, SchemaError> {
        if *array == Array::default() {
            return Ok(self.shared("array"));
        }
        self.array(node, array, hint)
    }

    fn strings(
        &mut self,
        node: NodeId,
        choices: &[Shape],
        hint: &str,
    ) -> Result<Expr, SchemaError> {
        let budget = self.compiler.budget.clone();
        let mut words: BTreeSet<&str> = BTreeSet::new();
        let mut patterns: Option<Dfa> = None;
        let mut all = Vec::new();
        for shape in choices.iter().filter(|shape| shape.kinds.has(Kinds::STRING)) {
            match (&shape.string.words, shape.string.is_all(), shape.length) {
                (Some(list), _, _) => words.extend(list.iter().map(String::as_str)),
                (None, true, range) if range == Range::default() => {
                    return Ok(self.shared("string"));
                }
                (None, true, range) => {
                    let inner = self.rules.repeat(CHAR, range.min, range.max);
                    all.push(seq([Expr::literal("\""), inner, Expr::literal("\"")]));
                }
                (None, false, _) => {
                    let dfa =
                        strings_of(shape, &budget).map_err(|error| self.exceeded(node, error))?;
                    // One automaton for all of them, unless it would be too large.
                    patterns = match patterns {
                        None => Some((*dfa).clone()),
                        Some(before) => match before.or(&dfa, &budget) {
                            Ok(both) => Some(both.minimal(&budget)),
                            Err(_) => {
                                all.push(self.string(&dfa, hint));
                                self.check_size(node)?;
                                Some(before)
                            }
                        },
                    };
                }
            }
        }
        if let Some(dfa) = patterns {
            all.push(self.string(&dfa, hint));
        }
        if !words.is_empty() {
            all.push(self.string(&Dfa::words(words), hint));
        }
        Ok(any(all))
    }

    /// Returns the JSON strings of the texts that an automaton accepts.
    pub(super) fn string(&mut self, dfa: &Dfa, hint: &str) -> Expr {
        if dfa.is_empty() {
            return any([]);
        }
        let text = text::write(&mut self.rules, dfa, hint, Alphabet::Json, "\"");
        seq([Expr::literal("\""), text])
    }

    fn numbers(
        &mut self,
        node: NodeId,
        choices: &[Shape],
        hint: &str,
    ) -> Result<Expr, SchemaError> {
        let all_pointless = self.compiler.options.numbers == Numbers::Digits;
        let (mut words, mut pointless) = (BTreeSet::new(), BTreeSet::new());
        let mut all = Vec::new();
        for shape in choices.iter().filter(|shape| shape.kinds.has(Kinds::NUMBER)) {
            let is_pointless = all_pointless || shape.is_pointless;
            match &shape.number {
                Lang { words: Some(list), .. } => {
                    let words = if is_pointless { &mut pointless } else { &mut words };
                    words.extend(list.iter().map(String::as_str));
                }
                Lang { dfa: Some(dfa), .. } => {
                    let found = self.number(dfa, is_pointless, hint);
                    all.push(found.map_err(|error| self.exceeded(node, error))?);
                }
                Lang { words: None, dfa: None } => return Ok(self.shared("number")),
            }
        }
        let (fractions, integers): (Vec<&str>, Vec<&str>) =
            words.into_iter().partition(|word| word.contains('.'));
        pointless.extend(fractions);
        all.extend((!pointless.is_empty()).then(|| Expr::one_of(pointless)));
        let zeros = seq([Expr::literal(".0"), Expr::Many(Box::new(Expr::literal("0")))]);
        let zeros = Expr::Optional(Box::new(zeros));
        all.extend((!integers.is_empty()).then(|| seq([Expr::one_of(integers), zeros])));
        Ok(any(all))
    }

    fn number(&mut self, dfa: &Dfa, is_pointless: bool, hint: &str) -> Result<Expr, Exceeded> {
        let budget = self.compiler.budget.clone();
        let plain = dfa.and(&number::any(), &budget)?;
        let has_fractions = !plain.minus(&number::integers(), &budget)?.is_empty();
        if has_fractions || !is_pointless {
            return Ok(text::write(&mut self.rules, dfa, hint, Alphabet::Plain, ""));
        }
        if plain.minimal(&budget) == number::integers().minimal(&budget) {
            return Ok(self.shared("integer"));
        }
        let digits = plain.and(&number::plain_integers(), &budget)?.minimal(&budget);
        Ok(text::write(&mut self.rules, &digits, hint, Alphabet::Plain, ""))
    }

    /// Returns the rule for all values of a kind.
    pub(super) fn shared(&mut self, kind: &'static str) -> Expr {
        if let Some(known) = self.shared.get(kind) {
            return known.clone();
        }
        let name = self.rules.name(kind);
        let rule = Expr::rule(name.as_str());
        self.shared.insert(kind, rule.clone());
        let body = match kind {
            "string" => {
                let chars = Expr::Many(Box::new(Expr::rule(CHAR)));
                seq([Expr::literal("\""), chars, Expr::literal("\"")])
            }
            "integer" => integer(),
            "number" => number_with_exponent(),
            "object" => self.any_object(),
            "array" => self.any_array(),
            "ws" => Expr::Many(Box::new(class(&[(9, 10), (13, 13), (32, 32)]))),
            "value" => {
                let kinds = ["object", "array", "string", "number"];
                let mut all: Vec<Expr> = kinds.into_iter().map(|kind| self.shared(kind)).collect();
                all.extend(["true", "false", "null"].map(Expr::literal));
                Expr::Any(all)
            }
            other => unreachable!("BUG: no rule is known for all of `{other}`"),
        };
        self.rules.set(&name, body);
        rule
    }

    fn any_object(&mut self) -> Expr {
        let (key, value, colon) = (self.shared("string"), self.shared("value"), self.mark(":"));
        let member = self.rules.add("member", seq([key, colon, value]));
        self.listed("{", member, "}")
    }

    fn any_array(&mut self) -> Expr {
        let value = self.shared("value");
        self.listed("[", value, "]")
    }

    fn listed(&mut self, open: &str, item: Expr, close: &str) -> Expr {
        let more = Expr::Many(Box::new(seq([self.mark(","), item.clone()])));
        let items = Expr::Optional(Box::new(seq([item, more])));
        self.enclosed(open, items, close)
    }

    /// Returns `inner` between brackets, with the white space that may stand inside of them.
    pub(super) fn enclosed(&mut self, open: &str, inner: Expr, close: &str) -> Expr {
        let (open, close) = (Expr::literal(open), Expr::literal(close));
        match self.compiler.options.space {
            Space::Compact | Space::Spaced => seq([open, inner, close]),
            Space::Free => {
                let space = self.shared("ws");
                seq([open, space.clone(), inner, space, close])
            }
        }
    }

    /// Returns a comma or colon with the white space around it.
    pub(super) fn mark(&mut self, mark: &str) -> Expr {
        match self.compiler.options.space {
            Space::Compact => Expr::literal(mark),
            Space::Spaced => Expr::literal(format!("{mark} ")),
            Space::Free => {
                let space = self.shared("ws");
                seq([space.clone(), Expr::literal(mark), space])
            }
        }
    }
}

/// Returns whether an expression is shorter than a rule of its own would be readable.
fn is_short(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) | Expr::Rule(_) | Expr::Class(_) | Expr::Chars(_) => true,
        Expr::Any(parts) => parts.len() <= 3 && parts.iter().all(is_short),
        Expr::Seq(parts) => parts.len() <= 1 && parts.iter().all(is_short),
        Expr::Optional(_) | Expr::Many(_) | Expr::Times(..) | Expr::Repeat(..) => false,
        Expr::Token(_) | Expr::NotToken(_) => false,
    }
}

fn digit() -> Expr {
    class(&[(0x30, 0x39)])
}

/// RFC 8259 section 6, `[ minus ] int`, without a negative zero.
fn integer() -> Expr {
    let minus = Expr::Optional(Box::new(Expr::literal("-")));
    let digits = Expr::Many(Box::new(digit()));
    any([Expr::literal("0"), seq([minus, class(&[(0x31, 0x39)]), digits])])
}

/// RFC 8259 section 6.
fn number_with_exponent() -> Expr {
    let optional = |parts: Vec<Expr>| Expr::Optional(Box::new(seq(parts)));
    let digits = || seq([digit(), Expr::Many(Box::new(digit()))]);
    let whole =
        any([Expr::literal("0"), seq([class(&[(0x31, 0x39)]), Expr::Many(Box::new(digit()))])]);
    let sign = optional(vec![class(&[(0x2B, 0x2B), (0x2D, 0x2D)])]);
    let exponent = vec![class(&[(0x45, 0x45), (0x65, 0x65)]), sign, digits()];
    seq([
        Expr::Optional(Box::new(Expr::literal("-"))),
        whole,
        optional(vec![Expr::literal("."), digits()]),
        optional(exponent),
    ])
}

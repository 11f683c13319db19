//! A text as a grammar. Nothing here calls itself: nesting lies in a list, so that no text ends the process.

mod scan;
mod terminal;

use std::collections::HashMap;

use super::{Bound, Expr, GbnfError, Grammar, Mistake};
use crate::limits::Limits;
use scan::Scanner;
pub(super) use terminal::char_set;

/// Repetitions of repetitions, as in `a*?+`: with parentheses they nest as deep as `Limits` allows.
const MAX_IN_A_ROW: usize = 4;

/// Reads a grammar.
pub(super) fn grammar(text: &str, limits: &Limits) -> Result<Grammar, GbnfError> {
    check_text(text, limits)?;
    let mut parser = Parser {
        scanner: Scanner::new(text),
        limits,
        grammar: Grammar::default(),
        named: HashMap::new(),
        line: 1,
        counted: 0,
    };
    parser.scanner.space(true);
    while !parser.scanner.is_at_end() {
        parser.rule()?;
    }
    parser.finish()
}

fn check_text(text: &str, limits: &Limits) -> Result<(), GbnfError> {
    let fail = |at, kind, message: String| Err(GbnfError::new(text, at, kind, message));
    if text.len() > limits.text_bytes {
        let message = format!("the text has {} bytes, {} at most", text.len(), limits.text_bytes);
        return fail(0, Mistake::Limit, message);
    }
    if text.starts_with('\u{FEFF}') {
        let message = "the text begins with a byte order mark: save it without one".to_owned();
        return fail(0, Mistake::Syntax, message);
    }
    if let Some(at) = text.find('\0') {
        let message =
            "a NUL character, after which llama.cpp reads nothing: write `\\x00`".to_owned();
        return fail(at, Mistake::Trap, message);
    }
    Ok(())
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    limits: &'t Limits,
    grammar: Grammar,
    /// Where a rule is named first in a body.
    named: HashMap<&'t str, usize>,
    /// The line of the byte `counted`, from 1.
    line: usize,
    counted: usize,
}

/// The body of a rule as far as it was read, and the parentheses that are open in it.
struct Body {
    whole: Group,
    /// Each with the place of its parenthesis.
    open: Vec<(usize, Group)>,
}

#[derive(Default)]
struct Group {
    alternatives: Vec<Expr>,
    sequence: Vec<Expr>,
}

impl Body {
    fn is_nested(&self) -> bool {
        !self.open.is_empty()
    }

    fn inner(&mut self) -> &mut Group {
        self.open.last_mut().map_or(&mut self.whole, |(_, group)| group)
    }

    fn push(&mut self, part: Expr) {
        self.inner().sequence.push(part);
    }

    fn close(&mut self) {
        if let Some((_, group)) = self.open.pop() {
            self.push(group.into_expr());
        }
    }
}

impl Group {
    fn next_alternative(&mut self) {
        let sequence = std::mem::take(&mut self.sequence);
        self.alternatives.push(joined(sequence));
    }

    fn into_expr(mut self) -> Expr {
        self.next_alternative();
        match self.alternatives.len() {
            1 => self.alternatives.remove(0),
            _ => Expr::Any(self.alternatives),
        }
    }
}

impl<'t> Parser<'t> {
    fn rule(&mut self) -> Result<(), GbnfError> {
        self.no_mark()?;
        let at = self.scanner.at();
        let Some(name) = self.scanner.word() else {
            return self.fail(at, Mistake::Syntax, self.no_name());
        };
        if let Some(line) = self.grammar.line(name) {
            let message = format!(
                "rule `{name}` is defined in line {line} already: llama.cpp would take this one without a word"
            );
            return self.fail(at, Mistake::Trap, message);
        }
        if self.grammar.rules.len() == self.limits.rules {
            let message = format!("more than {} rules", self.limits.rules);
            return self.fail(at, Mistake::Limit, message);
        }
        self.scanner.space(false);
        if !self.scanner.take("::=") {
            let message = match self.scanner.peek() {
                Some(b'_') => format!("`_` after `{name}`: names have letters, digits and `-`"),
                Some(_) | None => format!("`::=` expected after `{name}`"),
            };
            return self.fail(self.scanner.at(), Mistake::Syntax, message);
        }
        self.scanner.space(true);
        let body = self.body(name)?;
        self.line += self.scanner.newlines(self.counted, at);
        self.counted = at;
        self.grammar.push(name, body, Some(self.line));
        self.end_of_rule(name)
    }

    /// Reads all alternatives of a rule.
    fn body(&mut self, name: &'t str) -> Result<Expr, GbnfError> {
        let mut body = Body { whole: Group::default(), open: Vec::new() };
        while self.part(name, &mut body)? {
            self.scanner.space(body.is_nested());
        }
        match body.open.last() {
            None => Ok(body.whole.into_expr()),
            Some((at, _)) => {
                let message = format!("`(` is not closed; {} is no part of a group", self.found());
                self.fail(*at, Mistake::Syntax, message)
            }
        }
    }

    /// Reads the next part of a body, and returns whether there was one.
    fn part(&mut self, name: &'t str, body: &mut Body) -> Result<bool, GbnfError> {
        let at = self.scanner.at();
        if !self.scanner.is_at_end() && !self.scanner.is_at_newline() {
            self.no_mark()?;
        }
        match self.scanner.peek() {
            Some(b'(') => {
                if body.open.len() == self.limits.nesting {
                    let message = format!("more than {} open parentheses", self.limits.nesting);
                    return self.fail(at, Mistake::Limit, message);
                }
                self.scanner.skip(1);
                body.open.push((at, Group::default()));
            }
            Some(b')') if body.is_nested() => {
                self.scanner.skip(1);
                body.close();
            }
            Some(b'|') => {
                self.scanner.skip(1);
                // This is what makes a `|` at the end of a line go on in the next one.
                self.scanner.space(true);
                body.inner().next_alternative();
            }
            Some(b'*' | b'+' | b'?' | b'{') => {
                let (min, max) = self.bounds(body.is_nested())?;
                let last = body.inner().sequence.pop();
                body.push(self.repeated(at, last, min, max)?);
            }
            Some(byte) if super::is_word(byte) => body.push(self.reference(name)?),
            Some(_) | None => match self.terminal()? {
                Some(terminal) => body.push(terminal),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn reference(&mut self, inside: &str) -> Result<Expr, GbnfError> {
        let at = self.scanner.at();
        let called = self.scanner.word().unwrap_or_default();
        let mut ahead = self.scanner;
        ahead.space(false);
        if ahead.take("::=") {
            let message = format!(
                "`{called} ::=` stands inside rule `{inside}`: each rule begins a line, and a `|` at the end of \
                 a line goes on in the next one; write `\"\"` for nothing"
            );
            return self.fail(at, Mistake::Syntax, message);
        }
        self.named.entry(called).or_insert(at);
        Ok(Expr::rule(called))
    }

    /// Reads `*`, `+`, `?` or numbers in braces.
    fn bounds(&mut self, nested: bool) -> Result<(u32, Option<u32>), GbnfError> {
        let at = self.scanner.at();
        let mark = self.scanner.peek();
        self.scanner.skip(1);
        let found = match mark {
            Some(b'*') => return Ok((0, None)),
            Some(b'+') => return Ok((1, None)),
            Some(b'?') => return Ok((0, Some(1))),
            Some(_) | None => self.braces(nested),
        };
        let Some((min, max)) = found else {
            let message = "a repetition is `{m}`, `{m,}` or `{m,n}`".to_owned();
            return self.fail(at, Mistake::Syntax, message);
        };
        if let Some(max) = max.filter(|max| *max < min) {
            let message = format!(
                "`{{{min},{max}}}` ends before it begins: llama.cpp takes all memory for it"
            );
            return self.fail(at, Mistake::Trap, message);
        }
        let limit = self.limits.repetition;
        if let Some(over) = max.into_iter().chain([min]).find(|times| *times > limit) {
            let message = format!(
                "a repetition of {over}, {limit} at most: llama.cpp reads a higher bound as \"any number\""
            );
            return self.fail(at, Mistake::Limit, message);
        }
        Ok((min, max))
    }

    fn braces(&mut self, nested: bool) -> Option<(u32, Option<u32>)> {
        self.scanner.space(nested);
        let min = self.scanner.number()?;
        self.scanner.space(nested);
        let mut max = Some(min);
        if self.scanner.take(",") {
            self.scanner.space(nested);
            max = self.scanner.number();
            self.scanner.space(nested);
        }
        self.scanner.take("}").then_some((min, max))
    }

    fn repeated(
        &self,
        at: usize,
        inner: Option<Expr>,
        min: u32,
        max: Option<u32>,
    ) -> Result<Expr, GbnfError> {
        match inner {
            None => {
                self.fail(at, Mistake::Syntax, "nothing stands before the repetition".to_owned())
            }
            Some(Expr::Literal(text)) if text.is_empty() => {
                self.fail(at, Mistake::Syntax, "the empty text cannot be repeated".to_owned())
            }
            Some(inner) if depth_of_repetition(&inner) >= MAX_IN_A_ROW => {
                let message = format!("more than {MAX_IN_A_ROW} repetitions in a row");
                self.fail(at, Mistake::Limit, message)
            }
            Some(inner) => Ok(Expr::repeat(inner, min, max)),
        }
    }

    fn end_of_rule(&mut self, name: &str) -> Result<(), GbnfError> {
        if !self.scanner.is_at_end() && !self.scanner.is_at_newline() {
            let message = format!("{} is no part of rule `{name}`", self.found());
            return self.fail(self.scanner.at(), Mistake::Syntax, message);
        }
        if let Some(at) = self.scanner.mark()
            && let Some(comment) = self.scanner.take_mark()
        {
            let Some(bound) = Bound::parse(comment) else {
                let message =
                    "`#!` binds the rule before it: `#! bind NAME` or `#! bind NAME sha256:DIGITS`";
                return self.fail(at, Mistake::Syntax, message.to_owned());
            };
            self.grammar.bind(name, bound);
        }
        self.scanner.space(true);
        Ok(())
    }

    /// A binding that nobody reads would leave its rule open.
    fn no_mark(&self) -> Result<(), GbnfError> {
        match self.scanner.mark() {
            None => Ok(()),
            Some(at) => {
                let message = "`#!` stands at the end of the line with which a rule ends";
                self.fail(at, Mistake::Trap, message.to_owned())
            }
        }
    }

    fn finish(self) -> Result<Grammar, GbnfError> {
        self.no_mark()?;
        if self.grammar.rules.is_empty() {
            let message =
                "the grammar has no rule; to llama.cpp's sampler that means \"everything\"";
            return self.fail(0, Mistake::Trap, message.to_owned());
        }
        let missing = self.named.iter().filter(|(name, _)| self.grammar.rule(name).is_none());
        if let Some((name, at)) = missing.min_by_key(|(_, at)| **at) {
            return self.fail(*at, Mistake::Syntax, format!("rule `{name}` is not defined"));
        }
        if self.grammar.rule("root").is_none() {
            let rules = self.grammar.rules.len();
            let message = format!("none of the {rules} rules is `root`, with which a text begins");
            return self.fail(0, Mistake::Syntax, message);
        }
        Ok(self.grammar)
    }

    fn no_name(&self) -> String {
        match self.scanner.peek() {
            Some(b'|') => "a line cannot begin with `|` outside parentheses: put it at the end of the line before",
            Some(b'_') => "names have letters, digits and `-`, no `_`",
            Some(_) | None => "the name of a rule expected",
        }
        .to_owned()
    }

    /// Returns what stands at the current place, for people.
    fn found(&self) -> String {
        match self.scanner.char() {
            None => "the end of the text".to_owned(),
            Some('\n' | '\r') => "the end of the line".to_owned(),
            Some('_') => "`_`, which no name has,".to_owned(),
            Some(c) => format!("`{}`", c.escape_debug()),
        }
    }

    fn fail<T>(&self, at: usize, kind: Mistake, message: String) -> Result<T, GbnfError> {
        Err(self.scanner.error(at, kind, message))
    }
}

/// Returns the sequence of `parts`; a group without a repetition is no part of its own.
fn joined(mut parts: Vec<Expr>) -> Expr {
    if parts.iter().any(|part| matches!(part, Expr::Seq(_))) {
        let all = parts.into_iter().flat_map(|part| match part {
            Expr::Seq(inner) => inner,
            other => vec![other],
        });
        parts = all.collect();
    }
    match parts.len() {
        0 => Expr::literal(""),
        1 => parts.remove(0),
        _ => Expr::Seq(parts),
    }
}

/// Returns how many repetitions stand inside each other at the top of `expr`.
fn depth_of_repetition(mut expr: &Expr) -> usize {
    let mut depth = 0;
    while let Expr::Optional(inner)
    | Expr::Many(inner)
    | Expr::Times(inner, _)
    | Expr::Repeat(inner, ..) = expr
    {
        depth += 1;
        expr = inner;
    }
    depth
}

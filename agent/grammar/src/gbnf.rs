//! The syntax tree of a grammar and its printed form.
//!
//! Only what every version of llama.cpp reads the same way is ever printed: no repetition above 2,000 (it turns
//! unbounded silently), no empty alternative at the end of a line, no `_` in a rule name.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter, Write as _};

/// What a rule may expand to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expr {
    /// Exactly this text.
    Literal(String),
    /// One character of a class, in GBNF's own notation including the brackets, such as `[0-9a-f]`.
    Class(&'static str),
    /// The expansion of another rule.
    Rule(String),
    /// All of them, one after the other.
    Seq(Vec<Expr>),
    /// One of them.
    Any(Vec<Expr>),
    /// The inner expression, zero or one time.
    Optional(Box<Expr>),
    /// The inner expression, any number of times.
    Many(Box<Expr>),
    /// The inner expression, exactly this often.
    Times(Box<Expr>, u16),
}

impl Expr {
    /// Returns an expression for exactly `text`.
    pub fn literal(text: impl Into<String>) -> Self {
        Self::Literal(text.into())
    }

    /// Returns a reference to the rule `name`.
    pub fn rule(name: impl Into<String>) -> Self {
        Self::Rule(name.into())
    }

    /// Returns the choice between exactly these texts, as a tree of shared prefixes.
    ///
    /// A flat list of 5,000 texts costs llama.cpp's sampler seconds a token, because each alternative is a
    /// stack of its own; a tree keeps one stack for each text that is still possible.
    pub fn one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sorted: Vec<&str> = texts.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        prefix_tree(&sorted, 0)
    }
}

/// A set of named rules, the first one being `root`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grammar {
    rules: Vec<(String, Expr)>,
    /// Where each name stands in `rules`.
    places: HashMap<String, usize>,
}

impl Grammar {
    /// Returns a grammar whose `root` expands to `root`.
    #[must_use]
    pub fn new(root: Expr) -> Self {
        let mut grammar = Self::default();
        grammar.add("root", root);
        grammar
    }

    /// Adds the rule `name`, unless it is already there.
    ///
    /// # Panics
    ///
    /// When `name` has a character other than letters, digits and `-`, or is there with another body: llama.cpp
    /// would let the last definition win without a word.
    pub fn add(&mut self, name: &str, body: Expr) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(!name.is_empty() && name.chars().all(plain), "BUG: `{name}` is no rule name");
        if let Some(known) = self.rule(name) {
            assert!(*known == body, "BUG: rule `{name}` has two bodies");
            return;
        }
        self.places.insert(name.to_owned(), self.rules.len());
        self.rules.push((name.to_owned(), body));
    }

    /// Returns the body of the rule `name`.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Expr> {
        self.places.get(name).map(|place| &self.rules[*place].1)
    }
}

impl Display for Grammar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (name, body) in &self.rules {
            write!(f, "{name} ::= ")?;
            write_expr(f, body, Place::Rule)?;
            f.write_char('\n')?;
        }
        Ok(())
    }
}

/// Where an expression stands, which decides whether it needs parentheses.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Rule,
    Sequence,
    Repeated,
}

fn write_expr(f: &mut Formatter<'_>, expr: &Expr, place: Place) -> fmt::Result {
    if let Expr::Any(parts) = expr
        && let [only] = parts.as_slice()
    {
        return write_expr(f, only, place);
    }
    let wrap = match expr {
        Expr::Seq(_) => place == Place::Repeated,
        Expr::Any(_) => place != Place::Rule,
        Expr::Literal(_)
        | Expr::Class(_)
        | Expr::Rule(_)
        | Expr::Optional(_)
        | Expr::Many(_)
        | Expr::Times(..) => false,
    };
    if wrap {
        f.write_char('(')?;
    }
    match expr {
        Expr::Literal(text) => write_literal(f, text)?,
        Expr::Class(class) => f.write_str(class)?,
        Expr::Rule(name) => f.write_str(name)?,
        Expr::Seq(parts) if parts.is_empty() => f.write_str("\"\"")?,
        Expr::Seq(parts) => write_joined(f, parts, " ")?,
        Expr::Any(parts) => write_joined(f, parts, " | ")?,
        Expr::Optional(inner) => write_repeated(f, inner, "?")?,
        Expr::Many(inner) => write_repeated(f, inner, "*")?,
        Expr::Times(inner, count) => write_repeated(f, inner, &format!("{{{count}}}"))?,
    }
    if wrap {
        f.write_char(')')?;
    }
    Ok(())
}

fn write_joined(f: &mut Formatter<'_>, parts: &[Expr], between: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        write_expr(f, part, Place::Sequence)?;
    }
    Ok(())
}

fn write_repeated(f: &mut Formatter<'_>, inner: &Expr, mark: &str) -> fmt::Result {
    write_expr(f, inner, Place::Repeated)?;
    f.write_str(mark)
}

fn write_literal(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            // Everything that a terminal or a log could swallow is written as a code point.
            c if c.is_control() => write!(f, "\\U{:08X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Returns the tree of `texts`, which are sorted and distinct, without their first `skip` bytes.
fn prefix_tree(texts: &[&str], skip: usize) -> Expr {
    let [first, .., last] = texts else {
        return Expr::literal(texts.first().map_or("", |text| &text[skip..]));
    };
    let shared = shared_prefix(&first[skip..], &last[skip..]);
    let inner = skip + shared;
    let mut branches = Vec::new();
    let mut rest = texts;
    while let Some(head) = rest.first() {
        let next = head[inner..].chars().next();
        let same = rest.iter().take_while(|text| text[inner..].chars().next() == next).count();
        branches.push(prefix_tree(&rest[..same], inner));
        rest = &rest[same..];
    }
    let choice = Expr::Any(branches);
    match shared {
        0 => choice,
        _ => Expr::Seq(vec![Expr::literal(&first[skip..inner]), choice]),
    }
}

/// Returns the length in bytes of the longest common prefix that ends between two characters.
fn shared_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(c, _)| c.len_utf8()).sum()
}

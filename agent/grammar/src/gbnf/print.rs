//! A grammar as text.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{Expr, Grammar, TokenName, class};

impl Display for Grammar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for rule in &self.rules {
            write!(f, "{} ::= ", rule.name)?;
            write_expr(f, &rule.body, Place::Rule)?;
            if let Some(bound) = &rule.bound {
                write!(f, " #! {bound}")?;
            }
            f.write_char('\n')?;
        }
        Ok(())
    }
}

impl Display for TokenName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "<[{id}]>"),
            Self::Text(text) => f.write_str(text),
        }
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
    if let Expr::Any(parts) | Expr::Seq(parts) = expr
        && let [only] = parts.as_slice()
    {
        return write_expr(f, only, place);
    }
    let wrap = needs_parentheses(expr, place);
    if wrap {
        f.write_char('(')?;
    }
    match expr {
        Expr::Literal(text) => write_literal(f, text)?,
        Expr::Class(class) => f.write_str(class)?,
        Expr::Chars(set) => write!(f, "{set}")?,
        Expr::Token(token) => write!(f, "{token}")?,
        Expr::NotToken(token) => write!(f, "!{token}")?,
        Expr::Rule(name) => f.write_str(name)?,
        Expr::Seq(parts) if parts.is_empty() => f.write_str("\"\"")?,
        Expr::Seq(parts) => write_joined(f, parts, " ")?,
        // No alternative at all matches nothing; written as an empty line it would match the empty text.
        Expr::Any(parts) if parts.is_empty() => f.write_str("[^\\x00-\\U0010FFFF]")?,
        Expr::Any(parts) => write_joined(f, parts, " | ")?,
        Expr::Optional(inner) => write_repeated(f, inner, "?")?,
        Expr::Many(inner) => write_repeated(f, inner, "*")?,
        Expr::Times(inner, count) => write_repeated(f, inner, &format!("{{{count}}}"))?,
        Expr::Repeat(inner, min, max) => write_repeated(f, inner, &bounds(*min, *max))?,
    }
    if wrap {
        f.write_char(')')?;
    }
    Ok(())
}

fn needs_parentheses(expr: &Expr, place: Place) -> bool {
    match expr {
        Expr::Seq(parts) => place == Place::Repeated && !parts.is_empty(),
        Expr::Any(_) => place != Place::Rule,
        // llama.cpp refuses `a**` as left recursion, and takes `(a*)*`.
        Expr::Optional(_) | Expr::Many(_) | Expr::Times(..) | Expr::Repeat(..) => {
            place == Place::Repeated
        }
        Expr::Literal(_)
        | Expr::Class(_)
        | Expr::Chars(_)
        | Expr::Token(_)
        | Expr::NotToken(_)
        | Expr::Rule(_) => false,
    }
}

fn bounds(min: u32, max: Option<u32>) -> String {
    match (min, max) {
        (0, None) => "*".to_owned(),
        (1, None) => "+".to_owned(),
        (0, Some(1)) => "?".to_owned(),
        (min, None) => format!("{{{min},}}"),
        (min, Some(max)) if min == max => format!("{{{min}}}"),
        (min, Some(max)) => format!("{{{min},{max}}}"),
    }
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
            c if class::is_visible(c) => f.write_char(c)?,
            // Everything that a terminal or a log could swallow is written as a code point.
            c => write!(f, "\\U{:08X}", u32::from(c))?,
        }
    }
    f.write_char('"')
}

//! Bindings as plain GBNF: what a log shows when somebody asks.

use super::{Binding, Bindings};
use crate::gbnf::{Expr, Grammar};
use crate::{json, piece};

impl Bindings {
    /// Returns a binding as a grammar without bindings, whose `root` is what may be said: exactly for pieces,
    /// names and a text that must not be said, and of raw values for names.
    ///
    /// Nothing comes back for a name that is not there, and for bindings that need more than their own data: what
    /// another rule said, or the rule's own text. The grammar of a piece has up to two rules a character.
    #[must_use]
    pub fn expand(&self, name: &str) -> Option<Grammar> {
        let binding = self.get(name)?;
        let mut grammar = Grammar::new(Expr::rule("bound"));
        let body = match binding {
            Binding::Piece(text) => piece::rules(&mut grammar, "piece", text)?,
            Binding::PieceOrEmpty(text) => {
                let empty = Expr::literal("\"\"");
                let piece = piece::rules(&mut grammar, "piece", text);
                Expr::Any(std::iter::once(empty).chain(piece).collect())
            }
            Binding::OneOf(names) => {
                let quoted: Vec<String> = names.iter().map(|name| json::quote(name)).collect();
                Expr::one_of(quoted.iter().map(String::as_str))
            }
            Binding::OtherThan(text) => other_than(&mut grammar, text),
            Binding::Raw { end, of } => return raw(end, of),
            Binding::PieceIn { .. }
            | Binding::Without(_)
            | Binding::WithoutInAnyCase(_)
            | Binding::Not(_)
            | Binding::By { .. }
            | Binding::OtherThanSaid { .. } => return None,
        };
        grammar.add("bound", body);
        Some(grammar)
    }

    /// Returns `grammar` without bindings, each rule as [`Bindings::expand`] writes it. A rule of which that cannot
    /// be written stays as its text has it, and allows more.
    #[must_use]
    pub fn written_out(&self, grammar: &Grammar) -> Grammar {
        let mut open = grammar.unbound();
        for name in grammar.rules().map(|(name, _)| name) {
            let bound = grammar.bound(name).and_then(|bound| self.expand(bound.name()));
            for (inner, body) in bound.iter().flat_map(Grammar::rules) {
                let inside = |inner: &str| format!("{name}-{inner}");
                let body = renamed(body, &inside);
                match inner {
                    "root" => open.replace(name, body),
                    _ => open.add(&inside(inner), body),
                }
            }
        }
        open
    }
}

/// Returns `expr` with other names for the rules in it.
fn renamed(expr: &Expr, name: &impl Fn(&str) -> String) -> Expr {
    let inner = |expr: &Expr| renamed(expr, name);
    let boxed = |expr: &Expr| Box::new(renamed(expr, name));
    match expr {
        Expr::Rule(rule) => Expr::Rule(name(rule)),
        Expr::Seq(parts) => Expr::Seq(parts.iter().map(inner).collect()),
        Expr::Any(parts) => Expr::Any(parts.iter().map(inner).collect()),
        Expr::Optional(inner) => Expr::Optional(boxed(inner)),
        Expr::Many(inner) => Expr::Many(boxed(inner)),
        Expr::Times(inner, times) => Expr::Times(boxed(inner), *times),
        Expr::Repeat(inner, least, most) => Expr::Repeat(boxed(inner), *least, *most),
        Expr::Literal(_) | Expr::Class(_) | Expr::Chars(_) | Expr::Token(_) | Expr::NotToken(_) => {
            expr.clone()
        }
    }
}

/// The same for values as they are: for names.
fn raw(end: &str, of: &Binding) -> Option<Grammar> {
    let Binding::OneOf(names) = of else { return None };
    let names: Vec<String> = names.iter().map(|name| [name, end].concat()).collect();
    Some(Grammar::new(Expr::one_of(names.iter().map(String::as_str))))
}

/// Adds rules for all strings but one: a rule for each of its characters, from which another one is the way out.
fn other_than(grammar: &mut Grammar, text: &str) -> Expr {
    let rest = Expr::Many(Box::new(json::quoted_char()));
    grammar.add("rest", Expr::Seq(vec![rest, Expr::literal("\"")]));
    let length = text.chars().count();
    for (at, c) in text.chars().enumerate() {
        let same = Expr::literal(json::spelt(c.encode_utf8(&mut [0; 4])));
        let next = Expr::rule(format!("after-{}", at + 1));
        let other = Expr::Seq(vec![json::quoted_char_but(c), Expr::rule("rest")]);
        let body = vec![Expr::literal("\""), other, Expr::Seq(vec![same, next])];
        grammar.add(&format!("after-{at}"), Expr::Any(body));
    }
    let longer = Expr::Seq(vec![json::quoted_char(), Expr::rule("rest")]);
    grammar.add(&format!("after-{length}"), longer);
    Expr::Seq(vec![Expr::literal("\""), Expr::rule("after-0")])
}

//! The rules of JSON values as a tool call needs them: compact, and never a text that a parser refuses.

use crate::gbnf::{Expr, Grammar};

/// The rule for a JSON string with any content.
pub const STRING: &str = "json-string";
/// The rule for a natural number of at most six digits, without a leading zero.
pub const NATURAL: &str = "json-natural";

/// Adds the rule [`STRING`] and what it needs, and returns a reference to it.
///
/// Lone surrogates (`\ud800`) are left out: RFC 8259 lets them pass, but no parser can turn them into text.
/// Control characters, DEL included, must be escaped.
pub fn string(grammar: &mut Grammar) -> Expr {
    let hex = || Expr::Class("[0-9a-fA-F]");
    let unit = Expr::Any(vec![
        Expr::Seq(vec![Expr::Class("[0-9a-cA-CefEF]"), Expr::Times(Box::new(hex()), 3)]),
        Expr::Seq(vec![Expr::Class("[dD]"), Expr::Class("[0-7]"), hex(), hex()]),
    ]);
    let escape =
        Expr::Any(vec![Expr::Class("[\"\\\\/bfnrt]"), Expr::Seq(vec![Expr::literal("u"), unit])]);
    let char = Expr::Any(vec![
        Expr::Class("[^\"\\\\\\x00-\\x1F\\x7F]"),
        Expr::Seq(vec![Expr::literal("\\"), escape]),
    ]);
    grammar.add("json-char", char);
    let quote = || Expr::literal("\"");
    let body = Expr::Many(Box::new(Expr::rule("json-char")));
    grammar.add(STRING, Expr::Seq(vec![quote(), body, quote()]));
    Expr::rule(STRING)
}

/// Adds the rule [`NATURAL`], and returns a reference to it.
pub fn natural(grammar: &mut Grammar) -> Expr {
    let digit = || Expr::Optional(Box::new(Expr::Class("[0-9]")));
    let mut parts = vec![Expr::Class("[1-9]")];
    parts.extend(std::iter::repeat_with(digit).take(5));
    grammar.add(NATURAL, Expr::Seq(parts));
    Expr::rule(NATURAL)
}

/// Returns `text` as a JSON string in its shortest form, quotes included.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

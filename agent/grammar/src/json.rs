//! The rules of JSON values as a tool call needs them: compact, and never a text that a parser refuses.

mod between;

use crate::gbnf::{CharSet, Expr, Grammar};

pub use between::natural_between;

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

/// Returns the expression for a JSON string with any content in the one spelling that [`quote`] gives it.
#[must_use]
pub fn quoted() -> Expr {
    let mark = || Expr::literal("\"");
    Expr::Seq(vec![mark(), Expr::Many(Box::new(quoted_char())), mark()])
}

/// Returns the expression for one character of such a string.
pub(crate) fn quoted_char() -> Expr {
    let code = Expr::Any(vec![
        Expr::Seq(vec![Expr::literal("0"), Expr::Class("[0-7be-f]")]),
        Expr::Seq(vec![Expr::literal("1"), Expr::Class("[0-9a-f]")]),
        Expr::literal("7f"),
    ]);
    let long = Expr::Seq(vec![Expr::literal("u00"), code]);
    let escape = Expr::Any(vec![Expr::Class("[\"\\\\bfnrt]"), long]);
    Expr::Any(vec![
        Expr::Class("[^\"\\\\\\x00-\\x1F\\x7F]"),
        Expr::Seq(vec![Expr::literal("\\"), escape]),
    ])
}

/// Returns the expression for one character of such a string that is not `c`.
pub(crate) fn quoted_char_but(c: char) -> Expr {
    let control = ('\0'..=' ').filter(|c| *c != ' ').chain(['\u{7F}']);
    let escaped = control.chain(['"', '\\']);
    let others = escaped.clone().filter(|other| *other != c).map(String::from);
    let others: Vec<String> = others.map(|other| spelt(&other)).collect();
    let plain = escaped.chain([c]).map(|c| (c, c));
    let plain = CharSet::except(plain).map(Expr::Chars);
    Expr::Any(plain.into_iter().chain([Expr::one_of(others.iter().map(String::as_str))]).collect())
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
    format!("\"{}\"", spelt(text))
}

/// Returns `text` as it stands inside such a string.
pub(crate) fn spelt(text: &str) -> String {
    let mut spelt = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => spelt.push_str("\\\""),
            '\\' => spelt.push_str("\\\\"),
            '\n' => spelt.push_str("\\n"),
            '\r' => spelt.push_str("\\r"),
            '\t' => spelt.push_str("\\t"),
            '\u{8}' => spelt.push_str("\\b"),
            '\u{c}' => spelt.push_str("\\f"),
            c if c.is_ascii_control() => spelt.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => spelt.push(c),
        }
    }
    spelt
}

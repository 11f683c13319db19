//! A grammar for comparison: any call that is well-formed JSON, of whatever tool with whatever arguments.

use chargehand_grammar::{Expr, Grammar, json};

use crate::tool::{Envelope, Style};

/// Returns the GBNF of any well-formed call in `envelope`; nothing where arguments stand in tags and not in JSON.
#[must_use]
pub fn any_call(envelope: &Envelope) -> Option<String> {
    if envelope.arguments != Style::Json {
        return None;
    }
    let mut grammar = Grammar::new(Expr::rule("call"));
    let string = json::string(&mut grammar);
    let list = |open: &str, item: Expr, close: &str| {
        let more = Expr::Many(Box::new(Expr::Seq(vec![Expr::literal(","), item.clone()])));
        let items = Expr::Optional(Box::new(Expr::Seq(vec![item, more])));
        Expr::Seq(vec![Expr::literal(open), items, Expr::literal(close)])
    };
    let pair = Expr::Seq(vec![string.clone(), Expr::literal(":"), Expr::rule("value")]);
    grammar.add("object", list("{", pair, "}"));
    grammar.add("array", list("[", Expr::rule("value"), "]"));
    let sign = Expr::Optional(Box::new(Expr::literal("-")));
    let number = Expr::Seq(vec![sign, json::natural(&mut grammar)]);
    let words = ["true", "false", "null"].map(Expr::literal);
    let mut values = vec![string, number, Expr::rule("object"), Expr::rule("array")];
    values.extend(words);
    grammar.add("value", Expr::Any(values));
    let name = Expr::repeat(Expr::Class("[a-z_]"), 1, Some(40));
    let parts = [envelope.rule(&envelope.before), name, envelope.rule(&envelope.between)];
    let rest = [Expr::rule("object"), envelope.rule(&envelope.after)];
    let parts = parts.into_iter().chain(rest).filter(|part| *part != Expr::literal(""));
    grammar.add("call", Expr::Seq(parts.collect()));
    Some(grammar.to_string())
}

//! Calls of tools, as a grammar and as a schema.

use chargehand_grammar::{Expr, Grammar, json};
use serde_json::{Value, json};

/// The type of an argument.
pub(crate) enum Type {
    Text,
    Integer,
    Flag,
    OneOf(Vec<String>),
}

/// Returns the schema of an object with exactly these members.
pub(crate) fn closed<'n>(members: impl IntoIterator<Item = (&'n str, Value)>) -> Value {
    let members: serde_json::Map<String, Value> =
        members.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    let names: Vec<&String> = members.keys().collect();
    json!({"type": "object", "required": names, "properties": members, "additionalProperties": false})
}

/// Returns the schema of a call of one of `tools`.
pub(crate) fn schema_of(
    name_key: &str,
    arguments_key: &str,
    tools: &[(&str, &[(&str, Type)])],
) -> Value {
    let calls = tools.iter().map(|(name, arguments)| {
        let arguments = closed(arguments.iter().map(|(key, of)| (*key, of.schema())));
        closed([(name_key, json!({"const": name})), (arguments_key, arguments)])
    });
    json!({"anyOf": calls.collect::<Vec<_>>()})
}

/// Returns the grammar of a call of one of `tools`, its arguments in their order.
pub(crate) fn calls_of(
    name_key: &str,
    arguments_key: &str,
    tools: &[(&str, &[(&str, Type)])],
) -> String {
    let mut grammar = Grammar::new(Expr::rule("call"));
    let mut calls = Vec::new();
    for (name, arguments) in tools {
        let head = format!("{{\"{name_key}\":\"{name}\",\"{arguments_key}\":{{");
        let mut parts = vec![Expr::literal(head)];
        for (at, (key, of)) in arguments.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            parts.push(Expr::literal(format!("{comma}\"{key}\":")));
            parts.push(of.expr(&mut grammar));
        }
        parts.push(Expr::literal("}}"));
        calls.push(Expr::Seq(parts));
    }
    grammar.add("call", Expr::Any(calls));
    grammar.to_string()
}

impl Type {
    fn expr(&self, grammar: &mut Grammar) -> Expr {
        match self {
            Self::Text => json::string(grammar),
            Self::Integer => {
                let digits = Expr::Many(Box::new(Expr::Class("[0-9]")));
                let positive = Expr::Seq(vec![Expr::Class("[1-9]"), digits]);
                let minus = Expr::Optional(Box::new(Expr::literal("-")));
                let body = Expr::Seq(vec![minus, Expr::Any(vec![Expr::literal("0"), positive])]);
                grammar.add("integer", body);
                Expr::rule("integer")
            }
            Self::Flag => Expr::one_of(["true", "false"]),
            Self::OneOf(names) => {
                let quoted: Vec<String> = names.iter().map(|name| json::quote(name)).collect();
                Expr::one_of(quoted.iter().map(String::as_str))
            }
        }
    }

    fn schema(&self) -> Value {
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Integer => json!({"type": "integer"}),
            Self::Flag => json!({"type": "boolean"}),
            Self::OneOf(names) => json!({"enum": names}),
        }
    }

    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::Text => Self::Text,
            Self::Integer => Self::Integer,
            Self::Flag => Self::Flag,
            Self::OneOf(names) => Self::OneOf(names.clone()),
        }
    }
}

//! The calls that are possible in one turn, and the grammar that allows exactly these.

mod loose;
mod tagged;

use chargehand_grammar::bindings::{MAX_NAMES, MAX_TEXT};
use chargehand_grammar::gbnf::Bound;
use chargehand_grammar::{Binding, Bindings, Expr, Grammar, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::loose::any_call;
use self::tagged::Form;
use crate::contract::Gate;
use crate::known::Parts;
use crate::tool::{Envelope, Style, ToolSpec};

/// More values than this are not spelt out in the grammar; the tool itself then refuses a wrong one.
pub const MAX_CHOICES: usize = 2000;

/// What an argument may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Values {
    /// Any text.
    Text,
    /// A number from 1 to 999,999.
    Natural,
    /// A number in one of these ranges, the last ones included.
    Within(Vec<(u64, u64)>),
    /// Exactly one of these.
    OneOf(Vec<String>),
    /// Nothing, or a piece of this text that occurs in it exactly once.
    PieceOf(String),
    /// Nothing, or a piece that occurs in the whole text exactly once and that was seen.
    PieceIn(Parts),
    /// Any text but what this argument says, which stands before it.
    OtherThan(&'static str),
}

/// One argument of an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it may be now.
    pub values: Values,
    /// Whether it may be left out. Optional arguments come last.
    pub optional: bool,
}

/// A way in which a tool may be called now. A tool may have several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The tool's name.
    pub tool: &'static str,
    /// Its arguments, in the order in which a call has them.
    pub arguments: Vec<Argument>,
    /// Arguments that it may not be called with although the values would do, as [`canonical`] writes them.
    pub not: Vec<String>,
}

/// Something that a gate shuts in a turn.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Shut {
    /// The gate.
    pub gate: Gate,
    /// The tool of which it shuts some calls, or all.
    pub tool: String,
    /// Why.
    pub reason: String,
}

/// Everything that may be called in a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Menu {
    /// The tools that are open.
    pub entries: Vec<Entry>,
    /// All tools of the run, open or not: what the prompt describes never changes, so that it stays cached.
    pub specs: Vec<ToolSpec>,
    /// What is shut and why, by tool and gate.
    pub gates: Vec<Shut>,
}

impl Menu {
    /// Returns the GBNF of one whole answer in the given envelope, and what its rules are bound to. The text alone
    /// allows more: any text where a piece of a file is meant.
    #[must_use]
    pub fn grammar(&self, envelope: &Envelope) -> (String, Bindings) {
        let grammar = Grammar::new(Expr::rule("call"));
        let mut rules = Rules { grammar, bindings: Bindings::new() };
        let calls =
            self.entries.iter().zip(0..).filter_map(|(entry, at)| match &envelope.arguments {
                Style::Json => {
                    let head = envelope.rule(&format!("{}{}", entry.tool, envelope.between));
                    Some(Expr::Seq(vec![head, rules.entry(entry, at)]))
                }
                Style::Tagged(tagged) => {
                    let arguments = rules.tagged(entry, at, Form { envelope, tagged })?;
                    Some(Expr::Seq(vec![Expr::literal(entry.tool), arguments]))
                }
            });
        let calls = Expr::Any(calls.collect());
        let pieces = [envelope.rule(&envelope.before), calls, envelope.rule(&envelope.after)];
        let pieces = pieces.into_iter().filter(|piece| *piece != Expr::literal(""));
        rules.grammar.add("call", Expr::Seq(pieces.collect()));
        (rules.grammar.to_string(), rules.bindings)
    }

    /// Returns the ways in which `tool` may be called.
    pub fn entries_of(&self, tool: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.tool == tool)
    }
}

impl Values {
    /// Returns whether `value` is one of them.
    #[must_use]
    pub fn admit(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Text => text.is_some(),
            Self::Natural => value.as_u64().is_some_and(|number| (1..=999_999).contains(&number)),
            Self::Within(ranges) => {
                let is_in =
                    |number| ranges.iter().any(|(low, high)| (*low..=*high).contains(&number));
                value.as_u64().is_some_and(is_in)
            }
            Self::OneOf(choices) => {
                text.is_some_and(|text| choices.iter().any(|choice| choice == text))
            }
            // Which text that is, only the call as a whole tells; the tool refuses it.
            Self::OtherThan(_) => text.is_some(),
            Self::PieceOf(whole) => {
                text.is_some_and(|text| text.is_empty() || whole.matches(text).count() == 1)
            }
            Self::PieceIn(parts) => text.is_some_and(|text| text.is_empty() || parts.shows(text)),
        }
    }
}

impl Entry {
    /// Returns whether the tool may be called with `arguments`.
    #[must_use]
    pub fn admits(&self, arguments: &Map<String, Value>) -> bool {
        let known = |name: &String| self.arguments.iter().any(|argument| argument.name == name);
        let right = |argument: &Argument| match arguments.get(argument.name) {
            Some(value) => argument.values.admit(value),
            None => argument.optional,
        };
        let names = self.arguments.iter().map(|argument| argument.name);
        arguments.keys().all(known)
            && self.arguments.iter().all(right)
            && !self.not.contains(&canonical(names, arguments))
    }
}

/// Writes arguments the one way in which two that say the same look the same: in the order of `names`, without
/// white space, each text in its shortest form.
#[must_use]
pub fn canonical<'n>(
    names: impl Iterator<Item = &'n str>,
    arguments: &Map<String, Value>,
) -> String {
    let pairs = names.filter_map(|name| Some((name, arguments.get(name)?)));
    let pairs = pairs.map(|(name, value)| match value {
        Value::String(text) => format!("{}:{}", json::quote(name), json::quote(text)),
        other => format!("{}:{other}", json::quote(name)),
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

/// The rules of the arguments, and what they are bound to.
struct Rules {
    grammar: Grammar,
    bindings: Bindings,
}

impl Rules {
    /// Returns what the arguments of the entry number `at` may be.
    fn entry(&mut self, entry: &Entry, at: usize) -> Expr {
        let object = self.arguments(&entry.arguments, &format!("entry-{at}"));
        if entry.not.is_empty() {
            return object;
        }
        let not = entry.not.iter().map(|arguments| arguments.as_bytes());
        self.bound(format!("entry-{at}"), object, Binding::not(not))
    }

    fn arguments(&mut self, arguments: &[Argument], own: &str) -> Expr {
        let mut parts = Vec::new();
        for (at, argument) in arguments.iter().enumerate() {
            let lead = if at == 0 { "{" } else { "," };
            let key = Expr::literal(format!("{lead}{}:", json::quote(argument.name)));
            let pair = Expr::Seq(vec![key, self.values(argument, own)]);
            parts.push(if argument.optional { Expr::Optional(Box::new(pair)) } else { pair });
        }
        let close = if arguments.is_empty() { "{}" } else { "}" };
        parts.push(Expr::literal(close));
        Expr::Seq(parts)
    }

    fn values(&mut self, argument: &Argument, own: &str) -> Expr {
        let rule = |name: &str| format!("{own}-{name}");
        let binding = match &argument.values {
            Values::Text => None,
            Values::Natural => return json::natural(&mut self.grammar),
            Values::Within(ranges) => return within(ranges),
            Values::OneOf(choices) if choices.len() > MAX_CHOICES => {
                (choices.len() <= MAX_NAMES).then(|| Binding::one_of(choices))
            }
            Values::OneOf(choices) => {
                let quoted: Vec<String> = choices.iter().map(|name| json::quote(name)).collect();
                return Expr::one_of(quoted.iter().map(String::as_str));
            }
            Values::PieceOf(text) => {
                (text.len() <= MAX_TEXT).then(|| Binding::piece_or_empty(text.as_str()))
            }
            Values::PieceIn(parts) => {
                let seen = parts.seen().iter().map(|part| (part.start, part.end));
                (parts.text().len() <= MAX_TEXT).then(|| Binding::piece_in(parts.text(), seen))
            }
            Values::OtherThan(other) => {
                let is_bound = self.bindings.get(&rule(other)).is_some();
                is_bound.then(|| Binding::other_than_said(rule(other)))
            }
        };
        let string = json::string(&mut self.grammar);
        match binding {
            Some(binding) => self.bound(rule(argument.name), string, binding),
            None => string,
        }
    }

    /// Adds the rule `name`, bound, and returns a reference to it.
    fn bound(&mut self, name: String, body: Expr, binding: Binding) -> Expr {
        let bound = Bound::to(&name).expect("BUG: arguments have names of letters and `_`");
        self.grammar.add(&name, body);
        self.grammar.bind(&name, bound);
        self.bindings.insert(&name, binding);
        Expr::rule(name)
    }
}

/// Returns the rule for a number in one of these ranges.
fn within(ranges: &[(u64, u64)]) -> Expr {
    let range = |(low, high): &(u64, u64)| json::natural_between(*low, *high);
    Expr::Any(ranges.iter().filter_map(range).collect())
}

/// Returns the JSON Schema of an arguments object, for the model's prompt. It names no values: those change by
/// the turn, and a prompt that changes is not kept in the cache.
#[must_use]
pub fn schema(arguments: &[(&str, &str, bool)]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, kind, is_required) in arguments {
        properties.insert((*name).to_owned(), serde_json::json!({ "type": kind }));
        if *is_required {
            required.push(Value::from(*name));
        }
    }
    serde_json::json!({ "type": "object", "properties": properties, "required": required })
}

//! The rules of arguments between tags.

use chargehand_grammar::bindings::{MAX_NAMES, MAX_TEXT};
use chargehand_grammar::{Binding, Expr, json, raw};

use super::{Argument, Entry, MAX_CHOICES, Rules, Values, within};
use crate::tool::{Envelope, Tagged, Tags};

/// The name of the rules for any text.
const TEXT: &str = "raw";

/// An argument whose value is made ready.
struct Pair<'m> {
    argument: &'m Argument,
    /// What stands around the value; its end is part of the value.
    tags: &'m Tags,
    end: &'m str,
    value: Expr,
}

/// What the rules are written for.
#[derive(Clone, Copy)]
pub(super) struct Form<'m> {
    pub(super) envelope: &'m Envelope,
    pub(super) tagged: &'m Tagged,
}

impl Rules {
    /// Returns what may stand behind the name of the entry number `at`; nothing when that cannot be said.
    pub(super) fn tagged(&mut self, entry: &Entry, at: usize, form: Form<'_>) -> Option<Expr> {
        let own = format!("entry-{at}");
        let mut pairs = Vec::with_capacity(entry.arguments.len());
        for argument in &entry.arguments {
            let is_text = !matches!(argument.values, Values::Natural | Values::Within(_));
            let tags = if is_text { &form.tagged.texts } else { &form.tagged.others };
            let end = if is_text { tags.end() } else { "" };
            let value = self.raw(argument, &own, end, form)?;
            pairs.push(Pair { argument, tags, end, value });
        }
        let body = form.pairs(&pairs, None);
        let not = entry.not.iter().filter_map(|arguments| {
            form.envelope.written(&serde_json::from_str(arguments).ok()?).map(String::into_bytes)
        });
        let not: Vec<Vec<u8>> = not.collect();
        Some(if not.is_empty() { body } else { self.bound(own, body, Binding::not(not)) })
    }

    /// Returns what a value may be, with its end.
    fn raw(&mut self, argument: &Argument, own: &str, end: &str, form: Form<'_>) -> Option<Expr> {
        let rule = |name: &str| format!("{own}-{name}");
        let said = form.envelope.rule(end);
        // Where tokens end a text, no binding knows of them.
        let is_text = matches!(said, Expr::Literal(_));
        let binding = match &argument.values {
            Values::Natural => return Some(json::natural(&mut self.grammar)),
            Values::Within(ranges) => return Some(within(ranges)),
            Values::Text => None,
            Values::OneOf(choices) => {
                let fit = choices.iter().filter(|choice| raw::fits(choice, end));
                let fit: Vec<&str> = fit.map(String::as_str).collect();
                if fit.is_empty() {
                    return None;
                }
                if fit.len() <= MAX_CHOICES {
                    return Some(Expr::Seq(vec![Expr::one_of(fit), said]));
                }
                (fit.len() <= MAX_NAMES).then(|| Binding::one_of(fit))
            }
            Values::PieceOf(text) => (text.len() <= MAX_TEXT && raw::pieces_fit(text, end))
                .then(|| Binding::piece_or_empty(text.as_str())),
            Values::PieceIn(parts) => {
                let seen = parts.seen().iter().map(|part| (part.start, part.end));
                (parts.text().len() <= MAX_TEXT && raw::pieces_fit(parts.text(), end))
                    .then(|| Binding::piece_in(parts.text(), seen))
            }
            Values::OtherThan(other) => {
                let is_bound = self.bindings.get(&rule(other)).is_some();
                is_bound.then(|| Binding::other_than_said(rule(other)))
            }
        };
        let text = form.envelope.text_until(&mut self.grammar, TEXT, end);
        Some(match binding.filter(|_| is_text) {
            Some(binding) => self.bound(rule(argument.name), text, binding.raw(end)),
            None => text,
        })
    }
}

impl<'m> Form<'m> {
    /// Returns what may stand behind the pair `before`, or behind the name.
    fn pairs(self, pairs: &[Pair<'m>], before: Option<&Pair<'m>>) -> Expr {
        let Self { envelope, tagged } = self;
        let behind_end = |pair: &Pair<'m>, close: &'m str| &close[pair.end.len()..];
        let Some((pair, rest)) = pairs.split_first() else {
            let close = before.map_or(&*tagged.none, |pair| behind_end(pair, &pair.tags.last));
            return envelope.rule(close);
        };
        let lead = before.map_or(&*envelope.between, |pair| behind_end(pair, &pair.tags.next));
        let key = envelope.rule(&[lead, pair.argument.name, &pair.tags.open].concat());
        let said = Expr::Seq(vec![key, pair.value.clone(), self.pairs(rest, Some(pair))]);
        match pair.argument.optional {
            true => Expr::Any(vec![said, self.pairs(rest, before)]),
            false => said,
        }
    }
}

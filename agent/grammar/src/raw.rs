//! Texts as they are, up to a text that ends them, as rules: `<value>…</value>` has no escapes.
//!
//! The rules are the automaton that looks for the end (Knuth, Morris and Pratt 1977): where it comes for the first
//! time, the text is over. So what was said can be read back, and a text that has the end inside cannot be said.
//! The NUL character cannot either, because llama.cpp reads nothing behind it.

use crate::gbnf::{CharSet, Expr, Grammar};

/// Adds the rules `NAME-0`, `NAME-1` and so on for any text and `end` behind it, and returns a reference to the first.
///
/// An `end` without characters leaves no room for a text.
pub fn until(grammar: &mut Grammar, name: &str, end: &str) -> Expr {
    add(grammar, name, end, Last::Is)
}

/// Adds the same rules for any text in which `end` does not come, for ends that are no text: tokens by name.
pub fn without(grammar: &mut Grammar, name: &str, end: &str) -> Expr {
    add(grammar, name, end, Last::Never)
}

/// Returns whether `text` can be said as it is with `end` behind it.
#[must_use]
pub fn fits(text: &str, end: &str) -> bool {
    !text.contains('\0') && [text, end].concat().find(end) == Some(text.len())
}

/// Returns whether all pieces of `text` can be said so, by an `end` that a [`Binding::Raw`](crate::Binding::Raw) of
/// pieces takes.
#[must_use]
pub fn pieces_fit(text: &str, end: &str) -> bool {
    let is_plain = match end.as_bytes() {
        // What begins an end may begin it nowhere but at its first byte, or its last one is the same.
        [first, middle @ .., _] => first.is_ascii() && !middle.contains(first),
        [only] => only.is_ascii(),
        [] => false,
    };
    is_plain && !text.contains('\0') && !text.contains(shortest(end))
}

/// Returns the beginning of `end` behind which the rest of it could be the beginning of another one.
fn shortest(end: &str) -> &str {
    let borders = end.char_indices().map(|(at, _)| at).skip(1);
    let overlap = borders.clone().find(|at| end.starts_with(&end[*at..]));
    overlap.map_or(end, |at| &end[..at])
}

/// Whether the last character of an end may come.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Last {
    Is,
    Never,
}

fn add(grammar: &mut Grammar, name: &str, end: &str, last: Last) -> Expr {
    let chars: Vec<char> = end.chars().collect();
    let rule = |state: usize| Expr::rule(format!("{name}-{state}"));
    for (state, next) in chars.iter().enumerate() {
        let mut known = vec![*next, '\0'];
        let is_last = state + 1 == chars.len();
        let mut ways = Vec::new();
        match (is_last, last) {
            (true, Last::Is) => ways.push(Expr::literal(*next)),
            (true, Last::Never) => {}
            (false, _) => ways.push(Expr::Seq(vec![Expr::literal(*next), rule(state + 1)])),
        }
        for other in &chars {
            let to = after(&chars, state, *other);
            if to > 0 && !known.contains(other) {
                known.push(*other);
                ways.push(Expr::Seq(vec![Expr::literal(*other), rule(to)]));
            }
        }
        let others = CharSet::except(known.into_iter().map(|c| (c, c))).map(Expr::Chars);
        ways.extend(others.map(|others| Expr::Seq(vec![others, rule(0)])));
        let body = Expr::Any(ways);
        let body = if last == Last::Is { body } else { Expr::Optional(Box::new(body)) };
        grammar.add(&format!("{name}-{state}"), body);
    }
    if chars.is_empty() { Expr::literal("") } else { rule(0) }
}

/// Returns how much of `end` is there after `next`, where its first `said` parts were.
pub(crate) fn after<T: Copy + PartialEq>(end: &[T], said: usize, next: T) -> usize {
    let tail = [&end[..said], &[next]].concat();
    (1..=tail.len()).rev().find(|most| end.starts_with(&tail[tail.len() - most..])).unwrap_or(0)
}

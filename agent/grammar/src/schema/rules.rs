//! Rules in the making: names, small simplifications, repetition that llama.cpp takes, and what is never reached.

use std::collections::{HashMap, HashSet};

use crate::gbnf::{CharSet, Expr, Grammar};

use super::dfa::LAST;

/// The rules of a grammar that is being written.
#[derive(Debug, Default)]
pub(super) struct Rules {
    bodies: Vec<(String, Expr)>,
    bytes: usize,
    taken: HashMap<String, usize>,
    /// Blocks of repetition that are there already: what is repeated, how often at least and at most.
    blocks: HashMap<(String, u64, bool), String>,
}

impl Rules {
    /// Returns a rule name that begins with `hint`, is not taken and is taken from now on.
    pub(super) fn name(&mut self, hint: &str) -> String {
        let plain: String =
            hint.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let plain = plain.trim_matches('-').to_ascii_lowercase();
        let stem: String =
            if plain.is_empty() { "rule" } else { &plain }.chars().take(40).collect();
        let mut count = self.taken.get(&stem).copied().unwrap_or(0);
        let name = loop {
            count += 1;
            let name = if count == 1 { stem.clone() } else { format!("{stem}-{count}") };
            if count == 1 || !self.taken.contains_key(&name) {
                break name;
            }
        };
        self.taken.insert(name.clone(), 1);
        self.taken.insert(stem, count);
        name
    }

    /// Gives the rule `name` its body.
    pub(super) fn set(&mut self, name: &str, body: Expr) {
        self.bytes += name.len() + bytes(&body);
        self.bodies.push((name.to_owned(), body));
    }

    /// Returns about how long the text of the rules is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a rule under a name that begins with `hint`, and returns a reference to it.
    pub(super) fn add(&mut self, hint: &str, body: Expr) -> Expr {
        let name = self.name(hint);
        self.set(&name, body);
        Expr::rule(name)
    }

    /// Returns how many rules there are.
    pub(super) fn count(&self) -> usize {
        self.bodies.len()
    }

    /// Returns `unit` repeated between `min` and `max` times; `unit` is a rule that is never the empty text.
    ///
    /// Counts above 2,000, which llama.cpp refuses or takes for "any number", are built from blocks of doubled size.
    pub(super) fn repeat(&mut self, unit: &str, min: u64, max: Option<u64>) -> Expr {
        if let (Some(low), Some(high)) =
            (small(min), max.map_or(Some(None), |max| small(max).map(Some)))
        {
            return few(Expr::rule(unit), low, high);
        }
        let exact = self.exactly(unit, min);
        let rest = match max {
            Some(max) => self.up_to(unit, max.saturating_sub(min)),
            None => Expr::Many(Box::new(Expr::rule(unit))),
        };
        seq([exact, rest])
    }

    fn exactly(&mut self, unit: &str, count: u64) -> Expr {
        if let Some(count) = small(count) {
            return few(Expr::rule(unit), count, Some(count));
        }
        let half = 1 << count.ilog2();
        let block = Expr::rule(self.block(unit, half));
        let rest = self.exactly(unit, count - half);
        seq([block, rest])
    }

    /// Returns the rule for exactly `count` units, a power of two.
    fn block(&mut self, unit: &str, count: u64) -> String {
        let key = (unit.to_owned(), count, true);
        if let Some(name) = self.blocks.get(&key) {
            return name.clone();
        }
        let body = match small(count) {
            Some(count) => few(Expr::rule(unit), count, Some(count)),
            None => {
                let half = Expr::rule(self.block(unit, count / 2));
                seq([half.clone(), half])
            }
        };
        let name = self.name(&format!("{unit}-x{count}"));
        self.set(&name, body);
        self.blocks.insert(key, name.clone());
        name
    }

    /// Returns at most `count` units: either a block of the largest power of two and the rest, or fewer than
    /// the block. A reader never has to keep more than one possibility a level.
    fn up_to(&mut self, unit: &str, count: u64) -> Expr {
        if let Some(count) = small(count) {
            return few(Expr::rule(unit), 0, Some(count));
        }
        let key = (unit.to_owned(), count, false);
        if let Some(name) = self.blocks.get(&key) {
            return Expr::rule(name.as_str());
        }
        let half = 1 << count.ilog2();
        let block = Expr::rule(self.block(unit, half));
        let more = self.up_to(unit, count - half);
        let fewer = self.up_to(unit, half - 1);
        let name = self.name(&format!("{unit}-to{count}"));
        self.set(&name, Expr::Any(vec![seq([block, more]), fewer]));
        self.blocks.insert(key, name.clone());
        Expr::rule(name)
    }

    /// Returns the grammar of what is reached from the rule `root` and can end, or nothing when `root` never ends.
    pub(super) fn grammar(self) -> Option<Grammar> {
        let bodies: HashMap<&str, &Expr> =
            self.bodies.iter().map(|(name, body)| (name.as_str(), body)).collect();
        let ends = ending(&bodies);
        let kept: HashMap<&str, Expr> = (self.bodies.iter())
            .filter_map(|(name, body)| Some((name.as_str(), pruned(body, &ends)?)))
            .collect();
        let root = kept.get("root")?;
        let mut reached = HashSet::new();
        let mut open: Vec<&Expr> = vec![root];
        while let Some(expr) = open.pop() {
            visit(expr, &mut |name| {
                if let Some((name, body)) = kept.get_key_value(name)
                    && reached.insert(*name)
                {
                    open.push(body);
                }
            });
        }
        let mut grammar = Grammar::new(root.clone());
        let names = self.bodies.iter().rev().map(|(name, _)| name.as_str());
        for name in names.filter(|name| *name != "root" && reached.contains(name)) {
            grammar.add(name, kept[name].clone());
        }
        Some(grammar)
    }
}

/// The largest number in `{m,n}` that llama.cpp takes for what it is.
const MAX_REPETITION: u32 = 2_000;

fn small(count: u64) -> Option<u32> {
    u32::try_from(count).ok().filter(|count| *count <= MAX_REPETITION)
}

fn few(unit: Expr, min: u32, max: Option<u32>) -> Expr {
    match (min, max) {
        (_, Some(0)) => Expr::Seq(Vec::new()),
        (1, Some(1)) => unit,
        (min, max) => Expr::repeat(unit, min, max),
    }
}

/// Returns one expression after the other, without needless nesting; neighbouring literals become one.
pub(super) fn seq(parts: impl IntoIterator<Item = Expr>) -> Expr {
    let mut out: Vec<Expr> = Vec::new();
    for part in parts {
        match part {
            Expr::Seq(inner) => inner.into_iter().for_each(|part| append(&mut out, part)),
            part => append(&mut out, part),
        }
    }
    if out.len() == 1 { out.remove(0) } else { Expr::Seq(out) }
}

fn append(out: &mut Vec<Expr>, part: Expr) {
    match (out.last_mut(), part) {
        (_, Expr::Literal(text)) if text.is_empty() => {}
        (Some(Expr::Literal(before)), Expr::Literal(text)) => before.push_str(&text),
        (Some(Expr::Times(unit, count)), part) if **unit == part && *count < 256 => *count += 1,
        (Some(before @ Expr::Chars(_)), part @ Expr::Chars(_)) if *before == part => {
            *before = Expr::Times(Box::new(part), 2);
        }
        (_, part) => out.push(part),
    }
}

/// Returns the choice between expressions, each named once; without any, nothing is possible.
pub(super) fn any(parts: impl IntoIterator<Item = Expr>) -> Expr {
    let mut out: Vec<Expr> = Vec::new();
    for part in parts {
        match part {
            Expr::Any(inner) => out.extend(inner),
            part => out.push(part),
        }
    }
    let mut seen = HashSet::new();
    let is_first: Vec<bool> = out.iter().map(|part| seen.insert(part)).collect();
    let mut is_first = is_first.into_iter();
    out.retain(|_| is_first.next().unwrap_or(true));
    if out.len() == 1 { out.remove(0) } else { Expr::Any(out) }
}

/// Returns the class of these characters; without any, nothing is possible.
pub(super) fn class(ranges: &[(u32, u32)]) -> Expr {
    let mut gaps = Vec::new();
    let mut next = 0;
    for (lo, hi) in ranges {
        if *lo > next {
            gaps.push((next, lo - 1));
        }
        next = hi + 1;
    }
    let reaches_end = ranges.last().is_some_and(|(_, hi)| *hi == LAST);
    let set = if reaches_end { CharSet::except(chars(&gaps)) } else { CharSet::of(chars(ranges)) };
    set.map_or(Expr::Any(Vec::new()), Expr::Chars)
}

/// Returns ranges of numbers as ranges of characters, without the surrogates, which are none.
fn chars(ranges: &[(u32, u32)]) -> Vec<(char, char)> {
    let clip = |lo: u32, hi: u32, low: u32, high: u32| {
        let (lo, hi) = (lo.max(low), hi.min(high));
        if lo > hi { None } else { char::from_u32(lo).zip(char::from_u32(hi)) }
    };
    let parts = ranges
        .iter()
        .flat_map(|(lo, hi)| [clip(*lo, *hi, 0, 0xD7FF), clip(*lo, *hi, 0xE000, LAST)]);
    parts.flatten().collect()
}

/// Returns about how long the text of an expression is.
fn bytes(expr: &Expr) -> usize {
    match expr {
        Expr::Literal(text) | Expr::Rule(text) => text.len() + 3,
        Expr::Chars(set) => set.to_string().len() + 1,
        Expr::Seq(parts) | Expr::Any(parts) => parts.iter().map(|part| bytes(part) + 3).sum(),
        Expr::Optional(inner) | Expr::Many(inner) | Expr::Times(inner, _) => bytes(inner) + 8,
        Expr::Repeat(inner, ..) => bytes(inner) + 8,
        Expr::Class(_) | Expr::Token(_) | Expr::NotToken(_) => 8,
    }
}

/// Returns the names of the rules that have a finite expansion.
fn ending<'a>(bodies: &HashMap<&'a str, &'a Expr>) -> HashSet<&'a str> {
    let mut users: HashMap<&str, Vec<&'a str>> = HashMap::new();
    for (name, body) in bodies {
        visit(body, &mut |used| users.entry(used).or_default().push(name));
    }
    let mut ends = HashSet::new();
    let mut open: Vec<&str> = bodies.keys().copied().collect();
    while let Some(name) = open.pop() {
        if !ends.contains(name) && can_end(bodies[name], &ends) {
            ends.insert(name);
            open.extend(users.get(name).into_iter().flatten());
        }
    }
    ends
}

fn can_end(expr: &Expr, ends: &HashSet<&str>) -> bool {
    match expr {
        Expr::Rule(name) => ends.contains(name.as_str()),
        Expr::Seq(parts) => parts.iter().all(|part| can_end(part, ends)),
        Expr::Any(parts) => parts.iter().any(|part| can_end(part, ends)),
        Expr::Times(inner, _) => can_end(inner, ends),
        Expr::Repeat(inner, min, _) => *min == 0 || can_end(inner, ends),
        Expr::Optional(_) | Expr::Many(_) => true,
        Expr::Literal(_) | Expr::Class(_) | Expr::Chars(_) => true,
        Expr::Token(_) | Expr::NotToken(_) => true,
    }
}

/// Returns the expression without the choices that never end.
fn pruned(expr: &Expr, ends: &HashSet<&str>) -> Option<Expr> {
    match expr {
        Expr::Rule(name) => ends.contains(name.as_str()).then(|| expr.clone()),
        Expr::Seq(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(|part| pruned(part, ends)).collect();
            Some(seq(parts?))
        }
        Expr::Any(parts) => {
            let parts: Vec<_> = parts.iter().filter_map(|part| pruned(part, ends)).collect();
            (!parts.is_empty()).then(|| any(parts))
        }
        Expr::Optional(inner) => Some(match pruned(inner, ends) {
            Some(inner) => Expr::Optional(Box::new(inner)),
            None => Expr::Seq(Vec::new()),
        }),
        Expr::Many(inner) => Some(match pruned(inner, ends) {
            Some(inner) => Expr::Many(Box::new(inner)),
            None => Expr::Seq(Vec::new()),
        }),
        Expr::Times(inner, count) => Some(Expr::Times(Box::new(pruned(inner, ends)?), *count)),
        Expr::Repeat(inner, min, max) => match pruned(inner, ends) {
            Some(inner) => Some(Expr::Repeat(Box::new(inner), *min, *max)),
            None => (*min == 0).then(|| Expr::Seq(Vec::new())),
        },
        Expr::Literal(_) | Expr::Class(_) | Expr::Chars(_) => Some(expr.clone()),
        Expr::Token(_) | Expr::NotToken(_) => Some(expr.clone()),
    }
}

/// Calls `found` with every rule that `expr` names.
fn visit<'a>(expr: &'a Expr, found: &mut impl FnMut(&'a str)) {
    match expr {
        Expr::Rule(name) => found(name),
        Expr::Seq(parts) | Expr::Any(parts) => parts.iter().for_each(|part| visit(part, found)),
        Expr::Optional(inner) | Expr::Many(inner) | Expr::Times(inner, _) => visit(inner, found),
        Expr::Repeat(inner, ..) => visit(inner, found),
        Expr::Literal(_) | Expr::Class(_) | Expr::Chars(_) => {}
        Expr::Token(_) | Expr::NotToken(_) => {}
    }
}

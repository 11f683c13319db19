//! How short the texts of the rules of a grammar can be.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::random::Random;
use crate::gbnf::{CharSet, Expr, Grammar, TokenName};
use crate::vocabulary::{TokenId, Vocabulary};

/// The length of what has no text, or whose length is not known yet.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// The shortest lengths of the rules of a grammar, in bytes.
#[derive(Debug)]
pub(super) struct Lengths {
    rules: Vec<u64>,
    vocabulary: Arc<Vocabulary>,
    /// The tokens that are named by their text.
    named: HashMap<String, TokenId>,
    /// The tokens of whole characters, the shortest first; none where no grammar excludes one.
    whole: Vec<TokenId>,
}

impl Lengths {
    /// Finds the lengths: the rule with the shortest text first, then what it makes shorter (Knuth 1977).
    pub(super) fn of(grammar: &Grammar, vocabulary: &Arc<Vocabulary>) -> Self {
        let mut found = Found::default();
        for (at, rule) in grammar.rules.iter().enumerate() {
            found.rule = at;
            found.visit(&rule.body);
        }
        let named = found.texts.into_iter().filter_map(|text| {
            let token = vocabulary.spelling(text.as_bytes()).next()?;
            Some((text.to_owned(), token))
        });
        let mut lengths = Self {
            rules: vec![UNKNOWN; grammar.rules.len()],
            vocabulary: Arc::clone(vocabulary),
            named: named.collect(),
            whole: Vec::new(),
        };
        if found.excludes {
            lengths.whole = whole_tokens(vocabulary);
        }
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); grammar.rules.len()];
        for (user, used) in found.uses {
            if let Some(used) = grammar.place(used) {
                users[used].push(user);
            }
        }
        lengths.settle(grammar, &users);
        lengths
    }

    fn settle(&mut self, grammar: &Grammar, users: &[Vec<usize>]) {
        let mut queue: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let known = |lengths: &Self, rule: usize| lengths.expr(grammar, &grammar.rules[rule].body);
        for rule in 0..grammar.rules.len() {
            queue.push(Reverse((known(self, rule), rule)));
        }
        while let Some(Reverse((length, rule))) = queue.pop() {
            if length >= self.rules[rule] {
                continue;
            }
            self.rules[rule] = length;
            for user in &users[rule] {
                let length = known(self, *user);
                if length < self.rules[*user] {
                    queue.push(Reverse((length, *user)));
                }
            }
        }
    }

    /// Returns the length of the shortest text of a rule.
    pub(super) fn rule(&self, grammar: &Grammar, name: &str) -> u64 {
        grammar.place(name).map_or(UNKNOWN, |place| self.rules[place])
    }

    /// Returns the length of the shortest text of an expression.
    pub(super) fn expr(&self, grammar: &Grammar, expr: &Expr) -> u64 {
        let of = |expr: &Expr| self.expr(grammar, expr);
        match expr {
            Expr::Literal(text) => length(text.as_bytes()),
            Expr::Class(notation) => CharSet::parse(notation).map_or(UNKNOWN, |set| shortest(&set)),
            Expr::Chars(set) => shortest(set),
            Expr::Token(name) => length(self.token(name)),
            Expr::NotToken(name) => self.others(name).next().map_or(UNKNOWN, length),
            Expr::Rule(name) => self.rule(grammar, name),
            Expr::Seq(parts) => parts.iter().map(of).fold(0, u64::saturating_add),
            Expr::Any(parts) => parts.iter().map(of).min().unwrap_or(UNKNOWN),
            Expr::Optional(_) | Expr::Many(_) => 0,
            Expr::Times(inner, count) => times(of(inner), u32::from(*count)),
            Expr::Repeat(inner, least, _) => times(of(inner), *least),
        }
    }

    /// Returns the bytes of a token that the grammar names.
    pub(super) fn token(&self, name: &TokenName) -> &[u8] {
        self.id(name).and_then(|token| self.vocabulary.bytes(token)).unwrap_or_default()
    }

    /// Returns the bytes of some other token, at most `room` of them.
    pub(super) fn other_token(&self, name: &TokenName, room: u64, random: &mut Random) -> &[u8] {
        let fitting = self.others(name).take_while(|bytes| length(bytes) <= room);
        let count = u64::try_from(fitting.count()).unwrap_or(u64::MAX);
        let at = usize::try_from(random.below(count)).unwrap_or(0);
        self.others(name).nth(at).unwrap_or_default()
    }

    fn others(&self, name: &TokenName) -> impl Iterator<Item = &[u8]> {
        let excluded = self.id(name);
        let others = self.whole.iter().filter(move |token| Some(**token) != excluded);
        others.filter_map(|token| self.vocabulary.bytes(*token))
    }

    fn id(&self, name: &TokenName) -> Option<TokenId> {
        match name {
            TokenName::Id(id) => Some(*id),
            TokenName::Text(text) => self.named.get(text).copied(),
        }
    }
}

/// What the rules of a grammar name.
#[derive(Default)]
struct Found<'g> {
    rule: usize,
    /// A rule and one that it names.
    uses: Vec<(usize, &'g str)>,
    texts: Vec<&'g str>,
    excludes: bool,
}

impl<'g> Found<'g> {
    fn visit(&mut self, expr: &'g Expr) {
        match expr {
            Expr::Rule(name) => self.uses.push((self.rule, name)),
            Expr::Token(name) | Expr::NotToken(name) => {
                self.excludes |= matches!(expr, Expr::NotToken(_));
                if let TokenName::Text(text) = name {
                    self.texts.push(text);
                }
            }
            Expr::Seq(parts) | Expr::Any(parts) => parts.iter().for_each(|part| self.visit(part)),
            Expr::Optional(inner)
            | Expr::Many(inner)
            | Expr::Times(inner, _)
            | Expr::Repeat(inner, ..) => self.visit(inner),
            Expr::Literal(_) | Expr::Class(_) | Expr::Chars(_) => {}
        }
    }
}

fn whole_tokens(vocabulary: &Vocabulary) -> Vec<TokenId> {
    let mut tokens: Vec<TokenId> =
        (0..).take(vocabulary.len()).filter(|token| vocabulary.is_whole(*token)).collect();
    tokens.sort_by_key(|token| vocabulary.bytes(*token).map(<[u8]>::len));
    tokens
}

/// The smallest character has the shortest encoding.
fn shortest(set: &CharSet) -> u64 {
    let first = set.resolved().first().map(|(low, _)| low.len_utf8());
    first.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(UNKNOWN)
}

/// Nothing, not at all repeated, is no text; repeated never, it is the empty one.
fn times(each: u64, count: u32) -> u64 {
    if count == 0 { 0 } else { each.saturating_mul(u64::from(count)) }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(UNKNOWN)
}

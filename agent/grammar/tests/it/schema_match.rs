//! A slow and obvious matcher of grammars, to check what the converter writes: recursive descent over characters.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use chargehand_grammar::gbnf::CharSet;
use chargehand_grammar::{Expr, Grammar};

/// Returns whether `text` as a whole is an expansion of the grammar.
pub(crate) fn matches(grammar: &Grammar, text: &str) -> bool {
    refusal(grammar, text).is_none()
}

/// Returns up to which character `text` can be read, unless it is an expansion of the grammar.
pub(crate) fn refusal(grammar: &Grammar, text: &str) -> Option<usize> {
    let chars: Vec<char> = text.chars().collect();
    let sets = grammar.rules().flat_map(|(_, body)| sets(body)).collect();
    let mut matcher = Matcher { grammar, chars: &chars, sets, known: HashMap::new(), farthest: 0 };
    let root = grammar.rule("root").expect("a grammar has a root");
    let is_match = matcher.ends(root, 0).contains(&chars.len());
    (!is_match).then_some(matcher.farthest)
}

struct Matcher<'a> {
    grammar: &'a Grammar,
    chars: &'a [char],
    /// The characters of each class, by where the class stands in memory.
    sets: HashMap<*const CharSet, Vec<(char, char)>>,
    /// Where each rule ends that was tried at a place.
    known: HashMap<(&'a str, usize), Rc<BTreeSet<usize>>>,
    farthest: usize,
}

fn sets(expr: &Expr) -> Vec<(*const CharSet, Vec<(char, char)>)> {
    match expr {
        Expr::Chars(set) => vec![(std::ptr::from_ref(set), set.resolved())],
        Expr::Seq(parts) | Expr::Any(parts) => parts.iter().flat_map(sets).collect(),
        Expr::Optional(inner) | Expr::Many(inner) => sets(inner),
        Expr::Times(inner, _) | Expr::Repeat(inner, ..) => sets(inner),
        Expr::Literal(_) | Expr::Rule(_) => Vec::new(),
        other => panic!("the converter never writes {other:?}"),
    }
}

impl<'a> Matcher<'a> {
    /// Returns every place where `expr` can end when it begins at `at`.
    fn ends(&mut self, expr: &'a Expr, at: usize) -> Rc<BTreeSet<usize>> {
        self.farthest = self.farthest.max(at);
        Rc::new(match expr {
            Expr::Literal(text) => {
                let wanted: Vec<char> = text.chars().collect();
                let found = self.chars[at..].starts_with(&wanted);
                found.then_some(at + wanted.len()).into_iter().collect()
            }
            Expr::Chars(set) => {
                let ranges = &self.sets[&std::ptr::from_ref(set)];
                let fits = |c: &char| ranges.iter().any(|(low, high)| (low..=high).contains(&c));
                self.chars.get(at).filter(|c| fits(c)).map(|_| at + 1).into_iter().collect()
            }
            Expr::Rule(name) => return self.rule(name, at),
            Expr::Seq(parts) => parts.iter().fold(BTreeSet::from([at]), |from, part| {
                from.into_iter().flat_map(|at| (*self.ends(part, at)).clone()).collect()
            }),
            Expr::Any(parts) => {
                parts.iter().flat_map(|part| (*self.ends(part, at)).clone()).collect()
            }
            Expr::Optional(inner) => self.repeated(inner, at, 0, Some(1)),
            Expr::Many(inner) => self.repeated(inner, at, 0, None),
            Expr::Times(inner, count) => {
                self.repeated(inner, at, u32::from(*count), Some(u32::from(*count)))
            }
            Expr::Repeat(inner, min, max) => self.repeated(inner, at, *min, *max),
            other => panic!("the converter never writes {other:?}"),
        })
    }

    fn rule(&mut self, name: &'a str, at: usize) -> Rc<BTreeSet<usize>> {
        if let Some(known) = self.known.get(&(name, at)) {
            return known.clone();
        }
        let body = self.grammar.rule(name).unwrap_or_else(|| panic!("no rule `{name}`"));
        let ends = self.ends(body, at);
        self.known.insert((name, at), ends.clone());
        ends
    }

    fn repeated(
        &mut self,
        inner: &'a Expr,
        at: usize,
        min: u32,
        max: Option<u32>,
    ) -> BTreeSet<usize> {
        let mut from = BTreeSet::from([at]);
        let mut found = BTreeSet::new();
        let mut count = 0;
        while !from.is_empty() {
            if count >= min {
                // What was reached before leads nowhere new, as nothing repeated is empty.
                from.retain(|at| found.insert(*at));
            }
            if max.is_some_and(|max| count >= max) {
                break;
            }
            from = from.into_iter().flat_map(|at| (*self.ends(inner, at)).clone()).collect();
            count += 1;
        }
        found
    }
}

//! Which rules stand before which: a binding that needs what a rule said must come behind it, in every rule.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::gbnf::{Expr, Grammar};

/// Returns the rules that `expr` names itself.
pub(super) fn named(expr: &Expr) -> Vec<&str> {
    let mut names = Vec::new();
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Rule(name) => names.push(name.as_str()),
            Expr::Seq(parts) | Expr::Any(parts) => open.extend(parts),
            Expr::Optional(inner)
            | Expr::Many(inner)
            | Expr::Times(inner, _)
            | Expr::Repeat(inner, ..) => open.push(inner),
            Expr::Literal(_)
            | Expr::Class(_)
            | Expr::Chars(_)
            | Expr::Token(_)
            | Expr::NotToken(_) => {}
        }
    }
    names
}

/// Returns the rules that can come to `goal`, itself only if it is part of itself.
pub(super) fn reaching(callers: &[Vec<usize>], goal: usize) -> HashSet<usize> {
    let mut reaching = HashSet::new();
    let mut open = vec![goal];
    while let Some(rule) = open.pop() {
        open.extend(callers[rule].iter().filter(|caller| reaching.insert(**caller)));
    }
    reaching
}

/// Returns for each rule those that name it.
pub(super) fn callers(grammar: &Grammar) -> Vec<Vec<usize>> {
    let mut callers = vec![Vec::new(); grammar.rules.len()];
    for (rule, written) in grammar.rules.iter().enumerate() {
        for called in named(&written.body).into_iter().filter_map(|name| grammar.place(name)) {
            callers[called].push(rule);
        }
    }
    callers
}

/// A rule that comes without what it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Early {
    pub(super) rule: usize,
    /// What it needs.
    pub(super) needs: usize,
    /// Where it is named.
    pub(super) inside: usize,
}

/// Checks that rules that need others come behind them, wherever they are named.
pub(super) fn check(grammar: &Grammar, needs: &HashMap<usize, Vec<usize>>) -> Result<(), Early> {
    let Some(root) = grammar.place("root").filter(|_| !needs.is_empty()) else { return Ok(()) };
    if let Some(first) = needs.get(&root).and_then(|needed| needed.first()) {
        return Err(Early { rule: root, needs: *first, inside: root });
    }
    let callers = callers(grammar);
    let mut spoilt: HashMap<usize, Vec<usize>> = HashMap::new();
    let kept: HashSet<usize> = needs.values().flatten().copied().collect();
    for kept in &kept {
        for rule in reaching(&callers, *kept) {
            spoilt.entry(rule).or_default().push(*kept);
        }
    }
    for (inside, rule) in grammar.rules.iter().enumerate() {
        let order = Order { grammar, needs, kept: &kept, spoilt: &spoilt, inside };
        order.after(&rule.body, &Said::new())?;
    }
    Ok(())
}

/// Rules that were said, of those that matter.
type Said = BTreeSet<usize>;

struct Order<'g> {
    grammar: &'g Grammar,
    needs: &'g HashMap<usize, Vec<usize>>,
    kept: &'g HashSet<usize>,
    /// What is said for somebody else inside a rule.
    spoilt: &'g HashMap<usize, Vec<usize>>,
    inside: usize,
}

impl Order<'_> {
    /// Returns what was said after `expr`.
    fn after(&self, expr: &Expr, said: &Said) -> Result<Said, Early> {
        match expr {
            Expr::Rule(name) => match self.grammar.place(name) {
                Some(rule) => self.after_rule(rule, said),
                None => Ok(said.clone()),
            },
            Expr::Seq(parts) => {
                parts.iter().try_fold(said.clone(), |said, part| self.after(part, &said))
            }
            Expr::Any(parts) => {
                let mut all: Option<Said> = None;
                for part in parts {
                    let after = self.after(part, said)?;
                    all = Some(all.map_or_else(|| after.clone(), |all| &all & &after));
                }
                Ok(all.unwrap_or_default())
            }
            Expr::Optional(inner) => Ok(&self.after(inner, said)? & said),
            Expr::Many(inner) => self.times(inner, 0, said),
            Expr::Times(inner, count) => self.times(inner, u32::from(*count), said),
            Expr::Repeat(inner, min, _) => self.times(inner, *min, said),
            Expr::Literal(_)
            | Expr::Class(_)
            | Expr::Chars(_)
            | Expr::Token(_)
            | Expr::NotToken(_) => Ok(said.clone()),
        }
    }

    fn after_rule(&self, rule: usize, said: &Said) -> Result<Said, Early> {
        let missing = self.needs.get(&rule).into_iter().flatten();
        if let Some(needs) = missing.copied().find(|needed| !said.contains(needed)) {
            return Err(Early { rule, needs, inside: self.inside });
        }
        let mut said = said.clone();
        for spoilt in self.spoilt.get(&rule).into_iter().flatten() {
            said.remove(spoilt);
        }
        said.extend(Some(rule).filter(|rule| self.kept.contains(rule)));
        Ok(said)
    }

    fn times(&self, inner: &Expr, min: u32, said: &Said) -> Result<Said, Early> {
        let once = self.after(inner, said)?;
        // Where nothing changes there is nothing to look at again: repetitions in each other would double the work.
        let again = if once == *said { said.clone() } else { self.after(inner, &once)? };
        let more = &again & &once;
        Ok(if min > 0 { more } else { &more & said })
    }
}

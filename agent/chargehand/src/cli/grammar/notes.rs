//! What is to be said of a grammar that is one: where llama.cpp would do something else, and what is of no use.

use std::collections::BTreeSet;

use chargehand_grammar::{Expr, Grammar};
use serde_json::{Value, json};

use crate::report::{visible, words};

/// llama.cpp refuses a repetition that would make more rules than this.
const MOST_RULES: u64 = 2_000;
/// From so many alternatives on llama.cpp takes tens of milliseconds a token: each is a stack of its own.
const MANY: usize = 500;

/// Something about one rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Note {
    rule: String,
    line: Option<usize>,
    text: String,
}

impl Note {
    /// Returns it for people, the place first.
    pub(super) fn words(&self) -> String {
        let rule = visible::line(&self.rule).text;
        let line = self.line.map_or_else(String::new, |line| format!("line {line}: "));
        format!("{line}rule `{rule}` {}", self.text)
    }

    /// Returns it for a program.
    pub(super) fn json(&self) -> Value {
        json!({ "rule": self.rule, "line": self.line, "message": self.text })
    }
}

/// Returns what is to be said of `grammar`, in the order of its rules.
pub(super) fn of(grammar: &Grammar) -> Vec<Note> {
    let reached = reached(grammar);
    let mut reader = Reader::default();
    let mut notes = Vec::new();
    for (name, body) in grammar.rules() {
        reader.known.insert(name);
        reader.said.clear();
        reader.made(body, false);
        if !reached.contains(name) {
            reader.said.insert("is never reached from `root`".to_owned());
        }
        let said = reader.said.iter().cloned();
        let (rule, line) = (name, grammar.line(name));
        notes.extend(said.map(|text| Note { rule: rule.to_owned(), line, text }));
    }
    notes
}

/// Returns the rules that a text can begin with or lead to.
fn reached(grammar: &Grammar) -> BTreeSet<&str> {
    let mut reached = BTreeSet::from(["root"]);
    let mut open = vec!["root"];
    while let Some(name) = open.pop() {
        let mut named = Vec::new();
        grammar.rule(name).into_iter().for_each(|body| names(body, &mut named));
        open.extend(named.into_iter().filter(|name| reached.insert(name)));
    }
    reached
}

fn names<'g>(expr: &'g Expr, found: &mut Vec<&'g str>) {
    match expr {
        Expr::Rule(name) => found.push(name),
        Expr::Seq(parts) | Expr::Any(parts) => parts.iter().for_each(|part| names(part, found)),
        Expr::Optional(inner)
        | Expr::Many(inner)
        | Expr::Times(inner, _)
        | Expr::Repeat(inner, ..) => names(inner, found),
        Expr::Literal(_) | Expr::Class(_) | Expr::Chars(_) | Expr::Token(_) | Expr::NotToken(_) => {
        }
    }
}

/// Counts the rules that llama.cpp makes of a grammar, as its parser does: one for each group, one for each time
/// that a repetition may be left out, and one for each name that it meets for the first time.
#[derive(Default)]
struct Reader<'g> {
    known: BTreeSet<&'g str>,
    said: BTreeSet<String>,
}

impl<'g> Reader<'g> {
    /// Returns how many rules `expr` makes; `is_group` says that it stands in parentheses.
    fn made(&mut self, expr: &'g Expr, is_group: bool) -> u64 {
        let own = u64::from(is_group);
        own + match expr {
            Expr::Rule(name) => u64::from(self.known.insert(name)),
            Expr::Seq(parts) => parts.iter().map(|part| self.part(part)).sum(),
            Expr::Any(parts) => {
                if parts.len() >= MANY {
                    let count = words::count(u64::try_from(parts.len()).unwrap_or(u64::MAX));
                    self.said.insert(format!(
                        "has {count} alternatives side by side, each of which costs llama.cpp time at every token"
                    ));
                }
                parts.iter().map(|part| self.part(part)).sum()
            }
            Expr::NotToken(name) => {
                self.said.insert(format!(
                    "excludes `{name}`: llama.cpp then allows all other control tokens, and we allow none"
                ));
                0
            }
            Expr::Optional(inner) => self.repeated(inner, 0, Some(1)),
            Expr::Many(inner) => self.repeated(inner, 0, None),
            Expr::Times(inner, count) => {
                self.repeated(inner, u64::from(*count), Some(u64::from(*count)))
            }
            Expr::Repeat(inner, least, most) => {
                self.repeated(inner, u64::from(*least), most.map(u64::from))
            }
            Expr::Literal(_) | Expr::Class(_) | Expr::Chars(_) | Expr::Token(_) => 0,
        }
    }

    fn part(&mut self, part: &'g Expr) -> u64 {
        self.made(part, matches!(part, Expr::Any(_)))
    }

    fn repeated(&mut self, inner: &'g Expr, least: u64, most: Option<u64>) -> u64 {
        let is_group = !matches!(
            inner,
            Expr::Literal(_)
                | Expr::Class(_)
                | Expr::Chars(_)
                | Expr::Rule(_)
                | Expr::Token(_)
                | Expr::NotToken(_)
        );
        let inside = self.made(inner, is_group);
        let before = if is_group { inside.max(1) } else { 1 };
        let rounds = most.filter(|most| *most > 0).unwrap_or(least.max(1));
        if before.saturating_mul(rounds) > MOST_RULES {
            self.said.insert(format!(
                "repeats what llama.cpp makes {} rules of up to {rounds} times, more than the {} in all that it takes",
                words::count(before),
                words::count(MOST_RULES)
            ));
        }
        inside + most.map_or(1, |most| most.saturating_sub(least))
    }
}

#[cfg(test)]
mod tests {
    use chargehand_grammar::Grammar;

    #[track_caller]
    fn check(gbnf: &str, expect: &[&str]) {
        let grammar = Grammar::parse(gbnf).unwrap();
        let notes: Vec<String> = super::of(&grammar).iter().map(super::Note::words).collect();
        assert_eq!(notes.len(), expect.len(), "{gbnf}: {notes:?}");
        for (note, part) in notes.iter().zip(expect) {
            assert!(note.contains(part), "{gbnf}: {note}");
        }
    }

    #[test]
    fn what_nothing_leads_to_is_said() {
        check("root ::= a\na ::= \"x\" a | \"y\"\nb ::= \"c\"", &["line 3: rule `b` is never"]);
    }

    #[test]
    fn a_repetition_is_counted_as_llama_counts_it() {
        check("root ::= \"v\"{0,2000}", &[]);
        check("root ::= (\"v\"{0,1999})?", &[]);
        check("root ::= (\"v\"{0,2000})?", &["2,001 rules of up to 1 times"]);
        check("root ::= (\"a\"{50}){50}", &[]);
        check("root ::= (\"x\"{0,50}){0,50}", &["51 rules of up to 50 times"]);
        check("root ::= (\"x\"{0,39}){0,50}", &[]);
        check("root ::= (a b){0,666}\na ::= \"a\"\nb ::= \"b\"", &[]);
        check("root ::= (a b){0,667}\na ::= \"a\"\nb ::= \"b\"", &["3 rules of up to 667 times"]);
    }

    #[test]
    fn alternatives_side_by_side_are_counted() {
        let choice = |count: usize| {
            let texts: Vec<String> = (0..count).map(|at| format!("\"{at}\"")).collect();
            format!("root ::= {}", texts.join(" | "))
        };
        check(&choice(499), &[]);
        check(&choice(500), &["500 alternatives"]);
    }

    #[test]
    fn a_token_that_is_excluded_is_said() {
        check("root ::= !<think>*", &["`<think>`"]);
    }
}

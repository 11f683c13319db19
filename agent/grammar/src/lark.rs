//! A grammar in the dialect of Lark that llguidance reads: for a second opinion, and to compare speeds.
//!
//! llguidance cuts a text into lexemes before it parses, each as long as it can be. GBNF knows nothing of the kind, so
//! there must be nothing to cut: a grammar without recursion becomes one lexeme, and in another one each character
//! is one, which is right too, and slow. What that dialect cannot say is refused, and never left out.

use thiserror::Error;

use crate::gbnf::{CharSet, Expr, Grammar};

/// Why a grammar cannot be said in Lark.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum LarkError {
    /// A token by name or number is in no text, and llguidance's own notation takes other tokens.
    #[error("rule `{0}` names the token {1}, which llguidance takes for another thing")]
    Token(String, String),
    /// What a rule is bound to stands beside the text.
    #[error("rule `{0}` is bound to `{1}`, and llguidance knows no bindings")]
    Bound(String, String),
    /// Nothing can be said.
    #[error("rule `{0}` has a choice of nothing, which Lark cannot write")]
    Nothing(String),
    /// There is no such rule.
    #[error("rule `{0}` does not exist")]
    Missing(String),
    /// A class is none.
    #[error("rule `{0}` has the class `{1}`, which is none")]
    Class(String, &'static str),
    /// llguidance calls itself for each rule in a rule, and would end the process.
    #[error("the rules lie {0} deep inside each other, {max} at most for llguidance", max = MAX_DEPTH)]
    Deep(usize),
}

/// Rules and parentheses inside each other. A thread has 2 MB in a test.
const MAX_DEPTH: usize = 300;

/// Returns `grammar` in Lark: a text means the same to both.
///
/// # Errors
///
/// [`LarkError`], which names what cannot be translated.
pub fn lark(grammar: &Grammar) -> Result<String, LarkError> {
    let mut reach = Reach { seen: vec![false; grammar.rules.len()], ..Reach::default() };
    reach.root_rule(grammar)?;
    let form = if reach.is_recursive { Form::Characters } else { Form::Whole };
    let root = reach.rules.first().copied().unwrap_or_default();
    // Forcing would leave one of several ways to cut a text, and change what a model says.
    let mut text = format!("%llguidance {{\"no_forcing\":true}}\nstart: {}{root}\n", form.letter());
    for rule in reach.rules {
        let mut writer = Writer { grammar, rule, form, text: &mut text };
        writer.rule()?;
    }
    Ok(text)
}

/// What there is to cut.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// The whole text is one lexeme, and rules are parts of it.
    Whole,
    /// Each character is one.
    Characters,
}

impl Form {
    /// Returns the letter before the number of a rule: large ones are parts of a lexeme.
    fn letter(self) -> char {
        match self {
            Self::Whole => 'R',
            Self::Characters => 'r',
        }
    }
}

/// The rules that a grammar uses.
#[derive(Debug, Default)]
struct Reach {
    /// In the order in which they are come to, `root` first.
    rules: Vec<usize>,
    seen: Vec<bool>,
    is_recursive: bool,
}

/// A rule on the way, the rules that it names, and how many of those were looked at.
struct Open {
    rule: usize,
    named: Vec<usize>,
    next: usize,
    depth: usize,
}

impl Reach {
    /// Walks the rules as llguidance does, without calling itself for each.
    fn root_rule(&mut self, grammar: &Grammar) -> Result<(), LarkError> {
        let mut open = vec![self.open(grammar, named_rule(grammar, "root")?, 0)?];
        while let Some(last) = open.last_mut() {
            let Some(rule) = last.named.get(last.next).copied() else {
                open.pop();
                continue;
            };
            last.next += 1;
            let depth = last.depth;
            if self.seen[rule] {
                self.is_recursive |= open.iter().any(|open| open.rule == rule);
            } else {
                open.push(self.open(grammar, rule, depth)?);
            }
        }
        Ok(())
    }

    fn open(&mut self, grammar: &Grammar, rule: usize, depth: usize) -> Result<Open, LarkError> {
        self.seen[rule] = true;
        self.rules.push(rule);
        let body = &grammar.rules[rule].body;
        let mut named = Vec::new();
        let height =
            walk(body, &mut |name| named_rule(grammar, name).map(|rule| named.push(rule)))?;
        let depth = depth + height;
        if depth > MAX_DEPTH {
            return Err(LarkError::Deep(depth));
        }
        Ok(Open { rule, named, next: 0, depth })
    }
}

fn named_rule(grammar: &Grammar, name: &str) -> Result<usize, LarkError> {
    grammar.place(name).ok_or_else(|| LarkError::Missing(name.to_owned()))
}

/// Shows `each` the rules that an expression names, and returns how deep it is.
fn walk<E>(expr: &Expr, each: &mut impl FnMut(&str) -> Result<(), E>) -> Result<usize, E> {
    let below = match expr {
        Expr::Rule(name) => each(name).map(|()| 0)?,
        Expr::Seq(parts) | Expr::Any(parts) => {
            let mut highest = 0;
            for part in parts {
                highest = highest.max(walk(part, each)?);
            }
            highest
        }
        Expr::Optional(inner)
        | Expr::Many(inner)
        | Expr::Times(inner, _)
        | Expr::Repeat(inner, ..) => walk(inner, each)?,
        Expr::Literal(_) | Expr::Class(_) | Expr::Chars(_) | Expr::Token(_) | Expr::NotToken(_) => {
            0
        }
    };
    Ok(below + 1)
}

/// Writes one rule.
struct Writer<'w> {
    grammar: &'w Grammar,
    rule: usize,
    form: Form,
    text: &'w mut String,
}

impl Writer<'_> {
    fn rule(&mut self) -> Result<(), LarkError> {
        let rule = &self.grammar.rules[self.rule];
        if let Some(bound) = &rule.bound {
            return Err(LarkError::Bound(self.name(), bound.name().to_owned()));
        }
        self.push(&format!("{}{}: ", self.form.letter(), self.rule));
        self.expr(&rule.body)?;
        self.push("\n");
        Ok(())
    }

    fn expr(&mut self, expr: &Expr) -> Result<(), LarkError> {
        match expr {
            Expr::Literal(text) => self.literal(text),
            Expr::Class(notation) => {
                let set = CharSet::parse(notation);
                self.class(&set.map_err(|_| LarkError::Class(self.name(), notation))?);
            }
            Expr::Chars(set) => self.class(set),
            Expr::Token(token) => {
                return Err(LarkError::Token(self.name(), token.to_string()));
            }
            Expr::NotToken(token) => {
                return Err(LarkError::Token(self.name(), format!("!{token}")));
            }
            Expr::Rule(name) => {
                let rule = named_rule(self.grammar, name)?;
                self.push(&format!("{}{rule}", self.form.letter()));
            }
            Expr::Seq(parts) if parts.is_empty() => self.push("\"\""),
            Expr::Seq(parts) => self.joined(parts, " ")?,
            Expr::Any(parts) if parts.is_empty() => return Err(LarkError::Nothing(self.name())),
            Expr::Any(parts) => self.joined(parts, " | ")?,
            Expr::Optional(inner) => self.repeated(inner, "?")?,
            Expr::Many(inner) => self.repeated(inner, "*")?,
            Expr::Times(_, 0) | Expr::Repeat(_, _, Some(0)) => self.push("\"\""),
            Expr::Times(inner, count) => self.repeated(inner, &format!("{{{count}}}"))?,
            Expr::Repeat(inner, min, None) => self.repeated(inner, &format!("{{{min},}}"))?,
            Expr::Repeat(inner, min, Some(max)) => {
                self.repeated(inner, &format!("{{{min},{max}}}"))?;
            }
        }
        Ok(())
    }

    fn joined(&mut self, parts: &[Expr], between: &str) -> Result<(), LarkError> {
        self.push("(");
        for (at, part) in parts.iter().enumerate() {
            self.push(if at > 0 { between } else { "" });
            self.expr(part)?;
        }
        self.push(")");
        Ok(())
    }

    fn repeated(&mut self, inner: &Expr, mark: &str) -> Result<(), LarkError> {
        self.push("(");
        self.expr(inner)?;
        self.push(")");
        self.push(mark);
        Ok(())
    }

    /// Writes a text, as one piece or as its characters.
    fn literal(&mut self, text: &str) {
        match self.form {
            Form::Characters if text.chars().nth(1).is_some() => {
                self.push("(");
                text.chars().for_each(|c| self.quoted([c]));
                self.push(")");
            }
            Form::Characters | Form::Whole => self.quoted(text.chars()),
        }
    }

    fn quoted(&mut self, text: impl IntoIterator<Item = char>) {
        self.push("\"");
        for c in text {
            match c {
                '"' | '\\' => self.push(&format!("\\{c}")),
                '\0'..='\x1F' | '\x7F' => self.push(&format!("\\u{:04x}", u32::from(c))),
                c => self.text.push(c),
            }
        }
        // A space, since an `i` behind the quote would mean something.
        self.push("\" ");
    }

    /// Writes a class by the numbers of its characters, as the ones of a regular expression have signs of their own.
    fn class(&mut self, set: &CharSet) {
        self.push("/[");
        for (low, high) in set.resolved() {
            let (low, high) = (u32::from(low), u32::from(high));
            self.push(&format!("\\x{{{low:X}}}-\\x{{{high:X}}}"));
        }
        self.push("]/ ");
    }

    fn name(&self) -> String {
        self.grammar.rules[self.rule].name.clone()
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }
}

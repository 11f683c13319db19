//! From a regular expression of JSON Schema, which is ECMA-262's, to the notation of `regex-syntax`.
//!
//! JSON Schema Core 6.4 recommends ECMA-262 with Unicode; the two notations differ in classes, escapes and
//! braces. What has no equal here (back references, word boundaries, look-behind, flags) is refused.

use std::iter::Peekable;
use std::str::Chars;

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = "\\t\\n\\x0B\\x0C\\r \\u{A0}\\u{1680}\\u{2000}-\\u{200A}\\u{2028}\\u{2029}\\u{202F}\\u{205F}\\u{3000}\\u{FEFF}";
const LINE_END: &str = "\\n\\r\\u{2028}\\u{2029}";

/// Why a pattern is refused.
pub(super) type Refusal = String;

/// One thing that an escape or a character of a class stands for.
enum Atom {
    Char(char),
    /// A class, in the notation of `regex-syntax`.
    Set(String),
}

impl Atom {
    fn text(&self) -> String {
        match self {
            Self::Char(c) => char_text(*c),
            Self::Set(text) => text.clone(),
        }
    }
}

/// Returns `pattern` in the notation of `regex-syntax`.
pub(super) fn translate(pattern: &str) -> Result<String, Refusal> {
    let mut reader = Reader { rest: pattern.chars().peekable(), out: String::new() };
    let mut quantified = false;
    while let Some(c) = reader.rest.next() {
        let was_quantified = std::mem::replace(&mut quantified, false);
        match c {
            '\\' => {
                let atom = reader.escape(false)?;
                reader.out.push_str(&atom.text());
            }
            '[' => reader.class()?,
            '(' => reader.group()?,
            '.' => reader.out.push_str(&format!("[^{LINE_END}]")),
            '?' if was_quantified => reader.out.push('?'),
            '*' | '+' | '?' => {
                refuse_second(was_quantified)?;
                reader.out.push(c);
                quantified = true;
            }
            '{' => {
                if let Some(counts) = reader.counts() {
                    refuse_second(was_quantified)?;
                    reader.out.push_str(&counts);
                    quantified = true;
                } else {
                    reader.out.push_str("\\{");
                }
            }
            '^' | '$' | '|' | ')' => reader.out.push(c),
            c => reader.out.push_str(&char_text(c)),
        }
    }
    Ok(reader.out)
}

fn refuse_second(was_quantified: bool) -> Result<(), Refusal> {
    if was_quantified {
        return Err("a quantifier follows a quantifier".to_owned());
    }
    Ok(())
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

impl Reader<'_> {
    /// Reads what follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<Atom, Refusal> {
        let c = self.rest.next().ok_or("a backslash ends the pattern")?;
        let set = |text: &str| Ok(Atom::Set(format!("[{text}]")));
        let not = |text: &str| Ok(Atom::Set(format!("[^{text}]")));
        let char = |code: u32| Ok(Atom::Char(char::from_u32(code).unwrap_or('\0')));
        match c {
            'd' => set(DIGIT),
            'D' => not(DIGIT),
            'w' => set(WORD),
            'W' => not(WORD),
            's' => set(SPACE),
            'S' => not(SPACE),
            't' => char(9),
            'n' => char(10),
            'v' => char(11),
            'f' => char(12),
            'r' => char(13),
            'b' if in_class => char(8),
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => char(0),
            'c' => match self.rest.next() {
                Some(letter) if letter.is_ascii_alphabetic() => char(u32::from(letter) % 32),
                Some(_) | None => Err("`\\c` needs a letter".to_owned()),
            },
            'x' => char(self.hex(2)?),
            'u' => self.unicode(),
            'p' | 'P' => self.property(c),
            'b' | 'B' => Err("word boundaries are not supported".to_owned()),
            '0'..='9' | 'k' => Err("back references are not supported".to_owned()),
            c if c.is_ascii_alphanumeric() => Err(format!("`\\{c}` is no escape of ECMA-262")),
            c => Ok(Atom::Char(c)),
        }
    }

    fn hex(&mut self, digits: usize) -> Result<u32, Refusal> {
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|c| c.to_digit(16));
            code = code * 16 + digit.ok_or("an escape lacks hexadecimal digits")?;
        }
        Ok(code)
    }

    /// Reads what follows `\u`: four digits, a pair of surrogates, or a code point in braces.
    fn unicode(&mut self) -> Result<Atom, Refusal> {
        let lone = || "a lone surrogate stands for no character".to_owned();
        if self.rest.next_if_eq(&'{').is_some() {
            let mut digits = String::new();
            while let Some(c) = self.rest.next_if(|c| *c != '}') {
                digits.push(c);
            }
            self.rest.next();
            let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
            return code
                .map(Atom::Char)
                .ok_or_else(|| format!("`\\u{{{digits}}}` is no character"));
        }
        let mut code = self.hex(4)?;
        if (0xD800..0xDC00).contains(&code) {
            let next = (self.rest.next(), self.rest.next());
            if next != (Some('\\'), Some('u')) {
                return Err(lone());
            }
            let low = self.hex(4)?;
            if !(0xDC00..0xE000).contains(&low) {
                return Err(lone());
            }
            code = 0x1_0000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
        }
        char::from_u32(code).map(Atom::Char).ok_or_else(lone)
    }

    fn property(&mut self, kind: char) -> Result<Atom, Refusal> {
        if self.rest.next_if_eq(&'{').is_none() {
            return Err(format!("`\\{kind}` needs a property in braces"));
        }
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != '}') {
            name.push(c);
        }
        self.rest.next().ok_or("a property lacks its closing brace")?;
        // `regex-syntax` knows `!=` and `:` too.
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_=".contains(c)) {
            return Err(format!("`{name}` is no property of ECMA-262"));
        }
        Ok(Atom::Set(format!("[\\{kind}{{{name}}}]")))
    }

    /// Reads a class after its opening bracket.
    fn class(&mut self) -> Result<(), Refusal> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut items = String::new();
        while self.rest.peek().is_some_and(|c| *c != ']') {
            let low = self.class_atom()?;
            let is_range = self.rest.peek() == Some(&'-') && {
                let mut ahead = self.rest.clone();
                ahead.next();
                ahead.peek().is_some_and(|c| *c != ']')
            };
            if !is_range {
                items.push_str(&low.text());
                continue;
            }
            self.rest.next();
            let high = self.class_atom()?;
            match (&low, &high) {
                (Atom::Char(a), Atom::Char(b)) if a > b => {
                    return Err(format!("the range `{a}-{b}` is out of order"));
                }
                (Atom::Char(_), Atom::Char(_)) => {
                    items.push_str(&format!("{}-{}", low.text(), high.text()));
                }
                // A class beside a dash makes the dash a character (ECMA-262 B.1.2).
                (Atom::Set(_), _) | (_, Atom::Set(_)) => {
                    items.push_str(&format!("{}\\-{}", low.text(), high.text()));
                }
            }
        }
        self.rest.next().ok_or("a class lacks its closing bracket")?;
        self.out.push_str(&match (negated, items.is_empty()) {
            (false, true) => "[^\\x00-\\u{10FFFF}]".to_owned(),
            (true, true) => "[\\x00-\\u{10FFFF}]".to_owned(),
            (false, false) => format!("[{items}]"),
            (true, false) => format!("[^{items}]"),
        });
        Ok(())
    }

    fn class_atom(&mut self) -> Result<Atom, Refusal> {
        match self.rest.next() {
            Some('\\') => self.escape(true),
            Some(c) => Ok(Atom::Char(c)),
            None => Err("a class lacks its closing bracket".to_owned()),
        }
    }

    /// Reads what follows an opening parenthesis; groups are never captured.
    fn group(&mut self) -> Result<(), Refusal> {
        self.out.push_str("(?:");
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match self.rest.next() {
            Some(':') => Ok(()),
            Some('<') if !matches!(self.rest.peek(), Some('=' | '!')) => {
                while self.rest.next().ok_or("a group lacks its name")? != '>' {}
                Ok(())
            }
            Some('<') => Err("look-behind is not supported".to_owned()),
            Some('=' | '!') => {
                Err("look-ahead is supported at the start only, after `^`".to_owned())
            }
            Some(_) | None => Err("flags in a group are not of ECMA-262".to_owned()),
        }
    }

    /// Reads `n}`, `n,}` or `n,m}`; anything else leaves the brace a character.
    fn counts(&mut self) -> Option<String> {
        let mut ahead = self.rest.clone();
        let mut text = String::from("{");
        loop {
            let c = ahead.next()?;
            text.push(c);
            match c {
                '}' => break,
                ',' if !text[1..text.len() - 1].contains(',') => {}
                c if c.is_ascii_digit() => {}
                _ => return None,
            }
        }
        let starts_well = text[1..].starts_with(|c: char| c.is_ascii_digit());
        starts_well.then(|| {
            self.rest = ahead;
            text
        })
    }
}

/// Returns `c` as a character of a pattern, whatever it means elsewhere.
fn char_text(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\u{{{:X}}}", u32::from(c)) }
}

/// Splits the look-aheads off the start: `^(?=a)(?!b)rest` gives `[(true, "a"), (false, "b")]` and `^rest`.
pub(super) fn look_aheads(pattern: &str) -> (Vec<(bool, String)>, String) {
    let whole = || (Vec::new(), pattern.to_owned());
    let Some(mut rest) = pattern.strip_prefix('^') else { return whole() };
    let mut found = Vec::new();
    while let Some(inner) = rest.strip_prefix("(?=").or_else(|| rest.strip_prefix("(?!")) {
        let Some(end) = closing(inner) else { return whole() };
        found.push((rest.starts_with("(?="), inner[..end].to_owned()));
        rest = &inner[end + 1..];
    }
    // In `^(?!a)b|c` the second branch is free of the look-ahead, and in `^(?=a)?b` the whole text.
    let is_repeated = rest.starts_with(['*', '+', '?', '{']);
    if found.is_empty()
        || is_repeated
        || closing(&format!("{rest})")) != Some(rest.len())
        || branches(rest)
    {
        return whole();
    }
    (found, format!("^{rest}"))
}

/// Returns where the group ends whose inside `text` begins with.
fn closing(text: &str) -> Option<usize> {
    walk(text, |depth, c| depth == 0 && c == ')')
}

/// Returns whether there is a choice outside of all groups.
fn branches(text: &str) -> bool {
    walk(text, |depth, c| depth == 0 && c == '|').is_some()
}

/// Returns the first place outside of classes where `is_it` holds for the depth of groups and the character.
fn walk(text: &str, is_it: impl Fn(usize, char) -> bool) -> Option<usize> {
    let (mut depth, mut in_class, mut escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        if std::mem::replace(&mut escaped, false) {
            continue;
        }
        if !in_class && is_it(depth, c) {
            return Some(at);
        }
        match c {
            '\\' => escaped = true,
            ']' => in_class = false,
            '[' => in_class = true,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

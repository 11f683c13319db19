//! Literals, classes and tokens.

use super::{Parser, Scanner};
use crate::gbnf::{CharSet, Expr, GbnfError, Mistake, TokenName};

impl Parser<'_> {
    /// Reads a literal, a class, `.` or a token; nothing when none of them begins here.
    pub(super) fn terminal(&mut self) -> Result<Option<Expr>, GbnfError> {
        let scanner = &mut self.scanner;
        let expr = match scanner.peek() {
            Some(b'"') => Expr::Literal(literal(scanner)?),
            Some(b'[') => Expr::Chars(class(scanner)?),
            Some(b'.') => {
                scanner.skip(1);
                Expr::Chars(CharSet::any())
            }
            Some(b'<') => Expr::Token(token(scanner)?),
            Some(b'!') => {
                scanner.skip(1);
                Expr::NotToken(token(scanner)?)
            }
            Some(_) | None => return Ok(None),
        };
        Ok(Some(expr))
    }
}

/// Returns the set that `notation` stands for, such as `[a-z]`.
pub(in crate::gbnf) fn char_set(notation: &str) -> Result<CharSet, GbnfError> {
    let mut scanner = Scanner::new(notation);
    let set = match notation {
        "." => return Ok(CharSet::any()),
        _ if notation.starts_with('[') => class(&mut scanner)?,
        _ => return Err(scanner.error(0, Mistake::Syntax, "a class begins with `[`".to_owned())),
    };
    if scanner.is_at_end() {
        return Ok(set);
    }
    Err(scanner.error(scanner.at(), Mistake::Syntax, "text after the class".to_owned()))
}

fn literal(scanner: &mut Scanner<'_>) -> Result<String, GbnfError> {
    let start = scanner.at();
    scanner.skip(1);
    let mut text = String::new();
    loop {
        let rest = scanner.rest();
        let plain = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\'));
        let Some(plain) = plain else {
            let message = "the text in quotes is not closed".to_owned();
            return Err(scanner.error(start, Mistake::Syntax, message));
        };
        text.push_str(&rest[..plain]);
        scanner.skip(plain);
        if scanner.take("\"") {
            return Ok(text);
        }
        text.push(escape(scanner)?);
    }
}

fn class(scanner: &mut Scanner<'_>) -> Result<CharSet, GbnfError> {
    let start = scanner.at();
    scanner.skip(1);
    let negated = scanner.take("^");
    let mut ranges = Vec::new();
    while !scanner.take("]") {
        let at = scanner.at();
        let low = class_char(scanner, start)?;
        let is_range = scanner.rest().starts_with('-') && !scanner.rest().starts_with("-]");
        let high = if is_range {
            scanner.skip(1);
            class_char(scanner, start)?
        } else {
            low
        };
        if high < low {
            let message =
                format!("the range `{low}-{high}` ends before it begins and matches nothing");
            return Err(scanner.error(at, Mistake::Trap, message));
        }
        ranges.push((low, high));
    }
    let fail = |message: &str| Err(scanner.error(start, Mistake::Trap, message.to_owned()));
    if ranges.is_empty() {
        return fail(
            "an empty class matches the empty text: write `\"\"` for that, `.` for any character",
        );
    }
    let set = if negated { CharSet::except(ranges) } else { CharSet::of(ranges) };
    set.map_or_else(|| fail("the class matches no character"), Ok)
}

fn class_char(scanner: &mut Scanner<'_>, start: usize) -> Result<char, GbnfError> {
    if scanner.peek() == Some(b'\\') {
        return escape(scanner);
    }
    let found = scanner.next_char();
    found.ok_or_else(|| scanner.error(start, Mistake::Syntax, "the class is not closed".to_owned()))
}

/// Reads a character after a backslash.
fn escape(scanner: &mut Scanner<'_>) -> Result<char, GbnfError> {
    let at = scanner.at();
    scanner.skip(1);
    let digits = match scanner.next_char() {
        Some('t') => return Ok('\t'),
        Some('r') => return Ok('\r'),
        Some('n') => return Ok('\n'),
        Some(c @ ('\\' | '"' | '[' | ']' | '-')) => return Ok(c),
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        other => {
            let found = other.map_or_else(String::new, String::from);
            let message = format!(
                "`\\{found}` is no escape: there are \\\\ \\\" \\[ \\] \\- \\n \\r \\t \\xHH \\uHHHH \\UHHHHHHHH"
            );
            return Err(scanner.error(at, Mistake::Syntax, message));
        }
    };
    let hex =
        scanner.rest().get(..digits).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let Some(hex) = hex else {
        let message =
            format!("{digits} hexadecimal digits expected after the backslash and its letter");
        return Err(scanner.error(at, Mistake::Syntax, message));
    };
    scanner.skip(digits);
    let number = u32::from_str_radix(hex, 16).ok();
    number.and_then(char::from_u32).ok_or_else(|| {
        let message = format!("U+{hex} is no character: a surrogate, or above U+10FFFF");
        scanner.error(at, Mistake::Trap, message)
    })
}

/// Reads `<[id]>` or `<text>`.
fn token(scanner: &mut Scanner<'_>) -> Result<TokenName, GbnfError> {
    let at = scanner.at();
    let fail = |scanner: &Scanner<'_>, message: &str| {
        Err(scanner.error(at, Mistake::Syntax, message.to_owned()))
    };
    if scanner.peek() != Some(b'<') {
        return fail(scanner, "`!` stands before a token only, such as `!<[17]>`");
    }
    if scanner.take("<[") {
        let id = scanner.number();
        return match id.filter(|_| scanner.take("]>")) {
            Some(id) => Ok(TokenName::Id(id)),
            None => fail(scanner, "a token is `<[number]>` or `<text>`"),
        };
    }
    let rest = scanner.rest();
    // Not to the end of the line, which may have a token every three bytes.
    let end = rest.bytes().position(|byte| matches!(byte, b'>' | b'\n'));
    let Some(end) = end.filter(|end| rest.as_bytes()[*end] == b'>') else {
        return fail(scanner, "the token is not closed by `>` in its line");
    };
    scanner.skip(end + 1);
    Ok(TokenName::Text(rest[..=end].to_owned()))
}

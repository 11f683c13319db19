//! Marks that stand for texts while a template renders, and how they are found again.
//!
//! A mark is lower-case letters and digits, so trimming, lower-casing and JSON escapes leave it
//! alone, and it carries no meaning for a template that looks into contents.

use super::TemplateError;

/// A family of marks that occurs in none of the texts it was made for.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    stem: String,
}

/// An argument of a call. Real calls stand for one, samples may have two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Which {
    First,
    Second,
}

/// A piece of a rendered prompt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece<'r> {
    /// What the template itself wrote.
    Text(&'r str),
    /// The place of the content with this number; whether it stands inside a JSON string.
    Content(usize, bool),
    /// The place of the call with this number; what stands between name and arguments.
    Call(usize, &'r str),
    /// The same where the template writes arguments in another form than JSON; what stands between the name and
    /// the end of the only value, marks included.
    Tagged(usize, &'r str),
    /// The name in the call with this number where nothing follows it: what tells whose result comes.
    Name(usize),
}

impl Marks {
    /// Returns marks that do not occur in `texts`.
    pub(super) fn absent_from(texts: &[&str]) -> Self {
        let mut stems = (0_u32..).map(|number| format!("zqm{number}x"));
        let stem = stems
            .find(|stem| !texts.iter().any(|text| text.contains(stem)))
            .expect("a finite text does not hold every stem");
        Self { stem }
    }

    /// Returns what stands for the content `index`. The quote in the middle shows how the
    /// template escapes.
    pub(super) fn content(&self, index: usize) -> String {
        format!("{}\"{}", self.mark(index, 'o'), self.mark(index, 'c'))
    }

    /// Returns what stands for the name in the call `index`.
    pub(super) fn name(&self, index: usize) -> String {
        self.mark(index, 'n')
    }

    /// Returns the key and the value of an argument of the call `index`. The quote in the value shows how the
    /// template escapes.
    pub(super) fn argument(&self, index: usize, which: Which) -> (String, String) {
        let [key, value, end] = match which {
            Which::First => ['k', 'v', 'w'],
            Which::Second => ['p', 'q', 'r'],
        };
        let value = format!("{}\"{}", self.mark(index, value), self.mark(index, end));
        (self.mark(index, key), value)
    }

    /// Returns whether a text has marks in it.
    pub(super) fn are_in(&self, text: &str) -> bool {
        text.contains(&self.stem)
    }

    fn mark(&self, index: usize, letter: char) -> String {
        format!("{}{index}{letter}", self.stem)
    }

    /// Splits `rendered` at the marks.
    pub(super) fn split<'r>(&self, rendered: &'r str) -> Result<Vec<Piece<'r>>, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = rendered;
        while let Some(at) = rest.find(&self.stem) {
            pieces.push(Piece::Text(&rest[..at]));
            let (index, letter, tail) = self.read(&rest[at..]).ok_or(TemplateError::Mangled)?;
            let found = match letter {
                'o' => self.content_end(index, tail),
                'n' => {
                    let call = self.call_end(index, tail);
                    let call = call.or_else(|| self.tagged_end(index, tail));
                    Some(call.unwrap_or((Piece::Name(index), tail)))
                }
                _ => None,
            };
            let (piece, tail) = found.ok_or(TemplateError::Mangled)?;
            pieces.push(piece);
            rest = tail;
        }
        pieces.push(Piece::Text(rest));
        Ok(pieces)
    }

    fn read<'r>(&self, text: &'r str) -> Option<(usize, char, &'r str)> {
        let text = text.strip_prefix(&self.stem)?;
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, text) = text.split_at(digits);
        let mut chars = text.chars();
        Some((number.parse().ok()?, chars.next()?, chars.as_str()))
    }

    fn content_end<'r>(&self, index: usize, text: &'r str) -> Option<(Piece<'r>, &'r str)> {
        let (quote, tail) = text.split_once(&self.mark(index, 'c'))?;
        Some((Piece::Content(index, quote == "\\\""), tail))
    }

    /// Finds the arguments object `{"KEY": "VALUE"}` behind a name. `None` when the template
    /// writes arguments in another form than JSON.
    fn call_end<'r>(&self, index: usize, text: &'r str) -> Option<(Piece<'r>, &'r str)> {
        let (key, value) = self.argument(index, Which::First);
        let value = value.replace('"', "\\\"");
        let (before, tail) = text.split_once(&key)?;
        let before = before.strip_suffix('"')?.trim_end().strip_suffix('{')?;
        let tail = tail.strip_prefix('"')?.trim_start().strip_prefix(':')?;
        let tail = tail.trim_start().strip_prefix('"')?.strip_prefix(&value)?.strip_prefix('"')?;
        let tail = tail.trim_start().strip_prefix('}')?;
        Some((Piece::Call(index, before), tail))
    }

    /// Finds key and value behind a name, the value as it is.
    fn tagged_end<'r>(&self, index: usize, text: &'r str) -> Option<(Piece<'r>, &'r str)> {
        let (key, value) = self.argument(index, Which::First);
        let at = text.find(&key)? + key.len();
        let end = at + text[at..].find(&value)? + value.len();
        Some((Piece::Tagged(index, &text[..end]), &text[end..]))
    }
}

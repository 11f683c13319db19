//! Foreign text made harmless to look at: what a terminal would act on, nobody could see, or everybody would take for
//! something else is spelt out.
//!
//! Everything that a model, a repository or a command wrote goes through here before it is shown.

use chargehand_core::look_alike::is_disguised;
use chargehand_core::rel_path::is_invisible;

/// A text with its hidden characters spelt out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Visible {
    /// The text as it can be shown.
    pub text: String,
    /// How many characters were spelt out.
    pub hidden: usize,
}

/// Returns whether `c` must not be shown as it is. Line ends and tabs are left to the caller.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Returns each character of `text` and whether it is hidden where it stands.
pub fn marked(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut before = ' ';
    text.char_indices().map(move |(at, c)| {
        // `⚠️` is a sign and a selector that gives it colours; test runners write it all day.
        let coloured = c == '\u{fe0f}' && before >= '\u{203c}' && !is_hidden(before);
        before = c;
        (c, is_hidden(c) && !coloured || is_disguised(text, at))
    })
}

/// Returns how a hidden character is spelt: `\r`, `\u{1b}`.
#[must_use]
pub fn spelt(c: char) -> String {
    match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c => format!("\\u{{{:x}}}", u32::from(c)),
    }
}

/// Returns `text` for one line of a terminal: line ends and tabs are spelt out too.
#[must_use]
pub fn line(text: &str) -> Visible {
    spell(text, |_| false)
}

/// Returns `text` for many lines of a terminal: `\n` and tabs stay.
#[must_use]
pub fn block(text: &str) -> Visible {
    spell(text, |c| matches!(c, '\n' | '\t'))
}

/// Returns the JSON `text` with every hidden character as `\uXXXX`.
///
/// Some readers split lines at U+2028 or U+0085, and some people look at the stream in a terminal. Outside of
/// strings JSON has ASCII only, and the writer has escaped what is below U+0020.
#[must_use]
pub fn json(text: &str) -> String {
    let mut spelt = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                spelt.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            spelt.push(c);
        }
    }
    spelt
}

/// Returns a command so that no two look the same: what is not plain stands in quotes, and what is not ASCII, or
/// cannot be seen, is spelt out. Nothing is left out.
#[must_use]
pub fn command(command: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let word = |word: &String| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("\"{}\"", word.escape_default().to_string().replace("\\'", "'")),
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn spell(text: &str, stays: impl Fn(char) -> bool) -> Visible {
    let mut seen = Visible::default();
    for (c, hidden) in marked(text) {
        if hidden && !stays(c) {
            seen.text.push_str(&spelt(c));
            seen.hidden += 1;
        } else {
            seen.text.push(c);
        }
    }
    seen
}

/// Returns `text` cut to `max` characters, with `…` in place of what is missing.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

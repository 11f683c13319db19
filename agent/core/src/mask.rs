//! Values that are known to be secret, taken out of a text before a model or a log gets it.
//!
//! It knows values, not forms: a secret that is written backwards, in base64 or in two parts is not found.

use std::borrow::Cow;
use std::ops::Range;

use crate::known::joined;

/// Shorter values stand in ordinary texts too, and would tear holes into them.
pub const MIN_BYTES: usize = 8;
/// A line without a name that is as long and has no space is taken for a piece of a key.
const MIN_PIECE: usize = 20;
/// More values than this are not looked for.
const MAX_VALUES: usize = 1000;

/// Secret values with the names that stand in their place.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The longest first: one may be a part of another.
    values: Vec<(String, String)>,
}

impl Secrets {
    /// Returns that nothing is secret.
    #[must_use]
    pub fn none() -> &'static Self {
        static NONE: Secrets = Secrets { values: Vec::new() };
        &NONE
    }

    /// Returns those of `values` that are long enough to be told from ordinary words, each as name and value.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let long = |(_, value): &(String, String)| value.len() >= MIN_BYTES;
        let mut values: Vec<_> = values.into_iter().filter(long).take(MAX_VALUES).collect();
        values.sort_by(|(_, a), (_, b)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup_by(|(_, a), (_, b)| a == b);
        Self { values }
    }

    /// Returns `text` with the name of each secret in the place of its value, on as many lines.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for (name, value) in &self.values {
            if masked.contains(value.as_str()) {
                let ends = "\n".repeat(value.matches('\n').count());
                masked = masked.replace(value.as_str(), &format!("[secret {name}]{ends}")).into();
            }
        }
        masked
    }

    /// Returns the bytes of `text` that [`mask`](Self::mask) takes out, in ascending order and apart.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Range<usize>> {
        let starts = |value: &str| text.match_indices(value).map(|(at, _)| at).collect::<Vec<_>>();
        let found = self.values.iter().flat_map(|(_, value)| {
            starts(value).into_iter().map(|start| start..start + value.len())
        });
        joined(found.collect())
    }
}

/// Returns whether a variable called `name` holds a secret, as its name says.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    const PARTS: [&str; 8] =
        ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "APIKEY", "PRIVATE"];
    const ENDS: [&str; 5] = ["_KEY", "_PAT", "_PWD", "_PASS", "_AUTH"];
    let name = name.to_uppercase();
    PARTS.iter().any(|part| name.contains(part)) || ENDS.iter().any(|end| name.ends_with(end))
}

/// Returns what a file of secrets at `path` holds: the values of its settings, and the lines of its keys.
#[must_use]
pub fn values_in(path: &str, text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.flat_map(values).map(|value| (path.to_owned(), value.to_owned())).collect()
}

/// Returns the value of a setting, with and without what may be a remark behind it; of another line a piece of a key.
fn values(line: &str) -> Vec<&str> {
    // A value may hold what stands between another setting and its value.
    let settings = [line.split_once('='), line.split_once(": ")].into_iter().flatten();
    let value = settings.min_by_key(|(name, _)| name.len()).map(|(_, value)| value.trim());
    match value.map(|value| (value, value.trim_matches(['"', '\'', ',']))) {
        // The `=` at the end of a line of base64 is no setting.
        Some((value, whole)) if !whole.is_empty() && whole != "=" => {
            let short = Some(without_remark(value)).filter(|short| *short != whole);
            [Some(whole), short].into_iter().flatten().collect()
        }
        Some(_) | None => {
            let is_piece = line.len() >= MIN_PIECE && !line.contains(char::is_whitespace);
            is_piece.then_some(line).into_iter().collect()
        }
    }
}

/// Returns what stands in quotes at the beginning of `value`, or before a remark.
fn without_remark(value: &str) -> &str {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
        Some(_) | None => value.split(" #").next().unwrap_or_default().trim_end(),
    }
}

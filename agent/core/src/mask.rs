//! Values that are known to be secret, taken out of a text before a model or a log gets it.
//!
//! It knows values, not forms: a secret that is written backwards, in base64 or in two parts is not found.

use std::borrow::Cow;

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
    /// Returns those of `values` that are long enough to be told from ordinary words, each as name and value.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let long = |(_, value): &(String, String)| value.len() >= MIN_BYTES;
        let mut values: Vec<_> = values.into_iter().filter(long).take(MAX_VALUES).collect();
        values.sort_by(|(_, a), (_, b)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup_by(|(_, a), (_, b)| a == b);
        Self { values }
    }

    /// Returns `text` with the name of each secret in the place of its value.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for (name, value) in &self.values {
            if masked.contains(value.as_str()) {
                masked = Cow::Owned(masked.replace(value.as_str(), &format!("[secret {name}]")));
            }
        }
        masked
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
    let value = |line: &str| {
        let line = line.trim();
        let setting = line.split_once('=').or_else(|| line.split_once(": "));
        match setting.map(|(_, value)| value.trim().trim_matches(['"', '\'', ','])) {
            // The `=` at the end of a line of base64 is no setting.
            Some(value) if !value.is_empty() && value != "=" => Some(value.to_owned()),
            Some(_) | None => {
                let is_piece = line.len() >= MIN_PIECE && !line.contains(char::is_whitespace);
                is_piece.then(|| line.to_owned())
            }
        }
    };
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.filter_map(value).map(|value| (path.to_owned(), value)).collect()
}

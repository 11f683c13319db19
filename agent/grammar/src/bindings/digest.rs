//! Which data a binding has, in 64 digits: for texts that name them, and for logs.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Binding, Bindings};

impl Binding {
    /// Returns the digest of the binding's kind and data, as `sha256:` and 64 digits.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        self.feed(&mut hash);
        let mut text = "sha256:".to_owned();
        for byte in hash.finalize() {
            // Writing to a string cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
        }
        text
    }

    fn feed(&self, hash: &mut Sha256) {
        match self {
            Self::Piece(text) => all(hash, "piece", [text.as_bytes()]),
            Self::PieceOrEmpty(text) => all(hash, "piece-or-empty", [text.as_bytes()]),
            Self::PieceIn { text, parts } => {
                let parts = parts.iter().map(|(from, to)| format!("{from}-{to}"));
                let parts: Vec<String> = parts.collect();
                let parts = parts.iter().map(String::as_bytes);
                all(hash, "piece-in", std::iter::once(text.as_bytes()).chain(parts));
            }
            Self::OneOf(names) => all(hash, "one-of", names.iter().map(String::as_bytes)),
            Self::Without(words) => all(hash, "without", words.iter().map(String::as_bytes)),
            Self::WithoutInAnyCase(words) => {
                all(hash, "without-in-any-case", words.iter().map(String::as_bytes));
            }
            Self::OtherThan(text) => all(hash, "other-than", [text.as_bytes()]),
            Self::Not(texts) => all(hash, "not", texts.iter().map(Vec::as_slice)),
            Self::OtherThanSaid { rule } => all(hash, "other-than-said", [rule.as_bytes()]),
            Self::Raw { end, of } => {
                all(hash, "raw", [end.as_bytes()]);
                of.feed(hash);
            }
            Self::By { rule, each } => {
                let names = each.iter().map(|(name, _)| name.as_bytes());
                all(hash, "by", std::iter::once(rule.as_bytes()).chain(names));
                each.iter().for_each(|(_, binding)| binding.feed(hash));
            }
        }
    }
}

impl Bindings {
    /// Returns the digest of the binding of this name, as `sha256:` and 64 digits.
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<String> {
        self.get(name).map(Binding::digest)
    }
}

/// Takes in a kind and its parts, each with its length, so that no two bindings look the same.
fn all<'p>(hash: &mut Sha256, kind: &str, parts: impl IntoIterator<Item = &'p [u8]>) {
    let parts: Vec<&[u8]> = parts.into_iter().collect();
    hash.update(kind);
    hash.update([0]);
    hash.update((parts.len() as u64).to_be_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
}

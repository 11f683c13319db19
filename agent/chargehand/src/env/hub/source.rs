//! What is asked of a hub: a file of a repository at a revision. Its path becomes a path here, so it must not lead out.

use std::fmt::{self, Display, Formatter, Write as _};
use std::path::PathBuf;

use thiserror::Error;
use ureq::http::Uri;

use super::HubError;

/// No part of a name is longer than what a file system takes.
const MAX_PART: usize = 200;

/// A file of a repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    owner: String,
    name: String,
    file: String,
    revision: String,
}

/// Why a text names no file of a repository.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SourceError {
    /// It is no owner and name.
    #[error("`{0}` is no repository: write it as owner/name")]
    Repository(String),
    /// It is no path inside a repository.
    #[error("`{0}` is no path of a file in a repository")]
    File(String),
    /// It is no branch, tag or commit.
    #[error("`{0}` is no revision")]
    Revision(String),
}

impl Source {
    /// Returns `file` of `repository`, which is owner/name, at `revision`.
    ///
    /// # Errors
    ///
    /// [`SourceError`], which names the part that is none.
    pub fn new(repository: &str, file: &str, revision: &str) -> Result<Self, SourceError> {
        let (owner, name) = repository
            .split_once('/')
            .filter(|(owner, name)| is_name(owner) && is_name(name))
            .ok_or_else(|| SourceError::Repository(repository.to_owned()))?;
        if !file.split('/').all(is_part) {
            return Err(SourceError::File(file.to_owned()));
        }
        if !revision.split('/').all(is_part) {
            return Err(SourceError::Revision(revision.to_owned()));
        }
        let [owner, name, file, revision] = [owner, name, file, revision].map(str::to_owned);
        Ok(Self { owner, name, file, revision })
    }

    /// Returns the file that is meant by another path in the same repository.
    #[must_use]
    pub fn sibling(&self, file: String) -> Self {
        Self { file, ..self.clone() }
    }

    /// Returns the same file as it is in `commit`, a hash.
    #[must_use]
    pub fn at(self, commit: String) -> Self {
        Self { revision: commit, ..self }
    }

    /// Returns its path in the repository.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns where it lies below the folder of models.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        [&self.owner, &self.name, &self.file].into_iter().collect()
    }

    pub(super) fn url(&self, endpoint: &Uri) -> Result<Uri, HubError> {
        let file: Vec<String> = self.file.split('/').map(encode).collect();
        let Self { owner, name, revision, .. } = self;
        let base = endpoint.to_string();
        let base = base.trim_end_matches('/');
        let text = format!("{base}/{owner}/{name}/resolve/{}/{}", encode(revision), file.join("/"));
        let reason = "no address of a file can be made with it";
        text.parse().map_err(|_| HubError::Endpoint { endpoint: base.to_owned(), reason })
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { owner, name, file, revision } = self;
        write!(f, "{owner}/{name}@{revision}/{file}")
    }
}

fn is_name(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    is_part(text) && text.chars().all(known)
}

/// Whether `text` is one part of a path that means itself: nothing hidden, nothing that leads up, no option.
fn is_part(text: &str) -> bool {
    let is_odd = |c: char| c.is_control() || matches!(c, '/' | '\\');
    !text.is_empty()
        && text.len() <= MAX_PART
        && !text.starts_with(['.', '-'])
        && !text.contains(is_odd)
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                all.push(char::from(byte));
            }
            _ => write!(all, "%{byte:02X}").expect("a String takes everything"),
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn url(parts: [&str; 3], expect: Result<&str, SourceError>) {
        let endpoint = Uri::from_static("http://h:1/hub");
        let found = Source::new(parts[0], parts[1], parts[2])
            .map(|source| source.url(&endpoint).unwrap().to_string());
        assert_eq!(found, expect.map(str::to_owned));
    }

    #[test]
    fn a_source_is_a_file_of_a_repository() {
        url(["o/n", "a.gguf", "main"], Ok("http://h:1/hub/o/n/resolve/main/a.gguf"));
        let odd = "http://h:1/hub/o-1/n.2_x/resolve/refs%2Fpr%2F1/Q4%20K/a%23%3F%25.gguf";
        url(["o-1/n.2_x", "Q4 K/a#?%.gguf", "refs/pr/1"], Ok(odd));
        for wrong in ["o", "o/", "/n", "o/n/m", "o/..", "../n", "-o/n", "o/n?x", "o/ n", ".o/n"] {
            url([wrong, "a", "main"], Err(SourceError::Repository(wrong.to_owned())));
        }
        for wrong in ["", "/a", "a//b", "../a", "a/../b", "a/.git", "a\\b", "a\nb", "-a", "a/"] {
            url(["o/n", wrong, "main"], Err(SourceError::File(wrong.to_owned())));
        }
        let long = "x".repeat(MAX_PART + 1);
        url(["o/n", &long, "main"], Err(SourceError::File(long.clone())));
        url(["o/n", "a", "../x"], Err(SourceError::Revision("../x".to_owned())));
    }
}

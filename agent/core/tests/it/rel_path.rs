//! Paths that cannot lead out.

use chargehand_core::rel_path::{MAX_BYTES, RelPath};
use proptest::prelude::*;

#[track_caller]
fn check(text: &str, expect: &str) {
    let found = RelPath::parse(text).map_or_else(|err| err.to_string(), |path| path.to_string());
    assert_eq!(found, expect);
}

#[test]
fn plain_paths_stay() {
    check("a", "a");
    check("src/a b/ä.rs", "src/a b/ä.rs");
    check(".gitignore", ".gitignore");
    check("a/.gitx/b", "a/.gitx/b");
    check("-rf", "-rf");
}

#[test]
fn ways_out_are_refused() {
    check("", "the path is empty");
    check("/etc/passwd", "`/etc/passwd` is absolute; paths are relative to the repository");
    for text in ["..", "a/../b", "a//b", "./a", "a/.", "a/"] {
        check(text, &format!("`{text}` has an empty, `.` or `..` part; write it as `src/file.rs`"));
    }
}

#[test]
fn git_is_refused_in_any_case() {
    for text in [".git", ".GIT/config", "a/.Git/b"] {
        check(text, &format!("`{text}` leads into git's own files"));
    }
}

#[test]
fn what_cannot_be_seen_is_refused() {
    check("a\nb", "`a\\nb` has a control or invisible character");
    check("a\u{1b}[31m", "`a\\u{1b}[31m` has a control or invisible character");
    check("a\u{202e}b", "`a\\u{202e}b` has a control or invisible character");
    check(".git\u{200c}/config", "`.git\\u{200c}/config` has a control or invisible character");
}

#[test]
fn the_length_has_a_limit() {
    let longest = "a".repeat(MAX_BYTES);
    check(&longest, &longest);
    check(&"a".repeat(MAX_BYTES + 1), "the path has 1025 bytes, 1024 at most are allowed");
}

proptest! {
    #[test]
    fn no_path_leads_out(text in "[./a-z\\\\ \u{0}-\u{20}]{0,12}") {
        if let Ok(path) = RelPath::parse(&text) {
            let parts: Vec<&str> = path.as_str().split('/').collect();
            prop_assert!(!parts.iter().any(|part| part.is_empty() || *part == "." || *part == ".."));
        }
    }
}

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
fn git_is_refused_in_any_case_and_disguise() {
    let disguised = [".g\u{131}t/config", "\u{2024}git/x", "a/.gi\u{ff54}", ".git\u{2215}config"];
    for text in [".git", ".GIT/config", "a/.Git/b"].into_iter().chain(disguised) {
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
fn git_is_refused_under_its_other_names() {
    for text in ["GIT~1/config", ".git./x", ".git /x", ".git::$INDEX_ALLOCATION/x", "a/git~1"] {
        check(text, &format!("`{text}` leads into git's own files"));
    }
    for text in [".gitx", "git~12", "git", ".git.x", "a.git"] {
        check(text, text);
    }
}

#[test]
fn look_alikes_are_refused_where_they_lead_elsewhere() {
    for text in [".g\u{131}t/config", "\u{2024}git/config", ".gi\u{ff54}/hooks/x"] {
        check(text, &format!("`{text}` leads into git's own files"));
    }
    for text in ["src\u{2215}a.py", "\u{2024}\u{2024}/a", "a/\u{ff0e}\u{ff0e}"] {
        let expect =
            format!("`{text}` has a character that looks like `/`, or a part that looks like `..`");
        check(text, &expect);
    }
    for text in ["docs/\u{fc}ber.md", "\u{65e5}\u{672c}/\u{8a9e}.txt", "\u{43f}\u{440}.rs", "l/1/I"]
    {
        check(text, text);
    }
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

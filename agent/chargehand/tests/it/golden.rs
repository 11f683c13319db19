//! Texts that are compared with a file.

use std::path::Path;

/// Compares `actual` with `golden/NAME`, or takes it as the new golden text when it is told to.
#[track_caller]
pub(crate) fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name);
    if std::env::var_os("ACCEPT_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if golden == actual {
        return;
    }
    let different =
        golden.lines().zip(actual.lines()).position(|(golden, actual)| golden != actual);
    let at = different.unwrap_or_else(|| golden.lines().count().min(actual.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("[the end]").to_owned();
    panic!(
        "{name} differs from line {} on:\n  golden: {}\n  actual: {}\nto accept: \
         ACCEPT_GOLDEN=1 cargo test --release -p chargehand --test it golden\n",
        at + 1,
        line(&golden),
        line(actual),
    );
}

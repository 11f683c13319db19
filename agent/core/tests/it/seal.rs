//! When a file is the same as before.

use chargehand_core::seal::{Seal, are_untouched};

const SEAL: Seal = Seal { device: 1, inode: 2, bytes: 3, modified: 4, changed: 5 };

#[track_caller]
fn check(now: Seal, has_content: bool, is_untouched: bool) {
    assert_eq!(
        (now.has_content_of(&SEAL), now.is_untouched_since(&SEAL)),
        (has_content, is_untouched)
    );
}

#[test]
fn each_trace_of_a_change_counts() {
    check(SEAL, true, true);
    check(Seal { device: 9, ..SEAL }, false, true);
    check(Seal { inode: 9, ..SEAL }, false, false);
    check(Seal { bytes: 9, ..SEAL }, false, false);
    check(Seal { modified: 9, ..SEAL }, false, false);
    // A link or a mode is no content.
    check(Seal { changed: 9, ..SEAL }, true, false);
}

#[test]
fn all_files_count() {
    let other = Seal { changed: 9, ..SEAL };
    assert!(are_untouched(&[SEAL, SEAL], &[SEAL, SEAL]));
    assert!(!are_untouched(&[SEAL, other], &[SEAL, SEAL]));
    assert!(!are_untouched(&[SEAL], &[SEAL, SEAL]));
}

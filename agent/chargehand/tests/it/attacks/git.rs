//! Settings that make the git program run something: whoever reads the repository here runs nothing.

use std::fs;

use super::{edit_call, finish, fixture, read_call, shell};
use crate::temp_repo::{TempRepo, judge};

/// What all of them have in common: a program that leaves a marker.
const EVIL: &str = r#"printf '#!/bin/sh\ntouch "%s"\ncat\n' "$M" > "$B/evil.sh"; chmod +x "$B/evil.sh"; cp "$B/evil.sh" "$B/evil";"#;

/// The user's own repository is hostile: a job is done in it from the run to the verdict, taken over and taken back.
#[track_caller]
fn in_the_repository(setup: &str) {
    let place = fixture();
    let (marker, beside) = (place.root().join("marker"), place.root().join("beside"));
    fs::create_dir(&beside).unwrap();
    shell(&place.repo(), &format!("{EVIL}\n{setup}"), &[("M", &marker), ("B", &beside)]);
    // The setup itself may have run it.
    drop(fs::remove_file(&marker));
    let script = place
        .script("s", &[read_call("src/a.py"), edit_call("src/a.py", "x = 1", "y = 1"), finish()]);
    let outcome = place.job(&script, &["--write", "src/**"]);
    assert!(!marker.exists(), "{setup}: {outcome:?}");
    let outcome = outcome.expect(0);
    outcome.shows("src/a.py");
    place.run(&["verify", "last"]).expect(0);
    place.run(&["replay", "last"]).expect(0);
    place.run(&["accept", "last"]);
    place.job(&script, &["--write", "src/**"]);
    place.run(&["reject", "last"]);
    assert!(!marker.exists(), "{setup}");
}

/// The worker has made a hostile repository of its tree.
#[track_caller]
fn in_the_workspace(setup: &str) {
    let repo = TempRepo::with(&[("src/a.py", "x = 1\n"), ("src/b.py", "x = 2\n")]);
    let mut run = repo.run();
    let (marker, beside) = (repo.outside("marker"), repo.outside("beside"));
    fs::create_dir(&beside).unwrap();
    let begin = "git init -q -b main; git add -A; git commit -qm base;";
    let setup = format!("{EVIL}\n{begin}\n{setup}\necho y >> src/a.py");
    shell(&run.path().join("work"), &setup, &[("M", &marker), ("B", &beside)]);
    drop(fs::remove_file(&marker));
    judge(&mut run, "goal = 'x'\n[scope]\nwrite = ['src/b.py']\n");
    let report = fs::read_to_string(run.path().join("report.json")).unwrap();
    assert!(
        report.contains("\"path\":\"src/a.py\"") && report.contains("\"violated\""),
        "{report}"
    );
    repo.accept(&mut run).unwrap_err();
    repo.accept_anyway(&mut run).unwrap_err();
    assert!(!marker.exists(), "{setup}");
}

#[track_caller]
fn check(setup: &str) {
    in_the_repository(setup);
    in_the_workspace(setup);
}

#[test]
fn g01_a_file_system_monitor_does_not_run() {
    check(r#"git config core.fsmonitor "$B/evil.sh""#);
}

#[test]
fn g03_a_filter_process_does_not_run() {
    check(
        r#"git config filter.e.process "$B/evil.sh"; git config filter.e.required true
           echo '*.py filter=e' > .git/info/attributes"#,
    );
}

#[test]
fn g04_an_external_diff_does_not_run() {
    check(
        r#"git config diff.external "$B/evil.sh"; git config diff.e.textconv "$B/evil.sh"
           echo '*.py diff=e' > .git/info/attributes"#,
    );
}

#[test]
fn g07_hooks_do_not_run() {
    check(
        r#"for hook in pre-commit post-commit post-index-change post-checkout reference-transaction; do
               cp "$B/evil.sh" .git/hooks/$hook; cp "$B/evil.sh" "$B/$hook"
           done
           git config core.hooksPath "$B""#,
    );
}

#[test]
fn g10_a_git_file_leads_to_nothing_that_runs() {
    check(
        r#"cp -r .git "$B/git"; rm -rf .git; echo "gitdir: $B/git" > .git
           git config -f "$B/git/config" core.fsmonitor "$B/evil.sh""#,
    );
}

/// Without its object there is no base: the run is refused, and nothing is fetched.
#[test]
fn g11_a_promisor_does_not_run() {
    let place = fixture();
    let (marker, beside) = (place.root().join("marker"), place.root().join("beside"));
    fs::create_dir(&beside).unwrap();
    let setup = r#"git config extensions.partialClone o; git config core.repositoryformatversion 1
        git config remote.o.url "ext::$B/evil.sh"; git config protocol.ext.allow always
        git config remote.o.promisor true; o=$(git rev-parse HEAD:src/a.py)
        rm -f .git/objects/${o:0:2}/${o:2}"#;
    shell(&place.repo(), &format!("{EVIL}\n{setup}"), &[("M", &marker), ("B", &beside)]);
    drop(fs::remove_file(&marker));
    let script = place.script("s", &[finish()]);
    let outcome = place.job(&script, &["--write", "src/**"]);
    assert!([3, 74].contains(&outcome.code), "{outcome:?}");
    assert!(!marker.exists() && place.runs().is_empty());
}

#[test]
fn g14_drivers_do_not_run_at_rollback() {
    check(
        r#"git config merge.e.driver "$B/evil.sh"; git config filter.e.smudge "$B/evil.sh"
           echo '*.py filter=e merge=e' > .git/info/attributes"#,
    );
}

//! How a command in the sandbox is found and started, in both tiers.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chargehand_core::contract::Check;
use chargehand_core::evidence::CheckEnd;

use crate::sandbox::{Place, command, run};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn what_cannot_start_is_named() {
    let place = Place::new("work");
    fs::write(place.path("work/plain"), "no program").unwrap();
    for sandbox in place.sandboxes() {
        let why = |words: &[&str]| match run(&sandbox, &place.path("work"), words).end {
            CheckEnd::NotStarted(why) => why,
            end => panic!("{words:?}: {end:?}"),
        };
        assert_eq!(
            why(&["no-such-program"]),
            "there is no program `no-such-program` that the sandbox can see"
        );
        assert_eq!(why(&["./plain"]), "`./plain` may not be executed");
        assert_eq!(why(&[]), "no command");
        let gone = command(&["true"], LONG);
        let got = sandbox.run(&gone, &place.path("gone"), None, &|| false);
        assert!(matches!(got.end, CheckEnd::NotStarted(_)), "{got:?}");
    }
}

/// Writes a program. A child does it: what another thread starts at that moment has our open files too until it is there,
/// and a file that may be written to is not executed.
fn program(path: &Path, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""]).arg(path).arg(text);
    assert!(shell.status().unwrap().success());
}

/// As with execvp(3), whether it is the mode that says no or, in the second tier, the place.
#[test]
fn of_a_name_the_first_that_may_be_executed_is() {
    let place = Place::new("work");
    for folder in ["outside", "work/bad", "work/good"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    program(&place.path("outside/it"), "#!/bin/sh\nexit 5\n");
    fs::write(place.path("work/bad/it"), "#!/bin/sh\nexit 6\n").unwrap();
    program(&place.path("work/good/it"), "#!/bin/sh\nexit 7\n");
    let path = |folders: &[&str]| {
        let path = std::env::join_paths(folders.iter().map(|folder| place.path(folder))).unwrap();
        let env = [("PATH".to_owned(), path.into_string().unwrap())].into();
        Check { env, ..command(&["it"], LONG) }
    };
    for sandbox in place.sandboxes() {
        let end = |folders: &[&str]| {
            sandbox.run(&path(folders), &place.path("work"), None, &|| false).end
        };
        assert_eq!(end(&["outside", "work/bad", "work/good"]), CheckEnd::Exit(7));
        let CheckEnd::NotStarted(why) = end(&["outside", "work/bad"]) else { panic!() };
        assert_eq!(why, "`it` may not be executed");
    }
}

/// As with execvp(3), which shells and `make` use.
#[test]
fn a_script_that_does_not_say_whose_it_is_is_the_shells() {
    let place = Place::new("work");
    program(&place.path("work/plain"), "exit $1\n");
    for sandbox in place.sandboxes() {
        let got = run(&sandbox, &place.path("work"), &["./plain", "7"]);
        assert_eq!(got.end, CheckEnd::Exit(7), "{got:?}");
    }
}

#[test]
fn arguments_are_passed_as_they_are() {
    let place = Place::new("work");
    program(&place.path("work/a script"), "#!/bin/sh\nfor word; do echo \"<$word>\"; done\n");
    for sandbox in place.sandboxes() {
        let got = run(
            &sandbox,
            &place.path("work"),
            &["./a script", "--", "a b", "", "$HOME", "ä\n*", "-x"],
        );
        assert_eq!(got.end, CheckEnd::Exit(0), "{got:?}");
        assert_eq!(got.output, "<-->\n<a b>\n<>\n<$HOME>\n<ä\n*>\n<-x>\n");
    }
}

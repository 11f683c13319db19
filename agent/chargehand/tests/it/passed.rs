//! Variables that a contract gives to a command, and secrets of the user: only the command has them, and only it
//! obeys them.

use std::fs;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use chargehand_core::contract::Check;
use chargehand_core::evidence::CheckEnd;

use crate::attacks::{edit_call, finish, read_call, write_call};
use crate::place::{Outcome, Place as Repository};
use crate::sandbox::{Place, command};
use crate::worker::wait_for;

const LONG: Duration = Duration::from_secs(60);

/// Returns the arguments of all processes of this machine, as `ps` shows them.
fn arguments() -> String {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let texts = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
}

#[test]
fn no_value_stands_in_the_arguments_of_a_process() {
    let mut place = Place::new("work");
    let secret = format!("s3cret-{}", std::process::id());
    place.machine.variables.insert("DB_TOKEN".into(), secret.clone().into());
    for sandbox in place.sandboxes() {
        let work = place.path("work");
        // It says that it runs, and goes on until somebody has looked.
        let script = "echo \"$DB_TOKEN\" > seen; while [ -e seen ]; do sleep 0.05; done; echo $OWN";
        let check = Check {
            pass_env: vec!["DB_TOKEN".to_owned()],
            env: [("OWN".to_owned(), "their own".to_owned())].into(),
            ..command(&["sh", "-c", script, "the-command-runs"], LONG)
        };
        let (sender, found) = channel();
        let seen = work.join("seen");
        let looker = thread::spawn(move || {
            let has_begun = || fs::read_to_string(&seen).ok().filter(|text| !text.is_empty());
            sender.send((wait_for(has_begun), arguments())).unwrap();
            fs::remove_file(seen).unwrap();
        });
        let got = sandbox.run(&check, &work, None, &|| false);
        looker.join().unwrap();
        let (seen, arguments) = found.recv().unwrap();
        assert_eq!((got.end, got.output.as_str()), (CheckEnd::Exit(0), "their own\n"));
        assert_eq!(seen.trim_end(), secret, "the command has it");
        assert!(arguments.contains("the-command-runs"), "nothing was seen");
        assert!(!arguments.contains(&secret), "everybody may read it");
        assert!(!arguments.contains("their own"), "everybody may read it");
    }
}

/// A linker that obeyed them would load what lies in the workspace into a process that still has its rights.
#[test]
fn what_starts_a_command_does_not_obey_its_variables() {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        let env = [("LD_PRELOAD".to_owned(), "./there-is-none.so".to_owned())].into();
        let check = Check { env, ..command(&["true"], LONG) };
        let got = sandbox.run(&check, &place.path("work"), None, &|| false);
        assert_eq!(got.end, CheckEnd::Exit(0), "{got:?}");
        let complaints = got.output.matches("there-is-none.so").count();
        assert_eq!(complaints, 1, "the command complains, and nobody else: {}", got.output);
    }
}

/// Has a worker write `content` while `value` is a secret of the user's.
fn with_secret(base: &str, content: &str, value: &str) -> Repository {
    let place = Repository::with(&[("a.txt", base)]);
    let calls = [
        write_call("new.txt", content),
        read_call("a.txt"),
        edit_call("a.txt", "one", "1"),
        finish(),
    ];
    let script = place.script("s", &calls);
    let mut command = place.command(["run", "do it", "--write", "a.txt", "--create", "new.txt"]);
    command.args(["--worker", &script]).env("DB_TOKEN", value);
    Outcome::from(command.output().unwrap()).expect(0);
    place
}

fn kept(place: &Repository, name: &str) -> String {
    fs::read_to_string(place.run_dir().join(name)).unwrap()
}

#[test]
fn a_worker_that_writes_a_secret_writes_nothing() {
    let place = with_secret("one\n", "token = s3cret-s3cret\n", "s3cret-s3cret");
    assert!(!place.run_dir().join("work/new.txt").exists());
    for name in ["diff.patch", "events.jsonl", "report.json", "report.html"] {
        let text = kept(&place, name);
        assert!(!text.contains("s3cret"), "{name}: {text}");
    }
    assert!(kept(&place, "report.json").contains("[secret DB_TOKEN]"));
    // What was not run is not played, and the log is whole.
    place.run(&["replay", "last"]).expect(0);
    place.run(&["verify", "last"]).expect(0);
}

/// A key has lines, and a diff or a part of a file never has more of it than these.
#[test]
fn a_line_of_a_secret_is_one() {
    let (first, second) = ("MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASCBKcwggSjAgEAAoIB");
    let place = with_secret("one\n", second, &format!("{first}\n{second}\n"));
    assert!(!place.run_dir().join("work/new.txt").exists());
    assert!(!kept(&place, "events.jsonl").contains(second));
}

/// What stood in the repository before stays in the diff, or it could not be applied; who only looks does not see it.
#[test]
fn a_diff_is_exact_and_the_page_that_shows_it_is_not() {
    let place = with_secret("one\ntoken = s3cret-s3cret\n", "new\n", "s3cret-s3cret");
    let patch = kept(&place, "diff.patch");
    assert!(patch.contains(" token = s3cret-s3cret\n"), "{patch}");
    place.git(&["apply", "--check", place.run_dir().join("diff.patch").to_str().unwrap()]);
    let page = kept(&place, "report.html");
    assert!(page.contains("token = [secret DB_TOKEN]") && !page.contains("s3cret"), "{page}");
    place.run(&["verify", "last"]).expect(0);
}

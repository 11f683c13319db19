//! `chargehand models pull`, against a hub on this machine that behaves, and one that does not.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::hub_server::{Manner, Server, sha256};
use crate::place::{Outcome, Place};

/// A real model: what was fetched can be used.
const MODEL: &[u8] = include_bytes!("../../models/apprentice.gguf");
const SECRET: &str = "hf_secret";

/// A hub and a machine that asks it.
struct Scene {
    server: Server,
    place: Place,
}

impl Scene {
    fn of(manner: Manner) -> Self {
        Self { server: Server::of(MODEL, manner), place: Place::bare() }
    }

    /// Returns the command; a hub that says nothing for `silence` is given up.
    fn patient(&self, silence: &str, more: &[&str]) -> Command {
        let args = ["models", "pull", "o/n", "q/m.gguf", "--silence", silence];
        let mut command = self.place.command([&args, more].concat());
        for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "HF_TOKEN"] {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        command.env("HF_ENDPOINT", self.server.url());
        command
    }

    fn command(&self, more: &[&str]) -> Command {
        self.patient("1s", more)
    }

    fn pull(&self, more: &[&str]) -> Outcome {
        self.command(more).output().unwrap().into()
    }

    fn target(&self) -> PathBuf {
        self.place.home().join("models/o/n/q/m.gguf")
    }

    fn part(&self) -> PathBuf {
        self.target().with_file_name(format!("m.gguf.{}.part", &sha256(MODEL)[..12]))
    }

    /// Puts the beginning of a file there, as an earlier attempt would have left it.
    fn leave_part(&self, content: &[u8]) {
        fs::create_dir_all(self.part().parent().unwrap()).unwrap();
        fs::write(self.part(), content).unwrap();
    }

    /// Looks whether the file is there and right, with nothing beside it.
    #[track_caller]
    fn is_whole(&self) {
        assert!(fs::read(self.target()).unwrap() == MODEL, "the file is another one");
        assert_eq!(fs::read_dir(self.target().parent().unwrap()).unwrap().count(), 1);
    }

    /// Looks whether there is no file of that name, and `part` bytes of it.
    #[track_caller]
    fn is_absent(&self, part: Option<u64>) {
        assert!(!self.target().exists());
        let found = fs::metadata(self.part()).ok().map(|facts| facts.len());
        assert_eq!(found, part);
    }

    /// Returns the ranges that the store was asked for.
    fn ranges(&self) -> Vec<Option<String>> {
        let store = self.server.seen().into_iter().filter(|seen| seen.is_store);
        store.map(|seen| seen.range).collect()
    }
}

#[track_caller]
fn fails(manner: Manner, code: i32, says: &str, part: Option<u64>) -> Scene {
    let scene = Scene::of(manner);
    scene.pull(&[]).expect(code).says(says);
    scene.is_absent(part);
    scene
}

#[test]
fn a_model_is_fetched_and_named() {
    let scene = Scene::of(Manner::Good);
    let outcome = scene.pull(&["--name", "small", "--json"]).expect(0);
    scene.is_whole();
    let (line, from) = (&outcome.lines()[0], format!("o/n@{}/q/m.gguf", "c".repeat(40)));
    assert_eq!((&line["name"], &line["from"]), (&"small".into(), &from.into()));
    let listed = scene.place.run(&["models", "list", "--json"]).expect(0).lines();
    let small = listed.iter().find(|line| line["name"] == "small").unwrap();
    assert_eq!(small["sha256"], sha256(MODEL));
    scene.place.run(&["models", "inspect", "small"]).expect(0).shows("architecture");
    scene.place.run(&["models", "verify"]).expect(0).shows("small is what it was");
    assert_eq!(scene.server.seen()[0].path, "/o/n/resolve/main/q/m.gguf");
}

/// A hub and its store are two, and only one of them is told who asks.
#[test]
fn a_token_is_given_to_the_hub_alone_and_shown_to_nobody() {
    let scene = Scene::of(Manner::Gated);
    let denied = scene.pull(&[]).expect(3).says("answers 401").says("HF_TOKEN");
    let outcome: Outcome = scene.command(&[]).env("HF_TOKEN", SECRET).output().unwrap().into();
    let outcome = outcome.expect(0);
    scene.is_whole();
    for text in [&denied.stderr, &outcome.stdout, &outcome.stderr] {
        assert!(!text.contains(SECRET), "{text}");
    }
    for seen in scene.server.seen().into_iter().skip(1) {
        let expect = (!seen.is_store).then(|| format!("Bearer {SECRET}"));
        assert_eq!(seen.token, expect, "{}", seen.path);
    }
    assert!(
        !fs::read_to_string(scene.place.home().join("models/models.toml"))
            .unwrap()
            .contains(SECRET)
    );
}

#[test]
fn a_token_never_goes_in_the_clear() {
    let scene = Scene::of(Manner::Good);
    let mut command = scene.command(&["--endpoint", "http://hub.invalid"]);
    let outcome: Outcome = command.env("HF_TOKEN", SECRET).output().unwrap().into();
    outcome.expect(2).says("a token goes over https only");
    scene.pull(&["--endpoint", "ftp://hub"]).expect(2).says("neither https:// nor http://");
    scene.pull(&["--endpoint", "https://me:pw@hub"]).expect(2).says("it names a user");
    scene.pull(&["--endpoint", "what is this"]).expect(2).says("it is no address");
    assert!(scene.server.seen().is_empty());
}

/// What goes to this machine goes past a proxy, which would read the token of it.
#[test]
fn a_proxy_is_not_asked_for_this_machine() {
    let scene = Scene::of(Manner::Gated);
    let mut command = scene.command(&[]);
    command.env("HF_TOKEN", SECRET).env("HTTP_PROXY", "http://127.0.0.1:1").env_remove("NO_PROXY");
    let outcome: Outcome = command.env_remove("no_proxy").output().unwrap().into();
    outcome.expect(0);
    scene.is_whole();
}

#[test]
fn a_hub_is_named_by_the_user() {
    let scene = Scene::of(Manner::Good);
    let mut command = scene.command(&[]);
    let unnamed: Outcome = command.env_remove("HF_ENDPOINT").output().unwrap().into();
    unnamed.expect(2).says("nobody says which hub is meant").says("--endpoint");
    fs::create_dir_all(scene.place.home()).unwrap();
    let config = format!("hub = '{}'", scene.server.url());
    fs::write(scene.place.home().join("config.toml"), config).unwrap();
    let named: Outcome = command.output().unwrap().into();
    named.expect(0);
    scene.is_whole();
}

#[test]
fn what_was_fetched_before_is_gone_on_with() {
    let scene = Scene::of(Manner::Good);
    scene.leave_part(&MODEL[..1000]);
    scene.pull(&[]).expect(0).says(&format!(
        "{} of {} bytes fetched",
        MODEL.len() - 1000,
        MODEL.len()
    ));
    scene.is_whole();
    assert_eq!(scene.ranges(), [None, Some("bytes=1000-".to_owned())]);
    // All of it is there: nothing is fetched.
    let again = Scene::of(Manner::Good);
    again.leave_part(MODEL);
    again.pull(&[]).expect(0).says(" 0 of ");
    again.is_whole();
    again.pull(&[]).expect(0).says(" 0 of ");
    // More than all of it cannot be its beginning.
    let longer = Scene::of(Manner::Good);
    longer.leave_part(&[MODEL, b"x"].concat());
    longer.pull(&[]).expect(0);
    longer.is_whole();
}

#[test]
fn a_server_that_ignores_ranges_sends_all_of_it_again() {
    let scene = Scene::of(Manner::IgnoresRange);
    scene.leave_part(&MODEL[..1000]);
    scene.pull(&[]).expect(0).says(&format!("{0} of {0} bytes fetched", MODEL.len()));
    scene.is_whole();
    let wrong = Scene::of(Manner::WrongRange);
    wrong.leave_part(&MODEL[..1000]);
    wrong
        .pull(&[])
        .expect(74)
        .says("asked for the bytes from 1000 on, the hub sends those from 1001 on");
    wrong.is_absent(Some(1000));
}

#[test]
fn a_body_that_breaks_off_is_asked_for_again_and_kept() {
    let scene = fails(Manner::EndsAt(5000), 74, "broke off after 5000 of", Some(5000));
    let asked = scene.ranges();
    assert!(asked.len() > 2 && asked[1..].iter().flatten().all(|range| range == "bytes=5000-"));
    scene.server.behave(Manner::Good);
    scene.pull(&[]).expect(0);
    scene.is_whole();
}

/// What came twice is no progress: such a hub would be asked for ever.
#[test]
fn a_server_that_ignores_ranges_and_breaks_off_is_given_up() {
    let scene =
        fails(Manner::StartsAgainAndEndsAt(5000), 74, "broke off after 5000 of", Some(5000));
    // Once with progress and twice without: these two ask first for all of it, and then for the rest.
    assert_eq!(scene.ranges().len(), 5);
}

#[test]
fn a_file_that_changes_on_the_hub_keeps_what_came() {
    let scene = Scene::of(Manner::Changes);
    scene.leave_part(&MODEL[..1000]);
    scene.pull(&[]).expect(74).says("has changed on the hub in the meantime");
    scene.is_absent(Some(1000));
    scene.server.behave(Manner::Good);
    scene.pull(&[]).expect(0);
    scene.is_whole();
}

#[test]
fn the_files_of_a_model_are_of_one_commit() {
    let scene = Scene::of(Manner::Good);
    let url = scene.server.url();
    let args = ["models", "pull", "o/n", "m-00001-of-00002.gguf", "--endpoint", &url];
    scene.place.run(&args).expect(0);
    let seen = scene.server.seen().into_iter().filter(|seen| !seen.is_store);
    let commit = "c".repeat(40);
    let expect = ["main/m-00001", &format!("{commit}/m-00002")]
        .map(|file| format!("/o/n/resolve/{file}-of-00002.gguf"));
    assert_eq!(seen.map(|seen| seen.path).collect::<Vec<_>>(), expect);
}

#[test]
fn what_is_no_model_gets_no_name() {
    let scene = Scene { server: Server::of(b"what?", Manner::Good), place: Place::bare() };
    scene.pull(&["--name", "what"]).expect(3).says("not a GGUF file");
    let listed = scene.place.run(&["models", "list"]).expect(0);
    assert!(!listed.stdout.contains("what"), "{}", listed.stdout);
}

#[test]
fn wrong_bytes_get_no_name() {
    fails(Manner::WrongByte, 74, "it was thrown away", None);
    let longer = Scene::of(Manner::TooMuch);
    longer.pull(&[]).expect(74).says("more than the");
    assert!(!longer.target().exists());
    // Nor does a part whose beginning is wrong.
    let scene = Scene::of(Manner::Good);
    scene.leave_part(&[0; 1000]);
    scene.pull(&[]).expect(74).says("it was thrown away");
    scene.is_absent(None);
    scene.pull(&[]).expect(0);
    scene.is_whole();
}

#[test]
fn a_hash_is_announced_or_given() {
    let scene = fails(Manner::NoHash, 3, "does not say which SHA-256", None);
    scene.pull(&["--sha256", &sha256(MODEL)]).expect(0);
    scene.is_whole();
    let other = Scene::of(Manner::Good);
    other.pull(&["--sha256", &sha256(b"other")]).expect(3).says("is wanted");
    other.pull(&["--sha256", "abc"]).expect(2).says("`abc` is no SHA-256");
    other.is_absent(None);
}

#[test]
fn what_the_hub_says_instead_of_a_file_is_told() {
    fails(Manner::Missing, 2, "there is no /o/n/resolve/main/q/m.gguf", None);
    fails(Manner::Overloaded, 74, "answers 503", None);
    fails(Manner::Garbage, 74, "cannot reach 127.0.0.1", None);
    fails(Manner::Circle, 74, "did so 5 times before", None);
    fails(Manner::OtherScheme, 74, "to no address of the web", None);
    fails(Manner::Huge, 3, "its disk has", Some(0));
    let scene = Scene::of(Manner::Good);
    let nobody = ["--endpoint", "http://127.0.0.1:1"];
    scene.pull(&nobody).expect(74).says("cannot reach 127.0.0.1").says("the same command again");
}

#[test]
fn a_silent_hub_is_given_up() {
    fails(Manner::Mute, 74, "sent nothing for 1 s", None);
    fails(Manner::StopsAt(5000), 74, "sent nothing for 1 s", Some(5000));
}

#[test]
fn a_repository_that_was_renamed_is_followed() {
    let scene = Scene::of(Manner::Good);
    let args = ["models", "pull", "old/n", "m.gguf", "--endpoint", &scene.server.url()];
    scene.place.run(&args).expect(0);
    assert!(scene.place.home().join("models/old/n/m.gguf").is_file());
}

/// Begins to fetch and stands still in the middle.
fn begin(scene: &Scene) -> std::process::Child {
    let mut command = scene.patient("10m", &[]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    scene.server.stands.recv().unwrap();
    while !fs::metadata(scene.part()).is_ok_and(|facts| facts.len() == 5000) {
        std::thread::yield_now();
    }
    child
}

#[test]
fn two_do_not_fetch_the_same_at_once() {
    let scene = Scene::of(Manner::StopsAt(5000));
    let mut first = begin(&scene);
    scene.server.behave(Manner::Good);
    scene.pull(&[]).expect(3).says("another process is fetching");
    scene.is_absent(Some(5000));
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock went with the process.
    scene.pull(&[]).expect(0);
    scene.is_whole();
}

#[test]
fn ctrl_c_keeps_what_came() {
    let scene = Scene::of(Manner::StopsAt(5000));
    let first = begin(&scene);
    kill(Pid::from_raw(first.id().cast_signed()), Signal::SIGINT).unwrap();
    let outcome: Outcome = first.wait_with_output().unwrap().into();
    outcome.expect(130).says("what came so far is kept");
    scene.is_absent(Some(5000));
}

#[test]
fn a_file_that_is_there_is_never_replaced() {
    let scene = Scene::of(Manner::Good);
    fs::create_dir_all(scene.target().parent().unwrap()).unwrap();
    fs::write(scene.target(), b"mine").unwrap();
    scene.pull(&[]).expect(3).says("is another file");
    assert_eq!(fs::read(scene.target()).unwrap(), b"mine");
}

#[test]
fn names_that_lead_out_are_refused_unasked() {
    let scene = Scene::of(Manner::Good);
    let check = |args: &[&str], code: i32, says: &str| {
        let url = scene.server.url();
        let args = [&["models", "pull"], args, &["--endpoint", &url]].concat();
        scene.place.run(&args).expect(code).says(says);
    };
    check(&["../n", "m.gguf"], 2, "`../n` is no repository");
    check(&["o/n", "../../m.gguf"], 2, "`../../m.gguf` is no path");
    check(&["o/n", "m.gguf", "--revision", "../x"], 2, "`../x` is no revision");
    check(&["o/n", "m.gguf", "--name", "a/b"], 2, "`a/b` is no name of a model");
    check(&["o/n", "m.gguf", "--name", "apprentice"], 2, "the name of the built-in model");
    check(&["o/n", "a-00001-of-00002.gguf", "--sha256", &sha256(b"")], 2, "is of one file");
    assert!(scene.server.seen().is_empty());
    let model = scene.place.root().join("m.gguf");
    fs::write(&model, MODEL).unwrap();
    scene.place.run(&["models", "add", "m", model.to_str().unwrap()]).expect(0);
    check(&["o/n", "m.gguf"], 3, "the name m is given to");
    assert!(scene.server.seen().is_empty());
}

//! A model that makes room: what it remembers goes to the disk, and comes back without being evaluated again. And a file
//! that was replaced between plan and load is not loaded.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use chargehand_core::memory::{Budget, Footprint, LoadOptions, Plan, plan};
use chargehand_core::transcript::Message;
use chargehand_engine::client::{Client, ClientError};
use chargehand_engine::gguf;
use chargehand_engine::probe::Rung;
use chargehand_engine::sampler::Sampling;
use chargehand_engine::wire::{Answer, Ask, Chat, Failure};
use chargehand_grammar::Bindings;
use tempfile::TempDir;

const MODEL: &[u8] = include_bytes!("../../models/apprentice.gguf");

/// A folder with a model and a file for what it remembers.
struct Scene {
    folder: TempDir,
}

/// A worker process of the program.
struct Worker {
    child: Child,
    client: Client<ChildStdout, ChildStdin>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("m.gguf"), MODEL).unwrap();
        fs::write(folder.path().join("parked"), "").unwrap();
        Self { folder }
    }

    fn model(&self) -> PathBuf {
        self.folder.path().join("m.gguf")
    }

    fn parked(&self) -> PathBuf {
        self.folder.path().join("parked")
    }

    fn plan(&self) -> Plan {
        let options = LoadOptions {
            path: self.model().display().to_string(),
            n_ctx: 1024,
            n_seq: 1,
            n_batch: 64,
            n_gpu_layers: 0,
            kv_on_host: false,
            experts_on_cpu: false,
            kv_type: "f16".to_owned(),
            use_mmap: true,
            extra_buffers: false,
            threads: 1,
            beside: Vec::new(),
            seals: gguf::seals(&self.model()).unwrap(),
        };
        let footprint = Footprint { model: "m".to_owned(), options, rows: Vec::new() };
        plan(vec![footprint], &Budget::default()).unwrap()
    }

    /// Starts a worker that may write to `files`, with its model loaded.
    fn worker(&self, files: &[&Path]) -> Worker {
        let mut worker = self.started(files);
        worker.client.load(&self.plan(), 0, Rung::Planned).unwrap();
        worker
    }

    fn started(&self, files: &[&Path]) -> Worker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chargehand"));
        command.arg("worker");
        for file in files {
            command.arg("--parking").arg(file);
        }
        command.arg("--").arg(self.model()).stderr(Stdio::null());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Worker { child, client: Client::new(stdout, stdin) }
    }
}

fn say(worker: &mut Worker, words: &[&str]) -> Answer {
    let messages = words.iter().map(|word| Message::User((*word).to_owned())).collect();
    let ask = Ask {
        chat: Chat { messages, tools: Vec::new() },
        grammar: Some("root ::= [a-z ]{12}".to_owned()),
        bindings: Bindings::new(),
        sampling: Sampling::default(),
        max_tokens: 64,
    };
    worker.client.generate(ask, |_| ControlFlow::Continue(())).unwrap()
}

const LONG: &str =
    "Create the file MINSTRAL.md with the line 'Hello World', and then say that it is done.";

#[test]
fn what_was_parked_is_not_evaluated_again() {
    let scene = Scene::new();
    let mut first = scene.worker(&[&scene.parked()]);
    let alone = say(&mut first, &[LONG]);
    let parked = first.client.park(&scene.parked()).unwrap();
    drop(first);
    let size = fs::metadata(scene.parked()).unwrap().len();
    assert!(parked.tokens > alone.timings.prompt_n && parked.bytes == size, "{parked:?}");

    let mut second = scene.worker(&[&scene.parked()]);
    assert_eq!(second.client.restore(&scene.parked(), parked).unwrap(), parked);
    let again = say(&mut second, &[LONG]);
    assert_eq!((again.text, again.timings.prompt_n), (alone.text, 1));
    assert_eq!(again.timings.cache_n + 1, alone.timings.prompt_n);

    // What follows is as if it had never been away.
    let mut fresh = scene.worker(&[]);
    let words = [LONG, "And now another one."];
    let (restored, whole) = (say(&mut second, &words), say(&mut fresh, &words));
    assert_eq!((restored.text, whole.timings.cache_n), (whole.text, 0));
    assert!(restored.timings.cache_n > 0);
}

#[test]
fn nothing_to_park_is_no_failure() {
    let scene = Scene::new();
    let mut worker = scene.worker(&[&scene.parked()]);
    assert_eq!(worker.client.park(&scene.parked()).unwrap().tokens, 0);
}

#[test]
fn what_cannot_be_taken_back_is_evaluated_again() {
    let scene = Scene::new();
    let mut worker = scene.worker(&[&scene.parked()]);
    let alone = say(&mut worker, &[LONG]);
    let parked = worker.client.park(&scene.parked()).unwrap();
    let whole = fs::read(scene.parked()).unwrap();
    let other = [&b"what"[..], &whole[4..]].concat();
    for broken in [&b""[..], &whole[..20], &whole[..whole.len() / 2], &other] {
        fs::write(scene.parked(), broken).unwrap();
        let refused = worker.client.restore(&scene.parked(), parked);
        assert!(
            matches!(refused, Err(ClientError::Failed(Failure::Parking { .. }))),
            "{} bytes: {refused:?}",
            broken.len()
        );
        let again = say(&mut worker, &[LONG]);
        assert_eq!((&again.text, again.timings.cache_n), (&alone.text, 0));
    }
}

#[test]
fn a_worker_parks_only_where_it_may() {
    let scene = Scene::new();
    let other = scene.folder.path().join("other");
    fs::write(&other, "mine").unwrap();
    let mut worker = scene.worker(&[&scene.parked()]);
    say(&mut worker, &[LONG]);
    let refused = worker.client.park(&other);
    assert!(matches!(refused, Err(ClientError::Failed(Failure::Parking { .. }))), "{refused:?}");
    assert_eq!(fs::read(&other).unwrap(), b"mine");
    worker.client.park(&scene.parked()).unwrap();
}

/// Plans, lets `replace` do something to the file, and loads.
#[track_caller]
fn after(replace: impl FnOnce(&Path), loads: bool) {
    let scene = Scene::new();
    let plan = scene.plan();
    let mut worker = scene.started(&[]);
    // The sandbox of the worker knows the file that was there; so it is replaced in its place.
    replace(&scene.model());
    match worker.client.load(&plan, 0, Rung::Planned) {
        Ok(_) => assert!(loads, "another file was loaded"),
        Err(ClientError::Failed(Failure::Replaced { reason })) => {
            assert!(!loads && reason.contains("was replaced or changed"), "{reason}");
        }
        Err(err) => panic!("{err}"),
    }
}

#[test]
fn a_file_that_was_replaced_after_it_was_planned_is_not_loaded() {
    after(|_| {}, true);
    after(
        |path| fs::set_permissions(path, fs::metadata(path).unwrap().permissions()).unwrap(),
        true,
    );
    after(
        |path| {
            let mut other = MODEL.to_vec();
            *other.last_mut().unwrap() ^= 1;
            fs::write(path, other).unwrap();
        },
        false,
    );
    after(|path| fs::write(path, [MODEL, &[0]].concat()).unwrap(), false);
}

//! Model files that a stranger made. The header's reader or a process of its own takes the blow, never we.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::place::{Outcome, Place};
use crate::temp_repo::fifo;
use crate::worker::Job;

const WHOLE: &[u8] = include_bytes!("../../../models/apprentice.gguf");
/// A refusal takes no longer, on a machine that does other things besides.
const SOON: Duration = Duration::from_secs(20);

const U32: u32 = 4;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// A GGUF file taken apart.
#[derive(Clone)]
struct Model {
    /// Key, type and value as it stands there.
    keys: Vec<(Vec<u8>, u32, Vec<u8>)>,
    /// Name, shape and type; the offset stays.
    tensors: Vec<(Vec<u8>, Vec<u64>, u32, u64)>,
    data: Vec<u8>,
}

/// Reads from the front of a file that we made ourselves.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn text(&mut self) -> Vec<u8> {
        let length = usize::try_from(self.u64()).unwrap();
        self.take(length).to_vec()
    }

    fn skip(&mut self, kind: u32) {
        match kind {
            0 | 1 | 7 => drop(self.take(1)),
            2 | 3 => drop(self.take(2)),
            4..=6 => drop(self.take(4)),
            10..=12 => drop(self.take(8)),
            TEXT => drop(self.text()),
            ARRAY => {
                let (inner, count) = (self.u32(), self.u64());
                (0..count).for_each(|_| self.skip(inner));
            }
            other => panic!("type {other}"),
        }
    }
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

impl Model {
    fn built_in() -> Self {
        let mut reader = Reader(WHOLE);
        reader.take(8);
        let (tensors, keys) = (reader.u64(), reader.u64());
        let keys = (0..keys).map(|_| {
            let (key, kind, before) = (reader.text(), reader.u32(), reader.0);
            reader.skip(kind);
            (key, kind, before[..before.len() - reader.0.len()].to_vec())
        });
        let keys = keys.collect();
        let tensors = (0..tensors).map(|_| {
            let (name, rank) = (reader.text(), reader.u32());
            let shape = (0..rank).map(|_| reader.u64()).collect();
            (name, shape, reader.u32(), reader.u64())
        });
        let tensors = tensors.collect();
        let begin = (WHOLE.len() - reader.0.len()).next_multiple_of(32);
        Self { keys, tensors, data: WHOLE[begin..].to_vec() }
    }

    fn set(mut self, key: &str, kind: u32, value: Vec<u8>) -> Self {
        self.keys.retain(|(name, ..)| name != key.as_bytes());
        self.keys.push((key.into(), kind, value));
        self
    }

    fn set_number(self, key: &str, number: u32) -> Self {
        self.set(key, U32, number.to_le_bytes().to_vec())
    }

    fn value(&self, key: &str) -> &[u8] {
        let found = self.keys.iter().find(|(name, ..)| name == key.as_bytes());
        &found.unwrap_or_else(|| panic!("the model has no {key}")).2
    }

    /// Returns the values of a list of texts.
    fn texts(&self, key: &str) -> Vec<Vec<u8>> {
        let mut reader = Reader(self.value(key));
        assert_eq!(reader.u32(), TEXT);
        let count = reader.u64();
        (0..count).map(|_| reader.text()).collect()
    }

    fn set_texts(self, key: &str, texts: &[Vec<u8>]) -> Self {
        let mut value = [&TEXT.to_le_bytes()[..], &(texts.len() as u64).to_le_bytes()].concat();
        texts.iter().for_each(|one| value.extend(text(one)));
        self.set(key, ARRAY, value)
    }

    fn bytes(&self) -> Vec<u8> {
        let (tensors, keys) = (self.tensors.len() as u64, self.keys.len() as u64);
        self.counted(tensors, keys)
    }

    /// Writes it with counts that need not be true.
    fn counted(&self, tensors: u64, keys: u64) -> Vec<u8> {
        let mut all = b"GGUF\x03\0\0\0".to_vec();
        all.extend(tensors.to_le_bytes());
        all.extend(keys.to_le_bytes());
        for (key, kind, value) in &self.keys {
            all.extend(text(key));
            all.extend(kind.to_le_bytes());
            all.extend(value);
        }
        for (name, shape, kind, offset) in &self.tensors {
            all.extend(text(name));
            all.extend(u32::try_from(shape.len()).unwrap().to_le_bytes());
            shape.iter().for_each(|size| all.extend(size.to_le_bytes()));
            all.extend(kind.to_le_bytes());
            all.extend(offset.to_le_bytes());
        }
        all.resize(all.len().next_multiple_of(32), 0);
        all.extend(&self.data);
        all
    }
}

#[track_caller]
fn typed(outcome: &Outcome, codes: &[i32]) {
    let is_typed = codes.contains(&outcome.code) && !outcome.stderr.contains("panicked");
    assert!(is_typed, "{outcome:?}");
}

/// Nothing that reads the model at `path` comes to harm, and a job with it ends with one of `codes`: 0 where it does
/// the job all the same.
#[track_caller]
fn survived(place: &Place, path: &Path, codes: &[i32]) {
    let path = path.to_str().unwrap();
    let begin = Instant::now();
    typed(&place.run(&["models", path]), &[0, 2, 3]);
    typed(&place.run(&["plan", path]), &[0, 2, 3]);
    let job = ["run", "do it", "--create", "new", "--turns", "2", "-m", path];
    typed(&place.run(&job), codes);
    assert!(begin.elapsed() < 3 * SOON, "{:?}", begin.elapsed());
}

/// A job with `model` is refused beforehand.
#[track_caller]
fn refused(model: &[u8]) {
    let place = super::fixture();
    let path = place.root().join("bad.gguf");
    fs::write(&path, model).unwrap();
    survived(&place, &path, &[3]);
}

/// As [`refused`], or its worker dies and the run has its evidence.
#[track_caller]
fn harmless(model: &[u8]) {
    let place = super::fixture();
    let path = place.root().join("bad.gguf");
    fs::write(&path, model).unwrap();
    survived(&place, &path, &[0, 1, 3, 4, 74]);
}

#[test]
fn m01_huge_counts_are_refused() {
    let model = Model::built_in();
    let true_counts = (model.tensors.len() as u64, model.keys.len() as u64);
    assert_eq!(model.bytes(), WHOLE, "the file is put together as it was");
    for count in [1 << 60, 1 << 63, u64::MAX] {
        refused(&model.counted(count, true_counts.1));
        refused(&model.counted(true_counts.0, count));
    }
}

#[test]
fn m04_a_shape_at_the_edge_of_64_bits_is_refused() {
    let edges: [&[u64]; 4] = [
        &[u64::MAX >> 1, 1],
        &[u64::MAX >> 2, 2],
        &[(1 << 32) - 1, 1 << 31, 1],
        &[7, 7 * 73 * 127, 337 * 92_737 * 649_657 / 7],
    ];
    for shape in edges {
        let mut model = Model::built_in();
        model.tensors[0].1 = shape.to_vec();
        refused(&model.bytes());
    }
}

#[test]
fn m06_missing_data_is_refused() {
    let whole = WHOLE.len();
    for length in [whole - 1, whole / 2, whole - Model::built_in().data.len(), 24, 7] {
        refused(&WHOLE[..length]);
    }
}

#[test]
fn m07_unknown_types_and_ranks_are_refused() {
    for kind in [4, 5, 36, 99, u32::MAX] {
        let mut model = Model::built_in();
        model.tensors[0].2 = kind;
        refused(&model.bytes());
    }
    for rank in [5, 100] {
        let mut model = Model::built_in();
        model.tensors[0].1 = vec![1; rank];
        refused(&model.bytes());
    }
}

#[test]
fn m08_odd_alignments_are_refused() {
    for alignment in [0, 3, 1 << 31] {
        refused(&Model::built_in().set_number("general.alignment", alignment).bytes());
    }
}

#[test]
fn m09_odd_names_are_refused_or_escaped() {
    let mut twice = Model::built_in();
    twice.keys.push(twice.keys[0].clone());
    harmless(&twice.bytes());
    let mut twice = Model::built_in();
    twice.tensors[1].0 = twice.tensors[0].0.clone();
    harmless(&twice.bytes());
    for name in [&b"a\0b"[..], b"\xff\xfe", b"\x1b[2J", b""] {
        let mut model = Model::built_in();
        model.keys.push((name.to_vec(), U32, vec![0; 4]));
        harmless(&model.bytes());
        let model = Model::built_in().set("general.name", TEXT, text(name));
        let place = super::fixture();
        let path = place.root().join("bad.gguf");
        fs::write(&path, model.bytes()).unwrap();
        let shown = place.run(&["models", path.to_str().unwrap()]);
        typed(&shown, &[0, 3]);
        assert!(!shown.stdout.contains(['\0', '\u{1b}']) && !shown.stderr.contains('\u{1b}'));
    }
}

#[test]
fn m10_odd_block_counts_are_refused() {
    let model = Model::built_in();
    let name = Reader(model.value("general.architecture")).text();
    let key = format!("{}.block_count", String::from_utf8(name).unwrap());
    for count in [0, 513, 1 << 31, u32::MAX] {
        refused(&model.clone().set_number(&key, count).bytes());
    }
}

#[test]
fn m13_a_huge_token_is_survived() {
    let tokens = "tokenizer.ggml.tokens";
    let model = Model::built_in().set("tokenizer.ggml.model", TEXT, text(b"rwkv"));
    let mut texts = model.texts(tokens);
    texts[300] = vec![b'a'; 100 << 10];
    harmless(&model.set_texts(tokens, &texts).bytes());
}

#[test]
fn m14_a_foreign_tokenizer_is_survived() {
    for name in ["bert", "none", "t5", "ugm", "plamo2", "no-such"] {
        let model = Model::built_in().set("tokenizer.ggml.model", TEXT, text(name.as_bytes()));
        harmless(&model.bytes());
    }
}

#[test]
fn m16_a_short_token_list_is_survived() {
    let tokens = "tokenizer.ggml.tokens";
    for count in [0, 1, 319] {
        let model = Model::built_in();
        let mut texts = model.texts(tokens);
        texts.truncate(count);
        harmless(&model.set_texts(tokens, &texts).bytes());
    }
}

#[test]
fn m22_what_is_no_file_is_refused_at_once() {
    let place = super::fixture();
    let path = |name| place.root().join(name);
    fifo(&path("pipe.gguf"));
    fs::create_dir(path("folder.gguf")).unwrap();
    fs::File::create(path("sparse.gguf")).unwrap().set_len(1 << 40).unwrap();
    for path in [path("pipe.gguf"), path("folder.gguf"), path("sparse.gguf"), "/dev/zero".into()] {
        let begin = Instant::now();
        typed(&place.run(&["models", path.to_str().unwrap()]), &[2, 3]);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        survived(&place, &path, &[2, 3]);
    }
}

/// There are no other roles of a file in this version; with the first flag for one this test fails, and each file
/// above must be given there too.
#[test]
fn m23_there_are_no_other_files() {
    let place = super::fixture();
    for flag in ["--mmproj", "--lora", "--draft-model"] {
        place.run(&["run", "x", "--create", "new", flag, "bad.gguf"]).expect(2);
    }
}

#[test]
fn m25_a_model_that_shrinks_ends_its_worker_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, WHOLE).unwrap();
    let mut job = Job::begin(1, &["-m", path.to_str().unwrap()]);
    let worker = job.hold_worker();
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    // A model this small was read as a whole; of a larger one the next page would bring this signal. Rust's own
    // handler takes the first.
    for _ in 0..2 {
        kill(worker, Signal::SIGBUS).unwrap();
        thread::sleep(Duration::from_millis(200));
    }
    job.open_gate();
    let ended = job.end(74);
    // What it had done before is judged as it is.
    assert_eq!(ended.report["stop"]["kind"], "worker_failed", "{}", ended.report);
}

/// Two sound files that do not go together are found out when both are loaded, as what a device has no room for is.
#[test]
fn a_sound_model_that_cannot_be_loaded_is_not_called_damaged() {
    let place = super::fixture();
    let tokens = "tokenizer.ggml.tokens";
    let mut texts = Model::built_in().texts(tokens);
    texts[300..].reverse();
    let path = place.root().join("other.gguf");
    fs::write(&path, Model::built_in().set_texts(tokens, &texts).bytes()).unwrap();
    let job = ["run", "do it", "--create", "new", "--turns", "2", "--draft"];
    let outcome = place.run(&[&job[..], &[path.to_str().unwrap()]].concat());
    let outcome = outcome.expect(74).says("other tokens than the model that it is to guess for");
    assert!(!outcome.stderr.contains("damaged"), "{}", outcome.stderr);
    assert_eq!(place.report()["stop"]["kind"], "worker_failed");
}

/// What was done before is judged, whoever was to go on with it.
#[test]
fn a_run_that_a_damaged_model_goes_on_with_has_its_evidence() {
    let place = super::fixture();
    let path = place.root().join("bad.gguf");
    let model = Model::built_in().set("tokenizer.ggml.model", TEXT, text(b"no-such"));
    fs::write(&path, model.bytes()).unwrap();
    let bad = path.to_str().unwrap();
    let job = ["run", "do it", "--create", "new", "-m", bad];
    super::fixture().run(&job).expect(3).says("may be damaged");
    let write = ("write_file", json!({ "path": "new", "content": "x" }));
    let script = place.script("s", &[write, ("finish", json!({ "summary": "s" }))]);
    // As little as a model may change that nobody has examined.
    let contract = place.root().join("c.toml");
    let scope = "[scope]\ncreate = ['new']\n";
    let most = "max_changed_files = 1\nmax_changed_lines = 1\nmax_changed_bytes = 9\n";
    fs::write(&contract, format!("goal = 'x'\n{scope}{most}[limits]\nturns = 1\n")).unwrap();
    let contract = contract.to_str().unwrap();
    place.run(&["run", "--contract", contract, "--worker", &script]).expect(4);
    place.run(&["resume", "last", "-m", bad]).expect(74).says("the worker could not go on");
    let report = place.report();
    assert_eq!(report["stop"]["kind"], "worker_failed", "{report}");
    assert_eq!(report["evidence"]["changes"][0]["path"], "new", "{report}");
    // Where it is the review that it was to do, that stays open.
    let place = super::fixture();
    let job = ["--create", "new", "--criterion", "it is new", "--reviewer", bad];
    place.job(&script, &job).expect(4).shows("✓ holds").shows("✗ open");
}

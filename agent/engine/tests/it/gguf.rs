//! The header of hostile files, made by hand.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use chargehand_core::bytes::Bytes;
use chargehand_engine::gguf::{self, Fault, GgufError, Header, SplitName, Weights};

use crate::dice::Dice;

/// How many files the fuzz tests make, where nobody says for how long.
const ROUNDS: u64 = 5000;

/// A file as it grows.
#[derive(Clone, Default)]
pub(crate) struct File(pub(crate) Vec<u8>);

impl File {
    /// A file of version 3 with these counts.
    pub(crate) fn new(tensors: u64, keys: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(keys)
    }

    pub(crate) fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self = self.u64(text.len() as u64);
        self.0.extend(text.as_bytes());
        self
    }

    pub(crate) fn key_text(self, key: &str, text: &str) -> Self {
        self.text(key).u32(8).text(text)
    }

    pub(crate) fn key_number(self, key: &str, number: u32) -> Self {
        self.text(key).u32(4).u32(number)
    }

    /// A matrix of f32 values.
    pub(crate) fn tensor(self, name: &str, shape: [u64; 2], offset: u64) -> Self {
        self.text(name).u32(2).u64(shape[0]).u64(shape[1]).u32(0).u64(offset)
    }

    fn data(mut self, length: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(32) + length, 0);
        self
    }

    fn read(&self) -> Result<Header, Fault> {
        gguf::parse(Cursor::new(&self.0), self.0.len() as u64)
    }
}

fn model() -> File {
    File::new(2, 6)
        .key_text("general.architecture", "llama")
        .key_text("general.name", "small")
        .key_number("llama.context_length", 2048)
        .key_number("llama.block_count", 3)
        .text("tokenizer.ggml.tokens")
        .u32(9)
        .u32(8)
        .u64(2)
        .text("a")
        .text("b")
        .key_text("tokenizer.chat_template", "{{ messages }}")
        .tensor("a", [8, 4], 0)
        .tensor("b", [8, 1], 128)
        .data(160)
}

#[track_caller]
fn check_fault(file: &File, expect: &str) {
    let fault = file.read().unwrap_err().to_string();
    assert!(fault.contains(expect), "{fault}");
}

#[test]
fn a_header_tells_what_is_needed() {
    let header = model().read().unwrap();
    let expect = Header {
        architecture: "llama".to_owned(),
        name: Some("small".to_owned()),
        context_length: Some(2048),
        block_count: Some(3),
        tokenizer: None,
        vocabulary: Some(2),
        chat_template: Some("{{ messages }}".to_owned()),
        files: 1,
        tensors: 2,
        weights: Bytes(160),
    };
    assert_eq!(header, expect);
}

#[test]
fn the_last_byte_counts() {
    let mut file = model();
    assert!(file.read().is_ok());
    file.0.pop();
    let length = file.0.len();
    check_fault(&file, &format!("tensor `b` needs {} bytes, the file has {length}", length + 1));
}

/// Whatever is cut off, an error comes back, and never a header.
#[test]
fn every_beginning_of_a_file_is_refused() {
    let whole = model();
    for length in 0..whole.0.len() {
        let file = File(whole.0[..length].to_vec());
        assert!(file.read().is_err(), "{length} bytes");
    }
}

/// The fuzz target of the reader: `CHARGEHAND_FUZZ_SECONDS=60 cargo test --release -p chargehand-engine --test it
/// any_header -- --nocapture`. Bytes are flipped, numbers replaced by those at the edges, pieces left out and doubled.
#[test]
fn any_header_is_read_or_refused() {
    let (time, dice) = &mut fuzz();
    let (mut read, mut refused, mut slowest) = (0_u64, 0_u64, Duration::ZERO);
    let begun = Instant::now();
    for _ in (0..).take_while(|round| goes_on(*round, begun, *time)) {
        let mut file = model().0;
        for _ in 0..=dice.roll(4) {
            mutate(&mut file, dice);
        }
        let one = Instant::now();
        match File(file).read() {
            Ok(header) => {
                read += 1;
                assert!(!header.architecture.is_empty());
            }
            Err(_) => refused += 1,
        }
        slowest = slowest.max(one.elapsed());
    }
    println!("{read} read, {refused} refused, {} ms at most", slowest.as_millis());
}

/// Returns how long to try, where somebody asks for that; otherwise the dice fall the same each time.
#[expect(clippy::print_stdout, reason = "the harness shows it where a test fails")]
fn fuzz() -> (Option<Duration>, Dice) {
    let seconds = std::env::var("CHARGEHAND_FUZZ_SECONDS").ok();
    let time = seconds.and_then(|text| text.parse().ok()).map(Duration::from_secs_f64);
    let seed = time.map_or(0, |_| RandomState::new().hash_one(0));
    println!("seed {seed}");
    (time, Dice::new(seed))
}

/// By rounds and not by the clock: how far it goes must not depend on the machine.
fn goes_on(round: u64, begun: Instant, time: Option<Duration>) -> bool {
    time.map_or(round < ROUNDS, |time| begun.elapsed() < time)
}

fn mutate(file: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.roll(file.len().max(1));
    let edges = [0, 1, 31, 32, 255, u64::from(u32::MAX), 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX];
    match dice.roll(4) {
        0 => file.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.roll(8)),
        1 => {
            let number = edges[dice.roll(edges.len())].to_le_bytes();
            file.iter_mut().skip(at).zip(number).for_each(|(byte, edge)| *byte = edge);
        }
        2 => drop(file.drain(at..file.len().min(at + dice.roll(40)))),
        _ => {
            let piece = file[at..file.len().min(at + dice.roll(40))].to_vec();
            file.splice(at..at, piece).for_each(drop);
        }
    }
}

/// Whatever is flipped, nothing panics and nothing is allocated that is not there.
#[test]
fn every_flipped_byte_is_survived() {
    let whole = model();
    for at in 0..whole.0.len() {
        for value in [0, 0x7f, 0xff] {
            let mut file = whole.clone();
            file.0[at] = value;
            drop(file.read());
        }
    }
}

#[test]
fn what_is_no_gguf_is_called_so() {
    check_fault(&File::default(), "the file is empty");
    check_fault(&File(b"GG".to_vec()), "the magic needs 4 bytes, the file has 2");
    check_fault(&File(b"<htm".to_vec()), "not a GGUF file: it begins with `<htm`");
    check_fault(&File(b"GGUF".to_vec()).u32(1), "GGUF version 1 is not supported");
    check_fault(&File(b"GGUF".to_vec()).u32(4), "GGUF version 4 is not supported");
    check_fault(&File(b"GGUF".to_vec()).u32(3_u32.swap_bytes()), "big-endian");
}

#[test]
fn lies_about_sizes_are_found_before_anything_is_allocated() {
    check_fault(&File::new(0, u64::MAX), "keys needs");
    check_fault(&File::new(u64::MAX, 0), "tensors needs");
    check_fault(&File::new(0, 1).u64(u64::MAX), "the list of 1 keys needs");
    check_fault(&File::new(0, 1).u64(1 << 40).data(64), "a key needs");
    let array = File::new(0, 1).text("a.b").u32(9);
    check_fault(&array.clone().u32(10).u64(1 << 61).data(64), "a.b needs");
    check_fault(&array.clone().u32(8).u64(1 << 61).data(64), "the list of");
    check_fault(&array.u32(9).u64(1).data(64), "`a.b` has a value of the unknown type 9");
}

#[test]
fn tensors_that_cannot_be_are_refused() {
    let file = || File::new(1, 1).key_text("general.architecture", "llama");
    check_fault(&file().tensor("a", [1 << 40, 1 << 40], 0).data(64), "tensor `a` of shape");
    check_fault(&file().tensor("a", [1, 1], u64::MAX - 31).data(64), "tensor `a` needs");
    check_fault(&file().tensor("a", [1, 1], 1).data(64), "tensor `a` at 1 is not aligned");
    check_fault(&file().text("a").u32(5).data(99), "tensor `a` has 5 dimensions");
    check_fault(&file().text("a").u32(1).u64(32).u32(4).u64(0).data(99), "the unknown type 4");
    check_fault(&file().text("a").u32(1).u64(33).u32(8).u64(0).data(99), "rows of 33 values");
    check_fault(&File::new(0, 1).key_number("general.alignment", 8), "architecture is missing");
    let odd = File::new(0, 2).key_text("general.architecture", "llama");
    check_fault(&odd.key_number("general.alignment", 24), "an alignment of 24 bytes");
}

/// llama.cpp aborts on these.
#[test]
fn numbers_that_cannot_be_are_refused() {
    let check = |key: &str, number: u32, refused: Option<&str>| {
        let file = File::new(0, 2).key_text("general.architecture", "llama");
        let file = file.key_number(key, number);
        match refused {
            Some(range) => check_fault(&file, &format!("`{key}` is {number}, and {range}")),
            None => drop(file.read().unwrap()),
        }
    };
    check("llama.block_count", 0, Some("1 to 512"));
    check("llama.block_count", 1, None);
    check("llama.block_count", 512, None);
    check("llama.block_count", 513, Some("1 to 512"));
    check("llama.context_length", u32::MAX >> 1, None);
    check("llama.context_length", 1 << 31, Some("0 to 2147483647"));
    check("llama.nextn_predict_layers", 513, Some("0 to 512"));
    check("llama.expert_count", 1025, Some("0 to 1024"));
    check("other.block_count", 0, None);
}

#[test]
fn what_is_longer_than_any_header_is_refused() {
    check_fault(&File::new(0, 4097).data(1 << 17), "4097 keys, more than 4096");
    check_fault(&File::new((1 << 17) + 1, 0).data(4 << 20), "131073 tensors, more than 131072");
    let long = |name: usize| File::new(1, 0).text(&"a".repeat(name)).data(64);
    check_fault(&long(64), "the name of a tensor has 64 bytes, more than 63");
    check_fault(&long(63), "architecture is missing");
    let tokens = File::new(0, 1).text("tokenizer.ggml.tokens").u32(9).u32(8).u64(1);
    check_fault(&tokens.text(&"a".repeat(4097)), "has a text of 4097 bytes, more than 4096");
    let text = File::new(0, 1).text("a").u32(8).u64((4 << 20) + 1).data((4 << 20) + 64);
    check_fault(&text, "a has 4194305 bytes, more than 4194304");
    // A file with holes is as long as it says and takes no room.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.gguf");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&File::new(0, 1).text("a").u32(9).u32(8).u64(1 << 36).0).unwrap();
    file.set_len(1 << 40).unwrap();
    let begun = std::time::Instant::now();
    let fault = gguf::read(&path).unwrap_err().to_string();
    assert!(fault.contains("where no header does"), "{fault}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(1));
}

/// Returns part `no`, from 0, of a model split over `files`.
fn part(no: u32, files: u32) -> File {
    let file = if no == 0 {
        File::new(1, 3).key_text("general.architecture", "llama")
    } else {
        File::new(1, 2)
    };
    let file = file.key_number("split.no", no).key_number("split.count", files);
    file.tensor(&format!("blk.{no}.a"), [8, 4], 0).data(128)
}

#[track_caller]
fn check_split(files: &[(&str, File)], expect: Result<usize, &str>) {
    let directory = tempfile::tempdir().unwrap();
    for (name, file) in files {
        std::fs::write(directory.path().join(name), &file.0).unwrap();
    }
    let found = gguf::model(&directory.path().join(files[0].0), Weights::Here);
    match (found, expect) {
        (Ok(model), Ok(tensors)) => assert_eq!(model.tensors.len(), tensors),
        (Err(err), Err(part)) => assert!(err.to_string().contains(part), "{err}"),
        (found, expect) => panic!("{found:?} is not {expect:?}"),
    }
}

#[test]
fn files_of_a_split_model_have_names() {
    let check = |name, expect: Option<(&str, u32, u32)>| {
        let found = SplitName::of(name).map(|name| (name.stem, name.no, name.files));
        assert_eq!(found, expect, "{name}");
    };
    check("a-b-00002-of-00003.gguf", Some(("a-b", 2, 3)));
    check("q/a-00001-of-99999.gguf", Some(("q/a", 1, 99_999)));
    for none in [
        "a.gguf",
        "a-1-of-2.gguf",
        "a-+0001-of-00002.gguf",
        "a-00000-of-00002.gguf",
        "a-00003-of-00002.gguf",
        "a-00000-of-00000.gguf",
        "a-00001-of-00002",
    ] {
        check(none, None);
    }
    let all: Vec<String> = SplitName::of("q/a-00002-of-00002.gguf").unwrap().all().collect();
    assert_eq!(all, ["q/a-00001-of-00002.gguf", "q/a-00002-of-00002.gguf"]);
}

#[test]
fn a_split_model_is_read_as_a_whole() {
    let names = ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"];
    let all = [(names[0], part(0, 3)), (names[1], part(1, 3)), (names[2], part(2, 3))];
    check_split(&all, Ok(3));
    check_split(
        &all[..2],
        Err("m-00003-of-00003.gguf: no such file, and the model is split over 3"),
    );
    check_split(&all[1..], Err("this is part 2 of a model that is split over 3 files"));
    check_split(&[("m.gguf", part(0, 3))], Err("not named like NAME-00001-of-00003.gguf"));
    let swapped = [all[0].clone(), (names[1], part(2, 3)), all[2].clone()];
    check_split(&swapped, Err("it says that it is part 3 of 3, and by its name it is part 2 of 3"));
    let cut = [all[0].clone(), (names[1], File(part(1, 3).0[..40].to_vec())), all[2].clone()];
    check_split(&cut, Err("m-00002-of-00003.gguf: the file is truncated"));
    check_split(&[("m.gguf", model())], Ok(2));
    // Whoever has authority names all parts: a count that no name can have ends before that.
    let many = [("m-00001-of-99999.gguf", part(0, 99_999))];
    check_split(&many, Err("m-00002-of-99999.gguf: no such file"));
    let lie = [("m-00001-of-100000.gguf", part(0, 100_000))];
    check_split(&lie, Err("100000 files, more than 99999"));
}

#[test]
fn numbers_of_layers_are_kept() {
    let list = |file: File, kind: u32, numbers: &[u32]| {
        let file = file.text("llama.heads").u32(9).u32(kind).u64(numbers.len() as u64);
        numbers.iter().fold(file, |file, number| file.u32(*number))
    };
    let file = || File::new(0, 2).key_text("general.architecture", "llama");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.gguf");
    let read = |file: File| {
        std::fs::write(&path, &file.0).unwrap();
        gguf::model(&path, Weights::Here).unwrap().numbers.get("heads").cloned()
    };
    assert_eq!(read(list(file(), 5, &[4, 0, 7])), Some(vec![4, 0, 7]));
    assert_eq!(read(list(file(), 5, &[4, u32::MAX])), None);
    assert_eq!(read(list(file(), 6, &[4])), None);
    assert_eq!(read(list(file(), 4, &vec![1; 1025])), None);
}

/// Random bytes at random places: an error or a header, never a panic, never long.
#[test]
fn random_damage_is_survived() {
    let (time, mut dice) = fuzz();
    let (begun, whole) = (Instant::now(), model());
    let mut below = |most| dice.roll(most);
    for _ in (0..).take_while(|round| goes_on(*round, begun, time)) {
        let mut file = whole.clone();
        for _ in 0..=below(8) {
            let at = below(file.0.len() - 8);
            let lie = [0, 1, 0xff, 1 << 31, u64::MAX, i64::MAX as u64, 1 << 40, 7][below(8)];
            let bytes = [1, 4, 8][below(3)];
            file.0[at..at + bytes].copy_from_slice(&lie.to_le_bytes()[..bytes]);
        }
        file.0.truncate(whole.0.len() - below(3) * below(whole.0.len() / 2));
        let one = Instant::now();
        drop(file.read());
        assert!(one.elapsed() < Duration::from_secs(1), "{:?}", file.0);
    }
}

#[test]
fn paths_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.gguf");
    let error = |path: &Path| gguf::read(path).unwrap_err();
    assert!(matches!(error(&path), GgufError::Missing(_)));
    assert!(matches!(error(directory.path()), GgufError::NotAFile(_)));
    let mut file = std::fs::File::create(&path).unwrap();
    assert!(matches!(error(&path), GgufError::Bad { fault: Fault::Empty, .. }));
    file.write_all(&model().0).unwrap();
    assert_eq!(gguf::read(&path).unwrap(), model().read().unwrap());
}

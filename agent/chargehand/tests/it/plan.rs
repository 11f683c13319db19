//! `chargehand plan`: any models, any machine, and what would fit.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::place::Place;
use crate::schema;

const SCHEMA: &str = include_str!("../../../../docs/plan.schema.json");

/// Returns the path of a generated header, or says aloud that it is not there.
pub(crate) fn model(name: &str) -> Option<String> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-models/architectures");
    let path = ["fitted", "held-out"].map(|part| folder.join(format!("{part}/{name}.gguf")));
    if let Some(found) = path.iter().find(|path| path.is_file()) {
        return Some(found.to_str().unwrap().to_owned());
    }
    assert!(std::env::var_os("CI").is_none(), "there is no {}", path[0].display());
    let said = format!("NOT TESTED: plans: there is no {}\n", path[0].display());
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    None
}

#[track_caller]
fn plan(args: &[&str], code: i32) -> Value {
    let args = [&["plan", "--json"], args].concat();
    let outcome = Place::bare().run(&args).expect(code);
    let answer: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let wrong = schema::errors(&serde_json::from_str(SCHEMA).unwrap(), &answer);
    assert_eq!(wrong, Vec::<String>::new(), "{answer:#}");
    answer
}

fn offers(answer: &Value) -> Vec<&str> {
    let all = answer["alternatives"].as_array().unwrap().iter();
    all.map(|alternative| alternative["what"].as_str().unwrap()).collect()
}

#[test]
fn the_built_in_model_fits() {
    let answer = plan(&["apprentice"], 0);
    assert_eq!((&answer["fits"], &answer["basis"]), (&Value::Bool(true), &Value::from("dry_run")));
    assert_eq!(answer["warnings"], Value::Array(Vec::new()));
}

/// A coder of 81 GB and a describer of 3 GB on a machine of 96 GiB.
#[test]
fn a_large_coder_and_a_small_describer_share_a_machine() {
    let (Some(coder), Some(describer)) = (model("coder-81gb"), model("gemma3-4b")) else { return };
    let roles = [format!("coder={coder}"), format!("describer={describer}")];
    let ask = |more: &[&'static str], code| {
        let roles = ["--role", &roles[0], "--role", &roles[1], "--ctx", "16384"];
        plan(&[&roles, more].concat(), code)
    };
    let fits = ask(&["--budget", "host=96GiB"], 0);
    assert_eq!(fits["roles"], serde_json::json!([["coder"], ["describer"]]));
    // With 8 GiB less they do not: what would is said, and taking turns is among it.
    let refused = ask(&["--budget", "host=88GiB", "--headers"], 3);
    assert!(refused["swap"]["seconds"].as_u64().unwrap() >= 80, "{:#}", refused["swap"]);
    assert!(offers(&refused).contains(&"a cache of q8_0"), "{:?}", offers(&refused));
    assert_eq!(refused["refusal"]["shortages"][0]["models"].as_array().unwrap().len(), 2);
}

/// A model of 32B in four bits on a card of 24 GiB, with 16 and 24 thousand tokens.
#[test]
fn a_card_holds_what_its_plan_says() {
    let Some(path) = model("qwen3-32b") else { return };
    let ask = |ctx: &'static str, more: &[&str], code| {
        let base = [path.as_str(), "--budget", "host=32GiB,gpu0=24GiB", "--ctx", ctx];
        plan(&[&base, more].concat(), code)
    };
    let fits = ask("16384", &[], 0);
    assert_eq!(fits["basis"], "header");
    let refused = ask("24576", &[], 3);
    assert_eq!(refused["refusal"]["shortages"][0]["pool"], "gpu0");
    assert!(offers(&refused).contains(&"a cache of q8_0"), "{:?}", offers(&refused));
    let taken = ask("24576", &["--fit"], 0);
    assert_eq!((&taken["taken"], &taken["fits"]), (&Value::from(0), &Value::Bool(false)));
    ask("24576", &["--kv-type", "q8_0"], 0);
}

#[test]
fn experts_can_stay_on_the_cpu() {
    let Some(path) = model("qwen3moe-30b") else { return };
    let refused = plan(&[&path, "--budget", "host=64GiB,gpu0=8GiB"], 3);
    assert!(offers(&refused).contains(&"the experts on the CPU"), "{:?}", offers(&refused));
}

#[test]
fn roles_of_one_model_are_sequences_of_it() {
    let answer = plan(&["--role", "coder=apprentice", "--role", "judge=apprentice"], 0);
    assert_eq!(answer["footprints"].as_array().unwrap().len(), 1);
    assert_eq!(answer["footprints"][0]["options"]["n_seq"], 2);
    assert_eq!(answer["roles"], serde_json::json!([["coder", "judge"]]));
}

#[test]
fn an_unknown_architecture_is_left_to_the_dry_run() {
    let place = Place::bare();
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend([0_u64, 1, 20].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0nosol");
    std::fs::write(place.repo().join("m.gguf"), bytes).unwrap();
    let unknown = "the architecture `nosol` is unknown to the estimate: the dry run decides";
    place.run(&["plan", "m.gguf", "--headers"]).expect(3).says(unknown);
    place.run(&["plan", "m.gguf"]).expect(3).says("nosol");
}

#[test]
fn nonsense_is_refused_with_words() {
    let place = Place::bare();
    let check = |args: &[&str], says: &str| {
        place.run(&[&["plan", "apprentice"], args].concat()).expect(2).says(says);
    };
    check(&["--budget", "host"], "`host` is no pool with its size");
    check(&["--budget", "host=many"], "`many` is no size");
    check(&["--budget", "gpu0=24GiB"], "either host memory");
    check(&["--role", "coder"], "`coder` gives no role a model");
    check(&["--role", "cook=apprentice"], "`cook` is no role");
    check(&["--seqs", "0"], "invalid value '0'");
    check(&["--kv-type", "q9"], "invalid value 'q9'");
    check(&["--config", "memory.host_headroom=much"], "`much` is no size");
}

#[test]
fn headroom_is_the_users() {
    let refused =
        ["plan", "apprentice", "--budget", "host=4GiB", "--config", "memory.host_headroom=4GiB"];
    let says = "host has 0 MiB to give";
    let place = Place::bare();
    let outcome = place.run(&refused).expect(3);
    assert!(outcome.stdout.contains(says), "{}", outcome.stdout);
}

#[test]
fn a_table_has_a_bar_for_each_pool() {
    let budget = ["plan", "apprentice", "--budget", "host=1GiB,gpu0=2GiB"];
    let outcome = Place::bare().run(&budget).expect(0);
    for part in
        ["a apprentice with", "estimated from its header", "host     [", "gpu0     [", "fits\n"]
    {
        assert!(outcome.stdout.contains(part), "{part}: {}", outcome.stdout);
    }
}

fn rows(answer: &Value) -> Vec<&str> {
    let rows = answer["footprints"][0]["rows"].as_array().unwrap().iter();
    rows.map(|row| row["what"].as_str().unwrap()).collect()
}

/// Writes the header of a projector of pictures of 896 by 896 pixels.
fn projector(path: &Path) {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let number = |key: &str, number: u32| {
        let key = text(&format!("clip.vision.{key}"));
        [&key[..], &4_u32.to_le_bytes(), &number.to_le_bytes()].concat()
    };
    let architecture = [text("general.architecture"), 8_u32.to_le_bytes().to_vec(), text("clip")];
    let numbers = [
        number("image_size", 896),
        number("patch_size", 14),
        number("embedding_length", 1152),
        number("feed_forward_length", 4304),
    ];
    let head = [&b"GGUF\x03\0\0\0"[..], &0_u64.to_le_bytes(), &5_u64.to_le_bytes()].concat();
    let all = [head, architecture.concat(), numbers.concat()].concat();
    std::fs::write(path, all).unwrap();
}

#[test]
fn what_works_beside_a_model_is_planned_with_it() {
    let (Some(large), Some(small)) = (model("qwen3-4b"), model("qwen3-0.6b")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let eye = folder.path().join("mmproj.gguf");
    projector(&eye);
    let eye = eye.to_str().unwrap();
    let both = ["--mmproj", eye, "--draft", &small];
    let base = [large.as_str(), "--budget", "host=64GiB,gpu0=24GiB", "--ctx", "4096"];
    let answer = plan(&[&base[..], &both].concat(), 0);
    let has = |what: &str| assert!(rows(&answer).contains(&what), "{:?}", rows(&answer));
    has("projector: compute (estimated)");
    has("draft: weights");
    assert!(!rows(&answer).contains(&"draft: grammars and guesses"));
    // A dry run counts the draft too.
    let counted = plan(&[&[large.as_str(), "--budget", "host=64GiB"], &both[..]].concat(), 0);
    assert_eq!(counted["basis"], "dry_run");
    assert!(rows(&counted).iter().any(|what| what.starts_with("draft: weights (CPU")));
    // Where the card is too small for all, the draft goes first.
    let tight = [large.as_str(), "--budget", "host=64GiB,gpu0=5000MiB", "--ctx", "4096"];
    let refused = plan(&[&tight[..], &both].concat(), 3);
    assert_eq!(offers(&refused)[0], "without what guesses", "{:?}", offers(&refused));
}

#[test]
fn the_same_model_in_fewer_bits_is_offered() {
    let (Some(small), Some(large)) = (model("deepseek2-lite"), model("deepseek2-lite-q8")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let [four, eight] = ["four.gguf", "eight.gguf"].map(|name| folder.path().join(name));
    std::os::unix::fs::symlink(small, four).unwrap();
    std::os::unix::fs::symlink(large, &eight).unwrap();
    let refused = plan(&[eight.to_str().unwrap(), "--budget", "host=14GiB"], 3);
    let found = offers(&refused);
    assert_eq!(found.last(), Some(&"four, which lies beside eight"), "{found:?}");
}

/// What a dry run said is not asked twice, and what a file says anew is asked anew.
#[test]
fn an_answer_is_kept() {
    let place = Place::bare();
    let ask = || place.run(&["plan", "apprentice", "--json"]).expect(0).stdout;
    let first = ask();
    let kept = place.home().join("memory");
    let files = || std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<_> = files().collect();
    assert_eq!(all.len(), 1);
    let footprint = |text: &str| serde_json::from_str::<Value>(text).unwrap()["footprints"].clone();
    assert_eq!(footprint(&ask()), footprint(&first));
    // Nonsense is counted anew.
    std::fs::write(&all[0], "{").unwrap();
    assert_eq!(footprint(&ask()), footprint(&first));
    // An earlier load took more: the larger counts, and it is said.
    let text = std::fs::read_to_string(&all[0]).unwrap();
    let mut known: Value = serde_json::from_str(&text).unwrap();
    known["taken"] = serde_json::json!({ "anonymous": 9_u64 << 30, "mapped": 0 });
    std::fs::write(&all[0], known.to_string()).unwrap();
    let answer = place.run(&["plan", "apprentice", "--json", "--budget", "host=99GiB"]).expect(0);
    let said = answer.says("took 9216 MiB of host when it was loaded");
    said.shows("what the last load took more");
}

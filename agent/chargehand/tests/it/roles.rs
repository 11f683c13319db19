//! `[models]` and `[roles]`: who does what, planned together; and how those take turns that do not fit.

use std::fs;

use serde_json::{Value, json};

use crate::place::{Outcome, Place};
use crate::plan::model;

/// Returns a place whose user has set `config`.
fn with(config: &str) -> Place {
    let place = Place::with(&[("README.md", "# Demo\n")]);
    fs::create_dir_all(place.home()).unwrap();
    fs::write(place.home().join("config.toml"), config).unwrap();
    place
}

fn answer(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn without_a_model_the_configured_roles_are_planned() {
    let place = with("[roles]\njudge = 'apprentice'\ncoder = 'apprentice'\n");
    let planned = answer(&place.run(&["plan", "--json"]).expect(0));
    assert_eq!(planned["roles"], json!([["coder", "judge"]]));
    assert_eq!(planned["footprints"][0]["options"]["n_seq"], 2);
    let one = answer(&place.run(&["plan", "--json", "--role", "judge"]).expect(0));
    assert_eq!(
        (&one["roles"], one["footprints"].as_array().unwrap().len()),
        (&json!([["judge"]]), 1)
    );
    let mixed = ["plan", "--json", "--role", "judge", "--role", "backup=apprentice"];
    assert_eq!(answer(&place.run(&mixed).expect(0))["roles"], json!([["judge", "backup"]]));
}

#[test]
fn two_ways_to_load_a_file_are_two_models() {
    let place = Place::bare();
    let file = place.root().join("m.gguf");
    fs::write(&file, include_bytes!("../../models/apprentice.gguf")).unwrap();
    fs::create_dir_all(place.home()).unwrap();
    let path = file.to_str().unwrap();
    let text = format!(
        "[models]\nlong = '{path}'\nshort = {{ path = '{path}', ctx = 512 }}\n[roles]\ncoder = 'long'\njudge = 'short'\n"
    );
    fs::write(place.home().join("config.toml"), text).unwrap();
    let planned = answer(&place.run(&["plan", "--json"]).expect(0));
    assert_eq!(planned["roles"], json!([["coder"], ["judge"]]));
    assert_eq!(planned["footprints"][1]["options"]["n_ctx"], 512);
    assert_eq!(planned["footprints"][1]["model"], "short");
}

#[test]
fn a_run_asks_the_coder() {
    let place = with("[roles]\ncoder = 'nobody'\n");
    let args = ["run", "x", "--write", "README.md"];
    place.run(&args).expect(2).says("nobody: no model has this name");
    let place = with("model = '/none.gguf'\n[roles]\ncoder = 'apprentice'\n");
    let goal = "Create the file MINSTRAL.md with the line 'Hello World'";
    place.run(&["run", goal, "--create", "MINSTRAL.md"]).expect(0);
}

#[test]
fn what_is_wrong_in_the_tables_is_named() {
    let check = |config: &str, args: &[&str], code: i32, says: &str| {
        with(config).run(&[&["plan"], args].concat()).expect(code).says(says);
    };
    check("", &[], 2, "there is no model to plan for");
    check("[roles]\ncook = 'apprentice'", &[], 2, "config.toml, line 2: unknown variant `cook`");
    check("[roles]\ncoder = 7", &[], 2, "config.toml, line 2");
    check("[roles]\ncoder = 'nobody'", &[], 2, "the coder is nobody: no model has this name");
    check("[models]\na = 7", &[], 2, "the path of a model, or a table with `path`");
    check("[models.a]\nctx = 512", &[], 2, "missing field `path`");
    check("[models.a]\npath = '/x'\nquant = 4", &[], 2, "unknown field `quant`");
    check("[models.a]\npath = '/x.gguf'", &["a"], 2, "/x.gguf: no such file");
    check("[models.a]\npath = '/x.gguf'\nctx = 1", &["a"], 2, "models.a.ctx is 1");
    check("", &["nobody"], 2, "hint: known are apprentice");
    check("", &["--role", "judge"], 2, "`judge` gives no role a model");
    check(
        "",
        &["--role", "coder=apprentice", "--role", "coder=apprentice"],
        2,
        "stands there twice",
    );
}

/// Writes a projector that is nothing but a header with `numbers` and one tensor of a MiB.
fn projector(place: &Place, architecture: &str, numbers: &[(&str, u32)]) -> String {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend([1, numbers.len() as u64 + 1].iter().flat_map(|n: &u64| n.to_le_bytes()));
    bytes.extend(
        [text("general.architecture"), 8_u32.to_le_bytes().to_vec(), text(architecture)].concat(),
    );
    for (key, number) in numbers {
        bytes.extend([text(&format!("clip.vision.{key}")), 4_u32.to_le_bytes().to_vec()].concat());
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([text("v.patch_embd.weight"), 1_u32.to_le_bytes().to_vec()].concat());
    bytes.extend((1_u64 << 18).to_le_bytes());
    bytes.extend([0_u32.to_le_bytes().to_vec(), 0_u64.to_le_bytes().to_vec()].concat());
    let start = bytes.len().next_multiple_of(32);
    bytes.resize(start + (1 << 20), 0);
    let path = place.root().join("mmproj.gguf");
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_projector_is_counted() {
    let place = Place::bare();
    let sizes = [
        ("image_size", 896),
        ("patch_size", 14),
        ("feed_forward_length", 4304),
        ("embedding_length", 1152),
    ];
    let path = projector(&place, "clip", &sizes);
    fs::create_dir_all(place.home()).unwrap();
    let model = place.root().join("m.gguf");
    fs::write(&model, include_bytes!("../../models/apprentice.gguf")).unwrap();
    let text = format!(
        "[models]\nsees = {{ path = '{}', mmproj = '{path}' }}\n[roles]\ndescriber = 'sees'\n",
        model.display()
    );
    fs::write(place.home().join("config.toml"), text).unwrap();
    let planned = answer(&place.run(&["plan", "--json"]).expect(0));
    let rows = planned["footprints"][0]["rows"].as_array().unwrap();
    let bytes = |what: &str| rows.iter().find(|row| row["what"] == what).unwrap()["bytes"].as_u64();
    assert_eq!(bytes("projector: weights"), Some(1 << 20));
    assert_eq!(bytes("projector: compute (estimated)"), Some(127_139_840));
    projector(&place, "llama", &[]);
    place.run(&["plan"]).expect(3).says("a model of `llama` is no projector");
    projector(&place, "clip", &sizes[..2]);
    place.run(&["plan"]).expect(3).says("lacks `vision.embedding_length`");
    fs::remove_file(&path).unwrap();
    place.run(&["plan"]).expect(2).says("mmproj.gguf: no such file");
}

/// A coder of 81 GB and a describer of 3 GB, where they do not fit together: what they remember is parked.
#[test]
fn models_that_do_not_fit_together_take_turns() {
    let (Some(coder), Some(describer)) = (model("coder-81gb"), model("gemma3-4b")) else { return };
    let config = format!(
        "[models]\nbig = '{coder}'\nsmall = '{describer}'\n[roles]\ncoder = 'big'\ndescriber = 'small'\n"
    );
    let place = with(&config);
    let ask = |host: &str, code| {
        let args = ["plan", "--json", "--headers", "--ctx", "16384", "--budget", host];
        answer(&place.run(&args).expect(code))
    };
    assert_eq!(ask("host=96GiB", 0)["swap"], Value::Null);
    let refused = ask("host=88GiB", 3);
    let steps = refused["swap"]["steps"].as_array().unwrap();
    let names = |step: &Value| (step["park"].clone(), step["load"].clone());
    assert_eq!(
        steps.iter().map(names).collect::<Vec<_>>(),
        [
            (json!([]), json!("big")),
            (json!(["big"]), json!("small")),
            (json!(["small"]), json!("big")),
        ]
    );
    let bytes = |at: usize, key: &str| steps[at][key].as_u64().unwrap();
    assert_eq!(bytes(0, "written"), 0);
    assert!(bytes(1, "written") > 1 << 30, "a full context of the coder");
    // It comes back with what it remembered.
    assert_eq!(bytes(2, "read"), bytes(0, "read") + bytes(1, "written"));
    assert!(bytes(2, "seconds") >= bytes(0, "seconds"));
    let table =
        place.run(&["plan", "--headers", "--ctx", "16384", "--budget", "host=88GiB"]).expect(3);
    table.shows("    park big (").shows("load small (");
}

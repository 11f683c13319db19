//! `chargehand bench` with the built-in model.

use std::fs;

use crate::place::Place;

#[test]
fn a_model_is_measured_as_its_context_grows() {
    let place = Place::bare();
    let svg = place.root().join("plots.svg");
    let args =
        ["bench", "--say", "4", "--kv-type", "f16,q8_0", "--svg", svg.to_str().unwrap(), "--json"];
    let lines = place.run(&args).expect(0).lines();
    let subjects = lines[0]["subjects"].as_array().unwrap();
    let kv = |at: usize| subjects[at]["footprint"]["options"]["kv_type"].as_str().unwrap();
    assert_eq!((subjects.len(), kv(0), kv(1)), (2, "f16", "q8_0"));
    for subject in subjects {
        let rows = subject["rows"].as_array().unwrap();
        let lengths: Vec<u64> = rows.iter().map(|row| row["tokens"].as_u64().unwrap()).collect();
        assert!(lengths.is_sorted() && lengths.len() >= 4, "{lengths:?}");
        assert!((1700..2048).contains(lengths.last().unwrap()), "{lengths:?}");
        for row in rows {
            for figure in ["prefill_per_second", "decode_per_second", "first_token_cold_ms"] {
                assert!(row[figure].as_f64().unwrap() > 0.0, "{figure}: {row}");
            }
            assert!(row["resident_bytes"].as_u64().unwrap() > 1 << 20, "{row}");
        }
        assert!(["fast", "enough", "slow"].contains(&subject["verdict"]["word"].as_str().unwrap()));
    }
    let svg = fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("KV q8_0"), "{svg}");
}

#[test]
fn people_see_a_table_bars_and_a_verdict() {
    let place = Place::bare();
    // Plots of before are replaced.
    let svg = place.repo().join("plots.svg");
    fs::write(&svg, chargehand::report::chart::bench(&[])).unwrap();
    let bench = ["bench", "--say", "4", "--ctx", "512", "--svg", "plots.svg"];
    let outcome = place.run(&bench).expect(0);
    assert!(fs::read_to_string(&svg).unwrap().contains("apprentice"));
    outcome.shows("first token").shows("█").shows("30 are asked for");
}

#[test]
fn plots_are_written_over_nothing_of_others() {
    let place = Place::bare();
    let bench = ["bench", "--say", "2", "--ctx", "256", "--svg", "mine.svg"];
    let theirs = "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"></svg>";
    place.write("mine.svg", theirs);
    let outcome = place.run(&bench).expect(2).says("mine.svg is there and has no plots of a bench");
    assert_eq!(outcome.stdout, "", "nothing is measured");
    assert_eq!(place.read("mine.svg"), theirs);
    let svg = place.repo().join("mine.svg");
    fs::rename(&svg, place.repo().join("real.svg")).unwrap();
    std::os::unix::fs::symlink("real.svg", &svg).unwrap();
    place.run(&bench).expect(2);
    fs::remove_file(&svg).unwrap();
    fs::create_dir(&svg).unwrap();
    place.run(&bench).expect(2);
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_loaded() {
    let place = Place::bare();
    let headroom = "memory.host_headroom=1000000GiB";
    place.run(&["bench", "--ctx", "2048", "--config", headroom]).expect(3).says("MiB");
    place.run(&["bench", "--ctx", "4096"]).expect(3).says("4096 are too many");
    place.run(&["bench", "--kv-type", "q2"]).expect(2).says("q2");
    place.run(&["bench", "--svg", "none/plots.svg"]).expect(2).says("there is no folder none");
}

#[test]
fn all_are_looked_at_before_the_first_is_measured() {
    let place = Place::bare();
    let short = ["bench", "--ctx", "256", "--say", "2", "--json", "--compare"];
    let outcome = place.run(&[&short[..], &["nope.gguf"]].concat()).expect(2).says("nope.gguf");
    assert!(!outcome.stderr.contains("tokens/s"), "{}", outcome.stderr);
    // Its header can be read, and llama.cpp does not know what it is.
    let mut model = include_bytes!("../../models/apprentice.gguf").to_vec();
    let key = b"general.architecture";
    let at = model.windows(key.len()).position(|bytes| bytes == key).unwrap() + key.len() + 12;
    model[at] = b'x';
    let odd = place.root().join("odd.gguf");
    fs::write(&odd, model).unwrap();
    let outcome = place.run(&[&short[..], &[odd.to_str().unwrap()]].concat());
    let lines = outcome.lines();
    assert_ne!(outcome.code, 0);
    assert_eq!((lines.len(), lines[0]["subjects"].as_array().unwrap().len()), (2, 1), "{lines:?}");
    assert_eq!(lines[1]["exit_code"], outcome.code);
}

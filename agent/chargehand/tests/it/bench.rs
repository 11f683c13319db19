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
    let outcome = place.run(&["bench", "--say", "4", "--ctx", "512"]).expect(0);
    outcome.shows("first token").shows("█").shows("30 are asked for");
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

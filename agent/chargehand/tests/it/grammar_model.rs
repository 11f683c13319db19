//! `chargehand grammar` with a model: its tokens, both engines, its answers, its runs, and files that are no model.

use chargehand::audit::{self, Held, Line};
use serde_json::json;

use crate::families::generated;
use crate::grammar::{ANSWER, fed, file};
use crate::place::Place;

#[test]
fn masks_are_stepped_through() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    let lines = fed(&place, &["mask", &path, "no", "--json", "--list"], b"").expect(0).lines();
    let texts: String = lines.iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(texts, "no");
    let last = lines.last().unwrap();
    assert_eq!((&last["mask"], &last["forced"]), (&json!("allow"), &json!("")));
    let listed = last["list"].as_array().unwrap().len();
    assert!(listed > 1 && last["allowed"] == listed, "{last}");
    fed(&place, &["mask", &path, "no,"], b"").expect(0).shows("(next)").shows("` because `");
    fed(&place, &["mask", &path, "nay"], b"").expect(1).shows("REFUSED");
    let free = fed(&place, &["mask", "-", "a", "--json"], b"root ::= .*").expect(0).lines();
    assert!(free.iter().all(|line| line["mask"] != "allow"), "{free:?}");
}

#[test]
fn the_engines_agree_and_are_timed() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    let same = fed(&place, &["diff", &path, "yes", "no, because é"], b"").expect(0);
    assert_eq!(same.stdout.lines().filter(|line| line.starts_with("equal")).count(), 2);
    let sampled = fed(&place, &["diff", &path, "-n", "6", "--seed", "2", "--json"], b"").expect(0);
    for line in sampled.lines() {
        assert_eq!(line["equal_masks"], line["tokens"].as_u64().unwrap() + 1, "{line}");
    }
    fed(&place, &["diff", &path, "nay"], b"").expect(1).shows("both refuse token");
    let lines = fed(&place, &["bench", &path, "yes", "no", "--json"], b"").expect(0).lines();
    let engines = lines[0]["engines"].as_array().unwrap();
    assert_eq!(engines.len(), 2);
    for engine in engines {
        assert!(engine["mean_us"].as_f64().unwrap() > 0.0, "{engine}");
        assert_eq!(engine["masks"], lines[0]["tokens"].as_u64().unwrap() + 2);
    }
    fed(&place, &["bench", &path, "yes"], b"").expect(0).shows("chargehand").shows("llama.cpp");
    let rows = fed(&place, &["bench", &path, "--csv", "-n", "2"], b"").expect(0).stdout;
    assert!(rows.starts_with("text,step,allowed,chargehand_us,llama_us\n1,0,"), "{rows}");
    fed(&place, &["bench", &path, "nay"], b"").expect(1).says("text 1 is refused at token");
}

#[test]
fn a_grammar_that_llama_reads_in_another_way_is_found() {
    let place = Place::bare();
    let refused = fed(&place, &["diff", "-", "v"], b"root ::= (\"v\"{0,2000})?").expect(3);
    refused.says("llama.cpp refuses the grammar");
}

#[test]
fn a_file_that_is_no_model_harms_nobody() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    let whole = include_bytes!("../../models/apprentice.gguf");
    let garbage: Vec<u8> = b"GGUF\x03\0\0\0"
        .iter()
        .copied()
        .chain((0..4096_u32).map(|n| (n * 31 % 251) as u8))
        .collect();
    let bad: [(&[u8], &str); 4] = [
        (b"", "is empty"),
        (b"PK\x03\x04 this is a zip", "not a GGUF file"),
        (&whole[..whole.len() / 2], "truncated"),
        (&garbage, "bad.gguf"),
    ];
    for (bytes, says) in bad {
        let model = file(&place, "bad.gguf", bytes);
        for command in ["mask", "bench", "diff", "check", "match"] {
            let outcome = fed(&place, &[command, &path, "-m", &model], b"");
            outcome.expect(3).says(says);
        }
    }
    for command in ["mask", "bench", "diff", "sample"] {
        fed(&place, &[command, &path, "-m", "/nonexistent.gguf"], b"")
            .expect(2)
            .says("no such file");
    }
}

/// What the header's reader lets through may still crash llama.cpp: that happens in another process.
#[test]
fn a_vocabulary_that_was_tampered_with_is_an_error_at_most() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    let whole = include_bytes!("../../models/apprentice.gguf");
    let tokens = b"tokenizer.ggml.tokens";
    let start = whole.windows(tokens.len()).position(|part| part == tokens).unwrap();
    for step in 0..6 {
        let mut bytes = whole.to_vec();
        for at in (start + 40 + step * 7..start + 4000).step_by(61) {
            bytes[at] ^= 0x5A;
        }
        let model = file(&place, "odd.gguf", &bytes);
        let outcome = fed(&place, &["mask", &path, "yes", "-m", &model], b"");
        assert!([0, 1, 3].contains(&outcome.code), "{outcome:?}");
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    }
}

#[test]
fn a_model_is_tried_with_a_grammar_and_without() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    let prompts = file(&place, "prompts.txt", "Is the sky blue?\n\nIs 1 even?\n");
    let trial = ["trial", "--grammar", &path, &prompts, "--max-tokens", "12"];
    fed(&place, &trial, b"").expect(0).shows("without").shows("tok/s").says("“");
    let lines = fed(&place, &[&trial[..], &["--json"]].concat(), b"").expect(0).lines();
    assert_eq!(lines.len(), 5);
    for line in lines.iter().filter(|line| line["type"] == "answer" && line["grammar"] == true) {
        assert_eq!(line["valid"], line["ending"] == "complete", "{line}");
    }
    let totals = &lines[4]["totals"];
    assert_eq!((&totals[0]["answers"], &totals[1]["grammar"]), (&json!(2), &json!(true)));
    let rows = fed(&place, &[&trial[..], &["--csv"]].concat(), b"").expect(0).stdout;
    assert!(rows.starts_with("prompt,grammar,valid,ending,tokens,ms,text\n1,without,"), "{rows}");
    let empty = file(&place, "empty.txt", "\n");
    fed(&place, &["trial", "--grammar", &path, &empty], b"").expect(2).says("holds no prompt");
}

#[test]
fn the_grammar_of_a_turn_is_made_again() {
    let place = Place::with(&[("a.txt", "one\ntwo\n")]);
    let calls = [
        ("read_file", json!({ "path": "a.txt" })),
        ("edit_file", json!({ "path": "a.txt", "old": "two", "new": "2" })),
        ("finish", json!({ "summary": "s" })),
    ];
    let script = place.script("s.jsonl", &calls);
    place.job(&script, &["--write", "a.txt"]).expect(0);
    let turn = |turn: &str| {
        fed(&place, &["from-schema", "--run", "last", "--turn", turn, "--unbound"], b"")
    };
    for (at, (tool, args)) in calls.iter().enumerate() {
        let gbnf = turn(&(at + 1).to_string()).expect(0).stdout;
        let call = json!({ "tool": tool, "args": args }).to_string();
        fed(&place, &["match", "-", &call], gbnf.as_bytes()).expect(0);
    }
    let first = turn("1").expect(0).stdout;
    let edit = r#"{"tool":"edit_file","args":{"path":"a.txt","old":"two","new":"2"}}"#;
    fed(&place, &["match", "-", edit], first.as_bytes()).expect(1);
    // Written out, the same text says what its bindings do.
    let args = ["from-schema", "--run", "last", "--turn", "2", "--expand"];
    let open = fed(&place, &args, b"").expect(0).stdout;
    assert!(!open.contains("#! bind"), "{open}");
    fed(&place, &["match", "-", edit], open.as_bytes()).expect(0);
    let wrong = edit.replace("\"two\"", "\"six\"");
    fed(&place, &["match", "-", &wrong], open.as_bytes()).expect(1);
    fed(&place, &["check", "-"], open.as_bytes()).expect(0);
    fed(&place, &[&args[..], &["--unbound"]].concat(), b"").expect(2);
    turn("4").expect(2).says("has turns 1 to 3");
    turn("0").expect(2).says("no turn 0");
    place.run(&["verify", "last"]).expect(0);
}

#[test]
fn the_log_has_what_a_model_is_held_to() {
    let place = Place::with(&[("a.txt", "port = 8080\n")]);
    place.run(&["run", "Replace 8080 with 9090 in a.txt", "--write", "a.txt"]).expect(0);
    let lines = audit::read(&place.run_dir().join("events.jsonl")).unwrap();
    let held: Vec<Held> = lines.iter().filter_map(Line::grammar).collect();
    let turns = lines.iter().filter(|line| line.kind == "turn_started").count();
    assert_eq!(held.len(), turns);
    let args = ["from-schema", "--run", "last", "--turn", "1"];
    assert_eq!(held[0].text.as_ref(), Some(&fed(&place, &args, b"").expect(0).stdout));
    // The turn in which there is a file to edit.
    let bound = held.iter().find(|held| held.bindings.len() > 1).unwrap();
    let turn = bound.turn.to_string();
    let args = ["from-schema", "--run", "last", "--turn", &turn, "--expand", "--json"];
    let open = &fed(&place, &args, b"").expect(0).lines()[0];
    assert_eq!(open["bindings"], json!(bound.bindings));
    assert!(open["gbnf"].as_str().unwrap().contains("-piece-0 ::= "), "{open}");
}

/// Real tokenizers cut the texts; some of them put a space before each text.
#[test]
fn a_text_is_cut_into_the_tokens_of_each_family() {
    let place = Place::bare();
    let path = file(&place, "answer.gbnf", ANSWER);
    for name in ["qwen", "llama3", "mistral-list", "mistral-args"] {
        let Some(model) = generated(name) else { continue };
        let model = model.to_str().unwrap();
        let said = "no, because éé";
        let lines =
            fed(&place, &["mask", &path, "-m", model, said, "--json"], b"").expect(0).lines();
        let texts: Vec<&str> = lines.iter().filter_map(|line| line["text"].as_str()).collect();
        assert!(texts.len() < said.chars().count(), "{name} has longer tokens: {texts:?}");
        fed(&place, &["diff", &path, "-m", model, said, "--seconds", "600"], b"").expect(0);
    }
}

#[test]
fn a_token_is_named_by_its_text_or_its_number() {
    let place = Place::bare();
    let Some(model) = generated("qwen") else { return };
    let model = model.to_str().unwrap();
    let gbnf = b"root ::= <tool_call> [a-z]+ </tool_call>";
    let text = "<tool_call>abc</tool_call>";
    fed(&place, &["check", "-", "-m", model], gbnf).expect(0).shows("1 rule, ");
    fed(&place, &["check", "-"], gbnf).expect(1).says("-m MODEL.gguf says which");
    let lines = fed(&place, &["mask", "-", text, "-m", model, "--json"], gbnf).expect(0).lines();
    assert_eq!(lines[0]["text"], "<tool_call>");
    assert_eq!((&lines[0]["mask"], &lines[0]["allowed"]), (&json!("allow"), &json!(1)));
    fed(&place, &["explain", "-", "-m", model], gbnf).expect(0).shows("token ");
    let sampled = fed(&place, &["sample", "-", "-m", model, "--max-bytes", "40"], gbnf).expect(0);
    assert!(sampled.stdout.lines().all(|line| line.starts_with("<tool_call>")));
    fed(&place, &["diff", "-", "-m", model, text], gbnf).expect(0);
}

//! What a trial that went wrong did, for people who want to see why: its calls as they were made, with their answers, and
//! how it ended.

use std::path::Path;

use chargehand_core::eval::Trial;
use chargehand_core::report::Report;
use serde::Serialize;
use serde_json::{Value, json};

use crate::env::dir::{Dir, Tried, write_file};
use crate::error::Error;
use crate::report::{visible, words};

/// The folder of these files, below that of the examination.
pub(super) const FOLDER: &str = "wrong";
/// Characters that stay of a text.
const MAX_TEXT: usize = 2000;
/// Things that stay of a list, but for the turns.
const MAX_LIST: usize = 50;
/// Bytes of all turns together; the first ones go.
const MAX_TURNS: usize = 256 * 1024;

/// Returns the name of the file of a trial, below the folder of the examination.
pub(super) fn name(trial: &Trial) -> String {
    format!("{FOLDER}/{}-{}-{}.json", trial.task, trial.subject + 1, trial.repeat)
}

/// Writes down what `trial` did below the folder of the examination.
pub(super) fn write(folder: &Path, trial: &Trial, report: &Report) -> Result<(), Error> {
    let make = || Dir::open(folder)?.make_dir(FOLDER.as_bytes()).map(drop);
    make().tried(|| format!("cannot make {}", folder.join(FOLDER).display()))?;
    let json =
        serde_json::to_vec_pretty(&of(trial, report)).expect("our own types have text keys only");
    Ok(write_file(folder, &name(trial), &json)?)
}

fn of(trial: &Trial, report: &Report) -> Value {
    let turns: Vec<Value> = report.turns.iter().map(short).collect();
    let left_out = too_many(&turns);
    json!({
        "task": trial.task,
        "subject": trial.subject + 1,
        "repeat": trial.repeat,
        "worker": short(&report.worker),
        "faults": short(&trial.faults),
        "verdict": trial.verdict,
        "violations": short(&report.violations),
        "stop": words::stop(&trial.stop),
        "detail": short(&words::stop_detail(&trial.stop)),
        "claim": short(&report.claim),
        "turns_left_out": left_out,
        "turns": turns[left_out..],
    })
}

/// Returns how many of the first turns have to go.
fn too_many(turns: &[Value]) -> usize {
    let mut bytes = 0;
    let fitting = turns.iter().rev().take_while(|turn| {
        bytes += turn.to_string().len();
        bytes <= MAX_TURNS
    });
    turns.len() - fitting.count()
}

/// Returns a value with all of its texts and lists cut.
fn short(value: &impl Serialize) -> Value {
    let value = serde_json::to_value(value).expect("our own types have text keys only");
    match value {
        Value::String(text) => visible::cut(&text, MAX_TEXT).into(),
        Value::Array(values) => values.iter().take(MAX_LIST).map(short).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), short(value))).collect()
        }
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lists_and_turns_are_bounded() {
        let long = "ü".repeat(MAX_TEXT * 2);
        let cut = short(&json!({ "a": [long.as_str()], "b": vec![1; MAX_LIST * 2] }));
        assert_eq!(cut["a"][0].as_str().unwrap().chars().count(), MAX_TEXT);
        assert_eq!(cut["b"].as_array().unwrap().len(), MAX_LIST);
        let turn = json!("x".repeat(MAX_TURNS / 4));
        assert_eq!([0, 3, 4, 9].map(|turns| too_many(&vec![turn.clone(); turns])), [0, 0, 1, 6]);
        assert_eq!(too_many(&[json!(long.repeat(1000))]), 1);
    }
}

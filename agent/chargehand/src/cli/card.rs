//! Scorecards in the state folder: one file for each model with its template, runtime and settings. The built-in
//! model brings its own, which `bench-scripts/scorecard` has measured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chargehand_core::contract::Gates;
use chargehand_core::eval::{Card, Fingerprint, is_telling};
use chargehand_engine::gguf;
use chargehand_engine::sampler::Sampling;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::worker::WorkerSpec;
use super::{doctor, out};
use crate::env::dir::{hex, write_file};
use crate::error::{Error, Kind};

/// The card of the built-in model.
const BUILT_IN: &str = include_str!("../../models/apprentice.card.json");

/// Returns what a card of this worker would be about; a script needs none.
pub(super) fn fingerprint(spec: &WorkerSpec, gates: &Gates) -> Result<Option<Fingerprint>, Error> {
    let WorkerSpec::Model { footprint, identity, sampling } = spec else { return Ok(None) };
    let options = &footprint.options;
    let template = gguf::read(Path::new(&options.path))?.chat_template;
    let off: Vec<&str> = gates.off().map(|gate| gate.name()).collect();
    let mut settings = vec![
        ("kv_type".to_owned(), options.kv_type.clone()),
        ("gates_off".to_owned(), off.join(",")),
    ];
    settings.extend(of_sampling(sampling));
    Ok(Some(Fingerprint {
        name: footprint.model.clone(),
        model: identity.clone(),
        template: template.map(|text| hex(&Sha256::digest(text))),
        llama_cpp: doctor::llama_cpp(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        settings: settings.into_iter().collect(),
    }))
}

/// Returns how tokens are picked, as keys of the configuration. With another seed it is still the same worker.
fn of_sampling(sampling: &Sampling) -> Vec<(String, String)> {
    let Sampling { temperature, top_k, top_p, min_p, seed: _, matcher, forced, drafts, reasoning } =
        sampling;
    let matcher = serde_json::to_value(matcher).expect("an enum without data is a text");
    let values = [
        ("temperature", temperature.to_string()),
        ("top_k", top_k.to_string()),
        ("top_p", top_p.to_string()),
        ("min_p", min_p.to_string()),
        ("matcher", matcher.as_str().unwrap_or_default().to_owned()),
        ("forced", forced.to_string()),
        ("drafts", drafts.to_string()),
        ("reasoning", reasoning.to_string()),
    ];
    values.into_iter().map(|(key, value)| (format!("sampling.{key}"), value)).collect()
}

/// Returns the command that examines such a worker in `suites`; in the first of the built-in ones without any.
pub(super) fn command(of: &Fingerprint, model: &Path, suites: &[String]) -> String {
    let mut words = ["chargehand", "eval", "run"].map(str::to_owned).to_vec();
    words.extend_from_slice(suites);
    words.extend(["-m".to_owned(), model.display().to_string()]);
    let usual = of_sampling(&Sampling::default());
    for (key, value) in &of.settings {
        let is_usual = match key.as_str() {
            "kv_type" => value == "f16",
            "gates_off" => {
                let gates = value.split(',').filter(|gate| !gate.is_empty());
                words.extend(gates.flat_map(|gate| ["--gate".to_owned(), format!("{gate}=off")]));
                true
            }
            _ => usual.iter().any(|(usual, same)| usual == key && same == value),
        };
        if !is_usual {
            words.extend(["--config".to_owned(), format!("{key}={value}")]);
        }
    }
    shell_words::join(words)
}

/// Returns the card of such a worker; of a family that was examined here, the marks from here.
pub(super) fn find(state: &Path, of: &Fingerprint) -> Result<Option<Card>, Error> {
    let is_same = |card: &Card| of.changes_since(&card.of).is_empty();
    Ok(match (Some(built_in()).filter(is_same), own(state, of)?) {
        (Some(mut card), Some(own)) => {
            card.families.extend(own.families);
            Some(card)
        }
        (card, own) => own.or(card),
    })
}

/// Returns the card of such a worker with nothing but what was examined here.
pub(super) fn own(state: &Path, of: &Fingerprint) -> Result<Option<Card>, Error> {
    let is_same = |card: &Card| of.changes_since(&card.of).is_empty();
    Ok(read(&path(state, of))?.filter(is_same))
}

/// Returns why the cards of models of that name, or of that file, are about others, where there are such cards: the
/// fewest differences.
pub(super) fn stale(state: &Path, of: &Fingerprint) -> Result<Option<Vec<String>>, Error> {
    let is_near = |card: &Card| card.of.name == of.name || card.of.model == of.model;
    let changes = all(state)?.into_iter().filter(is_near).map(|card| of.changes_since(&card.of));
    Ok(changes.filter(|changes| !changes.is_empty()).min_by_key(Vec::len))
}

/// Returns all cards, that of the built-in model first. One that cannot be read may be anybody's, and stops nobody.
pub(super) fn all(state: &Path) -> Result<Vec<Card>, Error> {
    let mut paths = match fs::read_dir(folder(state)) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>(),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(err) => return Err(failed(&folder(state), &err)),
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut cards = vec![built_in()];
    for path in paths {
        match read(&path) {
            Ok(card) => cards.extend(card),
            Err(err) => out::note(&format!("warning: {err}")),
        }
    }
    Ok(cards)
}

/// Writes `card` in the place of the one that was there.
pub(super) fn keep(state: &Path, card: &Card) -> Result<PathBuf, Error> {
    let folder = folder(state);
    fs::create_dir_all(&folder).map_err(|err| failed(&folder, &err))?;
    let path = path(state, &card.of);
    let json = serde_json::to_vec_pretty(card).expect("our own types have text keys only");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    write_file(&folder, &name, &json)?;
    Ok(path)
}

fn built_in() -> Card {
    serde_json::from_str(BUILT_IN).expect("a test reads the card")
}

fn folder(state: &Path) -> PathBuf {
    state.join("cards")
}

fn path(state: &Path, of: &Fingerprint) -> PathBuf {
    // By whatever name.
    let of = Fingerprint { name: String::new(), ..of.clone() };
    let json = serde_json::to_vec(&of).expect("our own types have text keys only");
    folder(state).join(format!("{}.json", &hex(&Sha256::digest(json))[..16]))
}

fn read(path: &Path) -> Result<Option<Card>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(failed(path, &err)),
    };
    let form: Form = serde_json::from_slice(&text).map_err(|err| failed(path, &err))?;
    // Of a later version of the form nothing is known.
    if form.schema != Card::SCHEMA {
        return Ok(None);
    }
    let mut card: Card = serde_json::from_slice(&text).map_err(|err| failed(path, &err))?;
    // Marks of too few tasks, which were once written down, would go over those that tell something.
    card.families.retain(|_, mark| is_telling(mark.right, mark.out_of_scope));
    Ok(Some(card))
}

/// What every version of the form has.
#[derive(Deserialize)]
struct Form {
    schema: u32,
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> Error {
    let message = format!("cannot use the scorecard {}: {why}", path.display());
    Error::new(Kind::Failed, message).hint("remove it, and examine the model again")
}

#[cfg(test)]
mod tests {
    use chargehand_core::eval::{Count, Mark};

    use super::*;

    fn fingerprint_of(name: &str) -> Fingerprint {
        let settings = [("kv_type", "q8_0"), ("gates_off", "no_repeat"), ("sampling.top_k", "0")];
        let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Fingerprint {
            name: name.to_owned(),
            model: "sha256 1".to_owned(),
            template: None,
            llama_cpp: "b1".to_owned(),
            program: "1".to_owned(),
            settings: settings.map(text).into_iter().collect(),
        }
    }

    #[test]
    fn a_card_is_found_again_and_stale_when_anything_is_another() {
        let state = tempfile::tempdir().unwrap();
        let of = fingerprint_of("m");
        assert_eq!(find(state.path(), &of).unwrap(), None);
        assert_eq!(stale(state.path(), &of).unwrap(), None);
        let card = Card::new(of.clone());
        keep(state.path(), &card).unwrap();
        assert_eq!(find(state.path(), &of).unwrap(), Some(card));
        let later = Fingerprint { llama_cpp: "b2".to_owned(), ..of.clone() };
        assert_eq!(find(state.path(), &later).unwrap(), None);
        let why = stale(state.path(), &later).unwrap().unwrap();
        assert_eq!(why, ["llama.cpp is b2, it was b1"]);
        // Under another name it is the same worker, and with other settings its card is stale.
        let renamed = Fingerprint { name: "n".to_owned(), ..of.clone() };
        assert_eq!(find(state.path(), &renamed).unwrap().unwrap().of, of);
        let other = Fingerprint { program: "2".to_owned(), ..renamed };
        assert_eq!(stale(state.path(), &other).unwrap().unwrap(), ["chargehand is 2, it was 1"]);
        fs::write(path(state.path(), &of), "{").unwrap();
        assert!(find(state.path(), &of).unwrap_err().to_string().contains("cannot use"));
        // Whose it was nobody knows; it is not in the way of others.
        assert_eq!(stale(state.path(), &later).unwrap(), None);
        fs::write(path(state.path(), &of), "{ \"schema\": 2, \"new\": 1 }").unwrap();
        assert_eq!(find(state.path(), &of).unwrap(), None);
    }

    #[test]
    fn a_mark_of_too_few_tasks_is_as_good_as_none() {
        let state = tempfile::tempdir().unwrap();
        let mut card = Card::new(fingerprint_of("m"));
        for (family, tasks, out_of_scope) in [("few", 4, 0), ("enough", 5, 0), ("broken", 1, 1)] {
            let right = Count { of_these: tasks, of_all: tasks };
            let mark = Mark { right, out_of_scope, eval: "e".to_owned(), suite: Vec::new() };
            card.families.insert(family.to_owned(), mark);
        }
        keep(state.path(), &card).unwrap();
        let found = own(state.path(), &card.of).unwrap().unwrap();
        assert_eq!(found.families.keys().collect::<Vec<_>>(), ["broken", "enough"]);
    }

    #[test]
    fn the_command_says_what_is_not_usual() {
        let suites = ["first", "second"].map(str::to_owned);
        let command = command(&fingerprint_of("m"), Path::new("a b.gguf"), &suites);
        let expect = "chargehand eval run first second -m 'a b.gguf' --gate 'no_repeat=off' --config 'kv_type=q8_0'";
        assert_eq!(command, expect);
    }
}

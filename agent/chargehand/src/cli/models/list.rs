//! `chargehand models list`: every model that has a name.

use serde_json::{Value, json};

use super::inspect;
use crate::cli::model::known::{Known, all};
use crate::cli::out;
use crate::config::{Places, UserConfig};
use crate::env::pins;
use crate::error::Error;
use crate::report::{visible, words};

/// Lists them.
pub(super) fn run(json: bool) -> Result<(), Error> {
    let places = Places::find()?;
    let config = UserConfig::read(places.config.as_deref(), &[])?;
    let pins = pins::read(&places.pins)?;
    for known in all(&config, &places)? {
        let line = describe(&known, &config, pins.contains_key(&known.name));
        match json {
            true => out::json(&line)?,
            false => out::line(&text(&line))?,
        }
    }
    Ok(())
}

/// Returns what is known without reading more than a header.
fn describe(known: &Known, config: &UserConfig, is_pinned: bool) -> Value {
    let facts = std::fs::metadata(&known.path).ok();
    let roles = config.roles.iter().filter(|(_, model)| **model == known.name);
    let roles: Vec<String> = roles.map(|(role, _)| role.to_string()).collect();
    let mut line = json!({
        "type": "model", "name": known.name, "path": known.path.to_string_lossy(),
        "built_in": known.is_built_in, "bytes": facts.map(|facts| facts.len()), "roles": roles,
        "sha256": known.sha256(), "from": known.from, "pinned": is_pinned,
    });
    match inspect::header(&known.path) {
        Ok(header) => line["header"] = json!(header),
        Err(err) => line["error"] = json!(err.to_string()),
    }
    line
}

fn text(line: &Value) -> String {
    let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let mut notes = vec![line["bytes"].as_u64().map_or("no file".to_owned(), words::bytes)];
    notes.extend(line["header"]["architecture"].as_str().map(str::to_owned));
    notes.extend(
        line["roles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|role| format!("is the {role}")),
    );
    notes.extend((line["pinned"] == true).then(|| "pinned".to_owned()));
    notes.extend(line["from"].as_str().map(|from| format!("from {from}")));
    notes.extend(
        (line["bytes"].is_u64()).then(|| line["error"].as_str()).flatten().map(str::to_owned),
    );
    let text = format!("{:<24} {} · {}", word("name"), word("path"), notes.join(" · "));
    visible::line(&text).text
}

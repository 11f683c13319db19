//! `chargehand models`: the built-in model, or what GGUF files say of themselves. No weights are read.

use std::path::{Path, PathBuf};

use chargehand_engine::gguf::{self, Header};
use serde_json::{Value, json};

use super::{embedded, out};
use crate::config::{Places, UserConfig};
use crate::error::Error;
use crate::report::{visible, words};

/// Flags of `models`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// GGUF files; without any, the built-in model and the one that is configured
    files: Vec<PathBuf>,
    /// Prints one JSON object a model
    #[arg(long)]
    pub(super) json: bool,
}

/// Shows them.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    if args.files.is_empty() {
        let places = Places::find()?;
        let path = embedded::unpack(&places.state)?;
        let facts =
            json!({ "built_in": true, "sha256": embedded::hash(), "bytes": embedded::bytes() });
        show(args, embedded::NAME, &path, facts)?;
        let configured = UserConfig::read(places.config.as_deref(), &[])?.model;
        return configured.iter().try_for_each(|path| show_file(args, path));
    }
    args.files.iter().try_for_each(|path| show_file(args, path))
}

fn show_file(args: &Args, path: &PathBuf) -> Result<(), Error> {
    let bytes = std::fs::metadata(path).ok().map(|facts| facts.len());
    show(args, &path.display().to_string(), path, json!({ "built_in": false, "bytes": bytes }))
}

fn show(args: &Args, name: &str, path: &Path, facts: Value) -> Result<(), Error> {
    let header = gguf::read(path)?;
    if args.json {
        let mut line = json!({ "type": "model", "name": name, "path": path.to_string_lossy(), "header": header });
        if let (Value::Object(line), Value::Object(facts)) = (&mut line, facts) {
            line.extend(facts);
        }
        return out::json(&line);
    }
    out::line(&visible::line(name).text)?;
    rows(&header, &facts).into_iter().try_for_each(|(label, text)| {
        out::line(&format!("  {label:<14} {}", visible::line(&text).text))
    })
}

fn rows(header: &Header, facts: &Value) -> Vec<(&'static str, String)> {
    let number = |number: Option<u64>| number.map(words::count);
    let template = match &header.chat_template {
        Some(text) => format!(
            "{} characters",
            words::count(u64::try_from(text.chars().count()).unwrap_or(u64::MAX))
        ),
        None => "none: the plain form is used".to_owned(),
    };
    let rows = [
        ("architecture", Some(header.architecture.clone())),
        ("name", header.name.clone()),
        ("file", facts["bytes"].as_u64().map(words::bytes)),
        (
            "weights",
            Some(format!("{} in {} tensors", header.weights, words::count(header.tensors))),
        ),
        ("layers", number(header.block_count)),
        ("context", number(header.context_length).map(|count| format!("{count} tokens at most"))),
        ("vocabulary", number(header.vocabulary).map(|count| format!("{count} tokens"))),
        ("tokenizer", header.tokenizer.clone()),
        ("chat template", Some(template)),
        ("split", (header.files > 1).then(|| format!("over {} files", header.files))),
        ("sha256", facts["sha256"].as_str().map(str::to_owned)),
    ];
    rows.into_iter().filter_map(|(label, text)| text.map(|text| (label, text))).collect()
}

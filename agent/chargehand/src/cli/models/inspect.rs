//! `chargehand models inspect`: what files say of themselves. No weights are read.

use std::path::{Path, PathBuf};

use chargehand_core::memory::Footprint;
use chargehand_core::memory::estimate::{EstimateError, estimate};
use chargehand_engine::gguf::{self, Header};
use serde_json::{Value, json};

use crate::cli::model::{self, Asked, Choice, known};
use crate::cli::out;
use crate::config::{Places, UserConfig};
use crate::error::Error;
use crate::report::{visible, words};

/// The shortest context that is shown; each next one is twice as long.
const SHORTEST: u32 = 4096;
/// No longer ones are shown.
const LONGEST: u32 = 1 << 20;

/// Shows them.
pub(super) fn run(models: &[PathBuf], json: bool) -> Result<(), Error> {
    let places = Places::find()?;
    let config = UserConfig::read(places.config.as_deref(), &[])?;
    models.iter().try_for_each(|asked| show(asked, json, &config, &places))
}

/// Returns what the file at `path` says.
pub(super) fn header(path: &Path) -> Result<Header, Error> {
    Ok(gguf::read(path)?)
}

fn show(asked: &Path, json: bool, config: &UserConfig, places: &Places) -> Result<(), Error> {
    let found = known::find(asked, config, places)?;
    let header = header(&found.path)?;
    let bytes = std::fs::metadata(&found.path).ok().map(|facts| facts.len());
    let sizes = sizes(asked, config, places);
    if json {
        let (sizes, unknown) = match &sizes {
            Ok(sizes) => (sizes.iter().map(size_json).collect(), Value::Null),
            Err(err) => (Value::Array(Vec::new()), json!(err.to_string())),
        };
        return out::json(&json!({
            "type": "model", "name": found.name, "path": found.path.to_string_lossy(), "header": header,
            "built_in": found.is_built_in, "bytes": bytes, "sha256": found.sha256(), "from": found.from,
            "footprints": sizes, "footprints_error": unknown,
        }));
    }
    out::line(&visible::line(&asked.display().to_string()).text)?;
    for (label, text) in rows(&header, bytes, found.sha256()) {
        out::line(&format!("  {label:<14} {}", visible::line(&text).text))?;
    }
    match sizes {
        Ok(sizes) => sizes.iter().try_for_each(|size| out::line(&size_text(size))),
        Err(err) => {
            out::line(&format!("  {:<14} {}", "takes", visible::line(&err.to_string()).text))
        }
    }
}

/// Returns what the model takes by its header, in ordinary memory, with longer and longer contexts.
fn sizes(asked: &Path, config: &UserConfig, places: &Places) -> Result<Vec<Footprint>, Error> {
    let asked_for = Asked { header_alone: true, ..Asked::default() };
    let Choice { name, options, header, .. } =
        model::choose(Some(asked), &asked_for, config, places)?;
    let trained = header.context_length().and_then(|n| u32::try_from(n).ok()).unwrap_or(LONGEST);
    let mut lengths: Vec<u32> = std::iter::successors(Some(SHORTEST), |length| Some(length * 2))
        .take_while(|length| *length < trained.min(LONGEST))
        .collect();
    lengths.push(trained.min(LONGEST));
    let size = |n_ctx| {
        let options = chargehand_core::memory::LoadOptions { n_ctx, ..options.clone() };
        estimate(&header, &name, options, &[])
    };
    Ok(lengths.into_iter().map(size).collect::<Result<Vec<_>, EstimateError>>()?)
}

fn total(footprint: &Footprint) -> u64 {
    footprint.by_pool().values().map(|bytes| bytes.0).sum()
}

fn size_json(footprint: &Footprint) -> Value {
    let Footprint { options, .. } = footprint;
    json!({ "n_ctx": options.n_ctx, "kv_type": options.kv_type, "bytes": total(footprint) })
}

fn size_text(footprint: &Footprint) -> String {
    let bytes = chargehand_core::bytes::Bytes(total(footprint));
    let tokens = words::count(footprint.options.n_ctx.into());
    format!("  {:<14} {bytes} with {tokens} tokens of context", "takes")
}

fn rows(header: &Header, bytes: Option<u64>, sha256: Option<&str>) -> Vec<(&'static str, String)> {
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
        ("file", bytes.map(words::bytes)),
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
        ("sha256", sha256.map(str::to_owned)),
    ];
    rows.into_iter().filter_map(|(label, text)| text.map(|text| (label, text))).collect()
}

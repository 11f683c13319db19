//! `chargehand plan`: what models would take together, measured by dry runs, against what the machine has.

use std::path::PathBuf;
use std::process::ExitCode;

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{self, Budget, Footprint, Refusal};
use serde_json::json;

use super::model::{self, Choice};
use super::{bounds, out};
use crate::config::{Places, UserConfig};
use crate::env::probe;
use crate::error::{Error, Kind};
use crate::report::visible;

/// Flags of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// GGUF files that are to be loaded together; the built-in model is called `apprentice`
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    /// Tokens of context, of each
    #[arg(long, value_name = "N")]
    ctx: Option<u32>,
    /// Sets a key of config.toml for this command, with the value in TOML
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<String>,
    /// Prints the plan as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Plans. What does not fit is shown like what fits, and ends with 3.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let places = Places::find()?;
    let config = UserConfig::read(places.config.as_deref(), &args.config)?;
    bounds::check(&config)?;
    let choose = |path: &PathBuf| model::choose(Some(path), args.ctx, &config, &places);
    let choices = args.models.iter().map(choose).collect::<Result<Vec<Choice>, Error>>()?;
    let footprints = choices.iter().map(model::footprint).collect::<Result<Vec<_>, Error>>()?;
    let budget = probe::budget();
    let refusal = memory::plan(footprints.clone(), &budget).err();
    if args.json {
        let fits = refusal.is_none();
        out::json(
            &json!({ "type": "memory_plan", "fits": fits, "footprints": footprints, "budget": budget,
            "refusal": refusal }),
        )?;
    } else {
        out::raw(&table(&footprints, &budget, refusal.as_ref()))?;
    }
    Ok(if refusal.is_none() { ExitCode::SUCCESS } else { ExitCode::from(Kind::Refused.code()) })
}

fn table(footprints: &[Footprint], budget: &Budget, refusal: Option<&Refusal>) -> String {
    let mut rows: Vec<[String; 3]> = Vec::new();
    for footprint in footprints {
        let options = &footprint.options;
        let how = format!(
            "{} with {} tokens of {} context",
            footprint.model, options.n_ctx, options.kv_type
        );
        rows.push([how, String::new(), String::new()]);
        rows.extend(
            footprint
                .rows
                .iter()
                .map(|row| [format!("  {}", row.what), row.pool.clone(), row.bytes.to_string()]),
        );
        for (pool, sum) in footprint.by_pool() {
            rows.push(["  sum".to_owned(), pool.to_owned(), sum.to_string()]);
        }
    }
    for pool in &budget.pools {
        let memory =
            |what: &str, bytes: Bytes| [format!("  {what}"), pool.name.clone(), bytes.to_string()];
        rows.push([format!("memory {}", pool.name), String::new(), String::new()]);
        rows.push(memory("in all", pool.capacity));
        rows.push(memory("available", pool.available));
        rows.push(memory("kept free", pool.headroom));
    }
    let verdict = match refusal {
        None => "fits".to_owned(),
        Some(refusal) => format!("does not fit: {refusal}"),
    };
    format!("{}\n{verdict}\n", align(&rows))
}

/// Returns `rows` with their columns one below the other, numbers to the right.
fn align(rows: &[[String; 3]]) -> String {
    let shown = |text: &String| visible::line(text).text;
    let rows: Vec<[String; 3]> =
        rows.iter().map(|row| [shown(&row[0]), shown(&row[1]), shown(&row[2])]).collect();
    let is_head = |row: &[String; 3]| row[2].is_empty();
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| !is_head(row)).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let (first, second, third) = (width(0), width(1), width(2));
    let line = |row: &[String; 3]| match is_head(row) {
        true => format!("{}\n", row[0]),
        false => format!("{:<first$}  {:<second$}  {:>third$}\n", row[0], row[1], row[2]),
    };
    rows.iter().map(line).collect()
}

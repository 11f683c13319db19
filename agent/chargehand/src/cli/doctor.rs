//! `chargehand doctor`: tries what a run needs, says what works and how to mend what does not.
//!
//! It attacks its own sandbox: what gets through is told, and a run is not advised.

mod attacks;

use std::process::ExitCode;

use chargehand_core::bytes::Bytes;
use chargehand_engine::sampler::Sampling;
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{self, ModelArgs};
use super::out;
use crate::config::{MemoryConfig, Places, UserConfig};
use crate::env::pressure::Gauge;
use crate::env::probe;
use crate::env::sandbox::{Sandbox, SandboxError};
use crate::env::worker::{ModelWorker, PATIENCE, Terms};
use crate::error::{Error, Kind};
use crate::report::visible;

/// Flags of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prints the findings as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What the build is made of.
#[derive(Debug, Deserialize)]
struct Pin {
    llama_cpp: LlamaPin,
}

/// The table of llama.cpp.
#[derive(Debug, Deserialize)]
struct LlamaPin {
    version: String,
    ggml: String,
}

/// One thing that a run needs.
struct Finding {
    what: &'static str,
    /// What works, or what is wrong.
    lines: Result<Vec<String>, Error>,
    /// The same for programs.
    value: Value,
}

/// Looks at everything. Where a run would be refused it ends with 3.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let sandbox = Sandbox::detect();
    let attacks = attacks::finding(sandbox.as_ref().ok());
    let findings = [program(), state(), layers(sandbox), attacks, memory(), model()];
    let healthy = findings.iter().all(|finding| finding.lines.is_ok());
    if args.json {
        let mut all = json!({ "type": "doctor", "healthy": healthy });
        for finding in &findings {
            all[finding.what] = match &finding.lines {
                Ok(_) => finding.value.clone(),
                Err(err) => {
                    let mut value = finding.value.clone();
                    value["error"] = json!(err.to_string());
                    value["hints"] = json!(err.hints());
                    value
                }
            };
        }
        out::json(&all)?;
    } else {
        findings.iter().try_for_each(print)?;
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(Kind::Refused.code()) })
}

fn print(finding: &Finding) -> Result<(), Error> {
    let (sign, lines) = match &finding.lines {
        Ok(lines) => ("✓", lines.clone()),
        Err(err) => {
            let told = err.to_string();
            let hints = err.hints().iter().map(|hint| format!("hint: {hint}"));
            ("✗", told.lines().map(str::to_owned).chain(hints).collect())
        }
    };
    for (at, line) in lines.iter().enumerate() {
        let (sign, what) = if at == 0 { (sign, finding.what) } else { ("", "") };
        out::line(&format!("{sign:<1} {what:<8} {}", visible::line(line).text))?;
    }
    Ok(())
}

fn pin() -> LlamaPin {
    let pin: Pin =
        toml::from_str(include_str!("../../../../vendor/pin.toml")).expect("a test reads the pin");
    pin.llama_cpp
}

/// Returns the version of llama.cpp in this program.
pub(super) fn llama_cpp() -> String {
    pin().version
}

fn program() -> Finding {
    let LlamaPin { version, ggml } = pin();
    let own = env!("CARGO_PKG_VERSION");
    let value = json!({ "version": own, "llama_cpp": version, "ggml": ggml });
    Finding {
        what: "program",
        lines: Ok(vec![format!("chargehand {own} with llama.cpp {version}, ggml {ggml}")]),
        value,
    }
}

fn state() -> Finding {
    let look = || -> Result<(Vec<String>, Value), Error> {
        let places = Places::find()?;
        super::embedded::unpack(&places.state)?;
        let config = UserConfig::read(places.config.as_deref(), &[]).map(drop);
        let shown = places.config.as_ref().map(|path| path.display().to_string());
        config?;
        let lines = vec![
            format!("runs and models in {}", places.state.display()),
            format!("configuration in {}", shown.as_deref().unwrap_or("no place")),
        ];
        Ok((lines, json!({ "path": places.state.to_string_lossy(), "config": shown })))
    };
    finding("state", look())
}

fn layers(sandbox: Result<Sandbox, SandboxError>) -> Finding {
    let found = sandbox.map_err(Error::from).map(|sandbox| {
        let (tier, layers) = (sandbox.tier(), sandbox.layers());
        let unasked = "so commands run attended, or where the contract says `sandbox.tier = 2`";
        let line = match tier {
            1 => "tier 1".to_owned(),
            weaker => format!("tier {weaker}, {unasked}"),
        };
        let supervisor = sandbox.supervisor().to_string_lossy();
        let value = json!({ "tier": tier, "layers": layers, "supervisor": supervisor });
        let supervised = format!("supervised by {supervisor}");
        (std::iter::once(line).chain(layers).chain([supervised]).collect(), value)
    });
    finding("sandbox", found)
}

fn memory() -> Finding {
    let budget = probe::budget(&MemoryConfig::default());
    let lines = budget.pools.iter().map(|pool| {
        let free = |bytes: Bytes| bytes.saturating_sub(pool.headroom);
        let (name, capacity, headroom) = (&pool.name, pool.capacity, pool.headroom);
        format!(
            "{name}: {} of {capacity} may be taken now, {headroom} stay free",
            free(pool.available)
        )
    });
    finding("memory", Ok((lines.collect(), json!(budget))))
}

/// The built-in model is loaded and evaluated by a worker, as in a run.
fn model() -> Finding {
    let load = || -> Result<(Vec<String>, Value), Error> {
        let places = Places::find()?;
        let config = UserConfig::default();
        let choice = ModelArgs::default().choose(&config, &places)?;
        let plan = model::plan(&choice, &config, &places)?;
        let begun = std::time::Instant::now();
        let gauge = Gauge::here(&config.memory);
        let terms = Terms { patience: PATIENCE, gauge, parking: None };
        drop(ModelWorker::start(&plan, Sampling::default(), terms, &|| false)?);
        let millis = begun.elapsed().as_millis();
        let line = format!("{}: a worker loads it and is ready in {millis} ms", choice.name);
        Ok((
            vec![line],
            json!({ "name": choice.name, "ready_ms": u64::try_from(millis).unwrap_or(u64::MAX) }),
        ))
    };
    finding("model", load())
}

fn finding(what: &'static str, found: Result<(Vec<String>, Value), Error>) -> Finding {
    match found {
        Ok((lines, value)) => Finding { what, lines: Ok(lines), value },
        Err(err) => Finding { what, lines: Err(err), value: Value::Null },
    }
}

//! `chargehand bench`: how fast a model is as its context grows, and what it takes, before one trusts it with a job.

mod measure;
mod show;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use self::measure::{Series, Subject};
use super::{bounds, drive, out};
use crate::config::{Places, UserConfig};
use crate::env::dir::write_file;
use crate::error::{Error, Kind};
use crate::report::chart;

/// Flags of `bench`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A GGUF model; without any the one that is configured, or the built-in one
    #[arg(short, long, value_name = "MODEL.gguf")]
    model: Option<PathBuf>,
    /// More models, measured one after the other and shown beside the first; the built-in one is called `apprentice`
    #[arg(long, value_name = "MODEL.gguf", num_args = 1..)]
    compare: Vec<PathBuf>,
    /// Tokens of context: up to 50,000 of them are filled; without it as many as the model knows and fit
    #[arg(long, value_name = "N")]
    ctx: Option<u32>,
    /// Types of the KV cache, each measured on its own
    #[arg(long, value_name = "TYPE,..", value_delimiter = ',', value_parser = ["f16", "q8_0", "q4_0"])]
    kv_type: Vec<String>,
    /// Numbers of threads, each measured on its own; 0 takes one a core
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    threads: Vec<u32>,
    /// Tokens that are said at each length
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(2..=64))]
    say: u32,
    /// Writes the plots to this file, over nothing but earlier plots
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Sets a key of config.toml for this command, with the value in TOML
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<String>,
    /// Prints the figures as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Measures. It ends with 0 whatever the figures are, with 3 where a model does not fit.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let places = Places::find()?;
    let config = UserConfig::read(places.config.as_deref(), &args.config)?;
    let interrupt = drive::listen()?;
    // Before anything is measured, which takes long.
    if let Some(folder) = args.svg.as_deref().map(folder_of).filter(|folder| !folder.is_dir()) {
        let message = format!("--svg: there is no folder {}", folder.display());
        return Err(Error::new(Kind::Usage, message));
    }
    args.svg.as_deref().map_or(Ok(()), show::check_place)?;
    let subjects = args.subjects(&config);
    for subject in &subjects {
        bounds::check(&subject.config)?;
        measure::check(subject, &places)?;
    }
    let mut all = Vec::new();
    let mut measure = |subject| -> Result<(), Error> {
        all.push(measure::measure(subject, &places, &interrupt)?);
        Ok(())
    };
    let measured = subjects.iter().try_for_each(&mut measure);
    // What took long to measure is told, whatever came behind it.
    let told = if all.is_empty() { Ok(()) } else { args.tell(&all) };
    measured?;
    told?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// Returns everything that is measured: each model with each type of cache and each number of threads.
    fn subjects(&self, config: &UserConfig) -> Vec<Subject> {
        let models = std::iter::once(self.model.clone().or_else(|| config.model.clone()));
        let models = models.chain(self.compare.iter().cloned().map(Some));
        let kv_types = options(&self.kv_type);
        let threads = options(&self.threads);
        let mut subjects = Vec::new();
        for model in models {
            for kv_type in &kv_types {
                for threads in &threads {
                    let mut config = config.clone();
                    config.threads = threads.or(config.threads);
                    config.kv_type = kv_type.clone().or(config.kv_type);
                    let (model, ctx, say) = (model.clone(), self.ctx, self.say);
                    subjects.push(Subject { model, config, ctx, say });
                }
            }
        }
        subjects
    }

    fn tell(&self, all: &[Series]) -> Result<(), Error> {
        if self.json {
            out::json(
                &json!({ "type": "bench", "schema": 1, "subjects": all.iter().map(show::value).collect::<Vec<_>>() }),
            )?;
        } else {
            out::raw(&show::text(all))?;
        }
        let Some(path) = &self.svg else { return Ok(()) };
        // Somebody may have written it meanwhile.
        show::check_place(path)?;
        let lines: Vec<chart::Line> = all.iter().map(show::line).collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        write_file(folder_of(path), &name, chart::bench(&lines).as_bytes())?;
        out::note(&format!("plots: {}", path.display()));
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns each value, or that none is asked for.
fn options<T: Clone>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() { vec![None] } else { values.iter().cloned().map(Some).collect() }
}

//! Which model works and how it is loaded: flags over the user's configuration over defaults.

use std::path::{Path, PathBuf};

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{self, Footprint, LoadOptions, Plan};
use chargehand_engine::gguf::{self, Header};
use chargehand_engine::sampler::Sampling;

use super::{bounds, embedded};
use crate::config::{Places, UserConfig};
use crate::env::probe;
use crate::error::Error;

/// A context is no longer than this unless somebody asks: the memory for it grows with its length.
const DEFAULT_CTX: u32 = 16 * 1024;

/// A model of this size is computed by one thread: a second one gains little, and where others work on the same
/// cores both wait for each other at every layer (3 instead of 1,000 tokens a second were seen).
const SMALL: Bytes = Bytes::mib(64);

/// The model and how it speaks.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ModelArgs {
    /// The GGUF model that works; the built-in one is called `apprentice`
    #[arg(short, long, value_name = "MODEL.gguf")]
    pub(super) model: Option<PathBuf>,
    /// Tokens of context
    #[arg(long, value_name = "N")]
    pub(super) ctx: Option<u32>,
    /// 0 picks the most likely token, 1 leaves the probabilities as they are
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// The same seed gives the same tokens
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Tokens of reasoning before each call, of a model that knows how; 0 for none
    #[arg(long, value_name = "N")]
    reasoning: Option<u32>,
    /// Sets a key of config.toml for this run, with the value in TOML
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) config: Vec<String>,
}

/// A model that was found, and how it is to be loaded.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// The name people know it by.
    pub(super) name: String,
    /// How it is loaded.
    pub(super) options: LoadOptions,
}

impl ModelArgs {
    /// Returns the flags `-m` and `--config`.
    pub(super) fn of(model: Option<PathBuf>, config: Vec<String>) -> Self {
        Self { model, config, ..Self::default() }
    }

    /// Returns the model that is asked for.
    pub(super) fn choose(&self, config: &UserConfig, places: &Places) -> Result<Choice, Error> {
        self.temperature.map_or(Ok(()), |value| bounds::temperature("--temperature", value))?;
        let path = self.model.as_deref().or(config.model.as_deref());
        choose(path, self.ctx, config, places)
    }

    /// Returns whether a flag says how the model is to be used.
    pub(super) fn is_tuned(&self) -> bool {
        let Self { ctx, temperature, seed, reasoning, .. } = self;
        ctx.is_some() || temperature.is_some() || seed.is_some() || reasoning.is_some()
    }

    /// Returns how tokens are picked.
    pub(super) fn sampling(&self, config: &UserConfig) -> Sampling {
        let (set, default) = (&config.sampling, Sampling::default());
        Sampling {
            temperature: self.temperature.or(set.temperature).unwrap_or(default.temperature),
            top_k: set.top_k.unwrap_or(default.top_k),
            top_p: set.top_p.unwrap_or(default.top_p),
            min_p: set.min_p.unwrap_or(default.min_p),
            seed: self.seed.or(set.seed).unwrap_or(default.seed),
            matcher: set.matcher.unwrap_or(default.matcher),
            forced: set.forced.unwrap_or(default.forced),
            drafts: set.drafts.unwrap_or(default.drafts),
            reasoning: self.reasoning.or(set.reasoning).unwrap_or(default.reasoning),
        }
    }
}

/// Returns the model at `path`, the built-in one without a path.
pub(super) fn choose(
    path: Option<&Path>,
    ctx: Option<u32>,
    config: &UserConfig,
    places: &Places,
) -> Result<Choice, Error> {
    let (name, path) = match path {
        Some(path) if path.as_os_str() != embedded::NAME => (name_of(path), path.to_owned()),
        Some(_) | None => (embedded::NAME.to_owned(), embedded::unpack(&places.state)?),
    };
    ctx.map_or(Ok(()), |tokens| bounds::least_ctx("--ctx", tokens))?;
    let header = gguf::read(&path)?;
    let trained = header.context_length.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    let usual = trained.map_or(DEFAULT_CTX, |n| n.min(DEFAULT_CTX));
    let n_ctx = ctx.or(config.ctx).unwrap_or(usual);
    bounds::most_ctx(&name, n_ctx, trained)?;
    let options = options(&path, n_ctx, config, &header)?;
    Ok(Choice { name, options })
}

fn name_of(path: &Path) -> String {
    path.file_stem()
        .map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}

fn options(
    path: &Path,
    n_ctx: u32,
    config: &UserConfig,
    header: &Header,
) -> Result<LoadOptions, Error> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let path = absolute.to_str().map(str::to_owned).ok_or_else(|| {
        let shown = path.display();
        Error::new(
            crate::error::Kind::Usage,
            format!("the path of the model, {shown}, is no UTF-8 text"),
        )
    })?;
    let on_gpu =
        cfg!(any(feature = "cuda", feature = "vulkan", feature = "metal", feature = "rocm"));
    let n_gpu_layers = config.gpu_layers.unwrap_or(if on_gpu { 999 } else { 0 });
    Ok(LoadOptions {
        path,
        n_ctx,
        n_batch: 512,
        n_gpu_layers,
        kv_type: config.kv_type.clone().unwrap_or_else(|| "f16".to_owned()),
        // The dry run takes this back where weights would be held twice.
        use_mmap: true,
        extra_buffers: true,
        threads: config.threads.unwrap_or(if header.weights <= SMALL { 1 } else { 0 }),
    })
}

/// Returns what the model takes, measured by a dry run in a process of its own.
pub(super) fn footprint(choice: &Choice) -> Result<Footprint, Error> {
    Ok(probe::footprint(&choice.name, &choice.options)?)
}

/// Plans to load one model, or says with numbers why it does not fit.
pub(super) fn plan(choice: &Choice) -> Result<Plan, Error> {
    Ok(memory::plan(vec![footprint(choice)?], &probe::budget())?)
}

//! Which values a model can be used with. Beyond them llama.cpp crashes, floods the machine or says nothing sensible.

use chargehand_engine::sampler::Sampling;

use crate::config::UserConfig;
use crate::error::{Error, Kind};

/// Below this the instructions alone do not fit, and llama.cpp rounds up to it anyway.
const MIN_CTX: u32 = 256;
/// No model is known that was trained with more; it bounds one that does not say what it was trained with.
const MAX_CTX: u32 = 1 << 24;
/// Far above it all tokens are equally likely, and the sums overflow.
const MAX_TEMPERATURE: f32 = 100.0;
/// What keys and values are kept as.
const KV_TYPES: [&str; 3] = ["f16", "q8_0", "q4_0"];
/// So many threads for each core that the system sees; more only wait for each other.
const THREADS_PER_CORE: usize = 4;

/// Says so when `config` has a value that no model can be used with.
pub(super) fn check(config: &UserConfig) -> Result<(), Error> {
    let sampling = &config.sampling;
    let default = Sampling::default();
    temperature("sampling.temperature", sampling.temperature.unwrap_or(default.temperature))?;
    share("sampling.top_p", sampling.top_p.unwrap_or(default.top_p))?;
    share("sampling.min_p", sampling.min_p.unwrap_or(default.min_p))?;
    config.threads.map_or(Ok(()), threads)?;
    if config.silence.is_some_and(|silence| silence.is_zero()) {
        return Err(usage("silence is 0 s: no worker answers at once".to_owned()));
    }
    reasoning("sampling.reasoning", sampling.reasoning.unwrap_or(default.reasoning))?;
    config.kv_type.as_deref().map_or(Ok(()), |name| kv_type("kv_type", name))?;
    config.ctx.map_or(Ok(()), |tokens| least_ctx("ctx", tokens))
}

/// Says so when `tokens` of reasoning, called `name`, are more than any context holds.
pub(super) fn reasoning(name: &str, tokens: u32) -> Result<(), Error> {
    if tokens <= MAX_CTX {
        return Ok(());
    }
    Err(usage(format!("{name} is {tokens}: no context has room for more than {MAX_CTX} tokens")))
}

/// Says so when `value`, called `name`, is no temperature.
pub(super) fn temperature(name: &str, value: f32) -> Result<(), Error> {
    between(name, value, MAX_TEMPERATURE)
}

/// Says so when a context of `tokens`, called `name`, has no room for a job.
pub(super) fn least_ctx(name: &str, tokens: u32) -> Result<(), Error> {
    if tokens >= MIN_CTX {
        return Ok(());
    }
    Err(usage(format!("{name} is {tokens}: a context has at least {MIN_CTX} tokens")))
}

/// Says so when a context of `tokens` is longer than any the model was `trained` with.
pub(super) fn most_ctx(model: &str, tokens: u32, trained: Option<u32>) -> Result<(), Error> {
    let most = trained.unwrap_or(MAX_CTX).min(MAX_CTX);
    if tokens <= most {
        return Ok(());
    }
    let message = match trained {
        Some(trained) => {
            format!("{model} was trained with contexts of {trained} tokens, {tokens} are too many")
        }
        None => format!("a context has at most {most} tokens, {tokens} are too many"),
    };
    Err(Error::new(Kind::Refused, message).hint(format!("ask for less: --ctx {most}")))
}

fn threads(threads: u32) -> Result<(), Error> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let most = cores.saturating_mul(THREADS_PER_CORE);
    if usize::try_from(threads).unwrap_or(usize::MAX) <= most {
        return Ok(());
    }
    Err(usage(format!("threads is {threads}: this machine has {cores} cores, {most} are the most"))
        .hint("0 takes one thread a core"))
}

/// Says so when `value`, called `name`, is no type of a KV cache.
pub(super) fn kv_type(name: &str, value: &str) -> Result<(), Error> {
    if KV_TYPES.contains(&value) {
        return Ok(());
    }
    Err(usage(format!("{name} is `{value}`: it is one of {}", KV_TYPES.join(", "))))
}

fn share(name: &str, value: f32) -> Result<(), Error> {
    between(name, value, 1.0)
}

fn between(name: &str, value: f32, most: f32) -> Result<(), Error> {
    // NaN lies in no range.
    if (0.0..=most).contains(&value) {
        return Ok(());
    }
    Err(usage(format!("{name} is {value}: it goes from 0 to {most}")))
}

fn usage(message: String) -> Error {
    Error::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn config(text: &str, expect: Result<(), &str>) {
        let found = check(&toml::from_str(text).unwrap());
        match expect {
            Ok(()) => assert!(found.is_ok(), "{found:?}"),
            Err(part) => {
                let err = found.unwrap_err();
                assert!(err.kind == Kind::Usage && err.to_string().contains(part), "{err}");
            }
        }
    }

    #[test]
    fn what_is_set_lies_in_its_range() {
        config("", Ok(()));
        config("[sampling]\ntemperature = 0.0\ntop_p = 1.0\nmin_p = 1.0", Ok(()));
        config("[sampling]\ntemperature = 100.0", Ok(()));
        config(
            "[sampling]\ntemperature = 100.1",
            Err("temperature is 100.1: it goes from 0 to 100"),
        );
        config("[sampling]\ntemperature = -0.1", Err("temperature is -0.1"));
        config("[sampling]\ntemperature = nan", Err("temperature is NaN"));
        config("[sampling]\ntemperature = inf", Err("temperature is inf"));
        config("[sampling]\ntop_p = 1.1", Err("top_p is 1.1: it goes from 0 to 1"));
        config("[sampling]\nmin_p = nan", Err("min_p is NaN"));
        config("ctx = 256", Ok(()));
        config("ctx = 255", Err("ctx is 255: a context has at least 256 tokens"));
        config("ctx = 0", Err("ctx is 0"));
        config("kv_type = 'q4_0'", Ok(()));
        config("kv_type = 'f17'", Err("kv_type is `f17`: it is one of f16, q8_0, q4_0"));
        config("threads = 0", Ok(()));
        let most = std::thread::available_parallelism().unwrap().get() * THREADS_PER_CORE;
        config(&format!("threads = {most}"), Ok(()));
        config(&format!("threads = {}", most + 1), Err(&format!("{most} are the most")));
    }

    #[track_caller]
    fn longest(tokens: u32, trained: Option<u32>, expect: Result<(), &str>) {
        let found = most_ctx("m", tokens, trained).map_err(|err| (err.kind, err.to_string()));
        let expect = expect.map_err(|text| (Kind::Refused, text.to_owned()));
        assert_eq!(found, expect);
    }

    #[test]
    fn a_context_is_no_longer_than_in_training() {
        longest(2048, Some(2048), Ok(()));
        let long = "m was trained with contexts of 2048 tokens, 2049 are too many";
        longest(2049, Some(2048), Err(long));
        longest(MAX_CTX, None, Ok(()));
        let endless = "a context has at most 16777216 tokens, 16777217 are too many";
        longest(MAX_CTX + 1, None, Err(endless));
    }
}

//! Whether a model is fast enough for work with tools, and what would make it so.

use chargehand_core::bytes::Bytes;

use super::measure::{Row, Series};

/// Below this one waits for a model, above `FAST` one reads along.
pub(super) const ENOUGH: f64 = 20.0;
/// Tokens a second that nobody asks more of.
pub(super) const FAST: f64 = 30.0;

/// What follows from a series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    /// `fast`, `enough` or `slow`.
    pub(super) word: &'static str,
    /// The same with its figures.
    pub(super) text: String,
    /// What to change.
    pub(super) advice: Vec<String>,
}

/// Returns the verdict, by the speed at the longest prompt: work with tools fills a context.
pub(super) fn verdict(series: &Series, cores: u32) -> Option<Verdict> {
    let (first, last) = (series.rows.first()?, series.rows.last()?);
    let word = match last.decode {
        fast if fast >= FAST => "fast",
        enough if enough >= ENOUGH => "enough",
        _ => "slow",
    };
    let text = format!(
        "{word}: {:.1} tokens/s at {} tokens of context ({ENOUGH:.0} to {FAST:.0} are asked for)",
        last.decode, last.length
    );
    let mut advice = Vec::new();
    if last.decode < ENOUGH {
        advise(series, first, cores, &mut advice);
    }
    Some(Verdict { word, text, advice })
}

fn advise(series: &Series, first: &Row, cores: u32, advice: &mut Vec<String>) {
    let options = &series.footprint.options;
    if options.n_gpu_layers == 0 {
        advice.push(
            "all of it is computed by the CPU: a build for your GPU (features cuda, vulkan, metal, rocm) reads memory ten times as fast"
                .to_owned(),
        );
        if options.threads != 0 && options.threads < cores {
            advice.push(format!(
                "{} of {cores} cores compute: try --threads {cores}",
                options.threads
            ));
        }
    }
    if first.decode >= ENOUGH {
        let still = series.rows.iter().rev().find(|row| row.decode >= ENOUGH);
        if let Some(row) = still {
            advice.push(format!(
                "up to {} tokens it is fast enough: --ctx {}",
                row.length, row.length
            ));
        }
        if options.kv_type == "f16" {
            advice.push(
                "a KV cache of half the size is read in half the time: --kv-type q8_0".to_owned(),
            );
        }
        return;
    }
    let weights = series.footprint.rows.iter().filter(|row| row.what.contains("weights"));
    let weights = Bytes(weights.map(|row| row.bytes.0).sum());
    let share = first.decode / ENOUGH;
    advice.push(format!(
        "already a short prompt is slow: {weights} of weights are read for each token; a file of {:.0} % of that size \
         (a smaller quantisation, a smaller model, or one of experts, of which few are read) would reach {ENOUGH:.0}",
        share * 100.0
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use chargehand_core::memory::{Footprint, LoadOptions};

    fn series(decode: &[f64], kv_type: &str) -> Series {
        let options = LoadOptions {
            path: "m".to_owned(),
            n_ctx: 4096,
            n_seq: 1,
            n_batch: 512,
            n_gpu_layers: 0,
            kv_on_host: false,
            experts_on_cpu: false,
            kv_type: kv_type.to_owned(),
            use_mmap: true,
            extra_buffers: true,
            threads: 1,
            beside: Vec::new(),
            seals: Vec::new(),
        };
        let footprint = Footprint { model: "m".to_owned(), options, rows: Vec::new() };
        let row = |(at, decode): (usize, &f64)| Row {
            length: 1000 * (at as u64 + 1),
            prefill: 100.0,
            decode: *decode,
            first_cold_ms: 1.0,
            first_ms: 1.0,
            resident: None,
            at_s: 1.0,
        };
        let rows = decode.iter().enumerate().map(row).collect();
        Series { footprint, ready_ms: 1.0, rows }
    }

    #[track_caller]
    fn check(decode: &[f64], word: &str, advice: &[&str]) {
        let found = verdict(&series(decode, "f16"), 2).unwrap();
        assert_eq!(found.word, word, "{found:?}");
        assert_eq!(found.advice.len(), advice.len(), "{found:?}");
        for (found, part) in found.advice.iter().zip(advice) {
            assert!(found.contains(part), "{found}");
        }
    }

    #[test]
    fn the_speed_at_the_longest_prompt_decides() {
        check(&[99.0, 30.0], "fast", &[]);
        check(&[99.0, 29.9], "enough", &[]);
        check(&[99.0, 20.0], "enough", &[]);
        check(&[99.0, 25.0, 19.9], "slow", &["by the CPU", "--threads 2", "--ctx 2000", "q8_0"]);
        check(&[5.0, 4.0], "slow", &["by the CPU", "--threads 2", "a file of 25 %"]);
        assert_eq!(verdict(&series(&[], "f16"), 2), None);
    }
}

//! Numbers, times and reasons as people read them.

use chargehand_core::change::ChangeKind;
use chargehand_core::event::Approval;
use chargehand_core::ports::{Stop, Usage};
use chargehand_core::report::Verdict;
use chargehand_core::tool::ToolCall;
use serde_json::Value;

/// Returns `count` with commas between the thousands.
#[must_use]
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns `count` with the word for one or for many, such as `3 files`.
#[must_use]
pub fn plural(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", count(number))
}

/// Returns `number` with `one` or `many`, where an `s` is not enough.
#[must_use]
pub fn plural_of(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Returns a duration such as `340 ms`, `4.2 s`, `3 min 20 s` or `1 h 05 min`; `10 min` and `1 h` where no more is
/// to be said.
#[must_use]
pub fn millis(millis: u64) -> String {
    let seconds = millis / 1000;
    match millis {
        60_000..3_600_000 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        3_600_000.. if (seconds / 60).is_multiple_of(60) => format!("{} h", seconds / 3600),
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{seconds}.{} s", millis % 1000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Returns [`millis`] of a measured time, which may be anything in a report from elsewhere.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates, and that is what a hostile number deserves"
)]
pub fn measured(time: f64) -> String {
    millis(time.round() as u64)
}

/// Returns the whole number that is nearest.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
pub fn rounded(number: f64) -> u64 {
    number.round() as u64
}

/// Returns tokens a second, or nothing when there was nothing to measure.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
pub fn rate(tokens: u64, time: f64) -> Option<String> {
    if tokens == 0 || time <= 0.0 || !time.is_finite() {
        return None;
    }
    let rate = tokens as f64 * 1000.0 / time;
    Some(if rate < 10.0 { format!("{rate:.1} tok/s") } else { format!("{rate:.0} tok/s") })
}

/// Returns a size such as `812 B`, `4.0 KiB` or `2.5 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", tenths(1 << 10)),
        1_048_576..1_073_741_824 => format!("{} MiB", tenths(1 << 20)),
        _ => format!("{} GiB", tenths(1 << 30)),
    }
}

/// Returns a moment as `2026-08-22 14:03:09 UTC`.
#[must_use]
pub fn moment(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let time = seconds % 86_400;
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Returns year, month and day of a number of days since 1970.
///
/// Years begin in March here, so that the leap day is their last: Howard Hinnant's `civil_from_days`.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1460 + day_of_era / 146_096;
    let year_of_era = (day_of_era + day_of_era / 36_524 - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

/// Returns the word for a verdict.
#[must_use]
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Violated => "violated",
    }
}

/// Returns the word for what happened to a path.
#[must_use]
pub const fn change(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "new",
        ChangeKind::Modified => "changed",
        ChangeKind::Deleted => "deleted",
        ChangeKind::Mode => "mode",
        ChangeKind::Type => "type",
    }
}

/// Returns the argument that says most about a call; nothing where none is a text.
#[must_use]
pub fn subject(call: &ToolCall) -> &str {
    let text = |name: &&str| call.arguments.get(*name).and_then(Value::as_str);
    ["path", "name", "text", "question", "summary"].iter().find_map(text).unwrap_or_default()
}

/// Returns why a run ended, in our words; what the worker said of it is a claim and stays out.
#[must_use]
pub fn stop(stop: &Stop) -> String {
    match stop {
        Stop::Finished(_) => "the worker says it is done".to_owned(),
        Stop::Asked(_) => "the worker asks something".to_owned(),
        Stop::ScriptEnded => "the script is at its end".to_owned(),
        Stop::TurnLimit(turns) => format!("the limit of {turns} turns was reached"),
        Stop::TokenLimit(tokens) => format!("the limit of {} tokens was reached", count(*tokens)),
        Stop::TimeLimit(seconds) => {
            format!("the limit of {} was reached", millis(seconds.saturating_mul(1000)))
        }
        Stop::ContextLimit(tokens) => format!(
            "the context of {} tokens is full; --ctx gives the model a longer one",
            count(*tokens)
        ),
        Stop::Reviewed(_) => "a review came to its end".to_owned(),
        Stop::RoundLimit(rounds) => {
            let rounds = plural(u64::from(*rounds), "round");
            format!("the review wants changes still, after {rounds} of fixing")
        }
        Stop::Interrupted => "it was interrupted".to_owned(),
        Stop::WorkerFailed(_) => "the worker could not go on".to_owned(),
    }
}

/// Returns what a stop says beyond [`stop`]: the worker's question, or why it failed. It is foreign text.
#[must_use]
pub fn stop_detail(stop: &Stop) -> Option<&str> {
    match stop {
        Stop::Asked(question) => Some(question),
        Stop::WorkerFailed(reason) => Some(reason),
        Stop::Finished(_)
        | Stop::Reviewed(_)
        | Stop::RoundLimit(_)
        | Stop::ScriptEnded
        | Stop::TurnLimit(_)
        | Stop::TokenLimit(_)
        | Stop::TimeLimit(_)
        | Stop::ContextLimit(_)
        | Stop::Interrupted => None,
    }
}

/// Returns the prompt tokens of `usage`, kept and evaluated together.
#[must_use]
pub fn prompt(usage: &Usage) -> u64 {
    usage.prompt_n.saturating_add(usage.cache_n)
}

/// Returns what the user said to a command.
#[must_use]
pub const fn approval(approval: Approval) -> &'static str {
    match approval {
        Approval::Once => "allowed this time",
        Approval::Always => "allowed from now on",
        Approval::Remembered => "allowed before",
        Approval::Denied => "not allowed",
    }
}

//! Durations as people write them: a whole number and `s`, `m` or `h`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Parses a duration such as `90s`, `10m` or `2h`.
///
/// # Errors
///
/// A sentence with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{}` is no duration; write `90s`, `10m` or `2h`", text.escape_debug());
    let unit = text.chars().next_back().ok_or_else(refuse)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(refuse()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| refuse())?;
    count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(refuse)
}

pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{}s", time.as_secs()))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse_duration(&text).map_err(D::Error::custom)
}

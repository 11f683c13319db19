//! Texts and the formats of JSON Schema, by what their RFCs say: slow and obvious.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::dice::Dice;
use crate::schema_pattern::found;

/// The formats that are known here.
pub(crate) const NAMES: [&str; 10] = [
    "date",
    "time",
    "date-time",
    "duration",
    "ipv4",
    "ipv6",
    "uuid",
    "hostname",
    "json-pointer",
    "email",
];

/// Returns whether `text` is in a format.
pub(crate) fn is_in(name: &str, text: &str) -> bool {
    match name {
        "date" => is_date(text),
        "time" => is_time(text),
        "date-time" => text.split_once(['T', 't']).is_some_and(|(d, t)| is_date(d) && is_time(t)),
        "duration" => is_duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "uuid" => {
            let groups: Vec<&str> = text.split('-').collect();
            let hex = |group: &&str| group.chars().all(|c| c.is_ascii_hexdigit());
            groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(hex)
        }
        "hostname" => text.len() <= 253 && text.split('.').all(is_label),
        "json-pointer" => {
            let tilde = |rest: &str| rest.starts_with(['0', '1']);
            (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(tilde)
        }
        // No quoted names and no addresses in brackets, which nobody writes here.
        "email" => text.split_once('@').is_some_and(|(name, host)| {
            let is_atom = |part: &str| found("^[A-Za-z0-9!#$%&'*+/=?\\^_`{|}~\\-]+$", part);
            name.len() <= 64 && name.split('.').all(is_atom) && host.split('.').all(is_label)
        }),
        other => panic!("the format {other} is not known here"),
    }
}

/// Returns whether the converter says that it does not take `text` though it is in the format; where its opposite is
/// asked for too, whether it takes neither.
pub(crate) fn is_left_out(name: &str, text: &str, with_opposite: bool) -> bool {
    let likeness = match name {
        "date" => "^\\d{4}-\\d\\d-\\d\\d$",
        "time" => "^\\d\\d:\\d\\d:\\d\\d",
        "date-time" => "^\\d{4}-\\d\\d-\\d\\d.\\d\\d:\\d\\d:\\d\\d",
        "hostname" => "^[A-Za-z0-9.\\-]+$",
        "email" => "@",
        _ => "^(?!)",
    };
    if with_opposite && found(likeness, text) {
        return true;
    }
    let is_other_leap_second =
        || found(":60", text) && !found("^23:59:60(\\.\\d+)?([Zz]|[+\\-]00:00)$", text);
    match name {
        "date" => text.starts_with("0000"),
        "time" => is_other_leap_second(),
        "date-time" => text.starts_with("0000") || found(":60", text),
        "hostname" => {
            let labels: Vec<&str> = text.split('.').collect();
            labels.iter().any(|label| label.get(2..4) == Some("--")) || labels.len() > 3
        }
        "email" => text.contains(['"', '[']) || found("@.*\\..*\\..*\\.|[^.@]{60}", text),
        _ => false,
    }
}

/// Returns a text that is in the format, or nearly so.
pub(crate) fn example(dice: &mut Dice, name: &str) -> String {
    let pattern = match name {
        "date" => "(\\d{4}|2024|1900|0000)-(02-(28|29|30)|(04|11|12|13)-(00|30|31))",
        "time" => {
            "([01]\\d|23|24):[0-5]\\d:([0-5]\\d|59|60)(\\.\\d{1,3})?([Zz]|[+\\-]([01]\\d|23|24):[0-6]\\d|)"
        }
        "date-time" => {
            "(2023|2024)-02-(28|29)[Tt ](23:59:(59|60)|12:00:00)(\\.\\d)?([Zz]|[+\\-]0\\d:00)"
        }
        "duration" => "P(\\dY)?(\\dM)?(\\dD)?(\\dW)?(T(\\dH)?(\\dM)?(\\d\\dS)?)?",
        "ipv4" => "((25[0-6]|[0-9]|[1-9]\\d|0\\d)\\.){3}(25[0-6]|\\d{1,3})",
        "ipv6" => "([0-9a-fA-F]{1,4}:){0,8}(:[0-9a-f]{1,5}){0,8}(::|:1\\.2\\.3\\.4|:)?",
        "uuid" => "[0-9a-f]{8}(-[0-9A-F]{4}){3}-?[0-9a-f]{11,12}",
        "hostname" => "[a-z0-9\\-]{1,4}(\\.[A-Z0-9\\-]{1,3}){0,3}\\.?",
        "json-pointer" => "(/?[a~01é]{0,3}){0,3}",
        "email" => "[a-z.+]{0,4}@[a-z\\-]{0,3}(\\.[a-z]{1,2})?",
        other => panic!("the format {other} is not known here"),
    };
    let text = crate::schema_pattern::example(dice, pattern);
    if dice.one_in(4) { text } else { text.trim().to_owned() }
}

fn is_label(label: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..64).contains(&label.len())
        && label.chars().all(fits)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Returns the numbers of a text in which `form` has a `0` for each digit.
fn numbers(text: &str, form: &str) -> Option<Vec<u32>> {
    let fits = |(c, wanted): (char, char)| c == wanted || wanted == '0' && c.is_ascii_digit();
    let is_form = text.len() == form.len() && text.chars().zip(form.chars()).all(fits);
    is_form.then(|| text.split(['-', ':', '+']).map(|part| part.parse().unwrap()).collect())
}

fn is_date(text: &str) -> bool {
    let Some(Ok([year, month, day])) = numbers(text, "0000-00-00").map(<[u32; 3]>::try_from) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    let Some(Ok([hour, minute, second])) =
        text.get(..8).and_then(|time| numbers(time, "00:00:00")).map(<[u32; 3]>::try_from)
    else {
        return false;
    };
    let digits = text[8..]
        .strip_prefix('.')
        .map_or(0, |rest| 1 + rest.chars().take_while(char::is_ascii_digit).count());
    let zone = &text[8 + digits..];
    let offset = match zone {
        "Z" | "z" => Some([0, 0]),
        zone if zone.starts_with(['+', '-']) => {
            numbers(&zone[1..], "00:00").and_then(|numbers| numbers.try_into().ok())
        }
        _ => None,
    };
    let is_offset = offset.is_some_and(|[hours, minutes]: [u32; 2]| hours < 24 && minutes < 60);
    // Of leap seconds only those are judged that need no offset: the others are left out.
    let is_second = second < 60 || second == 60 && (hour, minute) == (23, 59);
    digits != 1 && is_offset && hour < 24 && minute < 60 && is_second
}

/// RFC 3339, appendix A: units follow each other without a gap.
fn is_duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else { return false };
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let units = |part: &str, all: &str| {
        let mut letters = String::new();
        for piece in part.split_inclusive(|c: char| !c.is_ascii_digit()) {
            let letter = piece.trim_start_matches(|c: char| c.is_ascii_digit());
            if letter.len() == piece.len() || letter.len() != 1 {
                return false;
            }
            letters.push_str(letter);
        }
        !letters.is_empty() && all.contains(&letters)
    };
    let is_date = units(date, "YMD") || time.is_none() && units(date, "W");
    match time {
        None => is_date,
        Some(time) => (date.is_empty() || is_date) && units(time, "HMS"),
    }
}

#[test]
fn it_knows_the_formats() {
    for (name, text, expect) in [
        ("date", "2024-02-29", true),
        ("date", "2023-02-29", false),
        ("date", "1900-02-29", false),
        ("time", "12:00:00.5Z", true),
        ("time", "12:00:00.Z", false),
        ("time", "12:00:00", false),
        ("date-time", "2024-02-29t23:59:60z", true),
        ("duration", "P1Y2M3DT4H5M6S", true),
        ("duration", "P1YT1H2S", false),
        ("duration", "P1Y2D", false),
        ("duration", "P4W", true),
        ("duration", "PT", false),
        ("ipv4", "1.2.3.04", false),
        ("ipv6", "::ffff:1.2.3.4", true),
        ("hostname", "a.-b", false),
        ("json-pointer", "/a~2", false),
        ("email", "a.b@c-d", true),
        ("email", "a..b@c", false),
    ] {
        assert_eq!(is_in(name, text), expect, "{name} {text}");
    }
}

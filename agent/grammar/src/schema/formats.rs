//! The formats of JSON Schema Validation 7.3, as patterns, and those of integers, as bounds.
//!
//! Where a pattern cannot say all that an RFC says, it says less: what is written is always valid.
//! - `date`, `time`, `date-time` (RFC 3339): leap years are kept, year 0000 is left out, the second 60 exists at
//!   23:59 UTC only;
//! - `hostname` (RFC 1123): no label has `--` in third place, as Punycode has; 253 characters in all are kept by at
//!   most 3 labels, or at most 12 of 20 characters;
//! - `email` (RFC 5321): a dotted or quoted name and a host name or an IP address in brackets;
//! - `uri`, `iri` and their references (RFC 3986, 3987), `uri-template` (RFC 6570), `json-pointer` (RFC 6901).

use std::fmt::Display;

/// Without 0000, which would be one.
const LEAP_YEAR: &str =
    "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
const TIME: &str = "(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)\
                    |23:59:60(?:\\.\\d+)?(?:[Zz]|[+-]00:00))";
const LABEL: &str = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const SHORT_LABEL: &str = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,18}[A-Za-z0-9])?";
const ATOM: &str = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const OCTET: &str = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const CHAR: &str = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
/// Characters of RFC 3987 beyond ASCII.
const BEYOND: &str = "\\u{A0}-\\u{D7FF}\\u{F900}-\\u{FDCF}\\u{FDF0}-\\u{FFEF}\\u{10000}-\\u{1FFFD}\\u{20000}-\\u{2FFFD}\\u{30000}-\\u{3FFFD}";

/// What a name of a format is.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// Texts in which this is found.
    Pattern(String),
    /// Numbers within these bounds.
    Range(String, String),
    /// Numbers, any of them.
    Number,
    /// One of JSON Schema's that no pattern describes, with the reason.
    Refused(&'static str),
    /// None of JSON Schema's.
    Unknown,
}

/// Returns what the format `name` means.
pub(super) fn format(name: &str) -> Format {
    let inner = match name {
        "date" => format!("(?:{})", date()),
        "time" => TIME.to_owned(),
        "date-time" => format!("(?:{})[Tt]{TIME}", date()),
        "duration" => duration(),
        "email" => return Format::Pattern(email()),
        // RFC 5891 4.2.3.1: such a label would be Punycode, which is no pattern.
        "hostname" => return Format::Pattern(format!("^(?!(?:.*\\.)?[^.]{{2}}--){}$", host())),
        "ipv4" => ipv4(),
        "ipv6" => ipv6(),
        "uuid" => "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}".to_owned(),
        "uri" => uri(CHAR),
        "uri-reference" => format!("(?:{}|{})", uri(CHAR), relative(CHAR)),
        "iri" => uri(&iri_char()),
        "iri-reference" => format!("(?:{}|{})", uri(&iri_char()), relative(&iri_char())),
        "uri-template" => template(),
        "json-pointer" => "(?:/(?:[^~/]|~[01])*)*".to_owned(),
        "relative-json-pointer" => "(?:0|[1-9]\\d*)(?:#|(?:/(?:[^~/]|~[01])*)*)".to_owned(),
        "regex" => return Format::Refused("whether a text is a regular expression is no pattern"),
        "idn-hostname" => {
            return Format::Refused("RFC 5890 is no pattern; `hostname` is supported");
        }
        "idn-email" => {
            return Format::Refused("RFC 6531 is not written down here; `email` is supported");
        }
        _ => return number(name),
    };
    Format::Pattern(format!("^(?:{inner})$"))
}

/// Returns what the format `name` of the OpenAPI format registry means, which `schemars` writes for Rust's numbers.
fn number(name: &str) -> Format {
    let range =
        |min: &dyn Display, max: &dyn Display| Format::Range(min.to_string(), max.to_string());
    match name {
        "int8" => range(&i8::MIN, &i8::MAX),
        "int16" => range(&i16::MIN, &i16::MAX),
        "int32" => range(&i32::MIN, &i32::MAX),
        "int" | "int64" => range(&i64::MIN, &i64::MAX),
        "int128" => range(&i128::MIN, &i128::MAX),
        "uint8" => range(&0, &u8::MAX),
        "uint16" => range(&0, &u16::MAX),
        "uint32" => range(&0, &u32::MAX),
        "uint" | "uint64" => range(&0, &u64::MAX),
        "uint128" => range(&0, &u128::MAX),
        "float" | "double" => Format::Number,
        _ => Format::Unknown,
    }
}

fn date() -> String {
    let year = "(?:\\d{3}[1-9]|\\d\\d[1-9]\\d|\\d[1-9]\\d\\d|[1-9]\\d{3})";
    let long = "(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])";
    let short = "(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)";
    let february = "02-(?:0[1-9]|1\\d|2[0-8])";
    format!("{year}-(?:{long}|{short}|{february})|{LEAP_YEAR}-02-29")
}

/// RFC 3339, appendix A.
fn duration() -> String {
    let time = "T(?:\\d+S|\\d+M(?:\\d+S)?|\\d+H(?:\\d+M(?:\\d+S)?)?)";
    let day = "\\d+D";
    let month = format!("\\d+M(?:{day})?");
    let year = format!("\\d+Y(?:{month})?");
    format!("P(?:(?:{day}|{month}|{year})(?:{time})?|{time}|\\d+W)")
}

fn host() -> String {
    format!("(?:{LABEL}(?:\\.{LABEL}){{0,2}}|{SHORT_LABEL}(?:\\.{SHORT_LABEL}){{0,11}})")
}

fn email() -> String {
    let quoted = "\"(?:[ !#-?A-\\[\\]-~]|\\\\[ -?A-~])*\"";
    let address = format!("\\[(?:{}|IPv6:{})\\]", ipv4(), ipv6());
    let name = format!("(?:{ATOM}(?:\\.{ATOM})*|{quoted})");
    let label = LABEL.replace("{0,61}", "{0,60}");
    // RFC 5321 4.5.3.1.1: at most 64 characters before the @, of which a quoted name has none here.
    format!("^(?=[^@]{{1,64}}@){name}@(?:{label}(?:\\.{label}){{0,2}}|{address})$")
}

fn ipv4() -> String {
    format!("{OCTET}(?:\\.{OCTET}){{3}}")
}

/// RFC 4291 section 2.2, as RFC 3986 writes it down.
fn ipv6() -> String {
    let h = "[0-9A-Fa-f]{1,4}";
    let last = format!("(?:{h}:{h}|{})", ipv4());
    let forms = [
        format!("(?:{h}:){{6}}{last}"),
        format!("::(?:{h}:){{5}}{last}"),
        format!("(?:{h})?::(?:{h}:){{4}}{last}"),
        format!("(?:(?:{h}:)?{h})?::(?:{h}:){{3}}{last}"),
        format!("(?:(?:{h}:){{0,2}}{h})?::(?:{h}:){{2}}{last}"),
        format!("(?:(?:{h}:){{0,3}}{h})?::{h}:{last}"),
        format!("(?:(?:{h}:){{0,4}}{h})?::{last}"),
        format!("(?:(?:{h}:){{0,5}}{h})?::{h}"),
        format!("(?:(?:{h}:){{0,6}}{h})?::"),
    ];
    format!("(?:{})", forms.join("|"))
}

fn authority(char: &str) -> String {
    let user = char.replace(":@-]", ":-]");
    let name = char.replace(":@-]", "-]");
    let future = "[Vv][0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+";
    format!("//(?:{user}*@)?(?:\\[(?:{}|{future})\\]|{name}*)(?::\\d*)?(?:/{char}*)*", ipv6())
}

fn query_and_fragment(char: &str) -> String {
    format!("(?:\\?(?:{char}|[/?])*)?(?:#(?:{char}|[/?])*)?")
}

fn uri(char: &str) -> String {
    let rootless = format!("/?{char}+(?:/{char}*)*|/?");
    let path = format!("(?:{}|{rootless})", authority(char));
    format!("[A-Za-z][A-Za-z0-9+.-]*:{path}{}", query_and_fragment(char))
}

fn relative(char: &str) -> String {
    let first = char.replace(":@-]", "@-]");
    let path = format!("(?:{}|/(?:{char}+(?:/{char}*)*)?|{first}+(?:/{char}*)*|)", authority(char));
    format!("{path}{}", query_and_fragment(char))
}

fn iri_char() -> String {
    CHAR.replace("[A-Za-z0-9.", &format!("[A-Za-z0-9{BEYOND}."))
}

fn template() -> String {
    let var = "(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})";
    let spec = format!("{var}+(?:\\.{var}+)*(?:\\*|:[1-9]\\d{{0,3}})?");
    let expression = format!("\\{{[+#./;?&]?{spec}(?:,{spec})*\\}}");
    let literal = format!("[!#$&-;=?-\\[\\]_a-z~{BEYOND}]");
    format!("(?:{literal}|%[0-9A-Fa-f]{{2}}|{expression})*")
}

/// Returns a pattern of which texts are not in the format when they do not match it: [`format()`] where it says all that
/// the RFC says, and a wider one elsewhere.
pub(super) fn widest(name: &str) -> Option<String> {
    Some(match name {
        "date" => "^\\d{4}-\\d\\d-\\d\\d$".to_owned(),
        "time" => "^\\d\\d:\\d\\d:\\d\\d".to_owned(),
        "date-time" => "^\\d{4}-\\d\\d-\\d\\d.\\d\\d:\\d\\d:\\d\\d".to_owned(),
        "email" => "@".to_owned(),
        "hostname" => "^[A-Za-z0-9.-]+$".to_owned(),
        // Since 2019-09 with an index that is moved, as in `0+1#`.
        "relative-json-pointer" => {
            "^(?:0|[1-9]\\d*)(?:[+-]\\d+)?(?:#|(?:/(?:[^~/]|~[01])*)*)$".to_owned()
        }
        "ipv4" | "ipv6" | "uuid" | "uri" | "uri-reference" | "json-pointer" => match format(name) {
            Format::Pattern(pattern) => pattern,
            Format::Range(..) | Format::Number | Format::Refused(_) | Format::Unknown => {
                return None;
            }
        },
        _ => return None,
    })
}

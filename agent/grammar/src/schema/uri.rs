//! Resolution of URI references (RFC 3986 section 5), as far as `$id` and `$ref` need it.

/// A URI reference in its parts, without the fragment.
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

/// Splits the fragment off: `a#b` gives `a` and `b`.
pub(super) fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// Returns what `reference`, which has no fragment, means where `base` is the base URI.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    let (base, given) = (parts(base), parts(reference));
    if given.scheme.is_some() {
        return join(given.scheme, given.authority, &dotless(given.path), given.query);
    }
    if given.authority.is_some() {
        return join(base.scheme, given.authority, &dotless(given.path), given.query);
    }
    if given.path.is_empty() {
        return join(base.scheme, base.authority, base.path, given.query.or(base.query));
    }
    let path = if given.path.starts_with('/') {
        given.path.to_owned()
    } else if base.authority.is_some() && base.path.is_empty() {
        format!("/{}", given.path)
    } else {
        let folder = base.path.rfind('/').map_or("", |end| &base.path[..=end]);
        format!("{folder}{}", given.path)
    };
    join(base.scheme, base.authority, &dotless(&path), given.query)
}

fn parts(reference: &str) -> Parts<'_> {
    let (rest, query) = match reference.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (reference, None),
    };
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        Some(_) | None => (None, rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, rest),
    };
    Parts { scheme, authority, path, query }
}

fn join(scheme: Option<&str>, authority: Option<&str>, path: &str, query: Option<&str>) -> String {
    let scheme = scheme.map(|scheme| format!("{scheme}:")).unwrap_or_default();
    let authority = authority.map(|authority| format!("//{authority}")).unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}{authority}{path}{query}")
}

/// Returns the path without `.` and `..` (5.2.4).
fn dotless(path: &str) -> String {
    if !path.split('/').any(|segment| segment == "." || segment == "..") {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for segment in path.split('/') {
        ends_open = segment == "." || segment == "..";
        match segment {
            "." => {}
            ".." if kept.len() > 1 => drop(kept.pop()),
            ".." => {}
            segment => kept.push(segment),
        }
    }
    if ends_open {
        kept.push("");
    }
    kept.join("/")
}

/// Returns `text` with its percent escapes decoded, unless they are malformed.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

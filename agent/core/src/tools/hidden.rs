//! What a worker reads has no characters that nobody sees: instructions could hide in them.

use crate::rel_path::is_invisible;

/// Returns `text` with its invisible characters spelt out, and a line at the end that counts them.
pub(crate) fn spelt_out(text: String) -> String {
    let mut before = ' ';
    let mut count = 0;
    let mut shown = String::new();
    for c in text.chars() {
        // `⚠️` is a sign and a selector that gives it colours; people write it all day.
        let is_coloured = c == '\u{fe0f}' && before >= '\u{203c}' && !is_invisible(before);
        if is_invisible(c) && !is_coloured {
            count += 1;
            shown.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        } else {
            shown.push(c);
        }
        before = c;
    }
    match count {
        0 => text,
        count => {
            let what = super::plural(count, "hidden character");
            format!("{shown}\n[{what}, spelt out as \\u{{..}}]")
        }
    }
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(super::spelt_out(text.to_owned()), expect);
    }

    #[test]
    fn only_what_cannot_be_seen_is_spelt_out() {
        check("a\tb\u{1b}[31m ü ⚠\u{fe0f}\n", "a\tb\u{1b}[31m ü ⚠\u{fe0f}\n");
        check("a\u{200b}b", "a\\u{200b}b\n[1 hidden character, spelt out as \\u{..}]");
        check(
            "\u{e0041}\u{202e}",
            "\\u{e0041}\\u{202e}\n[2 hidden characters, spelt out as \\u{..}]",
        );
    }
}

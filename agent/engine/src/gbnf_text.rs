//! Which texts a GBNF grammar spells out, so that control tokens among them may be said. It is no parser:
//! what it misses is not said, and whether a grammar is one is llama.cpp's to decide.

/// Returns the literals of `gbnf`, unescaped, and its token names such as `<think>`.
pub(crate) fn spelt_out(gbnf: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut chars = gbnf.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => texts.push(unescaped(&mut chars, '"')),
            '[' => {
                unescaped(&mut chars, ']');
            }
            '<' => texts.push(format!("<{}>", unescaped(&mut chars, '>'))),
            '#' => {
                chars.find(|c| *c == '\n');
            }
            _ => {}
        }
    }
    texts
}

/// Reads up to `end`, which is consumed.
fn unescaped(chars: &mut std::str::Chars<'_>, end: char) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next().filter(|c| *c != end) {
        match c {
            '\\' => text.extend(escape(chars)),
            c => text.push(c),
        }
    }
    text
}

fn escape(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match chars.next()? {
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        c => return Some(c),
    };
    let code: String = chars.by_ref().take(digits).collect();
    u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::spelt_out;

    #[track_caller]
    fn check(gbnf: &str, expect: &[&str]) {
        assert_eq!(spelt_out(gbnf), expect);
    }

    #[test]
    fn literals_are_unescaped() {
        check(r#"root ::= "[TOOL_CALLS]" name "\n\"\x5b\u005D""#, &["[TOOL_CALLS]", "\n\"[]"]);
    }

    #[test]
    fn classes_and_comments_spell_nothing() {
        check("root ::= [^\"\\]\\\\<] # \"no\"\nx ::= \"yes\"", &["yes"]);
    }

    #[test]
    fn token_names_count() {
        check("root ::= <think> \"a\"", &["<think>", "a"]);
    }
}

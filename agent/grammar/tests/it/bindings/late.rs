//! Bindings that need what an earlier argument said.

use chargehand_grammar::{Binding, Bindings};

use super::{accepts, after, bound, checked_mask, compiled, with_strings};
use crate::matcher::vocabulary;

const EDIT: &str = "root ::= edit (\";\" edit)*\n\
    edit ::= path \",\" old (\",\" new)?\n\
    path ::= json-string #! bind path\n\
    old ::= json-string #! bind old\n\
    new ::= json-string #! bind new";

fn bindings() -> Bindings {
    Bindings::new()
        .with("path", Binding::one_of(["a", "b", "bc"]))
        .with(
            "old",
            Binding::by(
                "path",
                [
                    ("a", Binding::piece("one two\none")),
                    ("b", Binding::piece_or_empty("three")),
                    ("bc", Binding::piece("\"é\"")),
                    ("unknown", Binding::piece("never")),
                ],
            ),
        )
        .with("new", Binding::other_than_said("old"))
}

const YES: [&str; 9] = [
    r#""a","two","2""#,
    r#""a","two""#,
    r#""a","\no","\non""#,
    r#""b","th","t""#,
    r#""b","th","thr""#,
    r#""b","","x""#,
    r#""bc","é","\"é\"""#,
    r#""a","two","one";"b","th","two";"bc","\"é","th""#,
    r#""a","two","three""#,
];
const NO: [&str; 10] = [
    r#""a","one","2""#,
    r#""a","two","two""#,
    r#""a","\no","\no""#,
    r#""a","three","2""#,
    r#""b","th","th""#,
    r#""b","","""#,
    r#""bc","é","é""#,
    r#""c","two""#,
    r#""a","two","one";"b","two""#,
    r#""a","two","one";"b","th","th""#,
];

#[test]
fn each_value_decides() {
    let mut constraint = bound(EDIT, &bindings());
    for text in YES {
        assert!(accepts(&mut constraint, text), "{text}");
    }
    for text in NO {
        assert!(!accepts(&mut constraint, text), "{text}");
    }
}

#[test]
fn masks_are_what_advances() {
    let tokens = [
        "\",\"",
        "two\",\"",
        "two\",\"two",
        "two\",\"two\"",
        "two\"",
        "w",
        "tw",
        "wo\",\"tw",
        "o\"",
        "\";\"b\",\"",
        "\"a\",\"two",
        "\"b\",\"th\",\"th\"",
        "\"b\",\"th\",\"tha\"",
        "th\",\"th",
        "é\\\"",
        "\\\"",
        "\\no",
        "\\n",
        "\";",
        "\",\"\"",
    ];
    let vocabulary = vocabulary(&tokens);
    let mut constraint = compiled(&with_strings(EDIT), &bindings(), vocabulary).unwrap();
    for text in YES {
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let state = after(&mut constraint, &text[..end]).expect(text);
            let allowed = checked_mask(&mut constraint, state);
            assert!(!allowed.is_empty());
        }
    }
}

#[test]
fn what_does_not_matter_is_forgotten() {
    let mut constraint = bound(EDIT, &bindings());
    let one = after(&mut constraint, r#""a","two","x""#);
    let other = after(&mut constraint, r#""b","th","y""#);
    assert_eq!(one, other);
    // The value that was said matters only until the new one differs.
    let one = after(&mut constraint, r#""a","two","x"#);
    let other = after(&mut constraint, r#""a","wo","y"#);
    assert_ne!(one, other);
    let start = constraint.start();
    let again = constraint.advance_bytes(start, r#""a","two","x"#.as_bytes()).unwrap();
    assert_eq!(one, again);
}

#[test]
fn a_name_can_be_what_must_not_be_said_again() {
    let rules = "root ::= \"mv \" from \" \" to\nfrom ::= json-string #! bind from\nto ::= json-string #! bind to";
    let bindings = Bindings::new()
        .with("from", Binding::one_of(["a", "ab"]))
        .with("to", Binding::other_than_said("from"));
    let mut constraint = bound(rules, &bindings);
    for (text, expect) in [
        (r#"mv "a" "ab""#, true),
        (r#"mv "a" "a""#, false),
        (r#"mv "ab" "a""#, true),
        (r#"mv "ab" "ab""#, false),
    ] {
        assert_eq!(accepts(&mut constraint, text), expect, "{text}");
    }
}

#[test]
fn a_call_that_failed_is_not_said_again() {
    let rules = format!("{EDIT}\n").replace(
        "edit ::= path \",\" old (\",\" new)?",
        "edit ::= path \",\" old (\",\" new)? #! bind failed",
    );
    let bindings = bindings().with("failed", Binding::not([r#""a","two","2""#, r#""b","""#]));
    let mut constraint = bound(&rules, &bindings);
    for (text, expect) in [
        (r#""a","two","2""#, false),
        (r#""a","two","3""#, true),
        (r#""a","two","22""#, true),
        (r#""b","""#, false),
        (r#""b","","2""#, true),
        (r#""a","two";"a","two","2""#, false),
        (r#""a","two","two""#, false),
    ] {
        assert_eq!(accepts(&mut constraint, text), expect, "{text}");
    }
    let state = after(&mut constraint, r#""a","two","2"#).unwrap();
    checked_mask(&mut constraint, state);
}

#[test]
fn the_shortest_way_knows_what_was_said() {
    let mut constraint = bound(EDIT, &bindings());
    for (said, expect) in [
        ("", "\"b\",\"\""),
        ("\"a\",", "\"w\""),
        ("\"a\",\"t", "\""),
        ("\"a\",\"on", "e \""),
        ("\"a\",\"\\", "n\""),
        ("\"b\",\"\",", "\" \""),
        ("\"b\",\"t\",", "\"\""),
        ("\"b\",\"t\",\"t", " \""),
    ] {
        let state = after(&mut constraint, said).expect(said);
        let tokens = constraint.completion(state).unwrap().expect(said);
        let spelt = tokens.iter().flat_map(|token| constraint.vocabulary().bytes(*token).unwrap());
        let spelt: Vec<u8> = spelt.copied().collect();
        assert_eq!(spelt.len(), expect.len(), "{said}: {}", String::from_utf8_lossy(&spelt));
        assert_eq!(constraint.distance(state), expect.len());
        let end = constraint.advance_bytes(state, &spelt).unwrap().expect(said);
        assert!(constraint.accepting(end));
        assert!(accepts(&mut constraint, &format!("{said}{expect}")), "{said}");
    }
}

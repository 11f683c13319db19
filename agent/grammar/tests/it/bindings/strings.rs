//! Each sort of binding on its own.

use chargehand_grammar::{Binding, Bindings};

use super::{accepts, after, bound};

#[track_caller]
fn check(binding: Binding, yes: &[&str], no: &[&str]) {
    let rules = "root ::= \"<\" x \">\"\nx ::= json-string #! bind x";
    let mut constraint = bound(rules, &Bindings::new().with("x", binding));
    for text in yes {
        assert!(accepts(&mut constraint, &format!("<{text}>")), "{text}");
    }
    for text in no {
        assert!(!accepts(&mut constraint, &format!("<{text}>")), "{text}");
    }
}

#[test]
fn a_piece_ends_where_it_is_the_only_one() {
    let yes = [r#""two""#, r#""one two""#, r#"" two one""#, r#""w""#, r#""one two one""#];
    check(
        Binding::piece("one two one"),
        &yes,
        &[r#""one""#, r#""""#, r#""o""#, r#""ones""#, "two"],
    );
    check(Binding::piece_or_empty("aa"), &[r#""""#, r#""aa""#], &[r#""a""#]);
    check(Binding::piece_or_empty(""), &[r#""""#], &[r#""a""#, "<"]);
}

#[test]
fn a_piece_lies_in_a_part() {
    let text = "one two three two one";
    let yes = [r#""""#, r#""three""#, r#""two t""#, r#""two three""#];
    let no = [r#""two""#, r#"" t""#, r#""three two""#, r#""one two""#, r#"" one""#];
    check(Binding::piece_in(text, [(4, 13)]), &yes, &no);
    let two = Binding::piece_in(text, [(0, 4), (14, 21)]);
    check(two, &[r#""o one""#, r#"" one""#], &[r#""three""#, r#""two""#, r#""one t""#]);
    check(Binding::piece_in(text, [(0, 21)]), &[r#""one two""#, r#""three two""#], &[r#""one""#]);
    check(Binding::piece_in(text, []), &[r#""""#], &[r#""three""#]);
    // What occurs elsewhere too is not begun where it leads to nothing.
    let rules = "root ::= x\nx ::= json-string #! bind x";
    let bindings = Bindings::new().with("x", Binding::piece_in(text, [(0, 3)]));
    assert!(after(&mut bound(rules, &bindings), "\"o").is_none());
}

#[test]
fn a_piece_is_spelt_as_a_writer_would() {
    let text = "a\"b\\c\nd\te\rf\u{8}g\u{c}h\u{1}i\u{1f}j\u{7f}k/l\u{b}m\u{10}é漢🦀";
    let whole = chargehand_grammar::json::quote(text);
    let yes = [
        whole.as_str(),
        r#""\u0001""#,
        r#""\u001f""#,
        r#""\u007f""#,
        r#""\u000bm\u0010""#,
        r#""\n""#,
        r#""🦀""#,
    ];
    let no = [
        r#""\u000a""#,
        r#""\/""#,
        r#""\u00e9""#,
        r#""\u000B""#,
        r#""\u0008""#,
        "\"\n\"",
        "\"\u{7f}\"",
    ];
    check(Binding::piece(text), &yes, &no);
}

#[test]
fn a_piece_has_whole_characters() {
    // Both characters have the same first byte; the second bytes of both occur once.
    check(Binding::piece("éè"), &["\"é\"", "\"è\"", "\"éè\""], &[]);
    let mut constraint = bound(
        "root ::= x\nx ::= json-string #! bind x",
        &Bindings::new().with("x", Binding::piece("éè")),
    );
    let start = after(&mut constraint, "\"").unwrap();
    assert_eq!(constraint.advance_byte(start, 0xA9).unwrap(), None);
    let half = constraint.advance_byte(start, 0xC3).unwrap().unwrap();
    assert_eq!(constraint.advance_byte(half, b'"').unwrap(), None);
}

#[test]
fn names_are_whole() {
    let names = ["a", "ab", "é\"", "b\\"];
    check(
        Binding::one_of(names),
        &[r#""a""#, r#""ab""#, r#""é\"""#, r#""b\\""#],
        &[r#""""#, r#""b""#, r#""abc""#],
    );
}

#[test]
fn words_are_not_said_however_they_are_spelt() {
    let yes = [r#""""#, r#""pas""#, r#""paas""#, r#""\n""#, r#""Pass""#, r#""ok\\nok""#];
    let no = [r#""pass""#, r#""xpassx""#, r#""papass""#, r#""\u0070ass""#, r#""a\nb""#, r#""\nb""#];
    check(Binding::without(["pass", "\nb"]), &yes, &no);
    let no = [r#""PASS""#, r#""paSs""#, r#""Straße""#, r#""STRASSE""#, r#""étÉ""#, r#""ÉTÉ""#];
    check(
        Binding::without_in_any_case(["pass", "straße", "été"]),
        &[r#""Etc""#, r#""strase""#],
        &no,
    );
    check(
        Binding::without(["ab", "bc", "abcd", "c"]),
        &[r#""bab""#.replace("ab", "").as_str(), r#""aab""#.replace("ab", "").as_str()],
        &[r#""ab""#, r#""xbcx""#, r#""c""#],
    );
}

#[test]
fn a_word_that_leaves_no_way_is_not_begun() {
    // All that a backslash can go on with is forbidden, but quotes.
    let controls: Vec<String> =
        (0..0x20_u8).chain([0x7F]).map(|c| char::from(c).to_string()).collect();
    let words = controls.iter().cloned().chain(["\\".to_owned()]);
    check(Binding::without(words.clone()), &[r#""\"""#], &[r#""\\""#, r#""\n""#, r#""\u0001""#]);
    let mut constraint = bound(
        "root ::= x\nx ::= json-string #! bind x",
        &Bindings::new().with("x", Binding::without(words.chain(["\"".to_owned()]))),
    );
    assert!(after(&mut constraint, "\"a").is_some());
    assert!(after(&mut constraint, "\"a\\").is_none());
}

#[test]
fn another_value_is_another_text() {
    check(
        Binding::other_than("a\nb"),
        &[r#""""#, r#""a""#, r#""a\n""#, r#""a\nbc""#, r#""a\nc""#, r#""é""#],
        &[r#""a\nb""#, r#""a\u000ab""#, r#""\u0061\nb""#],
    );
    check(Binding::other_than(""), &[r#""a""#], &[r#""""#]);
}

#[test]
fn a_rule_without_some_texts() {
    let grammar = "root ::= call #! bind call\ncall ::= \"f(\" (\"1\" | \"22\" | \"2\") \")\" | \"g()\" | \"h\" [ab]";
    let bindings =
        Bindings::new().with("call", Binding::not(["f(1)", "f(22)", "g()", "ha", "zzz"]));
    let mut constraint = bound(grammar, &bindings);
    for (text, expect) in [
        ("f(2)", true),
        ("f(1)", false),
        ("f(22)", false),
        ("g()", false),
        ("ha", false),
        ("hb", true),
    ] {
        assert_eq!(accepts(&mut constraint, text), expect, "{text}");
    }
    // What could only become an excluded text is not begun.
    for (text, expect) in [
        ("f", true),
        ("f(", true),
        ("f(1", false),
        ("f(2", true),
        ("f(22", false),
        ("g", false),
        ("h", true),
    ] {
        assert_eq!(after(&mut constraint, text).is_some(), expect, "{text}");
    }
    let start = constraint.start();
    assert_eq!(constraint.forced_bytes(start).unwrap().bytes, b"");
    let call = after(&mut constraint, "f").unwrap();
    assert_eq!(constraint.forced_bytes(call).unwrap().bytes, b"(2)");
}

#[test]
fn an_excluded_beginning_may_go_on() {
    let mut constraint = bound(
        "root ::= x \"a\"? #! bind x\nx ::= \"a\"*",
        &Bindings::new().with("x", Binding::not(["aa", ""])),
    );
    for (text, expect) in [("", false), ("a", true), ("aa", false), ("aaa", true)] {
        assert_eq!(accepts(&mut constraint, text), expect, "{text}");
    }
}

#[test]
fn what_is_bound_is_forced_and_explained() {
    let rules = "root ::= x \".\"\nx ::= json-string #! bind file-7";
    let mut constraint = bound(rules, &Bindings::new().with("file-7", Binding::piece("abcXabcY")));
    let inside = after(&mut constraint, "\"a").unwrap();
    assert_eq!(constraint.forced_bytes(inside).unwrap().bytes, b"bc");
    let last = after(&mut constraint, "\"Y").unwrap();
    assert_eq!(constraint.forced_bytes(last).unwrap().bytes, b"\".");
    let explained = constraint.explain(inside).to_string();
    assert_eq!(explained, "[b] as `file-7` allows in `x` (line 2) in `root`\n");
}

#[test]
fn a_piece_may_end_before_what_is_copied() {
    let rules = "root ::= x \".\"\nx ::= json-string #! bind file-7";
    let mut constraint =
        bound(rules, &Bindings::new().with("file-7", Binding::piece("abXacab\nY")));
    for (text, most, expect) in [
        ("\"", 9, ""),
        ("\"a", 9, ""),
        ("\"X", 9, "acab\\nY"),
        ("\"X", 3, "aca"),
        ("\"Xacab\\", 9, "nY"),
        ("\"X\"", 9, ""),
    ] {
        let state = after(&mut constraint, text).unwrap();
        let copied = constraint.copied_bytes(state, most).unwrap();
        assert_eq!(copied, expect.as_bytes(), "{text}");
    }
}

//! Grammars and strings, with llama.cpp's verdicts, and those on which we differ on purpose.

use super::{accepts, after, constraint};

#[track_caller]
fn check(grammar: &str, whole: &[&str], not: &[&str]) {
    for text in whole {
        assert!(accepts(grammar, text), "{grammar}: {text:?} is whole");
    }
    for text in not {
        assert!(!accepts(grammar, text), "{grammar}: {text:?} is not whole");
    }
}

#[test]
fn repetition_binds_to_the_whole_literal() {
    check("root ::= \"ab\"{2}", &["abab"], &["ab", "abb", "ababab"]);
    check("root ::= (\"a\" \"b\")?", &["", "ab"], &["a", "abab"]);
    check("root ::= \"a\"{2,4}", &["aa", "aaaa"], &["a", "aaaaa"]);
    check("root ::= \"a\"{2,}", &["aa", "aaaaaaa"], &["a", ""]);
    check("root ::= \"a\"{0}", &[""], &["a"]);
    check("root ::= [ab]{3}", &["aba"], &["ab", "abab"]);
    check("root ::= (\"a\"{50}){50}", &["a".repeat(2_500).as_str()], &["a".repeat(2_499).as_str()]);
}

#[test]
fn the_limit_of_a_repetition_is_kept_on_its_boundary() {
    let text = |length: usize| "é".repeat(length);
    check("root ::= [é]{0,2000}", &["", &text(2_000)], &[&text(2_001)]);
    check("root ::= ([^\"]){2000}", &[&text(2_000)], &[&text(1_999), &text(2_001)]);
    check("root ::= (\"v\"{0,2000})?", &["", "v"], &["v".repeat(2_001).as_str()]);
    check(
        "root ::= ([v]{0,50}){0,50}",
        &["v".repeat(2_500).as_str()],
        &["v".repeat(2_501).as_str()],
    );
}

#[test]
fn repetitions_of_what_can_be_empty() {
    check("root ::= (\"a\"? \"b\"?)*", &["", "ab", "ba", "bbaa"], &["c"]);
    check("root ::= (\"a\"?){2,3}", &["", "a", "aaa"], &["aaaa"]);
    check("root ::= \"a\"**", &["", "aaa"], &["b"]);
    check("root ::= (\"a\"*)+ \"b\"", &["b", "aab"], &["aba"]);
}

#[test]
fn classes_and_characters() {
    check("root ::= .", &["a", "\n", "é", "🦀"], &["", "ab"]);
    check("root ::= [^a-c]", &["d", "\n", "é"], &["a", "b", "c"]);
    check("root ::= [a-]", &["a", "-"], &["b"]);
    check("root ::= [--a]", &["-", "5", "a"], &["b", ","]);
    check("root ::= \"\\xe9\"", &["é"], &["\u{e8}"]);
    check("root ::= [\\u4e00-\\u9fff]+", &["漢字"], &["漢a"]);
    check("root ::= [\\U0001F980-\\U0001F98F]", &["🦀"], &["🦐"]);
    check("root ::= [èé]", &["è", "é"], &["ê"]);
}

#[test]
fn bytes_that_are_no_character_are_never_allowed() {
    let mut constraint = constraint("root ::= [^a]*");
    let start = constraint.start();
    for byte in (0x80..=0xC1).chain(0xF5..=0xFF) {
        assert_eq!(constraint.advance_byte(start, byte).unwrap(), None, "{byte:x}");
    }
    let cases: [&[u8]; 5] = [b"\xE0\x80", b"\xED\xA0", b"\xF0\x80", b"\xF4\x90", b"\xC2a"];
    for bytes in cases {
        assert_eq!(constraint.advance_bytes(start, bytes).unwrap(), None, "{bytes:x?}");
    }
    let cases: [&[u8]; 4] =
        [b"\xE0\xA0\x80", b"\xED\x9F\xBF", b"\xF0\x90\x80\x80", b"\xF4\x8F\xBF\xBF"];
    for bytes in cases {
        assert_eq!(constraint.advance_bytes(start, bytes).unwrap(), Some(start), "{bytes:x?}");
    }
}

#[test]
fn ambiguity_and_alternatives() {
    check("root ::= \"a\" | \"ab\" | \"abc\"", &["a", "ab", "abc"], &["", "ac", "abcd"]);
    check("root ::= (\"a\" | \"ab\") (\"c\" | \"bc\")", &["ac", "abc", "abbc"], &["ab"]);
    check("root ::= x \"1\" | x \"2\"\nx ::= [a-z]+", &["ab1", "q2"], &["ab", "1"]);
    check("root ::= | \"a\"", &["", "a"], &["b"]);
    check("root ::= (\"é\" | \"è\" | \"e\") \"!\"", &["é!", "è!", "e!"], &["é", "ê!"]);
}

#[test]
fn recursion() {
    let sums = "root ::= term ([-+*/] term)*\nterm ::= [0-9]+ | \"(\" root \")\"";
    check(sums, &["1", "1+2", "((1)*2)-3", "(1+(2-(3)))"], &["", "(1", "1+", "()"]);
    let right = "root ::= \"a\" root | \"b\"";
    check(right, &["b", "aaab"], &["a", "ba"]);
    let middle = "root ::= \"a\" root \"b\" | \"\"";
    check(middle, &["", "ab", "aaabbb"], &["aab", "abb"]);
    let mutual = "root ::= \"a\" x\nx ::= \"b\" root | \"c\"";
    check(mutual, &["ac", "abac"], &["ab", "aba"]);
}

#[test]
fn a_long_tail_of_calls_is_no_stack() {
    let mut constraint = constraint("root ::= \"a\" root | \"b\" | \"a\" x\nx ::= \"c\" root");
    let state = after(&mut constraint, &"a".repeat(5_000)).unwrap();
    assert_eq!(Some(state), after(&mut constraint, "aaa"));
    assert!(constraint.states() < 20, "{}", constraint.states());
}

#[test]
fn names_and_keywords_may_be_the_same() {
    let grammar = "root ::= (\"if\" | name) \" \" name\nname ::= [a-z]+";
    check(grammar, &["if x", "iff x", "i x"], &["if", "If x"]);
}

//! GBNF text: what is read, what is refused and where, and that printing and reading agree.

use chargehand_grammar::gbnf::{CharSet, Mistake, TokenName};
use chargehand_grammar::{Expr, Grammar, Limits};
use proptest::prelude::*;

/// Checks that a body is read, and how it is printed.
#[track_caller]
fn reads(body: &str, printed: &str) {
    let text = format!("root ::= {body}\nx ::= \"x\"\n");
    let grammar = Grammar::parse(&text).unwrap_or_else(|error| panic!("{body}: {error}"));
    let again = grammar.to_string();
    assert_eq!(again, format!("root ::= {printed}\nx ::= \"x\"\n"));
    assert_eq!(Grammar::parse(&again).unwrap(), grammar);
}

#[track_caller]
fn refuses(text: &str, kind: Mistake, place: (usize, usize), words: &str) {
    let error = Grammar::parse(text).expect_err(text);
    assert_eq!((error.line, error.column), place, "{error}");
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.message.contains(words), "{error}");
}

fn syntax(text: &str, place: (usize, usize), words: &str) {
    refuses(text, Mistake::Syntax, place, words);
}

fn trap(text: &str, place: (usize, usize), words: &str) {
    refuses(text, Mistake::Trap, place, words);
}

fn limit(text: &str, place: (usize, usize), words: &str) {
    refuses(text, Mistake::Limit, place, words);
}

#[test]
fn literals_and_their_escapes() {
    reads(r#""a\x41\u00e9\U0001F600\t\r\n\\\"\[\]\-""#, r#""aAé😀\t\r\n\\\"[]-""#);
    reads(r#""\xe9""#, "\"é\"");
    reads("\"a\nb\"", r#""a\nb""#);
    reads(r#""""#, r#""""#);
    for bad in [r"\.", r"\/", r"\d", r"\b", r"\'", r"\^"] {
        syntax(&format!("root ::= \"{bad}\""), (1, 11), "is no escape");
        syntax(&format!("root ::= [{bad}]"), (1, 11), "is no escape");
    }
    syntax(r#"root ::= "\x4""#, (1, 11), "2 hexadecimal digits");
    syntax(r#"root ::= "\u12G4""#, (1, 11), "4 hexadecimal digits");
    syntax(r#"root ::= "\U0001F60é""#, (1, 11), "8 hexadecimal digits");
    trap(r#"root ::= "\uD800""#, (1, 11), "U+D800 is no character");
    trap(r#"root ::= "\U00110000""#, (1, 11), "U+00110000 is no character");
    syntax("root ::= \"é\\", (1, 12), "is no escape");
    syntax("root ::= \"abc", (1, 10), "not closed");
}

#[test]
fn classes() {
    reads("[a-z]", "[a-z]");
    reads("[zbaay-z]", "[a-by-z]");
    reads(r#"[^"\\\x00-\x1F\x7F]"#, r#"[^\x00-\x1F"\\\x7F]"#);
    reads("[a-]", r"[\-a]");
    reads("[-a]", r"[\-a]");
    reads("[--a]", r"[\--a]");
    reads("[+--]", r"[+-\-]");
    reads(r"[a\-z]", r"[\-az]");
    reads("[a^]", r"[\x5Ea]");
    reads(".", ".");
    reads("[é-ü\u{202E}]", r"[é-ü\U0000202E]");
    reads("[a]", "[a]");
}

#[test]
fn classes_that_are_traps() {
    trap("root ::= []", (1, 10), "empty class");
    trap("root ::= [^]", (1, 10), "empty class");
    trap("root ::= []a]", (1, 10), "empty class");
    trap("root ::= [z-a]", (1, 11), "ends before it begins");
    trap("root ::= [xz-a]", (1, 12), "ends before it begins");
    trap("root ::= [^\\x00-\\U0010FFFF]", (1, 10), "no character");
    syntax("root ::= [a-z", (1, 10), "not closed");
    syntax("root ::= [", (1, 10), "not closed");
}

#[test]
fn repetitions() {
    reads("x*", "x*");
    reads("x+", "x+");
    reads("x?", "x?");
    reads("x{0,}", "x*");
    reads("x{1,}", "x+");
    reads("x{0,1}", "x?");
    reads("x{3}", "x{3}");
    reads("x{3,3}", "x{3}");
    reads("x{ 2 , 5 }", "x{2,5}");
    reads("x{2,}", "x{2,}");
    reads("x {2000}", "x{2000}");
    reads("x{0}", "x{0}");
    reads("\"ab\"{2}", "\"ab\"{2}");
    reads("(\"a\" x)*", "(\"a\" x)*");
    reads("x**", "(x*)*");
    reads("x{2}{3}", "(x{2}){3}");
    reads("(x?)+", "(x?)+");
    syntax("root ::= x{,3}", (1, 11), "a repetition is");
    syntax("root ::= x{3", (1, 11), "a repetition is");
    syntax("root ::= x{3;}", (1, 11), "a repetition is");
    syntax("root ::= *", (1, 10), "nothing stands before");
    syntax("root ::= \"a\" | +", (1, 16), "nothing stands before");
    syntax("root ::= \"\"*", (1, 12), "empty text");
    trap("root ::= x{3,2}", (1, 11), "ends before it begins");
    limit("root ::= x{2001}", (1, 11), "2001, 2000 at most");
    limit("root ::= x{0,2001}", (1, 11), "2001, 2000 at most");
    limit("root ::= x{2001,}", (1, 11), "2001, 2000 at most");
    limit("root ::= x{99999999999999999999}", (1, 11), "4294967295, 2000 at most");
}

#[test]
fn a_higher_limit_of_repetition_means_what_is_written() {
    let limits = Limits { repetition: 100_000, ..Limits::default() };
    let grammar = Grammar::parse_within("root ::= [a]{0,70000}", &limits).unwrap();
    assert_eq!(grammar.to_string(), "root ::= [a]{0,70000}\n");
    let grammar = Grammar::parse_within("root ::= [a]{70000}", &limits).unwrap();
    assert_eq!(grammar.to_string(), "root ::= [a]{70000}\n");
}

#[test]
fn groups_and_alternatives() {
    reads("| x", "\"\" | x");
    reads("()", "\"\"");
    reads("(x)", "x");
    reads("((x | \"a\"))", "x | \"a\"");
    reads("(\"a\" x) x", "\"a\" x x");
    reads("x | (\"a\" | x)", "x | (\"a\" | x)");
    reads("(\n x\n |\n \"a\" # comment )\n)\t# more", "x | \"a\"");
    reads("x |\n \"a\"", "x | \"a\"");
    reads("\n\n x", "x");
    syntax("root ::= (\"a\"", (1, 10), "the end of the text");
    syntax("root ::= (\"a\" _)", (1, 10), "`_`");
    syntax("root ::= \"a\")", (1, 13), "`)` is no part");
    syntax("root ::= \"a\"\n| \"b\"", (2, 1), "end of the line before");
}

#[test]
fn a_choice_at_the_end_of_a_line_goes_on() {
    syntax("root ::= \"a\" |\nx ::= \"b\"", (2, 1), "a `|` at the end of a line goes on");
    syntax("root ::= \"a\" x ::= \"b\"", (1, 14), "each rule begins a line");
}

#[test]
fn the_text_as_a_whole() {
    trap("", (1, 1), "no rule");
    trap(" # only a comment\n", (1, 1), "no rule");
    trap("root ::= \"a\"\nx ::= \"b\"\nroot ::= \"c\"", (3, 1), "defined in line 1");
    trap("root ::= \"a\0b\"", (1, 12), "NUL");
    trap("root ::= \"a\" # \0", (1, 16), "NUL");
    syntax("\u{FEFF}root ::= \"a\"", (1, 1), "byte order mark");
    syntax("a ::= \"b\"", (1, 1), "none of the 1 rules is `root`");
    syntax("root ::= \"a\"\nb ::= c\n", (2, 7), "`c` is not defined");
    syntax("root := \"a\"", (1, 6), "`::=` expected");
    syntax("ro_ot ::= \"a\"", (1, 3), "`_`");
    syntax("_x ::= \"a\"", (1, 1), "no `_`");
    syntax("root ::= a_b", (1, 11), "`_`");
    syntax("root", (1, 5), "`::=` expected");
    syntax("root ::= é", (1, 10), "`é`");
    let crlf = Grammar::parse("root ::= x\r\n\r\nx ::=\t\"a\"\r\n").unwrap();
    assert_eq!(crlf.to_string(), "root ::= x\nx ::= \"a\"\n");
    assert_eq!(crlf.line("x"), Some(3));
    let last = Grammar::parse("root ::= \"a\" |").unwrap();
    assert_eq!(last.to_string(), "root ::= \"a\" | \"\"\n");
    assert!(Grammar::parse("1-a ::= root\nroot ::= \"a\"").is_ok());
}

#[test]
fn tokens() {
    reads("<[12]> !<[0]>", "<[12]> !<[0]>");
    reads("<think> (!</think>)* </think>", "<think> !</think>* </think>");
    reads("<|im_start|>", "<|im_start|>");
    syntax("root ::= <[x]>", (1, 10), "a token is");
    syntax("root ::= <[1>", (1, 10), "a token is");
    syntax("root ::= <think", (1, 10), "not closed");
    syntax("root ::= <a\n>", (1, 10), "not closed");
    syntax("root ::= !\"a\"", (1, 11), "before a token only");
    let grammar = Grammar::parse("root ::= !<a>").unwrap();
    assert_eq!(grammar.rule("root"), Some(&Expr::NotToken(TokenName::Text("<a>".to_owned()))));
}

#[test]
fn nesting_is_limited_and_ends_nothing() {
    let nested = |depth: usize| format!("root ::= {}\"a\"{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Grammar::parse(&nested(256)).is_ok());
    limit(&nested(257), (1, 10 + 256), "more than 256 open parentheses");
    limit(&nested(100_000), (1, 10 + 256), "more than 256 open parentheses");
    limit(&format!("root ::= [a]{}", "*".repeat(100_000)), (1, 17), "repetitions in a row");
}

#[test]
fn the_size_is_limited() {
    let limits = Limits { text_bytes: 12, ..Limits::default() };
    assert!(Grammar::parse_within("root ::= \"a\"", &limits).is_ok());
    let error = Grammar::parse_within("root ::= \"ab\"", &limits).unwrap_err();
    assert_eq!(error.to_string(), "line 1, column 1: the text has 13 bytes, 12 at most");
    let limits = Limits { rules: 1, ..Limits::default() };
    let error = Grammar::parse_within("root ::= a\na ::= \"\"", &limits).unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 1: more than 1 rules");
}

#[test]
fn a_choice_of_nothing_never_prints_as_everything() {
    let printed = Grammar::new(Expr::Any(Vec::new())).to_string();
    assert_eq!(printed, "root ::= [^\\x00-\\U0010FFFF]\n");
    trap(&printed, (1, 10), "no character");
}

#[test]
fn texts_that_begin_each_other_do_not_nest_without_end() {
    let texts: Vec<String> = (1..2_000).map(|length| "a".repeat(length)).collect();
    let grammar = Grammar::new(Expr::one_of(texts.iter().map(String::as_str)));
    assert_eq!(Grammar::parse(&grammar.to_string()).unwrap().to_string(), grammar.to_string());
}

#[test]
fn character_sets() {
    let set = |text: &str| CharSet::parse(text).unwrap();
    assert_eq!(set("[^\u{D7FF}]").resolved(), [('\0', '\u{D7FE}'), ('\u{E000}', char::MAX)]);
    assert_eq!(set("[\u{D7FF}\u{E000}]").resolved(), [('\u{D7FF}', '\u{E000}')]);
    assert_eq!(set(".").resolved(), [('\0', char::MAX)]);
    assert_eq!(CharSet::of([]), None);
    assert_eq!(CharSet::of([('b', 'a')]), None);
    assert_eq!(CharSet::except([('\0', char::MAX)]), None);
    assert!(CharSet::parse("[a]b").is_err() && CharSet::parse("a").is_err());
}

/// A part of a body that the parser could have read.
fn expr() -> impl Strategy<Value = Expr> {
    let char = prop_oneof![
        Just('a'),
        Just('"'),
        Just('\\'),
        Just(']'),
        Just('['),
        Just('-'),
        Just('^'),
        Just('\n'),
        Just('\0'),
        Just('é'),
        Just('\u{D7FF}'),
        Just('\u{E000}'),
        Just('\u{202E}'),
        any::<char>(),
    ];
    let ranges = prop::collection::vec((char.clone(), char.clone()), 1..4);
    let set = (ranges, any::<bool>()).prop_filter_map("no character", |(ranges, negated)| {
        let ranges = ranges.into_iter().map(|(a, b): (char, char)| (a.min(b), a.max(b)));
        if negated { CharSet::except(ranges) } else { CharSet::of(ranges) }
    });
    let leaf = prop_oneof![
        prop::collection::vec(char, 1..5)
            .prop_map(|text| Expr::literal(text.iter().collect::<String>())),
        set.prop_map(Expr::Chars),
        Just(Expr::rule("x")),
        (0_u32..9).prop_map(|id| Expr::Token(TokenName::Id(id))),
        Just(Expr::NotToken(TokenName::Text("<|a b|>".to_owned()))),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(flat_seq),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Any),
            (inner, 0_u32..4, prop::option::of(0_u32..4)).prop_map(|(inner, min, more)| {
                Expr::repeat(inner, min, more.map(|more| min + more))
            }),
        ]
    })
}

/// The parser joins a sequence in a sequence.
fn flat_seq(parts: Vec<Expr>) -> Expr {
    let flat = parts.into_iter().flat_map(|part| match part {
        Expr::Seq(inner) => inner,
        other => vec![other],
    });
    Expr::Seq(flat.collect())
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(root in expr(), x in expr()) {
        let mut grammar = Grammar::new(root);
        grammar.add("x", x);
        let text = grammar.to_string();
        let limits = Limits { nesting: 1_000, ..Limits::default() };
        prop_assert_eq!(Grammar::parse_within(&text, &limits), Ok(grammar), "{}", text);
    }

    #[test]
    fn no_text_is_too_strange(text in "(root|x| ::= |[ -~]|\n|[\"\\\\|\\[\\](){}*+?<>!.-]|é){0,60}") {
        if let Ok(grammar) = Grammar::parse(&text) {
            let printed = grammar.to_string();
            prop_assert_eq!(Grammar::parse(&printed), Ok(grammar), "{}", printed);
        }
    }
}

#[test]
fn tokens_in_one_long_line_are_read_one_by_one() {
    let text = format!("root ::= {}", "<a>".repeat(1 << 20));
    assert!(Grammar::parse(&text).is_ok());
}

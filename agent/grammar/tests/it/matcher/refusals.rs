//! Grammars that are refused, and those that cost llama.cpp its memory or its process.

use std::fmt::Write as _;
use std::sync::Arc;

use chargehand_grammar::gbnf::TokenName;
use chargehand_grammar::matcher::{CompileError, MatchError};
use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Expr, Grammar, Limits};

use super::{accepts, after, constraint, vocabulary};

#[track_caller]
fn refuses(text: &str, expect: &str) {
    let error = Constraint::from_text(text, vocabulary(&["<two>", "<two>"]), &Limits::default());
    assert_eq!(error.expect_err(text).to_string(), expect);
}

fn within(text: &str, limits: Limits) -> Result<Constraint, CompileError> {
    Constraint::from_text(text, vocabulary(&[]), &limits)
}

#[test]
fn left_recursion_is_refused_with_the_way() {
    let words = "write what repeats behind it, or with `*`";
    refuses(
        "root ::= root \"a\" | \"b\"",
        &format!("line 1: rule `root` can begin with itself, by way of root -> root: {words}"),
    );
    refuses(
        "root ::= x\nx ::= y \"a\" | \"b\"\ny ::= x \"c\" | \"d\"",
        &format!("line 2: rule `x` can begin with itself, by way of x -> y -> x: {words}"),
    );
    refuses(
        "root ::= \"a\"\nunused ::= unused \"a\" | \"b\"",
        &format!(
            "line 2: rule `unused` can begin with itself, by way of unused -> unused: {words}"
        ),
    );
    refuses(
        "root ::= (\"\" | root \"a\")*",
        &format!("line 1: rule `root` can begin with itself, by way of root -> root: {words}"),
    );
}

#[test]
fn hidden_left_recursion_is_refused() {
    for empty in [
        "e ::= f\nf ::= \"\" | \"c\"",
        "e ::= f f\nf ::= \"c\"?",
        "e ::= f{0,3} f*\nf ::= g\ng ::= (\"c\"*)",
    ] {
        let text = format!("root ::= e root \"a\" | \"b\"\n{empty}");
        assert!(matches!(
            Constraint::from_text(&text, vocabulary(&[]), &Limits::default()),
            Err(CompileError::LeftRecursion { .. })
        ));
    }
    // What only looks like it is taken.
    assert!(accepts("root ::= e root \"a\" | \"b\"\ne ::= f \"x\"\nf ::= \"\"", "xba"));
}

#[test]
fn rules_that_never_end_are_refused() {
    let words = "never ends: every way through it needs a rule that never ends";
    refuses("root ::= \"a\" root", &format!("line 1: rule `root` {words}"));
    refuses(
        "root ::= \"a\" | x\nx ::= \"(\" y\ny ::= x \")\"",
        &format!("line 2: rule `x` {words}"),
    );
    let nothing = Grammar::new(Expr::Any(Vec::new()));
    let error = Constraint::new(&nothing, vocabulary(&[])).unwrap_err();
    assert_eq!(error.to_string(), format!("rule `root` {words}"));
}

#[test]
fn names_must_mean_something() {
    let error =
        |grammar: &Grammar| Constraint::new(grammar, vocabulary(&[])).unwrap_err().to_string();
    assert_eq!(
        error(&Grammar::default()),
        "none of the 0 rules is `root`, with which a text begins"
    );
    assert_eq!(
        error(&Grammar::new(Expr::rule("x"))),
        "rule `root` names `x`, which is not defined"
    );
    let class = error(&Grammar::new(Expr::Class("[z-a]")));
    assert!(class.starts_with("rule `root` has the class `[z-a]`: line 1, column 2"), "{class}");
}

#[test]
fn tokens_must_be_there() {
    let token = |name: &str| format!("line 1: rule `root` names the token {name}");
    refuses("root ::= <[260]>", &format!("{}, but there are 260 tokens", token("<[260]>")));
    refuses(
        "root ::= <no>",
        &format!(
            "{}, which is the text of 0 tokens: name one by its number, `<[id]>`",
            token("<no>")
        ),
    );
    refuses(
        "root ::= !<two>",
        &format!(
            "{}, which is the text of 2 tokens: name one by its number, `<[id]>`",
            token("<two>")
        ),
    );
    refuses(
        "root ::= </s>",
        &format!(
            "{}, token 259, which ends the output: leave it out, the end is allowed where the text is whole",
            token("</s>")
        ),
    );
    refuses(
        "root ::= <[259]>",
        &format!(
            "{}, token 259, which ends the output: leave it out, the end is allowed where the text is whole",
            token("<[259]>")
        ),
    );
}

#[test]
fn tokens_by_name_are_whole_text() {
    let tokens: [(Kind, &[u8]); 4] = [
        (Kind::Control, b""),
        (Kind::Text, b"\xC3"),
        (Kind::Control, b"a\0"),
        (Kind::Control, b"<a>"),
    ];
    let vocabulary = Arc::new(Vocabulary::new(tokens).unwrap());
    let made = |grammar: &Grammar| Constraint::new(grammar, Arc::clone(&vocabulary)).map(drop);
    for id in 0..3 {
        let error = made(&Grammar::new(Expr::Token(TokenName::Id(id)))).unwrap_err();
        let name = format!(
            "rule `root` names the token <[{id}]>, token {id}, which is no text of whole characters: "
        );
        assert!(error.to_string().starts_with(&name), "{error}");
    }
    let named = |text: &str| made(&Grammar::new(Expr::Token(TokenName::Text(text.to_owned()))));
    assert_eq!(named("<a>"), Ok(()));
    for text in ["a", "<a", "<[3]>", "<a\n>", "<a>>"] {
        let error = named(text).unwrap_err().to_string();
        assert!(error.ends_with("but a token is named `<text>` or `<[id]>`"), "{error}");
    }
}

#[test]
fn repetitions_that_end_before_they_begin_are_refused() {
    let repeat = Expr::Repeat(Box::new(Expr::literal("a")), 3, Some(2));
    let error = Constraint::new(&Grammar::new(repeat), vocabulary(&[])).unwrap_err();
    assert_eq!(error.to_string(), "rule `root` repeats something 3 to 2 times");
}

#[test]
fn limits_have_a_boundary() {
    let text = "root ::= \"abc\" \"d\"{2}";
    // Five bytes and the end of the rule.
    assert!(within(text, Limits { positions: 6, ..Limits::default() }).is_ok());
    let error = within(text, Limits { positions: 5, ..Limits::default() }).unwrap_err();
    assert_eq!(error.to_string(), "line 1: rule `root` takes the grammar to more than 5 positions");
    let mut deep = Expr::literal("a");
    for _ in 0..100_000 {
        deep = Expr::Optional(Box::new(deep));
        if let Expr::Optional(inner) = &mut deep
            && matches!(**inner, Expr::Optional(_))
        {
            break;
        }
    }
    assert!(Constraint::new(&Grammar::new(deep), vocabulary(&[])).is_ok());
}

#[test]
fn trees_that_are_too_deep_are_refused() {
    let mut deep = Expr::literal("a");
    for _ in 0..2_100 {
        deep = Expr::Seq(vec![deep]);
    }
    let error = Constraint::new(&Grammar::new(deep), vocabulary(&[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rule `root` takes the grammar to more than 256 levels of parentheses"
    );
}

#[test]
fn products_of_repetitions_are_limited_by_their_size() {
    // 2,000 x 2,000 x 2,000 in a row, but a repetition is called and not copied.
    let text = "root ::= (([a-c]{2000} \"x\"){2000} \"y\"){2000}";
    assert!(constraint(text).memory_bytes() < 1 << 20);
    let text = "root ::= \"a\" (\"b\" \"c\"){2000,2000}";
    assert!(constraint(text).memory_bytes() < 1 << 20);
}

#[test]
fn a_chain_of_rules_is_as_long_as_it_likes() {
    let mut text = String::from("root ::= r0\n");
    for rule in 0..100_000 {
        writeln!(text, "r{rule} ::= r{}", rule + 1).unwrap();
    }
    text.push_str("r100000 ::= \"a\"\n");
    assert!(accepts(&text, "a"));
}

#[test]
fn doubling_levels_cost_one_stack_each() {
    let mut text = String::from("root ::= r0\n");
    for level in 0..60 {
        writeln!(text, "r{level} ::= r{0} \"a\" | r{0} \"b\"", level + 1).unwrap();
    }
    text.push_str("r60 ::= \"x\"\n");
    assert!(accepts(&text, &format!("x{}", "ab".repeat(30))));
    assert!(!accepts(&text, &format!("x{}", "ab".repeat(29))));
    let mut text = String::from("root ::= r0\n");
    for level in 0..60 {
        writeln!(text, "r{level} ::= r{0} | r{0}", level + 1).unwrap();
    }
    text.push_str("r60 ::= \"x\"\n");
    assert!(accepts(&text, "x"));
}

#[test]
fn many_alternatives_are_one_place() {
    let names: Vec<String> = (0..50_000).map(|at| format!("\"file-{at}.rs\"")).collect();
    let mut constraint = constraint(&format!("root ::= {}", names.join(" | ")));
    assert!(
        after(&mut constraint, "file-4321.rs").is_some_and(|state| constraint.accepting(state))
    );
    assert_eq!(after(&mut constraint, "file-54321.rs"), None);
}

#[test]
fn ambiguity_without_end_is_an_error_and_no_hang() {
    let text = "root ::= \"a\" root root | \"a\"";
    let limits = Limits { work: 50_000, ..Limits::default() };
    let mut constraint = within(text, limits).unwrap();
    let start = constraint.start();
    let all = constraint.advance_bytes(start, &[b'a'; 5_000]);
    assert_eq!(all, Err(MatchError::Work(50_000)));
    let text = "root ::= x\nx ::= [ab] x? [bc] | [ab] [cd] | [ac]";
    let limits = Limits { width: 3, ..Limits::default() };
    let mut constraint = within(text, limits).unwrap();
    let start = constraint.start();
    assert_eq!(constraint.advance_bytes(start, b"a"), Err(MatchError::Width(3)));
    let text = "root ::= x{0,2000}\nx ::= [a]? [ab]? [abc]? [abcd]?";
    let limits = Limits { work: 2_000, ..Limits::default() };
    let mut constraint = match within(text, limits) {
        Ok(constraint) => constraint,
        Err(error) => return assert_eq!(error, CompileError::Start(MatchError::Work(2_000))),
    };
    let start = constraint.start();
    assert_eq!(constraint.advance_bytes(start, b"aaaa"), Err(MatchError::Work(2_000)));
}

#[test]
fn memory_is_limited() {
    let text = "root ::= \"(\" root \")\" | [^()]*";
    let limits = Limits { memory_bytes: 60_000, ..Limits::default() };
    let mut constraint = within(text, limits).unwrap();
    let start = constraint.start();
    let error = constraint.advance_bytes(start, &[b'('; 100_000]).unwrap_err();
    assert!(matches!(error, MatchError::Memory { limit: 60_000, .. }), "{error}");
    // What was reached before stays good.
    assert!(constraint.advance_byte(start, b'x').is_ok());
}

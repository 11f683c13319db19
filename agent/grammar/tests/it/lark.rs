//! What is translated to Lark, and what is refused. Whether it means the same is tried beside llguidance, in
//! `bench-scripts/grammar`.

use chargehand_grammar::lark::{LarkError, lark};
use chargehand_grammar::{Expr, Grammar};

#[track_caller]
fn check(gbnf: &str, expect: &str) {
    let grammar = Grammar::parse(gbnf).unwrap();
    let said = lark(&grammar).map_or_else(
        |error| error.to_string(),
        |text| text.strip_prefix("%llguidance {\"no_forcing\":true}\n").unwrap().to_owned(),
    );
    assert_eq!(said, expect);
}

#[test]
fn without_recursion_all_is_one_lexeme() {
    check("root ::= \"ab\"", "start: R0\nR0: \"ab\" \n");
    check(
        "root ::= x{2,3} | [a-cé] x?\nunused ::= <[1]>\nx ::= \"\\\"\\n\"",
        "start: R0\nR0: ((R2){2,3} | (/[\\x{61}-\\x{63}\\x{E9}-\\x{E9}]/  (R2)?))\nR2: \"\\\"\\u000a\" \n",
    );
    check("root ::= \"a\"{0} \"\"", "start: R0\nR0: (\"\" \"\" )\n");
}

#[test]
fn with_recursion_each_character_is_one() {
    check(
        "root ::= \"ab\" root | \"é\" x*\nx ::= .",
        "start: r0\nr0: (((\"a\" \"b\" ) r0) | (\"é\"  (r1)*))\nr1: /[\\x{0}-\\x{10FFFF}]/ \n",
    );
}

#[test]
fn what_cannot_be_said_is_refused() {
    check(
        "root ::= \"a\" x\nx ::= <think>",
        "rule `x` names the token <think>, which llguidance takes for another thing",
    );
    check(
        "root ::= !<[7]>",
        "rule `root` names the token !<[7]>, which llguidance takes for another thing",
    );
    check(
        "root ::= x\nx ::= [a-z]+ #! bind names",
        "rule `x` is bound to `names`, and llguidance knows no bindings",
    );
    let nothing = Grammar::new(Expr::one_of([]));
    assert_eq!(lark(&nothing), Err(LarkError::Nothing("root".to_owned())));
    let missing = Grammar::new(Expr::rule("x"));
    assert_eq!(lark(&missing), Err(LarkError::Missing("x".to_owned())));
}

/// A chain of so many rules, each of which is two levels deep.
fn chain(rules: usize) -> String {
    let rule = |at| format!("r-{at} ::= \"a\" r-{}\n", at + 1);
    let chain: String = (1..rules).map(rule).collect();
    format!("root ::= \"a\" r-1\n{chain}r-{rules} ::= \"a\"")
}

#[test]
fn depth_is_kept_on_its_boundary() {
    // The last rule and 149 others.
    assert!(lark(&Grammar::parse(&chain(149)).unwrap()).is_ok());
    let deeper = lark(&Grammar::parse(&chain(150)).unwrap());
    assert_eq!(deeper, Err(LarkError::Deep(301)));
}

//! What is no binding, and never "everything is allowed".

use chargehand_grammar::bindings::{MAX_NAMES, MAX_TEXT};
use chargehand_grammar::{Binding, Bindings, Bound, Constraint, Expr, Grammar};

use super::{compiled, with_strings};
use crate::matcher::vocabulary;

#[track_caller]
fn refused(rules: &str, bindings: &Bindings, expect: &str) {
    let error = compiled(&with_strings(rules), bindings, vocabulary(&[])).unwrap_err();
    assert_eq!(error.to_string(), expect);
}

fn x(binding: Binding) -> Bindings {
    Bindings::new().with("x", binding)
}

const X: &str = "root ::= x\nx ::= json-string #! bind x";

#[test]
fn nothing_is_open() {
    refused(X, &Bindings::new(), "line 2: rule `x` is bound to `x`, which is not given");
    let grammar = with_strings(X);
    assert!(Constraint::new(&grammar, vocabulary(&[])).is_err());
    assert!(Constraint::new(&grammar.unbound(), vocabulary(&[])).is_ok());
    let two = x(Binding::one_of(["a"])).with("y", Binding::one_of(["a"]));
    refused(X, &two, "the binding `y` is given, and no rule is bound to it");
}

#[test]
fn the_text_knows_its_data() {
    let (right, wrong) = (Binding::piece("a"), Binding::piece("b"));
    let rules = format!("{X} {}", right.digest());
    assert!(compiled(&with_strings(&rules), &x(right.clone()), vocabulary(&[])).is_ok());
    let expect = format!(
        "line 2: rule `x` is bound to `x`, and what is given for it has the digest {}",
        wrong.digest()
    );
    refused(&rules, &x(wrong), &expect);
    assert_ne!(right.digest(), Binding::piece_or_empty("a").digest());
    assert_ne!(Binding::one_of(["ab"]).digest(), Binding::one_of(["a", "b"]).digest());
    assert_eq!(x(right.clone()).digest("x"), Some(right.digest()));
}

#[test]
fn there_must_be_something_to_say() {
    let expect =
        "line 2: rule `x` is bound to `x`, which has no text, no name, no word, or an empty word";
    refused(X, &x(Binding::piece("")), expect);
    refused(X, &x(Binding::one_of(Vec::<String>::new())), expect);
    refused(X, &x(Binding::without(["a", ""])), expect);
    refused(
        "root ::= x\nx ::= \"a\" | \"b\" #! bind x",
        &x(Binding::not(["a", "b"])),
        "line 2: rule `x` is bound to `x`, which leaves nothing of what the rule can say",
    );
}

#[test]
fn there_is_an_end_to_it() {
    let long = "a".repeat(MAX_TEXT + 1);
    refused(
        X,
        &x(Binding::piece(long)),
        "line 2: rule `x` is bound to `x`, which has 1048577 bytes of text, 1048576 at most",
    );
    let names = (0..=MAX_NAMES).map(|at| at.to_string());
    refused(
        X,
        &x(Binding::one_of(names)),
        "line 2: rule `x` is bound to `x`, which has 100001 names, 100000 at most",
    );
}

#[test]
fn a_binding_never_widens() {
    let expect = |text: &str| {
        format!(
            "line 2: rule `x` is bound to `x`, which could say {text}, and the text of the rule does not allow that"
        )
    };
    refused("root ::= x\nx ::= [0-9]+ #! bind x", &x(Binding::piece("a")), &expect("\""));
    refused(
        "root ::= x\nx ::= [\"] [^\"]* [\"] #! bind x",
        &x(Binding::one_of(["a", "b\""])),
        &expect("\"b\\\"\""),
    );
    let letters = with_strings("root ::= x\nx ::= [\"] [a-z]* [\"] #! bind x");
    assert!(compiled(&letters, &x(Binding::one_of(["a", "b"])), vocabulary(&[])).is_ok());
    assert!(compiled(&letters, &x(Binding::other_than("a")), vocabulary(&[])).is_err());
}

#[test]
fn what_is_needed_comes_first() {
    let rules = |body: &str| {
        format!(
            "root ::= {body}\nx ::= json-string #! bind x\ny ::= json-string #! bind y\nz ::= y\nr ::= x y"
        )
    };
    let bindings = || x(Binding::one_of(["a"])).with("y", Binding::other_than_said("x"));
    for right in [
        "x y",
        "x \",\" y?",
        "x (\",\" y)*",
        "(x | x \",\") y",
        "(x y)*",
        "r r",
        "x{2} y",
        "x y r",
        "x r",
    ] {
        let grammar = with_strings(&rules(right).replace("z ::= y\n", ""));
        compiled(&grammar, &bindings(), vocabulary(&[]))
            .unwrap_or_else(|error| panic!("{right}: {error}"));
    }
    for wrong in ["y x", "x? y", "(x | \"a\") y", "x | y", "y", "(y x)*", "x r y", "x* y"] {
        let expect = "line 3: rule `y` is bound to `y`, which needs what `x` says, and rule `root` does not have that before it";
        refused(&rules(wrong).replace("z ::= y\n", ""), &bindings(), expect);
    }
    refused(
        &rules("x z"),
        &bindings(),
        "line 3: rule `y` is bound to `y`, which needs what `x` says, and rule `z` does not have that before it",
    );
}

#[test]
fn what_is_needed_can_be_told() {
    let rules = "root ::= x y\nx ::= json-string #! bind x\ny ::= json-string #! bind y";
    let by =
        |names: &[&str]| Binding::by("x", names.iter().map(|name| (*name, Binding::piece("t"))));
    let both = |first: Binding, second: Binding| x(first).with("y", second);
    let y = "line 3: rule `y` is bound to `y`, ";
    let names = || Binding::one_of(["a", "b"]);
    refused(rules, &both(names(), by(&["a"])), &format!("{y}which has nothing for the name \"b\""));
    refused(
        rules,
        &both(names(), by(&["a", "b", "a"])),
        &format!("{y}in which it has the name \"a\" twice").replace("in which it has", "which has"),
    );
    let told =
        "which needs what `x` says, and that rule is not bound to names, or to pieces of texts";
    refused(rules, &both(Binding::piece("text"), by(&["a"])), &format!("{y}{told}"));
    refused(
        rules,
        &both(Binding::other_than("text"), Binding::other_than_said("x")),
        &format!("{y}{told}"),
    );
    refused(
        rules,
        &both(names(), Binding::other_than_said("w")),
        &format!("{y}which needs what `w` says, and there is no such rule"),
    );
    let not = Binding::by("x", [("a", Binding::not(["t"])), ("b", Binding::piece("t"))]);
    refused(
        rules,
        &both(names(), not),
        &format!("{y}in which `Not` stands behind a name: bind the rule itself"),
    );
    refused(
        "root ::= x\nx ::= \"(\" x? \")\" #! bind x",
        &x(Binding::not(["()"])),
        "line 2: rule `x` is bound to `x`, which excludes texts, and the rule is part of itself",
    );
}

#[test]
fn the_mark_stands_behind_a_rule() {
    let bound = Grammar::parse("root ::= \"a\" # why\nx ::= \"b\" | #! bind\n \"c\"");
    assert!(bound.is_err());
    for wrong in [
        "#! bind x\nroot ::= \"a\"",
        "root ::= \"a\"\n#! bind x",
        "root ::= (\"a\" #! bind x\n)",
        "root ::= \"a\" | #! bind x\n \"b\"",
        "root ::= #! bind x\n \"a\"",
        "root ::= \"a\" #! bind",
        "root ::= \"a\" #! bind x y",
        "root ::= \"a\" #! bind x_y",
        "root ::= \"a\" #! bind x sha256:12",
        "root ::= \"a\" #! bound x",
        "root ::= \"a\" #! ",
    ] {
        let error = Grammar::parse(wrong).unwrap_err().to_string();
        assert!(error.contains("`#!`"), "{wrong}: {error}");
    }
    for right in [
        "root ::= \"a\" #! bind x-1",
        "root ::= \"a\" #!bind x\r\n",
        "root ::= \"a\" #! bind x # \n".replace(" # ", "").as_str(),
    ] {
        let grammar = Grammar::parse(right).unwrap();
        assert!(grammar.bound("root").unwrap().name().starts_with('x'));
    }
}

#[test]
fn a_mark_survives() {
    let digest = Binding::piece("a").digest();
    let mut grammar = Grammar::new(Expr::rule("x"));
    grammar.add("x", Expr::Any(vec![Expr::literal("a#b"), Expr::literal("#! bind y")]));
    grammar.bind("x", Bound::to("y-1").unwrap().with_digest(&digest).unwrap());
    let text = grammar.to_string();
    assert_eq!(text, format!("root ::= x\nx ::= \"a#b\" | \"#! bind y\" #! bind y-1 {digest}\n"));
    let read = Grammar::parse(&text).unwrap();
    assert_eq!(read, grammar);
    assert_ne!(read, grammar.unbound());
    assert_eq!(read.unbound().bound("x"), None);
    assert!(Bound::to("a b").is_none() && Bound::to("").is_none());
}

#[test]
fn parts_are_parts_of_the_text() {
    let expect = |(from, to): (usize, usize)| {
        format!(
            "line 2: rule `x` is bound to `x`, of which {from} to {to} is no part of whole characters behind the one \
             before it"
        )
    };
    for (parts, wrong) in [
        (vec![(0, 2)], (0, 2)),
        (vec![(0, 5)], (0, 5)),
        (vec![(1, 1)], (1, 1)),
        (vec![(0, 1), (1, 3)], (1, 3)),
        (vec![(3, 4), (0, 1)], (0, 1)),
    ] {
        refused(X, &x(Binding::piece_in("aéb", parts)), &expect(wrong));
    }
}

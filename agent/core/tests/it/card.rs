//! Scorecards: what a job needs, what a card lacks, and what is left without one.

use std::collections::BTreeMap;

use chargehand_core::contract::Contract;
use chargehand_core::eval::{Card, Count, FamilyScore, Fingerprint, Shortfall, narrow, needed};

fn of(settings: &[(&str, &str)]) -> Fingerprint {
    let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Fingerprint {
        name: "m".to_owned(),
        model: "sha256 1".to_owned(),
        template: Some("t".to_owned()),
        llama_cpp: "b1".to_owned(),
        program: "1.0".to_owned(),
        settings: settings.iter().map(text).collect::<BTreeMap<_, _>>(),
    }
}

fn card(families: &[(&str, u64, u64, u64)]) -> Card {
    let score = |(family, of_these, of_all, broken): &(&str, u64, u64, u64)| FamilyScore {
        family: (*family).to_owned(),
        tasks: Count { of_these: *of_these, of_all: *of_all },
        broken: *broken,
        ..FamilyScore::default()
    };
    let mut card = Card::new(of(&[]));
    card.take(&families.iter().map(score).collect::<Vec<_>>(), "e", &["s".to_owned()]);
    card
}

#[track_caller]
fn lacks(families: &[(&str, u64, u64, u64)], needed: &[&str], expect: &[&str]) {
    let found = card(families).shortfalls(needed);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, expect);
}

#[test]
fn a_majority_of_each_needed_family_passes() {
    lacks(&[("a", 11, 20, 0)], &["a"], &[]);
    lacks(&[("a", 10, 20, 0)], &["a"], &["`a` was right in 10 of 20, more than half are needed"]);
    lacks(&[("a", 3, 5, 0)], &["a"], &[]);
    lacks(&[("a", 2, 5, 0)], &["a"], &["`a` was right in 2 of 5, more than half are needed"]);
    lacks(&[("a", 5, 5, 0)], &["b"], &["`b` was not examined"]);
    lacks(&[("a", 0, 5, 0), ("b", 5, 5, 0)], &["b"], &[]);
    let outside = "`a` had 1 results with changes beyond their contract";
    lacks(&[("a", 5, 5, 1), ("b", 5, 5, 0)], &["b"], &[outside]);
    // Too few tell nothing, but one that broke its contract tells enough.
    lacks(&[("a", 4, 4, 0)], &["a"], &["`a` was not examined"]);
    lacks(&[("a", 4, 4, 1), ("b", 5, 5, 0)], &["b"], &[outside]);
    let few = "`a` was examined with 4 tasks, at least 5 are needed";
    lacks(&[("a", 4, 4, 1)], &["a"], &[few, outside]);
}

#[test]
fn too_few_tasks_leave_a_card_as_it_is() {
    let mut card = card(&[("create", 5, 5, 0), ("mine", 5, 5, 0)]);
    assert_eq!(card.families["mine"].suite, ["s"]);
    assert!(card.families["create"].suite.is_empty(), "its tasks come with the program");
    let before = card.clone();
    let score = |of_all, broken| FamilyScore {
        family: "create".to_owned(),
        tasks: Count { of_these: of_all, of_all },
        broken,
        ..FamilyScore::default()
    };
    card.take(&[score(4, 0)], "f", &[]);
    assert_eq!(card, before);
    card.take(&[score(1, 1)], "f", &[]);
    assert_eq!(card.families["create"].out_of_scope, 1);
    let broken = card.clone();
    card.take(&[score(5, 0)], "g", &[]);
    assert_eq!(card.shortfalls(&["create", "mine"]), []);
    // What so few said, so few take back.
    card = broken;
    card.take(&[score(1, 0)], "e", &[]);
    assert!(card.families.contains_key("create"), "it began earlier");
    card.take(&[score(1, 0)], "g", &[]);
    assert_eq!(card.shortfalls(&["create", "mine"]), [Shortfall::Missing("create".to_owned())]);
}

#[test]
fn a_later_examination_counts() {
    let mut card = card(&[("a", 0, 5, 0), ("b", 5, 5, 0), ("all", 5, 10, 0)]);
    assert_eq!(card.families.len(), 2, "the sum is no family");
    let tasks = Count { of_these: 5, of_all: 5 };
    card.take(&[FamilyScore { family: "a".to_owned(), tasks, ..FamilyScore::default() }], "f", &[]);
    assert!(card.shortfalls(&["a", "b"]).is_empty());
    assert_eq!((card.families["a"].eval.as_str(), card.families["b"].eval.as_str()), ("f", "e"));
    // One that began before is gone on with: what it says of others counts.
    let before = card.clone();
    let tasks = Count { of_these: 0, of_all: 5 };
    let late =
        |family: &str| FamilyScore { family: family.to_owned(), tasks, ..FamilyScore::default() };
    card.take(&[late("a"), late("b")], "d", &[]);
    assert_eq!(card, before);
    card.take(&[late("c")], "d", &[]);
    assert_eq!(card.families["c"].eval, "d");
}

#[test]
fn a_change_of_anything_is_told() {
    let now = of(&[("kv_type", "q8_0"), ("new", "1")]);
    let then = Fingerprint { llama_cpp: "b0".to_owned(), ..of(&[("kv_type", "f16")]) };
    let expect =
        ["llama.cpp is b1, it was b0", "kv_type is q8_0, it was f16", "new is 1, it was not set"];
    assert_eq!(now.changes_since(&then), expect);
    let (off, on) = (of(&[("gates_off", "no_repeat")]), of(&[("gates_off", "")]));
    assert_eq!(off.changes_since(&on), ["gates_off is no_repeat, it was none"]);
    let other = Fingerprint { model: "sha256 2".to_owned(), template: None, ..of(&[]) };
    let expect = ["the model file is another one", "the chat template is another one"];
    assert_eq!(of(&[]).changes_since(&other), expect);
    let renamed = Fingerprint { name: "n".to_owned(), ..of(&[]) };
    assert!(of(&[]).changes_since(&renamed).is_empty(), "a name makes no other worker");
}

#[track_caller]
fn needs(scope: &str, rest: &str, expect: &[&str]) {
    let contract = Contract::parse(&format!("goal = 'x'\n{rest}[scope]\n{scope}")).unwrap();
    assert_eq!(needed(&contract, ["ask", "mine"].into_iter()), expect);
}

#[test]
fn what_a_job_needs_follows_from_its_contract() {
    needs("create = ['a']", "", &["create", "exact", "refuse", "ask", "mine"]);
    let writes = ["append", "replace", "set", "add"];
    needs("write = ['a']", "", &[&writes[..], &["refuse", "ask", "mine"]].concat());
    let several = [&writes[..], &["rename", "find", "refuse", "ask"]].concat();
    needs("write = ['a', 'b', 'c']", "", &[&several[..], &["mine"]].concat());
    needs("write = ['src/*']", "", &[&several[..], &["mine"]].concat());
    let wide = ["several", "function", "convention", "keep_out", "mine"];
    needs("write = ['a', 'b', 'c', 'd']", "", &[&several[..], &wide].concat());
    for place in ["src/**", "*/*", "src/{a,b}/x"] {
        needs(&format!("write = ['{place}']"), "", &[&several[..], &wide].concat());
    }
    let check = "check = [{ name = 'c', run = ['true'] }]\n";
    let mends = ["fix", "recover", "refuse", "ask", "mine"];
    // To let a file go takes no less than to change it, and to choose which no less than to find what is changed.
    needs("delete = ['a']", check, &[&writes[..], &mends].concat());
    let places = ["delete = ['*.txt']", "write = ['a']\ndelete = ['b']"];
    for place in places {
        needs(place, check, &[&several[..6], &mends].concat());
    }
}

#[track_caller]
fn narrowed(scope: &str, expect: Result<(Option<u32>, Option<u32>), &str>) {
    let mut file = Contract::parse(&format!("goal = 'x'\n[scope]\n{scope}")).unwrap().source;
    let before = file.clone();
    let found = narrow(&mut file).map_err(|err| err.to_string());
    assert_eq!(found.is_ok(), file != before);
    let found = found.map(|()| (file.scope.max_changed_files, file.scope.max_changed_lines));
    assert_eq!(found, expect.map_err(str::to_owned));
}

#[test]
fn without_a_card_little_may_change() {
    narrowed("write = ['**']", Ok((Some(3), Some(100))));
    narrowed(
        "write = ['a']\nmax_changed_files = 4\nmax_changed_lines = 101",
        Ok((Some(3), Some(100))),
    );
    narrowed("write = ['a']\nmax_changed_files = 1\nmax_changed_lines = 9", Ok((Some(1), Some(9))));
    // A line could be a book.
    let bytes = |own: &str| {
        let text = format!("goal = 'x'\n[scope]\nwrite = ['a']\n{own}");
        let mut file = Contract::parse(&text).unwrap().source;
        narrow(&mut file).unwrap();
        file.scope.max_changed_bytes
    };
    assert_eq!(bytes(""), Some(16 << 10));
    assert_eq!(bytes("max_changed_bytes = 16385"), Some(16 << 10));
    assert_eq!(bytes("max_changed_bytes = 7"), Some(7));
    narrowed("delete = ['a']", Err("the contract lets files go"));
    let sensitive = "the contract opens ci, which run later outside of the sandbox";
    narrowed("write = ['a']\nsensitive = ['ci']", Err(sensitive));
}

//! What the gates know: what was undone, which parts of a file were read, and what was said too often.

use chargehand_core::menu::Values;
use chargehand_core::tools::MAX_NOT;

use super::{CHECK, CONTRACT, CREATE, EDIT, FINISH, READ, one_of, play, world};
use crate::world::{World, contract};

#[test]
fn what_is_undone_is_no_change() {
    let back = r#"edit_file {"path":"a.txt","old":"1","new":"one"}"#;
    let nothing = "error: finish is not possible now: nothing was changed";
    let finish = |toml: &str, calls: &[&str]| play(&contract(toml), &mut world(), calls).0;
    let toml = "[scope]\nwrite = ['a.txt']\ncreate = ['new.txt']\ndelete = ['a.txt', 'new.txt']";
    assert_eq!(finish(toml, &[READ, EDIT, back, FINISH]), nothing);
    let drop_new = r#"delete_file {"path":"new.txt"}"#;
    assert_eq!(finish(toml, &[CREATE, drop_new, FINISH]), nothing);
    let (drop, restore) = (
        r#"delete_file {"path":"a.txt"}"#,
        r#"write_file {"path":"a.txt","content":"one\ntwo\n"}"#,
    );
    assert_eq!(finish(toml, &[drop, FINISH]), "Finished(\"done\")");
    assert_eq!(finish(toml, &[drop, restore]), "created a.txt (2 lines)");
    // What the base has comes back as a change, which `create` does not allow.
    let toml = "[scope]\ncreate = ['*.txt']\ndelete = ['a.txt']";
    let refused = "error: the contract does not let a.txt be created";
    assert_eq!(finish(toml, &[drop, restore]), refused);
    // A check that passed before does not count after any of it.
    let undone = [CREATE, CHECK, READ, EDIT, back, FINISH];
    let unchecked =
        "error: finish is not possible now: check `there` has not passed since the last change";
    assert_eq!(finish(CONTRACT, &undone), unchecked);
}

#[test]
fn a_long_file_is_edited_where_it_was_read() {
    let long: String = (1..=2000).map(|line| format!("line {line} of many\n")).collect();
    let mut world = World::new(&[("a.txt", &long)]);
    let contract = contract("[scope]\nwrite = ['a.txt']");
    let edit = |line: u32| {
        format!(r#"edit_file {{"path":"a.txt","old":"line {line} of many","new":"{line}"}}"#)
    };
    let (first, part) = (READ, r#"read_file {"path":"a.txt","start":1500}"#);
    let (_, menu) = play(&contract, &mut world, &[first]);
    let way = menu.entries_of("read_file").next().unwrap();
    assert_eq!(way.arguments[0].values, one_of(&["a.txt"]));
    let Values::Within(lines) = &way.arguments[1].values else { panic!("{way:?}") };
    assert!(matches!(lines[..], [(from, 2000)] if from > 500), "{lines:?}");
    let old = &menu.entries_of("edit_file").next().unwrap().arguments[1].values;
    for (text, is_seen) in [("line 400 of", true), ("line 1600 of", false), ("line", false)] {
        assert_eq!(old.admit(&text.into()), is_seen, "{text}");
    }
    let unread = "error: you have not read this part of a.txt";
    assert_eq!(play(&contract, &mut world, &[first, &edit(1600)]).0, unread);
    let seen = "error: you have read line 3 of a.txt";
    let again = r#"read_file {"path":"a.txt","start":3}"#;
    assert_eq!(play(&contract, &mut world, &[first, again]).0, seen);
    let replace = r#"write_file {"path":"a.txt","content":"x"}"#;
    let rest = "error: you have not read all of a.txt; edit a piece that you have read";
    assert_eq!(play(&contract, &mut world, &[first, replace]).0, rest);
    let (last, menu) = play(&contract, &mut world, &[part, &edit(1600), &edit(1601), &edit(3)]);
    assert_eq!(last, unread, "an edit leaves the rest as unread as it was");
    assert!(world.text("a.txt").contains("\n1600\n1601\nline 1602 of many\n"));
    assert!(menu.entries_of("write_file").next().is_none());
}

#[test]
fn what_a_worker_may_not_say_again_has_an_end() {
    let contract = contract("[scope]\nwrite = ['a.txt']\n[limits]\nreads = 100000");
    let calls: Vec<String> = (0..3000)
        .map(|at| format!(r#"search {{"text":"{at}{}"}}"#, "x".repeat(at % 100)))
        .collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    let (_, menu) = play(&contract, &mut world(), &calls);
    let not = &menu.entries_of("search").next().unwrap().not;
    let bytes: usize = not.iter().map(String::len).sum();
    assert!(bytes <= MAX_NOT && bytes > MAX_NOT - 200 && not.len() < 3000, "{bytes}");
    // What is left out is refused by the gate.
    let last = calls[99];
    let asked = "error: you asked exactly this before, and the answer is still the same";
    assert!(!not.contains(&last.split_once(' ').unwrap().1.to_owned()));
    let all: Vec<&str> = calls.iter().copied().chain([last]).collect();
    assert_eq!(play(&contract, &mut world(), &all).0, asked);
}

//! A worker that calls whatever is open, at random: it never finds everything shut, and nothing on a menu is refused
//! by a gate.

use chargehand_core::contract::{Contract, Gate};
use chargehand_core::menu::{Argument, Entry, Menu, Values, canonical};
use chargehand_core::ports::Environment;
use chargehand_core::state::{File, State};
use chargehand_core::tool::ToolCall;
use chargehand_core::tools::{self, MAX_OBSERVATION, Outcome};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::world::{Seen, World, contract};

/// A contract, a repository, and the dice for the way through it.
#[derive(Clone, Debug)]
struct Walk {
    toml: String,
    off: Vec<usize>,
    files: Vec<(&'static str, String)>,
    dice: Vec<u32>,
}

fn walks() -> impl Strategy<Value = Walk> {
    let lists = [
        "write = ['a', 'd/*']",
        "create = ['new', 'd/n']",
        "create = ['x/**', 'new']",
        "delete = ['a', 'b']",
    ];
    let scope = prop::sample::subsequence(lists.to_vec(), 1..=4)
        .prop_filter("one `create`", |lists| {
            lists.iter().filter(|list| list.starts_with("create")).count() < 2
        });
    let checks = prop::sample::subsequence(vec!["a", "new"], 0..=2);
    let toml = (scope, checks, 0_u32..5).prop_map(|(scope, checks, reads)| {
        let checks =
            checks.iter().map(|file| format!("[[check]]\nname = '{file}'\nrun = ['{file}']\n"));
        format!(
            "[scope]\n{}\n[limits]\nreads = {reads}\n{}",
            scope.join("\n"),
            checks.collect::<String>()
        )
    });
    let long = "a long line\n".repeat(MAX_OBSERVATION / 10);
    let text = prop::sample::select(vec![
        String::new(),
        "one\ntwo\ntwo\n".to_owned(),
        "aab".to_owned(),
        long,
    ]);
    let paths = prop::sample::subsequence(vec!["a", "b", "d/e", "d/f"], 0..=4);
    let files = (paths, prop::collection::vec(text, 4))
        .prop_map(|(paths, texts)| paths.into_iter().zip(texts).collect());
    let off = prop::sample::subsequence((0..Gate::ALL.len()).collect::<Vec<_>>(), 0..=3);
    let off = prop_oneof![2 => Just(Vec::new()), 1 => off];
    let dice = prop::collection::vec(any::<u32>(), 40..400);
    (toml, off, files, dice).prop_map(|(toml, off, files, dice)| Walk { toml, off, files, dice })
}

impl Walk {
    fn contract(&self) -> Contract {
        let off = self.off.iter().map(|at| format!("{} = false\n", Gate::ALL[*at].name()));
        contract(&format!("{}[gates]\n{}", self.toml, off.collect::<String>()))
    }
}

/// Chooses by what was thrown.
struct Dice<'d>(std::slice::Iter<'d, u32>);

impl Dice<'_> {
    fn below(&mut self, count: usize) -> usize {
        let thrown = self.0.next().copied().unwrap_or(0);
        thrown as usize % count.max(1)
    }

    fn pick<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.below(values.len())]
    }

    fn value(&mut self, values: &Values) -> Value {
        match values {
            Values::Text | Values::OtherThan(_) => {
                Value::from(*self.pick(&["", "one", "two", "new", "a", "d/e", "x/y", "../a"]))
            }
            Values::Natural => Value::from(self.below(3) + 1),
            Values::Within(ranges) => {
                let (low, high) = *self.pick(ranges);
                Value::from(*self.pick(&[low, high, u64::midpoint(low, high)]))
            }
            Values::OneOf(choices) => Value::from(self.pick(choices).as_str()),
            Values::PieceOf(text) => {
                let pieces: Vec<&str> = text
                    .split(['\n', ' '])
                    .filter(|piece| text.matches(piece).count() == 1)
                    .chain([""])
                    .collect();
                Value::from(*self.pick(&pieces))
            }
            Values::PieceIn(parts) => {
                let lines = parts.text().split_inclusive("line\n").collect::<Vec<_>>();
                let pieces = lines.windows(2).map(|pair| pair.concat());
                let pieces = pieces.filter(|piece| parts.shows(piece));
                let pieces: Vec<String> = pieces.chain([String::new()]).collect();
                Value::from(self.pick(&pieces).as_str())
            }
        }
    }

    /// Says something that the entry allows, but for what it excludes.
    fn say(&mut self, entry: &Entry) -> ToolCall {
        let mut arguments = Map::new();
        for Argument { name, values, optional } in &entry.arguments {
            if !optional || self.below(2) == 0 {
                arguments.insert((*name).to_owned(), self.value(values));
            }
        }
        let names = entry.arguments.iter().map(|argument| argument.name);
        ToolCall::new(entry.tool, &canonical(names, &arguments)).unwrap()
    }
}

fn is_refused(text: &str) -> bool {
    let words = [
        "not possible now",
        "exactly this",
        "you know all",
        "was run since",
        "read it before",
        "reading calls",
        "you have read",
        "you have not read",
    ];
    text.starts_with("error: ") && words.iter().any(|word| text.contains(word))
}

/// What may change can be reached: it is known and can be edited, or it can be read.
fn is_reachable(file: &File, menu: &Menu) -> bool {
    let about = |tool: &str| {
        menu.entries_of(tool).any(|entry| match &entry.arguments[0].values {
            Values::OneOf(paths) => paths.iter().any(|known| known == file.path.as_str()),
            Values::Text => true,
            Values::Natural
            | Values::Within(_)
            | Values::PieceOf(_)
            | Values::PieceIn(_)
            | Values::OtherThan(_) => false,
        })
    };
    !file.may_change || about("edit_file") || about("read_file")
}

fn walk(walk: &Walk) {
    let contract = walk.contract();
    let files: Vec<(&str, &str)> =
        walk.files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let mut world = World::new(&files);
    let mut state = State::new(&contract, world.files().unwrap(), &[]);
    let mut dice = Dice(walk.dice.iter());
    // Where any text may be said, only the call itself shows what a gate makes of it.
    let listed = [Gate::ListedValues, Gate::UniquePiece].map(|gate| contract.gates.is_on(gate));
    let spelt_out = listed == [true; 2] && !contract.scope.creates_freely();
    while dice.0.len() > 0 {
        let menu = tools::menu(&state);
        assert!(menu.entries_of("ask").next().is_some(), "{:?}", menu.gates);
        for file in state.files() {
            assert!(is_reachable(file, &menu), "{}: {:?}", file.path, menu.gates);
        }
        let entry = dice.pick(&menu.entries).clone();
        let call = dice.say(&entry);
        let is_on = entry.admits(&call.arguments);
        assert_eq!(is_on, !entry.not.contains(&call.written), "{entry:?} {call:?}");
        match tools::run(&call, &mut state, &mut world, &mut Seen::default()).unwrap() {
            Outcome::Observed(seen) if is_on && spelt_out => {
                assert!(!is_refused(&seen.text), "{call:?} was on the menu: {}", seen.text);
            }
            Outcome::Observed(seen) => {
                assert!(is_on || is_refused(&seen.text), "{call:?}: {}", seen.text);
            }
            Outcome::Stopped(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_worker_that_calls_anything_always_has_a_call(steps in walks()) {
        walk(&steps);
    }
}

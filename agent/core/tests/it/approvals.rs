//! Commands that the contract does not have: run where somebody approves of them, and nowhere else.

use chargehand_core::agent::{self, Start};
use chargehand_core::contract::Check;
use chargehand_core::event::{Approval, Event};
use chargehand_core::evidence::CheckRun;
use chargehand_core::mask::Secrets;
use chargehand_core::ports::{EnvError, Environment, Stop, Watch};
use chargehand_core::rel_path::RelPath;
use chargehand_core::report;
use chargehand_core::script::Script;
use serde_json::json;

use crate::world::{Seen, World, contract};

fn refusal(event: &Event) -> Option<&str> {
    match event {
        Event::Observed { observation, .. } if !observation.ok => Some(&observation.text),
        _ => None,
    }
}

/// Approves of what is on the list.
struct Owner(Seen, &'static [&'static str]);

impl Watch for Owner {
    fn see(&mut self, event: &Event) {
        self.0.see(event);
    }

    fn stop(&mut self) -> Option<Stop> {
        None
    }

    fn approve(&mut self, command: &[String]) -> Approval {
        if command == self.1 { Approval::Once } else { Approval::Denied }
    }
}

/// Runs what was approved.
struct Shop(World, Vec<Vec<String>>);

impl Environment for Shop {
    fn files(&self) -> Result<Vec<RelPath>, EnvError> {
        self.0.files()
    }
    fn read(&self, path: &RelPath) -> Result<Vec<u8>, EnvError> {
        self.0.read(path)
    }
    fn write(&mut self, path: &RelPath, content: &[u8]) -> Result<(), EnvError> {
        self.0.write(path, content)
    }
    fn delete(&mut self, path: &RelPath) -> Result<(), EnvError> {
        self.0.delete(path)
    }
    fn run_check(&mut self, check: &Check) -> Result<CheckRun, EnvError> {
        self.0.run_check(check)
    }
    fn run_approved(&mut self, command: &Check) -> Result<CheckRun, EnvError> {
        self.1.push(command.run.clone());
        self.0.run_check(command)
    }
}

#[test]
fn a_command_is_asked_about_only_where_all_of_it_is_shown() {
    let call =
        |text: &str| json!({ "tool": "run_command", "args": { "command": text } }).to_string();
    let script = [
        call("echo hun'ter2-hunter2'"),
        call("echo two' 'words"),
        call(&format!("a {}", "x".repeat(1194))),
        call(&format!("a{}", " ''".repeat(399))),
        call(&format!("a {}", "\u{1}".repeat(240))),
        call(&format!("a {}", "x".repeat(1193))),
    ]
    .join("\n");
    let secrets = [("TOKEN", "hunter2-hunter2"), ("PHRASE", "two words")];
    let secrets = Secrets::new(secrets.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut world = World { secrets, ..World::new(&[("a", "")]) };
    let mut owner = Owner(Seen::default(), &[]);
    let start = Start { attended: true, ..Start::default() };
    let mut model = Script::parse(&script).unwrap();
    agent::run(&contract("[scope]\nwrite = ['a']"), &mut model, &mut world, &mut owner, start)
        .unwrap();
    let asked = report::approvals(&owner.0.events);
    assert_eq!((asked.len(), asked[0].command[1].len()), (1, 1193), "{asked:?}");
}

#[test]
fn a_command_runs_only_where_somebody_approves_of_it() {
    let call = |text: &str| format!(r#"{{"tool":"run_command","args":{{"command":"{text}"}}}}"#);
    let script = [call("a 'b c'"), call("a b c"), call("''"), call("a 'b"), call(" ")].join("\n");
    for attended in [true, false] {
        let (mut shop, mut owner) =
            (Shop(World::new(&[("a", "")]), Vec::new()), Owner(Seen::default(), &["a", "b c"]));
        let start = Start { attended, ..Start::default() };
        let mut model = Script::parse(&script).unwrap();
        let contract = contract("[scope]\nwrite = ['a']");
        agent::run(&contract, &mut model, &mut shop, &mut owner, start).unwrap();
        let refused: Vec<&str> = owner.0.events.iter().filter_map(refusal).collect();
        let asked = report::approvals(&owner.0.events);
        if attended {
            assert_eq!(shop.1, [["a", "b c"]]);
            assert_eq!(refused[0], "error: the user does not want this command to run");
            assert_eq!((refused.len(), asked.len()), (4, 2));
            assert_eq!((asked[0].approval, asked[1].approval), (Approval::Once, Approval::Denied));
        } else {
            assert!(shop.1.is_empty() && asked.is_empty());
            assert!(refused[0].starts_with("error: there is no tool `run_command`"));
        }
    }
}

//! The loop: limits, malformed answers, interruption.

use chargehand_core::agent::{self, Start};
use chargehand_core::change::{Change, ChangeKind};
use chargehand_core::contract::Gate;
use chargehand_core::event::Event;
use chargehand_core::mask::Secrets;
use chargehand_core::ports::{Answer, Model, ModelError, Reply, Request, Stop, Usage, Watch};
use chargehand_core::script::Script;
use chargehand_core::tool::{Observation, ToolCall};
use chargehand_core::transcript::Message;

use crate::world::{Seen, World, contract};

const CONTRACT: &str = "[scope]\ncreate = ['n']\n[limits]\nturns = 3\ntokens = 100\n";
const CREATE: &str = r#"{"tool":"write_file","args":{"path":"n","content":"x"}}"#;
const FINISH: &str = r#"{"tool":"finish","args":{"summary":"done"}}"#;

#[track_caller]
fn check(script: &[&str], expect: &Stop) -> Seen {
    let mut seen = Seen::default();
    let mut model = Script::parse(&script.join("\n")).unwrap();
    let run = agent::run(
        &contract(CONTRACT),
        &mut model,
        &mut World::default(),
        &mut seen,
        Start::default(),
    )
    .unwrap();
    assert_eq!(run.stop, *expect);
    seen
}

#[test]
fn a_worker_finishes() {
    let seen = check(&[CREATE, FINISH], &Stop::Finished("done".to_owned()));
    let kinds: Vec<&str> = seen
        .events
        .iter()
        .map(|event| match event {
            Event::TurnStarted { .. } => "turn",
            Event::Called { .. } => "called",
            Event::Observed { .. } => "observed",
            Event::Stopped { .. } => "stopped",
            Event::Tokens { .. }
            | Event::Reasoned { .. }
            | Event::Malformed { .. }
            | Event::Checked { .. }
            | Event::PhaseStarted { .. }
            | Event::Reviewed { .. }
            | Event::Proposed { .. }
            | Event::WorkerRestarted { .. }
            | Event::ModelChanged(_)
            | Event::MemoryWarned { .. } => "other",
        })
        .collect();
    assert_eq!(kinds, ["turn", "called", "observed", "turn", "called", "stopped"]);
}

#[test]
fn a_turn_says_what_is_shut_and_why() {
    let seen = check(&[CREATE, FINISH], &Stop::Finished("done".to_owned()));
    let finish = |event: &Event| {
        let Event::TurnStarted { tools, gates, .. } = event else { return None };
        let shut = gates.iter().find(|shut| shut.tool == "finish");
        Some((tools.contains(&"finish".to_owned()), shut.map(|shut| shut.gate)))
    };
    let finish: Vec<_> = seen.events.iter().filter_map(finish).collect();
    assert_eq!(finish, [(false, Some(Gate::FinishAfterChange)), (true, None)]);
}

#[test]
fn a_script_ends() {
    check(&[CREATE], &Stop::ScriptEnded);
    check(&[], &Stop::ScriptEnded);
}

#[test]
fn turns_are_limited() {
    let list = r#"{"tool":"list_dir","args":{"path":"."}}"#;
    check(&[list, list], &Stop::ScriptEnded);
    check(&[list, list, FINISH], &Stop::TurnLimit(3));
}

#[test]
fn a_bad_script_names_its_line() {
    let err = Script::parse(&format!("{CREATE}\n\n{{\"tool\":1}}")).expect_err("it is bad");
    assert!(err.to_string().starts_with("line 3 of the script is no call"), "{err}");
}

/// Says one thing for ever.
struct Parrot(fn() -> Answer, u64);

impl Model for Parrot {
    fn next_call(&mut self, _: &Request<'_>, _: &mut dyn Watch) -> Result<Reply, ModelError> {
        Ok(Reply {
            reasoning: None,
            answer: (self.0)(),
            usage: Usage { predicted_n: self.1, ..Usage::default() },
        })
    }
}

fn prose() -> Answer {
    Answer::Malformed {
        text: "I am done.".to_owned(),
        reason: "the text is not a tool call".to_owned(),
    }
}

#[track_caller]
fn parrot(model: &mut dyn Model, expect: &Stop) -> Vec<Message> {
    let contract = contract(&CONTRACT.replace("turns = 3", "turns = 30"));
    let run =
        agent::run(&contract, model, &mut World::default(), &mut Seen::default(), Start::default())
            .unwrap();
    assert_eq!(run.stop, *expect);
    run.transcript
}

#[test]
fn prose_reaches_no_tool_and_ends_no_run_as_success() {
    let stop = Stop::WorkerFailed("3 answers in a row were no call".to_owned());
    let transcript = parrot(&mut Parrot(prose, 1), &stop);
    assert_eq!(transcript.len(), 2 + 3 * 2);
    let Some(Message::Observed(last)) = transcript.last() else { panic!("{transcript:?}") };
    assert_eq!(last.text, "error: the text is not a tool call");
}

#[test]
fn tokens_are_limited() {
    parrot(&mut Parrot(prose, 50), &Stop::TokenLimit(100));
    parrot(
        &mut Parrot(prose, 49),
        &Stop::WorkerFailed("3 answers in a row were no call".to_owned()),
    );
}

/// Costs this much, turn by turn, and takes note of how much it might have cost.
struct Spender(Vec<u64>, Vec<u32>);

impl Model for Spender {
    fn next_call(&mut self, ask: &Request<'_>, _: &mut dyn Watch) -> Result<Reply, ModelError> {
        self.1.push(ask.max_tokens);
        let usage = Usage { predicted_n: self.0[self.1.len() - 1], ..Usage::default() };
        Ok(Reply { reasoning: None, answer: prose(), usage })
    }
}

#[test]
fn a_turn_may_cost_what_is_left() {
    let mut model = Spender(vec![60, 40], Vec::new());
    parrot(&mut model, &Stop::TokenLimit(100));
    assert_eq!(model.1, [100, 40]);
}

#[test]
fn a_count_without_bounds_is_a_count_beyond_the_limit() {
    parrot(&mut Spender(vec![99, u64::MAX], Vec::new()), &Stop::TokenLimit(100));
}

#[test]
fn a_secret_in_a_call_reaches_nothing() {
    let secrets = || [("TOKEN".to_owned(), "hunter2-hunter2".to_owned())];
    let calls = [
        r#"{"tool":"write_file","args":{"path":"n","content":"a = hunter2-hunter2"}}"#,
        // Written with an escape it is the same.
        r#"{"tool":"write_file","args":{"path":"n","content":"\u0068unter2-hunter2"}}"#,
        CREATE,
    ];
    let mut model = Script::parse(&calls.join("\n")).unwrap();
    let mut world = World { secrets: Secrets::new(secrets()), ..World::default() };
    let mut seen = Seen::default();
    let run = agent::run(&contract(CONTRACT), &mut model, &mut world, &mut seen, Start::default());
    let run = run.unwrap();
    assert_eq!((run.stop, world.text("n").as_str()), (Stop::TurnLimit(3), "x\n"));
    let told = format!("{:?}{:?}", seen.events, run.transcript);
    assert!(!told.contains("hunter2"), "{told}");
    let refused = |event: &&Event| matches!(event, Event::Malformed { text, .. } if text.contains("[secret TOKEN]"));
    assert_eq!(seen.events.iter().filter(refused).count(), 2, "{told}");
}

/// Cannot answer.
struct Mute(fn() -> ModelError);

impl Model for Mute {
    fn next_call(&mut self, _: &Request<'_>, _: &mut dyn Watch) -> Result<Reply, ModelError> {
        Err((self.0)())
    }
}

#[test]
fn a_dead_worker_is_no_error_of_ours() {
    let mut dead = Mute(|| ModelError::Ended("signal 9".to_owned()));
    parrot(&mut dead, &Stop::WorkerFailed("the worker process ended: signal 9".to_owned()));
}

#[test]
fn a_full_context_is_a_limit() {
    parrot(&mut Mute(|| ModelError::Full(512)), &Stop::ContextLimit(512));
}

#[test]
fn a_system_that_fails_the_workspace_ends_the_run() {
    let mut model = Script::parse(CREATE).unwrap();
    let mut world = World { full: true, ..World::default() };
    let mut seen = Seen::default();
    let run = agent::run(&contract(CONTRACT), &mut model, &mut world, &mut seen, Start::default());
    assert_eq!(run.unwrap_err().to_string(), "cannot write n: no storage space");
    assert!(matches!(seen.events.last(), Some(Event::Called { .. })), "{:?}", seen.events);
}

#[test]
fn the_watch_can_stop_a_run() {
    let mut seen = Seen { stop: Some(Stop::Interrupted), ..Seen::default() };
    let mut model = Script::parse(CREATE).unwrap();
    let mut world = World::default();
    let run = agent::run(&contract(CONTRACT), &mut model, &mut world, &mut seen, Start::default())
        .unwrap();
    assert_eq!((run.stop, run.spent.turns), (Stop::Interrupted, 0));
    assert!(world.files.is_empty());
}

#[test]
fn a_run_that_is_resumed_may_finish_what_is_there() {
    let finish = r#"{"tool":"finish","args":{"summary":"done"}}"#;
    let change = Change {
        path: "a".to_owned(),
        kind: ChangeKind::Modified,
        regular: true,
        added: 1,
        removed: 1,
        bytes: 4,
    };
    for (changes, stop) in
        [(&[change][..], Stop::Finished("done".to_owned())), (&[], Stop::ScriptEnded)]
    {
        let (mut model, mut world) = (Script::parse(finish).unwrap(), World::new(&[("a", "x")]));
        let start = Start { changes, ..Start::default() };
        let contract = contract("[scope]\nwrite = ['a']");
        let run =
            agent::run(&contract, &mut model, &mut world, &mut Seen::default(), start).unwrap();
        assert_eq!(run.stop, stop);
    }
}

#[test]
fn lines_are_not_added_again_after_a_cut() {
    let calls = r#"{"tool":"read_file","args":{"path":"a"}}
        {"tool":"edit_file","args":{"path":"a","old":"","new":"x"}}
        {"tool":"edit_file","args":{"path":"a","old":"","new":"y"}}
        {"tool":"edit_file","args":{"path":"a","old":"","new":"y"}}"#;
    let change = Change {
        path: "a".to_owned(),
        kind: ChangeKind::Modified,
        regular: true,
        added: 1,
        removed: 0,
        bytes: 4,
    };
    let contract = contract("[scope]\nwrite = ['a']");
    // The second time its worker knows what it does.
    for (changes, expect) in [(&[change][..], "1\nx\ny\ny\n"), (&[], "1\nx\nx\ny\ny\n")] {
        let (mut model, mut world) =
            (Script::parse(calls).unwrap(), World::new(&[("a", "1\nx\n")]));
        let start = Start { changes, ..Start::default() };
        agent::run(&contract, &mut model, &mut world, &mut Seen::default(), start).unwrap();
        assert_eq!(world.files["a"], expect.as_bytes());
    }
}

#[test]
fn the_opening_is_short_and_says_what_counts() {
    let world = World::new(&[("a", ""), ("b/c", "")]);
    let contract = contract(
        "[scope]\nwrite = ['a']\ncreate = ['n']\n[[check]]\nname = 't'\nrun = ['make', 'test']",
    );
    let mut seen = Seen::default();
    let mut env = world;
    let run = agent::run(
        &contract,
        &mut Script::parse("").unwrap(),
        &mut env,
        &mut seen,
        Start { instructions: Some("Use tabs.\n"), ..Start::default() },
    )
    .unwrap();
    let [Message::System(system), Message::User(job)] = run.transcript.as_slice() else { panic!() };
    assert!(system.ends_with("The repository says (AGENTS.md):\nUse tabs."), "{system}");
    assert_eq!(job, "Task: g\nMay change: a\nMay create: n\nChecks: t (make test)\nFiles:\na\nb/c");
}

#[test]
fn what_a_repository_tells_agents_is_spelt_out() {
    let told = Start { instructions: Some("be kind\u{e0041}"), ..Start::default() };
    let (mut seen, mut model) = (Seen::default(), Script::parse(FINISH).unwrap());
    let contract = contract(CONTRACT);
    let run = agent::run(&contract, &mut model, &mut World::default(), &mut seen, told).unwrap();
    let Message::System(text) = &run.transcript[0] else { panic!("{:?}", run.transcript[0]) };
    assert!(text.contains("be kind") && !text.contains('\u{e0041}'), "{text}");
}

/// Keeps what it was asked with, and says nothing.
#[derive(Default)]
struct Listener(Vec<Message>);

impl Model for Listener {
    fn next_call(&mut self, ask: &Request<'_>, _: &mut dyn Watch) -> Result<Reply, ModelError> {
        self.0 = ask.messages[2..].to_vec();
        Ok(Reply { reasoning: None, answer: Answer::Nothing, usage: Usage::default() })
    }
}

/// Returns what a worker is told behind the opening, after these events.
fn told(earlier: &[Event]) -> Vec<String> {
    let mut model = Listener::default();
    let start = Start { earlier, ..Start::default() };
    let (contract, mut world) = (contract(CONTRACT), World::default());
    agent::run(&contract, &mut model, &mut world, &mut Seen::default(), start).unwrap();
    let words = |message: &Message| match message {
        Message::System(text) | Message::User(text) => text.clone(),
        Message::Reasoned(text) => format!("thought {text}"),
        Message::Malformed(text) => format!("said {text}"),
        Message::Call(call) => format!("call {}", call.name),
        Message::Observed(seen) => format!("{} {}", seen.ok, seen.text),
    };
    model.0.iter().map(words).collect()
}

#[test]
fn a_worker_goes_on_behind_what_was_said() {
    let turn = |turn| Event::TurnStarted { turn, tools: vec![], gates: vec![] };
    let call = |turn, name: &str| {
        let call = ToolCall {
            name: name.to_owned(),
            arguments: serde_json::Map::new(),
            written: String::new(),
        };
        Event::Called { turn, call, usage: Usage::default() }
    };
    let seen = |turn, text: &str| Event::Observed { turn, observation: Observation::done(text) };
    let thought = |turn| Event::Reasoned { turn, text: "hm".to_owned() };
    let stopped = || Event::Stopped { stop: Stop::Interrupted };
    let read = [turn(1), thought(1), call(1, "read_file"), seen(1, "x")];
    let said = ["call read_file", "true x"];
    assert_eq!(told(&read), said);
    // What was cut off is asked for again: a thought, a check, a word that it is done.
    for cut in [vec![thought(2)], vec![call(2, "run_check")], vec![thought(2), call(2, "finish")]] {
        let events = [&read[..], &[turn(2)], &cut, &[stopped()]].concat();
        assert_eq!(told(&events), said, "{cut:?}");
        assert_eq!(told(&events[..events.len() - 1]), said, "{cut:?}");
    }
    // A change may have been made although nobody saw the answer.
    let cut = "false error: the run was cut off here; read the file to see whether it was done";
    let events = [&read[..], &[turn(2), call(2, "edit_file"), turn(3), call(3, "search")]].concat();
    assert_eq!(told(&events), [&said[..], &["call edit_file", cut]].concat());
    // What filled a context is not said again.
    let full = Event::Stopped { stop: Stop::ContextLimit(512) };
    let events = [&read[..], &[turn(2), call(2, "edit_file"), full]].concat();
    assert_eq!(told(&events), [""; 0]);
    assert_eq!(told(&[&events[..], &read].concat()), said);
    let reason = "no call".to_owned();
    let text = "prose".to_owned();
    let prose = Event::Malformed { turn: 1, text, reason, usage: Usage::default() };
    assert_eq!(told(&[turn(1), prose, seen(1, "no")]), ["said prose", "true no"]);
}

#[test]
fn a_check_that_ends_with_the_run_is_no_result() {
    let contract = contract("[scope]\nwrite = ['a']\n[[check]]\nname = 't'\nrun = ['t']");
    let check = r#"{"tool":"run_check","args":{"name":"t"}}"#;
    let mut model = Script::parse(check).unwrap();
    let mut watch = AfterOne(Seen::default(), 0);
    let run = agent::run(
        &contract,
        &mut model,
        &mut World::new(&[("a", "x")]),
        &mut watch,
        Start::default(),
    )
    .unwrap();
    assert_eq!(run.stop, Stop::Interrupted);
    let told = |event: &Event| matches!(event, Event::Observed { .. } | Event::Checked { .. });
    assert!(!watch.0.events.iter().any(told), "{:?}", watch.0.events);
}

/// Says stop from the second time on that it is asked.
struct AfterOne(Seen, u32);

impl Watch for AfterOne {
    fn see(&mut self, event: &Event) {
        self.0.see(event);
    }

    fn stop(&mut self) -> Option<Stop> {
        self.1 += 1;
        (self.1 > 1).then_some(Stop::Interrupted)
    }
}

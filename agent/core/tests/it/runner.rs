//! A job in its phases: who is asked what, when work is sent back, and when it is not.

use std::collections::BTreeMap;

use chargehand_core::change::{Change, ChangeKind};
use chargehand_core::contract::Contract;
use chargehand_core::event::Event;
use chargehand_core::evidence::Evidence;
use chargehand_core::phase::Phase;
use chargehand_core::ports::{
    Answer, EnvError, Environment, Model, ModelError, Reply, Request, Stop, Watch,
};
use chargehand_core::prompt;
use chargehand_core::report::{self, Outcome};
use chargehand_core::runner::{self, Begin, Entry, Measured, Site};
use chargehand_core::script::Script;
use chargehand_core::transcript::Message;

use crate::world::{Seen, World, contract};

const CONTRACT: &str = "[scope]\nwrite = ['a']\ncreate = ['n']\n[review]\ncriteria = ['it is `two`', 'it is short']\nrounds = 1";
const READ: &str = r#"{"tool":"read_file","args":{"path":"a"}}"#;
const TWO: &str = r#"{"tool":"write_file","args":{"path":"a","content":"two"}}"#;
const FINISH: &str = r#"{"tool":"finish","args":{"summary":"done"}}"#;
const END: &str = r#"{"tool":"end_review","args":{"summary":"seen"}}"#;
const ASK: &str =
    r#"{"tool":"request_change","args":{"path":"a","line":1,"what":"write it in capitals"}}"#;

fn answer(number: u32, met: &str) -> String {
    format!(
        r#"{{"tool":"answer","args":{{"criterion":"{number}","met":"{met}","evidence":"change:modified:a","why":"w"}}}}"#
    )
}

/// A workspace whose changes are counted against what it began with.
struct Desk {
    world: World,
    base: BTreeMap<String, Vec<u8>>,
    measured: u32,
}

impl Desk {
    fn new() -> Self {
        let world = World::new(&[("a", "one\n"), ("b", "\n")]);
        Self { base: world.files.clone(), world, measured: 0 }
    }
}

impl Site for Desk {
    type Error = EnvError;

    fn workspace(&mut self) -> &mut dyn Environment {
        &mut self.world
    }

    fn measure(&mut self, _: &mut dyn Watch) -> Result<Measured, EnvError> {
        self.measured += 1;
        let changed = self
            .world
            .files
            .iter()
            .filter(|(path, now)| self.base.get(*path).is_none_or(|then| then != *now));
        let change = |(path, _): (&String, _)| Change {
            path: path.clone(),
            kind: ChangeKind::Modified,
            regular: true,
            added: 1,
            removed: 1,
            bytes: 8,
        };
        let evidence = Evidence { changes: changed.map(change).collect(), ..Evidence::default() };
        Ok(Measured { evidence, patch: "-one\n+two\n".to_owned() })
    }
}

fn phases(events: &[Event]) -> Vec<(Phase, u32)> {
    let phase = |event: &Event| match event {
        Event::PhaseStarted { phase, round, .. } => Some((*phase, *round)),
        _ => None,
    };
    events.iter().filter_map(phase).collect()
}

/// Plays `script`, and returns why it ended, what happened and what was measured how often.
fn play(contract: &Contract, script: &[&str], begin: Begin) -> (Stop, Seen, Desk) {
    let (mut seen, mut desk) = (Seen::default(), Desk::new());
    let mut model = Script::parse(&script.join("\n")).unwrap();
    let stop = runner::run(contract, &mut model, &mut desk, &mut seen, begin).unwrap();
    (stop, seen, desk)
}

#[track_caller]
fn check(script: &[&str], expect: &Stop, in_phases: &[(Phase, u32)], outcome: Outcome) -> Seen {
    let contract = contract(CONTRACT);
    let (stop, seen, _) = play(&contract, script, Begin::default());
    assert_eq!(stop, *expect, "{:#?}", seen.events);
    assert_eq!(phases(&seen.events), in_phases);
    assert_eq!(report::reviewed(&contract, &seen.events).unwrap().outcome, outcome);
    seen
}

fn done() -> Stop {
    Stop::Finished("done".to_owned())
}

const ONCE: [(Phase, u32); 3] = [(Phase::Implement, 0), (Phase::Check, 0), (Phase::Review, 0)];
const TWICE: [(Phase, u32); 6] = [
    (Phase::Implement, 0),
    (Phase::Check, 0),
    (Phase::Review, 0),
    (Phase::Fix, 1),
    (Phase::Check, 1),
    (Phase::Review, 1),
];

#[test]
fn without_a_review_there_is_one_phase_of_work() {
    let contract = contract("[scope]\nwrite = ['a']");
    let (stop, seen, desk) = play(&contract, &[READ, TWO, FINISH], Begin::default());
    assert_eq!((stop, desk.measured), (done(), 0));
    assert_eq!(phases(&seen.events), [(Phase::Implement, 0)]);
    assert_eq!(report::reviewed(&contract, &seen.events), None);
}

#[test]
fn work_that_a_review_approves_of_is_done() {
    let (one, two) = (answer(1, "yes"), answer(2, "yes"));
    check(&[READ, TWO, FINISH, &one, &two, END], &done(), &ONCE, Outcome::Approved);
}

#[test]
fn a_criterion_that_is_not_met_sends_work_back() {
    let (yes, no, two) = (answer(1, "yes"), answer(1, "no"), answer(2, "yes"));
    let first = [READ, TWO, FINISH, &no, &two, END];
    let fix = [FINISH, &yes, &two, END];
    let seen = check(&[&first[..], &fix].concat(), &done(), &TWICE, Outcome::Approved);
    let fixes = seen.events.iter().find_map(|event| match event {
        Event::PhaseStarted { phase: Phase::Fix, fixes, .. } => Some(fixes.clone()),
        _ => None,
    });
    assert_eq!(fixes.unwrap(), ["criterion `it is `two`` is not met: w"]);
}

#[test]
fn rounds_are_bounded_and_an_open_review_says_so() {
    let (one, two) = (answer(1, "yes"), answer(2, "yes"));
    let wanting = [ASK, &one, &two, END];
    let script = [&[READ, TWO, FINISH][..], &wanting, &[FINISH], &wanting].concat();
    let seen = check(&script, &Stop::RoundLimit(1), &TWICE, Outcome::Open);
    // The limit is granted anew, and the work goes back with what was wanted last.
    let entry = Entry::behind(&contract(CONTRACT), &seen.events);
    let fixes = vec!["a:1: write it in capitals".to_owned()];
    assert_eq!(entry, Entry::Work { round: 2, fixes });
}

#[test]
fn no_criterion_is_skipped() {
    let (one, two) = (answer(1, "yes"), answer(2, "yes"));
    let seen =
        check(&[READ, TWO, FINISH, END, &one, END, &two, END], &done(), &ONCE, Outcome::Approved);
    let refused: Vec<&str> = seen.events.iter().filter_map(refusal).collect();
    assert_eq!(refused, ["error: criterion 1 has no answer", "error: criterion 2 has no answer"]);
}

fn refusal(event: &Event) -> Option<&str> {
    match event {
        Event::Observed { observation, .. } if !observation.ok => Some(&observation.text),
        _ => None,
    }
}

#[test]
fn a_change_is_requested_once() {
    let (one, two) = (answer(1, "yes"), answer(2, "yes"));
    let again = ASK.replace("capitals", "capitals ");
    let script = [READ, TWO, FINISH, ASK, &again, ASK, &one, &two, END];
    let text = CONTRACT.replace("rounds = 1", "rounds = 0");
    let (_, seen, _) = play(&contract(&text), &script, Begin::default());
    let opinion = seen.events.iter().find_map(|event| match event {
        Event::Reviewed { opinion, .. } => Some(opinion.clone()),
        _ => None,
    });
    assert_eq!(opinion.unwrap().findings.len(), 1);
    let refused: Vec<&str> = seen.events.iter().filter_map(refusal).collect();
    assert_eq!(refused, ["error: you did exactly this before, and nothing has changed since"]);
}

#[test]
fn what_a_review_says_must_be_there() {
    let (one, two) = (answer(1, "yes"), answer(2, "yes"));
    let wrong = [
        answer(3, "yes"),
        answer(1, "maybe"),
        answer(1, "yes").replace("modified:a", "modified:b"),
        ASK.replace("\"a\"", "\"b\""),
        ASK.replace("write it in capitals", " "),
    ];
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let script = [&[READ, TWO, FINISH][..], &wrong, &[&one, &one, &two, END]].concat();
    let seen = check(&script, &done(), &ONCE, Outcome::Approved);
    let refused: Vec<&str> = seen.events.iter().filter_map(refusal).collect();
    assert_eq!(
        refused,
        [
            "error: there is no criterion `3`",
            "error: `met` is `yes` or `no`, not `maybe`",
            "error: there is no evidence `change:modified:b`",
            "error: the contract does not let b change",
            "error: say what must be different",
            "error: criterion 1 has its answer",
        ]
    );
}

#[test]
fn a_review_changes_nothing_and_work_reviews_nothing() {
    let (one, two) = (answer(1, "yes"), answer(2, "yes"));
    let script = [READ, END, &one, TWO, FINISH, TWO, FINISH, &one, &two, END];
    let seen = check(&script, &done(), &ONCE, Outcome::Approved);
    let refused: Vec<&str> = seen.events.iter().filter_map(refusal).collect();
    let tools = "there are list_dir, read_file, search, write_file, edit_file, finish, ask";
    let desk = "there are list_dir, read_file, search, answer, request_change, end_review";
    assert_eq!(
        refused,
        [
            format!("error: there is no tool `end_review`; {tools}"),
            format!("error: there is no tool `answer`; {tools}"),
            format!("error: there is no tool `write_file`; {desk}"),
            format!("error: there is no tool `finish`; {desk}"),
        ]
    );
}

#[test]
fn work_that_breaks_its_contract_is_sent_back_before_it_is_reviewed() {
    let contract = contract(
        "[scope]\nwrite = ['a']\nmax_changed_lines = 1\n[review]\nrounds = 1\n[gates]\nfinish_after_change = false",
    );
    let (stop, seen, _) = play(&contract, &[READ, TWO, FINISH, FINISH], Begin::default());
    assert_eq!(stop, done(), "no limit hides that the contract is broken");
    let expect = [(Phase::Implement, 0), (Phase::Check, 0), (Phase::Fix, 1), (Phase::Check, 1)];
    assert_eq!(phases(&seen.events), expect);
}

#[test]
fn an_approval_makes_nothing_good() {
    // All that a reviewer can say, in a run whose work is bad: it is not even asked.
    let contract = contract("[scope]\nwrite = ['a']\nmax_changed_lines = 1\n[review]\nrounds = 0");
    let (_, seen, _) = play(&contract, &[READ, TWO, FINISH, END], Begin::default());
    assert!(!phases(&seen.events).contains(&(Phase::Review, 0)));
    assert_eq!(report::reviewed(&contract, &seen.events).unwrap().outcome, Outcome::Open);
}

#[test]
fn limits_are_counted_over_all_phases() {
    let text = CONTRACT.replace("rounds = 1", "rounds = 1\n[limits]\nturns = 4");
    let (one, two) = (answer(1, "yes"), answer(2, "yes"));
    let script = [READ, TWO, FINISH, &one, &two, END];
    let (stop, seen, _) = play(&contract(&text), &script, Begin::default());
    assert_eq!(stop, Stop::TurnLimit(4));
    assert_eq!(
        Entry::behind(&contract(&text), &seen.events),
        Entry::Check { round: 0, claim: "done".to_owned() }
    );
}

#[test]
fn a_run_goes_on_where_it_was() {
    let contract = contract(CONTRACT);
    let (one, two) = (answer(1, "yes"), answer(2, "yes"));
    let at = |events: &[Event]| Entry::behind(&contract, events);
    let (_, seen, _) = play(&contract, &[READ, TWO, FINISH, &one], Begin::default());
    // Cut at every event: before the work is called done it goes on, afterwards it is not done again.
    let finished = seen
        .events
        .iter()
        .position(|event| matches!(event, Event::Stopped { stop: Stop::Finished(_) }));
    for length in 0..=seen.events.len() {
        let expect = match length > finished.unwrap() {
            true => Entry::Check { round: 0, claim: "done".to_owned() },
            false => Entry::default(),
        };
        assert_eq!(at(&seen.events[..length]), expect, "{length}");
    }
    let begin = Begin { entry: at(&seen.events), ..Begin::default() };
    let mut desk = Desk::new();
    desk.world.files.insert("a".to_owned(), b"two\n".to_vec());
    let mut model = Script::parse(&[&one, &two, END].map(str::to_owned).join("\n")).unwrap();
    let mut more = Seen::default();
    let stop = runner::run(&contract, &mut model, &mut desk, &mut more, begin).unwrap();
    assert_eq!((stop, phases(&more.events)), (done(), ONCE[1..].to_vec()));
    let all = [seen.events, more.events].concat();
    let reviewed = report::reviewed(&contract, &all).unwrap();
    assert_eq!((reviewed.outcome, reviewed.rounds.len()), (Outcome::Approved, 1));
    assert_eq!(report::claim(&all).as_deref(), Some("done"));
}

/// Plays a script, and keeps the messages that each call was asked with.
struct Listener(Script, Vec<Vec<Message>>);

impl Model for Listener {
    fn next_call(&mut self, ask: &Request<'_>, watch: &mut dyn Watch) -> Result<Reply, ModelError> {
        self.1.push(ask.messages.to_vec());
        self.0.next_call(ask, watch)
    }
}

#[test]
fn each_phase_has_a_fresh_context() {
    let (yes, no, two) = (answer(1, "yes"), answer(1, "no"), answer(2, "yes"));
    let script = [READ, TWO, FINISH, &no, &two, END, FINISH, &yes, &two, END].join("\n");
    let mut model = Listener(Script::parse(&script).unwrap(), Vec::new());
    let (mut seen, mut desk) = (Seen::default(), Desk::new());
    runner::run(&contract(CONTRACT), &mut model, &mut desk, &mut seen, Begin::default()).unwrap();
    let opening = |at: usize| {
        let messages: &[Message] = &model.1[at];
        let [Message::System(_), Message::User(text)] = messages else { panic!("{messages:?}") };
        text.clone()
    };
    let review = "Task: g\nCriterion 1: it is `two`\nCriterion 2: it is short\nEvidence: change:modified:a\n\
                  Changed files: 1\n- modified a +1 -1\nChange:\n-one\n+two\n";
    assert_eq!((opening(3), opening(7)), (review.to_owned(), review.to_owned()));
    let fix = opening(6);
    assert!(fix.ends_with("keep the rest:\n- criterion `it is `two`` is not met: w"), "{fix}");
}

/// Returns what a review of `patch` is shown of it.
fn shown(patch: &str) -> String {
    let messages = prompt::review(&contract(CONTRACT), &[], patch, &[]);
    let Some(Message::User(text)) = messages.last() else { panic!("{messages:?}") };
    text.split_once("\nChange:\n").unwrap().1.to_owned()
}

#[test]
fn no_file_hides_another_from_a_review() {
    let head = |name: &str| format!("diff --git a/{name} b/{name}\n");
    let file = |name: &str, lines: usize| head(name) + &"+a line of it\n".repeat(lines);
    let small = file("b", 1) + &file("c", 2);
    assert_eq!(shown(&small), small);
    // The long one gets what the others leave.
    let all = shown(&(file("a", 5000) + &small));
    assert!(all.contains("bytes]\ndiff --git a/b b/b\n") && all.ends_with(&file("c", 2)));
    assert!((15 << 10..17 << 10).contains(&all.len()), "{}", all.len());
    let picture = format!("{}GIT binary patch\nliteral 1\n{}\n", head("a"), "z".repeat(20_000));
    assert_eq!(shown(&(picture + &small)), format!("{}GIT binary patch\n\n{small}", head("a")));
    // What stands in a hunk is no end of it.
    let sly = head("a") + "+GIT binary patch\n+x\n";
    assert_eq!(shown(&sly), sly);
    let many: String = (0..70).map(|at| file(&at.to_string(), 100)).collect();
    assert!(shown(&many).ends_with("\n[10 more files]") && shown(&many).len() < 20_000);
}

#[test]
fn a_reply_that_is_no_call_does_not_end_a_review_as_approved() {
    struct Mute(Script, bool);
    impl Model for Mute {
        fn next_call(
            &mut self,
            ask: &Request<'_>,
            watch: &mut dyn Watch,
        ) -> Result<Reply, ModelError> {
            let reply = self.0.next_call(ask, watch)?;
            let (text, reason) = ("approved".to_owned(), "it is no call".to_owned());
            Ok(match reply.answer {
                Answer::Nothing if self.1 => {
                    Reply { answer: Answer::Malformed { text, reason }, ..reply }
                }
                _ => reply,
            })
        }
    }
    let contract = contract(CONTRACT);
    let mut model = Mute(Script::parse(&[READ, TWO, FINISH].join("\n")).unwrap(), true);
    let (mut seen, mut desk) = (Seen::default(), Desk::new());
    let stop = runner::run(&contract, &mut model, &mut desk, &mut seen, Begin::default()).unwrap();
    assert_eq!(stop, Stop::WorkerFailed("3 answers in a row were no call".to_owned()));
    assert_eq!(report::reviewed(&contract, &seen.events).unwrap().outcome, Outcome::Open);
}

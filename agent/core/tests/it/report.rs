//! Reports: the exit code follows from the stop and the evidence.

use chargehand_core::contract::{ContractFile, Gate};
use chargehand_core::event::Event;
use chargehand_core::evidence::Evidence;
use chargehand_core::menu::Shut;
use chargehand_core::ports::{Stop, Usage};
use chargehand_core::report::{Outcome, Report, Reviewed, SCHEMA, Verdict, totals, turns};
use chargehand_core::tool::{Observation, ToolCall};

use crate::world::contract;

pub(crate) fn report(stop: Stop, verdict: Verdict) -> Report {
    Report {
        tree: "1f".to_owned(),
        log_head: "2e".to_owned(),
        schema: SCHEMA,
        run: "r".to_owned(),
        started: 0,
        millis: 0,
        base: None,
        worker: "script".to_owned(),
        contract: ContractFile::default(),
        verdict,
        violations: Vec::new(),
        evidence: Evidence::default(),
        claim: None,
        review: None,
        approvals: Vec::new(),
        stop,
        turns: Vec::new(),
        totals: Usage::default(),
        prompt_tokens: None,
        sandbox: Vec::new(),
    }
}

#[track_caller]
fn check(stop: Stop, holds: u8, violated: u8) {
    assert_eq!(report(stop.clone(), Verdict::Holds).exit_code(), holds, "{stop:?}");
    assert_eq!(report(stop.clone(), Verdict::Violated).exit_code(), violated, "{stop:?}");
}

#[test]
fn the_exit_code_follows() {
    check(Stop::Finished(String::new()), 0, 1);
    check(Stop::ScriptEnded, 0, 1);
    check(Stop::Asked(String::new()), 0, 1);
    check(Stop::WorkerFailed(String::new()), 74, 74);
    check(Stop::TurnLimit(1), 4, 4);
    check(Stop::TokenLimit(1), 4, 4);
    check(Stop::TimeLimit(1), 4, 4);
    check(Stop::ContextLimit(1), 4, 4);
    check(Stop::RoundLimit(1), 4, 4);
    check(Stop::Interrupted, 130, 130);
}

#[test]
fn an_open_review_is_no_success_and_no_violation() {
    let finished = Stop::Finished(String::new());
    for (outcome, holds) in [(Outcome::Approved, 0), (Outcome::Open, 4)] {
        let review = Some(Reviewed { outcome, rounds: Vec::new() });
        let code = |verdict| {
            Report { review: review.clone(), ..report(finished.clone(), verdict) }.exit_code()
        };
        assert_eq!((code(Verdict::Holds), code(Verdict::Violated)), (holds, 1));
    }
}

#[test]
fn who_could_not_go_on_may_be_the_reviewer_of_work_that_was_called_done() {
    let done = Some("done".to_owned());
    for (claim, outcome, holds) in [
        (&done, Outcome::Open, 4),
        (&None, Outcome::Open, 74),
        (&done, Outcome::Approved, 74),
        (&None, Outcome::Approved, 74),
    ] {
        let review = Some(Reviewed { outcome, rounds: Vec::new() });
        let code = |verdict| {
            let report = report(Stop::WorkerFailed(String::new()), verdict);
            Report { claim: claim.clone(), review: review.clone(), ..report }.exit_code()
        };
        assert_eq!((code(Verdict::Holds), code(Verdict::Violated)), (holds, 74), "{claim:?}");
    }
}

#[test]
fn a_claim_decides_nothing() {
    let (verdict, violations) =
        Report::judge(&contract("[scope]\nwrite = ['a']"), &Evidence::default());
    assert_eq!(verdict, Verdict::Violated);
    assert_eq!(violations.len(), 1);
}

#[test]
fn a_report_survives_its_own_json() {
    let report = report(Stop::TurnLimit(3), Verdict::Holds);
    let again: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(again, report);
}

#[test]
fn turns_are_read_from_events() {
    let call = ToolCall::new("list_dir", "{\"path\":\".\"}").unwrap();
    let usage = Usage { prompt_n: 3, cache_n: 4, predicted_n: 5, ..Usage::default() };
    let reason = "nothing was changed".to_owned();
    let shut = Shut { gate: Gate::FinishAfterChange, tool: "finish".to_owned(), reason };
    let events = [
        Event::TurnStarted { turn: 1, tools: Vec::new(), gates: vec![shut.clone()] },
        Event::Called { turn: 1, call: call.clone(), usage },
        Event::Observed { turn: 1, observation: Observation::done("x") },
        Event::Malformed { turn: 2, text: "t".to_owned(), reason: "r".to_owned(), usage },
    ];
    let turns = turns(&events);
    assert_eq!(turns.len(), 2);
    assert_eq!((&turns[0].gates, &turns[1].gates), (&vec![shut], &Vec::new()));
    assert_eq!(turns[0].observation, Some(Observation::done("x")));
    assert_eq!(turns[1].malformed.as_deref(), Some("t"));
    assert_eq!(
        totals(&turns),
        Usage { prompt_n: 6, cache_n: 8, predicted_n: 10, ..Usage::default() }
    );
}

#[test]
fn sums_do_not_wrap() {
    let call = ToolCall::new("list_dir", "{}").unwrap();
    let usage =
        Usage { prompt_n: u64::MAX, cache_n: u64::MAX, predicted_n: u64::MAX, ..Usage::default() };
    let event = |turn| Event::Called { turn, call: call.clone(), usage };
    assert_eq!(totals(&turns(&[event(1), event(2)])), usage);
}

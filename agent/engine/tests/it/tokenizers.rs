//! Models with the real tokenizers of three families and random weights, from `bench-scripts/models`: whatever
//! such a model says, it says it as a call in the form of its family, or it is cut off and no call at all.

use chargehand_core::contract::Contract;
use chargehand_core::menu::{Argument, Entry, Menu, Values};
use chargehand_core::prompt;
use chargehand_core::rel_path::RelPath;
use chargehand_core::state::State;
use chargehand_core::tool::{Envelope, Observation, ToolCall};
use chargehand_core::tools;
use chargehand_core::transcript::Message;
use chargehand_engine::engine::Engine;
use chargehand_engine::reply::{Reply, reply};
use chargehand_engine::sampler::Sampling;
use chargehand_engine::session::{Ending, Session, Wish};
use serde_json::Value;

use crate::common::{Notes, generated, load};

const CONTRACT: &str = "goal = 'Tidy up'\n[scope]\nwrite = ['src/*']\ncreate = ['NEW.md']";
const FILES: [&str; 5] =
    ["README.md", "docs/guide.md", "src/main.rs", "src/ümlaut.rs", "src/a b.txt"];
const TURNS: u32 = 6;
/// Enough for any call without free text, and too little for some that ramble.
const TURN_TOKENS: u32 = 96;

/// Lets the model `name` talk for some turns and holds each word of it against `[before, between, after]`.
#[track_caller]
fn check(name: &str, pieces: [&str; 3]) {
    let Some(path) = generated(name) else { return };
    let engine = load(&path, 4096);
    let template = engine.template();
    let control = template.envelope().control.clone();
    let [before, between, after] = pieces;
    let envelope = Envelope { control, ..Envelope::new(before, between, after) };
    assert!(template.native() && template.lists_tools(), "{name}");
    assert_eq!(*template.envelope(), envelope, "{name}");
    let calls = talk(&engine, &envelope);
    assert!(
        calls >= 2,
        "{name}: {calls} of {TURNS} answers are calls: the limit is too low to test anything"
    );
}

/// Returns how many answers were calls.
fn talk(engine: &Engine<'_>, envelope: &Envelope) -> u32 {
    let contract = Contract::parse(CONTRACT).unwrap();
    let files: Vec<RelPath> = FILES.iter().map(|path| RelPath::parse(path).unwrap()).collect();
    let mut messages = prompt::opening(&contract, &files, None);
    let state = State::new(&contract, files, &[]);
    let menu = tools::menu(&state);
    let (grammar, bindings) = menu.grammar(envelope);
    let mut session = Session::new(engine).unwrap();
    let mut calls = 0;
    let mut evaluated = 0;
    for seed in 0..TURNS {
        let segments = engine.template().render(&messages, &menu.specs).unwrap();
        let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
        let wish = Wish {
            grammar: Some(&grammar),
            bindings: &bindings,
            sampling,
            max_tokens: TURN_TOKENS,
        };
        let outcome = session.generate(&segments, &wish, &mut Notes::patient()).unwrap();
        assert!(
            outcome.timings.cache_n >= evaluated,
            "what was evaluated is kept: {:?}",
            outcome.timings
        );
        match outcome.ending {
            Ending::Complete => {
                let call = envelope
                    .parse(&outcome.text, &menu.specs)
                    .unwrap_or_else(|err| panic!("{err}: {}", outcome.text));
                assert_possible(&menu, &call);
                calls += 1;
                let timings = outcome.timings;
                // What is forced at the end of an answer is evaluated with the next prompt.
                let asked = timings.predicted_n - timings.forced_n;
                evaluated = timings.cache_n + timings.prompt_n + asked.saturating_sub(1);
                messages.push(Message::Call(call));
                messages.push(Message::Observed(Observation::done(format!("line {seed}"))));
            }
            // The grammar saw to it that the call is whole, but its end is not the model's: it is not run.
            Ending::Limit => {
                assert!(outcome.timings.predicted_n <= u64::from(TURN_TOKENS));
                let call = envelope.parse(&outcome.text, &menu.specs);
                assert_possible(
                    &menu,
                    &call.unwrap_or_else(|err| panic!("{err}: {}", outcome.text)),
                );
            }
            Ending::ContextFull | Ending::Cancelled => {
                panic!("{:?}: {}", outcome.ending, outcome.text)
            }
        }
    }
    calls
}

/// Holds a call against the menu once more, without the grammar.
#[track_caller]
fn assert_possible(menu: &Menu, call: &ToolCall) {
    let fits = |entry: &Entry| {
        let known = |name: &String| entry.arguments.iter().any(|argument| argument.name == name);
        let may_be = |argument: &Argument| match call.arguments.get(argument.name) {
            Some(value) => is_one_of(value, &argument.values),
            None => argument.optional,
        };
        call.arguments.keys().all(known) && entry.arguments.iter().all(may_be)
    };
    assert!(menu.entries_of(&call.name).any(fits), "{call:?} is not on the menu");
}

fn is_one_of(value: &Value, values: &Values) -> bool {
    match values {
        Values::Text => value.is_string(),
        Values::Natural => value.as_u64().is_some_and(|number| (1..=999_999).contains(&number)),
        Values::Within(ranges) => value.as_u64().is_some_and(|number| {
            ranges.iter().any(|(low, high)| (*low..=*high).contains(&number))
        }),
        Values::OneOf(choices) => choices.iter().any(|choice| value == choice),
        Values::OtherThan(_) => value.is_string(),
        Values::PieceIn(parts) => value.as_str().is_some_and(|piece| !parts.hides(piece)),
        Values::PieceOf(text) => value.as_str().is_some_and(|piece| text.contains(piece)),
    }
}

/// Calls with arguments between tags, behind reasoning with a budget of its own: whatever the model says, the
/// reasoning is closed within that, and the call is one of the menu.
#[test]
fn reasoning_is_closed_and_a_call_follows() {
    let Some(path) = generated("parameters") else { return };
    let engine = load(&path, 4096);
    let envelope = engine.template().envelope();
    assert_eq!(
        envelope.form(),
        "<tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n<parameter=KEY>\nVALUE\n\
         </parameter>\n</function>\n</tool_call>"
    );
    let own = envelope.reasoning.as_ref().unwrap();
    assert_eq!((&*own.before, &*own.after), ("", "\n</think>\n\n"));
    let contract = Contract::parse(CONTRACT).unwrap();
    let files: Vec<RelPath> = FILES.iter().map(|path| RelPath::parse(path).unwrap()).collect();
    let mut messages = prompt::opening(&contract, &files, None);
    let state = State::new(&contract, files, &[]);
    let menu = tools::menu(&state);
    let (grammar, bindings) = menu.grammar(envelope);
    let mut session = Session::new(&engine).unwrap();
    let mut evaluated = 0;
    for (seed, reasoning) in (0..).zip([24, 60, 1, 12, 0, 40]) {
        let sampling = Sampling { temperature: 2.0, seed, reasoning, ..Sampling::default() };
        let grammar = Some(&*grammar);
        let wish = Wish { grammar, bindings: &bindings, sampling, max_tokens: TURN_TOKENS };
        let mut notes = Notes::patient();
        let asked = (&*messages, &*menu.specs);
        let reply = reply(&engine, &mut session, asked, &wish, &mut notes).unwrap();
        let Reply { reasoning: thought, outcome } = reply;
        // One token is too few to close it.
        assert_eq!(thought.is_some(), reasoning > 1, "{reasoning}: {thought:?}");
        assert!(!thought.iter().any(|text| text.contains(&own.after)));
        assert!(outcome.timings.predicted_n <= u64::from(reasoning + TURN_TOKENS));
        assert!(outcome.timings.cache_n >= evaluated, "{:?}", outcome.timings);
        evaluated = outcome.timings.cache_n;
        let call = envelope.parse(&outcome.text, &menu.specs).unwrap();
        assert_possible(&menu, &call);
        messages.extend(thought.map(Message::Reasoned));
        messages.push(Message::Call(call));
        messages.push(Message::Observed(Observation::done("It is there.")));
    }
}

#[test]
fn qwen_calls_between_tags() {
    check("qwen", ["<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>"]);
}

#[test]
fn llama_calls_as_a_bare_object() {
    check("llama3", ["{\"name\": \"", "\", \"parameters\": ", "}"]);
}

#[test]
fn mistral_calls_in_a_list() {
    let after = ", \"id\": \"call00000\"}]";
    check("mistral-list", ["[TOOL_CALLS][{\"name\": \"", "\", \"arguments\": ", after]);
}

#[test]
fn mistral_calls_with_a_name_and_arguments() {
    check("mistral-args", ["[TOOL_CALLS]", "[ARGS]", ""]);
}

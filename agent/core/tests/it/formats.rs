//! The forms in which families of models write calls: whatever is said is read back as it was meant.

use std::sync::Arc;

use chargehand_core::menu::{Argument, Entry, Menu, Values};
use chargehand_core::tool::{
    ControlToken, Envelope, Stretch, Style, Tagged, Tags, ToolCall, ToolSpec,
};
use chargehand_grammar::matcher::Landing;
use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Grammar, Limits};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn tags(open: &str, next: &str, last: &str) -> Tags {
    let [open, next, last] = [open, next, last].map(str::to_owned);
    Tags { open, next, last }
}

fn tagged(before: &str, between: &str, none: &str, texts: Tags, others: Tags) -> Envelope {
    let arguments = Style::Tagged(Tagged { texts, others, none: none.to_owned() });
    Envelope { arguments, ..Envelope::new(before, between, "") }
}

/// Parameters as Qwen3-Coder has them.
fn parameters() -> Envelope {
    let end = "\n</function>\n</tool_call>";
    let around = || tags(">\n", "\n</parameter>\n<parameter=", &format!("\n</parameter>{end}"));
    let none = format!(">{end}");
    tagged("<tool_call>\n<function=", ">\n<parameter=", &none, around(), around())
}

/// Keys and values as GLM has them.
fn keys() -> Envelope {
    let next = "</arg_value>\n<arg_key>";
    let around = || tags("</arg_key>\n<arg_value>", next, "</arg_value>\n</tool_call>");
    tagged("\n<tool_call>", "\n<arg_key>", "\n</tool_call>", around(), around())
}

/// Tags that tell texts and other values apart, as DeepSeek 3.2 has them.
fn typed() -> Envelope {
    let (next, last) = ("</｜p｜>\n<｜p｜ name=\"", "</｜p｜>\n</｜c｜>");
    let texts = tags("\" string=\"true\">", next, last);
    let others = tags("\" string=\"false\">", next, last);
    tagged("<｜c｜>\n<｜i｜ name=\"", "\">\n<｜p｜ name=\"", "\">\n</｜c｜>", texts, others)
}

/// Tags around texts only, as Gemma has them.
fn bare() -> Envelope {
    let texts = tags(":<escape>", "<escape>,", "<escape>}<end>");
    tagged("<start>call:", "{", "{}<end>", texts, tags(":", ",", "}<end>"))
}

fn objects() -> Vec<Envelope> {
    vec![
        Envelope::plain(),
        Envelope::new("<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>"),
        Envelope::new(" to=functions.", "<|channel|>commentary json<|message|>", ""),
        Envelope::new("<｜calls｜><｜call｜>function<｜sep｜>", "\n```json\n", "\n```<｜end｜>"),
        Envelope::new("[TOOL_CALLS]", "[ARGS]", ""),
    ]
}

fn all() -> Vec<Envelope> {
    [objects(), vec![parameters(), keys(), typed(), bare()]].concat()
}

/// A file with hostile pieces in it.
const FILE: &str = "one\n<b>\n</\ntwo \"three\" \\n\r\n\n  vier é🦀\none\n";

fn specs() -> Vec<ToolSpec> {
    let spec = |name: &str, properties: Value| ToolSpec {
        name: name.to_owned(),
        description: String::new(),
        parameters: json!({ "type": "object", "properties": properties }),
    };
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    vec![
        spec("edit", json!({ "path": text, "old": text, "new": text })),
        spec("edit_all", json!({ "old": text })),
        spec("read", json!({ "path": text, "start": number })),
        spec("list", json!({})),
    ]
}

fn menu() -> Menu {
    let entry = |tool: &'static str, arguments: Vec<(&'static str, Values, bool)>| Entry {
        tool,
        arguments: arguments
            .into_iter()
            .map(|(name, values, optional)| Argument { name, values, optional })
            .collect(),
        not: Vec::new(),
    };
    let path = || Values::OneOf(vec!["src/a b.rs".to_owned(), "é\"\\.txt".to_owned()]);
    let piece = Values::PieceOf(FILE.to_owned());
    let mut list = entry("read", vec![("path", path(), false), ("start", Values::Natural, true)]);
    list.not = vec![r#"{"path":"src/a b.rs"}"#.to_owned()];
    Menu {
        entries: vec![
            entry(
                "edit",
                vec![
                    ("path", path(), false),
                    ("old", piece, false),
                    ("new", Values::OtherThan("old"), false),
                ],
            ),
            entry("edit_all", vec![("old", Values::Text, false)]),
            list,
            entry("list", vec![]),
        ],
        specs: specs(),
        ..Menu::default()
    }
}

fn constraint(menu: &Menu, envelope: &Envelope, vocabulary: Arc<Vocabulary>) -> Constraint {
    let (text, bindings) = menu.grammar(envelope);
    let grammar = Grammar::parse(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let made = Constraint::bound(&grammar, &bindings, vocabulary, &Limits::default());
    made.unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn bytes() -> Arc<Vocabulary> {
    let bytes = (0..=u8::MAX).map(|byte| (Kind::Text, vec![byte]));
    Arc::new(Vocabulary::new(bytes.chain([(Kind::End, b"</s>".to_vec())])).unwrap())
}

fn accepts(constraint: &mut Constraint, text: &str) -> bool {
    let mut state = constraint.start();
    for byte in text.bytes() {
        match constraint.advance_byte(state, byte).unwrap() {
            Some(next) => state = next,
            None => return false,
        }
    }
    constraint.accepting(state)
}

fn arguments(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// Writes a call in a form, if that can say it.
fn call(envelope: &Envelope, name: &str, value: Value) -> Option<ToolCall> {
    let arguments = arguments(value);
    let written = envelope.written(&arguments)?;
    Some(ToolCall { name: name.to_owned(), arguments, written })
}

/// Says a call in each form, and holds what the grammar allows and what is read back against it.
#[track_caller]
fn check(name: &str, value: &Value, expect: bool) {
    let menu = menu();
    for envelope in all() {
        let Some(call) = call(&envelope, name, value.clone()) else { continue };
        let text = envelope.write(&call);
        let mut constraint = constraint(&menu, &envelope, bytes());
        assert_eq!(accepts(&mut constraint, &text), expect, "{text}");
        assert_eq!(envelope.parse(&text, &specs()).unwrap(), call, "{text}");
        let frames = envelope.stretches(&call).into_iter().filter_map(|stretch| match stretch {
            Stretch::Frame(text) => Some(text.to_owned()),
            Stretch::Data(_) => None,
        });
        let frames: Vec<String> = frames.collect();
        assert!(!frames.concat().contains("hostile"), "{frames:?}");
    }
}

#[test]
fn a_call_is_said_in_every_form() {
    check("list", &json!({}), true);
    check("read", &json!({ "path": "src/a b.rs", "start": 12 }), true);
    check("read", &json!({ "path": "é\"\\.txt" }), true);
    check("read", &json!({ "path": "src/a b.rs" }), false);
    check("read", &json!({ "path": "src" }), false);
    check("read", &json!({ "path": "src/a b.rs", "start": 0 }), false);
    check("edit_all", &json!({ "old": "</arg_value hostile \"\\\n" }), true);
    check("edit", &json!({ "path": "src/a b.rs", "old": "two", "new": "12" }), true);
    check("edit", &json!({ "path": "src/a b.rs", "old": "<b>\n</\n", "new": "" }), true);
    check("edit", &json!({ "path": "src/a b.rs", "old": "", "new": "\nhostile\n" }), true);
    check(
        "edit",
        &json!({ "path": "src/a b.rs", "old": "one", "new": "it is there twice" }),
        false,
    );
    check("edit", &json!({ "path": "src/a b.rs", "old": "two", "new": "two" }), false);
    check("edit", &json!({ "path": "src/a b.rs", "old": "three\n", "new": "not there" }), false);
}

#[test]
fn a_text_that_has_its_own_end_cannot_be_said() {
    for envelope in [parameters(), keys(), typed(), bare()] {
        let Style::Tagged(tagged) = &envelope.arguments else { panic!("{envelope:?}") };
        let end = tagged.texts.end();
        assert_eq!(call(&envelope, "edit_all", json!({ "old": format!("a{end}b") })), None);
        let said = call(&envelope, "edit_all", json!({ "old": "@" })).unwrap();
        let text = envelope.write(&said).replace('@', &format!("a{end}b"));
        assert!(!accepts(&mut constraint(&menu(), &envelope, bytes()), &text), "{text}");
        assert!(envelope.parse(&text, &specs()).is_err(), "{text}");
    }
    assert_eq!(
        parameters().write(&call(&parameters(), "list", json!({})).unwrap()),
        "<tool_call>\n<function=list>\n</function>\n</tool_call>"
    );
}

#[test]
fn a_piece_is_not_bound_where_the_file_has_the_end() {
    let mut menu = menu();
    menu.entries[0].arguments[1].values = Values::PieceOf("a\n</parameter>\nb".to_owned());
    let is_bound = |envelope| menu.grammar(&envelope).1.get("entry-0-old").is_some();
    assert!(!is_bound(parameters()));
    assert!(is_bound(keys()));
}

#[test]
fn an_entry_that_cannot_be_said_is_left_out() {
    let mut menu = menu();
    menu.entries[2].arguments[0].values = Values::OneOf(vec!["</arg_value>".to_owned()]);
    assert!(!menu.grammar(&keys()).0.contains("read"));
    assert!(menu.grammar(&parameters()).0.contains("read"));
}

/// Where the end of a text is a token, the text has no such token, and its spelling neither.
#[test]
fn a_token_ends_a_text() {
    let mut envelope = keys();
    envelope.control = vec![
        ControlToken { id: 256, text: "</arg_value>".to_owned() },
        ControlToken { id: 257, text: "<tool_call>".to_owned() },
    ];
    let names = [b"</arg_value>".to_vec(), b"<tool_call>".to_vec()];
    let tokens = (0..=u8::MAX).map(|byte| (Kind::Text, vec![byte]));
    let tokens = tokens.chain(names.map(|name| (Kind::Control, name)));
    let vocabulary = Arc::new(Vocabulary::new(tokens).unwrap());
    let mut constraint = constraint(&menu(), &envelope, vocabulary);
    let mut accepts = |text: &str| {
        let mut state = Some(constraint.start());
        for (at, piece) in text.split('|').enumerate() {
            if let (Some(now), Some(before)) = (state, at.checked_sub(1)) {
                state = constraint.advance(now, [257, 256][before]).unwrap();
            }
            if let Some(now) = state {
                state = constraint.advance_bytes(now, piece.as_bytes()).unwrap();
            }
        }
        state.is_some_and(|state| constraint.accepting(state))
    };
    assert!(accepts("\n|edit_all\n<arg_key>old</arg_key>\n<arg_value>a < b</arg_|\n</tool_call>"));
    assert!(!accepts(
        "\n|edit_all\n<arg_key>old</arg_key>\n<arg_value>a</arg_value>|\n</tool_call>"
    ));
    assert!(!accepts(
        "\n|edit_all\n<arg_key>old</arg_key>\n<arg_value>a</arg_value>\n</tool_call>"
    ));
}

fn text() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec![
        "\n",
        "\r\n",
        "\"",
        "\\",
        "\\n",
        "</parameter>",
        "\n</parameter>\n",
        "</arg_value>",
        "</｜p｜>",
        "<escape>",
        "<|message|>",
        "\n```",
        "}",
        "é",
        "🦀",
        "\u{2028}",
        "\t",
        "<",
        "a",
        " ",
        "\u{1}",
        "\u{7f}",
        "[ARGS]",
        ">",
    ]);
    prop::collection::vec(prop_oneof![3 => hostile.prop_map(str::to_owned), 1 => ".{0,3}"], 0..8)
        .prop_map(|parts| parts.concat())
}

/// Tokens of all bytes, of the envelope's words and of pieces of the file, and an end.
fn words(envelope: &Envelope) -> Arc<Vocabulary> {
    let form = format!("{}{FILE}{}", menu().grammar(envelope).0, envelope.form());
    let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
    let pieces = (2..12).flat_map(|length| {
        form.as_bytes().windows(length).step_by(length).map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    let tokens = bytes.chain(pieces).map(|bytes| (Kind::Text, bytes));
    Arc::new(Vocabulary::new(tokens.chain([(Kind::End, b"</s>".to_vec())])).unwrap())
}

proptest! {
    #[test]
    fn any_text_is_read_back(old in text(), start in 1..999_999_u32) {
        let menu = menu();
        for envelope in all() {
            let mut constraint = constraint(&menu, &envelope, bytes());
            for value in [json!({ "old": old }), json!({ "path": "src/a b.rs", "start": start })] {
                let name = if value.get("old").is_some() { "edit_all" } else { "read" };
                let Some(call) = call(&envelope, name, value) else { continue };
                let text = envelope.write(&call);
                prop_assert_eq!(envelope.parse(&text, &menu.specs).unwrap(), call);
                // In JSON, a bound rule has one spelling, and control characters have several.
                prop_assert!(old.contains('\u{7f}') || accepts(&mut constraint, &text), "{}", text);
            }
        }
    }

    /// Whatever a model would say, what comes out is a call that is on the menu.
    #[test]
    fn what_is_said_is_a_call(form in 0..9_usize, choices in prop::collection::vec(any::<u16>(), 160), left in 100..160_usize) {
        let (menu, envelope) = (menu(), all().swap_remove(form));
        let vocabulary = words(&envelope);
        let end = u32::try_from(vocabulary.len()).unwrap() - 1;
        let mut constraint = constraint(&menu, &envelope, Arc::clone(&vocabulary));
        let mut landing = Landing::new(&mut constraint, left).unwrap().expect("so short a call is possible");
        let (mut state, mut text) = (constraint.start(), Vec::new());
        for (choice, left) in choices.iter().zip((1..=left).rev()) {
            let mask = constraint.mask(state).unwrap().clone();
            let allowed: Vec<u32> = (0..=end).filter(|token| mask.allows(*token)).collect();
            let token = allowed[usize::from(*choice) % allowed.len()];
            if token == end { break; }
            let Some(token) = landing.steer(&mut constraint, state, token, left).unwrap() else { break };
            state = constraint.advance(state, token).unwrap().unwrap();
            text.extend_from_slice(vocabulary.bytes(token).unwrap());
        }
        prop_assert!(constraint.accepting(state));
        let text = String::from_utf8(text).unwrap();
        let call = envelope.parse(&text, &menu.specs).unwrap_or_else(|error| panic!("{error}: {text}"));
        prop_assert!(menu.entries_of(&call.name).any(|entry| entry.admits(&call.arguments)), "{}", text);
        prop_assert_eq!(envelope.write(&call), text);
    }
}

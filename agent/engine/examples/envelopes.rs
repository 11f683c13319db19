//! Which form of a call is found in chat templates: `cargo run --release --example envelopes -- FILE.jinja …`.
//!
//! For templates that are not ours to commit. Each is opened, and a call with hostile texts is written, held against
//! the grammar byte by byte, read back, and put into a conversation.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use chargehand_core::contract::Contract;
use chargehand_core::menu::{Argument, Entry, Menu, Values};
use chargehand_core::phase::Seat;
use chargehand_core::tool::{Observation, Style, ToolCall};
use chargehand_core::tools;
use chargehand_core::transcript::Message;
use chargehand_engine::template::{ChatTemplate, Source};
use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Grammar, Limits, json};

const FILE: &str = "one \"two\" \\n\r\n<b>é🦀</b>\n</\n\tthree\n";

fn main() {
    for path in std::env::args().skip(1) {
        let name = Path::new(&path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match look(&path) {
            Ok(found) => println!("{name}: {found}"),
            Err(error) => println!("{name}: FAILED: {error}"),
        }
    }
}

fn look(path: &str) -> Result<String, Box<dyn Error>> {
    let [bos, eos] = ["<s>", "</s>"].map(str::to_owned);
    let template = Some(std::fs::read_to_string(path)?);
    let template = ChatTemplate::open(Source { template, bos, eos, add_bos: false })?;
    let envelope = template.envelope();
    let contract = Contract::parse("goal = 'Tidy up'\n[scope]\nwrite = ['*']")?;
    let argument = |name, values| Argument { name, values, optional: false };
    let edit = Entry {
        tool: "edit_file",
        arguments: vec![
            argument("path", Values::OneOf(vec!["a b.txt".to_owned()])),
            argument("old", Values::PieceOf(FILE.to_owned())),
            argument("new", Values::OtherThan("old")),
        ],
        not: Vec::new(),
    };
    let (entries, specs) = (vec![edit], tools::specs(&contract, Seat::default()));
    let menu = Menu { entries, specs, ..Menu::default() };
    let (text, bindings) = menu.grammar(envelope);
    let bytes = (0..=u8::MAX).map(|byte| (Kind::Text, vec![byte]));
    let vocabulary = Arc::new(Vocabulary::new(bytes)?);
    let grammar = Grammar::parse(&text)?;
    let mut constraint = Constraint::bound(&grammar, &bindings, vocabulary, &Limits::default())?;
    let mut accepts = |text: &str| -> Result<bool, Box<dyn Error>> {
        let start = constraint.start();
        let end = constraint.advance_bytes(start, text.as_bytes())?;
        Ok(end.is_some_and(|end| constraint.accepting(end)))
    };
    let calls = [
        ("\"two\" \\n\r\n<b>é", "\n\"\\\n</b>\n\n", true),
        ("", "</ 漢\n", true),
        ("two", "two", false),
        ("four", "4", false),
    ];
    for (old, new, expect) in calls {
        let [path, old, new] = ["a b.txt", old, new].map(json::quote);
        let object = format!("{{\"path\":{path},\"old\":{old},\"new\":{new}}}");
        let mut call = ToolCall::new("edit_file", &object)?;
        if let Style::Tagged(_) = envelope.arguments {
            call.written = envelope.written(&call.arguments).ok_or("a text cannot be said")?;
        }
        let said = envelope.write(&call);
        if accepts(&said)? != expect {
            return Err(format!("the grammar should say {expect} to {said:?}").into());
        }
        if envelope.parse(&said, &menu.specs)? != call {
            return Err(format!("{said:?} is read as another call").into());
        }
        let messages = [
            Message::User("x".to_owned()),
            Message::Reasoned("hm".to_owned()),
            Message::Call(call),
            Message::Observed(Observation::done("y")),
        ];
        let prompt = template.render(&messages, &menu.specs)?;
        let prompt: String = prompt.into_iter().map(|segment| segment.text).collect();
        if !prompt.contains(&said) {
            return Err(format!("{said:?} is not in the prompt").into());
        }
        if envelope.reasoning.is_some() {
            template.render_reasoning(&messages, &menu.specs)?;
        }
    }
    let native = if template.native() { "native" } else { "plain" };
    let reasoning = envelope.reasoning.as_ref().map(|own| (&*own.before, &*own.after));
    Ok(format!("{native}, {:?}, reasoning {reasoning:?}", envelope.form()))
}

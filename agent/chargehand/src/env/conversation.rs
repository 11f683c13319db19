//! A conversation as the model of a worker reads it, whatever its template leaves out.

use chargehand_core::tool::{Envelope, ToolSpec};
use chargehand_core::transcript::Message;
use chargehand_engine::engine::ModelFacts;
use chargehand_engine::wire::Chat;

/// Returns `messages` with `tools`, which are described where the template of `model` does not list them, and with
/// `preface` before the first word of the user.
pub fn conversation(
    model: &ModelFacts,
    preface: &str,
    messages: &[Message],
    tools: &[ToolSpec],
) -> Chat {
    let mut messages = messages.to_vec();
    if !model.lists_tools
        && let Some(Message::System(text)) = messages.first_mut()
    {
        text.push_str(&describe(tools, &model.envelope));
    }
    // Not the system text: some templates leave it out.
    let first = messages.iter_mut().find_map(|message| match message {
        Message::User(text) => Some(text),
        Message::System(_)
        | Message::Reasoned(_)
        | Message::Call(_)
        | Message::Observed(_)
        | Message::Malformed(_) => None,
    });
    if let Some(text) = first {
        text.insert_str(0, preface);
    }
    Chat { messages, tools: tools.to_vec() }
}

/// Describes the tools to a model whose template does not, and a call as its grammar has it.
fn describe(tools: &[ToolSpec], envelope: &Envelope) -> String {
    let line = |tool: &ToolSpec| {
        format!("\n{}: {} Arguments: {}", tool.name, tool.description, tool.parameters)
    };
    let lines: String = tools.iter().map(line).collect();
    format!("\n\nAnswer with one call and nothing else, as {}\nThe tools:{lines}", envelope.form())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(envelope: &Envelope, call: &str) {
        let (name, description) = ("ask".to_owned(), "Asks.".to_owned());
        let tools = [ToolSpec { name, description, parameters: serde_json::json!({}) }];
        let expect = format!(
            "\n\nAnswer with one call and nothing else, as {call}\nThe tools:\nask: Asks. Arguments: {{}}"
        );
        assert_eq!(describe(&tools, envelope), expect);
    }

    #[test]
    fn a_call_is_described_as_the_grammar_has_it() {
        check(&Envelope::plain(), r#"{"tool":"NAME","args":ARGUMENTS}"#);
        check(&Envelope::new("[CALL]", "[ARGS]", ""), "[CALL]NAME[ARGS]ARGUMENTS");
    }
}

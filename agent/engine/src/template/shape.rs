//! How a conversation is put so that a template takes it, and the request that says so.

use chargehand_core::tool::ToolSpec;
use chargehand_core::transcript::Message;
use serde_json::{Value, json};

use super::mark::{Marks, Which};

/// What a template accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Shape {
    /// Where the system text goes.
    pub(super) system: System,
    /// Whether neighbours of one role must be one message.
    pub(super) merge: bool,
    /// How calls and results are handed over.
    pub(super) calls: Calls,
    /// What a call has as arguments.
    pub(super) sample: Sample,
    /// Whether samples that ask for nothing are those of a model that reasons.
    pub(super) reasons: bool,
}

/// What a rendered conversation asks for at its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ask {
    /// For nothing.
    Nothing,
    /// For an answer without reasoning.
    Answer,
    /// For reasoning, and an answer behind it.
    Reasoning,
}

/// What stands for the arguments of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sample {
    /// A text: the only sample that is used outside of discovery.
    Text,
    Nothing,
    TwoTexts,
    TextAndNumber,
    NumberAndText,
}

/// The number in samples.
pub(super) const NUMBER: u64 = 7_391_846_250;

/// Where the system text goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum System {
    /// Into a message of its own.
    Own,
    /// In front of the next message of the user, because the template refuses the role.
    Folded,
}

/// How calls and results are handed to a template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Calls {
    /// As `tool_calls` with arguments as a JSON object, and the role `tool`.
    Objects(Ids),
    /// The same with the arguments as a string.
    Strings(Ids),
    /// The same, and nothing at all as the content of a message that calls.
    Bare(Ids),
    /// As plain texts of the assistant and the user.
    Plain,
}

/// Which id a call gets. Nine letters and digits: some templates refuse anything else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ids {
    /// One of its own, for templates that look names up by it.
    Numbered,
    /// Always the same, for templates that write it into the call, where it must be known beforehand.
    Same,
}

/// One message on its way to the template.
#[derive(Debug)]
struct Turn {
    role: &'static str,
    content: String,
    call: Option<Value>,
    reasoning: Option<String>,
    result_of: Option<(String, String)>,
}

impl Shape {
    /// Returns the request for `messages` in which a mark stands for each text.
    pub(super) fn request(
        self,
        marks: &Marks,
        messages: &[Message],
        tools: &[Value],
        ask: Ask,
    ) -> String {
        let turns = self.turns(marks, messages);
        let mut messages: Vec<Value> = turns.into_iter().map(Turn::into_json).collect();
        if let Calls::Bare(_) = self.calls {
            let calling = messages.iter_mut().filter(|message| message.get("tool_calls").is_some());
            calling.for_each(|message| message["content"] = Value::Null);
        }
        let tools = match self.calls {
            Calls::Objects(_) | Calls::Strings(_) | Calls::Bare(_) => tools,
            Calls::Plain => &[],
        };
        json!({
            "messages": messages,
            "tools": tools,
            "add_generation_prompt": ask != Ask::Nothing,
            "enable_thinking": ask == Ask::Reasoning || ask == Ask::Nothing && self.reasons,
        })
        .to_string()
    }

    fn turns(self, marks: &Marks, messages: &[Message]) -> Vec<Turn> {
        let mut turns: Vec<Turn> = Vec::new();
        let mut folded = String::new();
        let mut last_call = None;
        let mut reasoned = None;
        for (index, message) in messages.iter().enumerate() {
            let content = marks.content(index);
            let called = last_call.take();
            let reasoning = reasoned.take();
            let turn = match message {
                Message::System(_) if self.system == System::Folded => {
                    folded = join(folded, &content);
                    continue;
                }
                Message::System(_) => Turn::new("system", content),
                Message::User(_) => Turn::new("user", join(std::mem::take(&mut folded), &content)),
                Message::Malformed(_) => Turn::new("assistant", content),
                Message::Reasoned(_) => {
                    reasoned = Some(content);
                    continue;
                }
                Message::Call(call) => match self.call(marks, index) {
                    Some((id, value)) => {
                        last_call = Some((id, plain_name(&call.name)));
                        let turn = Turn::new("assistant", String::new());
                        Turn { call: Some(value), reasoning, ..turn }
                    }
                    None => Turn::new("assistant", content),
                },
                Message::Observed(_) if called.is_some() => {
                    Turn { result_of: called, ..Turn::new("tool", content) }
                }
                Message::Observed(_) => Turn::new("user", content),
            };
            match turns.last_mut() {
                Some(last) if self.merge && last.takes(&turn) => {
                    last.content = join(std::mem::take(&mut last.content), &turn.content);
                }
                _ => turns.push(turn),
            }
        }
        if !folded.is_empty() {
            turns.push(Turn::new("user", folded));
        }
        turns
    }

    /// Returns the id and the JSON of a native call, or `None` where calls are plain texts.
    fn call(self, marks: &Marks, index: usize) -> Option<(String, Value)> {
        let [first, second] =
            [Which::First, Which::Second].map(|which| marks.argument(index, which));
        let object = match self.sample {
            Sample::Text => json!({ first.0: first.1 }),
            Sample::Nothing => json!({}),
            Sample::TwoTexts => json!({ first.0: first.1, second.0: second.1 }),
            Sample::TextAndNumber => json!({ first.0: first.1, second.0: NUMBER }),
            Sample::NumberAndText => json!({ first.0: NUMBER, second.0: second.1 }),
        };
        let (ids, arguments) = match self.calls {
            Calls::Objects(ids) => (ids, object),
            Calls::Strings(ids) | Calls::Bare(ids) => (ids, Value::String(object.to_string())),
            Calls::Plain => return None,
        };
        let id = match ids {
            Ids::Numbered => format!("call{:05}", index % 100_000),
            Ids::Same => "call00000".to_owned(),
        };
        let function = json!({ "name": marks.name(index), "arguments": arguments });
        let call = json!({ "id": id, "type": "function", "function": function });
        Some((id, call))
    }
}

impl Turn {
    fn new(role: &'static str, content: String) -> Self {
        Self { role, content, call: None, reasoning: None, result_of: None }
    }

    /// Returns whether `next` may become a part of this message. A word of the user after a result
    /// joins the result: to templates that insist on turns, it is the user's second in a row.
    fn takes(&self, next: &Self) -> bool {
        let alike = self.role == next.role || (self.role == "tool" && next.role == "user");
        alike && self.call.is_none() && next.call.is_none() && next.result_of.is_none()
    }

    fn into_json(self) -> Value {
        let mut message = json!({ "role": self.role, "content": self.content });
        if let Some(call) = self.call {
            message["tool_calls"] = json!([call]);
        }
        if let Some(reasoning) = self.reasoning {
            // The names that templates know it by.
            for name in ["reasoning_content", "reasoning", "thinking"] {
                message[name] = reasoning.as_str().into();
            }
        }
        if let Some((id, name)) = self.result_of {
            message["tool_call_id"] = id.into();
            message["name"] = name.into();
        }
        message
    }
}

/// Returns `tool` in the form of OpenAI's interface, which templates expect.
pub(super) fn tool_json(tool: &ToolSpec) -> Value {
    let ToolSpec { name, description, parameters } = tool;
    json!({
        "type": "function",
        "function": { "name": name, "description": description, "parameters": parameters },
    })
}

fn join(mut text: String, more: &str) -> String {
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more);
    text
}

/// Returns `name` if it can harm no template text, otherwise a word that cannot.
fn plain_name(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if plain { name.to_owned() } else { "tool".to_owned() }
}

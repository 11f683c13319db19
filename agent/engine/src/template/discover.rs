//! Finds out by rendering samples what a template accepts and how it writes a call.
//!
//! Nothing is looked up by the name of a model: two renderings that differ in one message show
//! what that message becomes.

use chargehand_core::tool::{Envelope, Observation, Reasoning, ToolCall, ToolSpec};
use chargehand_core::transcript::Message;
use serde_json::{Map, Value, json};

use super::TemplateError;
use super::mark::{Marks, Piece};
use super::segment::{behind_value, close_thinking};
use super::shape::{Ask, Calls, Ids, Sample, Shape, System, tool_json};
use crate::ffi::RawTemplate;

/// What was found out about a template.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) shape: Shape,
    pub(super) envelope: Envelope,
    pub(super) native: bool,
    pub(super) lists_tools: bool,
    pub(super) turn_end: String,
    tails: Tails,
    /// The same where reasoning is asked for, up to and with what opens it.
    reasoning_tails: Option<Tails>,
}

/// What a prompt ends with: the words that ask for an answer.
#[derive(Debug)]
struct Tails {
    behind_user: String,
    behind_tool: String,
}

impl Tails {
    /// Returns these words and what opens reasoning.
    fn opened(self, own: &Reasoning) -> Self {
        let Self { behind_user, behind_tool } = self;
        let [behind_user, behind_tool] = [behind_user, behind_tool].map(|tail| tail + &own.before);
        Self { behind_user, behind_tool }
    }
}

/// The only tool of the samples. Its name is not one that a template would write by itself.
const PROBE_TOOL: &str = "chargehand_probe";

impl Found {
    /// Returns what asks for an answer to the last of `messages`, if that asks for one.
    pub(super) fn tail(&self, messages: &[Message]) -> Option<&str> {
        self.tail_of(&self.tails, messages)
    }

    /// Returns what asks for reasoning, and opens it.
    pub(super) fn reasoning_tail(&self, messages: &[Message]) -> Option<&str> {
        self.tail_of(self.reasoning_tails.as_ref()?, messages)
    }

    fn tail_of<'f>(&self, tails: &'f Tails, messages: &[Message]) -> Option<&'f str> {
        let Tails { behind_user, behind_tool } = tails;
        match messages {
            [.., Message::Call(_), Message::Observed(_)] => Some(behind_tool),
            // Merged with a result, a word of the user ends as the result does.
            [earlier @ .., Message::User(_) | Message::Observed(_)] if self.shape.merge => {
                self.tail_of(tails, earlier).or(Some(behind_user))
            }
            [.., Message::User(_) | Message::Observed(_)] => Some(behind_user),
            [
                ..,
                Message::System(_)
                | Message::Reasoned(_)
                | Message::Call(_)
                | Message::Malformed(_),
            ]
            | [] => None,
        }
    }
}

/// Renders samples.
#[derive(Clone, Debug)]
pub(super) struct Probe<'t> {
    template: &'t RawTemplate,
    pub(super) marks: Marks,
    tools: Vec<Value>,
    pub(super) shape: Shape,
}

/// Finds out all that [`Found`] holds.
///
/// # Errors
///
/// [`TemplateError::Refused`] and [`TemplateError::NoUser`], when not even one question renders.
pub(super) fn discover(template: &RawTemplate) -> Result<Found, TemplateError> {
    let mut probe = Probe {
        template,
        // No template can know of it: stems are looked for again for each real conversation.
        marks: Marks::absent_from(&[]),
        tools: vec![tool_json(&probe_tool())],
        shape: Shape {
            system: System::Own,
            merge: false,
            calls: Calls::Plain,
            sample: Sample::Text,
            reasons: false,
        },
    };
    probe.find_system()?;
    probe.find_merge();
    let native =
        ways_to_call().into_iter().find_map(|calls| probe.clone().with_calls(calls).native());
    let turn_end = probe.turn_end().unwrap_or_default();
    let (mut envelope, native) = match native {
        Some((calls, envelope)) => {
            probe.shape.calls = calls;
            (envelope, true)
        }
        None => (Envelope::plain(), false),
    };
    let reasoning = if native { probe.reasoning(&envelope) } else { None };
    let reasoning_tails = match &reasoning {
        Some(own) => Some(probe.tails(Ask::Reasoning)?.opened(own)),
        None => None,
    };
    envelope.reasoning = reasoning;
    Ok(Found {
        tails: probe.tails(Ask::Answer)?,
        reasoning_tails,
        lists_tools: native && probe.lists_tools()?,
        shape: probe.shape,
        envelope,
        native,
        turn_end,
    })
}

impl Probe<'_> {
    fn with_calls(mut self, calls: Calls) -> Self {
        self.shape.calls = calls;
        self
    }

    pub(super) fn render(&self, messages: &[Message], ask: Ask) -> Result<String, TemplateError> {
        let request = self.shape.request(&self.marks, messages, &self.tools, ask);
        Ok(self.template.render(&request)?)
    }

    /// Folds the system text where the role is refused, and where the text wanders to another
    /// place as the conversation grows: it would be gone as soon as a tool has answered.
    fn find_system(&mut self) -> Result<(), TemplateError> {
        let short = self.head(&[system(), user()]);
        let long = self.head(&[system(), user(), reply(), user()]);
        if short.is_err() || long.is_ok_and(|long| short.is_ok_and(|short| long != short)) {
            self.shape.system = System::Folded;
        }
        let head = self.head(&[system(), user()])?;
        if head.is_some() { Ok(()) } else { Err(TemplateError::NoUser) }
    }

    /// Returns what stands before the text of message 1 and what that is, with the marks in it.
    fn head(&self, messages: &[Message]) -> Result<Option<String>, TemplateError> {
        let rendered = self.render(messages, Ask::Answer)?;
        let pieces = self.marks.split(&rendered)?;
        let at = pieces.iter().position(|piece| matches!(piece, Piece::Content(1, _)));
        Ok(at.map(|at| format!("{:?}", &pieces[..at])))
    }

    fn find_merge(&mut self) {
        let messages = [system(), user(), reply(), user(), user()];
        self.shape.merge = self.render(&messages, Ask::Answer).is_err();
    }

    /// Returns the envelope, if this template writes calls with these arguments, as JSON or between tags, and
    /// takes results.
    fn native(self) -> Option<(Calls, Envelope)> {
        let json = self.envelope().filter(|envelope| !envelope.between.is_empty());
        let envelope = json.or_else(|| self.tagged())?;
        // Some repeat the key in the closing tag, or the name before the arguments.
        let is_fixed = !envelope.texts().any(|text| self.marks.are_in(text));
        (is_fixed && self.holds(&envelope)).then_some((self.shape.calls, envelope))
    }

    /// Reads the envelope off the difference between a question and a question with its call.
    fn envelope(&self) -> Option<Envelope> {
        let called = self.render(&[user(), call()], Ask::Nothing).ok()?;
        let pieces = self.marks.split(&called).ok()?;
        let between = pieces.iter().find_map(|piece| match piece {
            Piece::Call(1, between) => Some((*between).to_owned()),
            Piece::Call(..)
            | Piece::Tagged(..)
            | Piece::Name(_)
            | Piece::Content(..)
            | Piece::Text(_) => None,
        })?;
        let tail = text_behind(&pieces, 1)?;
        let before = self.before(text_behind(&pieces, 0)?)?;
        let after = match self.turn_end() {
            Some(end) if !end.is_empty() && tail.ends_with(&end) => &tail[..tail.len() - end.len()],
            Some(_) | None => closing(&format!("{before}{between}"), tail),
        };
        Some(Envelope::new(&before, &between, after))
    }

    /// Returns what stands before a name in `head`, which stands behind a question.
    pub(super) fn before(&self, head: &str) -> Option<String> {
        let asked = self.render(&[user()], Ask::Answer).ok()?;
        let asked = text_behind(&self.marks.split(&asked).ok()?, 0)?.to_owned();
        // Where an old answer begins with other words than the question ended with, or has no reasoning.
        let old = self.reply_head().unwrap_or_default();
        let unopened = asked.trim_end().strip_suffix("<think>").unwrap_or(&asked);
        let before =
            [&*asked, &*old, unopened].into_iter().find_map(|asked| head.strip_prefix(asked))?;
        // Reasoning that the question has opened is closed already.
        let closed = before.trim_start().strip_prefix("</think>").map(str::trim_start);
        Some(closed.filter(|_| !close_thinking(&asked).is_empty()).unwrap_or(before).to_owned())
    }

    /// Returns whether a conversation with two calls is written with `envelope` and loses nothing.
    fn holds(&self, envelope: &Envelope) -> bool {
        let messages = [system(), user(), call(), result(), call(), result()];
        let Ok(rendered) = self.render(&messages, Ask::Answer) else { return false };
        let Ok(pieces) = self.marks.split(&rendered) else { return false };
        let calls = [2, 4].into_iter().all(|index| {
            let at = pieces.iter().position(|piece| match piece {
                Piece::Call(found, between) => *found == index && *between == envelope.between,
                Piece::Tagged(found, frame) => {
                    *found == index && self.frame(index, envelope).as_deref() == Some(*frame)
                }
                Piece::Name(_) | Piece::Content(..) | Piece::Text(_) => false,
            });
            let around = at.and_then(|at| {
                Some((text_at(&pieces, at.checked_sub(1)?)?, text_at(&pieces, at + 1)?))
            });
            around.is_some_and(|(head, tail)| {
                head.ends_with(&envelope.before) && tail.starts_with(behind_value(envelope))
            })
        });
        calls && [1, 3, 5].into_iter().all(|index| text_behind(&pieces, index).is_some())
    }

    fn reply_head(&self) -> Option<String> {
        let rendered = self.render(&[user(), reply()], Ask::Nothing).ok()?;
        Some(text_behind(&self.marks.split(&rendered).ok()?, 0)?.to_owned())
    }

    pub(super) fn turn_end(&self) -> Option<String> {
        let rendered = self.render(&[user(), reply()], Ask::Nothing).ok()?;
        Some(text_behind(&self.marks.split(&rendered).ok()?, 1)?.to_owned())
    }

    fn tails(&self, ask: Ask) -> Result<Tails, TemplateError> {
        let behind_user = self.tail(&[user()], ask)?;
        let behind_tool = self.tail(&[user(), call(), result()], ask)?;
        Ok(Tails { behind_user, behind_tool })
    }

    pub(super) fn tail(&self, messages: &[Message], ask: Ask) -> Result<String, TemplateError> {
        let rendered = self.render(messages, ask)?;
        let pieces = self.marks.split(&rendered)?;
        let tail = text_behind(&pieces, messages.len() - 1).ok_or(TemplateError::Mangled)?;
        let close = if ask == Ask::Reasoning { "" } else { close_thinking(tail) };
        Ok(format!("{tail}{close}"))
    }

    fn lists_tools(&self) -> Result<bool, TemplateError> {
        Ok(self.render(&[user()], Ask::Answer)?.contains(PROBE_TOOL))
    }
}

/// Returns the ways to hand over a call, the richer before the poorer.
fn ways_to_call() -> [Calls; 6] {
    let [own, same] = [Ids::Numbered, Ids::Same];
    let [objects, strings] = [Calls::Objects, Calls::Strings];
    [objects(own), objects(same), strings(own), strings(same), Calls::Bare(own), Calls::Bare(same)]
}

/// Returns the template's text that follows the text of message `index`.
pub(super) fn text_behind<'r>(pieces: &[Piece<'r>], index: usize) -> Option<&'r str> {
    let at = pieces.iter().position(|piece| match piece {
        Piece::Content(found, _) | Piece::Call(found, _) | Piece::Tagged(found, _) => {
            *found == index
        }
        Piece::Name(_) | Piece::Text(_) => false,
    })?;
    text_at(pieces, at + 1)
}

fn text_at<'r>(pieces: &[Piece<'r>], at: usize) -> Option<&'r str> {
    match pieces.get(at)? {
        Piece::Text(text) => Some(text),
        Piece::Content(..) | Piece::Call(..) | Piece::Tagged(..) | Piece::Name(_) => None,
    }
}

/// Returns the beginning of `tail` that closes every bracket that `head` leaves open. Used where
/// a call ends a turn with other words than a plain answer does.
fn closing<'t>(head: &str, tail: &'t str) -> &'t str {
    let mut open = 0_usize;
    for c in head.chars() {
        match c {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    let end = tail.char_indices().filter(|(_, c)| *c == '}').nth(open.wrapping_sub(1));
    if open == 0 { "" } else { end.map_or("", |(at, _)| &tail[..=at]) }
}

fn system() -> Message {
    Message::System(String::new())
}

pub(super) fn user() -> Message {
    Message::User(String::new())
}

fn reply() -> Message {
    Message::Malformed(String::new())
}

pub(super) fn result() -> Message {
    Message::Observed(Observation { ok: true, text: String::new() })
}

pub(super) fn call() -> Message {
    let name = PROBE_TOOL.to_owned();
    Message::Call(ToolCall { name, arguments: Map::new(), written: String::new() })
}

fn probe_tool() -> ToolSpec {
    ToolSpec {
        name: PROBE_TOOL.to_owned(),
        description: "A sample.".to_owned(),
        parameters: json!({ "type": "object", "properties": { "text": { "type": "string" } } }),
    }
}

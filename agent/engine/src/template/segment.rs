//! Puts the texts into a rendered prompt.

use chargehand_core::tool::{Envelope, Stretch, Style, ToolCall};
use chargehand_core::transcript::Message;
use serde_json::Value;

use super::TemplateError;
use super::discover::Found;
use super::mark::Piece;
use super::shape::Ask;

/// A stretch of a prompt, and who wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment {
    /// What it reads.
    pub text: String,
    /// Who wrote it.
    pub kind: SegmentKind,
}

/// Who wrote a stretch of a prompt, which decides how it is tokenised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SegmentKind {
    /// The template: special tokens are recognised.
    Template,
    /// The user, a tool or the model: nothing in it is special.
    Data,
}

/// The texts of a prompt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents<'c> {
    pub(super) messages: &'c [Message],
    /// Texts of tools; their numbers follow those of the messages.
    pub(super) guarded: &'c [String],
    pub(super) found: &'c Found,
    pub(super) ask: Ask,
}

impl Segment {
    /// Returns a stretch that the template wrote.
    pub(super) fn template(text: &str) -> Self {
        Self { text: text.to_owned(), kind: SegmentKind::Template }
    }
}

/// A prompt that grows at its end.
#[derive(Debug, Default)]
struct Prompt {
    segments: Vec<Segment>,
    /// What the template wrote since the last text; not yet sure to stay.
    pending: String,
    /// The message whose text came last.
    last: Option<usize>,
    /// A call whose end has been written already and still comes from the template.
    owed: Option<usize>,
}

impl Prompt {
    fn data(&mut self, text: &str, escaped: bool) {
        if text.is_empty() {
            return;
        }
        self.flush();
        let text = if escaped { escape(text) } else { text.to_owned() };
        self.segments.push(Segment { text, kind: SegmentKind::Data });
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            self.segments.push(Segment::template(&self.pending));
            self.pending.clear();
        }
    }
}

impl<'c> Contents<'c> {
    /// Returns the prompt that `pieces` describe.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Mangled`] and [`TemplateError::Unsteady`].
    pub(super) fn put_into(self, pieces: &[Piece<'_>]) -> Result<Vec<Segment>, TemplateError> {
        let mut prompt = Prompt::default();
        for piece in pieces {
            match *piece {
                Piece::Text(text) => self.template_text(&mut prompt, text)?,
                Piece::Content(index, escaped) => self.content(&mut prompt, index, escaped)?,
                Piece::Name(index) => {
                    let Some(Message::Call(call)) = self.messages.get(index) else {
                        return Err(TemplateError::Mangled);
                    };
                    prompt.data(&call.name, false);
                }
                Piece::Call(index, _) | Piece::Tagged(index, _) => {
                    let Some(Message::Call(call)) = self.messages.get(index) else {
                        return Err(TemplateError::Mangled);
                    };
                    self.native_call(&mut prompt, index, call)?;
                }
            }
        }
        if self.ask == Ask::Answer {
            let open = close_thinking(&prompt.pending);
            prompt.pending.push_str(open);
        } else if let Some(own) = &self.found.envelope.reasoning {
            prompt.pending.push_str(&own.before);
        }
        prompt.flush();
        Ok(prompt.segments)
    }

    fn template_text(self, prompt: &mut Prompt, text: &str) -> Result<(), TemplateError> {
        let text = match prompt.owed.take() {
            Some(call) => text
                .strip_prefix(behind_value(&self.found.envelope))
                .ok_or(TemplateError::Unsteady(call))?,
            None => text,
        };
        prompt.pending.push_str(text);
        Ok(())
    }

    fn content(
        self,
        prompt: &mut Prompt,
        index: usize,
        escaped: bool,
    ) -> Result<(), TemplateError> {
        let Some(message) = self.messages.get(index) else {
            let text = self.guarded.get(index - self.messages.len());
            prompt.data(text.ok_or(TemplateError::Mangled)?, escaped);
            return Ok(());
        };
        match message {
            Message::System(text) | Message::User(text) => prompt.data(text, escaped),
            Message::Observed(observation) => prompt.data(&observation.text, escaped),
            Message::Malformed(text) => {
                self.open_answer(prompt, index);
                prompt.data(text, escaped);
            }
            Message::Reasoned(text) => {
                self.open_reasoning(prompt, index)?;
                prompt.data(text, escaped);
            }
            Message::Call(call) => {
                self.open_answer(prompt, index);
                self.written(prompt, call);
            }
        }
        prompt.last = Some(index);
        Ok(())
    }

    fn native_call(
        self,
        prompt: &mut Prompt,
        index: usize,
        call: &ToolCall,
    ) -> Result<(), TemplateError> {
        let before = &self.found.envelope.before;
        let Some(rest) = prompt.pending.strip_suffix(before.as_str()) else {
            return Err(TemplateError::Unsteady(index));
        };
        prompt.pending.truncate(rest.len());
        self.open_answer(prompt, index);
        self.written(prompt, call);
        prompt.owed = Some(index);
        prompt.last = Some(index);
        Ok(())
    }

    /// Puts the words that had asked for the answer `index` in place of those that the template
    /// writes in front of an old one. They differ where a template drops old reasoning.
    fn open_answer(self, prompt: &mut Prompt, index: usize) {
        let asked = index.checked_sub(1).filter(|asked| prompt.last == Some(*asked));
        let tail = asked.and_then(|asked| self.found.tail(&self.messages[..=asked]));
        if let Some(tail) = tail {
            prompt.pending = tail.to_owned();
        }
    }

    /// The same for reasoning, and puts what opens it behind them.
    fn open_reasoning(self, prompt: &mut Prompt, index: usize) -> Result<(), TemplateError> {
        let own = self.found.envelope.reasoning.as_ref().map_or("", |own| &*own.before);
        if !prompt.pending.ends_with(own) {
            return Err(TemplateError::Unsteady(index));
        }
        let asked = index.checked_sub(1).filter(|asked| prompt.last == Some(*asked));
        let tail = asked.and_then(|asked| self.found.reasoning_tail(&self.messages[..=asked]));
        if let Some(tail) = tail {
            prompt.pending = tail.to_owned();
        }
        Ok(())
    }

    fn written(self, prompt: &mut Prompt, call: &ToolCall) {
        for stretch in self.found.envelope.stretches(call) {
            match stretch {
                Stretch::Frame(text) => prompt.pending.push_str(text),
                Stretch::Data(text) => prompt.data(text, false),
            }
        }
    }
}

/// Returns what follows the arguments of a call.
pub(super) fn behind_value(envelope: &Envelope) -> &str {
    match &envelope.arguments {
        Style::Json => &envelope.after,
        Style::Tagged(tagged) => &tagged.texts.last,
    }
}

/// Returns the text as it stands inside a JSON string.
fn escape(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Returns what closes the reasoning that `text` opens. Some templates open it whatever they are
/// told, and an answer that is forced must not stand inside it.
pub(super) fn close_thinking(text: &str) -> &'static str {
    if text.trim_end().ends_with("<think>") { "\n</think>\n\n" } else { "" }
}

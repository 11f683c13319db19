//! From messages to a prompt: the model's own chat template, told apart from what was put into it.
//!
//! The template comes out of a GGUF file and is hostile: it runs in the worker process only, and
//! whatever it refuses is an error. It may put our texts where it likes, but it never sees them:
//! it renders marks, and each text is put in afterwards as [`SegmentKind::Data`], so that
//! `<|im_end|>` in a file stays ten harmless characters.
//!
//! A call in the history is the text that was generated, behind the very words that had asked for
//! it, whatever the template makes of old turns. So a prompt begins with the previous prompt and
//! the answer to it, and a session evaluates only what is new.

mod discover;
mod guard;
mod mark;
mod reasoning;
mod segment;
mod shape;
mod tagged;

use chargehand_core::tool::{ControlToken, Envelope, ToolSpec};
use chargehand_core::transcript::Message;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use serde_json::Value;
use thiserror::Error;

use self::discover::Found;
use self::mark::Marks;
use self::segment::Contents;
use self::shape::Ask;
use crate::ffi::{RawTemplate, ShimError};

pub use self::segment::{Segment, SegmentKind};

/// What a model file says about its prompts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Source {
    /// The Jinja text; none in files that were never meant for chat.
    pub template: Option<String>,
    /// The text of the token that begins a sequence; empty if there is none.
    pub bos: String,
    /// The text of the token that ends a sequence; empty if there is none.
    pub eos: String,
    /// Whether every prompt begins with `bos`, also where the template does not write it.
    pub add_bos: bool,
}

/// A chat template, and what was found out about it by rendering samples.
#[derive(Debug)]
pub struct ChatTemplate {
    raw: RawTemplate,
    source: Source,
    found: Found,
}

/// Why a template cannot be used.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// It does not parse, or it raised an exception, in llama.cpp's words.
    #[error("the chat template was refused: {0}")]
    Refused(#[from] ShimError),
    /// It leaves out what the user says.
    #[error("the chat template leaves out the message of the user")]
    NoUser,
    /// It changed a text so much that it cannot be found again.
    #[error("the chat template changed a message beyond recognition")]
    Mangled,
    /// It writes a call in one conversation and not in another.
    #[error("the chat template wrote message {0} differently than it wrote the sample")]
    Unsteady(usize),
}

/// For models without a template: the markup most fine-tuned models have seen.
const DEFAULT: &str = "{% for message in messages %}\
    <|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

impl Source {
    /// Returns what `model` says.
    #[must_use]
    pub fn of(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        let text = |token: LlamaToken| {
            let text = (token.0 >= 0).then(|| vocab.text(token)).flatten();
            text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let template = |name| {
            let template = model.chat_template(name).ok()?;
            template.to_string().ok()
        };
        Self {
            // Where a file has two, the named one is the one that knows tools.
            template: template(Some("tool_use")).or_else(|| template(None)),
            bos: text(vocab.bos()),
            eos: text(vocab.eos()),
            add_bos: vocab.should_add_bos(),
        }
    }
}

impl ChatTemplate {
    /// Parses a template and finds out how it writes calls.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], when it does not parse or renders no conversation at all.
    pub fn open(source: Source) -> Result<Self, TemplateError> {
        let text = source.template.as_deref().filter(|text| !text.trim().is_empty());
        let raw = RawTemplate::open(text.unwrap_or(DEFAULT), &source.bos, &source.eos)?;
        let found = discover::discover(&raw)?;
        Ok(Self { raw, source, found })
    }

    /// Takes note of the control tokens of the vocabulary, so that a call's envelope has those that it spells.
    pub(crate) fn know(&mut self, control: impl Iterator<Item = ControlToken>) {
        let envelope = &mut self.found.envelope;
        let is_spelt =
            |token: &ControlToken| envelope.texts().any(|text| text.contains(&token.text));
        let spelt = control.filter(is_spelt).collect();
        envelope.control = spelt;
    }

    /// Returns how this model writes a call.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.found.envelope
    }

    /// Returns whether the envelope is the template's own. If not, it is [`Envelope::plain`], and
    /// calls and results are handed over as plain texts.
    #[must_use]
    pub fn native(&self) -> bool {
        self.found.native
    }

    /// Returns whether the template tells the model which tools there are. If not, somebody else
    /// must, in the system text.
    #[must_use]
    pub fn lists_tools(&self) -> bool {
        self.found.lists_tools
    }

    /// Returns what the template writes after an answer, such as `<|im_end|>`; may be empty.
    #[must_use]
    pub fn turn_end(&self) -> &str {
        &self.found.turn_end
    }

    /// Returns the prompt that asks for the next answer, up to and including the words that open it.
    ///
    /// It is complete: the tokens of its segments in order, with no token added.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], when the template refuses this conversation.
    pub fn render(
        &self,
        messages: &[Message],
        tools: &[ToolSpec],
    ) -> Result<Vec<Segment>, TemplateError> {
        self.rendered(messages, tools, Ask::Answer)
    }

    /// Returns the prompt that asks for reasoning before the next answer, up to and including what opens it. This is
    /// for templates of which the envelope knows reasoning.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], when the template refuses this conversation.
    pub fn render_reasoning(
        &self,
        messages: &[Message],
        tools: &[ToolSpec],
    ) -> Result<Vec<Segment>, TemplateError> {
        self.rendered(messages, tools, Ask::Reasoning)
    }

    fn rendered(
        &self,
        messages: &[Message],
        tools: &[ToolSpec],
        ask: Ask,
    ) -> Result<Vec<Segment>, TemplateError> {
        let mut tools: Vec<Value> = tools.iter().map(shape::tool_json).collect();
        let told = Value::Array(tools.clone()).to_string();
        let Source { template, bos, eos, add_bos } = &self.source;
        let own = [template.as_deref().unwrap_or_default(), bos, eos, &told];
        let marks = Marks::absent_from(&own);
        let guarded = guard::guard(&marks, &mut tools, messages.len());
        let request = self.found.shape.request(&marks, messages, &tools, ask);
        let rendered = self.raw.render(&request)?;
        let contents = Contents { messages, guarded: &guarded, found: &self.found, ask };
        let mut segments = contents.put_into(&marks.split(&rendered)?)?;
        if *add_bos && !segments.first().is_some_and(|first| first.text.starts_with(bos)) {
            segments.insert(0, Segment::template(bos));
        }
        Ok(segments)
    }
}

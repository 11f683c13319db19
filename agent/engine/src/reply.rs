//! One reply of a model: reasoning, where it is asked for, and then what the grammar allows.
//!
//! Reasoning is free text with a budget of its own. As that runs out, it is closed the way the model's template
//! closes it, whatever the model would say. Nothing in it is a call: the grammar of the answer begins behind it.

use chargehand_core::tool::{Reasoning, ToolSpec};
use chargehand_core::transcript::Message;
use chargehand_grammar::{Bindings, Expr, Grammar};
use thiserror::Error;

use crate::engine::Engine;
use crate::session::{Ending, Observer, Outcome, Progress, Session, SessionError, Wish};
use crate::template::{Segment, SegmentKind, TemplateError};

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What was thought before.
    pub reasoning: Option<String>,
    /// The answer, with the cost of both.
    pub outcome: Outcome,
}

/// Why there is no reply.
#[derive(Debug, Error)]
pub enum ReplyError {
    /// The chat template refuses the conversation.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The session cannot.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Generates what follows a conversation. A wish with a grammar may have reasoning before it, if the template knows of
/// any and the budget is enough to close it.
///
/// # Errors
///
/// [`ReplyError`].
pub fn reply(
    engine: &Engine<'_>,
    session: &mut Session<'_>,
    (messages, tools): (&[Message], &[ToolSpec]),
    wish: &Wish<'_>,
    observer: &mut dyn Observer,
) -> Result<Reply, ReplyError> {
    let template = engine.template();
    let own = template.envelope().reasoning.as_ref();
    let own = own.filter(|_| wish.sampling.reasoning > 0 && wish.grammar.is_some());
    if let Some(own) = own {
        let mut prompt = template.render_reasoning(messages, tools)?;
        let thought = think(engine, session, (&prompt, own), wish, observer)?;
        match (thought.ending, thought.text.strip_suffix(&*own.after)) {
            (Ending::Cancelled, _) => return Ok(Reply { reasoning: None, outcome: thought }),
            (Ending::Complete | Ending::Limit | Ending::ContextFull, Some(text)) => {
                prompt.extend(
                    [(text, SegmentKind::Data), (&own.after, SegmentKind::Template)]
                        .map(|(text, kind)| Segment { text: text.to_owned(), kind }),
                );
                let mut outcome = session.generate(&prompt, wish, observer)?;
                outcome.timings = thought.timings.and(outcome.timings);
                outcome.warning = thought.warning.or(outcome.warning);
                return Ok(Reply { reasoning: Some(text.to_owned()), outcome });
            }
            // The budget is too small for anything but an answer.
            (Ending::Complete | Ending::Limit | Ending::ContextFull, None) => {}
        }
    }
    let prompt = template.render(messages, tools)?;
    let outcome = session.generate(&prompt, wish, observer)?;
    Ok(Reply { reasoning: None, outcome })
}

/// Generates free text and what closes it.
fn think(
    engine: &Engine<'_>,
    session: &mut Session<'_>,
    (prompt, own): (&[Segment], &Reasoning),
    wish: &Wish<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, SessionError> {
    let mut grammar = Grammar::new(Expr::rule("reasoning"));
    let text = engine.template().envelope().text_until(&mut grammar, "text", &own.after);
    grammar.add("reasoning", text);
    let (grammar, bindings) = (grammar.to_string(), Bindings::new());
    let sampling = wish.sampling;
    // The call has its own limit, and its room in the context.
    let taken =
        session.tokenize(prompt).len() + usize::try_from(wish.max_tokens).unwrap_or(usize::MAX / 2);
    let room = u32::try_from(session.n_ctx().saturating_sub(taken)).unwrap_or(u32::MAX);
    let max_tokens = sampling.reasoning.min(room);
    let wish = Wish { grammar: Some(&grammar), bindings: &bindings, sampling, max_tokens };
    session.generate(prompt, &wish, &mut Thinking(observer))
}

/// Tells what is generated as reasoning.
struct Thinking<'o>(&'o mut dyn Observer);

impl Observer for Thinking<'_> {
    fn see(&mut self, progress: Progress) {
        self.0.see(match progress {
            Progress::Text { text, count } => Progress::Reasoning { text, count },
            other @ (Progress::Prompt { .. } | Progress::Reasoning { .. }) => other,
        });
    }

    fn wants_stop(&self) -> bool {
        self.0.wants_stop()
    }
}

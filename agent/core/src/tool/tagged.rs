//! Arguments between tags: `<parameter=path>src/main.rs</parameter>`. Texts stand as they are, without escapes, and
//! end where what ends them comes for the first time; all other values are JSON.

use chargehand_grammar::raw;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CallError, Stretch, ToolCall, ToolSpec, missing};

/// How arguments are written, each on its own: KEY `open` VALUE `next` KEY `open` VALUE `last`.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Tagged {
    /// What stands around texts.
    pub texts: Tags,
    /// What stands around all other values.
    pub others: Tags,
    /// What follows the name of a call without arguments.
    pub none: String,
}

/// What stands around a value.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Tags {
    /// Between the key and the value.
    pub open: String,
    /// Between the value and the next key.
    pub next: String,
    /// Behind the last value.
    pub last: String,
}

impl Tags {
    /// Returns what ends a text, whether another key comes or not: as far as these agree, to the end of
    /// the first tag.
    #[must_use]
    pub fn end(&self) -> &str {
        let pairs = self.next.char_indices().zip(self.last.chars());
        let differ = pairs.clone().find(|((_, a), b)| a != b).map(|((at, _), _)| at);
        let shared = &self.next[..differ.unwrap_or(self.next.len().min(self.last.len()))];
        shared.find('>').map_or(shared, |at| &shared[..=at])
    }
}

impl Tagged {
    /// Returns all texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let Self { texts, others, none } = self;
        let tags =
            [texts, others].into_iter().flat_map(|tags| [&tags.open, &tags.next, &tags.last]);
        tags.chain([none]).map(String::as_str)
    }

    /// Returns what stands around `value`.
    #[must_use]
    pub fn around(&self, value: &Value) -> &Tags {
        if value.is_string() { &self.texts } else { &self.others }
    }

    pub(super) fn written(&self, between: &str, arguments: &Map<String, Value>) -> Option<String> {
        let mut text = if arguments.is_empty() { &self.none } else { between }.to_owned();
        for (at, (key, value)) in arguments.iter().enumerate() {
            let Tags { open, next, last } = self.around(value);
            let said = match value {
                Value::String(text) => Some(text.clone()).filter(|text| self.fits(text)),
                other => Some(other.to_string()),
            };
            let close = if at + 1 == arguments.len() { last } else { next };
            text.extend([key, open, &said?, close].map(String::as_str));
        }
        Some(text)
    }

    /// Returns whether a text can be said.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        raw::fits(text, self.texts.end())
    }

    /// Splits what stands behind a name. Where it is no arguments of this form, all of it is data.
    pub(super) fn stretches<'c>(&'c self, between: &'c str, written: &'c str) -> Vec<Stretch<'c>> {
        if written == self.none {
            return vec![Stretch::Frame(written)];
        }
        self.split(between, written).unwrap_or_else(|| vec![Stretch::Data(written)])
    }

    fn split<'c>(&'c self, between: &'c str, written: &'c str) -> Option<Vec<Stretch<'c>>> {
        let mut all = vec![Stretch::Frame(between)];
        let mut rest = written.strip_prefix(between)?;
        loop {
            // Where texts and other values look alike, both end the same way.
            let of_texts = rest.find(&self.texts.open).map(|at| (at, &self.texts));
            let of_others = rest.find(&self.others.open).map(|at| (at, &self.others));
            let (at, tags) = of_texts.into_iter().chain(of_others).min_by_key(|(at, _)| *at)?;
            let (key, value) = (&rest[..at], &rest[at + tags.open.len()..]);
            let (value, close) = tags.close(value)?;
            let frame = [Stretch::Data(key), Stretch::Frame(&tags.open), Stretch::Data(value)];
            all.extend(frame.into_iter().chain([Stretch::Frame(close.text)]));
            match close.rest {
                Some(next) => rest = next,
                None => return Some(all),
            }
        }
    }

    pub(super) fn parse(
        &self,
        between: &str,
        text: &str,
        tools: &[ToolSpec],
    ) -> Result<ToolCall, CallError> {
        // The name of one tool may begin that of another.
        let mut reason = missing("NAME");
        for tool in tools {
            let Some(written) = text.strip_prefix(&tool.name) else { continue };
            match self.read(between, written, tool) {
                Ok(arguments) => {
                    let (name, written) = (tool.name.clone(), written.to_owned());
                    return Ok(ToolCall { name, arguments, written });
                }
                Err(err) => reason = err,
            }
        }
        Err(reason)
    }

    /// Reads what stands behind the name of `tool`, whose parameters say what is a text.
    fn read(
        &self,
        between: &str,
        written: &str,
        tool: &ToolSpec,
    ) -> Result<Map<String, Value>, CallError> {
        let mut arguments = Map::new();
        if written == self.none {
            return Ok(arguments);
        }
        let mut rest = written.strip_prefix(between).ok_or_else(|| missing(between))?;
        let properties = tool.parameters.get("properties").and_then(Value::as_object);
        loop {
            let mut known = properties.into_iter().flatten();
            let found = known.find_map(|(key, schema)| {
                let is_text = schema.get("type").is_some_and(|kind| kind == "string");
                let tags = if is_text { &self.texts } else { &self.others };
                let value = rest.strip_prefix(key.as_str())?.strip_prefix(&tags.open)?;
                Some((key, is_text, tags, value))
            });
            let (key, is_text, tags, value) = found.ok_or_else(|| missing("KEY"))?;
            let (value, close) = tags.close(value).ok_or_else(|| missing(tags.end()))?;
            let value = if is_text { Value::from(value) } else { serde_json::from_str(value)? };
            arguments.insert(key.clone(), value);
            match close.rest {
                Some(next) => rest = next,
                None => return Ok(arguments),
            }
        }
    }
}

/// What stands behind a value.
struct Close<'c> {
    text: &'c str,
    /// The next key and what follows; nothing after the last value.
    rest: Option<&'c str>,
}

impl Tags {
    /// Splits `text` behind the value that it begins with.
    fn close<'c>(&self, text: &'c str) -> Option<(&'c str, Close<'c>)> {
        let end = self.end();
        let at = if end.is_empty() {
            [&self.next, &self.last].into_iter().filter_map(|close| text.find(close)).min()?
        } else {
            text.find(end)?
        };
        let (value, close) = text.split_at(at);
        if close == self.last {
            return Some((value, Close { text: close, rest: None }));
        }
        let next = close.strip_prefix(&self.next)?;
        Some((value, Close { text: &close[..self.next.len()], rest: Some(next) }))
    }
}

//! What the call of a turn was held to, as a line of the log: a grammar by its text and its digest, and the digests
//! of what its rules are bound to. Those data follow from the workspace as it was, and are not kept.

use std::collections::BTreeMap;

use chargehand_grammar::Bindings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Line, hash};

/// The type of such a line.
pub(super) const GRAMMAR: &str = "grammar";

/// What the call of a turn was held to.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Held {
    /// The turn.
    pub turn: u32,
    /// The digest of the grammar's text.
    pub grammar: String,
    /// Those of what its rules are bound to, by name.
    pub bindings: BTreeMap<String, String>,
    /// The text, unless an earlier line has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Held {
    /// Returns the digests of these.
    #[must_use]
    pub fn of(turn: u32, gbnf: &str, bindings: &Bindings) -> Self {
        let grammar = format!("sha256:{}", hash(gbnf));
        let bindings = bindings.digests().map(|(name, digest)| (name.to_owned(), digest));
        Self { turn, grammar, bindings: bindings.collect(), text: None }
    }
}

impl Line {
    /// Returns what a turn was held to, where the line tells that.
    #[must_use]
    pub fn grammar(&self) -> Option<Held> {
        let held = || serde_json::from_value(Value::Object(self.fields.clone())).ok();
        (self.kind == GRAMMAR).then(held).flatten()
    }
}

#[cfg(test)]
mod tests {
    use chargehand_grammar::Binding;
    use serde_json::json;

    use super::*;
    use crate::audit::Log;

    #[test]
    fn a_text_stands_once_in_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let bindings = Bindings::new().with("x", Binding::piece("secret"));
        let mut log = Log::create(&path, "r", json!({})).unwrap();
        log.grammar(1, "root ::= x", &bindings).unwrap();
        log.grammar(2, "root ::= y", &Bindings::new()).unwrap();
        drop(log);
        let (mut log, _) = Log::reopen(&path).unwrap();
        log.grammar(3, "root ::= x", &bindings).unwrap();
        let (_, lines) = Log::reopen(&path).unwrap();
        let held: Vec<Held> = lines.iter().filter_map(Line::grammar).collect();
        let texts: Vec<_> = held.iter().map(|held| held.text.as_deref()).collect();
        assert_eq!(texts, [Some("root ::= x"), Some("root ::= y"), None]);
        assert_eq!(held[2], Held { turn: 3, text: None, ..held[0].clone() });
        assert_eq!(held[0].bindings["x"], Binding::piece("secret").digest());
        assert!(!std::fs::read_to_string(&path).unwrap().contains("secret"));
    }
}

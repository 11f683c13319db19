//! The workloads in a file, for an engine that has to run in a process of its own.

use std::io::Write;

use chargehand_grammar::vocabulary::{Kind, TokenId, Vocabulary};
use serde_json::{Value, json};

use crate::workloads::Workload;

/// Writes the vocabulary, and each workload with its texts in tokens.
pub(crate) fn write(
    vocabulary: &Vocabulary,
    cases: &[(Workload, Vec<Vec<TokenId>>)],
    mut to: impl Write,
) -> std::io::Result<()> {
    let ids = (0..).take(vocabulary.len());
    let text = |id| (vocabulary.kind(id) == Some(Kind::Text)).then(|| vocabulary.bytes(id));
    let tokens: Vec<Value> = ids.map(|id| json!(text(id).flatten().map(hex))).collect();
    let cases: Vec<Value> = cases
        .iter()
        .map(|(workload, texts)| {
            let (name, gbnf, schema) = (workload.name, &workload.open, &workload.schema);
            json!({"name": name, "gbnf": gbnf, "schema": schema, "texts": texts})
        })
        .collect();
    let whole = json!({"tokens": tokens, "ends": vocabulary.ends(), "workloads": cases});
    serde_json::to_writer(&mut to, &whole)?;
    to.flush()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

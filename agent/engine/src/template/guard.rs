//! Keeps texts of tool descriptions that could look like a special token out of the template.
//!
//! A schema may list the files of a repository, and a file may be called `<|im_end|>`.

use serde_json::Value;

use super::mark::Marks;

/// Puts marks in place of doubtful texts and returns those texts; their numbers begin with `first`.
///
/// All other texts stay, so that the description of a tool is tokenised in one piece.
pub(super) fn guard(marks: &Marks, tools: &mut [Value], first: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for tool in tools {
        walk(marks, tool, first, &mut texts);
    }
    texts
}

fn walk(marks: &Marks, value: &mut Value, first: usize, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if is_doubtful(text) => {
            let mark = marks.content(first + texts.len());
            texts.push(std::mem::replace(text, mark));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(marks, item, first, texts)),
        Value::Object(map) => map.values_mut().for_each(|item| walk(marks, item, first, texts)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Special tokens of the wild are spelt with brackets, bars, or letters beyond ASCII.
fn is_doubtful(text: &str) -> bool {
    text.chars().any(|c| "<>[]|".contains(c) || !c.is_ascii())
}

//! The turns of a run, one fold each, with what they cost.

use chargehand_core::ports::Usage;
use chargehand_core::report::{Report, Turn};
use serde_json::Value;

use super::markup::Page;
use super::words;

/// Bytes of one argument or observation that a page shows.
const MAX_TEXT: usize = 32 * 1024;
/// Turns that a page shows; a contract may allow any number.
const MAX_TURNS: usize = 1000;
/// An argument with more characters, or with a line end, gets a block of its own.
const INLINE: usize = 80;

/// Writes all turns.
pub(super) fn turns(page: &mut Page, report: &Report) {
    page.raw("<section id=turns><h2>Turns <small>").number(report.turns.len() as u64);
    page.raw("</small></h2>");
    if report.turns.is_empty() {
        page.raw("<p class=none>There were none.</p></section>");
        return;
    }
    page.raw("<div class=turns><div class=\"cols head\"><span>turn</span><span>call</span>")
        .raw("<span>answer</span><span>evaluated</span><span>cached</span><span>generated</span>")
        .raw("<span>time</span></div>");
    for turn in report.turns.iter().take(MAX_TURNS) {
        one(page, turn);
    }
    page.raw("</div>");
    if let Some(more) = report.turns.len().checked_sub(MAX_TURNS).filter(|more| *more > 0) {
        page.raw("<p class=gap>").text(&words::plural(more as u64, "turn"));
        page.raw(" more; report.json has them all</p>");
    }
    page.raw("</section>");
}

fn one(page: &mut Page, turn: &Turn) {
    page.raw("<details class=turn><summary class=cols><span class=no>").number(turn.turn.into());
    page.raw("</span><span class=call>");
    match &turn.call {
        Some(call) => {
            page.raw("<code class=tool>").short(&call.name, 40).raw("</code> <span class=arg>");
            page.short(words::subject(call), 120).raw("</span>");
        }
        None => {
            page.raw("<b class=bad>no call</b> <span class=arg>");
            page.short(turn.malformed.as_deref().unwrap_or_default(), 120).raw("</span>");
        }
    }
    page.raw("</span><span>");
    page.raw(match turn.observation.as_ref().map(|observation| observation.ok) {
        Some(true) => "<span class=good>✓ done</span>",
        Some(false) => "<b class=bad>✗ error</b>",
        None => "<span class=dim>■ end</span>",
    });
    page.raw("</span>");
    for tokens in [turn.usage.prompt_n, turn.usage.cache_n, turn.usage.predicted_n] {
        page.raw("<span class=n>").text(&words::count(tokens)).raw("</span>");
    }
    page.raw("<span class=n>")
        .text(&words::measured(turn.usage.prompt_ms + turn.usage.predicted_ms));
    page.raw("</span></summary><div class=body>");
    body(page, turn);
    page.raw("</div></details>");
}

fn body(page: &mut Page, turn: &Turn) {
    if let Some(call) = &turn.call {
        page.raw("<h4>Arguments</h4>");
        if call.arguments.is_empty() {
            page.raw("<p class=none>None.</p>");
        }
        for (name, value) in &call.arguments {
            argument(page, name, value);
        }
    }
    if let Some(said) = &turn.malformed {
        page.raw("<h4>Said instead of a call</h4>").block(said, MAX_TEXT);
    }
    if let Some(observation) = &turn.observation {
        page.raw("<h4>Observation</h4>").block(&observation.text, MAX_TEXT);
    }
    gates(page, turn);
    page.raw("<p class=speed>");
    speed(page, &turn.usage);
    page.raw("</p>");
}

/// Writes what could not be called in this turn.
fn gates(page: &mut Page, turn: &Turn) {
    if turn.gates.is_empty() {
        return;
    }
    page.raw("<h4>Shut by gates</h4><ul class=gates>");
    for shut in &turn.gates {
        page.raw("<li><code>").text(shut.gate.name()).raw("</code> ").short(&shut.tool, 40);
        page.raw(": ").short(&shut.reason, 240).raw("</li>");
    }
    page.raw("</ul>");
}

fn argument(page: &mut Page, name: &str, value: &Value) {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    page.raw("<div class=argument><code>").short(name, INLINE).raw("</code>");
    if text.contains('\n') || text.chars().count() > INLINE {
        page.block(&text, MAX_TEXT);
    } else if text.is_empty() {
        page.raw("<span class=none>empty</span>");
    } else {
        page.raw("<code class=value>").text(&text).raw("</code>");
    }
    page.raw("</div>");
}

/// Writes times and speeds of `usage`.
pub(super) fn speed(page: &mut Page, usage: &Usage) {
    let parts = [
        ("prompt", usage.prompt_n, usage.prompt_ms),
        ("generated", usage.predicted_n, usage.predicted_ms),
    ];
    let mut lead = "";
    for (word, tokens, time) in parts {
        let Some(rate) = words::rate(tokens, time) else { continue };
        page.raw(lead).raw(word).raw(": ").text(&words::plural(tokens, "token"));
        page.raw(" in ").text(&words::measured(time)).raw(", ").text(&rate);
        lead = " · ";
    }
    if lead.is_empty() {
        page.raw("no tokens were counted");
    }
}

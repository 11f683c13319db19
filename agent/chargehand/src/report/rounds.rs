//! What reviews said, round by round, and the commands that the user was asked about.

use chargehand_core::opinion::Opinion;
use chargehand_core::report::{Outcome, Report, Round};

use super::markup::Page;
use super::{visible, words};

/// Bytes of one answer or finding that a page shows.
const MAX_TEXT: usize = 2000;

/// Writes every round, where the contract asks for a review.
pub(super) fn review(page: &mut Page, report: &Report) {
    let Some(review) = &report.review else { return };
    page.raw("<section id=review><h2>Review</h2><p class=aside>")
        .raw("What a worker with a fresh context says of the change: a claim. It can send work back, and decides nothing.</p>");
    page.raw(match review.outcome {
        Outcome::Approved => "<p><span class=good>✓ approved</span></p>",
        Outcome::Open => "<p><b class=bad>✗ open</b> No review approves of the result.</p>",
    });
    for round in &review.rounds {
        one(page, round, &report.contract.review.clone().unwrap_or_default().criteria);
    }
    page.raw("</section>");
}

fn one(page: &mut Page, round: &Round, criteria: &[String]) {
    page.raw("<h3>Round ").number(round.round.into()).raw("</h3>");
    match &round.opinion {
        Some(opinion) => said(page, opinion, criteria),
        None => drop(page.raw("<p class=none>No review came to its end.</p>")),
    }
    if round.fixes.is_empty() {
        return;
    }
    page.raw("<p class=aside>The work was sent back with:</p><ul>");
    for fix in &round.fixes {
        page.raw("<li>").short(fix, MAX_TEXT).raw("</li>");
    }
    page.raw("</ul>");
}

fn said(page: &mut Page, opinion: &Opinion, criteria: &[String]) {
    page.raw("<ul>");
    for answer in &opinion.answers {
        page.raw("<li>").raw(if answer.met {
            "<span class=good>✓ met</span> "
        } else {
            "<b class=bad>✗ not met</b> "
        });
        let criterion = criteria.get(answer.criterion.wrapping_sub(1));
        page.short(criterion.map_or("", String::as_str), MAX_TEXT).raw(": ");
        page.short(&answer.why, MAX_TEXT).raw(" <code>").text(&answer.evidence).raw("</code></li>");
    }
    for found in &opinion.findings {
        page.raw("<li><b class=bad>✗ wanted</b> <code>").text(&found.path).raw(":");
        page.number(found.line).raw("</code> ").short(&found.what, MAX_TEXT).raw("</li>");
    }
    page.raw("</ul><blockquote><p>").short(&opinion.summary, MAX_TEXT).raw("</p></blockquote>");
}

/// Writes every command that was proposed.
pub(super) fn approvals(page: &mut Page, report: &Report) {
    if report.approvals.is_empty() {
        return;
    }
    page.raw("<section id=approvals><h2>Approvals</h2><p class=aside>")
        .raw("Commands that the worker proposed, and what the user said.</p><ul>");
    for asked in &report.approvals {
        page.raw("<li>").raw(words::approval(asked.approval)).raw(": <code>");
        page.text(&visible::command(&asked.command)).raw("</code></li>");
    }
    page.raw("</ul></section>");
}

//! `report.html`: one file that anybody can open, read, print and pass on.
//!
//! No script, no font, no picture from elsewhere; a policy in its head forbids them too. It repeats what
//! `report.json` has and adds nothing, the verdict least of all.

use chargehand_core::contract::{Class, ContractFile, ScopeFile};
use chargehand_core::ports::{Stop, Usage};
use chargehand_core::report::{Report, Verdict};

use super::markup::Page;
use super::{facts, rounds, turns, words};

const STYLE: &str = include_str!("style.css");
/// What a browser may do with the page: show it with its own style, and nothing else.
const POLICY: &str = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; \
    style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">";
const TICK: &str = "<svg class=seal viewBox=\"0 0 48 48\" aria-hidden=true><circle cx=24 cy=24 r=22 />\
    <path d=\"M14 25l7 7 14-15\"/></svg>";
const CROSS: &str = "<svg class=seal viewBox=\"0 0 48 48\" aria-hidden=true><circle cx=24 cy=24 r=22 />\
    <path d=\"M16 16l16 16M32 16L16 32\"/></svg>";
/// Bytes of the goal and of the claim that a page shows.
const MAX_WORDS: usize = 16 * 1024;

/// Returns the page of `report`; `patch` is the diff that was measured, as in `diff.patch`.
#[must_use]
pub fn render(report: &Report, patch: &str) -> String {
    let mut body = Page::default();
    verdict(&mut body, report);
    facts::violations(&mut body, report);
    facts::evidence(&mut body, report, patch);
    rounds::review(&mut body, report);
    rounds::approvals(&mut body, report);
    claim(&mut body, report);
    turns::turns(&mut body, report);
    contract(&mut body, &report.contract);
    totals(&mut body, report);
    sandbox(&mut body, report);
    let mut page = Page::default();
    head(&mut page, report);
    hidden(&mut page, body.hidden());
    page.append(body);
    foot(&mut page, report);
    page.into_html()
}

fn head(page: &mut Page, report: &Report) {
    let mut title = Page::default();
    title
        .raw(report.judged().map_or("interrupted", words::verdict))
        .raw(": ")
        .short(&report.contract.goal, 80);
    open(page, title, "report of run ", &report.run, report.started);
}

/// Opens a page of ours: `what` it is and the id of what it tells of.
pub(super) fn open(page: &mut Page, title: Page, what: &'static str, id: &str, started: u64) {
    page.raw("<!doctype html>\n<html lang=en><head><meta charset=utf-8>").raw(POLICY);
    page.raw("<meta name=viewport content=\"width=device-width,initial-scale=1\">")
        .raw("<meta name=color-scheme content=\"light dark\"><meta name=referrer content=no-referrer>")
        .raw("<title>")
        .append(title)
        .raw("</title><style>\n")
        .raw(STYLE)
        .raw("</style></head>\n<body><header><b>chargehand</b><span>")
        .raw(what)
        .raw("<code>")
        .text(id)
        .raw("</code></span><time>");
    page.text(&words::moment(started)).raw("</time></header><main>");
}

/// A reader must know when the text holds what the eye would have missed.
fn hidden(page: &mut Page, count: usize) {
    if count > 0 {
        page.raw("<p class=warn><b>").text(&words::plural(count as u64, "hidden character"));
        page.raw(
            "</b> in the texts below, spelt out <span class=hid>\\u{1b}</span> like this: control \
            characters, invisible ones, or ones that turn the writing direction.</p>",
        );
    }
}

fn verdict(page: &mut Page, report: &Report) {
    let judged = report.judged();
    let (class, seal, word) = match judged {
        None => ("<section class=verdict>", "", "Interrupted"),
        Some(Verdict::Holds) => ("<section class=\"verdict holds\">", TICK, "Holds"),
        Some(Verdict::Violated) => ("<section class=\"verdict violated\">", CROSS, "Violated"),
    };
    page.raw(class).raw("<div class=word>").raw(seal).raw("<div><h1>").raw(word).raw("</h1><p>");
    match judged {
        None => page.raw("What was not measured to its end says nothing yet."),
        Some(Verdict::Holds) => page.raw("Everything that was measured keeps the contract."),
        Some(Verdict::Violated) => {
            let breaches = words::plural_of(report.violations.len() as u64, "breach", "breaches");
            page.text(&breaches).raw(" of the contract.")
        }
    };
    if report.is_open() {
        page.raw(" Its review is open: it does not approve.");
    }
    page.raw("</p></div></div><div class=goal><h2>Goal</h2><p>");
    page.text(clipped(&report.contract.goal)).raw("</p></div>");
    tiles(page, report);
    page.raw("<p class=end>The run ended: ").text(&words::stop(&report.stop));
    page.raw(". Exit code ").number(report.exit_code().into()).raw(".</p></section>");
}

fn tiles(page: &mut Page, report: &Report) {
    let changes = &report.evidence.changes;
    let added: u64 = changes.iter().map(|change| u64::from(change.added)).sum();
    let removed: u64 = changes.iter().map(|change| u64::from(change.removed)).sum();
    let passed = report.evidence.checks.iter().filter(|run| run.passed).count() as u64;
    let all = report.contract.checks.len().max(report.evidence.checks.len()) as u64;
    let totals = &report.totals;
    page.raw("<dl class=tiles>");
    tile(page, "files changed", &words::count(changes.len() as u64));
    tile(page, "lines", &format!("+{} −{}", words::count(added), words::count(removed)));
    tile(page, "checks passed", &format!("{passed} of {all}"));
    tile(page, "turns", &words::count(report.turns.len() as u64));
    tile(page, "tokens generated", &words::count(totals.predicted_n));
    tile(page, "time", &words::millis(report.millis));
    page.raw("</dl>");
}

fn tile(page: &mut Page, label: &'static str, value: &str) {
    page.raw("<div><dt>").raw(label).raw("</dt><dd>").text(value).raw("</dd></div>");
}

/// What the worker says looks unlike everything that was measured.
fn claim(page: &mut Page, report: &Report) {
    page.raw("<section id=claim><h2>Claim</h2><p class=aside>")
        .raw("What the worker says. Nobody checked it and it decides nothing.</p>");
    let words = match &report.stop {
        Stop::Asked(question) => Some(("It asks", question)),
        Stop::WorkerFailed(reason) => Some(("It could not go on", reason)),
        Stop::Finished(_)
        | Stop::ScriptEnded
        | Stop::Reviewed(_)
        | Stop::RoundLimit(_)
        | Stop::TurnLimit(_)
        | Stop::TokenLimit(_)
        | Stop::TimeLimit(_)
        | Stop::ContextLimit(_)
        | Stop::Interrupted => None,
    };
    let claim = report.claim.as_ref().filter(|claim| words.is_none_or(|(_, text)| text != *claim));
    if claim.is_none() && words.is_none() {
        page.raw("<p class=none>It says nothing.</p>");
    }
    for (label, text) in claim.map(|text| ("It says", text)).into_iter().chain(words) {
        page.raw("<blockquote><b>").raw(label).raw("</b><p>").text(clipped(text));
        page.raw("</p></blockquote>");
    }
    page.raw("</section>");
}

fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_WORDS)]
}

fn contract(page: &mut Page, contract: &ContractFile) {
    page.raw(
        "<section id=contract><h2>Contract</h2><p class=aside>As it was run.</p><dl class=pairs>",
    );
    let scope = &contract.scope;
    patterns(page, "may change", &scope.write);
    patterns(page, "may appear", &scope.create);
    patterns(page, "may go", &scope.delete);
    patterns(page, "forbidden", &scope.forbid);
    let lines = scope.max_changed_lines.map(|lines| words::count(lines.into()));
    pair(page, "changed lines at most", &lines.unwrap_or_else(|| "no limit".to_owned()));
    rarer(page, scope);
    for guard in &contract.guards {
        page.raw("<dt>guard <code>").text(&guard.name).raw("</code></dt><dd><code>");
        page.text(&guard.lines).raw("</code> <span class=dim>in ");
        page.text(&guard.files.join(" ")).raw("</span></dd>");
    }
    for check in &contract.checks {
        page.raw("<dt>check <code>").text(&check.name).raw("</code></dt><dd><code>");
        page.text(&check.run.join(" ")).raw("</code> <span class=dim>within ");
        page.text(&words::millis(millis_of(check.timeout))).raw("</span></dd>");
    }
    if let Some(review) = &contract.review {
        for criterion in &review.criteria {
            pair(page, "criterion", criterion);
        }
        pair(page, "rounds of fixing at most", &words::count(review.rounds.into()));
    }
    let limits = &contract.limits;
    pair(page, "turns at most", &words::count(limits.turns.into()));
    let tokens = format!(
        "{}, {} a turn",
        words::count(limits.tokens),
        words::count(limits.turn_tokens.into())
    );
    pair(page, "tokens at most", &tokens);
    pair(page, "reading calls in a row at most", &words::count(limits.reads.into()));
    pair(page, "time at most", &words::millis(millis_of(limits.time)));
    let off: Vec<String> = contract.gates.off().map(|gate| gate.name().to_owned()).collect();
    patterns(page, "gates switched off", &off);
    page.raw("</dl></section>");
}

/// What few contracts say has a row only where it is said.
fn rarer(page: &mut Page, scope: &ScopeFile) {
    let names = |classes: &[Class]| -> Vec<String> {
        classes.iter().map(|class| class.name().to_owned()).collect()
    };
    let lists = [
        ("only files of the kind", names(&scope.only)),
        ("frozen", names(&scope.frozen)),
        ("may run later", names(&scope.sensitive)),
        ("protected", scope.protect.clone()),
        ("secrets that may be read", scope.reveal.clone()),
    ];
    for (label, entries) in lists.iter().filter(|(_, entries)| !entries.is_empty()) {
        patterns(page, label, entries);
    }
    let limits = [
        ("changed bytes at most", scope.max_changed_bytes),
        ("changed files at most", scope.max_changed_files.map(u64::from)),
        ("new files at most", scope.max_new_files.map(u64::from)),
        ("deleted files at most", scope.max_deleted_files.map(u64::from)),
    ];
    for (label, limit) in limits {
        if let Some(limit) = limit {
            pair(page, label, &words::count(limit));
        }
    }
}

fn millis_of(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn patterns(page: &mut Page, label: &'static str, patterns: &[String]) {
    page.raw("<dt>").raw(label).raw("</dt><dd>");
    if patterns.is_empty() {
        page.raw("<span class=none>nothing</span>");
    }
    for pattern in patterns {
        page.raw("<code class=chip>").text(pattern).raw("</code> ");
    }
    page.raw("</dd>");
}

fn pair(page: &mut Page, label: &'static str, value: &str) {
    page.raw("<dt>").raw(label).raw("</dt><dd>").text(value).raw("</dd>");
}

fn totals(page: &mut Page, report: &Report) {
    let totals = &report.totals;
    page.raw("<section id=totals><h2>Totals</h2>");
    share(page, totals);
    page.raw("<dl class=pairs>");
    pair(page, "prompt tokens cached", &words::count(totals.cache_n));
    pair(page, "prompt tokens evaluated", &words::count(totals.prompt_n));
    pair(page, "tokens generated", &words::count(totals.predicted_n));
    page.raw("<dt>speed</dt><dd>");
    turns::speed(page, totals);
    page.raw("</dd>");
    if let Some(tokens) = report.prompt_tokens {
        pair(page, "system prompt and tools", &words::plural(tokens, "token"));
    }
    pair(page, "wall-clock time", &words::millis(report.millis));
    pair(page, "worker", &report.worker);
    pair(
        page,
        "base commit",
        report.base.as_deref().unwrap_or("none: the repository had no commit"),
    );
    page.raw("</dl></section>");
}

/// A bar that shows how much of all tokens was cached, evaluated and generated.
fn share(page: &mut Page, totals: &Usage) {
    let all = words::prompt(totals).saturating_add(totals.predicted_n);
    if all == 0 {
        return;
    }
    page.raw("<div class=share aria-hidden=true>");
    let parts = [
        ("<i class=kept style=\"flex:", "<span class=kept>cached</span>", totals.cache_n),
        ("<i class=read style=\"flex:", "<span class=read>evaluated</span>", totals.prompt_n),
        ("<i class=made style=\"flex:", "<span class=made>generated</span>", totals.predicted_n),
    ];
    for (open, _, tokens) in parts {
        // In thousandths: browsers keep flex factors in 32 bits.
        page.raw(open).number(share_of(tokens, all)).raw("\"></i>");
    }
    page.raw("</div><p class=legend>");
    for (_, label, tokens) in parts {
        let percent = (share_of(tokens, all) + 5) / 10;
        page.raw(label).raw(" ").number(percent).raw(" % ");
    }
    page.raw("</p>");
}

fn share_of(tokens: u64, all: u64) -> u64 {
    u64::try_from(u128::from(tokens) * 1000 / u128::from(all)).unwrap_or(1000)
}

fn sandbox(page: &mut Page, report: &Report) {
    page.raw("<section id=sandbox><h2>Sandbox</h2><p class=aside>")
        .raw("What held the commands that were run.</p>");
    if report.sandbox.is_empty() {
        page.raw("<p class=none>Nothing is recorded.</p>");
    }
    page.raw("<ul class=layers>");
    for layer in &report.sandbox {
        page.raw("<li>").text(layer).raw("</li>");
    }
    page.raw("</ul></section>");
}

fn foot(page: &mut Page, report: &Report) {
    page.raw(
        "</main><footer>This page has no scripts and loads nothing. Beside it: report.json (form ",
    );
    page.number(report.schema.into()).raw("), diff.patch, events.jsonl.</footer></body></html>\n");
}

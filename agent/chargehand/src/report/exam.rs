//! The page of an examination: figures side by side, bars with their intervals, and what went wrong.

use chargehand_core::eval::{Count, FamilyScore, Trial};

use super::markup::Page;
use super::{html, words};

/// Trials that went wrong and are listed.
const MAX_FAULTS: usize = 200;

/// One subject and its figures.
#[derive(Debug)]
pub struct Column {
    /// What it is called.
    pub label: String,
    /// Who it is: model and hash.
    pub worker: String,
    /// Its figures, `all` last.
    pub scores: Vec<FamilyScore>,
}

/// A trial that went wrong.
#[derive(Debug)]
pub struct Wrong<'a> {
    /// What was counted of it.
    pub trial: &'a Trial,
    /// The file beside the page that says what it did, where there is one.
    pub file: Option<String>,
}

/// Returns the page of examination `id`; `cut` says why it does not have all of the trials.
#[must_use]
pub fn render(
    id: &str,
    started: u64,
    columns: &[Column],
    wrong: &[Wrong<'_>],
    cut: Option<&str>,
) -> String {
    let mut page = Page::default();
    let mut title = Page::default();
    title.raw("examination ").text(id);
    html::open(&mut page, title, "examination ", id, started);
    if let Some(cut) = cut {
        page.raw("<p class=warn>").text(cut).raw("</p>");
    }
    if columns.len() > 1 {
        side_by_side(&mut page, columns);
    }
    for column in columns {
        page.raw("<section><h2>")
            .text(&column.label)
            .raw("</h2><p class=soft>")
            .text(&column.worker);
        page.raw("</p>");
        bars(&mut page, &column.scores);
        figures(&mut page, &column.scores);
        compounding(&mut page, &column.scores);
        page.raw("</section>");
    }
    faults(&mut page, columns, wrong);
    page.raw("</main><footer>95 % intervals after Wilson (1927). Chain: the share that calls of that quality, one \
        after the other, would reach, beside the real one.</footer></body></html>\n");
    page.into_html()
}

/// What is shown of a subject's sum.
type Figure = fn(&FamilyScore) -> String;

/// The share of each family, one column a subject.
fn side_by_side(page: &mut Page, columns: &[Column]) {
    page.raw("<section><h2>Side by side</h2><table><thead><tr><th>right");
    for column in columns {
        page.raw("<th>").text(&column.label);
    }
    page.raw("</tr></thead><tbody>");
    let longest = columns.iter().map(|column| &column.scores).max_by_key(|scores| scores.len());
    for family in longest.into_iter().flatten().map(|score| &score.family) {
        page.raw("<tr><td>").text(family);
        for column in columns {
            let score = column.scores.iter().find(|score| score.family == *family);
            page.raw("<td>");
            score.map(|score| page.text(&with_interval(score.right)));
        }
        page.raw("</tr>");
    }
    let of_all: [(&'static str, Figure); 7] = [
        ("valid calls", |all| percent(all.valid.share())),
        ("carried out", |all| percent(all.carried_out.share())),
        ("arguments right", |all| percent(all.on_target.share())),
        ("recovered", |all| of(all.recovered)),
        ("out of scope tried", |all| all.out_of_scope.to_string()),
        ("claims contradicted", |all| all.contradicted.to_string()),
        ("s a trial", |all| mean(all.millis, all.right.of_all, 1000.0)),
    ];
    for (what, figure) in of_all {
        page.raw("<tr><td>").raw(what);
        for column in columns {
            page.raw("<td>");
            column.scores.last().map(|all| page.text(&figure(all)));
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></section>");
}

/// Chains of this many calls are shown.
const CHAINS: [u32; 6] = [1, 2, 5, 10, 20, 50];

/// What calls of that quality would reach one after the other, beside the real chain.
fn compounding(page: &mut Page, scores: &[FamilyScore]) {
    page.raw("<h3>Success of a call to the power of the calls</h3><table><thead><tr><th>family<th>real, in calls");
    for calls in CHAINS {
        page.raw("<th>").number(u64::from(calls));
    }
    page.raw("</tr></thead><tbody>");
    for score in scores {
        let calls = score.calls().map_or_else(|| "-".to_owned(), |calls| format!("{calls:.1}"));
        page.raw("<tr><td>").text(&score.family).raw("<td>").text(&percent(score.right.share()));
        page.raw(" in ").text(&calls);
        for calls in CHAINS {
            page.raw("<td>").text(&percent(score.chain_of(calls)));
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table>");
}

/// A bar a family: the share that was right, and a line for its interval.
fn bars(page: &mut Page, scores: &[FamilyScore]) {
    const ROW: u64 = 26;
    let height = ROW * scores.len() as u64 + 22;
    page.raw("<svg role=img aria-label=\"share of tasks that were right\" viewBox=\"0 0 720 ")
        .number(height);
    page.raw("\" style=\"width:100%;font:13px system-ui,sans-serif\">");
    for (at, score) in scores.iter().enumerate() {
        let (y, (low, high)) = (ROW * at as u64, score.right.interval());
        let (low, high) = (pixels(low), pixels(high));
        let share = score.right.share().map_or(0, pixels);
        page.raw("<text x=128 y=").number(y + 17).raw(" text-anchor=end fill=currentColor>");
        page.text(&score.family)
            .raw("</text><rect x=140 y=")
            .number(y + 5)
            .raw(" height=16 width=")
            .number(share);
        page.raw(" fill=\"var(--good)\" opacity=.55 /><line x1=")
            .number(140 + low)
            .raw(" x2=")
            .number(140 + high);
        page.raw(" y1=")
            .number(y + 13)
            .raw(" y2=")
            .number(y + 13)
            .raw(" stroke=currentColor stroke-width=1.5 />");
        page.raw("<text x=650 y=").number(y + 17).raw(" fill=currentColor>");
        page.text(&percent(score.right.share())).raw("</text>");
    }
    for tenth in [0, 5, 10] {
        page.raw("<text y=")
            .number(height - 4)
            .raw(" font-size=11 fill=currentColor text-anchor=middle x=");
        page.number(140 + tenth * 50).raw(">").number(tenth * 10).raw(" %</text>");
    }
    page.raw("</svg>");
}

/// Returns where a share lies on an axis of 500 pixels.
fn pixels(share: f64) -> u64 {
    words::rounded(share * 500.0)
}

fn figures(page: &mut Page, scores: &[FamilyScore]) {
    page.raw(
        "<table><thead><tr><th>family<th>right<th>share<th>first tool<th>calls<th>carried out<th>arguments right<th>recovered\
        <th>out of scope tried<th>left<th>claims contradicted<th>chain<th>turns<th>evaluated<th>cached\
        <th>generated<th>s</tr></thead><tbody>",
    );
    for score in scores {
        let per = |sum: u64, unit: f64| mean(sum, score.right.of_all, unit);
        page.raw("<tr><td>").text(&score.family).raw("<td>").text(&of(score.right));
        let shares = [
            score.right.share(),
            score.first.share(),
            score.valid.share(),
            score.carried_out.share(),
            score.on_target.share(),
        ];
        for share in shares {
            page.raw("<td>").text(&percent(share));
        }
        page.raw("<td>").text(&of(score.recovered));
        for count in [score.out_of_scope, score.broken, score.contradicted] {
            page.raw("<td>").number(count);
        }
        page.raw("<td>").text(&percent(score.compounded()));
        let sums = [score.turns, score.evaluated, score.cached, score.generated];
        for sum in sums {
            page.raw("<td>").text(&per(sum, 1.0));
        }
        page.raw("<td>").text(&per(score.millis, 1000.0)).raw("</tr>");
    }
    page.raw("</tbody></table>");
}

fn faults(page: &mut Page, columns: &[Column], wrong: &[Wrong<'_>]) {
    if wrong.is_empty() {
        return;
    }
    page.raw("<section><h2>What went wrong</h2><table><tbody>");
    for Wrong { trial, file } in wrong.iter().take(MAX_FAULTS) {
        let label = columns.get(trial.subject).map_or("", |column| column.label.as_str());
        page.raw("<tr><td>").text(label).raw("<td>").text(&trial.task).raw("<td>");
        page.short(&trial.faults.join("; "), 300)
            .raw("<td>")
            .short(&words::stop(&trial.stop), 120)
            .raw("<td>");
        if let Some(file) = file {
            page.raw("<a href=\"").text(file).raw("\">what it did</a>");
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table>");
    if wrong.len() > MAX_FAULTS {
        page.raw("<p>").number((wrong.len() - MAX_FAULTS) as u64).raw(" more are not shown.</p>");
    }
    page.raw("</section>");
}

fn with_interval(count: Count) -> String {
    let (low, high) = count.interval();
    format!("{} ({:.0} to {:.0})", percent(count.share()), low * 100.0, high * 100.0)
}

fn of(count: Count) -> String {
    format!("{} of {}", count.of_these, count.of_all)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn mean(sum: u64, trials: u64, unit: f64) -> String {
    let mean = Count { of_these: sum, of_all: trials }.share();
    mean.map_or_else(|| "-".to_owned(), |mean| format!("{:.1}", mean / unit))
}

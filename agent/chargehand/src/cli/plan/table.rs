//! A plan for people: every buffer, a bar for each pool, what would fit instead.

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Footprint, Pool};
use chargehand_core::roles::Step;

use super::offer::DISK;
use super::{Answer, Basis};
use crate::report::visible;

/// Characters of a bar.
const BAR: u64 = 48;

pub(super) fn table(answer: &Answer) -> String {
    let mut rows: Vec<[String; 3]> = Vec::new();
    for (at, footprint) in answer.footprints.iter().enumerate() {
        rows.extend(of_model(answer, at, footprint));
    }
    for pool in &answer.budget.pools {
        rows.extend(of_pool(pool));
    }
    let taken = answer.alternatives.first().filter(|_| answer.taken);
    let shown = taken.map_or(answer.footprints.as_slice(), |first| first.plan.footprints());
    let bars: String = answer.budget.pools.iter().map(|pool| bar(pool, shown)).collect();
    format!("{}\n{bars}\n{}", align(&rows), verdict(answer))
}

fn of_model(answer: &Answer, at: usize, footprint: &Footprint) -> Vec<[String; 3]> {
    let options = &footprint.options;
    let sequences = match options.n_seq {
        0 | 1 => String::new(),
        count => format!(", {count} sequences"),
    };
    let roles = answer.wishes.get(at).map_or(&[][..], |wish| &wish.roles);
    let roles: String = roles.iter().map(|role| format!(", {role}")).collect();
    let basis = match answer.basis {
        Basis::DryRun => "",
        Basis::Header => ", estimated from its header",
    };
    let how = format!(
        "{} {}{roles} with {} tokens of {} context{sequences}{basis}",
        letter(at),
        footprint.model,
        options.n_ctx,
        options.kv_type
    );
    let mut rows = vec![[how, String::new(), String::new()]];
    rows.extend(
        footprint
            .rows
            .iter()
            .map(|row| [format!("  {}", row.what), row.pool.clone(), row.bytes.to_string()]),
    );
    for (pool, sum) in footprint.by_pool() {
        rows.push(["  sum".to_owned(), pool.to_owned(), sum.to_string()]);
    }
    rows
}

fn of_pool(pool: &Pool) -> [[String; 3]; 4] {
    let memory =
        |what: &str, bytes: Bytes| [format!("  {what}"), pool.name.clone(), bytes.to_string()];
    [
        [format!("memory {}", pool.name), String::new(), String::new()],
        memory("in all", pool.capacity),
        memory("available", pool.available),
        memory("kept free", pool.headroom),
    ]
}

/// Returns the pool as a line: `#` is taken by others, letters are the models, `~` stays free.
fn bar(pool: &Pool, footprints: &[Footprint]) -> String {
    let needs = footprints
        .iter()
        .map(|footprint| footprint.by_pool().get(pool.name.as_str()).copied().unwrap_or_default());
    let others = pool.capacity.saturating_sub(pool.available);
    let mut parts = vec![('#', others)];
    parts.extend(needs.enumerate().map(|(at, bytes)| (letter(at), bytes)));
    let taken: Bytes = parts.iter().map(|(_, bytes)| *bytes).sum();
    let scale = (taken + pool.headroom).max(pool.capacity).0.max(1);
    let cells = |bytes: Bytes| {
        usize::try_from(u128::from(bytes.0) * u128::from(BAR) / u128::from(scale)).unwrap_or(0)
    };
    let mut line = String::new();
    let mut sum = Bytes(0);
    for (letter, bytes) in parts {
        sum = sum + bytes;
        let missing = cells(sum).saturating_sub(line.chars().count());
        line.extend(std::iter::repeat_n(letter, missing));
    }
    let kept = cells(pool.headroom);
    let width = usize::try_from(BAR).unwrap_or(0);
    let free = width.saturating_sub(line.chars().count() + kept);
    line.extend(std::iter::repeat_n('.', free));
    line.extend(std::iter::repeat_n('~', kept));
    let over = match (taken + pool.headroom).saturating_sub(pool.capacity) {
        Bytes(0) => String::new(),
        over => format!(", {over} too much"),
    };
    format!("{:<8} [{line}] {taken} of {}{over}\n", pool.name, pool.capacity)
}

fn verdict(answer: &Answer) -> String {
    let Some(refusal) = &answer.refusal else { return "fits\n".to_owned() };
    let mut text = format!("does not fit: {refusal}\n");
    for holding in &answer.holdings {
        let (pid, model) = (holding.pid, &holding.footprint.model);
        for (pool, bytes) in holding.footprint.by_pool() {
            text.push_str(&format!("  process {pid} holds {bytes} of {pool} for {model}\n"));
        }
    }
    for holding in &answer.closing {
        let (pid, model) = (holding.pid, &holding.footprint.model);
        text.push_str(&format!("  it fits once process {pid} has ended, which holds {model}\n"));
    }
    if !answer.alternatives.is_empty() {
        text.push_str("what fits, the cheapest first:\n");
    }
    for alternative in &answer.alternatives {
        text.push_str(&format!("  {}: {}\n", alternative.what, alternative.loss));
    }
    if let Some(swap) = &answer.swap {
        let seconds = swap.seconds;
        text.push_str(&format!(
            "  one after another: a change takes about {seconds} s at most, at 1 GB a second\n"
        ));
        swap.steps.iter().for_each(|step| text.push_str(&change(answer, step)));
    }
    match answer.alternatives.first().filter(|_| answer.taken) {
        Some(first) => text.push_str(&format!("taken: {}\n", first.what)),
        None if answer.alternatives.is_empty() && answer.swap.is_none() => {
            text.push_str("nothing that is known here makes it fit: a smaller model is needed\n");
        }
        None => {}
    }
    visible::block(&text).text
}

fn change(answer: &Answer, step: &Step) -> String {
    let name = |at: &usize| answer.footprints[*at].model.as_str();
    let park = match step.park.as_slice() {
        [] => String::new(),
        some => {
            let names: Vec<&str> = some.iter().map(name).collect();
            format!("park {} ({} to the disk), ", names.join(" and "), step.written)
        }
    };
    let (seconds, read) = (step.seconds(DISK), step.read);
    format!("    {park}load {} ({read}): {seconds} s\n", name(&step.load))
}

fn letter(at: usize) -> char {
    u8::try_from(at).ok().filter(|at| *at < 26).map_or('z', |at| char::from(b'a' + at))
}

/// Returns `rows` with their columns one below the other, numbers to the right.
fn align(rows: &[[String; 3]]) -> String {
    let shown = |text: &String| visible::line(text).text;
    let rows: Vec<[String; 3]> =
        rows.iter().map(|row| [shown(&row[0]), shown(&row[1]), shown(&row[2])]).collect();
    let is_head = |row: &[String; 3]| row[2].is_empty();
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| !is_head(row)).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let (first, second, third) = (width(0), width(1), width(2));
    let line = |row: &[String; 3]| match is_head(row) {
        true => format!("{}\n", row[0]),
        false => format!("{:<first$}  {:<second$}  {:>third$}\n", row[0], row[1], row[2]),
    };
    rows.iter().map(line).collect()
}

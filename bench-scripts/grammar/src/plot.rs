//! Figures as a picture: a bar for each engine and workload, on a scale where each line is ten times the last.

use std::fmt::Write as _;

use crate::table::Row;

/// Where the bars begin, how wide ten times is, and how high a bar is.
const LEFT: f64 = 250.0;
const DECADE: f64 = 100.0;
const BAR: f64 = 15.0;
/// The scale begins at a hundredth of a microsecond and ends at 100 milliseconds.
const DECADES: u8 = 7;
const MARKS: [&str; 8] =
    ["0.01 µs", "0.1 µs", "1 µs", "10 µs", "0.1 ms", "1 ms", "10 ms", "100 ms"];
/// Told apart without red and green; the names stand beside the bars.
const COLOURS: [(&str, &str); 5] = [
    ("chargehand", "#0072b2"),
    ("llguidance", "#e69f00"),
    ("llguidance, our GBNF", "#f0c866"),
    ("xgrammar", "#56b4e9"),
    ("llama.cpp", "#999999"),
];

/// Returns the picture of the mean time of a mask.
pub(crate) fn svg(rows: &[Row]) -> String {
    let mut groups: Vec<(usize, &str)> =
        rows.iter().map(|row| (row.vocabulary, row.workload.as_str())).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut bars = String::new();
    let mut top = 40.0;
    for (vocabulary, workload) in groups {
        let _ = writeln!(
            bars,
            "<text x=\"8\" y=\"{:.0}\">{workload}, {vocabulary} tokens</text>",
            top + 12.0
        );
        for (engine, colour) in COLOURS {
            let same = |row: &&Row| {
                (row.vocabulary, row.workload.as_str()) == (vocabulary, workload)
                    && row.engine == engine
            };
            let Some(row) = rows.iter().find(same) else { continue };
            bar(&mut bars, row, top, colour);
            top += BAR;
        }
        top += BAR * 0.6;
    }
    let (width, height) = (LEFT + DECADE * f64::from(DECADES) + 70.0, top + 10.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"8\" y=\"16\" font-size=\"13\">Mean time of a mask, CPU time of the thread</text>\n"
    );
    for (at, mark) in (0..).zip(MARKS) {
        let x = LEFT + DECADE * f64::from(at);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.0} 36V{top:.0}\" stroke=\"#ddd\"/><text x=\"{x:.0}\" y=\"32\" text-anchor=\"middle\">{mark}</text>"
        );
    }
    svg + &bars + "</svg>\n"
}

fn bar(bars: &mut String, row: &Row, top: f64, colour: &str) {
    let [mean, ..] = row.figures;
    let length = ((mean.max(0.01).log10() + 2.0) * DECADE).max(1.0);
    let (y, end) = (top + 11.0, LEFT + length + 4.0);
    let _ = writeln!(
        bars,
        "<text x=\"{:.0}\" y=\"{y:.0}\" text-anchor=\"end\">{}</text><rect x=\"{LEFT:.0}\" y=\"{top:.0}\" width=\"{length:.0}\" height=\"12\" fill=\"{colour}\"/><text x=\"{end:.0}\" y=\"{y:.0}\">{mean:.2}</text>",
        LEFT - 6.0,
        row.engine,
    );
}

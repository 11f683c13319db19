//! The plots of a bench as one SVG: speed over the length of the prompt, memory over time. No script, no font from
//! elsewhere.

use super::markup::Page;
use super::words;

/// What is plotted of one subject; points as x and y.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is called.
    pub label: String,
    /// Tokens, and tokens a second while it speaks.
    pub decode: Vec<(f64, f64)>,
    /// Tokens, and prompt tokens a second.
    pub prefill: Vec<(f64, f64)>,
    /// Seconds, and MiB of its process.
    pub memory: Vec<(f64, f64)>,
}

/// One plot.
struct Panel {
    title: &'static str,
    below: &'static str,
    points: fn(&Line) -> &[(f64, f64)],
    /// A band that is shaded.
    band: Option<(f64, f64)>,
}

/// How such a picture begins, and what stands in its first bytes.
const OPENING: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 ";
const TITLE: &str =
    "\" style=\"background:#fffefb;font:12px system-ui,sans-serif\"><title>bench</title>";
const WIDTH: u64 = 760;
const PANEL: u64 = 230;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 740.0;
const COLOURS: [&str; 6] = [
    "stroke=\"#2563a8\"",
    "stroke=\"#b4541a\"",
    "stroke=\"#15703f\"",
    "stroke=\"#8a3d94\"",
    "stroke=\"#7a5200\"",
    "stroke=\"#4a5560\"",
];

/// Bytes of a picture of ours that are enough to know it.
pub const HEAD: usize = 256;

/// Returns whether a file that begins so has plots of ours.
#[must_use]
pub fn is_bench(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    head.starts_with(OPENING) && head.contains(TITLE)
}

/// Returns the plots of all `lines`.
#[must_use]
pub fn bench(lines: &[Line]) -> String {
    let panels = [
        Panel {
            title: "tokens/s while it speaks; the band is what work with tools asks for",
            below: "tokens of context",
            points: |line| &line.decode,
            band: Some((20.0, 30.0)),
        },
        Panel {
            title: "prompt tokens/s",
            below: "tokens of context",
            points: |line| &line.prefill,
            band: None,
        },
        Panel {
            title: "MiB of the worker",
            below: "seconds",
            points: |line| &line.memory,
            band: None,
        },
    ];
    let legend = 20 * lines.len() as u64 + 16;
    let mut page = Page::default();
    page.raw(OPENING).number(WIDTH).raw(" ");
    page.number(PANEL * panels.len() as u64 + legend);
    page.raw(TITLE);
    for (at, panel) in panels.iter().enumerate() {
        plot(&mut page, panel, lines, PANEL * at as u64);
    }
    for (at, line) in lines.iter().enumerate() {
        let y = PANEL * panels.len() as u64 + 20 * at as u64 + 12;
        page.raw("<path fill=\"none\" stroke-width=\"3\" ")
            .raw(colour(at))
            .raw(" d=\"M70 ")
            .number(y);
        page.raw("h24\"/><text x=\"102\" y=\"")
            .number(y + 4)
            .raw("\">")
            .short(&line.label, 100)
            .raw("</text>");
    }
    page.raw("</svg>\n");
    page.into_html()
}

fn colour(at: usize) -> &'static str {
    COLOURS[at % COLOURS.len()]
}

fn plot(page: &mut Page, panel: &Panel, lines: &[Line], top: u64) {
    let all = || lines.iter().flat_map(|line| (panel.points)(line));
    let most_x = all().map(|point| point.0).fold(1.0, f64::max);
    let floor = panel.band.map_or(1.0, |band| band.1 * 1.1);
    let most_y = all().map(|point| point.1 * 1.1).fold(floor, f64::max);
    let offset = f64::from(u32::try_from(top).unwrap_or(0));
    let x = |value: f64| words::rounded(LEFT + value / most_x * (RIGHT - LEFT));
    let y = |value: f64| words::rounded(offset + 190.0 - value / most_y * 150.0);
    page.raw("<text font-weight=\"600\" x=\"70\" y=\"")
        .number(top + 26)
        .raw("\">")
        .raw(panel.title);
    page.raw("</text>");
    if let Some((low, high)) = panel.band {
        page.raw("<rect x=\"70\" width=\"670\" fill=\"#15703f\" opacity=\".14\" y=\"")
            .number(y(high));
        page.raw("\" height=\"").number(y(low) - y(high)).raw("\"/>");
    }
    for share in [0.0, 0.5, 1.0] {
        let at = y(most_y * share);
        page.raw("<path stroke=\"#c9c5ba\" d=\"M70 ")
            .number(at)
            .raw("H740\"/><text text-anchor=\"end\" x=\"64\" y=\"");
        page.number(at + 4).raw("\">").number(words::rounded(most_y * share)).raw("</text>");
        page.raw("<text text-anchor=\"middle\" y=\"").number(top + 206).raw("\" x=\"");
        page.number(x(most_x * share))
            .raw("\">")
            .number(words::rounded(most_x * share))
            .raw("</text>");
    }
    page.raw("<text text-anchor=\"end\" x=\"740\" y=\"")
        .number(top + 222)
        .raw("\">")
        .raw(panel.below)
        .raw("</text>");
    for (at, line) in lines.iter().enumerate() {
        page.raw("<path fill=\"none\" stroke-width=\"2\" ").raw(colour(at)).raw(" d=\"");
        for (number, point) in (panel.points)(line).iter().enumerate() {
            page.raw(if number == 0 { "M" } else { "L" })
                .number(x(point.0))
                .raw(" ")
                .number(y(point.1));
        }
        page.raw("\"/>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lie_inside_and_names_are_no_markup() {
        let line = |label: &str, speed: f64| Line {
            label: label.to_owned(),
            decode: vec![(100.0, speed), (50_000.0, speed / 2.0)],
            prefill: vec![(100.0, 1.0)],
            memory: Vec::new(),
        };
        let svg = bench(&[line("<b>", 60.0), line("two", 10.0)]);
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"), "{svg}");
        // The fastest touches the top less a tenth, the end of the x axis is the longest prompt.
        assert!(svg.contains("M71 54L740 122"), "{svg}");
        assert_eq!(svg.matches("<path fill=\"none\" stroke-width=\"2\"").count(), 6);
    }

    #[test]
    fn nothing_measured_is_a_picture_too() {
        assert!(bench(&[]).ends_with("</svg>\n"));
        assert!(is_bench(&bench(&[]).as_bytes()[..HEAD]));
        assert!(!is_bench(b"<svg xmlns=\"http://www.w3.org/2000/svg\"><title>bench</title>"));
    }
}

//! Contents of files: lines that look like the languages people use.

use crate::words::Words;

/// Returns a line in the language of `extension`, or in any.
pub(crate) fn line(words: &mut Words, extension: Option<&str>) -> String {
    let language = match extension {
        Some("md" | "rst") => 0,
        Some("py" | "rb") => 1,
        Some("rs" | "go") => 2,
        Some("js" | "ts") => 3,
        Some("c" | "h") => 4,
        Some("toml") => 5,
        Some("yaml" | "yml") => 6,
        Some("cfg" | "ini" | "conf" | "env") => 7,
        Some("html") => 8,
        Some("css") => 9,
        Some("sh") => 10,
        Some("sql") => 11,
        Some(_) => 12,
        None => words.rng.below(13),
    };
    let text = match language {
        0 => words.rng.pick(&[
            "# {S}",
            "## {S}",
            "- {S}",
            "{S}",
            "{S}",
            "* {w}: {S}",
            "1. {S}",
            "Run `{w} {w}` first.",
            "See [{w}]({w}.md).",
        ]),
        1 => words.rng.pick(&[
            "{i} = {v}",
            "def {i}({i}):",
            "    return {i} + {n}",
            "import {w}",
            "    {i}({v})",
            "print({v})",
            "from {w} import {i}",
            "if {i} > {n}:",
            "# {S}",
            "class {p}:",
            "{u} = {v}",
            "    assert {i} == {n}",
        ]),
        2 => words.rng.pick(&[
            "let {i} = {v};",
            "fn {i}({i}: u32) -> u32 {",
            "    {i}({i});",
            "use {w}::{p};",
            "    {i} + {n}",
            "const {u}: usize = {n};",
            "// {S}",
            "    println!(\"{s}\");",
            "pub struct {p} {",
            "    pub {i}: String,",
            "}",
        ]),
        3 => words.rng.pick(&[
            "const {c} = {v};",
            "function {c}({c}) {",
            "  return {c} + {n};",
            "import {c} from './{w}.js';",
            "  {c}({v});",
            "console.log({v});",
            "// {S}",
            "export default {c};",
            "}",
            "let {c} = '{s}';",
        ]),
        4 => words.rng.pick(&[
            "int {i} = {n};",
            "#define {u} {n}",
            "#include <{w}.h>",
            "static void {i}(int {i}) {",
            "    return {i};",
            "}",
            "    printf(\"{s}\");",
            "/* {S} */",
            "char *{i} = \"{s}\";",
        ]),
        5 => words.rng.pick(&[
            "{i} = {n}",
            "{i} = \"{s}\"",
            "[{w}]",
            "{k} = true",
            "{k} = false",
            "# {S}",
        ]),
        6 => words.rng.pick(&["{i}: {v}", "{k}: {w}", "  {i}: {n}", "  - {w}", "# {S}"]),
        7 => words.rng.pick(&["{i}={n}", "{i}={w}", "[{w}]", "{u}={o}", "; {S}", "{k} = {n}"]),
        8 => words.rng.pick(&[
            "<p>{S}</p>",
            "<h1>{S}</h1>",
            "<div class=\"{w}\">",
            "</div>",
            "<a href=\"{w}.html\">{W}</a>",
            "  <li>{W}</li>",
        ]),
        9 => {
            words.rng.pick(&[".{k} {", "  margin: {n}px;", "  width: {n}px;", "  color: {w};", "}"])
        }
        10 => words.rng.pick(&[
            "{u}={v}",
            "echo \"{s}\"",
            "cd {w}",
            "{w} --{k} {n}",
            "# {S}",
            "export {u}=\"{s}\"",
        ]),
        11 => words.rng.pick(&["SELECT {i} FROM {i};", "INSERT INTO {i} VALUES ({n});", "-- {S}"]),
        _ => words.rng.pick(&["{S}", "{S}", "{w}: {n}", "{W}", "{o}", "{W} {n}", "{w}: {S}"]),
    };
    fill(words, text)
}

/// Returns a text of `low` to `high` distinct lines, each with its line end.
pub(crate) fn text(words: &mut Words, path: &str, low: usize, high: usize) -> String {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension).to_owned();
    let count = if words.rng.chance(4) {
        words.rng.between(high, 30)
    } else {
        words.rng.between(low, high)
    };
    let mut lines: Vec<String> = Vec::new();
    while lines.len() < count {
        let line = line(words, Some(&extension));
        if !lines.contains(&line) {
            lines.push(line);
        }
        if words.rng.chance(6)
            && lines.len() + 1 < count
            && lines.last().is_some_and(|last| !last.is_empty())
        {
            lines.push(String::new());
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Fills the slots of a pattern: `S` sentence, `s` a few words without quotes, `w` `W` word, `i` `c` `p` `u` `k`
/// identifiers, `n` number, `v` any value, `o` something odd.
fn fill(words: &mut Words, pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((slot, tail)) = after.split_once('}').filter(|(slot, _)| slot.len() == 1) else {
            text.push('{');
            rest = after;
            continue;
        };
        text.push_str(&value(words, slot));
        rest = tail;
    }
    text + rest
}

fn value(words: &mut Words, slot: &str) -> String {
    match slot {
        "S" => words.sentence(2, 7),
        "s" => words.sentence(1, 4),
        "w" => words.lower(),
        "W" => words.word(),
        "i" => words.identifier("snake"),
        "c" => words.identifier("camel"),
        "p" => words.identifier("pascal"),
        "u" => words.identifier("scream"),
        "k" => words.identifier("kebab"),
        "n" => words.number(),
        "o" => words.odd(),
        _ => match words.rng.below(4) {
            0 | 1 => words.number(),
            2 => format!("\"{}\"", words.sentence(1, 3)),
            _ => words.identifier("snake"),
        },
    }
}

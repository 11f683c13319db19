//! Files of settings: TOML, JSON, YAML and the like.

use crate::words::Words;

/// One line of a file of settings, in parts.
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) separator: &'static str,
    pub(crate) value: String,
}

/// Returns a file of settings and its lines in parts.
pub(crate) fn settings(words: &mut Words, extension: &str) -> (String, Vec<Setting>) {
    let separator = match extension {
        "json" | "yaml" | "yml" => ": ",
        "toml" | "py" | "conf" => " = ",
        _ => "=",
    };
    let quotes = matches!(extension, "json" | "toml" | "py");
    let mut lines: Vec<Setting> = Vec::new();
    for _ in 0..words.rng.between(2, 8) {
        let style = match extension {
            "env" => "scream",
            "py" => "snake",
            _ => words.rng.pick(&["snake", "snake", "kebab", "camel"]),
        };
        let style = style.to_owned();
        let key = words.identifier(&style);
        if lines.iter().any(|known| known.key.contains(&key) || key.contains(&*known.key)) {
            continue;
        }
        let value = match words.rng.below(10) {
            0..5 => words.number(),
            5 => words.rng.pick(&["true", "false"]).to_owned(),
            _ if quotes => format!("\"{}\"", words.lower()),
            _ => words.lower(),
        };
        let key = if extension == "json" { format!("\"{key}\"") } else { key };
        lines.push(Setting { key, separator, value });
    }
    let mut rows: Vec<String> =
        lines.iter().map(|line| format!("{}{separator}{}", line.key, line.value)).collect();
    if extension == "json" {
        let last = rows.len() - 1;
        rows = rows
            .iter()
            .enumerate()
            .map(|(at, row)| format!("  {row}{}", if at < last { "," } else { "" }))
            .collect();
        rows.insert(0, "{".to_owned());
        rows.push("}".to_owned());
    } else if matches!(extension, "toml" | "ini" | "cfg") && words.rng.chance(50) {
        let section = words.lower();
        rows.insert(0, format!("[{section}]"));
    }
    (rows.iter().map(|row| format!("{row}\n")).collect(), lines)
}

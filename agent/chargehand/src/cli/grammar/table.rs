//! Columns one below the other, for a terminal.

use crate::report::visible;

/// What a column is lined up by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Column {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Returns `rows` below `head`. What a terminal would act on is spelt out.
pub(super) fn table<const N: usize>(head: [(&str, Column); N], rows: &[[String; N]]) -> String {
    let plain = |row: &[String; N]| row.each_ref().map(|cell| visible::line(cell).text);
    let head_row = head.map(|(name, _)| name.to_owned());
    let rows: Vec<[String; N]> = [head_row].into_iter().chain(rows.iter().map(plain)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells =
            row.iter().zip(&widths).zip(head).map(|((cell, width), (_, side))| match side {
                Column::Left => format!("{cell:<width$}"),
                Column::Right => format!("{cell:>width$}"),
            });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Returns one line of CSV (RFC 4180).
pub(super) fn csv(cells: &[String]) -> String {
    let cell = |cell: &String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    cells.iter().map(cell).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::{Column, csv, table};

    #[test]
    fn columns_are_lined_up() {
        let rows = [["é".to_owned(), "10".to_owned()], ["a\u{1b}b".to_owned(), "7".to_owned()]];
        let shown = table([("name", Column::Left), ("n", Column::Right)], &rows);
        assert_eq!(shown, "name       n\né         10\na\\u{1b}b   7\n");
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        let cells = ["a", "b,c", "say \"hi\"", "x\ny", ""].map(str::to_owned);
        assert_eq!(csv(&cells), "a,\"b,c\",\"say \"\"hi\"\"\",\"x\ny\",");
    }
}

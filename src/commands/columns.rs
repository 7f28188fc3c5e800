//! Prints rows of text in columns, for people.

use order_tables::row_text::printable;

/// The number of blanks between two columns.
const GAP: usize = 2;

/// Returns lines of text in which the cells of a column begin at the same place. The first row
/// holds the heads.
///
/// Control characters are spelled out, so that stored text cannot act on the terminal.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        rows.iter().filter_map(|row| row.get(column)).map(String::as_str).map(chars).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - chars(cell) + GAP));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn chars(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_column_begin_at_the_same_place() {
        let rows =
            [vec!["key", "value"], vec!["späti", ""], vec!["a\u{1b}[2J\n", "1"], vec!["x", "22", "more"]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(
            columns(&rows),
            "key           value\n\
             späti\n\
             a\\u{1b}[2J\\n  1\n\
             x             22     more\n"
        );
        assert_eq!(columns(&[]), "");
    }
}
